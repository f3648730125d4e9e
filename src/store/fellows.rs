//! Calls to all partitions of a log at once: what each does for the others.

use super::call::Call;
use crate::Error;

impl Call<'_> {
    /// Counts events that went to other partitions, and ends the hold window if it is over: where
    /// nothing comes, nothing else asks.
    pub(crate) fn pass(&mut self, events: usize) -> Result<(), Error> {
        self.window_events += events as u64;
        self.guarded(Call::end_window_if_due)
    }

    /// How many events were accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.receipt.accepted
    }

    /// Opens the log that was not there when a strict call began, and is by now: so that none of all
    /// calls writes anything if one of them cannot.
    pub(crate) fn get_ready(&mut self) -> Result<(), Error> {
        self.guarded(|call| {
            call.ingest.commit()?;
            let Some(place) = &mut call.unmade else { return Ok(()) };
            place.get_ready(call.ingest, &call.rules)
        })
    }
}
