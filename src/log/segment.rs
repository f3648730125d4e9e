//! The header of a segment and its file's name.

use std::ops::Range;

use super::LogMeta;
use crate::error::Fault;
use crate::frame::{bytes_at, i64_at, is_zero, put, u32_at, u64_at};

/// Bytes of a segment's header; its first frame follows.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 128;

const MAGIC: [u8; 8] = *b"\x89LTVLOG\n";
const FORMAT: u32 = 1;
/// Decimals of every currency this format knows.
const MINOR_DIGITS: u8 = 2;

/// What a segment says of itself and of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The log it belongs to; the same in all its segments.
    pub(crate) meta: LogMeta,
    /// Flags of a later version that need not be understood.
    pub(crate) compatible: u32,
    /// How often it was rewritten.
    pub(crate) generation: u32,
    /// Sequence of its first event.
    pub(crate) first_seq: u64,
    /// Random, never 0: part of every frame header's checksum.
    pub(crate) salt: u64,
    /// The chain of its first frame: the last segment's chain out, 0 in the first.
    pub(crate) chain_in: u32,
}

impl SegmentHeader {
    /// Whether it stands for the same beginning of the same segment, rewritten or not.
    pub(crate) fn begins_as(&self, other: &SegmentHeader) -> bool {
        let place = |header: &SegmentHeader| (header.first_seq, header.chain_in);
        self.meta == other.meta && place(self) == place(other)
    }

    pub(crate) fn encode(&self) -> [u8; 128] {
        let mut bytes = [0; 128];
        let Range { start, end } = self.meta.time_range_us;
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &FORMAT.to_le_bytes());
        put(&mut bytes, 16, &self.compatible.to_le_bytes());
        put(&mut bytes, 20, &self.generation.to_le_bytes());
        put(&mut bytes, 24, &self.meta.log_id.to_le_bytes());
        put(&mut bytes, 32, &self.first_seq.to_le_bytes());
        put(&mut bytes, 40, &self.salt.to_le_bytes());
        put(&mut bytes, 48, &self.chain_in.to_le_bytes());
        put(&mut bytes, 52, &self.meta.currency);
        put(&mut bytes, 55, &[MINOR_DIGITS]);
        put(&mut bytes, 56, &self.meta.partition.to_le_bytes());
        put(&mut bytes, 58, &self.meta.partitions.to_le_bytes());
        put(&mut bytes, 60, &start.to_le_bytes());
        put(&mut bytes, 68, &end.to_le_bytes());
        let crc = crc32fast::hash(bytes.get(..124).expect("124 of 128"));
        put(&mut bytes, 124, &crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; 128]) -> Result<SegmentHeader, Fault> {
        let (covered, _) = bytes.split_at(124);
        if u32_at(bytes, 124) != crc32fast::hash(covered) {
            return Err(Fault::Corrupt("the segment's header does not match its checksum"));
        }
        if bytes_at(bytes, 0) != MAGIC {
            return Err(Fault::Corrupt("this is no segment"));
        }
        if u32_at(bytes, 8) != FORMAT {
            return Err(Fault::Unknown("a segment of a later format"));
        }
        if u32_at(bytes, 12) != 0 {
            return Err(Fault::Unknown("a segment with flags that must be understood"));
        }
        let header = SegmentHeader {
            meta: LogMeta {
                log_id: u64_at(bytes, 24),
                currency: bytes_at(bytes, 52),
                partition: u16::from_le_bytes(bytes_at(bytes, 56)),
                partitions: u16::from_le_bytes(bytes_at(bytes, 58)),
                time_range_us: i64_at(bytes, 60)..i64_at(bytes, 68),
            },
            compatible: u32_at(bytes, 16),
            generation: u32_at(bytes, 20),
            first_seq: u64_at(bytes, 32),
            salt: u64_at(bytes, 40),
            chain_in: u32_at(bytes, 48),
        };
        let [minor_digits] = bytes_at(bytes, 55);
        header.check(minor_digits, bytes)?;
        Ok(header)
    }

    fn check(&self, minor_digits: u8, bytes: &[u8; 128]) -> Result<(), Fault> {
        if minor_digits != MINOR_DIGITS {
            return Err(Fault::Unknown("a currency without two decimals"));
        }
        if !self.meta.is_sound() || self.salt == 0 {
            return Err(Fault::Corrupt("the segment's header breaks its own rules"));
        }
        if !bytes.get(76..124).is_some_and(is_zero) {
            return Err(Fault::Corrupt("the segment's header has bytes where zeros belong"));
        }
        Ok(())
    }
}

/// The file name of the segment that starts at `first_seq`.
pub(crate) fn segment_name(first_seq: u64) -> String {
    format!("{first_seq:020}.seg")
}

/// The first sequence in a segment's file name, if it is one of ours.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let canonical = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical { digits.parse().ok() } else { None }
}
