//! Cuts a source of JSON into the texts of single events, as a stream: lines, the elements of an
//! array (`array`), or one event over several lines, told by how the source begins.
//!
//! It asks of a text only what it needs to know to find the next one; the events in them are
//! `reader`'s. What it cannot cut it hands on with the reason. Where only lines follow, `pieces`
//! can go on with many at once.

use std::io::{self, BufRead, ErrorKind};
use std::ops::ControlFlow;

use memchr::{memchr, memchr_iter};

use super::held::Held;
use super::raw::{self, State, trim_blanks, trim_start};
use super::rejects::is_rejects_line;
use super::scan::Scan;
use super::{Event, Reason, Rejection, Rules, array};
use crate::Error;

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
    let outcome = match source.begin(each) {
        Ok(ControlFlow::Continue(())) => source.read_lines(each),
        Ok(ControlFlow::Break(step)) => Ok(step),
        Err(trouble) => Err(trouble),
    };
    source.end(outcome, each)
}

/// A source, and where it was read to.
pub(super) struct Source<'s> {
    pub(super) inner: &'s mut dyn BufRead,
    /// The line of the next byte, from 1.
    pub(super) line: u64,
    pub(super) held: Held,
}

/// What ended a text that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Line,
    Value,
    Source,
}

impl Source<'_> {
    /// Reads all of it, or up to where it goes on as NDJSON: from there on each line is an item.
    pub(super) fn begin(&mut self, each: Each<'_>) -> Result<ControlFlow<Step>, Trouble> {
        self.skip_byte_order_mark()?;
        if self.peek()? == Some(b'[') && self.held.is_empty() {
            return array::read(self, each).map(ControlFlow::Break);
        }
        // An event over several lines may be followed by others, as `jq .` prints them.
        while self.peek()?.is_some() {
            self.hold_line(None)?;
            let unfinished = raw::state_of(&self.held.text) == State::Unfinished;
            if !unfinished || self.held.is_cut() || !self.hold_several_lines()? {
                return Ok(match self.held.give_lines(each)? {
                    Step::Next => ControlFlow::Continue(()),
                    step @ (Step::Lost | Step::Stop) => ControlFlow::Break(step),
                });
            }
            let step = self.held.give(None, each)?;
            if step != Step::Next {
                return Ok(ControlFlow::Break(step));
            }
        }
        self.held.give(None, each).map(ControlFlow::Break)
    }

    /// Gives what an archive that is damaged was cut off in; what else ended the source stands.
    pub(super) fn end(
        &mut self,
        outcome: Result<Step, Trouble>,
        each: Each<'_>,
    ) -> Result<Step, Trouble> {
        let Err(Trouble::Damage(error)) = outcome else { return outcome };
        let flaw = lost(&format!("the archive is truncated or damaged: {error}"));
        self.held.add(self.line, b"");
        self.held.give(Some(flaw), each)
    }

    /// Reads on as NDJSON.
    fn read_lines(&mut self, each: Each<'_>) -> Result<Step, Trouble> {
        let mut step = Step::Next;
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

/// The source's buffer, filled; empty at its end.
fn fill(source: &mut dyn BufRead) -> Result<&[u8], Trouble> {
    loop {
        match source.fill_buf() {
            Ok([]) => return Ok(&[]),
            Ok(_) => break,
            Err(error) => trouble(error).map_or(Ok(()), Err)?,
        }
    }
    // Asked for again, since what a loop's other turns borrow anew cannot be returned from it.
    // A buffer that is not empty is not read into.
    source.fill_buf().map_err(Trouble::Source)
}

/// What an error of a source means; nothing if the source is to be asked again.
pub(super) fn trouble(error: io::Error) -> Option<Trouble> {
    if error.kind() == ErrorKind::Interrupted {
        return None;
    }
    Some(if is_damage(&error) { Trouble::Damage(error) } else { Trouble::Source(error) })
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
    Rejection::new(Reason::MalformedJson, format!("{why}; what follows is lost"))
}

pub(super) fn newlines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}
