//! One frame after the other: whether the bytes at a place are the frame that belongs there.
//!
//! Says what is there and nothing of what follows from it; `recovery` has the verdicts.

use std::path::Path;

use super::disk::{File, read_full};
use crate::error::{Error, Fault};
use crate::frame::{FrameHeader, HEADER_BYTES, HeaderBytes, is_zero, zero_sectors};
use crate::planted::planted;

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// In the segment's file.
    pub(crate) offset: u64,
    /// The sequence of its first event.
    pub(crate) seq: u64,
    /// The previous frame's checksum; `None` where reading starts in the middle.
    pub(crate) chain: Option<u32>,
}

/// Bytes of a segment.
pub(crate) trait Source {
    /// `length` bytes at `offset`; `None` if they are not all there.
    fn get(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, Error>;
    /// The file that errors name.
    fn path(&self) -> &Path;
}

/// A file read in windows, as recovery and `verify` do: nothing that happens to the file while it
/// is read can hurt.
pub(crate) struct Window<'f> {
    file: &'f dyn File,
    path: &'f Path,
    size: u64,
    bytes: Vec<u8>,
    start: u64,
    ahead: usize,
}

const WINDOW_BYTES: usize = 256 << 10;

impl<'f> Window<'f> {
    /// Reads the first `size` bytes of `file`.
    pub(crate) fn new(file: &'f dyn File, path: &'f Path, size: u64) -> Window<'f> {
        Window { file, path, size, bytes: Vec::new(), start: 0, ahead: WINDOW_BYTES }
    }

    /// The same for few bytes here and there: reads only a page ahead.
    pub(crate) fn sparse(file: &'f dyn File, path: &'f Path, size: u64) -> Window<'f> {
        Window { ahead: 4096, ..Window::new(file, path, size) }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn in_window(&self, offset: u64, length: usize) -> Option<usize> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let end = at.checked_add(length)?;
        (end <= self.bytes.len()).then_some(at)
    }

    fn load(&mut self, offset: u64, length: usize) -> Result<(), Error> {
        let rest = usize::try_from(self.size - offset).unwrap_or(usize::MAX);
        self.start = offset;
        self.bytes.resize(length.max(self.ahead).min(rest), 0);
        let count =
            read_full(self.file, &mut self.bytes, offset).map_err(Error::io("read", self.path))?;
        self.bytes.truncate(count);
        Ok(())
    }
}

impl Source for Window<'_> {
    fn get(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, Error> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Ok(None);
        }
        if self.in_window(offset, length).is_none() {
            self.load(offset, length)?;
        }
        let found = self.in_window(offset, length);
        Ok(found.and_then(|at| self.bytes.get(at..at + length)))
    }

    fn path(&self) -> &Path {
        self.path
    }
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The frame that belongs there, with its checksum.
    Frame(FrameHeader, u32),
    /// Something else.
    Stop(Stop),
}

/// Why a place does not hold the frame that belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The file ends there.
    FileEnds,
    /// The header is zero.
    HeaderZero,
    /// The file ends inside the header.
    HeaderCut,
    /// The header is not zero and does not match its checksum.
    HeaderDamaged,
    /// The header is whole and refused.
    Refused(Fault),
    /// The frame is whole, and belongs elsewhere.
    Misplaced(&'static str),
    /// The file ends inside the body or its padding.
    FrameCut,
    /// Zeros belong after the body.
    PaddingDamaged,
    /// The body does not match its checksum, and every sector of it was written.
    BodyDamaged,
    /// The body does not match its checksum, and has more empty sectors than when it was written.
    BodyTorn,
}

impl Stop {
    /// The clause for an error.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Stop::FileEnds => "the file ends here",
            Stop::HeaderZero => "a batch's header is zero",
            Stop::HeaderCut => "the file ends inside a batch's header",
            Stop::HeaderDamaged => "a batch's header does not match its checksum",
            Stop::Refused(Fault::Corrupt(reason) | Fault::Unknown(reason)) => reason,
            Stop::Misplaced(reason) => reason,
            Stop::FrameCut => "the file ends inside a batch",
            Stop::PaddingDamaged => "a batch's padding is not zero",
            Stop::BodyDamaged => "a batch's body does not match its checksum",
            Stop::BodyTorn => "a batch's body lacks sectors",
        }
    }

    /// The error for damage at `at`.
    pub(crate) fn error(self, path: &Path, at: &Position) -> Error {
        if let Stop::Refused(fault @ Fault::Unknown(_)) = self {
            return fault.at(path, at.offset);
        }
        let reason = format!("{} (events from {} on)", self.reason(), at.seq);
        Error::Corrupt { path: path.to_path_buf(), offset: at.offset, reason }
    }
}

/// Looks for the frame that belongs at `at`, in a segment with this salt and first sequence.
pub(crate) fn step(
    source: &mut impl Source,
    salt: u64,
    first_seq: u64,
    at: &Position,
) -> Result<Step, Error> {
    let (header, crc) = match hop(source, salt, first_seq, at)? {
        Step::Frame(header, crc) => (header, crc),
        stop @ Step::Stop(_) => return Ok(stop),
    };
    let body = source.get(at.offset + u64::from(HEADER_BYTES), header.body_bytes as usize)?;
    let Some(body) = body else { return Ok(Step::Stop(Stop::FrameCut)) };
    let whole = crc32fast::hash(body) == header.body_crc || planted("body's checksum not checked");
    let pieces = if whole { 0 } else { zero_sectors(body, at.offset + u64::from(HEADER_BYTES)) };
    let padding_at = at.offset + header.frame_bytes() - header.padding_bytes();
    let padding = usize::try_from(header.padding_bytes()).expect("less than 32");
    let stop = match source.get(padding_at, padding)? {
        None => Stop::FrameCut,
        Some(padding) if !is_zero(padding) && !planted("padding not checked") => {
            Stop::PaddingDamaged
        }
        Some(_) if whole => return Ok(Step::Frame(header, crc)),
        Some(_) if pieces <= u32::from(header.zero_sectors) => Stop::BodyDamaged,
        Some(_) => Stop::BodyTorn,
    };
    Ok(Step::Stop(stop))
}

/// The same by the header alone: the body is not looked at, which may be damaged or not there.
pub(crate) fn hop(
    source: &mut impl Source,
    salt: u64,
    first_seq: u64,
    at: &Position,
) -> Result<Step, Error> {
    let Some(bytes) = source.get(at.offset, HEADER_BYTES as usize)? else {
        let ends = source.get(at.offset, 1)?.is_none();
        return Ok(Step::Stop(if ends { Stop::FileEnds } else { Stop::HeaderCut }));
    };
    let bytes = bytes.first_chunk().expect("32 bytes were asked for");
    let (header, crc) = match FrameHeader::decode(bytes, salt, at.offset) {
        HeaderBytes::Zero => return Ok(Step::Stop(Stop::HeaderZero)),
        HeaderBytes::Damaged => return Ok(Step::Stop(Stop::HeaderDamaged)),
        HeaderBytes::Refused(fault) => return Ok(Step::Stop(Stop::Refused(fault))),
        HeaderBytes::Whole(header, crc) => (header, crc),
    };
    let follows = first_seq.checked_add(u64::from(header.seq_delta)) == Some(at.seq);
    if !follows && !planted("sequence not checked") {
        return Ok(Step::Stop(Stop::Misplaced(
            "a batch's sequence does not follow the last one's",
        )));
    }
    let chained = at.chain.is_none_or(|chain| chain == header.chain);
    if !chained && !planted("chain not checked") {
        return Ok(Step::Stop(Stop::Misplaced("a batch does not follow the one before it")));
    }
    Ok(Step::Frame(header, crc))
}

/// The whole header at `offset`, if there is one.
pub(crate) fn header_at(
    source: &mut impl Source,
    salt: u64,
    offset: u64,
) -> Result<Option<FrameHeader>, Error> {
    Ok(header_and_crc(source, salt, offset)?.map(|(header, _)| header))
}

/// The same with the header's checksum, which is the chain of the next one.
pub(crate) fn header_and_crc(
    source: &mut impl Source,
    salt: u64,
    offset: u64,
) -> Result<Option<(FrameHeader, u32)>, Error> {
    let bytes = source.get(offset, HEADER_BYTES as usize)?.and_then(|bytes| bytes.first_chunk());
    Ok(bytes.and_then(|bytes| match FrameHeader::decode(bytes, salt, offset) {
        HeaderBytes::Whole(header, crc) => Some((header, crc)),
        HeaderBytes::Zero | HeaderBytes::Damaged | HeaderBytes::Refused(_) => None,
    }))
}

/// The frame's successor.
pub(crate) fn after(at: &Position, header: &FrameHeader, crc: u32) -> Position {
    Position {
        offset: at.offset + header.frame_bytes(),
        seq: at.seq.saturating_add(u64::from(header.events)),
        chain: Some(crc),
    }
}

/// What lies from a place to the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// After its last byte that is not zero; the place itself if all are zero.
    pub(crate) nonzero_end: u64,
    /// The greatest durable offset that a whole header there states.
    pub(crate) durable_offset: u64,
}

/// Reads from `offset` to the end, at a multiple of 32, for the evidence that is left there.
pub(crate) fn rest(window: &mut Window<'_>, salt: u64, offset: u64) -> Result<Rest, Error> {
    let mut found = Rest { nonzero_end: offset, durable_offset: 0 };
    let mut at = offset;
    while at < window.size() {
        let length = (window.size() - at).min(WINDOW_BYTES as u64);
        let length = usize::try_from(length).expect("at most a window");
        let Some(bytes) = window.get(at, length)? else { break };
        for sector in bytes.chunks(512).zip((at..).step_by(512)) {
            if !is_zero(sector.0) {
                look_at_sector(sector.0, sector.1, salt, &mut found);
            }
        }
        at += length as u64;
    }
    Ok(found)
}

fn look_at_sector(sector: &[u8], sector_at: u64, salt: u64, found: &mut Rest) {
    let last = sector.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    found.nonzero_end = sector_at + last as u64 + 1;
    for (bytes, at) in sector.as_chunks::<32>().0.iter().zip((sector_at..).step_by(32)) {
        if let HeaderBytes::Whole(header, _) = FrameHeader::decode(bytes, salt, at) {
            found.durable_offset = found.durable_offset.max(u64::from(header.durable_offset));
        }
    }
}
