//! A mapped segment: the only file of this crate with `unsafe`.
//!
//! A map does not know how far it may be read. Its owner touches nothing above the durable mark,
//! because only below it is a segment never cut and never changed.
#![allow(
    unsafe_code,
    reason = "a file can be mapped in no other way; each block says why it is sound"
)]

use std::fs;
use std::io;
use std::ops::Range;

/// The first bytes of a file, to read.
#[derive(Debug)]
pub(crate) struct Map {
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl Map {
    /// Maps the first `size` bytes of `file`, which may reach past its end.
    pub(crate) fn of(file: &fs::File, size: usize) -> io::Result<Map> {
        if size == 0 {
            return Ok(Map::owned(Vec::new()));
        }
        let mut options = memmap2::MmapOptions::new();
        let options = options.len(size);
        // SAFETY: the map is read only. Bytes below a segment's durable mark are never written
        // again with another value and never cut off, by the rules of this log, and `View` hands
        // out no byte above it. Another program that changes or cuts the file breaks this
        // assumption; it owns the log then, and no lock of ours can stop it.
        let map = unsafe { options.map(file)? };
        Ok(Map { bytes: Bytes::Mapped(map) })
    }

    /// A copy that stands for a map, on a disk that has no real files.
    pub(crate) fn owned(bytes: Vec<u8>) -> Map {
        Map { bytes: Bytes::Owned(bytes) }
    }

    /// All its bytes: only for files that are never cut, those replaced whole.
    pub(crate) fn all(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }

    /// The bytes in `range`, if the map has all of them.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Mapped(map) => map.get(range),
            Bytes::Owned(bytes) => bytes.get(range),
        }
    }

    /// Whether what is written to the file later shows in the map.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }
}
