//! Cuts a source of JSON into the texts of single events, as a stream: lines, the elements of an
//! array (`array`), or one event over several lines, told by how the source begins.
//!
//! It asks of a text only what it needs to know to find the next one; the events in them are
//! `reader`'s. What it cannot cut it hands on with the reason.

use std::io::{self, BufRead, ErrorKind};

use memchr::{memchr, memchr_iter};

use super::json::too_large_by;
use super::raw::{self, State, trim_blanks, trim_start};
use super::rejects::is_rejects_line;
use super::scan::Scan;
use super::{Event, Reason, Rejection, Rules, array};
use crate::Error;

/// How much of a text that is too large for an event is kept for the report of its rejection.
/// More than an event, since in a rejects file an event of the greatest size stands with more
/// around it, and may be spelled in escapes.
pub(super) const KEPT_BYTES_MAX: usize = 16 << 20;

/// The text of what should be one event.
pub(super) struct Item<'a> {
    /// The line of the source where it starts, from 1.
    pub(super) line: u64,
    /// The text as it came, without the blanks around it.
    pub(super) text: &'a [u8],
    /// Why it cannot be an event, if that is known.
    pub(super) flaw: Option<Rejection>,
    /// Whether it is an element of an array, which breaks where an element does.
    pub(super) is_element: bool,
}

/// What follows an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next item.
    Next,
    /// Nothing: the rest of this source is lost.
    Lost,
    /// Nothing: the caller wants no more.
    Stop,
}

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The source could not be read.
    Source(io::Error),
    /// The source is an archive and broken.
    Damage(io::Error),
    /// The receiver of the items failed.
    Receiver(Error),
}

/// Receives items.
pub(super) type Each<'e> = &'e mut dyn FnMut(Item<'_>) -> Result<Step, Error>;

/// Cuts a whole source into items.
pub(super) fn cut(inner: &mut dyn BufRead, each: Each<'_>) -> Result<Step, Trouble> {
    let mut source = Source { inner, line: 1, held: Held::default() };
    match source.read_all(each) {
        Err(Trouble::Damage(error)) => {
            let flaw = lost(&format!("the archive is truncated or damaged: {error}"));
            source.held.add(source.line, b"");
            source.held.give(Some(flaw), each)
        }
        outcome => outcome,
    }
}

/// A source, and where it was read to.
pub(super) struct Source<'s> {
    inner: &'s mut dyn BufRead,
    /// The line of the next byte, from 1.
    line: u64,
    held: Held,
}

/// What ended a text that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Line,
    Value,
    Source,
}

impl Source<'_> {
    fn read_all(&mut self, each: Each<'_>) -> Result<Step, Trouble> {
        self.skip_byte_order_mark()?;
        if self.peek()? == Some(b'[') && self.held.bytes == 0 {
            return array::read(self, each);
        }
        // An event over several lines may be followed by others, as `jq .` prints them.
        while self.peek()?.is_some() {
            self.hold_line(None)?;
            let unfinished = raw::state_of(&self.held.text) == State::Unfinished;
            if !unfinished || self.held.is_cut() || !self.hold_several_lines()? {
                return self.read_lines(each);
            }
            let step = self.held.give(None, each)?;
            if step != Step::Next {
                return Ok(step);
            }
        }
        self.held.give(None, each)
    }

    /// Reads on as NDJSON, what is held first.
    fn read_lines(&mut self, each: Each<'_>) -> Result<Step, Trouble> {
        let mut step = self.held.give_lines(each)?;
        while step == Step::Next {
            let buffer = fill(self.inner)?;
            if buffer.is_empty() {
                return self.held.give(None, each);
            }
            let mut rest = buffer;
            while let Some(at) = memchr(b'\n', rest).filter(|_| step == Step::Next) {
                let (line, after) = rest.split_at(at);
                step = self.held.give_with(self.line, line, false, each)?;
                self.line += 1;
                rest = after.strip_prefix(b"\n").unwrap_or_default();
            }
            self.held.add(self.line, rest);
            let length = buffer.len();
            self.inner.consume(length);
        }
        Ok(step)
    }

    /// Holds the rest of a value of which the first line is held already, and tells whether it
    /// should be taken for one event.
    ///
    /// It should not if the text is not JSON and one of its lines is an event by itself: then its
    /// first line is a broken one of many.
    fn hold_several_lines(&mut self) -> Result<bool, Trouble> {
        let mut scan = Scan::default();
        let mut is_over = scan.feed(&self.held.text).is_some();
        let mut has_events = false;
        let mut checked_bytes = 0;
        while !is_over {
            let start = self.held.text.len();
            is_over = self.hold_line(Some(&mut scan))? != Ended::Line;
            has_events |= is_event(self.held.text.get(start..).unwrap_or_default());
            // The text is checked again when it has doubled, so that all checks together take no
            // longer than a few of the whole.
            if has_events && self.held.text.len() >= 2 * checked_bytes && !self.held.is_cut() {
                checked_bytes = self.held.text.len();
                is_over |= raw::state_of(&self.held.text) == State::Broken;
            }
        }
        Ok(!has_events || self.held.is_cut() || raw::state_of(&self.held.text) == State::Whole)
    }

    /// Holds a line, or what is left of it up to the end of the value that `scan` looks for.
    fn hold_line(&mut self, mut scan: Option<&mut Scan>) -> Result<Ended, Trouble> {
        loop {
            let buffer = fill(self.inner)?;
            let line_end = memchr(b'\n', buffer).map(|at| at + 1);
            let (line, _) = buffer.split_at(line_end.unwrap_or(buffer.len()));
            let value_end = scan.as_mut().and_then(|scan| scan.feed(line));
            let (piece, _) = line.split_at(value_end.unwrap_or(line.len()));
            self.held.add(self.line, piece);
            let length = piece.len();
            self.inner.consume(length);
            if value_end.is_some() {
                return Ok(Ended::Value);
            }
            if line_end.is_some() {
                self.line += 1;
                return Ok(Ended::Line);
            }
            if length == 0 {
                return Ok(Ended::Source);
            }
        }
    }

    /// Gives the value that begins here as an element of an array; nothing if the source ends in
    /// it, which leaves it held.
    pub(super) fn read_element(&mut self, each: Each<'_>) -> Result<Option<Step>, Trouble> {
        let mut scan = Scan::default();
        let mut step = None;
        while step.is_none() {
            let buffer = fill(self.inner)?;
            if buffer.is_empty() {
                break;
            }
            let end = scan.feed(buffer);
            let (piece, _) = buffer.split_at(end.unwrap_or(buffer.len()));
            match end {
                Some(_) => step = Some(self.held.give_with(self.line, piece, true, each)?),
                None => self.held.add(self.line, piece),
            }
            self.line += newlines(piece);
            let length = piece.len();
            self.inner.consume(length);
        }
        Ok(step)
    }

    /// Gives what cannot be cut: what is held and as much of the line after it as is in memory.
    pub(super) fn give_rest(&mut self, why: &str, each: Each<'_>) -> Result<Step, Trouble> {
        let buffer = fill(self.inner)?;
        let (line, _) = buffer.split_at(memchr(b'\n', buffer).unwrap_or(buffer.len()));
        self.held.add(self.line, line);
        self.held.give(Some(lost(why)), each)
    }

    /// The next byte that is no blank, not taken; nothing at the end of the source.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Trouble> {
        loop {
            let buffer = fill(self.inner)?;
            let length = buffer.len();
            let rest = trim_start(buffer);
            let (blanks, next) = (length - rest.len(), rest.first().copied());
            self.line += newlines(buffer.get(..blanks).unwrap_or_default());
            self.inner.consume(blanks);
            if next.is_some() || length == 0 {
                return Ok(next);
            }
        }
    }

    /// Takes the byte that `peek` gave.
    pub(super) fn take(&mut self) {
        self.inner.consume(1);
    }

    /// Takes the mark that some programs write before UTF-8. A part of one is no blank, and is
    /// held as the beginning of the first line.
    fn skip_byte_order_mark(&mut self) -> Result<(), Trouble> {
        const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
        for byte in MARK {
            if fill(self.inner)?.first() != Some(&byte) {
                return Ok(());
            }
            self.inner.consume(1);
            self.held.add(1, &[byte]);
        }
        self.held = Held::default();
        Ok(())
    }
}

/// The beginning of an item whose end is not in the source's buffer.
#[derive(Default)]
struct Held {
    /// The line it starts in.
    line: u64,
    /// Its first bytes, at most [`KEPT_BYTES_MAX`].
    text: Vec<u8>,
    /// How many bytes it has.
    bytes: usize,
}

impl Held {
    fn add(&mut self, line: u64, text: &[u8]) {
        if self.bytes == 0 {
            self.line = line;
        }
        self.bytes = self.bytes.saturating_add(text.len());
        let room = KEPT_BYTES_MAX.saturating_sub(self.text.len());
        self.text.extend_from_slice(text.get(..room).unwrap_or(text));
    }

    /// Whether more was added than is kept.
    fn is_cut(&self) -> bool {
        self.bytes > self.text.len()
    }

    /// Gives what is held, and a text that follows it, as one item; straight from the source's
    /// buffer if nothing is held.
    fn give_with(
        &mut self,
        line: u64,
        text: &[u8],
        is_element: bool,
        each: Each<'_>,
    ) -> Result<Step, Trouble> {
        if self.bytes > 0 || text.len() > KEPT_BYTES_MAX {
            self.add(line, text);
            return self.give_held(None, is_element, each);
        }
        give(Item { line, text, flaw: None, is_element }, each)
    }

    /// Gives what is held as one item.
    fn give(&mut self, flaw: Option<Rejection>, each: Each<'_>) -> Result<Step, Trouble> {
        self.give_held(flaw, false, each)
    }

    fn give_held(
        &mut self,
        flaw: Option<Rejection>,
        is_element: bool,
        each: Each<'_>,
    ) -> Result<Step, Trouble> {
        let flaw = flaw.or_else(|| self.is_cut().then(|| too_large_by(self.bytes)));
        let step = give(Item { line: self.line, text: &self.text, flaw, is_element }, each);
        self.text.clear();
        self.bytes = 0;
        step
    }

    /// Gives each whole line of what is held, and goes on holding the last if its end is missing.
    fn give_lines(&mut self, each: Each<'_>) -> Result<Step, Trouble> {
        if self.is_cut() {
            return self.give(None, each);
        }
        let (text, mut line) = (std::mem::take(&mut self.text), self.line);
        self.bytes = 0;
        let mut step = Step::Next;
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            if step == Step::Next {
                match piece.strip_suffix(b"\n") {
                    Some(text) => step = self.give_with(line, text, false, each)?,
                    None => self.add(line, piece),
                }
            }
            line += 1;
        }
        Ok(step)
    }
}

/// Hands on an item, unless it is a blank line.
fn give(item: Item<'_>, each: Each<'_>) -> Result<Step, Trouble> {
    let text = trim_blanks(item.text);
    if text.is_empty() && item.flaw.is_none() {
        return Ok(Step::Next);
    }
    each(Item { text, ..item }).map_err(Trouble::Receiver)
}

/// The source's buffer, filled; empty at its end.
fn fill(source: &mut dyn BufRead) -> Result<&[u8], Trouble> {
    loop {
        match source.fill_buf() {
            Ok([]) => return Ok(&[]),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_damage(&error) => return Err(Trouble::Damage(error)),
            Err(error) => return Err(Trouble::Source(error)),
        }
    }
    // Asked for again, since what a loop's other turns borrow anew cannot be returned from it.
    // A buffer that is not empty is not read into.
    source.fill_buf().map_err(Trouble::Source)
}

/// Whether an error is a decoder's complaint about its input, not the system's about a file.
fn is_damage(error: &io::Error) -> bool {
    const KINDS: [ErrorKind; 4] = [
        ErrorKind::UnexpectedEof,
        ErrorKind::InvalidData,
        ErrorKind::InvalidInput,
        ErrorKind::Other,
    ];
    error.raw_os_error().is_none() && KINDS.contains(&error.kind())
}

/// Whether a line is an event by itself, or would be one if its fields were right.
fn is_event(line: &[u8]) -> bool {
    const ANY: Rules = Rules { currency: *b"USD", time_range_us: 0..i64::MAX };
    let line = trim_blanks(line);
    if !line.starts_with(b"{") || !line.ends_with(b"}") {
        return false;
    }
    match Event::from_json(line, &ANY) {
        Ok(_) => true,
        Err(rejection) => rejection.reason > Reason::MissingField || is_rejects_line(line),
    }
}

/// The flaw of a source of which the rest cannot be read.
fn lost(why: &str) -> Rejection {
    Rejection { reason: Reason::MalformedJson, detail: format!("{why}; what follows is lost") }
}

fn newlines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}
