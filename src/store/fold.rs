//! The log's statistics: those of a checkpoint, asked where it lies or continued, or all of the
//! log, folded. And what is found by looking at all of the log's customers.

use std::collections::{HashMap, HashSet};

use super::names::each_customer;
use super::parallel::{self, RunLength};
use super::source::Source;
use super::{Store, checkpoints};
use crate::Error;
use crate::log::View;
use crate::projection::figures::Figures;
use crate::projection::{Projection, Statistics, TimeFrame};

/// Fewer events than this are folded on one thread, sooner than others could be of help.
const PARALLEL_EVENTS_MIN: u64 = 1 << 16;

impl Store {
    /// An answer from the newest checkpoint where it lies, if it may be asked and can answer, or
    /// from statistics in memory.
    pub(super) fn answer<T>(
        &self,
        source: &Source<'_>,
        frame: TimeFrame,
        is_asked: bool,
        question: impl Fn(&dyn Figures) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(dir) = self.dir.as_ref().filter(|_| is_asked)
            && let Some(found) = checkpoints::ask(&self.env, dir, source, &question)
        {
            return Ok(found);
        }
        question(&self.statistics_in(source, frame)?)
    }

    /// The log's statistics over a frame: the newest checkpoint, continued. A window of time is
    /// folded from the first event, since no checkpoint knows it.
    pub(super) fn statistics_in(
        &self,
        source: &Source<'_>,
        frame: TimeFrame,
    ) -> Result<Statistics, Error> {
        let saved = match (&self.dir, frame) {
            (Some(dir), TimeFrame::Dataset | TimeFrame::Customer) => {
                checkpoints::newest(&self.env, dir, source)?
            }
            (None, _) | (Some(_), TimeFrame::Window { .. }) => None,
        };
        self.continued(source, saved, frame, &mut |_| {})
    }

    /// Statistics that were saved, or none, with what they lack of the log.
    pub(super) fn continued(
        &self,
        source: &Source<'_>,
        saved: Option<Statistics>,
        frame: TimeFrame,
        on_progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Statistics, Error> {
        let fresh = || Statistics::over(frame);
        let mut statistics = saved.unwrap_or_else(fresh);
        statistics.reserve(source.view().map_or(0, View::customers_max));
        // Each thread makes room for all customers, which is to cost less than what it saves.
        let events = source.end().saturating_sub(statistics.end());
        let customers = statistics.customers().len() as u64;
        let is_worth = events >= PARALLEL_EVENTS_MIN.max(customers);
        if let Some(view) = self.view_for_threads(source).filter(|_| is_worth) {
            let (threads, length) = (self.options.threads, RunLength::USUAL);
            match parallel::catch_up(view, statistics, threads, length, on_progress) {
                Some(whole) => return Ok(whole),
                None => statistics = fresh(),
            }
        }
        source.batches(statistics.end(), &mut |batch| {
            statistics.apply(batch)?;
            on_progress(statistics.end());
            Ok(true)
        })?;
        Ok(statistics)
    }

    /// The ordinals of customers, `None` for an id that the log does not know.
    pub(super) fn ordinals(
        &self,
        source: &Source<'_>,
        ids: &[String],
    ) -> Result<Vec<Option<u32>>, Error> {
        let wanted: HashSet<&str> = ids.iter().map(|id| &**id).collect();
        let find = |found: &mut HashMap<_, u32>, id: &str, ordinal| {
            if let Some(id) = wanted.get(id) {
                found.insert(*id, ordinal);
            }
        };
        let mut found = HashMap::new();
        for (id, ordinal) in self.each_customer(source, HashMap::new, find)?.into_iter().flatten() {
            let last: &mut u32 = found.entry(id).or_default();
            *last = ordinal.max(*last);
        }
        Ok(ids.iter().map(|id| found.get(&**id).copied()).collect())
    }

    /// Gives each customer's id and ordinal to one of several findings, which are to be put
    /// together: as many as there are threads, or one.
    pub(super) fn each_customer<F: Send>(
        &self,
        source: &Source<'_>,
        nothing: impl Fn() -> F + Sync,
        find: impl Fn(&mut F, &str, u32) + Sync,
    ) -> Result<Vec<F>, Error> {
        let is_worth = source.end() >= PARALLEL_EVENTS_MIN;
        if let Some(view) = self.view_for_threads(source).filter(|_| is_worth) {
            let (threads, length) = (self.options.threads, RunLength::USUAL);
            if let Some(all) = parallel::each_customer(view, threads, length, &nothing, &find) {
                return Ok(all);
            }
        }
        let mut found = nothing();
        each_customer(source, &mut |id, ordinal| find(&mut found, id, ordinal))?;
        Ok(vec![found])
    }

    /// The log, if several threads are to read it.
    fn view_for_threads<'s>(&self, source: &'s Source<'_>) -> Option<&'s View> {
        source.view().filter(|_| self.options.threads.get() > 1)
    }
}
