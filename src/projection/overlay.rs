//! A checkpoint, and what the batches behind it change: of all customers, only those that they
//! name are taken out of the file.
//!
//! Those customers stand together, in places of their own, as the statistics of a small log would:
//! the fold is given the places instead of the ordinals, and is the same. So the last hundred
//! events cost what they name, however many customers the log has.

use std::collections::BTreeMap;
use std::ops::Range;

use super::columns::Columns;
use super::figures::Figures;
use super::fold::NO_CUSTOMER;
use super::ltv::{Measure, Value};
use super::rank::chunk_of;
use super::saved::Saved;
use super::statistics::{CustomerStatistics, Statistics};
use super::updates::FieldUpdate;
use super::weeks::Frame;
use super::{Projection, TimeFrame};
use crate::codec::{Batch, NOT_IN_THIS_LOG};
use crate::error::Fault;
use crate::event::Field;
use crate::planted::planted;

/// Statistics of a checkpoint, continued.
#[derive(Debug)]
pub(crate) struct Overlay<'a> {
    saved: &'a Saved<'a>,
    /// Where in `named` each customer stands, by ordinal.
    places: BTreeMap<u32, u32>,
    /// The customers that the batches name, and what holds of the whole log.
    named: Statistics,
    /// How many customers there are.
    customers: u32,
}

impl<'a> Overlay<'a> {
    /// Nothing beyond the checkpoint yet.
    pub(crate) fn new(saved: &'a Saved<'a>) -> Overlay<'a> {
        let header = saved.header();
        let named = Statistics {
            end: header.end,
            events: header.events,
            frame: header.frame,
            cents_abs: header.cents_abs,
            ..Statistics::over(TimeFrame::Dataset)
        };
        Overlay { saved, places: BTreeMap::new(), named, customers: header.customers }
    }

    /// Puts places where the columns have ordinals. Customers that are known get their statistics
    /// out of the checkpoint; those that the batch makes known will stand behind all others.
    fn rename(
        (saved, known): (&Saved<'_>, u32),
        places: &mut BTreeMap<u32, u32>,
        customers: &mut Vec<CustomerStatistics>,
        columns: &mut Columns,
    ) -> Result<(), Fault> {
        let Columns { customers: ordinals, superseded_customers: superseded, .. } = columns;
        let named = ordinals.iter_mut().chain(superseded);
        let mut new = Vec::new();
        for ordinal in named.filter(|ordinal| **ordinal != NOT_IN_THIS_LOG) {
            if *ordinal >= known {
                new.push(ordinal);
            } else if let Some(place) = places.get(ordinal) {
                *ordinal = *place;
            } else {
                let place = u32::try_from(customers.len()).map_err(|_too_many| NO_CUSTOMER)?;
                customers.push(saved.customer(*ordinal)?);
                places.insert(*ordinal, place);
                *ordinal = place;
            }
        }
        let first = u32::try_from(customers.len()).map_err(|_too_many| NO_CUSTOMER)?;
        for ordinal in new {
            let place = (*ordinal - known).checked_add(first).ok_or(NO_CUSTOMER)?;
            *ordinal = Some(place).filter(|place| *place != NOT_IN_THIS_LOG).ok_or(NO_CUSTOMER)?;
        }
        Ok(())
    }

    /// A customer that the batches name.
    fn named(&self, ordinal: u32) -> Option<&CustomerStatistics> {
        self.named.customers.get(*self.places.get(&ordinal)? as usize)
    }
}

impl Projection for Overlay<'_> {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let Overlay { saved, places, named, customers } = self;
        let mut before = 0;
        named.apply_renamed(batch, *customers, |known, columns| {
            Overlay::rename((saved, *customers), places, known, columns)?;
            before = known.len();
            Ok(())
        })?;
        for place in before..named.customers.len() {
            places.insert(*customers, u32::try_from(place).map_err(|_too_many| NO_CUSTOMER)?);
            *customers = customers.checked_add(1).ok_or(NO_CUSTOMER)?;
        }
        Ok(())
    }
}

impl Figures for Overlay<'_> {
    fn end(&self) -> u64 {
        self.named.end
    }

    fn frame(&self) -> Option<Frame> {
        self.named.frame
    }

    fn window_us(&self) -> Option<Range<i64>> {
        None
    }

    fn customer_count(&self) -> u32 {
        self.customers
    }

    fn customer(&self, ordinal: u32) -> Result<CustomerStatistics, Fault> {
        self.named(ordinal).map_or_else(|| self.saved.customer(ordinal), |found| Ok(*found))
    }

    fn values(&self, ordinals: Range<u32>, weeks: u32, out: &mut Vec<Value>) -> Result<(), Fault> {
        if ordinals.end > self.customers {
            return Err(NO_CUSTOMER);
        }
        let value = |revenue_cents| Measure { revenue_cents, visits: 0, orders: 0, weeks }.value();
        let (start, count) = (out.len(), self.saved.customer_count());
        self.saved.values(ordinals.start.min(count)..ordinals.end.min(count), weeks, out)?;
        // Customers that came after the checkpoint are all named.
        out.resize(start + ordinals.len(), value(0));
        for (ordinal, place) in self.places.range(ordinals.clone()) {
            let customer = self.named.customers.get(*place as usize).ok_or(NO_CUSTOMER)?;
            let slot = out.get_mut(start + (*ordinal - ordinals.start) as usize);
            *slot.ok_or(NO_CUSTOMER)? = value(customer.revenue_cents);
        }
        Ok(())
    }

    fn revenue_at_most(&self, chunk: u32) -> Result<i64, Fault> {
        let ordinals = chunk_of(chunk, self.customers);
        let saved = if ordinals.start < self.saved.customer_count() {
            self.saved.revenue_at_most(chunk)?
        } else {
            i64::MIN
        };
        // Whoever was the greatest may have less by now: what is told may be too much.
        let named = self.places.range(ordinals).filter_map(|(ordinal, _)| self.named(*ordinal));
        Ok(named.map(|customer| customer.revenue_cents).fold(saved, i64::max))
    }

    fn field_update(&self, ordinal: u32, field: Field) -> Result<Option<FieldUpdate>, Fault> {
        let saved = self.saved.field_update(ordinal, field)?;
        let later =
            self.places.get(&ordinal).and_then(|place| self.named.updates.get(*place, field));
        if planted("update before a checkpoint believed") {
            return Ok(saved.or(later));
        }
        // By event time: the one in the checkpoint may be the later one.
        Ok(saved.max(later))
    }
}
