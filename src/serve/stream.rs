//! `POST /v1/events` of any length: events are committed in batches as they come, and each batch
//! is acknowledged by a line of its own.
//!
//! A thread reads the body, which a task hands to it piece by piece. A batch ends when it is large
//! enough, and whenever nothing more has come: nobody's event waits for the next one. An event
//! whose customer or order is not known yet is held, and comes first in the batches that follow,
//! until [`HOLD_TIME`] or [`HELD_MAX`] is over: arrival order is not promised.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::ingest::{LOOKS_BACK, receipt, unreadable};
use super::limits::{EVENT_BYTES, Place, WINDOW_BYTES_MAX};
use super::problem::Problem;
use super::state::Shared;
use super::tell::{self, Lines};
use crate::unpack::{decoded_within, looks_back_too_far};
use crate::wire::line;
use crate::{Appended, Event, Flow, Prepared, ReadError, Reason, Rejection, Rules, read_events};

/// A batch has at most so many events, and takes so much room, which its stream has from the beginning.
const BATCH_EVENTS: usize = 4_096;
const BATCH_BYTES: usize = 2 << 20;
/// How long the last line waits for a reader.
const LAST_TIME: Duration = Duration::from_secs(2);
/// How long an event waits for its customer or order, noticed when the next batch ends.
const HOLD_TIME: Duration = Duration::from_secs(5);
/// So many wait at most, so that with a batch they fit into one call, and no more than there is room
/// for; what comes beyond is given up.
const HELD_MAX: usize = 60_000;
const HELD_BYTES_MAX: usize = 32 << 20;
/// Bodies that are read at a time. Others need room and threads, too.
pub(super) const STREAMS_MAX: usize = 32;

const BROKEN: &str = "the body ends before its end, or cannot be unpacked: what was acknowledged \
                      before is in the log";

/// Pieces of a body, or why there is no next one.
type Handed = mpsc::Receiver<Result<Bytes, Problem>>;

/// Begins to read the body, and answers with receipts as they are earned.
pub(super) fn answer(state: Shared, body: Body) -> Result<Response, Problem> {
    let leave = Arc::clone(&state.turns.streams).try_acquire_owned();
    let leave = leave.map_err(|_full| {
        Problem::busy("as many bodies of any length are being read as there may be at a time")
    })?;
    let (lines, response) = tell::ndjson();
    let (pieces, handed) = mpsc::channel(4);
    tokio::spawn(hand_over(body, pieces, state.stop.clone(), state.renewal()));
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        read(state, handed, lines, runtime);
        drop(leave);
    });
    Ok(response)
}

/// Hands over what comes, and why it is no more.
async fn hand_over(
    body: Body,
    pieces: mpsc::Sender<Result<Bytes, Problem>>,
    mut stop: watch::Receiver<bool>,
    mut renewed: watch::Receiver<u64>,
) {
    let mut body = body.into_data_stream();
    loop {
        let piece = tokio::select! {
            piece = body.next() => piece.map(|piece| piece.map_err(|error| unreadable(&error, BROKEN))),
            _ = stop.wait_for(|stop| *stop) => Some(Err(Problem::stopping())),
            Ok(()) = renewed.changed() => Some(Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "the tokens were renewed: send again what was not acknowledged",
            ))),
        };
        let Some(piece) = piece else { return };
        let is_last = piece.is_err();
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// Reads all events, and says at the end why it was not the end, if so.
fn read(state: Shared, pieces: Handed, lines: Lines, runtime: Handle) {
    let rules = state.appender.rules().clone();
    let stop = state.stop.clone();
    let batch = Batch::new(state, lines.clone(), runtime);
    let Ok(batch) = batch.map_err(|problem| tell_problem(&lines, &problem)) else { return };
    let batch = Arc::new(Mutex::new(batch));
    let pieces = Pieces { pieces, left: Bytes::new(), batch: Arc::clone(&batch) };
    let mut at_event = |incoming: crate::Incoming<'_>| {
        let mut batch = lock(&batch);
        // It stands for what did not come, of which the answer's last line says why.
        if batch.why.is_some() {
            return Ok(Flow::Stop);
        }
        batch.push(incoming.event, incoming.text);
        if *stop.borrow() && batch.problem.is_none() {
            batch.flush();
            batch.problem = Some(Problem::stopping());
        } else if batch.is_full() {
            batch.flush();
        }
        Ok(if batch.problem.is_some() { Flow::Stop } else { Flow::Continue })
    };
    let unpacked = decoded_within(Box::new(pieces), WINDOW_BYTES_MAX);
    let read = unpacked.map_err(ReadError::Source).and_then(|source| {
        let noting = Noting { source, batch: Arc::clone(&batch) };
        let mut source = BufReader::with_capacity(NOTING_BYTES, noting);
        read_events(&mut source, &rules, &mut at_event).map(|_flow| ())
    });
    let mut batch = lock(&batch);
    if batch.problem.is_none() {
        batch.end();
    }
    let why = batch.why.take();
    let why = why.or_else(|| read.is_err().then(|| Problem::bad_request(BROKEN)));
    batch.problem = batch.problem.take().or(why);
    if let Some(problem) = &batch.problem {
        tell_problem(&lines, problem);
    }
}

fn lock(batch: &Mutex<Batch>) -> MutexGuard<'_, Batch> {
    batch.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell_problem(lines: &Lines, problem: &Problem) {
    let mut text = format!("{{\"error\": {}}}", line(&problem.json()));
    text.push('\n');
    // Whoever is gone, or reads nothing, is told nothing.
    let sent = tokio::time::timeout(LAST_TIME, lines.send(Ok(Bytes::from(text))));
    drop(Handle::current().block_on(sent));
}

/// The unpacked body, which remembers that it broke: to a reader of events that is an event that
/// is none.
struct Noting {
    source: Box<dyn BufRead + Send>,
    batch: Arc<Mutex<Batch>>,
}

const NOTING_BYTES: usize = 64 << 10;

impl Read for Noting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            let why = if looks_back_too_far(error) { LOOKS_BACK } else { BROKEN };
            lock(&self.batch).why.get_or_insert_with(|| Problem::bad_request(why));
        }
        read
    }
}

/// The body as a reader has it. Before it waits for more it ends the batch.
struct Pieces {
    pieces: Handed,
    left: Bytes,
    batch: Arc<Mutex<Batch>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            let piece = match self.pieces.try_recv() {
                Ok(piece) => Some(piece),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    let mut batch = lock(&self.batch);
                    batch.flush();
                    if batch.problem.is_some() {
                        return Err(io::Error::other("the batch was not committed"));
                    }
                    drop(batch);
                    self.pieces.blocking_recv()
                }
            };
            match piece {
                Some(Ok(piece)) => self.left = piece,
                Some(Err(problem)) => {
                    lock(&self.batch).why = Some(problem);
                    return Err(io::Error::other("the body ends before its end"));
                }
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.left.len());
        let piece = self.left.split_to(count);
        buffer.get_mut(..count).expect("no more than that").copy_from_slice(&piece);
        Ok(count)
    }
}

/// The events that have come since the last acknowledgement.
struct Batch {
    state: Shared,
    lines: Lines,
    runtime: Handle,
    rules: Rules,
    /// Room for one batch.
    place: Option<Place>,
    /// Room for what is held before it.
    held_place: Place,
    call: Prepared,
    /// What each event of the call was in the request, and its text.
    items: Vec<Item>,
    /// What those of them take that were not held before.
    bytes: usize,
    held: Vec<Item>,
    /// How many of them were not held before.
    new: usize,
    events: u64,
    /// Why nothing more is taken.
    problem: Option<Problem>,
    /// Why nothing more came.
    why: Option<Problem>,
}

struct Item {
    index: u64,
    text: Vec<u8>,
    since: Instant,
}

impl Batch {
    fn new(state: Shared, lines: Lines, runtime: Handle) -> Result<Batch, Problem> {
        let mut place = state.room.place()?;
        place.reach(BATCH_BYTES)?;
        let held_place = state.room.place()?;
        let rules = state.appender.rules().clone();
        Ok(Batch {
            state,
            lines,
            runtime,
            call: Prepared::new(rules.clone()),
            rules,
            place: Some(place),
            held_place,
            items: Vec::new(),
            bytes: 0,
            held: Vec::new(),
            new: 0,
            events: 0,
            problem: None,
            why: None,
        })
    }

    fn push(&mut self, event: Result<Event<'_>, Rejection>, text: &[u8]) {
        self.call.push(event, text);
        let text = text.to_vec();
        self.bytes += text.len() + EVENT_BYTES;
        self.items.push(Item { index: self.events, text, since: Instant::now() });
        self.events += 1;
        self.new += 1;
    }

    fn is_full(&self) -> bool {
        self.new >= BATCH_EVENTS || self.bytes >= BATCH_BYTES
    }

    /// Commits what has come, if anything has.
    fn flush(&mut self) {
        if self.new > 0 && self.problem.is_none() {
            self.commit(false);
        }
    }

    /// Commits the rest, and gives up what is held.
    fn end(&mut self) {
        if !self.items.is_empty() || self.events == 0 {
            self.commit(true);
        }
    }

    fn commit(&mut self, is_last: bool) {
        let call = std::mem::replace(&mut self.call, Prepared::new(self.rules.clone()));
        let items = std::mem::take(&mut self.items);
        let Some(place) = self.place.take() else { return };
        let done = self.runtime.block_on(self.state.committer.commit(call, place));
        let (mut done, place) = match done {
            Ok(done) => done,
            Err(problem) => {
                self.problem = Some(problem);
                return;
            }
        };
        self.place = Some(place);
        if !is_last {
            self.hold(&mut done, &items);
        }
        let index = |index: u64| {
            let at = usize::try_from(index).ok().and_then(|at| items.get(at));
            at.map_or(index, |item| item.index)
        };
        let mut text = receipt(&done, index);
        text.push('\n');
        let sent = self.runtime.block_on(tokio::time::timeout(
            self.state.limits.body_time,
            self.lines.send(Ok(Bytes::from(text))),
        ));
        self.state.metrics.told(&done.receipt);
        if !matches!(sent, Ok(Ok(()))) {
            self.problem = Some(Problem::bad_request("nobody reads the receipts any more"));
        }
        self.take_up_held();
    }

    /// Takes out of the receipt what may still find its customer or order.
    fn hold(&mut self, done: &mut Appended, items: &[Item]) {
        let now = Instant::now();
        let mut held_bytes = 0;
        let mut held = Vec::new();
        done.rejected.retain(|one| {
            let reason = one.rejection.reason;
            let waits = matches!(reason, Reason::UnknownCustomer | Reason::UnknownOrder);
            let item = usize::try_from(one.index).ok().and_then(|at| items.get(at));
            let Some(item) = item.filter(|_| waits) else { return true };
            let with_it = held_bytes + item.text.len() + EVENT_BYTES;
            let is_over = now.duration_since(item.since) > HOLD_TIME
                || held.len() >= HELD_MAX
                || with_it > HELD_BYTES_MAX
                || self.held_place.reach(with_it).is_err();
            if is_over {
                return true;
            }
            held_bytes = with_it;
            held.push(Item { index: item.index, text: item.text.clone(), since: item.since });
            if let Some(count) = done.receipt.reasons.get_mut(&reason) {
                *count -= 1;
            }
            false
        });
        done.receipt.reasons.retain(|_, count| *count > 0);
        self.held_place.shrink_to(held_bytes);
        self.held = held;
    }

    /// What is held comes first in the next batch, in the order in which it came.
    fn take_up_held(&mut self) {
        self.new = 0;
        self.bytes = 0;
        for item in std::mem::take(&mut self.held) {
            self.call.push(Event::from_json(&item.text, &self.rules), &item.text);
            self.items.push(item);
        }
    }
}
