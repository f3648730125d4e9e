//! JSON text as it came: its tokens, its depth, its blanks, its strings decoded.
//!
//! Whether it is JSON is asked of `serde_json`. Nothing here relies on the answer for more than a
//! sensible result: any text takes linear time, and none a panic.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

/// A piece of JSON text. Commas, colons and blanks are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `}` or `]`
    End,
    /// A string in its quotes, a member's name as well.
    String(&'a str),
    /// A number, or `true`, `false`, `null`.
    Scalar(&'a str),
}

/// The tokens of a JSON text, in order.
pub(super) struct Tokens<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Tokens<'a> {
        Tokens { text, place: 0 }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    #[inline]
    fn next(&mut self) -> Option<Token<'a>> {
        let is_between = |byte: &u8| is_blank(byte) || matches!(byte, b',' | b':');
        let rest = self.text.as_bytes().get(self.place..)?;
        let start = self.place + rest.iter().take_while(|byte| is_between(byte)).count();
        let text = self.text.as_bytes().get(start..)?;
        let first = text.first()?;
        self.place = start + 1;
        match first {
            b'{' => return Some(Token::Object),
            b'[' => return Some(Token::Array),
            b'}' | b']' => return Some(Token::End),
            b'"' => {
                self.place = start + string_length(text);
                return self.text.get(start..self.place).map(Token::String);
            }
            _ => {}
        }
        let is_end =
            |byte: &u8| is_between(byte) || matches!(byte, b'{' | b'}' | b'[' | b']' | b'"');
        self.place = start + text.iter().position(is_end).unwrap_or(text.len());
        self.text.get(start..self.place).map(Token::Scalar)
    }
}

/// The length of the string that a text begins with, quotes included.
fn string_length(text: &[u8]) -> usize {
    let inner = text.get(1..).unwrap_or_default();
    (inner_length(inner) + 2).min(text.len())
}

/// The text of a string token: without its quotes, its escapes decoded. A token that is no
/// string is its own text.
pub(super) fn decode(token: &str) -> Cow<'_, str> {
    decode_whole(token).unwrap_or(Cow::Borrowed(token))
}

/// The text of a string token; nothing if it is no string, or has half a surrogate pair.
pub(super) fn decode_whole(token: &str) -> Option<Cow<'_, str>> {
    let text = token.strip_prefix('"')?.strip_suffix('"')?;
    if memchr(b'\\', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str(token).ok().map(Cow::Owned)
}

/// Whether brackets stand more than so many levels deep in each other. The text need not be JSON.
pub(super) fn is_deeper_than(levels: usize, text: &[u8]) -> bool {
    let mut level = 0_usize;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' if level == levels => return true,
            b'{' | b'[' => level += 1,
            b'}' | b']' => level = level.saturating_sub(1),
            b'"' => rest = after.get(inner_length(after) + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    false
}

/// The bytes of a string after its first quote and before its last, or all that are left.
fn inner_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    text.len()
}

/// How far a text is JSON by grammar alone, blanks around it allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// One value.
    Whole,
    /// The beginning of a value.
    Unfinished,
    /// Neither.
    Broken,
}

/// How far a text is JSON.
pub(super) fn state_of(text: &[u8]) -> State {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => State::Whole,
        Err(error) if error.is_eof() => State::Unfinished,
        Err(_) => State::Broken,
    }
}

/// Where a text stands in another one, if it is a part of it in memory.
pub(super) fn place_in(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// A text without the blanks that JSON allows before it.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

/// A text without the blanks that JSON allows around it.
pub(super) fn trim_blanks(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let blanks = text.iter().rev().take_while(|byte| is_blank(byte)).count();
    text.get(..text.len() - blanks).unwrap_or_default()
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Raw JSON as it came, but for the blanks of a text that was printed over several lines: an
/// event is written back as one line.
pub(super) fn one_line(value: &str) -> Cow<'_, str> {
    if memchr2(b'\n', b'\r', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(compact(value))
}

/// JSON text with no blanks between its tokens, hence on one line.
fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([' ', '\t', '\n', '\r', '"']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let length = if found.starts_with('"') { string_length(found.as_bytes()) } else { 1 };
        let (piece, after) = found.split_at_checked(length).unwrap_or((found, ""));
        if piece.starts_with('"') {
            out.push_str(piece);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The first characters of a text, for a message.
pub(super) fn excerpt(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}
