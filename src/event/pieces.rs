//! Many lines at once: what one read of a source gives, cut behind the last line in it, so that
//! whoever has it can find the lines without the source.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::held::Held;
use super::items::{Source, Trouble, newlines, trouble};

/// The most that is read at once: few enough to stay in a core's cache until they are parsed,
/// enough that handing them over counts for nothing.
pub(super) const PIECE_BYTES: usize = 512 << 10;

/// The most lines that are read at once, about: a line that is no event takes a hundred bytes of
/// memory, however short it is.
const PIECE_LINES: usize = 8 << 10;

/// What is read first, while nothing is known of the lines: so many of the shortest ones.
pub(super) const PIECE_BYTES_FIRST: usize = 2 * PIECE_LINES;

/// How many bytes to read next, after lines of so many bytes; none were read behind a long one.
pub(super) fn bytes_next(bytes: usize, lines: u64) -> usize {
    let lines = usize::try_from(lines).unwrap_or(usize::MAX).max(1);
    match bytes / lines {
        0 => PIECE_BYTES,
        mean => mean.saturating_mul(PIECE_LINES).clamp(PIECE_BYTES_FIRST, PIECE_BYTES),
    }
}

/// Whole lines of a source of lines.
#[derive(Default)]
pub(super) struct Piece {
    /// A line of which the beginning was read before.
    pub(super) head: Held,
    /// Room for one read.
    bytes: Vec<u8>,
    /// The lines behind the head, in `bytes`.
    lines: Range<usize>,
    /// The line of the source where they begin.
    line: u64,
}

impl Piece {
    /// The lines behind the head, each with its end.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(self.lines.clone()).unwrap_or_default()
    }

    /// The line of the source where the text begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Forgets what was read, but keeps the memory for as much as is usual.
    pub(super) fn clear(&mut self) {
        self.head.clear(PIECE_BYTES);
        self.lines = 0..0;
    }
}

impl Source<'_> {
    /// Takes the whole lines of what one read of so many bytes gives, or more reads if it has none,
    /// and holds the rest. False at the source's end, where only what is held is left.
    ///
    /// It never reads while it has a line: who feeds a source line by line waits for each.
    pub(super) fn read_piece(&mut self, piece: &mut Piece, bytes: usize) -> Result<bool, Trouble> {
        piece.clear();
        piece.bytes.resize(bytes, 0);
        loop {
            let length = match self.inner.read(&mut piece.bytes) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(error) => {
                    trouble(error).map_or(Ok(()), Err)?;
                    continue;
                }
            };
            let text = piece.bytes.get(..length).unwrap_or_default();
            let (Some(first), Some(last)) = (memchr(b'\n', text), memrchr(b'\n', text)) else {
                self.held.add(self.line, text);
                continue;
            };
            let mut start = 0;
            if !self.held.is_empty() {
                self.held.add(self.line, text.get(..first).unwrap_or_default());
                std::mem::swap(&mut self.held, &mut piece.head);
                self.line += 1;
                start = first + 1;
            }
            let (lines, rest) = text.split_at(last + 1);
            piece.line = self.line;
            piece.lines = start..lines.len();
            self.line += newlines(lines.get(start..).unwrap_or_default());
            self.held.add(self.line, rest);
            return Ok(true);
        }
    }
}
