//! Statistics folded from events: the one place where customers get their numbers.
//!
//! A [`Projection`] takes the log's batches in order. [`statistics`] holds what the log says of
//! every customer, all of it or between two dates, and `fold` puts the batches into it, in
//! [`part`]s where several threads do it at once; [`weeks`] and [`ltv`] turn counts into exact
//! rational values, [`rank`] finds the greatest of them, [`digest`] boils everything down to 16
//! bytes, and [`checkpoint`] writes the statistics down so that the next process need not fold
//! again, nor even load them: [`figures`] are asked in memory or, [`saved`], in the file, with an
//! [`overlay`] of what came since. Nothing here reads files, clocks or ids: those are passed in.

pub(crate) mod checkpoint;
mod columns;
pub(crate) mod digest;
pub(crate) mod figures;
mod fold;
pub(crate) mod ltv;
pub(crate) mod overlay;
pub(crate) mod part;
pub(crate) mod rank;
pub(crate) mod saved;
pub(crate) mod statistics;
pub(crate) mod updates;
pub(crate) mod weeks;

#[cfg(test)]
mod tests;

pub use self::digest::Digest;
pub use self::ltv::Lifespan;
pub use self::statistics::{CustomerStatistics, Statistics};
pub use self::weeks::{Frame, TimeFrame, WeekStart};

use crate::codec::Batch;
use crate::error::Fault;

/// Something folded from a log, one batch after the other from the first event on.
pub trait Projection {
    /// Takes in the next batch.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the batch breaks a rule of the format or does not continue what was applied
    /// before. What was folded is then undefined and must be thrown away.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault>;
    /// The sequence of the event that it needs next, if it knows: who would give it another one is
    /// told so before anything is applied.
    fn applied_end(&self) -> Option<u64> {
        None
    }
}
