//! The bytes of a frame: header, checksums, sector pieces and padding. No I/O, and no verdicts:
//! what a frame that does not check means is decided by `log::scan`.

use crate::error::Fault;
use crate::planted::planted;

/// Frames start at multiples of this, so that a header never lies across two sectors.
pub(crate) const FRAME_ALIGN: u32 = 32;
/// Bytes of a frame's header.
pub(crate) const HEADER_BYTES: u32 = 32;
/// What a disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: u64 = 512;
/// The longest body.
pub(crate) const BODY_BYTES_MAX: u32 = 16 << 20;
/// The most events that a frame may claim.
pub(crate) const EVENTS_MAX: u32 = 1 << 20;
/// A batch of events.
pub(crate) const KIND_BATCH: u8 = 1;
/// The end of a sealed segment.
pub(crate) const KIND_SEAL: u8 = 2;
/// Kinds from here on may be skipped by builds that do not know them.
pub(crate) const KIND_SKIPPABLE: u8 = 128;

const VERSION: u8 = 1;

/// What a frame says of itself. Its kind is known or skippable once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// [`KIND_BATCH`], [`KIND_SEAL`] or something to skip.
    pub(crate) kind: u8,
    /// How many sector pieces of the body are all zero by nature; see [`zero_sectors`].
    pub(crate) zero_sectors: u16,
    /// Length of the body, 1 to [`BODY_BYTES_MAX`].
    pub(crate) body_bytes: u32,
    /// Events in it.
    pub(crate) events: u32,
    /// Its first event's sequence minus the segment's.
    pub(crate) seq_delta: u32,
    /// All bytes of the segment before this offset were synced before the frame was written.
    pub(crate) durable_offset: u32,
    /// The checksum in the previous frame's header.
    pub(crate) chain: u32,
    /// Checksum of the body.
    pub(crate) body_crc: u32,
}

/// What the 32 bytes at a frame's place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderBytes {
    /// All zero.
    Zero,
    /// Not zero, and not what was written there.
    Damaged,
    /// Whole, but it breaks a rule or is of a later version.
    Refused(Fault),
    /// Whole, with its own checksum.
    Whole(FrameHeader, u32),
}

impl HeaderBytes {
    /// The header, if it is whole and accepted.
    pub(crate) fn whole(self) -> Option<FrameHeader> {
        match self {
            HeaderBytes::Whole(header, _) => Some(header),
            HeaderBytes::Zero | HeaderBytes::Damaged | HeaderBytes::Refused(_) => None,
        }
    }
}

impl FrameHeader {
    /// The header's bytes for a frame at `offset` of a segment with this salt, and their checksum.
    pub(crate) fn encode(&self, salt: u64, offset: u64) -> ([u8; 32], u32) {
        let mut bytes = [0; 32];
        put(&mut bytes, 4, &[self.kind, VERSION]);
        put(&mut bytes, 6, &self.zero_sectors.to_le_bytes());
        let words = [
            self.body_bytes,
            self.events,
            self.seq_delta,
            self.durable_offset,
            self.chain,
            self.body_crc,
        ];
        for (at, word) in (8..).step_by(4).zip(words) {
            put(&mut bytes, at, &word.to_le_bytes());
        }
        let crc = header_crc(&bytes, salt, offset);
        put(&mut bytes, 0, &crc.to_le_bytes());
        (bytes, crc)
    }

    /// Reads the header of a frame at `offset`. Nothing in it is used before its checksum holds.
    pub(crate) fn decode(bytes: &[u8; 32], salt: u64, offset: u64) -> HeaderBytes {
        if *bytes == [0; 32] {
            return HeaderBytes::Zero;
        }
        let crc = u32_at(bytes, 0);
        if crc != header_crc(bytes, salt, offset) {
            return HeaderBytes::Damaged;
        }
        let [_, _, _, _, kind, version, zeros_low, zeros_high, ..] = *bytes;
        let header = FrameHeader {
            kind,
            zero_sectors: u16::from_le_bytes([zeros_low, zeros_high]),
            body_bytes: u32_at(bytes, 8),
            events: u32_at(bytes, 12),
            seq_delta: u32_at(bytes, 16),
            durable_offset: u32_at(bytes, 20),
            chain: u32_at(bytes, 24),
            body_crc: u32_at(bytes, 28),
        };
        match header.check(version, offset) {
            Ok(()) => HeaderBytes::Whole(header, crc),
            Err(fault) => HeaderBytes::Refused(fault),
        }
    }

    /// The rules that a header keeps by itself, wherever it stands.
    fn check(&self, version: u8, offset: u64) -> Result<(), Fault> {
        if self.kind == 0 {
            return Err(Fault::Corrupt("a frame of kind 0"));
        }
        if version != VERSION {
            return Err(Fault::Unknown("a frame of a later version"));
        }
        if self.kind > KIND_SEAL && self.kind < KIND_SKIPPABLE {
            return Err(Fault::Unknown("a frame of an unknown kind"));
        }
        if self.body_bytes == 0 || self.body_bytes > BODY_BYTES_MAX {
            return Err(Fault::Corrupt("a frame's length out of bounds"));
        }
        if self.events > EVENTS_MAX || (self.kind != KIND_BATCH && self.events != 0) {
            return Err(Fault::Corrupt("a frame's number of events out of bounds"));
        }
        if u64::from(self.durable_offset) > offset {
            return Err(Fault::Corrupt("a frame that was synced before it was written"));
        }
        Ok(())
    }

    /// Bytes of the whole frame, padding included.
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.body_bytes)
    }

    /// Bytes of zeros after the body.
    pub(crate) fn padding_bytes(&self) -> u64 {
        self.frame_bytes() - u64::from(HEADER_BYTES) - u64::from(self.body_bytes)
    }
}

/// Bytes of a frame with such a body: header, body, padding.
pub(crate) fn frame_bytes(body_bytes: u32) -> u64 {
    (u64::from(HEADER_BYTES) + u64::from(body_bytes)).next_multiple_of(u64::from(FRAME_ALIGN))
}

/// Appends a whole frame to `out`. Returns its header, with length, checksum and zero sectors
/// filled in from the body, and the header's checksum, which is the next frame's chain.
pub(crate) fn push_frame(
    out: &mut Vec<u8>,
    salt: u64,
    offset: u64,
    header: FrameHeader,
    body: &[u8],
) -> (FrameHeader, u32) {
    let body_bytes = u32::try_from(body.len()).expect("the writer bounds a body to 16 MiB");
    let pieces = zero_sectors(body, offset + u64::from(HEADER_BYTES));
    let header = FrameHeader {
        zero_sectors: u16::try_from(pieces).expect("16 MiB have at most 32,769 sector pieces"),
        body_bytes,
        body_crc: crc32fast::hash(body),
        ..header
    };
    let (bytes, crc) = header.encode(salt, offset);
    out.extend_from_slice(&bytes);
    out.extend_from_slice(body);
    let padding = usize::try_from(header.padding_bytes()).expect("less than 32");
    out.resize(out.len() + padding, 0);
    (header, crc)
}

/// How many pieces of a body that starts at `offset` of its file, cut where the file's sectors
/// end, are all zero. More of them than when it was written means that a sector never was.
pub(crate) fn zero_sectors(body: &[u8], offset: u64) -> u32 {
    let first = usize::try_from(SECTOR_BYTES - offset % SECTOR_BYTES).expect("at most 512");
    let (first, rest) = body.split_at(first.min(body.len()));
    let rest = rest.chunks(512);
    let count =
        [first].into_iter().chain(rest).filter(|piece| !piece.is_empty() && is_zero(piece)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether all bytes are zero; stops at the first 16 that are not.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (wide, rest) = bytes.as_chunks::<16>();
    wide.iter().all(|word| *word == [0; 16]) && rest.iter().all(|byte| *byte == 0)
}

/// CRC-32 of the segment's salt, the frame's offset and the header without its checksum: neither a
/// frame of another segment nor one at another place passes, and zeros do not either.
fn header_crc(bytes: &[u8; 32], salt: u64, offset: u64) -> u32 {
    let mut covered = [0; 44];
    put(&mut covered, 0, &salt.to_le_bytes());
    put(&mut covered, 8, &offset.to_le_bytes());
    let [_, _, _, _, rest @ ..] = bytes;
    put(&mut covered, 16, rest);
    if planted("length outside the checksum") {
        put(&mut covered, 20, &[0; 4]);
    }
    if planted("salt outside the checksum") {
        put(&mut covered, 0, &[0; 8]);
    }
    if planted("place outside the checksum") {
        put(&mut covered, 8, &[0; 8]);
    }
    crc32fast::hash(&covered)
}

/// Copies `from` into `to` at `at`; the caller's constants make it fit.
pub(crate) fn put(to: &mut [u8], at: usize, from: &[u8]) {
    to.get_mut(at..at + from.len()).expect("a field inside its structure").copy_from_slice(from);
}

/// The `N` bytes at `at`; the caller's constants lie inside.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes.get(at..).and_then(|rest| rest.first_chunk()).expect("a field inside its structure")
}

/// A little-endian `u32` at a constant place.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

/// A little-endian `u64` at a constant place.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

/// A little-endian `i64` at a constant place.
pub(crate) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes_at(bytes, at))
}
