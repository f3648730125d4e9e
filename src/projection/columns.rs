//! The columns of a batch that statistics are made of, decoded into memory that is used again.

use crate::codec::Batch;
use crate::error::Fault;

/// One batch's columns. Orders and supersessions have rows only for the kinds that have them, in
/// the order of the batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    /// What each row is: a number of `RowKind`, or a later version's.
    pub kinds: Vec<u8>,
    /// The ordinal of the customer that each row names.
    pub customers: Vec<u32>,
    /// Event time of each row, µs since 1970.
    pub times_us: Vec<i64>,
    /// Amounts of the rows that are orders (kinds 5 to 7).
    pub cents: Vec<i64>,
    /// Customers of the order states that effective updates (kind 6) replaced.
    pub superseded_customers: Vec<u32>,
    /// Amounts of those states.
    pub superseded_cents: Vec<i64>,
    /// Event times of those states.
    pub superseded_times_us: Vec<i64>,
    /// Which optional texts each row has, as bits; read only if a row updates a customer.
    pub fields: Vec<u8>,
}

impl Columns {
    /// Reads what folding needs of a batch, and no more.
    pub(super) fn read(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let counts = batch.kinds(&mut self.kinds)?;
        batch.customers(&mut self.customers)?;
        batch.times(&mut self.times_us)?;
        batch.cents(&counts, &mut self.cents)?;
        batch.superseded_customers(&counts, &mut self.superseded_customers)?;
        batch.superseded_cents(&counts, &mut self.superseded_cents)?;
        batch.superseded_times(&counts, &mut self.superseded_times_us)?;
        // Only updates of customers have no key of their own.
        if counts.keyed < counts.events {
            batch.fields(&mut self.fields)?;
        } else {
            self.fields.clear();
        }
        Ok(())
    }
}
