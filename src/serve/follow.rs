//! `GET /v1/events`: the log from a sequence on, and then as it grows.
//!
//! A follower reads the log itself until it has all that there is, then hears what is new from the
//! [`hub`](super::hub). One that falls behind what the hub keeps goes back to the log: nobody waits
//! for a slow reader, and nobody misses an event.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Of;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc, watch};
use utoipa::IntoParams;

use super::asked::Asked;
use super::hub::{self, Piece, Tells, Told};
use super::problem::Problem;
use super::state::{Shared, State};
use super::tell::{self, number};
use crate::Follower;
use crate::wire::line;

/// Pieces that wait for a slow reader at most.
const WAITING_MAX: usize = 2;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// First sequence to tell
    #[param(default = 0)]
    #[serde(default, deserialize_with = "number")]
    from: Option<u64>,
    /// Go on as the log grows
    #[param(default = false)]
    follow: Option<bool>,
    /// So many events at most
    #[param(minimum = 1)]
    #[serde(default, deserialize_with = "number")]
    limit: Option<u64>,
}

/// The header that a browser sends when it comes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is there for the document: the header is read by hand")]
struct LastEvent {
    /// Go on after this sequence
    #[param(rename = "Last-Event-ID", required = false, value_type = u64)]
    id: Option<u64>,
}

/// What goes to a reader.
enum Tell {
    Events(Piece),
    CaughtUp(u64),
    Failed(Problem),
}

/// The events of the log
///
/// A line for each, `{"sequence": 7, "event": {…}}`, or an event of a stream of server-sent events
/// with the sequence as its id. Where the end of what there was is reached, `caught_up` says so. The
/// lines are `Record`, `CaughtUp` and `StreamError` of the schemas.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(EventsQuery, LastEvent),
    responses(
        (status = 200, description = "The events", content(
            (String = "application/x-ndjson"), (String = "text/event-stream"))),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 503, description = "As many follow as there may be", content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    Of(state): Of<Shared>,
    headers: HeaderMap,
    Asked(query): Asked<EventsQuery>,
) -> Result<Response, Problem> {
    if query.limit == Some(0) {
        return Err(Problem::bad_request("limit is at least 1"));
    }
    let last = headers.get("last-event-id").filter(|value| !value.is_empty());
    let from = match last {
        None => query.from.unwrap_or(0),
        Some(last) => {
            let last = last.to_str().ok().and_then(|last| last.parse::<i64>().ok());
            let next = last.and_then(|last| u64::try_from(last).ok()).map(|last| last + 1);
            next.ok_or_else(|| Problem::bad_request("Last-Event-ID is a sequence"))?
        }
    };
    let (tells, body) = Tells::begin(&state, WAITING_MAX)?;
    let reader = Reader {
        renewed: state.renewal(),
        state,
        position: from,
        left: query.limit.unwrap_or(u64::MAX),
        follows: query.follow.unwrap_or(false),
    };
    tokio::spawn(reader.run(tells));
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    Ok(if accept.contains("text/event-stream") {
        let events = body.flat_map(|tell| futures_util::stream::iter(server_sent(tell)));
        Sse::new(events).keep_alive(KeepAlive::default()).into_response()
    } else {
        tell::lines(body.map(|tell| Ok(lines(&tell))))
    })
}

fn server_sent(tell: Tell) -> Vec<Result<Event, std::convert::Infallible>> {
    match tell {
        Tell::Events(piece) => piece
            .iter()
            .map(|Told { sequence, event }| {
                let text = String::from_utf8_lossy(event);
                Ok(Event::default().event("event").id(sequence.to_string()).data(text))
            })
            .collect(),
        Tell::CaughtUp(end) => {
            vec![Ok(Event::default().event("caught_up").data(format!("{{\"end\": {end}}}")))]
        }
        Tell::Failed(problem) => {
            vec![Ok(Event::default().event("problem").data(line(&problem.json())))]
        }
    }
}

fn lines(tell: &Tell) -> Bytes {
    let mut text = Vec::new();
    match tell {
        Tell::Events(piece) => {
            for Told { sequence, event } in &**piece {
                text.extend_from_slice(
                    format!("{{\"sequence\": {sequence}, \"event\": ").as_bytes(),
                );
                text.extend_from_slice(event);
                text.extend_from_slice(b"}\n");
            }
        }
        Tell::CaughtUp(end) => text = format!("{{\"caught_up\": {end}}}\n").into_bytes(),
        Tell::Failed(problem) => {
            text = format!("{{\"error\": {}}}\n", line(&problem.json())).into_bytes();
        }
    }
    text.into()
}

/// One who reads events.
struct Reader {
    state: Shared,
    renewed: watch::Receiver<u64>,
    position: u64,
    left: u64,
    follows: bool,
}

impl Reader {
    async fn run(mut self, tells: mpsc::Sender<Tell>) {
        if let Err(problem) = self.read(&tells).await {
            // Whoever is gone needs no reason.
            if tells.send(Tell::Failed(problem)).await.is_err() {}
        }
    }

    async fn read(&mut self, tells: &mpsc::Sender<Tell>) -> Result<(), Problem> {
        let mut is_told = false;
        loop {
            // It listens before it reads on, so that nothing can come in between.
            let heard = self.state.hub.listen();
            if !self.catch_up(tells).await? {
                return Ok(());
            }
            if !is_told && tells.send(Tell::CaughtUp(self.position)).await.is_err() {
                return Ok(());
            }
            is_told = true;
            if !self.follows || !self.hear(heard, tells).await? {
                return Ok(());
            }
        }
    }

    /// Reads the log up to its end; whether anybody reads on.
    async fn catch_up(&mut self, tells: &mpsc::Sender<Tell>) -> Result<bool, Problem> {
        let (position, state) = (self.position, Arc::clone(&self.state));
        let mut opened = None;
        loop {
            let read = move |state: &State| {
                // Whoever waits for a first turn has no file open.
                let mut follower: Follower = match opened {
                    Some(follower) => follower,
                    None => begin(state, position)?,
                };
                let currency = state.appender.rules().currency;
                let (piece, is_more) = hub::read(|each| follower.catch_up(each), currency)?;
                Ok((piece, is_more.then_some(follower)))
            };
            let (piece, follower) = state.in_turn(&state.turns.reading, read).await?;
            opened = follower;
            if !self.tell(piece.into(), tells).await || self.renewed.has_changed().unwrap_or(false)
            {
                return Ok(false);
            }
            if opened.is_none() {
                return Ok(true);
            }
        }
    }

    /// Tells what comes; false if nobody reads on, true if it is to be read from the log again.
    async fn hear(
        &mut self,
        mut heard: broadcast::Receiver<Piece>,
        tells: &mpsc::Sender<Tell>,
    ) -> Result<bool, Problem> {
        let mut stop = self.state.stop.clone();
        loop {
            if *stop.borrow() {
                return Ok(false);
            }
            let piece = tokio::select! {
                piece = heard.recv() => piece,
                _ = stop.changed() => continue,
                Ok(()) = self.renewed.changed() => return Ok(false),
                () = tells.closed() => return Ok(false),
            };
            match piece {
                Ok(piece) => {
                    let first = piece.first().map(|told| told.sequence);
                    if first.is_none_or(|first| first > self.position) {
                        return Ok(true);
                    }
                    if !self.tell(piece, tells).await {
                        return Ok(false);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return Ok(true),
                Err(broadcast::error::RecvError::Closed) => return Ok(false),
            }
        }
    }

    /// Tells what of a piece has not been told yet; whether anybody reads on.
    async fn tell(&mut self, piece: Piece, tells: &mpsc::Sender<Tell>) -> bool {
        let known = piece.iter().take_while(|told| told.sequence < self.position).count();
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = (piece.len() - known).min(left);
        if count == 0 {
            return self.left > 0;
        }
        let piece = if count == piece.len() {
            piece
        } else {
            Piece::new(piece.iter().skip(known).take(count).cloned().collect())
        };
        self.left -= count as u64;
        self.position = piece.last().map_or(self.position, |told| told.sequence + 1);
        tells.send(Tell::Events(piece)).await.is_ok() && self.left > 0
    }
}

/// Reads the log from a sequence on, with the ids that are known here.
fn begin(state: &State, position: u64) -> Result<Follower, Problem> {
    let live = state.live.clone();
    let ids = move |ordinal, id: &mut String| live.id(ordinal, id);
    Ok(state.reader()?.follow(position)?.knowing(ids))
}
