//! The statistics of some of a log's batches, to be merged with those of all the others.
//!
//! Folding sums up, takes the least and the greatest, and keeps the latest: so batches can be
//! folded apart, in any division, and what comes out is what folding them one after the other
//! gives. Two things are different in a part. It meets customers that other parts have seen
//! appear: their statistics begin with nothing. And it takes away orders that other parts have
//! counted: so orders are counted from [`ORDERS_ZERO`].
//!
//! What only the order of all batches shows, that each one follows the one before it, is for
//! whoever hands them out. A part takes them in runs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::Projection;
use super::fold::{CENTS_ABS_END, TOO_MANY};
use super::statistics::{CustomerStatistics, Statistics};
use crate::codec::Batch;
use crate::error::Fault;
use crate::planted::planted;

/// Where a part begins to count orders, so that it may take away more than it counts.
const ORDERS_ZERO: u32 = 1 << 31;

/// A customer of whom a part knows nothing yet.
const UNMET: CustomerStatistics = CustomerStatistics {
    revenue_cents: 0,
    first_us: i64::MAX,
    last_us: i64::MIN,
    visits: 0,
    orders: ORDERS_ZERO,
};

/// Customers that are merged at a time: few enough for all parts' to stay in the cache.
const MERGED_CUSTOMERS: usize = 2048;

const GAP: Fault = Fault::Corrupt("the parts of a fold do not make up a whole");

/// Statistics of some batches.
#[derive(Debug)]
pub(crate) struct Part {
    statistics: Statistics,
    /// The number of the run at hand.
    run: u64,
    /// For each source the last run that has a mark of it, and the position there.
    marks: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
}

impl Part {
    /// Begins a run of batches that follow each other: its number, which rises, the sequence of
    /// its first event, and how many customers there are before it.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the run lies before what was folded.
    pub(crate) fn begin(&mut self, run: u64, first_seq: u64, customers: u32) -> Result<(), Fault> {
        let statistics = &mut self.statistics;
        let customers = usize::try_from(customers).map_err(|_too_wide| GAP)?;
        if run < self.run || first_seq < statistics.end || customers < statistics.customers.len() {
            return Err(GAP);
        }
        statistics.customers.resize(customers, UNMET);
        statistics.end = first_seq;
        self.run = run;
        Ok(())
    }

    /// How many customers there are after the last batch.
    pub(crate) fn customers(&self) -> usize {
        self.statistics.customers.len()
    }
}

impl Projection for Part {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        self.statistics.apply(batch)?;
        let marks = std::mem::take(&mut self.statistics.marks).into_iter();
        self.marks.extend(marks.map(|(source, position)| (source, (self.run, position))));
        Ok(())
    }
}

impl Statistics {
    /// A part of what follows, for the same frame of time, with room for as many customers.
    pub(crate) fn part(&self) -> Part {
        let mut statistics = Statistics {
            window_us: self.window_us.clone(),
            orders_zero: ORDERS_ZERO,
            ..Statistics::default()
        };
        statistics.reserve(self.customers.capacity() as u64);
        Part { statistics, run: 0, marks: BTreeMap::new() }
    }

    /// Takes in parts that have, together, every batch from the applied end on, each once.
    /// Customers are added up in `pieces` that `add_all` has to add up, perhaps at once.
    ///
    /// # Errors
    ///
    /// A [`Fault`] where folding one batch after the other would find one, with two exceptions: an
    /// order that is taken away before it is counted goes unnoticed, and so many of them that the
    /// counts overflow in between are a fault though they would add up.
    pub(crate) fn merge(
        &mut self,
        mut parts: Vec<Part>,
        pieces: NonZeroUsize,
        add_all: &mut AddAll<'_>,
    ) -> Result<(), Fault> {
        let from = self.end;
        let mut events = 0_u64;
        let mut marks = BTreeMap::new();
        for part in &mut parts {
            let statistics = &mut part.statistics;
            events += statistics.events;
            self.end = self.end.max(statistics.end);
            self.frame = match (self.frame, statistics.frame) {
                (Some(mut whole), Some(part)) => {
                    whole.widen(part.first_us);
                    whole.widen(part.last_us);
                    Some(whole)
                }
                (whole, part) => whole.or(part),
            };
            self.cents_abs = self.cents_abs.saturating_add(statistics.cents_abs);
            self.updates.take_in(&statistics.updates);
            for (source, mark) in std::mem::take(&mut part.marks) {
                let latest = marks.entry(source).or_insert_with(|| mark.clone());
                if mark > *latest && !planted("any part's mark kept") {
                    *latest = mark;
                }
            }
        }
        if self.end.checked_sub(from) != Some(events) || self.cents_abs >= CENTS_ABS_END {
            return Err(GAP);
        }
        self.events = self.events.checked_add(events).ok_or(TOO_MANY)?;
        self.marks.extend(marks.into_iter().map(|(source, (_, position))| (source, position)));
        self.merge_customers(parts, pieces, add_all)
    }

    /// The longest of all arrays takes in the others, so that no further one is made.
    fn merge_customers(
        &mut self,
        parts: Vec<Part>,
        pieces: NonZeroUsize,
        add_all: &mut AddAll<'_>,
    ) -> Result<(), Fault> {
        let mut all = vec![(std::mem::take(&mut self.customers), 0)];
        all.extend(parts.into_iter().map(|part| (part.statistics.customers, ORDERS_ZERO)));
        all.sort_by_key(|(customers, _)| customers.len());
        let Some((mut whole, zero)) = all.pop() else { return Ok(()) };
        let length = whole.len().div_ceil(pieces.get()).next_multiple_of(MERGED_CUSTOMERS);
        let piece = |(n, whole)| Piece {
            whole,
            zero,
            others: (all.iter())
                .map(|(other, zero)| (other.chunks(length).nth(n).unwrap_or_default(), *zero))
                .collect(),
        };
        add_all(whole.chunks_mut(length.max(1)).enumerate().map(piece).collect())?;
        self.customers = whole;
        Ok(())
    }
}

/// Adds up all pieces.
pub(crate) type AddAll<'a> = dyn FnMut(Vec<Piece<'_>>) -> Result<(), Fault> + 'a;

/// Some customers' statistics of all parts.
pub(crate) struct Piece<'a> {
    /// Takes in the others; its orders are counted from `zero`.
    whole: &'a mut [CustomerStatistics],
    zero: u32,
    /// Each with what its orders are counted from.
    others: Vec<(&'a [CustomerStatistics], u32)>,
}

impl Piece<'_> {
    /// Adds them up, a few at a time.
    pub(crate) fn add(self) -> Result<(), Fault> {
        for (n, chunk) in self.whole.chunks_mut(MERGED_CUSTOMERS).enumerate() {
            for (customers, zero) in &self.others {
                let others = customers.chunks(MERGED_CUSTOMERS).nth(n).unwrap_or_default();
                for (customer, other) in chunk.iter_mut().zip(others) {
                    customer.take_in(other, *zero)?;
                }
            }
            for customer in chunk {
                customer.orders = customer.orders.checked_sub(self.zero).ok_or(GAP)?;
            }
        }
        Ok(())
    }
}

impl CustomerStatistics {
    /// Adds what another part, which counts orders from `zero`, has of the customer.
    fn take_in(&mut self, other: &CustomerStatistics, zero: u32) -> Result<(), Fault> {
        let revenue = self.revenue_cents.checked_add(other.revenue_cents);
        let visits = self.visits.checked_add(other.visits);
        let orders = i64::from(self.orders) + i64::from(other.orders) - i64::from(zero);
        let (Some(revenue_cents), Some(visits), Ok(orders)) =
            (revenue, visits, u32::try_from(orders))
        else {
            return Err(TOO_MANY);
        };
        *self = CustomerStatistics {
            revenue_cents,
            visits,
            orders,
            first_us: self.first_us.min(other.first_us),
            last_us: self.last_us.max(other.last_us),
        };
        Ok(())
    }
}
