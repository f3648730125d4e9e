//! A batch decoded to its events, and these encoded again: for `verify --deep`.

use super::BatchBuilder;
use super::column::{Columns, id};
use super::view::Batch;
use crate::error::Fault;

/// From this form on, up to 16, and in form 66, the data is an LZ4 block.
const LZ4_INTS: std::ops::RangeInclusive<u8> = 9..=16;
const LZ4_BYTES: u8 = 66;

impl Batch<'_> {
    /// Checks that the batch's events and marks, encoded again, are the batch: every row and mark,
    /// and, where neither body has a compressed column or chosen texts, every byte. Two compressors
    /// may make different blocks of the same rows. A batch with rows or columns that only a later version
    /// knows is passed over.
    pub(crate) fn check_encoded_again(&self) -> Result<(), Fault> {
        const OTHER: Fault = Fault::Corrupt("a batch that is encoded again is another one");
        let (rows, marks) = (self.rows()?, self.marks()?);
        let mut builder = BatchBuilder::new();
        for row in rows.iter() {
            if !builder.push_row(&row) {
                return Ok(());
            }
        }
        if !marks.iter().all(|(source, position)| builder.set_mark(source, position)) {
            return Err(OTHER);
        }
        let mut body = Vec::new();
        builder.encode(self.customers_before(), self.appended_at_us(), &mut body);
        let events = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let again = Batch::decode(&body, self.first_seq(), events)?;
        if again.rows()? != rows || again.marks()? != marks {
            return Err(OTHER);
        }
        let plain = is_plain(self.body())? && is_plain(&body)?;
        if plain && self.body() != body { Err(OTHER) } else { Ok(()) }
    }
}

impl Batch<'_> {
    /// Whether there is nothing in it that only a later version could write again.
    pub(crate) fn is_known(&self) -> Result<bool, Fault> {
        let mut columns = Columns::new(self.body());
        while let Some(column) = columns.next()? {
            if column.id >= id::OPTIONAL {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether no column is compressed or of a later version.
fn is_plain(body: &[u8]) -> Result<bool, Fault> {
    let mut columns = Columns::new(body);
    while let Some(column) = columns.next()? {
        let compressed = LZ4_INTS.contains(&column.form)
            || column.form == LZ4_BYTES
            || column.id == id::TEXT_CHOICE;
        if compressed || column.id >= id::OPTIONAL {
            return Ok(false);
        }
    }
    Ok(true)
}
