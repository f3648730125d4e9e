//! The seal: the last frame of a segment that is complete. Its end is the file's end, so it is
//! found from there without reading the segment.

use std::ops::Range;

use super::Tally;
use super::directory::{self, Directory, FrameEntry};
use crate::error::Fault;
use crate::frame::{FRAME_ALIGN, HEADER_BYTES, i64_at, is_zero, u32_at, u64_at};

/// Bytes before the directory.
const FIXED_BYTES: usize = 36;
/// The last bytes: where the seal's frame starts.
pub(crate) const TRAILER_BYTES: usize = 4;

/// What a sealed segment says of itself and of the log up to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The next segment's first sequence.
    pub(crate) end_seq: u64,
    /// The next segment's chain in. A rewritten segment carries the old one.
    pub(crate) chain_out: u32,
    /// What has come together up to the segment's end.
    pub(crate) tally: Tally,
    /// Where its batches are.
    pub(crate) directory: Directory,
    /// Bytes of the directory's columns.
    pub(crate) directory_bytes: usize,
}

impl Seal {
    /// Appends the body of a seal whose frame starts at `offset`.
    pub(crate) fn encode(
        end_seq: u64,
        chain_out: u32,
        tally: &Tally,
        entries: &[FrameEntry],
        offset: u32,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(&end_seq.to_le_bytes());
        out.extend_from_slice(&tally.customers.to_le_bytes());
        out.extend_from_slice(&chain_out.to_le_bytes());
        out.extend_from_slice(&tally.cents_abs.to_le_bytes());
        out.extend_from_slice(&tally.appended_at_us.to_le_bytes());
        let mut columns = Vec::new();
        directory::encode(entries, &mut columns);
        let columns_bytes =
            u32::try_from(columns.len()).expect("the writer bounds the number of frames");
        out.extend_from_slice(&columns_bytes.to_le_bytes());
        out.extend_from_slice(&columns);
        let used = out.len() - start + TRAILER_BYTES;
        out.resize(start + used.next_multiple_of(FRAME_ALIGN as usize) - TRAILER_BYTES, 0);
        out.extend_from_slice(&offset.to_le_bytes());
    }

    /// Reads the body of a seal whose frame starts at `offset`.
    pub(crate) fn decode(body: &[u8], offset: u64) -> Result<Seal, Fault> {
        const WRONG: Fault = Fault::Corrupt("the seal breaks its own rules");
        if body.len() < FIXED_BYTES + TRAILER_BYTES
            || !body.len().is_multiple_of(FRAME_ALIGN as usize)
        {
            return Err(WRONG);
        }
        let (inner, trailer) = body.split_at(body.len() - TRAILER_BYTES);
        if u64::from(u32_at(trailer, 0)) != offset {
            return Err(WRONG);
        }
        let directory_bytes = u32_at(inner, 32) as usize;
        let columns_end = FIXED_BYTES.checked_add(directory_bytes).ok_or(WRONG)?;
        let columns = inner.get(FIXED_BYTES..columns_end).ok_or(WRONG)?;
        let zeros = inner.get(columns_end..).ok_or(WRONG)?;
        if !is_zero(zeros) || zeros.len() >= FRAME_ALIGN as usize {
            return Err(WRONG);
        }
        Ok(Seal {
            end_seq: u64_at(inner, 0),
            chain_out: u32_at(inner, 12),
            tally: Tally {
                customers: u32_at(inner, 8),
                cents_abs: u64_at(inner, 16),
                appended_at_us: i64_at(inner, 24),
            },
            directory: Directory::parse(columns)?,
            directory_bytes,
        })
    }

    /// Whether it stands for the same end of the same segment, rewritten or not.
    pub(crate) fn ends_as(&self, other: &Seal) -> bool {
        let end = |seal: &Seal| (seal.end_seq, seal.chain_out, seal.tally);
        end(self) == end(other)
    }

    /// Where in the segment the directory's columns are, for a seal whose frame starts at `offset`.
    pub(crate) fn columns_at(&self, offset: u64) -> Range<u64> {
        let start = offset + u64::from(HEADER_BYTES) + FIXED_BYTES as u64;
        start..start + self.directory_bytes as u64
    }
}
