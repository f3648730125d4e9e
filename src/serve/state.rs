//! What all requests share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::auth::Tokens;
use super::commit::Committer;
use super::hub::Hub;
use super::limits::{Limits, Room};
use super::live::Live;
use super::metrics::Metrics;
use super::problem::Problem;
use super::stream::STREAMS_MAX;
use crate::{Appender, Error, Partition, Store};

/// Handed to every handler; cheap to clone.
pub(super) type Shared = Arc<State>;

pub(super) struct State {
    pub(super) log: PathBuf,
    pub(super) partition: Partition,
    pub(super) appender: Appender,
    pub(super) committer: Committer,
    pub(super) live: Live,
    pub(super) hub: Hub,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tokens: Option<Tokens>,
    pub(super) limits: Limits,
    pub(super) room: Room,
    pub(super) turns: Turns,
    /// All events below are on the disk.
    pub(super) synced: watch::Receiver<u64>,
    /// Whether the server was told to stop.
    pub(super) stop: watch::Receiver<bool>,
    /// How often the tokens were renewed.
    pub(super) renewed: watch::Receiver<u64>,
}

/// Who waits for whom: leave to do what there may be only so much of at a time.
pub(super) struct Turns {
    /// To read much of the log for one answer.
    heavy: Arc<Semaphore>,
    /// To unpack and read a body.
    pub(super) unpacking: Arc<Semaphore>,
    /// To read the log on for somebody who follows.
    pub(super) reading: Arc<Semaphore>,
    /// To send a body of any length: each takes a thread and room for its batch.
    pub(super) streams: Arc<Semaphore>,
    /// To follow.
    pub(super) followers: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new(limits: &Limits) -> Turns {
        let so_many = |most| Arc::new(Semaphore::new(most));
        Turns {
            heavy: so_many(HEAVY_MAX),
            unpacking: so_many(UNPACKING_MAX),
            reading: so_many(READING_MAX),
            streams: so_many(STREAMS_MAX),
            followers: so_many(limits.followers_max),
        }
    }
}

/// Threads for work that waits for files. Streams, heavy answers, bodies and followers have as many of
/// them as their numbers say, and never all: whoever asks for little is not kept waiting.
pub(super) const THREADS_MAX: usize = 64;
/// Bodies that are read at a time, and pieces of the log for those who follow.
const UNPACKING_MAX: usize = 8;
const READING_MAX: usize = 8;
/// Answers at a time that read much of the log.
const HEAVY_MAX: usize = 2;

const _: () = assert!(STREAMS_MAX + UNPACKING_MAX + READING_MAX + HEAVY_MAX + 8 <= THREADS_MAX);

/// How long one waits for its turn.
const HEAVY_PATIENCE: Duration = Duration::from_secs(2);

impl State {
    /// Tells when the tokens are renewed after this: whoever has a stream then has to show its own
    /// again.
    pub(super) fn renewal(&self) -> watch::Receiver<u64> {
        let mut renewed = self.renewed.clone();
        renewed.mark_unchanged();
        renewed
    }

    /// A store to ask.
    pub(super) fn reader(&self) -> Result<Store, Error> {
        self.appender.reader()
    }

    /// Does on another thread what reads files or takes more than a few microseconds.
    pub(super) async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let state = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&state)).await {
            Ok(done) => done,
            Err(_panicked) => Err(Problem::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "the server made a mistake over this request: its own log says which",
            )),
        }
    }

    /// The same for work of which there may be much, whoever waits longest first.
    pub(super) async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turns: &Arc<Semaphore>,
        work: impl FnOnce(&State) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(turn) = Arc::clone(turns).acquire_owned().await else {
            return Err(Problem::stopping());
        };
        self.aside(move |state| {
            let done = work(state);
            drop(turn);
            done
        })
        .await
    }

    /// The same for what reads much of the log: a few at a time, and whoever waits too long for a
    /// turn is to come again.
    pub(super) async fn heavy<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let leave = Arc::clone(&self.turns.heavy).acquire_owned();
        let Ok(Ok(leave)) = tokio::time::timeout(HEAVY_PATIENCE, leave).await else {
            let detail = "others ask for as much of the log as can be read at a time";
            return Err(Problem::busy(detail));
        };
        self.aside(move |state| {
            let done = work(state);
            drop(leave);
            done
        })
        .await
    }
}
