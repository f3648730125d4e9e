//! A sealed segment, written again in fewer batches.
//!
//! The new file grows beside the old one. It takes the name only when it is whole, on the disk, and
//! was compared by whoever made its batches; until then, and after any crash, the old one is the
//! log. Sequences, tally and the chain out stay what they were, so that nothing outside of the
//! segment can tell; who has the old file mapped reads on in it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::body::Frame;
use super::directory::FrameEntry;
use super::disk::{Access, File, write_full};
use super::frames::next_sealed;
use super::paths::TMP;
use super::roll::sync_dir;
use super::scan::{Position, after};
use super::seal::Seal;
use super::sealed::{Loaded, SealedSegment};
use super::segment::SegmentHeader;
use super::view::SegmentInfo;
use super::writer::Writer;
use super::{BodyReader, Env, FRAMES_END_MAX, Tally};
use crate::error::{Error, Fault};
use crate::frame::{FrameHeader, KIND_BATCH, KIND_SEAL, frame_bytes, push_frame};
use crate::planted::planted;

/// So much is written before it is synced, so that no sync takes long; in tests so little that it
/// happens.
const SYNC_BYTES: u64 = if cfg!(test) { 256 } else { 1 << 20 };

/// The batches of a sealed segment, from a place on.
pub(crate) struct Batches<'a> {
    segment: &'a SealedSegment,
    loaded: &'a Loaded,
    at: Position,
}

impl<'a> Batches<'a> {
    /// Where the next batch is; from there another reading may go on.
    pub(crate) fn place(&self) -> Position {
        self.at
    }

    /// The next batch; `None` at the seal. A frame of another kind is one that only a later
    /// version knows, and an error: it could not be carried over.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'a>>, Error> {
        let here = self.at;
        if here.offset == self.loaded.seal_offset {
            return Ok(None);
        }
        let frame = next_sealed(self.segment, self.loaded, &mut self.at)?;
        if frame.as_ref().is_some_and(|frame| frame.offset == here.offset) {
            return Ok(frame);
        }
        let fault = Fault::Unknown("a frame that only a later version can write again");
        Err(fault.at(&self.segment.path, here.offset))
    }
}

impl SealedSegment {
    /// Its batches, from a place that an earlier reading came to, or from the first.
    fn batches(&self, env: &Env, from: Option<Position>) -> Result<Batches<'_>, Error> {
        let loaded = self.loaded(&*env.disk)?;
        let at = from.unwrap_or_else(|| loaded.header.start());
        Ok(Batches { segment: self, loaded, at })
    }
}

/// A segment while it is written again. Dropped, it leaves nothing behind.
pub(crate) struct Rewriting {
    env: Env,
    readers: BodyReader,
    old: Arc<SealedSegment>,
    path: PathBuf,
    file: Box<dyn File>,
    header: SegmentHeader,
    /// Where the next frame belongs.
    end: Position,
    written_offset: u64,
    synced_offset: u64,
    pending: Vec<u8>,
    entries: Vec<FrameEntry>,
    tally: Tally,
    /// The new segment, once it is sealed.
    new: Option<Arc<SealedSegment>>,
    named: bool,
}

impl Writer {
    /// The sealed segments, oldest first.
    pub(crate) fn sealed_segments(&self) -> impl Iterator<Item = SegmentInfo> {
        self.sealed.iter().map(|segment| segment.info())
    }

    /// Begins to write a sealed segment again; `None` if there is none that begins there.
    pub(crate) fn rewrite(&self, first_seq: u64) -> Result<Option<Rewriting>, Error> {
        let row = self.sealed.partition_point(|segment| segment.header.first_seq < first_seq);
        let Some(old) = self.sealed.get(row).filter(|old| old.header.first_seq == first_seq) else {
            return Ok(None);
        };
        let before = row.checked_sub(1).and_then(|row| self.sealed.get(row));
        let mut path = self.paths.segment(first_seq).into_os_string();
        path.push(TMP);
        let path = PathBuf::from(path);
        match self.env.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let header = SegmentHeader {
            generation: old.header.generation.saturating_add(1),
            salt: (self.env.random_u64)().max(1),
            ..old.header.clone()
        };
        let file = self.env.disk.open(&path, Access::Create).map_err(Error::io("create", &path))?;
        Ok(Some(Rewriting {
            env: self.env.clone(),
            readers: self.readers,
            old: Arc::clone(old),
            path,
            file,
            end: header.start(),
            written_offset: 0,
            synced_offset: 0,
            pending: header.encode().to_vec(),
            header,
            entries: Vec::new(),
            tally: before.map_or_else(Tally::default, |before| before.seal.tally),
            new: None,
            named: false,
        }))
    }

    /// Gives a rewritten segment, compared by now, its name. Whatever fails, the log holds the same
    /// events under it.
    pub(crate) fn put_rewritten(&mut self, mut rewriting: Rewriting) -> Result<(), Error> {
        let path = rewriting.old.path.clone();
        let Some(new) = rewriting.new.clone() else { return Ok(()) };
        let first_seq = new.header.first_seq;
        let row = self.sealed.partition_point(|segment| segment.header.first_seq < first_seq);
        // Else a power cut could keep the rename, and of its first name what had it before.
        sync_dir(&self.env, &self.paths.segments)?;
        let renamed = self.env.disk.rename(&rewriting.path, &path);
        renamed.map_err(Error::io("rename a rewritten segment to", &path))?;
        rewriting.named = true;
        if let Some(place) = self.sealed.get_mut(row) {
            *place = Arc::new(new.renamed(path));
        }
        sync_dir(&self.env, &self.paths.segments)
    }
}

impl Rewriting {
    /// The old segment's batches, from a place on or from the first.
    pub(crate) fn old_batches(&self, from: Option<Position>) -> Result<Batches<'_>, Error> {
        self.old.batches(&self.env, from)
    }

    /// The new segment's batches, once it is sealed.
    pub(crate) fn new_batches(&self, from: Option<Position>) -> Result<Batches<'_>, Error> {
        let missing = Fault::Corrupt("the rewritten segment is not sealed");
        let new = self.new.as_ref().ok_or(missing).map_err(|fault| fault.at(&self.path, 0))?;
        new.batches(&self.env, from)
    }

    /// What has come together before the next batch.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// How many batches the new segment has.
    pub(crate) fn batch_count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Appends a batch.
    pub(crate) fn push(&mut self, body: &[u8], events: u32) -> Result<(), Error> {
        let (offset, readers) = (self.end.offset, self.readers);
        let bytes = frame_bytes(u32::try_from(body.len()).unwrap_or(u32::MAX));
        if offset + bytes > FRAMES_END_MAX {
            return Err(Fault::Corrupt("a rewritten segment is too long").at(&self.path, offset));
        }
        let customers_before = self.tally.customers;
        let tally = (readers.tally)(body, events, &self.tally);
        self.tally = tally.map_err(|fault| fault.at(&self.path, offset))?;
        let header = self.frame(KIND_BATCH, body, events)?;
        self.entries.push(FrameEntry::new(&header, offset, customers_before));
        if self.pending.len() as u64 >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }

    fn frame(&mut self, kind: u8, body: &[u8], events: u32) -> Result<FrameHeader, Error> {
        let delta = self.end.seq.saturating_sub(self.header.first_seq);
        let header = FrameHeader {
            kind,
            zero_sectors: 0,
            body_bytes: 0,
            events,
            seq_delta: u32::try_from(delta).unwrap_or(u32::MAX),
            durable_offset: u32::try_from(self.synced_offset).unwrap_or(u32::MAX),
            chain: self.end.chain.unwrap_or(0),
            body_crc: 0,
        };
        let (salt, offset) = (self.header.salt, self.end.offset);
        let (header, crc) = push_frame(&mut self.pending, salt, offset, header, body);
        self.end = after(&self.end, &header, crc);
        Ok(header)
    }

    fn sync(&mut self) -> Result<(), Error> {
        let written = write_full(&*self.file, &self.pending, self.written_offset);
        written.map_err(Error::io("write", &self.path))?;
        self.pending.clear();
        self.written_offset = self.end.offset;
        if !planted("rewritten segment not synced") {
            self.file.sync().map_err(Error::io("sync", &self.path))?;
        }
        self.synced_offset = self.end.offset;
        Ok(())
    }

    /// Seals the new segment, which must come to the same end as the old one in fewer bytes; it is
    /// on the disk then.
    pub(crate) fn seal(&mut self) -> Result<(), Error> {
        let old = &self.old.seal;
        let fault = Fault::Corrupt("a rewritten segment comes to another end");
        if (self.end.seq, self.tally) != (old.end_seq, old.tally) {
            return Err(fault.at(&self.path, self.end.offset));
        }
        let chain_out = match planted("chain not carried over") {
            true => self.end.chain.unwrap_or(0),
            false => old.chain_out,
        };
        let end_seq = old.end_seq;
        self.sync()?;
        let mut body = Vec::new();
        let offset = u32::try_from(self.end.offset).unwrap_or(u32::MAX);
        Seal::encode(end_seq, chain_out, &self.tally, &self.entries, offset, &mut body);
        self.frame(KIND_SEAL, &body, 0)?;
        self.sync()?;
        let size = self.end.offset;
        if size >= self.old.size {
            let fault = Fault::Corrupt("a rewritten segment takes no less room");
            return Err(fault.at(&self.path, size));
        }
        let (path, header) = (self.path.clone(), self.header.clone());
        self.new = Some(Arc::new(SealedSegment::read(&*self.file, size, path, header)?));
        Ok(())
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        if !self.named {
            // Whoever opens the log next would remove it, too, but a full disk needs the room.
            self.env.disk.remove(&self.path).ok();
        }
    }
}
