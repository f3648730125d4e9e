//! Copies of segments: each is made beside its name from bytes that are checked frame by frame,
//! summed up on the way, synced, and renamed only then.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::disk::{Access, Disk, File, write_full};
use super::paths::{Paths, TMP};
use super::pieces::{EachPiece, each_piece};
use super::scan::Position;
use super::segment::SegmentHeader;
use crate::error::{Error, Fault};

/// What was copied of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentSum {
    /// Sequence of its first event, which names the file.
    pub(crate) first_seq: u64,
    /// How many bytes.
    pub(crate) bytes: u64,
    /// Their SHA-256.
    pub(crate) sha256: [u8; 32],
}

/// How far copying has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copying {
    /// Bytes copied.
    pub bytes: u64,
    /// Bytes to be copied.
    pub bytes_total: u64,
    /// Events in what was copied.
    pub events: u64,
}

/// Receives how far copying has come, after each batch.
pub type OnCopying<'a> = &'a mut dyn FnMut(Copying);

/// What is copied: the first bytes of a file.
pub(super) struct Origin<'a> {
    pub(super) path: &'a Path,
    /// The file itself where it is open: its name may be another's by now.
    pub(super) file: Option<&'a dyn File>,
    pub(super) header: &'a SegmentHeader,
    pub(super) bytes: u64,
}

/// Looks at a copy before it gets its name: its sum, where its last frame ends, and whether it
/// came by the place that it was to meet.
pub(super) type Judge<'a> = &'a mut dyn FnMut(&SegmentSum, &Position, bool) -> Result<(), Error>;

/// Copies into one log's directory.
pub(super) struct Copies<'a> {
    disk: &'a dyn Disk,
    paths: &'a Paths,
    now: Copying,
    on_copying: OnCopying<'a>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(
        disk: &'a dyn Disk,
        paths: &'a Paths,
        bytes_total: u64,
        on_copying: OnCopying<'a>,
    ) -> Copies<'a> {
        Copies { disk, paths, now: Copying { bytes_total, ..Copying::default() }, on_copying }
    }

    /// Copies a segment, in place of what has its name, if `judge` lets it pass.
    pub(super) fn copy(
        &mut self,
        from: &Origin<'_>,
        met: Option<Position>,
        judge: Judge<'_>,
    ) -> Result<SegmentSum, Error> {
        let path = self.paths.segment(from.header.first_seq);
        let mut tmp = path.clone().into_os_string();
        tmp.push(TMP);
        let tmp = PathBuf::from(tmp);
        let before = self.now;
        let copied = self.write(from, met, judge, &tmp);
        let copied = copied.and_then(|sum| {
            // Else a power cut could keep the rename, and of its first name what had it before.
            let dir = &self.paths.segments;
            self.disk.sync_dir(dir).map_err(Error::io("sync the directory", dir))?;
            let renamed = self.disk.rename(&tmp, &path);
            renamed.map_err(Error::io("rename", &tmp)).map(|()| sum)
        });
        if copied.is_err() {
            self.now = before;
            // The next copy would remove it too, but a full disk needs the room.
            self.disk.remove(&tmp).ok();
        }
        let dir = &self.paths.segments;
        let sum = copied?;
        self.disk.sync_dir(dir).map_err(Error::io("sync the directory", dir))?;
        Ok(sum)
    }

    fn write(
        &mut self,
        from: &Origin<'_>,
        met: Option<Position>,
        judge: Judge<'_>,
        tmp: &Path,
    ) -> Result<SegmentSum, Error> {
        let opened = match from.file {
            Some(_) => None,
            None => {
                let opened = self.disk.open(from.path, Access::Read);
                Some(opened.map_err(Error::io("open", from.path))?)
            }
        };
        let source = from.file.or(opened.as_deref());
        let source =
            source.ok_or_else(|| Fault::Corrupt("there is no such file").at(from.path, 0))?;
        let file = self.disk.open(tmp, Access::Create).map_err(Error::io("create", tmp))?;
        let (before, first_seq) = (self.now, from.header.first_seq);
        let mut is_met = met.is_none();
        let (sum, end) = read(source, from, &mut |at, bytes| {
            is_met |= met == Some(*at);
            write_full(&*file, bytes, at.offset).map_err(Error::io("write", tmp))?;
            self.now.bytes += bytes.len() as u64;
            self.now.events = before.events + at.seq.saturating_sub(first_seq);
            (self.on_copying)(self.now);
            Ok(())
        })?;
        self.now.events = before.events + end.seq.saturating_sub(first_seq);
        judge(&sum, &end, is_met || met == Some(end))?;
        file.sync().map_err(Error::io("sync", tmp))?;
        Ok(sum)
    }
}

/// Reads and checks a segment's bytes; their sum, and where the last frame ends.
pub(super) fn sum_of(file: &dyn File, from: &Origin<'_>) -> Result<(SegmentSum, Position), Error> {
    read(file, from, &mut |_, _| Ok(()))
}

fn read(
    file: &dyn File,
    from: &Origin<'_>,
    each: EachPiece<'_>,
) -> Result<(SegmentSum, Position), Error> {
    let mut sha256 = Sha256::new();
    let end = each_piece(file, from.path, from.header, None, from.bytes, &mut |at, bytes| {
        sha256.update(bytes);
        each(at, bytes)
    })?;
    let sum = SegmentSum {
        first_seq: from.header.first_seq,
        bytes: end.offset,
        sha256: sha256.finalize().into(),
    };
    Ok((sum, end))
}
