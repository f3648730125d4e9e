//! What a log is, told without opening it; and by which word a checkpoint recognises it.

use std::path::Path;

use super::catalog::{OpenSegment, list};
use super::disk::{Access, read_full};
use super::paths::Paths;
use super::{Env, LogMeta, View};
use crate::error::Error;

/// What was fixed when the log in `dir` was created; `None` where there is no log yet.
pub(crate) fn read_meta(env: &Env, dir: &Path) -> Result<Option<LogMeta>, Error> {
    let (disk, paths) = (&*env.disk, Paths::of(dir));
    let Some(listing) = list(disk, &paths)? else { return Ok(None) };
    let Some(first) = listing.firsts.first() else { return Ok(None) };
    let segment = OpenSegment::open(disk, &paths, *first, Access::Read)?;
    Ok(segment.header.map(|header| header.meta))
}

impl View {
    /// The log's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.paths.dir
    }

    /// The header CRC of the batch whose last event stands before `seq`, or what a rewritten
    /// segment that ends there carries in its place; 0 at the start; `None` where no batch ends.
    /// Batches of marks alone may follow it: a seal's own chain is of the last of those.
    pub(crate) fn chain_at(&self, seq: u64) -> Result<Option<u32>, Error> {
        let Some(last) = seq.checked_sub(1) else { return Ok(Some(0)) };
        let mut rewritten = self.sealed.iter().filter(|segment| segment.header.generation > 0);
        if let Some(segment) = rewritten.find(|segment| segment.seal.end_seq == seq) {
            return Ok(Some(segment.seal.chain_out));
        }
        if seq > self.end() {
            return Ok(None);
        }
        let Some(frame) = self.frame_of(last)?.filter(|frame| frame.end_seq() == seq) else {
            return Ok(None);
        };
        // A frame's header begins with its CRC. What is mapped is asked, since a sealed segment's
        // name may be another file's by now.
        let mut crc = [0; 4];
        let row = self.sealed.partition_point(|segment| segment.seal.end_seq <= last);
        if let Some(segment) = self.sealed.get(row) {
            let map = &segment.loaded(&*self.env.disk)?.map;
            let at = usize::try_from(frame.offset).unwrap_or(usize::MAX);
            let bytes = map.bytes(at..at.saturating_add(crc.len()));
            return Ok(bytes
                .and_then(|bytes| bytes.first_chunk())
                .map(|crc| u32::from_le_bytes(*crc)));
        }
        let Some(active) = &self.active else { return Ok(None) };
        let read = read_full(&*active.segment.file, &mut crc, frame.offset);
        let count = read.map_err(Error::io("read", frame.path))?;
        Ok((count == crc.len()).then(|| u32::from_le_bytes(crc)))
    }
}
