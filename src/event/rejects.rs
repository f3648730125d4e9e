//! Lines of a rejects file: what was rejected, where and why, in JSON, so that nothing vanishes
//! and the file can be read as input once its cause is mended.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::{self, State};
use super::write::push_string;
use super::{Reason, Rejection};

/// How deep JSON may be to stand in a rejects file as JSON: what most programs can read, so that
/// one hostile event does not make the file useless. Deeper text stands as text.
const LEVELS_MAX: usize = 128;

/// A line of a rejects file; exactly these members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(rename = "file", borrow)]
    _file: Cow<'a, str>,
    #[serde(rename = "line")]
    _line: u64,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(rename = "detail", borrow)]
    _detail: Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    encoding: Option<Cow<'a, str>>,
}

/// Appends the line of a rejects file, with its line break, that tells of one rejection.
///
/// `text` stands in it as it came if it is JSON, else as a string, else in base64.
pub fn write_reject(file: &str, line: u64, rejection: &Rejection, text: &[u8], out: &mut String) {
    out.push_str("{\"file\":");
    push_string(file, out);
    write!(out, ",\"line\":{line},\"reason\":\"{}\",\"detail\":", rejection.reason)
        .expect("a string takes all text");
    push_string(&rejection.detail, out);
    out.push_str(",\"event\":");
    match std::str::from_utf8(text) {
        Ok(text) if stands_as_json(rejection.reason, text) => out.push_str(&raw::one_line(text)),
        Ok(text) => push_string(text, out),
        Err(_) => {
            out.push('"');
            STANDARD.encode_string(text, out);
            out.push_str("\",\"encoding\":\"base64\"");
        }
    }
    out.push_str("}\n");
}

/// The text that a line of a rejects file tells of; nothing if it is no such line.
pub(super) fn unwrap(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let line: Line<'_> = serde_json::from_slice(text).ok()?;
    let event = line.event.get();
    if let Some(encoding) = line.encoding {
        let text: Cow<'_, str> = raw::decode(event);
        return (encoding == "base64")
            .then(|| STANDARD.decode(text.as_bytes()).ok())?
            .map(Cow::Owned);
    }
    let is_text =
        [Reason::TooLarge, Reason::MalformedJson].iter().any(|it| it.name() == line.reason);
    if !is_text || !event.starts_with('"') {
        return Some(Cow::Borrowed(event.as_bytes()));
    }
    Some(match raw::decode(event) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// Whether a text is a line of a rejects file.
pub(super) fn is_rejects_line(text: &[u8]) -> bool {
    serde_json::from_slice::<Line<'_>>(text).is_ok()
}

/// Whether a rejected text is JSON that any program can read. One with a name twice is not; and a
/// string that is too large stands as text, quotes and all, since text is what it would be taken
/// for.
fn stands_as_json(reason: Reason, text: &str) -> bool {
    let text = text.as_bytes();
    let would_be_text = reason == Reason::TooLarge && text.starts_with(b"\"");
    reason != Reason::MalformedJson
        && !would_be_text
        && raw::state_of(text) == State::Whole
        && !raw::is_deeper_than(LEVELS_MAX, text)
}
