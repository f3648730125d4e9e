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
use super::ltv::Measure;
use super::updates::{Entry, FieldUpdate, Updates};
use super::weeks::{Frame, TimeFrame, WeekStart};
use crate::event::Field;

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

    /// The CUSTOMER UPDATE that gives a customer's field its value, if one could: it does unless
    /// the customer's CUSTOMER NEW event has the field too and a later event time.
    pub(crate) fn field_update(&self, ordinal: u32, field: Field) -> Option<FieldUpdate> {
        self.updates.get(ordinal, field)
    }

    /// The updates of all customers, by ordinal and field.
    pub(super) fn sorted_updates(&self) -> Vec<Entry> {
        self.updates.sorted()
    }

    /// The frame in which all customers' weeks are counted, with its weeks. With
    /// [`TimeFrame::Customer`] it is the dataset's, of which each customer's is a part. None on an
    /// empty log.
    pub(crate) fn span(&self, over: TimeFrame, start: WeekStart) -> Option<(Frame, u32)> {
        let frame = match over {
            TimeFrame::Dataset | TimeFrame::Customer => self.frame?,
            TimeFrame::Window { from_us, until_us } => {
                self.frame?;
                Frame { first_us: from_us, last_us: until_us.saturating_sub(1) }
            }
        };
        Some((frame, frame.weeks(start)))
    }

    /// What a ranking over a time frame sees of each customer. The frame is the one that the
    /// statistics were folded for.
    pub(crate) fn measures(&self, over: TimeFrame, start: WeekStart) -> Measures<'_> {
        assert_eq!(self.window_us, over.window_us(), "these statistics count another window");
        let weeks = match over {
            TimeFrame::Customer => Weeks::Own(start),
            TimeFrame::Dataset | TimeFrame::Window { .. } => {
                Weeks::Same(self.span(over, start).map_or(1, |(_, weeks)| weeks))
            }
        };
        Measures { customers: &self.customers, weeks }
    }
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

/// Every customer's counts with the weeks they are spread over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measures<'a> {
    customers: &'a [CustomerStatistics],
    weeks: Weeks,
}

#[derive(Clone, Copy, Debug)]
enum Weeks {
    /// Of one frame for all customers.
    Same(u32),
    /// Of each customer's own frame.
    Own(WeekStart),
}

impl Measures<'_> {
    /// How many customers there are.
    pub(crate) fn customers(&self) -> u32 {
        u32::try_from(self.customers.len()).expect("customers are numbered by u32")
    }

    /// One customer's.
    pub(crate) fn of(&self, ordinal: u32) -> Option<Measure> {
        let customer = self.customers.get(usize::try_from(ordinal).ok()?)?;
        let weeks = match self.weeks {
            Weeks::Same(weeks) => weeks,
            Weeks::Own(start) => customer.frame().weeks(start),
        };
        let CustomerStatistics { revenue_cents, visits, orders, .. } = *customer;
        Some(Measure { revenue_cents, visits, orders, weeks })
    }
}
