//! What a program asks that runs on beside the log: statistics to keep up to date with a follower.

use super::Store;
use crate::Error;
use crate::projection::{Statistics, TimeFrame};

impl Store {
    /// The log's statistics over a time frame, up to its end: the newest checkpoint, continued. A
    /// window of time is folded from the first event.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn statistics(&self, frame: TimeFrame) -> Result<Statistics, Error> {
        self.statistics_in(&self.source()?, frame)
    }
}
