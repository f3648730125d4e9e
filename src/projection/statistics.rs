//! What the log says of every customer: an array of 32-byte statistics, indexed by ordinal.
//!
//! How batches are folded into it is `fold`'s part, how it is ranked `rank`'s. It knows customers
//! by their ordinals alone; ids and names stay in the log and are read back by whoever shows them.
//!
//! - An order counts once, with the amount and customer of its latest event.
//! - Every event that names a customer, a stale or neutral one too, widens the customer's frame.
//! - Confined to a window, visits in it count, and orders whose latest event lies in it; frames
//!   and fields remain those of the whole log.

use std::collections::BTreeMap;
use std::ops::Range;

use super::columns::Columns;
use super::figures::Figures;
use super::ltv::{Measure, Value};
use super::rank::CHUNK_CUSTOMERS;
use super::updates::{Entry, FieldUpdate, Updates};
use super::weeks::{Frame, TimeFrame, WeekStart};
use crate::error::Fault;
use crate::event::Field;

const UNKNOWN: Fault = Fault::Corrupt("statistics lack a customer");

/// The most customers for whom room is asked for before they are met: 768 MiB that nobody has
/// touched yet.
const ROOM_MAX: u64 = 24 << 20;

/// One customer's statistics. Two of them fill a cache line, and none lies across two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub struct CustomerStatistics {
    /// Sum of the amounts of the customer's orders, in hundredths of the log's currency.
    pub revenue_cents: i64,
    /// Event time of the first event that names the customer, µs since 1970.
    pub first_us: i64,
    /// Event time of the last one.
    pub last_us: i64,
    /// How many visits.
    pub visits: u32,
    /// How many orders.
    pub orders: u32,
}

impl CustomerStatistics {
    /// The time between the customer's first and last event.
    pub fn frame(&self) -> Frame {
        Frame { first_us: self.first_us, last_us: self.last_us }
    }
}

/// The statistics of all customers of a log up to its applied end.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// By ordinal.
    pub(super) customers: Vec<CustomerStatistics>,
    /// The applied end: sequence of the first event that is not in the statistics.
    pub(super) end: u64,
    /// Events folded; those of a log whose first sequence is 0 are as many as `end`.
    pub(super) events: u64,
    /// From the first to the last event time of any event; none without events.
    pub(super) frame: Option<Frame>,
    /// Sum of the absolute amounts of all ORDER events, in cents; below 2^62.
    pub(super) cents_abs: u64,
    /// The updates that give customers' fields their values.
    pub(super) updates: Updates,
    /// How far each source has been appended: source and position.
    pub(super) marks: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The instants to which counting is confined.
    pub(super) window_us: Option<Range<i64>>,
    /// How many orders a new customer has: none, but in a part.
    pub(super) orders_zero: u32,
    /// Memory for the batch at hand.
    pub(super) scratch: Columns,
}

impl Statistics {
    /// Those of an empty log, counting everything to come.
    pub fn new() -> Statistics {
        Statistics::default()
    }

    /// Those of an empty log, counting what the time frame asks for. Only
    /// [`TimeFrame::Window`] differs from [`Statistics::new`]; statistics that are confined to a
    /// window are of no use for other frames, nor for a checkpoint.
    pub fn over(frame: TimeFrame) -> Statistics {
        Statistics { window_us: frame.window_us(), ..Statistics::default() }
    }

    /// Asks for room for so many customers, most of which may never come: what is not written to
    /// costs nothing, while an array that grows is copied. Without the room it grows all the same, so
    /// a number that a damaged file tells asks for no more than a large log would.
    pub(crate) fn reserve(&mut self, customers: u64) {
        let more = customers.min(ROOM_MAX).saturating_sub(self.customers.len() as u64);
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        self.customers.try_reserve_exact(more).unwrap_or(());
    }

    /// The applied end: the sequence of the next event to fold.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How many events were folded.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The customers, by ordinal: the n-th is the n-th CUSTOMER NEW of the log.
    pub fn customers(&self) -> &[CustomerStatistics] {
        &self.customers
    }

    /// From the first to the last event time of all events; none on an empty log.
    pub fn frame(&self) -> Option<Frame> {
        self.frame
    }

    /// Sum of the absolute amounts of all ORDER events, in cents.
    pub fn cents_abs(&self) -> u64 {
        self.cents_abs
    }

    /// How far a source had been appended, as its producer's mark says.
    pub fn mark(&self, source: &[u8]) -> Option<&[u8]> {
        self.marks.get(source).map(Vec::as_slice)
    }

    /// The greatest revenue of each chunk of customers.
    pub(super) fn greatest_revenues(&self) -> impl Iterator<Item = i64> {
        self.customers.chunks(CHUNK_CUSTOMERS as usize).map(greatest_revenue)
    }

    /// The updates of all customers, by ordinal and field.
    pub(super) fn sorted_updates(&self) -> Vec<Entry> {
        self.updates.sorted()
    }

    /// The frame in which all customers' weeks are counted, with its weeks; none on an empty log.
    pub(crate) fn span(&self, over: TimeFrame, start: WeekStart) -> Option<(Frame, u32)> {
        over.span(self.frame, start)
    }
}

impl Figures for Statistics {
    fn end(&self) -> u64 {
        self.end
    }

    fn frame(&self) -> Option<Frame> {
        self.frame
    }

    fn window_us(&self) -> Option<Range<i64>> {
        self.window_us.clone()
    }

    fn customer_count(&self) -> u32 {
        u32::try_from(self.customers.len()).expect("customers are numbered by u32")
    }

    fn customer(&self, ordinal: u32) -> Result<CustomerStatistics, Fault> {
        self.customers.get(ordinal as usize).copied().ok_or(UNKNOWN)
    }

    fn values(&self, ordinals: Range<u32>, weeks: u32, out: &mut Vec<Value>) -> Result<(), Fault> {
        let range = ordinals.start as usize..ordinals.end as usize;
        out.extend(self.customers.get(range).ok_or(UNKNOWN)?.iter().map(|customer| {
            let revenue_cents = customer.revenue_cents;
            Measure { revenue_cents, visits: 0, orders: 0, weeks }.value()
        }));
        Ok(())
    }

    fn revenue_at_most(&self, chunk: u32) -> Result<i64, Fault> {
        let start = (chunk as usize).saturating_mul(CHUNK_CUSTOMERS as usize);
        let customers = self.customers.get(start..).ok_or(UNKNOWN)?;
        let end = customers.len().min(CHUNK_CUSTOMERS as usize);
        Ok(greatest_revenue(customers.get(..end).ok_or(UNKNOWN)?))
    }

    fn field_update(&self, ordinal: u32, field: Field) -> Result<Option<FieldUpdate>, Fault> {
        Ok(self.updates.get(ordinal, field))
    }
}

/// That of some customers.
fn greatest_revenue(customers: &[CustomerStatistics]) -> i64 {
    customers.iter().map(|one| one.revenue_cents).max().unwrap_or(i64::MIN)
}

impl PartialEq for Statistics {
    /// Whether they say the same; the memory that folding works in does not count.
    fn eq(&self, other: &Statistics) -> bool {
        let numbers = |of: &Statistics| (of.end, of.events, of.frame, of.cents_abs);
        numbers(self) == numbers(other)
            && self.window_us == other.window_us
            && self.customers == other.customers
            && self.updates == other.updates
            && self.marks == other.marks
    }
}

impl Eq for Statistics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_asked_for_within_bounds() {
        let mut statistics = Statistics::new();
        for customers in [0, 1_000, 1 << 36, u64::MAX] {
            statistics.reserve(customers);
            let room = statistics.customers.capacity() as u64;
            assert!(room >= customers.min(1_000) && room <= ROOM_MAX, "{room} for {customers}");
        }
    }
}
