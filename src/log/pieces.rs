//! A segment's bytes in pieces, each checked before it is handed on: to be written where they
//! are already, or elsewhere.

use std::path::Path;

use super::disk::File;
use super::scan::{Position, Source, Step, Window, after, step};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::error::{Error, Fault};

/// Receives a piece, and the place where it stands.
pub(super) type EachPiece<'a> = &'a mut dyn FnMut(&Position, &[u8]) -> Result<(), Error>;

/// Gives the header and then each frame before `end`, as one piece each; from a frame on, or, if there is none, from the header. Says what follows the last
/// frame. A piece that is not what was found there before is an error.
pub(super) fn each_piece(
    file: &dyn File,
    path: &Path,
    header: &SegmentHeader,
    from: Option<Position>,
    end: u64,
    each: EachPiece<'_>,
) -> Result<Position, Error> {
    let mut window = Window::new(file, path, end);
    if from.is_none() {
        let bytes =
            window.get(0, SEGMENT_HEADER_BYTES as usize)?.and_then(|bytes| bytes.first_chunk());
        let bytes = bytes.filter(|bytes| SegmentHeader::decode(bytes).as_ref() == Ok(header));
        let bytes = bytes.ok_or(Fault::Corrupt("the header changed while it was read"));
        let bytes = bytes.map_err(|fault| fault.at(path, 0))?;
        each(&Position { offset: 0, ..header.start() }, bytes)?;
    }
    let mut at = from.unwrap_or(header.start());
    while at.offset < end {
        let (frame, crc) = match step(&mut window, header.salt, header.first_seq, &at)? {
            Step::Frame(frame, crc) => (frame, crc),
            Step::Stop(stop) => return Err(stop.error(path, &at)),
        };
        let length = usize::try_from(frame.frame_bytes()).expect("at most 16 MiB and a little");
        let bytes = window.get(at.offset, length)?.unwrap_or(&[]);
        each(&at, bytes)?;
        at = after(&at, &frame, crc);
    }
    Ok(at)
}
