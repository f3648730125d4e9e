//! The columns of a batch that the server folds, in memory that is used for the next one again.

use crate::{Batch, Fault, RowKind};

/// One batch's columns. Amounts have rows for orders alone (kinds 5 to 7), what was superseded for
/// order updates that took effect (kind 6), both in the order of the batch.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) kinds: Vec<u8>,
    pub(super) customers: Vec<u32>,
    times_us: Vec<i64>,
    cents: Vec<i64>,
    superseded_customers: Vec<u32>,
    superseded_cents: Vec<i64>,
    superseded_times_us: Vec<i64>,
}

/// What a row adds to, or takes away from, what a customer did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Visit,
    /// An order that counts from now on, with its amount.
    Order(i64),
    /// One that counts no longer.
    OrderGone(i64),
}

impl Columns {
    pub(super) fn read(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let counts = batch.kinds(&mut self.kinds)?;
        batch.customers(&mut self.customers)?;
        batch.times(&mut self.times_us)?;
        batch.cents(&counts, &mut self.cents)?;
        batch.superseded_customers(&counts, &mut self.superseded_customers)?;
        batch.superseded_cents(&counts, &mut self.superseded_cents)?;
        batch.superseded_times(&counts, &mut self.superseded_times_us)
    }

    /// Gives every step: the row, the customer, when it happened, and what. An update is two: the
    /// order's state before it goes, and the one after it comes.
    pub(super) fn steps(&self, each: &mut dyn FnMut(usize, u32, i64, Step)) {
        const VISIT: u8 = RowKind::Visit as u8;
        const ORDER_NEW: u8 = RowKind::OrderNew as u8;
        const ORDER_UPDATE: u8 = RowKind::OrderUpdate as u8;
        const ORDER_STALE: u8 = RowKind::OrderStale as u8;
        let mut cents = self.cents.iter().copied();
        let mut superseded = self
            .superseded_customers
            .iter()
            .zip(&self.superseded_cents)
            .zip(&self.superseded_times_us);
        let rows = self.kinds.iter().zip(&self.customers).zip(&self.times_us).enumerate();
        for (row, ((kind, customer), at_us)) in rows {
            match *kind {
                VISIT => each(row, *customer, *at_us, Step::Visit),
                ORDER_STALE => drop(cents.next()),
                ORDER_NEW => {
                    let cents = cents.next().unwrap_or_default();
                    each(row, *customer, *at_us, Step::Order(cents));
                }
                ORDER_UPDATE => {
                    if let Some(((customer, cents), at_us)) = superseded.next() {
                        each(row, *customer, *at_us, Step::OrderGone(*cents));
                    }
                    let cents = cents.next().unwrap_or_default();
                    each(row, *customer, *at_us, Step::Order(cents));
                }
                _ => {}
            }
        }
    }
}
