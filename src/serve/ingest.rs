//! `POST /v1/events`: one request is one call, answered after its sync.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Of;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::limits::{EVENT_BYTES, PACE_BYTES, Place, WINDOW_BYTES_MAX};
use super::problem::Problem;
use super::state::{Shared, State};
use super::{asked, stream, tell};
use crate::unpack::{decoded_within, is_archive, looks_back_too_far};
use crate::wire::schema::EventJson;
use crate::wire::{ReceiptJson, RejectedJson};
use crate::{Appended, AppenderOptions, Flow, Prepared, ReadError, read_events};

/// A body up to so many bytes is read where it came in; reading a longer one would keep others
/// waiting.
const SMALL_BYTES: usize = 16 << 10;

/// For so long the rest of a body that is too long is read, and passed over.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Append events
///
/// A JSON array, one event or NDJSON; plain, gzip or zstd. The answer comes after the sync. An event
/// that the log has already is a duplicate, so a request may be sent again at any time. With `Accept:
/// application/x-ndjson` the body may have any length: each line of the answer is the receipt of a
/// batch, given as soon as it is on the disk.
#[utoipa::path(
    post, path = "/v1/events", tag = "events",
    request_body(
        content = Option<Vec<EventJson>>, content_type = "application/json",
        description = "A JSON array of events; or one event, or NDJSON, whatever the content type says; nothing is no events"
    ),
    responses(
        (status = 200, description = "The receipt, after the sync, or a line for each batch", content(
            (ReceiptJson<'static> = "application/json"), (String = "application/x-ndjson"))),
        (status = 400, description = "The body cannot be read", content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", content_type = "application/problem+json"),
        (status = 413, description = "Too long for one call", content_type = "application/problem+json"),
        (status = 415, description = "An encoding that is not known, or a form of parts", content_type = "application/problem+json"),
        (status = 503, description = "Too much waits already, or the log takes nothing", content_type = "application/problem+json"),
    )
)]
pub(super) async fn post(Of(state): Of<Shared>, headers: HeaderMap, body: Body) -> Response {
    let answered = match asked::media(&headers).and_then(|()| encoding(&headers)) {
        Err(problem) => Err(problem),
        Ok(_) if !state.metrics.is_writable() => Err(Problem::broken(
            "the log takes no events since a write failed: whoever runs the server looks after the \
             disk and restarts it",
        )),
        Ok(_) if wants_stream(&headers) => stream::answer(state, body),
        // Who asks before it sends need not send.
        Ok(_) if headers.contains_key(EXPECT) && length(&headers) > state.limits.body_bytes_max => {
            Err(too_long(&state))
        }
        Ok(packed) => one_call(&state, body, packed).await,
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// How many bytes the body says to have.
fn length(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or_default()
}

/// Whether the body says that it is packed. What with, is told by its first bytes.
fn encoding(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    match value.to_str().map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        Ok("identity" | "") => Ok(false),
        Ok("gzip" | "x-gzip" | "zstd") => Ok(true),
        _ => {
            let detail = "a body may be plain, gzip or zstd";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let media = one.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/x-ndjson")
    })
}

async fn one_call(state: &Shared, body: Body, packed: bool) -> Result<Response, Problem> {
    let mut place = state.room.place()?;
    let body = collect(state, body, &mut place).await?;
    let is_packed = is_archive(&body);
    if packed && !is_packed && !body.is_empty() {
        let detail = "the body is not packed, as its Content-Encoding says: nothing was appended";
        return Err(Problem::bad_request(detail));
    }
    let (call, place) = if body.len() <= SMALL_BYTES && !is_packed {
        plain(state, body, place)?
    } else {
        state.in_turn(&state.turns.unpacking, move |state| unpack(state, body, place)).await?
    };
    let (done, mut place) = state.committer.commit(call, place).await?;
    state.metrics.told(&done.receipt);
    let receipt = receipt(&done, |index| index);
    // All else is gone by now.
    place.shrink_to(receipt.len());
    Ok(tell::json_in(receipt, place))
}

/// The receipt of a call, as JSON; `index_of` tells which event of the request one was.
pub(super) fn receipt(done: &Appended, index_of: impl Fn(u64) -> u64) -> String {
    let rejected = done.rejected.iter();
    let rejected = rejected.map(|one| RejectedJson::new(index_of(one.index), &one.rejection));
    crate::wire::line(&ReceiptJson::with_events(&done.receipt, rejected.collect()))
}

const BROKEN: &str = "the body ends before its end: nothing of it was appended";

async fn collect(state: &State, body: Body, place: &mut Place) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut pieces = body.into_data_stream();
    let body_time = state.limits.body_time;
    let (mut due, mut pace) = (Instant::now() + body_time, PACE_BYTES);
    while let Some(piece) = timeout_at(due, pieces.next()).await.map_err(|_late| late())? {
        let piece: Bytes = piece.map_err(|error| unreadable(&error, BROKEN))?;
        if bytes.len() + piece.len() > state.limits.body_bytes_max {
            // A connection that is closed while somebody writes to it loses the answer.
            let rest = async { while let Some(Ok(_)) = pieces.next().await {} };
            drop(tokio::time::timeout(DRAIN_TIME, rest).await);
            return Err(too_long(state));
        }
        place.grow(piece.len())?;
        bytes.extend_from_slice(&piece);
        if bytes.len() >= pace {
            (due, pace) = (Instant::now() + body_time, bytes.len() + PACE_BYTES);
        }
    }
    Ok(bytes)
}

fn late() -> Problem {
    let detail = "the body comes too slowly: nothing of it was appended";
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

/// Why a body did not come to its end; `broken` is what is said if it broke off.
pub(super) fn unreadable(error: &axum::Error, broken: &'static str) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<tower_http::timeout::TimeoutError>() {
            let detail = "the next piece of the body did not come in time";
            return Problem::new(StatusCode::REQUEST_TIMEOUT, detail);
        }
        cause = error.source();
    }
    Problem::bad_request(broken)
}

fn too_long(state: &State) -> Problem {
    let detail = format!(
        "one call has at most {} bytes and 65,536 events: send several, or ask for a stream of \
         receipts (Accept: application/x-ndjson), which takes any length",
        state.limits.body_bytes_max
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// Reads a body that is short, and not packed.
fn plain(state: &State, body: Vec<u8>, place: Place) -> Result<(Prepared, Place), Problem> {
    let place = RefCell::new(place);
    let call = prepare(state, Cursor::new(body), &place)?;
    Ok((call, place.into_inner()))
}

fn unpack(state: &State, body: Vec<u8>, place: Place) -> Result<(Prepared, Place), Problem> {
    let is_packed = is_archive(&body);
    let unpacked = decoded_within(Box::new(Cursor::new(body)), WINDOW_BYTES_MAX);
    let unpacked = unpacked.map_err(|error| damaged(&error))?;
    let most = state.limits.body_bytes_max as u64;
    let place = RefCell::new(place);
    // One byte more, to tell what is too long from what just fits.
    let inner = unpacked.take(most + 1);
    let mut source = Unpacked { inner, is_packed, place: &place, failed: None };
    let call = prepare(state, BufReader::with_capacity(SMALL_BYTES, &mut source), &place);
    let Unpacked { inner, failed, .. } = source;
    match failed {
        Some(problem) => Err(problem),
        None if inner.limit() == 0 => Err(too_long(state)),
        None => Ok((call?, place.into_inner())),
    }
}

/// What a body is unpacked to, which takes room as it comes. It remembers that it broke: to a
/// reader of events that is an event that is none.
struct Unpacked<'a, R> {
    inner: R,
    is_packed: bool,
    place: &'a RefCell<Place>,
    failed: Option<Problem>,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        let failed = match &read {
            Ok(count) if self.is_packed => self.place.borrow_mut().grow(*count).err(),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Some(damaged(error)),
            Ok(_) | Err(_) => None,
        };
        match failed {
            None => read,
            Some(problem) => {
                self.failed = Some(problem);
                Err(io::Error::other("it cannot be read on"))
            }
        }
    }
}

/// Why a body cannot be unpacked.
fn damaged(error: &io::Error) -> Problem {
    Problem::bad_request(if looks_back_too_far(error) {
        LOOKS_BACK
    } else {
        "the body is packed and cannot be unpacked: nothing was appended"
    })
}

/// What is said of an archive that would take too much memory.
pub(super) const LOOKS_BACK: &str = "the archive looks back on more than 8 MiB: pack it with \
                                     `zstd -19` at most, and without `--long`";

/// Reads all events of a body, each of which takes room.
fn prepare(
    state: &State,
    mut source: impl BufRead,
    place: &RefCell<Place>,
) -> Result<Prepared, Problem> {
    let rules = state.appender.rules();
    let most = AppenderOptions::default();
    let mut call = Prepared::new(rules.clone());
    let mut refused = None;
    let read = read_events(&mut source, rules, &mut |incoming| {
        let bytes = call.bytes().saturating_add(incoming.text.len());
        let room = if call.events() < most.waiting_events_max && bytes <= most.waiting_bytes_max {
            place.borrow_mut().grow(EVENT_BYTES)
        } else {
            Err(too_long(state))
        };
        refused = room.err();
        if refused.is_some() {
            return Ok(Flow::Stop);
        }
        call.push(incoming.event, incoming.text);
        Ok(Flow::Continue)
    });
    match (refused, read) {
        (Some(problem), _) => Err(problem),
        (None, Err(ReadError::Source(error))) => Err(damaged(&error)),
        (None, Err(ReadError::Receiver(error))) => Err(Problem::from(error)),
        (None, Ok(_)) => Ok(call),
    }
}
