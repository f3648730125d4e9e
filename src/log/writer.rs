//! The one who appends: frames gathered into writes, writes synced, heads published.
//!
//! Any write or sync that fails poisons the writer: what the disk holds then is unknown, and only
//! opening the log again finds out. The latch is here, around every call that changes a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::active::{ActiveSegment, Extent};
use super::body::{Body, Frame};
use super::directory::FrameEntry;
use super::disk::{Lock, write_full};
use super::head::Head;
use super::head_file::HeadWriter;
use super::lookup::{Found, Lookup};
use super::paths::Paths;
use super::scan::{Position, after};
use super::sealed::SealedSegment;
use super::view::{ActiveView, SegmentInfo, View};
use super::{BodyReader, Env, FRAMES_END_MAX, LogMeta, LogSettings, Tally};
use crate::error::Error;
use crate::frame::{
    BODY_BYTES_MAX, EVENTS_MAX, FrameHeader, HEADER_BYTES, KIND_BATCH, frame_bytes, push_frame,
};
use crate::planted::planted;

/// Frames are gathered up to this size before they are handed to the system.
const GATHER_BYTES: usize = 256 << 10;
/// A segment's space is reserved in steps from the first to the second.
const RESERVE_BYTES: (u64, u64) = (64 << 10, 4 << 20);
/// So many batches without a single event go into a segment: its seal still has room to name them.
const MARKS_ONLY_MAX: usize = 1_200_000;

/// A log, open for append.
pub(crate) struct Writer {
    pub(super) env: Env,
    pub(super) paths: Paths,
    pub(super) readers: BodyReader,
    pub(super) settings: LogSettings,
    pub(super) sealed: Vec<Arc<SealedSegment>>,
    pub(super) active: Arc<ActiveSegment>,
    /// Where the next frame belongs.
    pub(super) end: Position,
    /// The bytes from here to the end are in `pending`.
    pub(super) written_offset: u64,
    pub(super) pending: Vec<u8>,
    /// Everything before it is on the disk.
    pub(super) synced: Position,
    /// Length of the active segment's file.
    pub(super) allocated: u64,
    pub(super) tally: Tally,
    pub(super) head: HeadWriter,
    pub(super) newly_sealed: Vec<SegmentInfo>,
    pub(super) poison: Option<String>,
    // Let go in this order: who finds `segments/` free reads what the table of verdicts finds, and
    // who finds the directory free may recover.
    pub(super) _segments_lock: Box<dyn Lock>,
    pub(super) _dir_lock: Box<dyn Lock>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Writer")
            .field("paths", &self.paths)
            .field("end", &self.end)
            .field("synced", &self.synced)
            .field("poison", &self.poison)
            .finish_non_exhaustive()
    }
}

/// What opening a log for append did to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// There was no log; now there is.
    pub(crate) created: bool,
    /// Bytes of a torn frame that were cut off.
    pub(crate) torn_bytes: u64,
    /// Where they are now.
    pub(crate) quarantined: Option<PathBuf>,
    /// Bytes written again because nothing proved them to be on the disk.
    pub(crate) rewritten_bytes: u64,
}

impl Writer {
    /// Appends a batch as one frame and returns the sequence of its first event. `tally` is what
    /// has come together with this batch. Nothing is durable before [`Writer::sync`].
    pub(crate) fn append(&mut self, body: &[u8], events: u32, tally: Tally) -> Result<u64, Error> {
        let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
        assert!((1..=BODY_BYTES_MAX).contains(&bytes), "a batch has 1 byte to 16 MiB");
        assert!(events <= EVENTS_MAX, "a batch has at most 2^20 events");
        if self.has_events() {
            if self.is_full(frame_bytes(bytes), events) {
                self.guarded(Writer::roll)?;
            }
        } else if (events == 0 && self.active.entry_count() >= MARKS_ONLY_MAX)
            || self.exceeds_offsets(frame_bytes(bytes))
        {
            let reason = "a segment is full of marks: it takes more behind the next event";
            return Err(Error::Options { reason: reason.to_owned() });
        }
        self.guarded(|writer| {
            if writer.head.is_due(&writer.env) {
                writer.head.sync(&writer.paths)?;
            }
            let first_seq = writer.end.seq;
            writer.push(KIND_BATCH, body, events);
            writer.tally = tally;
            if writer.pending.len() >= GATHER_BYTES {
                writer.write_pending()?;
            }
            Ok(first_seq)
        })
    }

    /// Forces everything that was appended to the disk and tells readers; returns the end. The
    /// only place where the synced end moves within a segment.
    pub(crate) fn sync(&mut self) -> Result<u64, Error> {
        self.guarded(|writer| {
            writer.write_pending()?;
            if writer.synced.offset < writer.end.offset {
                if planted("head published before sync") {
                    writer.synced = writer.end;
                    writer.publish()?;
                }
                writer.force()?;
                writer.synced = writer.end;
                writer.publish()?;
            }
            Ok(writer.synced.seq)
        })
    }

    fn force(&self) -> Result<(), Error> {
        let file = &self.active.file;
        if planted("acknowledged before sync") {
            return Ok(());
        }
        let done = file.sync();
        let done = if planted("sync tried again") { done.or_else(|_| file.sync()) } else { done };
        done.map_err(Error::io("sync", self.active.path()))
    }

    /// Forces a head that was published a while ago to the disk. To be called when no one waits:
    /// after receipts, or when idle.
    pub(crate) fn tend(&mut self) -> Result<(), Error> {
        self.guarded(|writer| {
            if writer.head.is_due(&writer.env) { writer.head.sync(&writer.paths) } else { Ok(()) }
        })
    }

    /// Syncs, gives back reserved space, and lets go of the log. A writer that is merely dropped
    /// leaves the log as a killed process would.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.sync()?;
        self.guarded(|writer| {
            let path = writer.active.path();
            if writer.allocated > writer.end.offset {
                let cut = writer.active.file.truncate(writer.end.offset);
                cut.map_err(Error::io("cut", path))?;
                writer.active.file.sync().map_err(Error::io("sync", path))?;
                writer.allocated = writer.end.offset;
            }
            writer.head.sync(&writer.paths)
        })
    }

    /// The next sequence to be written.
    pub(crate) fn end(&self) -> u64 {
        self.end.seq
    }

    /// All events before it are on the disk.
    pub(crate) fn synced_end(&self) -> u64 {
        self.synced.seq
    }

    /// What has come together up to the end.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// What was fixed when the log was created.
    pub(crate) fn meta(&self) -> &LogMeta {
        &self.active.header.meta
    }

    /// The chain at the end, by which a checkpoint recognises its log.
    pub(crate) fn chain(&self) -> u32 {
        self.end.chain.unwrap_or(0)
    }

    /// Why the writer refuses everything, if it does.
    #[cfg(test)]
    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poison.as_deref()
    }

    /// The segments sealed since the last call.
    pub(crate) fn take_sealed(&mut self) -> Vec<SegmentInfo> {
        std::mem::take(&mut self.newly_sealed)
    }

    /// The log up to the end, synced or not. It does not move with the writer, and cannot be
    /// refreshed beyond what is synced; ask again.
    pub(crate) fn view(&mut self) -> Result<View, Error> {
        self.guarded(Writer::write_pending)?;
        Ok(View {
            env: self.env.clone(),
            paths: self.paths.clone(),
            readers: self.readers,
            sealed: self.sealed.clone(),
            active: Some(ActiveView::new(Arc::clone(&self.active), self.extent())),
            synced_end: self.synced.seq,
            torn_bytes: 0,
            writer_lives: true,
        })
    }

    /// The batch that an event is in, synced or not.
    pub(crate) fn frame_of(&self, seq: u64) -> Result<Option<Frame<'_>>, Error> {
        self.fetch(self.lookup().of_seq(seq)?)
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            env: &self.env,
            readers: &self.readers,
            sealed: &self.sealed,
            active: Some((&self.active, self.extent())),
        }
    }

    fn fetch<'a>(&'a self, found: Found<'a>) -> Result<Option<Frame<'a>>, Error> {
        if let Found::Entry(entry) = &found
            && u64::from(entry.offset) >= self.written_offset
        {
            return Ok(self.pending_batch(entry));
        }
        self.lookup().fetch(found)
    }

    /// A batch that was not written yet.
    fn pending_batch(&self, entry: &FrameEntry) -> Option<Frame<'_>> {
        let offset = u64::from(entry.offset);
        let at = usize::try_from(offset - self.written_offset).ok()?;
        let header = self.pending.get(at..)?.first_chunk()?;
        let header = FrameHeader::decode(header, self.active.header.salt, offset).whole()?;
        let start = at + HEADER_BYTES as usize;
        let body = self.pending.get(start..start + header.body_bytes as usize)?;
        Some(Frame {
            first_seq: entry.seq(self.active.header.first_seq),
            events: header.events,
            body: Body::borrowed(body),
            path: self.active.path(),
            offset,
        })
    }

    pub(super) fn extent(&self) -> Extent {
        Extent { end: self.end, durable_offset: self.synced.offset }
    }

    fn has_events(&self) -> bool {
        self.end.seq > self.active.header.first_seq
    }

    /// Whether the active segment cannot or should not take another frame.
    pub(super) fn is_full(&self, frame_bytes: u64, events: u32) -> bool {
        let delta = self.end.seq - self.active.header.first_seq;
        self.end.offset + frame_bytes > self.settings.segment_bytes_max
            || self.active.entry_count() >= self.settings.frames_max as usize
            || delta + u64::from(events) > u64::from(u32::MAX)
    }

    /// Whether another frame and a seal after it could start where 32 bits do not reach.
    fn exceeds_offsets(&self, frame_bytes: u64) -> bool {
        self.end.offset + frame_bytes > FRAMES_END_MAX
    }

    /// Encodes a frame behind the last one.
    pub(super) fn push(&mut self, kind: u8, body: &[u8], events: u32) {
        let segment = &self.active.header;
        let delta = self.end.seq - segment.first_seq;
        let header = FrameHeader {
            kind,
            zero_sectors: 0,
            body_bytes: 0,
            events,
            seq_delta: u32::try_from(delta).expect("a segment is rolled before"),
            durable_offset: if planted("durable offset not advanced") {
                0
            } else {
                u32::try_from(self.synced.offset).expect("a segment is below 4 GiB")
            },
            chain: self.chain(),
            body_crc: 0,
        };
        let (header, crc) =
            push_frame(&mut self.pending, segment.salt, self.end.offset, header, body);
        let entry = FrameEntry::new(&header, self.end.offset, self.tally.customers);
        self.end = after(&self.end, &header, crc);
        let entry = Some(entry).filter(|_| kind == KIND_BATCH);
        self.active.index(entry, self.end);
    }

    /// Hands what was gathered to the system in one write.
    pub(super) fn write_pending(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.reserve()?;
        let path = self.active.path();
        write_full(&*self.active.file, &self.pending, self.written_offset)
            .map_err(Error::io("append to", path))?;
        self.written_offset = self.end.offset;
        self.allocated = self.allocated.max(self.end.offset);
        self.pending.clear();
        Ok(())
    }

    /// Reserves space for what is pending and for more of it, as long as there is more.
    fn reserve(&mut self) -> Result<(), Error> {
        if self.end.offset <= self.allocated {
            return Ok(());
        }
        let (least, most) = RESERVE_BYTES;
        let step = self.allocated.clamp(least, most);
        let wanted =
            (self.allocated + step).min(self.settings.segment_bytes_max).max(self.end.offset);
        let file = &self.active.file;
        if file.allocate(wanted).is_err() {
            // A disk without so much may have enough for this; if not, this is the error.
            file.allocate(self.end.offset)
                .map_err(Error::io("reserve space in", self.active.path()))?;
        }
        self.allocated =
            file.size().map_err(Error::io("read the length of", self.active.path()))?;
        Ok(())
    }

    /// Tells readers what is on the disk.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        let head = head_for(&self.active, &self.synced);
        self.head.publish(&self.env, &self.paths, head)
    }

    /// Runs what changes files; the first failure is the last thing that this writer did.
    pub(super) fn guarded<T>(
        &mut self,
        change: impl FnOnce(&mut Writer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(reason) = &self.poison {
            return Err(Error::Poisoned { reason: reason.clone() });
        }
        change(self).inspect_err(|error| {
            if planted("poison not latched") {
                return;
            }
            let source = std::error::Error::source(error).map(|source| format!(": {source}"));
            self.poison = Some(format!("{error}{}", source.unwrap_or_default()));
        })
    }
}

/// The head that says so much of a segment is on the disk; its counter is set when published.
pub(super) fn head_for(active: &ActiveSegment, synced: &Position) -> Head {
    Head {
        log_id: active.header.meta.log_id,
        segment_first: active.header.first_seq,
        durable_seq: synced.seq,
        counter: 0,
        durable_offset: u32::try_from(synced.offset).expect("a segment is below 4 GiB"),
        chain: synced.chain.unwrap_or(0),
    }
}
