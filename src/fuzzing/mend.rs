//! Right checksums for bytes that a fuzzer chose, so that it gets past them.

use crate::frame::{BODY_BYTES_MAX, HEADER_BYTES, frame_bytes, put, u32_at, zero_sectors};

/// The checksum in a segment's header.
pub(super) const SEGMENT: u8 = 1;
/// The checksums of frames and bodies.
pub(super) const FRAMES: u8 = 2;
/// The chain of the frames, and how many sectors of their bodies are zero.
pub(super) const CHAIN: u8 = 4;

/// Mends what is asked for of a segment.
pub(super) fn segment(bytes: &mut [u8], what: u8) {
    if bytes.len() < 128 {
        return;
    }
    if what & SEGMENT != 0 {
        sum(bytes, 0, 124);
    }
    let mut chain = u32_at(bytes, 48);
    let mut at = 128;
    while what & FRAMES != 0 && at + 32 <= bytes.len() && bytes[at..at + 32] != [0; 32] {
        let length = u32_at(bytes, at + 8).clamp(1, BODY_BYTES_MAX);
        let (start, end) = (at + HEADER_BYTES as usize, at + 32 + length as usize);
        if what & CHAIN != 0 {
            put(bytes, at + 24, &chain.to_le_bytes());
        }
        if let Some(body) = bytes.get(start..end) {
            let (zeros, crc) = (zero_sectors(body, start as u64), crc32fast::hash(body));
            put(bytes, at + 28, &crc.to_le_bytes());
            if what & CHAIN != 0 {
                put(bytes, at + 6, &(zeros as u16).to_le_bytes());
            }
        }
        let mut covered = bytes[40..48].to_vec();
        covered.extend((at as u64).to_le_bytes());
        covered.extend(&bytes[at + 4..at + 32]);
        chain = crc32fast::hash(&covered);
        put(bytes, at, &chain.to_le_bytes());
        at += frame_bytes(length) as usize;
    }
}

/// Puts the checksum of `length` bytes at `at` behind them, where there is room.
pub(super) fn sum(bytes: &mut [u8], at: usize, length: usize) {
    if let Some(covered) = bytes.get(at..at + length)
        && bytes.len() >= at + length + 4
    {
        let crc = crc32fast::hash(covered);
        put(bytes, at + length, &crc.to_le_bytes());
    }
}
