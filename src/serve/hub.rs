//! New events, read once for all who follow: a thread renders them while there is anybody to hear
//! them, and whoever is too slow for that reads the log itself again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use axum::body::Bytes;
use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::live::pause;
use super::metrics::Metrics;
use super::problem::Problem;
use super::state::State;
use crate::{Error, Follower, Record, Store};

/// Pieces that a follower may be behind before it goes back to the log.
const BEHIND_MAX: usize = 64;
/// A piece has at most so many bytes, and one event more.
const PIECE_BYTES: usize = 64 << 10;

/// An event as it is told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) sequence: u64,
    pub(super) event: Bytes,
}

/// Some events that follow each other; none if what came before is to be read from the log.
pub(super) type Piece = Arc<Vec<Told>>;

/// Where new events are heard.
#[derive(Clone)]
pub(super) struct Hub {
    pieces: broadcast::Sender<Piece>,
}

impl Hub {
    /// Starts the thread. It ends when it is told to stop, or by an error.
    pub(super) fn start(
        store: Store,
        runtime: Handle,
        synced: watch::Receiver<u64>,
        stop: watch::Receiver<bool>,
    ) -> Result<(Hub, JoinHandle<()>), Error> {
        let (pieces, _) = broadcast::channel(BEHIND_MAX);
        let hub = Hub { pieces: pieces.clone() };
        let run = move || {
            if let Err(error) = tell(&store, &runtime, &pieces, synced, stop) {
                tracing::error!(error = %error.in_full(), "events can no longer be told");
            }
        };
        let thread = thread::Builder::new().name("follow".to_owned()).spawn(run);
        let thread = thread.map_err(|source| Error::Io {
            action: "start a thread for",
            path: "the followers".into(),
            source,
        })?;
        Ok((hub, thread))
    }

    /// Hears what is new from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Piece> {
        self.pieces.subscribe()
    }
}

fn tell(
    store: &Store,
    runtime: &Handle,
    pieces: &broadcast::Sender<Piece>,
    mut synced: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut follower = None;
    while !*stop.borrow() {
        let end = *synced.borrow_and_update();
        if pieces.receiver_count() == 0 {
            follower = None;
        } else if let Err(error) = tell_until(end, store, &mut follower, pieces) {
            if !matches!(error, Error::Io { .. }) {
                return Err(error);
            }
            // It may pass. Whoever follows finds a gap then, and reads the log itself.
            tracing::warn!(error = %error.in_full(), "the log cannot be followed at the moment");
            follower = None;
            runtime.block_on(pause(&mut stop));
            continue;
        }
        runtime.block_on(async {
            tokio::select! {
                changed = synced.changed() => if changed.is_err() {
                    // The order to stop comes.
                    let _stopped = stop.changed().await;
                },
                _ = stop.changed() => {}
            }
        });
    }
    Ok(())
}

/// Tells what is new up to an end.
fn tell_until(
    end: u64,
    store: &Store,
    follower: &mut Option<Follower>,
    pieces: &broadcast::Sender<Piece>,
) -> Result<(), Error> {
    let follower = match follower {
        Some(follower) => follower,
        // Whoever came before this reads the log up to here, which an empty piece tells.
        None => {
            let new = store.follow(end)?;
            drop(pieces.send(Piece::default()));
            follower.insert(new)
        }
    };
    while follower.position() < end {
        let piece = read(|each| follower.catch_up(each), store.rules().currency)?.0;
        if piece.is_empty() {
            break;
        }
        // Nobody may be left.
        if pieces.send(Arc::new(piece)).is_err() {}
    }
    Ok(())
}

/// Receives records.
pub(super) type Each<'a> = &'a mut dyn FnMut(&Record<'_>) -> Result<bool, Error>;

/// Reads one piece; whether there was more.
pub(super) fn read<T>(
    records: impl FnOnce(Each<'_>) -> Result<T, Error>,
    currency: [u8; 3],
) -> Result<(Vec<Told>, bool), Error> {
    let (mut piece, mut bytes, mut is_more) = (Vec::new(), 0, false);
    records(&mut |record| {
        let mut event = String::new();
        record.event.to_json(currency, &mut event);
        bytes += event.len();
        piece.push(Told { sequence: record.sequence, event: event.into() });
        is_more = bytes >= PIECE_BYTES;
        Ok(!is_more)
    })?;
    Ok((piece, is_more))
}

/// What a follower is told. It is one for as long as somebody may take this, read or not.
pub(super) struct Tells<T> {
    tells: ReceiverStream<T>,
    metrics: Arc<Metrics>,
    _leave: OwnedSemaphorePermit,
}

impl<T> Tells<T> {
    /// For one follower more, if there may be one: so many things wait to be taken at most.
    pub(super) fn begin(
        state: &State,
        waiting_max: usize,
    ) -> Result<(mpsc::Sender<T>, Tells<T>), Problem> {
        let leave = Arc::clone(&state.turns.followers).try_acquire_owned().map_err(|_full| {
            Problem::busy("as many follow as there may be at a time: come back in a while")
        })?;
        let (to, tells) = mpsc::channel(waiting_max);
        let metrics = Arc::clone(&state.metrics);
        metrics.followers.inc();
        Ok((to, Tells { tells: ReceiverStream::new(tells), metrics, _leave: leave }))
    }
}

impl<T> Stream for Tells<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.tells).poll_next(context)
    }
}

impl<T> Drop for Tells<T> {
    fn drop(&mut self) {
        self.metrics.followers.dec();
    }
}
