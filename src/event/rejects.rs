//! Lines of a rejects file: what was rejected, where and why, in JSON, so that nothing vanishes
//! and the file can be read as input once its cause is mended.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::held::KEPT_BYTES_MAX;
use super::json::too_large_by;
use super::raw::{self, State};
use super::write::push_string;
use super::{EVENT_BYTES_MAX, Reason, Rejection};

/// How deep JSON may be to stand in a rejects file as JSON: what most programs can read, so that
/// one hostile event does not make the file useless. Deeper text stands as text.
const LEVELS_MAX: usize = 128;

/// How much room the text has in a line, which is read back whole if the rest, with the name of a
/// file in escapes, fits beside it. A text of an event's size fits in any spelling.
const ROOM_BYTES: usize = KEPT_BYTES_MAX - (64 << 10);

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
    cut_from: Option<u64>,
}

/// What a line of a rejects file tells of.
pub(super) struct Told<'a> {
    /// The text that was rejected, or its beginning.
    pub(super) text: Cow<'a, [u8]>,
    /// How many bytes the whole text has, if the line has only its beginning.
    pub(super) cut_from: Option<u64>,
}

/// Appends the line of a rejects file, with its line break, that tells of one rejection.
///
/// `text` stands in it as it came if it is JSON, else as a string, else in base64. Of one that a
/// line of 16 MiB has no room for, the beginning stands there, and `cut_from` tells its whole length.
pub fn write_reject(file: &str, line: u64, rejection: &Rejection, text: &[u8], out: &mut String) {
    out.push_str("{\"file\":");
    push_string(file, out);
    write!(out, ",\"line\":{line},\"reason\":\"{}\",\"detail\":", rejection.reason)
        .expect("a string takes all text");
    push_string(&rejection.detail, out);
    out.push_str(",\"event\":");
    let is_whole = rejection.cut_from.is_none();
    let kept_bytes = match letters(text, is_whole) {
        Some(letters) if is_whole && stands_as_json(rejection.reason, letters) => {
            out.push_str(&raw::one_line(letters));
            text.len()
        }
        Some(letters) => {
            let kept = fitting(letters);
            push_string(kept, out);
            // A letter that was cut in two is left out, and told of in any case.
            if is_whole { kept.len() } else { text.len() }
        }
        None => {
            // Four letters stand for three bytes.
            let kept = text.get(..ROOM_BYTES / 4 * 3).unwrap_or(text);
            out.push('"');
            STANDARD.encode_string(kept, out);
            out.push_str("\",\"encoding\":\"base64\"");
            kept.len()
        }
    };
    let cut_here = (kept_bytes < text.len()).then_some(text.len() as u64);
    if let Some(bytes) = rejection.cut_from.or(cut_here) {
        write!(out, ",\"cut_from\":{bytes}").expect("a string takes all text");
    }
    out.push_str("}\n");
}

/// A text that is UTF-8, but for the last letter of one that was cut.
fn letters(text: &[u8], is_whole: bool) -> Option<&str> {
    match std::str::from_utf8(text) {
        Ok(letters) => Some(letters),
        Err(error) if !is_whole && error.error_len().is_none() => {
            let (whole, _) = text.split_at(error.valid_up_to());
            std::str::from_utf8(whole).ok()
        }
        Err(_) => None,
    }
}

/// As much of the beginning of a text as a line has room for, as a string.
fn fitting(text: &str) -> &str {
    let mut room = ROOM_BYTES;
    let is_over = |(_, letter): &(usize, char)| {
        let bytes = match letter {
            '"' | '\\' => 2,
            '\0'..' ' => 6,
            _ => letter.len_utf8(),
        };
        let is_over = bytes > room;
        room = room.saturating_sub(bytes);
        is_over
    };
    let end = text.char_indices().find(is_over).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// What a line of a rejects file tells of; nothing if it is no such line.
pub(super) fn unwrap(text: &[u8]) -> Option<Told<'_>> {
    let line: Line<'_> = serde_json::from_slice(text).ok()?;
    let (event, cut_from) = (line.event.get(), line.cut_from);
    if cut_from.is_some_and(|bytes| bytes <= EVENT_BYTES_MAX as u64) {
        return None;
    }
    if let Some(encoding) = line.encoding {
        let text: Cow<'_, str> = raw::decode(event);
        return (encoding == "base64")
            .then(|| STANDARD.decode(text.as_bytes()).ok())?
            .map(|text| Told { text: Cow::Owned(text), cut_from });
    }
    let is_text = cut_from.is_some()
        || [Reason::TooLarge, Reason::MalformedJson].iter().any(|it| it.name() == line.reason);
    let text = match raw::decode(event) {
        _ if !is_text || !event.starts_with('"') => Cow::Borrowed(event.as_bytes()),
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    Some(Told { text, cut_from })
}

/// The rejection of a text of which a line has only the beginning: no event is as large.
pub(super) fn cut(bytes: u64) -> Rejection {
    Rejection { cut_from: Some(bytes), ..too_large_by(bytes) }
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
        && text.len() <= ROOM_BYTES
        && raw::state_of(text) == State::Whole
        && !raw::is_deeper_than(LEVELS_MAX, text)
}
