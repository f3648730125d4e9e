//! Reading a log on several threads: each takes the next run of batches that nobody has taken,
//! and folds it into a part of its own, or looks at the customers that it makes known.
//!
//! Whoever takes a run walks through its batches, one thread at a time: so every batch is checked
//! and held against the one before it, as in a fold on one thread. If anything is wrong there is
//! no answer, and nothing is said of it: reading on one thread tells what it is.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, scope};

use super::names::each_newcomer;
use crate::Fault;
use crate::codec::{Batch, Newcomers, customers_before};
use crate::log::{Frame, Frames, View};
use crate::planted::planted;
use crate::projection::part::{Part, Piece};
use crate::projection::{Projection, Statistics};

/// Told up to which sequence batches were handed out.
pub(super) type OnProgress<'a> = dyn FnMut(u64) + Send + 'a;

/// Where a run of batches ends: as soon as it has so many events, or so many batches.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunLength {
    pub(super) events: u64,
    pub(super) batches: usize,
}

impl RunLength {
    /// Long enough that threads seldom meet, short enough that all end at nearly the same time.
    pub(super) const USUAL: RunLength = RunLength { events: 1 << 14, batches: 1 << 10 };
}

/// Folds what the statistics lack of the log. `None` if anything was wrong.
pub(super) fn catch_up(
    view: &View,
    mut statistics: Statistics,
    threads: NonZeroUsize,
    length: RunLength,
    on_progress: &mut OnProgress<'_>,
) -> Option<Statistics> {
    let customers = u32::try_from(statistics.customers().len()).ok()?;
    let walk = Walk::new(view.frames(statistics.end()), customers, length, on_progress);
    let parts = walk_on(walk, threads, || statistics.part(), fold_run)?;
    statistics.merge(parts, threads, &mut add_all).ok()?;
    Some(statistics)
}

/// Gives each customer's id and ordinal to one of several findings, which are to be put together.
/// `None` if anything was wrong.
pub(super) fn each_customer<F: Send>(
    view: &View,
    threads: NonZeroUsize,
    length: RunLength,
    nothing: impl Fn() -> F + Sync,
    find: impl Fn(&mut F, &str, u32) + Sync,
) -> Option<Vec<F>> {
    let nobody = &mut |_| {};
    let walk = Walk::new(view.frames(0), 0, length, nobody);
    let start = || (nothing(), Newcomers::default());
    let look = |run: &Run<'_>, (found, scratch): &mut (F, Newcomers)| {
        for frame in &run.frames {
            let batch = decode(frame).ok()?;
            each_newcomer(&batch, scratch, &mut |id, ordinal| find(found, id, ordinal)).ok()?;
        }
        Some(())
    };
    let found = walk_on(walk, threads, start, look)?;
    Some(found.into_iter().map(|(found, _)| found).collect())
}

/// Takes all runs, on several threads, each into a part of its own. `None` if anything was wrong.
fn walk_on<P: Send>(
    walk: Walk<'_, '_>,
    threads: NonZeroUsize,
    start: impl Fn() -> P + Sync,
    take_in: impl Fn(&Run<'_>, &mut P) -> Option<()> + Sync,
) -> Option<Vec<P>> {
    let walk = Mutex::new(walk);
    let parts = scope(|scope| {
        let work = || {
            let mut part = start();
            while let Some(run) = { lock(&walk).take() } {
                if take_in(&run, &mut part).is_none() {
                    lock(&walk).failed = true;
                }
            }
            part
        };
        // A thread that the system does not give is one less.
        let spawn = |_| Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads.get()).map_while(spawn).collect();
        let mut parts = vec![work()];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        parts
    });
    let failed = lock(&walk).failed;
    (!failed).then_some(parts)
}

/// Adds up pieces, each on a thread of its own.
fn add_all(pieces: Vec<Piece<'_>>) -> Result<(), Fault> {
    let mut pieces = pieces.into_iter();
    let Some(mine) = pieces.next() else { return Ok(()) };
    scope(|scope| {
        let others: Result<Vec<_>, _> =
            pieces.map(|piece| Builder::new().spawn_scoped(scope, move || piece.add())).collect();
        let others = others.map_err(|_no_thread| Fault::Unknown("there is no further thread"))?;
        mine.add()?;
        others
            .into_iter()
            .try_for_each(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn fold_run(run: &Run<'_>, part: &mut Part) -> Option<()> {
    let first_seq = run.frames.first()?.first_seq;
    part.begin(run.number, first_seq, run.customers).ok()?;
    for frame in &run.frames {
        part.apply(&decode(frame).ok()?).ok()?;
    }
    // The next run, of another thread perhaps, begins where this one ends.
    let fits = |end| usize::try_from(end) == Ok(part.customers());
    let joined = run.customers_end.is_none_or(fits) || planted("runs not joined");
    joined.then_some(())
}

fn decode<'f>(frame: &'f Frame<'_>) -> Result<Batch<'f>, Fault> {
    Batch::decode(&frame.body, frame.first_seq, frame.events)
}

/// What threads do while they hold the walk does not panic, and is whole whenever it might.
fn lock<'m, 'a, 'p>(walk: &'m Mutex<Walk<'a, 'p>>) -> MutexGuard<'m, Walk<'a, 'p>> {
    walk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Batches that follow each other.
struct Run<'a> {
    number: u64,
    frames: Vec<Frame<'a>>,
    /// Customers before the first of them.
    customers: u32,
    /// Customers before the batch that follows the last one, if one does.
    customers_end: Option<u32>,
}

/// The way through the log.
struct Walk<'a, 'p> {
    frames: Frames<'a>,
    /// The next batch, with the number of customers before it.
    following: Option<(Frame<'a>, u32)>,
    length: RunLength,
    runs: u64,
    failed: bool,
    on_progress: &'p mut OnProgress<'p>,
}

impl<'a, 'p> Walk<'a, 'p> {
    /// Before the first of `frames`, before which there are so many customers.
    fn new(
        frames: Frames<'a>,
        customers: u32,
        length: RunLength,
        on_progress: &'p mut OnProgress<'p>,
    ) -> Walk<'a, 'p> {
        let mut walk =
            Walk { frames, following: None, length, runs: 0, failed: false, on_progress };
        walk.look_ahead(customers, 0);
        walk
    }

    /// The next run; none at the end, and after a failure.
    fn take(&mut self) -> Option<Run<'a>> {
        let (mut frames, mut events) = (Vec::new(), 0);
        let customers = self.following.as_ref().filter(|_| !self.failed)?.1;
        while events < self.length.events && frames.len() < self.length.batches {
            let Some((frame, customers)) = self.following.take() else { break };
            self.look_ahead(customers, frame.events);
            events += u64::from(frame.events);
            frames.push(frame);
        }
        self.runs += 1;
        (self.on_progress)(frames.last()?.end_seq());
        let customers_end = self.following.as_ref().map(|(_, customers)| *customers);
        Some(Run { number: self.runs, frames, customers, customers_end })
    }

    /// Reads the next batch, which may have at most `events` customers more before it than the
    /// last one: whoever takes it makes room for them.
    fn look_ahead(&mut self, customers: u32, events: u32) {
        let Some(next) = self.frames.next() else { return };
        let next = next.ok().and_then(|frame| {
            let before = customers_before(&frame.body).ok()?;
            (before.checked_sub(customers)? <= events).then_some((frame, before))
        });
        self.failed |= next.is_none();
        self.following = next;
    }
}
