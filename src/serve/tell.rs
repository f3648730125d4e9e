//! How answers leave: JSON at once, or lines as they come.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::limits::Place;

/// A line of JSON as a whole answer.
pub(super) fn json(mut line: String) -> Response {
    line.push('\n');
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], line).into_response()
}

/// The same, which has its place in the room until it is sent, or there is nobody to send it to.
pub(super) fn json_in(mut line: String, place: Place) -> Response {
    line.push('\n');
    let line = Bytes::from_owner(Kept { line, _place: place });
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], line).into_response()
}

/// Text in the room. It is where the bytes of an answer lie, so that whoever has them to send has it.
struct Kept {
    line: String,
    _place: Place,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.line.as_bytes()
    }
}

/// Pieces that wait for a slow reader at most; who makes them waits then.
const WAITING_MAX: usize = 8;

/// The writing end of an answer that goes on.
pub(super) type Lines = mpsc::Sender<Result<Bytes, Infallible>>;

/// An answer of lines of JSON, and where they are to be written.
pub(super) fn ndjson() -> (Lines, Response) {
    let (written, body) = mpsc::channel(WAITING_MAX);
    (written, lines(ReceiverStream::new(body)))
}

/// An answer of pieces that have lines of JSON.
pub(super) fn lines(
    pieces: impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(pieces)).into_response()
}

/// A number of a query. Above 2^63 − 1 there is no sequence, nor a number in many a language.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(from)?;
    let is_small = number.is_none_or(|number| i64::try_from(number).is_ok());
    is_small.then_some(number).ok_or_else(|| D::Error::custom("is at most 2^63 - 1"))
}
