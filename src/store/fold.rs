//! The log's statistics: those of a checkpoint, continued, or all of the log, folded.

use super::parallel::{self, RunLength};
use super::source::Source;
use super::{Store, checkpoints};
use crate::Error;
use crate::log::View;
use crate::projection::{Projection, Statistics, TimeFrame};

/// Fewer events than this are folded on one thread, sooner than others could be of help.
const PARALLEL_EVENTS_MIN: u64 = 1 << 16;

impl Store {
    /// The log's statistics over a frame: the newest checkpoint, continued. A window of time is
    /// folded from the first event, since no checkpoint knows it.
    pub(super) fn statistics(
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
        if let Some(view) = source.view().filter(|_| is_worth && self.options.threads.get() > 1) {
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
}
