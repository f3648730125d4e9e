//! What an event must not have though JSON allows it, found by a walk through its text: a name
//! twice in one object, half a surrogate pair in a string, or more levels than an event may have.
//!
//! The walk relies on its text being JSON. Whether it is, `serde_json` alone decides; it is not
//! asked for these rules as well, since it would decode the numbers and refuse those of any size.

use std::borrow::Cow;

use super::EVENT_LEVELS_MAX;
use super::raw::{self, Token, Tokens, excerpt};

/// What a text has that an event must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// More than [`EVENT_LEVELS_MAX`] levels.
    TooDeep,
    /// It is not JSON; or has a name twice in one object, or half a surrogate pair.
    Malformed(String),
}

/// Checks a JSON text that stands at so many levels.
pub(super) fn check(text: &str, level: usize) -> Result<(), Flaw> {
    let mut walk = Walk { tokens: Tokens::new(text), names: Vec::new() };
    walk.tokens.next().map_or(Ok(()), |token| walk.rest_of(token, level))
}

/// A walk, and the place it has come to.
struct Walk<'a> {
    tokens: Tokens<'a>,
    /// The names met so far of every object around the place: one allocation serves them all.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Walk<'a> {
    /// Goes on with the value of which the first token was just taken.
    fn rest_of(&mut self, token: Token<'a>, level: usize) -> Result<(), Flaw> {
        match token {
            Token::Scalar(_) | Token::End => Ok(()),
            Token::String(text) => decode(text).map(|_| ()),
            Token::Object | Token::Array if level > EVENT_LEVELS_MAX => Err(Flaw::TooDeep),
            Token::Object => self.rest_of_object(level),
            Token::Array => {
                while let Some(token) = self.tokens.next().filter(|token| *token != Token::End) {
                    self.rest_of(token, level + 1)?;
                }
                Ok(())
            }
        }
    }

    fn rest_of_object(&mut self, level: usize) -> Result<(), Flaw> {
        let outer = self.names.len();
        let mut first = None;
        while let Some(Token::String(name)) = self.tokens.next() {
            // Most objects inside events have one name, which needs no note.
            let name = decode(name)?;
            if first.is_none() {
                first = Some(name);
            } else {
                self.names.push(name);
            }
            if let Some(token) = self.tokens.next() {
                self.rest_of(token, level + 1)?;
            }
        }
        if self.names.len() > outer {
            self.names.extend(first);
            if let Some(name) = self.names.get_mut(outer..).and_then(find_repeated) {
                return Err(Flaw::Malformed(repeated(&name)));
            }
            self.names.truncate(outer);
        }
        Ok(())
    }
}

/// The text of a string, which can have no flaw but that half a surrogate pair is no letter.
fn decode(token: &str) -> Result<Cow<'_, str>, Flaw> {
    raw::decode_whole(token)
        .ok_or_else(|| Flaw::Malformed(format!("half a surrogate pair in {}", excerpt(token))))
}

/// The flaw of a text that is not JSON.
#[cold]
pub(super) fn malformed(error: &dyn std::fmt::Display) -> Flaw {
    // The places in errors are counted from where the event starts, not its source.
    Flaw::Malformed(format!("{error} of the event"))
}

/// A name that stands twice. Sorts the names, so that an object of a hundred thousand members
/// takes no quadratic time.
pub(super) fn find_repeated<'a>(names: &mut [Cow<'a, str>]) -> Option<Cow<'a, str>> {
    if names.len() < 2 {
        return None;
    }
    names.sort_unstable();
    names.windows(2).find(|pair| pair.first() == pair.last())?.first().cloned()
}

/// What is wrong with an object that has a name twice.
pub(super) fn repeated(name: &str) -> String {
    format!("the name {} stands twice in one object", excerpt(name))
}
