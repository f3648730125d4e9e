//! How a batch is folded into the statistics: the hot loop of a replay.
//!
//! Admission resolved every reference when it wrote the batch, so folding looks nothing up: a row
//! names its customer by ordinal, and an effective order update says what it replaces. What
//! remains is memory that misses the cache, which is why the statistics of a whole chunk of rows
//! are touched before the first of them is changed: the misses then overlap.

use std::hint::black_box;
use std::ops::Range;

use super::Projection;
use super::columns::Columns;
use super::statistics::{CustomerStatistics, Statistics};
use super::updates::{CUSTOMER_FIELDS, FieldUpdate};
use super::weeks::Frame;
use crate::codec::{Batch, NOT_IN_THIS_LOG, RowKind};
use crate::error::Fault;

/// Rows whose statistics are touched at once. 64 was best of 16 to 128, if only just.
const CHUNK_ROWS: usize = 64;

/// The sum of absolute cents stays below this, so that no sum of amounts can overflow.
pub(super) const CENTS_ABS_END: u64 = 1 << 62;

const CUSTOMER_NEW: u8 = RowKind::CustomerNew as u8;
const CUSTOMER_UPDATE: u8 = RowKind::CustomerUpdate as u8;
const VISIT: u8 = RowKind::Visit as u8;
const IMAGE: u8 = RowKind::Image as u8;
const ORDER_NEW: u8 = RowKind::OrderNew as u8;
const ORDER_UPDATE: u8 = RowKind::OrderUpdate as u8;
const ORDER_STALE: u8 = RowKind::OrderStale as u8;

pub(super) const TOO_MANY: Fault = Fault::Corrupt("a customer's counts or revenue overflow");
pub(super) const NO_CUSTOMER: Fault =
    Fault::Corrupt("a row names a customer that does not exist yet");
const NO_ORDER: Fault = Fault::Corrupt("an update takes away an order that was never counted");
const ROWS_DIFFER: Fault = Fault::Corrupt("columns of a batch have different numbers of rows");

impl Projection for Statistics {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let customers = u32::try_from(self.customers.len()).map_err(|_too_many| TOO_MANY)?;
        self.apply_renamed(batch, customers, |_, _| Ok(()))
    }

    fn applied_end(&self) -> Option<u64> {
        Some(self.end)
    }
}

impl Statistics {
    /// Applies a batch that is to have so many customers before it, once `rename` has put the
    /// customers' places where the columns have ordinals; it may make room for some of them.
    pub(super) fn apply_renamed(
        &mut self,
        batch: &Batch<'_>,
        customers: u32,
        rename: impl FnOnce(&mut Vec<CustomerStatistics>, &mut Columns) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if batch.first_seq() != self.end {
            return Err(Fault::Corrupt("a batch does not follow the one before it"));
        }
        if batch.customers_before() != customers {
            return Err(Fault::Corrupt("a batch counts other customers than there are before it"));
        }
        // Taken out so that the columns can be read while the statistics change.
        let mut columns = std::mem::take(&mut self.scratch);
        let folded = columns
            .read(batch)
            .and_then(|()| rename(&mut self.customers, &mut columns))
            .and_then(|()| self.fold(&columns));
        self.scratch = columns;
        folded?;
        self.marks.extend(batch.marks()?);
        Ok(())
    }

    /// Folds the rows of one batch, which begins at the applied end.
    pub(super) fn fold(&mut self, columns: &Columns) -> Result<(), Fault> {
        let rows = columns.kinds.len();
        if columns.customers.len() != rows || columns.times_us.len() != rows {
            return Err(ROWS_DIFFER);
        }
        self.add_amounts(&columns.cents)?;
        self.widen(&columns.times_us);
        match self.window_us.clone() {
            None => self.fold_rows(columns, |_| true)?,
            Some(Range { start, end }) => {
                self.fold_rows(columns, move |at_us| start <= at_us && at_us < end)?;
            }
        }
        let rows = u64::try_from(rows).map_err(|_too_wide| ROWS_DIFFER)?;
        self.end = self.end.checked_add(rows).ok_or(TOO_MANY)?;
        self.events = self.events.checked_add(rows).ok_or(TOO_MANY)?;
        Ok(())
    }

    fn add_amounts(&mut self, cents: &[i64]) -> Result<(), Fault> {
        let mut sum = self.cents_abs;
        for cents in cents {
            // A sum that saturates is far above the bound, and is refused below.
            sum = sum.saturating_add(cents.unsigned_abs());
        }
        if sum >= CENTS_ABS_END {
            return Err(Fault::Corrupt("the orders' amounts sum up to 2^62 cents or more"));
        }
        self.cents_abs = sum;
        Ok(())
    }

    fn widen(&mut self, times_us: &[i64]) {
        let Some(at_us) = times_us.first() else { return };
        let frame = self.frame.get_or_insert(Frame { first_us: *at_us, last_us: *at_us });
        times_us.iter().for_each(|at_us| frame.widen(*at_us));
    }

    /// The loop over the rows. `counts` tells whether an event of that time counts.
    fn fold_rows(
        &mut self,
        columns: &Columns,
        counts: impl Fn(i64) -> bool + Copy,
    ) -> Result<(), Fault> {
        let chunks = columns.kinds.chunks(CHUNK_ROWS);
        let chunks = chunks.zip(columns.customers.chunks(CHUNK_ROWS));
        let chunks = chunks.zip(columns.times_us.chunks(CHUNK_ROWS));
        let mut rest = Rest { columns, row: 0, order: 0, superseded: 0 };
        // The loop's own copies: what is lent to another function would live in memory.
        let (mut row, mut order) = (0, 0);
        for ((kinds, ordinals), times_us) in chunks {
            touch(&self.customers, ordinals);
            for ((kind, ordinal), at_us) in kinds.iter().zip(ordinals).zip(times_us) {
                let customer = self.customers.get_mut(*ordinal as usize);
                match (*kind, customer) {
                    (VISIT | IMAGE | ORDER_NEW, Some(customer)) => {
                        // No branch on the kind: it is random, and would be mispredicted.
                        let is_order = *kind == ORDER_NEW;
                        let counted = counts(*at_us);
                        let cents = columns.cents.get(order).copied().unwrap_or_default();
                        let cents = if is_order & counted { cents } else { 0 };
                        let visits = u32::from((*kind == VISIT) & counted);
                        customer.widen(*at_us);
                        customer.add(visits, u32::from(is_order & counted), cents)?;
                        order += usize::from(is_order);
                    }
                    (kind, _) => {
                        (rest.row, rest.order) = (row, order);
                        self.fold_rare(kind, *ordinal, *at_us, &mut rest, counts)?;
                        order = rest.order;
                    }
                }
                row += 1;
            }
        }
        if order != columns.cents.len() || rest.superseded != columns.superseded_cents.len() {
            return Err(ROWS_DIFFER);
        }
        Ok(())
    }

    /// A row that is no visit, image or new order of a known customer.
    fn fold_rare(
        &mut self,
        kind: u8,
        ordinal: u32,
        at_us: i64,
        rest: &mut Rest<'_>,
        counts: impl Fn(i64) -> bool,
    ) -> Result<(), Fault> {
        match kind {
            CUSTOMER_NEW => return self.add_customer(ordinal, at_us),
            CUSTOMER_UPDATE if ordinal != NOT_IN_THIS_LOG => {
                let seq = self.end + u64::try_from(rest.row).map_err(|_too_wide| ROWS_DIFFER)?;
                let fields = *rest.columns.fields.get(rest.row).ok_or(ROWS_DIFFER)?;
                for field in CUSTOMER_FIELDS {
                    if fields & 1 << field as u8 != 0 {
                        self.updates.offer(ordinal, field, FieldUpdate { at_us, seq });
                    }
                }
            }
            CUSTOMER_UPDATE | VISIT | IMAGE => {}
            // Its customer is elsewhere, or there is none, which is found out below.
            ORDER_NEW | ORDER_STALE => {
                rest.next_cents()?;
            }
            ORDER_UPDATE => {
                let (replaced, cents, replaced_at_us) = rest.next_superseded()?;
                if counts(replaced_at_us) && replaced != NOT_IN_THIS_LOG {
                    self.customer_mut(replaced)?.take_away_order(cents)?;
                }
                let cents = rest.next_cents()?;
                if counts(at_us) && ordinal != NOT_IN_THIS_LOG {
                    self.customer_mut(ordinal)?.add(0, 1, cents)?;
                }
            }
            8..64 => return Err(Fault::Unknown("a kind of event that this version cannot fold")),
            64..128 => {}
            0 | 128.. => return Err(Fault::Corrupt("a row is of no kind")),
        }
        if ordinal != NOT_IN_THIS_LOG {
            self.customer_mut(ordinal)?.widen(at_us);
        }
        Ok(())
    }

    fn add_customer(&mut self, ordinal: u32, at_us: i64) -> Result<(), Fault> {
        if ordinal == NOT_IN_THIS_LOG || u32::try_from(self.customers.len()) != Ok(ordinal) {
            return Err(Fault::Corrupt("a new customer's ordinal is not the next"));
        }
        let new = CustomerStatistics {
            revenue_cents: 0,
            first_us: at_us,
            last_us: at_us,
            visits: 0,
            orders: self.orders_zero,
        };
        self.customers.push(new);
        Ok(())
    }

    fn customer_mut(&mut self, ordinal: u32) -> Result<&mut CustomerStatistics, Fault> {
        self.customers.get_mut(ordinal as usize).ok_or(NO_CUSTOMER)
    }
}

impl CustomerStatistics {
    fn widen(&mut self, at_us: i64) {
        self.first_us = self.first_us.min(at_us);
        self.last_us = self.last_us.max(at_us);
    }

    fn add(&mut self, visits: u32, orders: u32, cents: i64) -> Result<(), Fault> {
        self.visits = self.visits.checked_add(visits).ok_or(TOO_MANY)?;
        self.orders = self.orders.checked_add(orders).ok_or(TOO_MANY)?;
        self.revenue_cents = self.revenue_cents.checked_add(cents).ok_or(TOO_MANY)?;
        Ok(())
    }

    fn take_away_order(&mut self, cents: i64) -> Result<(), Fault> {
        self.orders = self.orders.checked_sub(1).ok_or(NO_ORDER)?;
        self.revenue_cents = self.revenue_cents.checked_sub(cents).ok_or(TOO_MANY)?;
        Ok(())
    }
}

/// Where the loop stands in the columns that do not have every row.
struct Rest<'a> {
    columns: &'a Columns,
    row: usize,
    order: usize,
    superseded: usize,
}

impl Rest<'_> {
    /// The amount of the next order event.
    fn next_cents(&mut self) -> Result<i64, Fault> {
        let cents = *self.columns.cents.get(self.order).ok_or(ROWS_DIFFER)?;
        self.order += 1;
        Ok(cents)
    }

    /// The customer, amount and time of the next order state that is replaced.
    fn next_superseded(&mut self) -> Result<(u32, i64, i64), Fault> {
        let row = self.superseded;
        let customer = *self.columns.superseded_customers.get(row).ok_or(ROWS_DIFFER)?;
        let cents = *self.columns.superseded_cents.get(row).ok_or(ROWS_DIFFER)?;
        let at_us = *self.columns.superseded_times_us.get(row).ok_or(ROWS_DIFFER)?;
        self.superseded += 1;
        Ok((customer, cents, at_us))
    }
}

/// Loads one word of each customer's statistics, so that the cache lines arrive together.
fn touch(customers: &[CustomerStatistics], ordinals: &[u32]) {
    let touched = ordinals.iter().filter_map(|ordinal| customers.get(*ordinal as usize));
    black_box(touched.fold(0, |sum, customer| sum ^ customer.visits));
}
