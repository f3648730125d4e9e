//! Cuts a source into blocks, one at a time, for whoever asks next: on one thread or on many.
//!
//! Where a source has one event a line, a block gets its lines unread: they can be read without
//! the source, while somebody else has the next block cut. Everything else, and how a source
//! begins, is `items`' part and is read on the spot.

use std::cell::RefCell;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;

use super::held::Held;
use super::items::{Item, Source, Step, Trouble};
use super::pieces::{PIECE_BYTES_FIRST, bytes_next};
use super::reader::{self, Flow, ReadError};
use super::shape::ShapeReader;
use super::{EventBlock, Incoming};
use crate::Error;

/// A source, and where it was cut to.
pub(crate) struct Cutter<'s> {
    inner: &'s mut (dyn BufRead + Send),
    line: u64,
    held: Held,
    /// How many bytes of lines are read next.
    bytes: usize,
    next: Next,
}

/// What is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// All of the source.
    All,
    /// Lines.
    Lines,
    /// Nothing.
    Nothing,
}

/// Takes a block that is to be handed over, gives one that is empty in its place, and tells
/// whether more is wanted.
pub(crate) type HandOver<'h> = &'h mut dyn FnMut(&mut EventBlock) -> Flow;

impl<'s> Cutter<'s> {
    pub(crate) fn new(inner: &'s mut (dyn BufRead + Send)) -> Cutter<'s> {
        let bytes = PIECE_BYTES_FIRST;
        Cutter { inner, line: 1, held: Held::default(), bytes, next: Next::All }
    }

    /// Whether the end of the source was given.
    pub(crate) fn is_over(&self) -> bool {
        self.next == Next::Nothing
    }

    /// Puts the next part of the source into an empty block, and how the source ended if it did.
    /// The block's lines are still to be read, by [`EventBlock::read_lines`].
    ///
    /// Blocks before that one are handed over. No event is kept back while the source is waited
    /// for.
    pub(crate) fn cut(
        &mut self,
        block: &mut EventBlock,
        shapes: &mut ShapeReader<'_>,
        hand_over: HandOver<'_>,
    ) -> Option<Result<Flow, ReadError>> {
        if self.next == Next::All {
            self.next = Next::Nothing;
            match self.begin(block, shapes, hand_over) {
                ControlFlow::Break(outcome) => return Some(reader::outcome(outcome)),
                ControlFlow::Continue(()) => self.next = Next::Lines,
            }
            if !block.is_empty() && hand_over(block) == Flow::Stop {
                return self.stop();
            }
        }
        if self.next == Next::Nothing {
            return self.stop();
        }
        let outcome = self.cut_lines(block, shapes)?;
        self.next = Next::Nothing;
        Some(reader::outcome(outcome))
    }

    fn stop(&mut self) -> Option<Result<Flow, ReadError>> {
        self.next = Next::Nothing;
        Some(Ok(Flow::Stop))
    }

    /// Reads on the spot up to where only lines follow, or all of the source.
    fn begin(
        &mut self,
        block: &mut EventBlock,
        shapes: &mut ShapeReader<'_>,
        hand_over: HandOver<'_>,
    ) -> ControlFlow<Result<Step, Trouble>> {
        let filled = RefCell::new(Filled { block, hand_over });
        let hand_over = || filled.borrow_mut().hand_over();
        let mut inner = Watched { inner: &mut *self.inner, left: 0, before_read: &hand_over };
        let mut source = Source { inner: &mut inner, line: 1, held: Held::default() };
        let each = &mut |item: Item<'_>| {
            let mut filled = filled.borrow_mut();
            let step = add(item, shapes, filled.block)?;
            let is_over = filled.block.is_full() && filled.hand_over() == Flow::Stop;
            Ok(if is_over { Step::Stop } else { step })
        };
        let outcome = match source.begin(each) {
            Ok(ControlFlow::Continue(())) => {
                (self.line, self.held) = (source.line, source.held);
                return ControlFlow::Continue(());
            }
            Ok(ControlFlow::Break(step)) => Ok(step),
            Err(trouble) => Err(trouble),
        };
        ControlFlow::Break(source.end(outcome, each))
    }

    /// Puts lines into a block; at their end what is left of the source, and how it ended.
    fn cut_lines(
        &mut self,
        block: &mut EventBlock,
        shapes: &mut ShapeReader<'_>,
    ) -> Option<Result<Step, Trouble>> {
        let held = std::mem::take(&mut self.held);
        let mut source = Source { inner: &mut *self.inner, line: self.line, held };
        let outcome = match source.read_piece(block.piece(), self.bytes) {
            Ok(true) => {
                let lines = source.line - self.line;
                self.bytes = bytes_next(block.piece().text().len(), lines);
                (self.line, self.held) = (source.line, source.held);
                return None;
            }
            Ok(false) => Ok(Step::Next),
            Err(trouble) => Err(trouble),
        };
        let each = &mut |item: Item<'_>| add(item, shapes, block);
        Some(match outcome {
            Ok(_) => source.held.give(None, each),
            Err(trouble) => source.end(Err(trouble), each),
        })
    }
}

/// Reads an item into a block.
fn add(
    item: Item<'_>,
    shapes: &mut ShapeReader<'_>,
    block: &mut EventBlock,
) -> Result<Step, Error> {
    reader::read_item(item, shapes, &mut |incoming: Incoming<'_>| {
        block.add(&incoming);
        Ok(Flow::Continue)
    })
}

/// A block that is being filled, and who takes it.
struct Filled<'f> {
    block: &'f mut EventBlock,
    hand_over: HandOver<'f>,
}

impl Filled<'_> {
    fn hand_over(&mut self) -> Flow {
        if self.block.is_empty() { Flow::Continue } else { (self.hand_over)(self.block) }
    }
}

/// A source that lets somebody know before it is waited for.
struct Watched<'w> {
    inner: &'w mut dyn BufRead,
    /// Bytes of its buffer that were not taken yet.
    left: usize,
    /// Tells whether the source should still be read.
    before_read: &'w dyn Fn() -> Flow,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 && (self.before_read)() == Flow::Stop {
            // Of a kind that no decoder gives. Nobody is left to be told.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let buffer = self.inner.fill_buf()?;
        self.left = buffer.len();
        Ok(buffer)
    }

    fn consume(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length);
        self.inner.consume(length);
    }
}
