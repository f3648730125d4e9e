//! What answers ask of statistics, wherever those are: in memory, or in a checkpoint's file.

use std::ops::Range;

use super::ltv::{Measure, Value};
use super::rank::{Values, chunk_of};
use super::statistics::CustomerStatistics;
use super::updates::FieldUpdate;
use super::weeks::{Frame, TimeFrame, WeekStart};
use crate::error::Fault;
use crate::event::Field;

/// Statistics that can be asked. A [`Fault`] where they are found to be damaged.
pub(crate) trait Figures {
    /// The applied end.
    fn end(&self) -> u64;

    /// From the first to the last event time of all events; none on an empty log.
    fn frame(&self) -> Option<Frame>;

    /// The instants to which counting is confined, half-open, if it is.
    fn window_us(&self) -> Option<Range<i64>>;

    /// How many customers there are.
    fn customer_count(&self) -> u32;

    /// One customer's.
    fn customer(&self, ordinal: u32) -> Result<CustomerStatistics, Fault>;

    /// Appends the values of some customers, each with a frame of so many weeks.
    fn values(&self, ordinals: Range<u32>, weeks: u32, out: &mut Vec<Value>) -> Result<(), Fault>;

    /// An amount that no revenue of a chunk of customers exceeds, in cents; see
    /// [`Values::at_most`].
    fn revenue_at_most(&self, chunk: u32) -> Result<i64, Fault>;

    /// The CUSTOMER UPDATE that gives a customer's field its value, if one could: it does unless
    /// the customer's CUSTOMER NEW event has the field too and a later event time.
    fn field_update(&self, ordinal: u32, field: Field) -> Result<Option<FieldUpdate>, Fault>;
}

/// Every customer's counts with the weeks they are spread over.
#[derive(Clone, Copy)]
pub(crate) struct Measures<'a> {
    figures: &'a dyn Figures,
    weeks: Weeks,
}

#[derive(Clone, Copy, Debug)]
enum Weeks {
    /// Of one frame for all customers.
    Same(u32),
    /// Of each customer's own frame.
    Own(WeekStart),
}

impl<'a> Measures<'a> {
    /// What a ranking over a time frame sees of each customer. The frame is the one that the
    /// statistics were folded for.
    pub(crate) fn new(figures: &'a dyn Figures, over: TimeFrame, start: WeekStart) -> Measures<'a> {
        assert_eq!(figures.window_us(), over.window_us(), "these statistics count another window");
        let weeks = match over {
            TimeFrame::Customer => Weeks::Own(start),
            TimeFrame::Dataset | TimeFrame::Window { .. } => {
                Weeks::Same(over.span(figures.frame(), start).map_or(1, |(_, weeks)| weeks))
            }
        };
        Measures { figures, weeks }
    }

    /// One customer's.
    pub(crate) fn of(&self, ordinal: u32) -> Result<Measure, Fault> {
        Ok(self.measure(&self.figures.customer(ordinal)?))
    }

    /// That of a customer with these statistics.
    pub(crate) fn measure(&self, customer: &CustomerStatistics) -> Measure {
        let weeks = match self.weeks {
            Weeks::Same(weeks) => weeks,
            Weeks::Own(start) => customer.frame().weeks(start),
        };
        let CustomerStatistics { revenue_cents, visits, orders, .. } = *customer;
        Measure { revenue_cents, visits, orders, weeks }
    }
}

impl Values for Measures<'_> {
    fn customers(&self) -> u32 {
        self.figures.customer_count()
    }

    fn at_most(&self, chunk: u32) -> Result<Value, Fault> {
        if let Weeks::Same(weeks) = self.weeks {
            let revenue_cents = self.figures.revenue_at_most(chunk)?;
            return Ok(Measure { revenue_cents, visits: 0, orders: 0, weeks }.value());
        }
        let mut values = Vec::new();
        self.read(chunk_of(chunk, self.customers()), &mut values)?;
        values.into_iter().max().ok_or(Fault::Corrupt("statistics lack a customer"))
    }

    fn read(&self, ordinals: Range<u32>, out: &mut Vec<Value>) -> Result<(), Fault> {
        if let Weeks::Same(weeks) = self.weeks {
            return self.figures.values(ordinals, weeks, out);
        }
        for ordinal in ordinals {
            out.push(self.of(ordinal)?.value());
        }
        Ok(())
    }
}
