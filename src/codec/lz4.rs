//! LZ4 blocks without their length, which always stands elsewhere. No frames, no dictionaries.

use std::fmt;

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

use super::column::BODY_BYTES_MAX;
use crate::error::Fault;

/// The tables of the compressor, kept from block to block.
pub(crate) struct Compressor {
    /// For blocks below 64 KiB; the two are kept apart because one table for all would make the
    /// bytes of a block depend on the blocks before it.
    small: CompressTable,
    large: CompressTable,
    block: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> Self {
        let (small, large) = (CompressTable::small(), CompressTable::large());
        Compressor { small, large, block: Vec::new() }
    }

    /// The block of `raw`, or `None` if it would not be shorter by at least `raw.len() / part`.
    pub(crate) fn compress(&mut self, raw: &[u8], part: usize) -> Option<&[u8]> {
        let room = get_maximum_output_size(raw.len());
        if self.block.len() < room {
            self.block.resize(room, 0);
        }
        let small = raw.len() < usize::from(u16::MAX);
        let table = if small { &mut self.small } else { &mut self.large };
        let length = compress_into_with_table(raw, &mut self.block, table).ok()?;
        let saved = raw.len().checked_sub(length)?;
        if saved == 0 || saved < raw.len().div_ceil(part) {
            return None;
        }
        self.block.get(..length)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// Decompresses a block that must give exactly `length` bytes, into `scratch`.
pub(crate) fn decompress<'s>(
    block: &[u8],
    length: usize,
    scratch: &'s mut Vec<u8>,
) -> Result<&'s [u8], Fault> {
    // A byte of a block stands for at most 255 bytes, so a lie about the length costs no memory
    // that the block itself does not account for.
    if length > BODY_BYTES_MAX || length / 255 > block.len() {
        return Err(Fault::Corrupt("a compressed column claims more bytes than it can hold"));
    }
    scratch.clear();
    scratch.resize(length, 0);
    match decompress_into(block, scratch) {
        Ok(written) if written == length => Ok(scratch),
        _ => Err(Fault::Corrupt("a compressed column does not decompress to its length")),
    }
}
