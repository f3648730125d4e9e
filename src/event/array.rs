//! Events from a JSON array: its brackets and commas, and what it means when one is missing.
//!
//! Behind a break nothing can be told apart with certainty, so a break ends the source: it costs
//! one `malformed_json`, which says that what follows is lost.

use super::items::{Each, Source, Step, Trouble};

/// What may come next between two elements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Behind the opening bracket.
    ElementOrEnd,
    /// Behind a comma.
    Element,
    /// Behind an element.
    CommaOrEnd,
}

/// Reads the array whose opening bracket is the next byte of the source.
pub(super) fn read(source: &mut Source<'_>, each: Each<'_>) -> Result<Step, Trouble> {
    source.take();
    let mut next = Next::ElementOrEnd;
    loop {
        let why = match (source.peek()?, next) {
            (None, _) => "the array ends without its closing bracket",
            (Some(b']'), Next::Element) => "the array has a comma before its closing bracket",
            (Some(b']'), _) => {
                source.take();
                break;
            }
            (Some(b','), Next::CommaOrEnd) => {
                source.take();
                next = Next::Element;
                continue;
            }
            (Some(b','), _) => "the array has a comma with no event before it",
            (Some(_), Next::CommaOrEnd) => "the array has no comma here",
            (Some(_), _) => match source.read_element(each)? {
                Some(Step::Next) => {
                    next = Next::CommaOrEnd;
                    continue;
                }
                Some(step) => return Ok(step),
                None => "the array ends inside an event",
            },
        };
        return source.give_rest(why, each);
    }
    match source.peek()? {
        None => Ok(Step::Next),
        Some(_) => source.give_rest("something stands behind the array", each),
    }
}
