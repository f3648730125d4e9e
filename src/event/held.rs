//! The beginning of an item, kept until its end comes.

use super::Rejection;
use super::items::{Each, Item, Step, Trouble};
use super::json::too_large_by;
use super::raw::trim_blanks;

/// How much of a text that is too large for an event is kept for the report of its rejection.
/// More than an event, since in a rejects file an event of the greatest size stands with more
/// around it, and may be spelled in escapes.
pub(super) const KEPT_BYTES_MAX: usize = 16 << 20;

/// The beginning of an item whose end is not in the source's buffer.
#[derive(Default)]
pub(super) struct Held {
    /// The line it starts in.
    line: u64,
    /// Its first bytes, at most [`KEPT_BYTES_MAX`].
    pub(super) text: Vec<u8>,
    /// How many bytes it has.
    bytes: usize,
}

impl Held {
    /// Forgets what is held, and keeps memory for so many bytes.
    pub(super) fn clear(&mut self, room_bytes: usize) {
        self.text.clear();
        self.text.shrink_to(room_bytes);
        self.bytes = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn add(&mut self, line: u64, text: &[u8]) {
        if self.bytes == 0 {
            self.line = line;
        }
        self.bytes = self.bytes.saturating_add(text.len());
        let room = KEPT_BYTES_MAX.saturating_sub(self.text.len());
        self.text.extend_from_slice(text.get(..room).unwrap_or(text));
    }

    /// Whether more was added than is kept.
    pub(super) fn is_cut(&self) -> bool {
        self.bytes > self.text.len()
    }

    /// Gives what is held, and a text that follows it, as one item; straight from the source's
    /// buffer if nothing is held.
    pub(super) fn give_with(
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
    pub(super) fn give(
        &mut self,
        flaw: Option<Rejection>,
        each: Each<'_>,
    ) -> Result<Step, Trouble> {
        self.give_held(flaw, false, each)
    }

    fn give_held(
        &mut self,
        flaw: Option<Rejection>,
        is_element: bool,
        each: Each<'_>,
    ) -> Result<Step, Trouble> {
        let cut_from = self.is_cut().then_some(self.bytes as u64);
        let flaw = flaw.or_else(|| cut_from.map(too_large_by));
        let flaw = flaw.map(|flaw| Rejection { cut_from, ..flaw });
        let step = give(Item { line: self.line, text: &self.text, flaw, is_element }, each);
        self.text.clear();
        self.bytes = 0;
        step
    }

    /// Gives each whole line of what is held, and goes on holding the last if its end is missing.
    pub(super) fn give_lines(&mut self, each: Each<'_>) -> Result<Step, Trouble> {
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
pub(super) fn give(item: Item<'_>, each: Each<'_>) -> Result<Step, Trouble> {
    let text = trim_blanks(item.text);
    if text.is_empty() && item.flaw.is_none() {
        return Ok(Step::Next);
    }
    each(Item { text, ..item }).map_err(Trouble::Receiver)
}
