//! Answers that are always ready: one thread folds the log as it grows, and publishes the
//! leaderboard, at most so often that ranking takes a tenth of its time.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::board::{Board, not_yet};
use super::fold::Fold;
use super::problem::Problem;
use crate::{Error, Follower, Store};

/// Between two leaderboards at least.
const PACE_MIN: Duration = Duration::from_millis(20);

const PACE_MAX: Duration = Duration::from_secs(1);

/// What requests see of the thread.
#[derive(Clone)]
pub(super) struct Live {
    folded: Arc<OnceLock<RwLock<Fold>>>,
    board: watch::Receiver<Option<Arc<Board>>>,
    behind: Arc<RwLock<Option<Instant>>>,
}

/// What the thread works with.
struct Work {
    store: Store,
    follower: Follower,
    folded: Arc<OnceLock<RwLock<Fold>>>,
    board: watch::Sender<Option<Arc<Board>>>,
    behind: Arc<RwLock<Option<Instant>>>,
    synced: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    pace: Duration,
}

impl Live {
    /// Starts the thread. It ends when it is told to stop, or by an error.
    pub(super) fn start(
        store: Store,
        runtime: Handle,
        synced: watch::Receiver<u64>,
        stop: watch::Receiver<bool>,
    ) -> Result<(Live, JoinHandle<()>), Error> {
        let (board, boards) = watch::channel(None);
        let folded = Arc::new(OnceLock::new());
        let behind = Arc::new(RwLock::new(None));
        let live = Live { folded: Arc::clone(&folded), board: boards, behind: Arc::clone(&behind) };
        let follower = store.follow(0)?;
        let mut work =
            Work { store, follower, folded, board, behind, synced, stop, pace: PACE_MIN };
        let run = move || {
            if let Err(error) = work.run(&runtime) {
                tracing::error!(error = %error.in_full(), "the log can no longer be folded");
            }
        };
        let thread = thread::Builder::new().name("fold".to_owned()).spawn(run);
        let thread = thread.map_err(|source| Error::Io {
            action: "start a thread for",
            path: "the fold".into(),
            source,
        })?;
        Ok((live, thread))
    }

    /// What is folded, once all that there was has been.
    pub(super) fn fold(&self) -> Result<RwLockReadGuard<'_, Fold>, Problem> {
        let fold = self.folded.get().ok_or_else(not_yet)?;
        Ok(fold.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Appends a customer's id, if it is folded.
    pub(super) fn id(&self, ordinal: u32, id: &mut String) -> bool {
        let Ok(fold) = self.fold() else { return false };
        fold.id(ordinal).inspect(|known| id.push_str(known)).is_some()
    }

    /// The latest leaderboard.
    pub(super) fn board(&self) -> Result<Arc<Board>, Problem> {
        self.board.borrow().clone().ok_or_else(not_yet)
    }

    /// All that come.
    pub(super) fn boards(&self) -> watch::Receiver<Option<Arc<Board>>> {
        self.board.clone()
    }

    /// Whether it can be asked, and is not broken.
    pub(super) fn is_ready(&self) -> bool {
        self.board.borrow().is_some() && self.board.has_changed().is_ok()
    }

    /// For how long something has been on the disk that is not folded.
    pub(super) fn behind(&self) -> Duration {
        let since = *self.behind.read().unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Work {
    fn run(&mut self, runtime: &Handle) -> Result<(), Error> {
        let began = Instant::now();
        let mut fold = Fold::new();
        while let Err(error) = self.follower.apply(&mut fold) {
            if !self.passes(error, runtime)? {
                return Ok(());
            }
        }
        let events = fold.statistics.events();
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(events, ms, "the log is read, and questions are answered");
        if self.folded.set(RwLock::new(fold)).is_err() {
            return Ok(());
        }
        let mut published = None;
        let mut is_due = true;
        while !*self.stop.borrow() {
            if self.synced.borrow_and_update().ne(&self.follower.position()) {
                if let Err(error) = self.apply() {
                    self.passes(error, runtime)?;
                    continue;
                }
                is_due = true;
            }
            let now = Instant::now();
            let due = published.map_or(now, |last: Instant| last + self.pace);
            if is_due && now >= due {
                if let Err(error) = self.publish() {
                    self.passes(error, runtime)?;
                    continue;
                }
                published = Some(Instant::now());
                is_due = false;
            }
            let until = is_due.then(|| due.max(now));
            runtime.block_on(news(&mut self.synced, &mut self.stop, until));
        }
        Ok(())
    }

    /// Waits a moment where the disk or the system refused something, which may pass; whether to go
    /// on. What else goes wrong stays so.
    fn passes(&mut self, error: Error, runtime: &Handle) -> Result<bool, Error> {
        if !matches!(error, Error::Io { .. }) {
            return Err(error);
        }
        tracing::warn!(error = %error.in_full(), "the log cannot be read at the moment");
        runtime.block_on(pause(&mut self.stop));
        Ok(!*self.stop.borrow())
    }

    fn apply(&mut self) -> Result<(), Error> {
        let Some(folded) = self.folded.get() else { return Ok(()) };
        let note = |since| {
            *self.behind.write().unwrap_or_else(PoisonError::into_inner) = since;
        };
        note(Some(Instant::now()));
        let mut fold = folded.write().unwrap_or_else(PoisonError::into_inner);
        self.follower.apply(&mut *fold)?;
        note(None);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        let Some(folded) = self.folded.get() else { return Ok(()) };
        let began = Instant::now();
        let before = self.board.borrow().clone();
        let fold = folded.read().unwrap_or_else(PoisonError::into_inner);
        let board = Board::new(&self.store, &fold, before.as_deref())?;
        drop(fold);
        self.board.send_replace(Some(Arc::new(board)));
        self.pace = (began.elapsed() * 10).clamp(PACE_MIN, PACE_MAX);
        Ok(())
    }
}

/// Waits until it is worth trying again what the system refused, or for the order to stop.
pub(super) async fn pause(stop: &mut watch::Receiver<bool>) {
    let told = stop.wait_for(|stop| *stop);
    drop(tokio::time::timeout(Duration::from_secs(1), told).await);
}

/// Waits for more events, for the order to stop, or until a moment.
async fn news(
    synced: &mut watch::Receiver<u64>,
    stop: &mut watch::Receiver<bool>,
    until: Option<Instant>,
) {
    let moment = async {
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // A sender that is gone has nothing more to say: the order to stop comes.
        Ok(()) = synced.changed() => {}
        _ = stop.changed() => {}
        () = moment => {}
    }
}
