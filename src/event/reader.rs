//! Events out of a source of JSON: an array, NDJSON, or one event; lines of a rejects file are
//! read as the events in them.
//!
//! A source is read as a stream, in memory that does not grow with it. What is wrong with an
//! event is told with its text; only a source that cannot be read is an error.

use std::fmt;
use std::io::{self, BufRead};

use super::items::{self, Item, Step, Trouble};
use super::raw::{self, State};
use super::rejects::{self, Told};
use super::shape::ShapeReader;
use super::{Event, Reason, Rejection, Rules};
use crate::Error;

/// Whether whoever receives something wants more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More.
    Continue,
    /// No more.
    Stop,
}

/// What a source had where an event was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// The line of the source where it starts, from 1.
    pub line: u64,
    /// Its text as it came, without blanks around it; of a text that is much too large, the
    /// first 16 MiB. For a line of a rejects file, the text that was rejected, or what of it the
    /// line has.
    pub text: &'a [u8],
    /// The event, or the first reason why it is none.
    pub event: Result<Event<'a>, Rejection>,
}

/// Why a source was not read to its end.
#[derive(Debug)]
pub enum ReadError {
    /// The source failed; whoever opened it knows its name.
    Source(io::Error),
    /// The receiver of the events failed.
    Receiver(Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            ReadError::Source(_) => "cannot read events",
            ReadError::Receiver(_) => "cannot take events",
        })
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Source(error) => Some(error),
            ReadError::Receiver(error) => Some(error),
        }
    }
}

/// Gives every event of a source to `each`, and everything else that stands where an event
/// should, until `each` wants no more.
///
/// A broken archive is told by its decoder's error: of kind `UnexpectedEof`, `InvalidData`,
/// `InvalidInput` or `Other`, and not the system's. Like a broken array it costs what follows
/// the break, and is given to `each` as one `malformed_json`.
///
/// # Errors
/// Any other error of the source, or the first one that `each` returns.
pub fn read_events(
    source: &mut dyn BufRead,
    rules: &Rules,
    each: &mut dyn FnMut(Incoming<'_>) -> Result<Flow, Error>,
) -> Result<Flow, ReadError> {
    let mut shapes = ShapeReader::new(rules);
    outcome(items::cut(source, &mut |item| read_item(item, &mut shapes, each)))
}

/// What the end of a source is to whoever had it read.
pub(super) fn outcome(ended: Result<Step, Trouble>) -> Result<Flow, ReadError> {
    match ended {
        Ok(Step::Next | Step::Lost) => Ok(Flow::Continue),
        Ok(Step::Stop) => Ok(Flow::Stop),
        Err(Trouble::Source(error) | Trouble::Damage(error)) => Err(ReadError::Source(error)),
        Err(Trouble::Receiver(error)) => Err(ReadError::Receiver(error)),
    }
}

/// Reads an item as the event that it is or holds.
pub(super) fn read_item(
    item: Item<'_>,
    shapes: &mut ShapeReader<'_>,
    each: &mut dyn FnMut(Incoming<'_>) -> Result<Flow, Error>,
) -> Result<Step, Error> {
    match item.flaw.clone() {
        Some(flaw) => hand_on(item, Err(flaw), shapes, each),
        None => {
            let event = shapes.read(item.text);
            hand_on(item, event, shapes, each)
        }
    }
}

/// Hands on what an item was read as; of one that holds an event, that event.
pub(super) fn hand_on<'a>(
    item: Item<'a>,
    event: Result<Event<'a>, Rejection>,
    shapes: &mut ShapeReader<'_>,
    each: &mut dyn FnMut(Incoming<'_>) -> Result<Flow, Error>,
) -> Result<Step, Error> {
    let Item { line, text, flaw, is_element } = item;
    let is_whole = flaw.is_none();
    let Err(rejection) = event else {
        return Ok(step(each(Incoming { line, text, event })?));
    };
    if is_whole && rejection.reason <= Reason::MissingField {
        if let Some(Told { text, cut_from }) = rejects::unwrap(text) {
            let event = match cut_from {
                Some(bytes) => Err(rejects::cut(bytes)),
                None => shapes.read(&text),
            };
            return Ok(step(each(Incoming { line, text: &text, event })?));
        }
        if is_element && raw::state_of(text) != State::Whole {
            return break_array(line, text, rejection, each);
        }
    }
    Ok(step(each(Incoming { line, text, event: Err(rejection) })?))
}

/// Gives an element that is no JSON, and that the array is broken there.
fn break_array(
    line: u64,
    text: &[u8],
    rejection: Rejection,
    each: &mut dyn FnMut(Incoming<'_>) -> Result<Flow, Error>,
) -> Result<Step, Error> {
    let mut text = text;
    let mut detail = rejection.detail.clone();
    if rejection.reason != Reason::MalformedJson {
        // The element has its own, earlier reason; the break is told besides.
        if each(Incoming { line, text, event: Err(rejection) })? == Flow::Stop {
            return Ok(Step::Stop);
        }
        (text, detail) = (b"", "no JSON".to_owned());
    }
    detail.push_str("; what follows in the array is lost");
    let event = Err(Rejection::new(Reason::MalformedJson, detail));
    match each(Incoming { line, text, event })? {
        Flow::Continue => Ok(Step::Lost),
        Flow::Stop => Ok(Step::Stop),
    }
}

fn step(flow: Flow) -> Step {
    match flow {
        Flow::Continue => Step::Next,
        Flow::Stop => Step::Stop,
    }
}
