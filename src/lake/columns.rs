//! Events as columns in memory, until there are enough of them for a row group.

use std::mem;

use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedRowGroupWriter;

use super::file::Summed;
use crate::{FIELD_COUNT, Kind, Record};

/// What a row takes in memory beside its texts: numbers, ends of texts, levels.
const ROW_BYTES: usize = 160;

/// What is the same in all rows of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Same {
    pub(super) partition: u16,
    pub(super) currency: [u8; 3],
}

/// The rows of a row group in the making.
#[derive(Default)]
pub(super) struct Columns {
    sequences: Vec<i64>,
    kinds: Vec<Kind>,
    times: Vec<i64>,
    keys: Texts,
    customers: Texts,
    /// Of orders alone.
    cents: Vec<i64>,
    texts: [Texts; FIELD_COUNT],
    text_bytes: usize,
}

/// A column of texts, end to end.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    /// Where each text that is there ends.
    ends: Vec<usize>,
    /// For each row, 1 if it has a text and 0 if not.
    levels: Vec<i16>,
}

impl Columns {
    pub(super) fn rows(&self) -> usize {
        self.sequences.len()
    }

    /// Bytes of memory that they take, more or less.
    pub(super) fn bytes(&self) -> usize {
        self.text_bytes + self.rows() * ROW_BYTES
    }

    /// The first and the last sequence.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let at = |sequence: Option<&i64>| sequence.and_then(|at| u64::try_from(*at).ok());
        Some((at(self.sequences.first())?, at(self.sequences.last())?))
    }

    /// Adds a row.
    pub(super) fn push(&mut self, record: &Record<'_>) {
        let event = &record.event;
        let sequence = i64::try_from(record.sequence).expect("no log has 2^63 events");
        self.sequences.push(sequence);
        self.kinds.push(event.kind);
        self.times.push(event.at_us);
        let customer = customer_of(record);
        self.text_bytes += self.keys.push(Some(&event.key));
        self.text_bytes += self.customers.push(Some(customer));
        if is_order(event.kind) {
            self.cents.push(event.amount_cents);
        }
        for (column, text) in self.texts.iter_mut().zip(&event.texts) {
            self.text_bytes += column.push(text.as_deref());
        }
    }

    /// Writes them in the order of the schema, and holds none afterwards.
    pub(super) fn write(
        &mut self,
        same: Same,
        group: &mut SerializedRowGroupWriter<'_, Summed>,
    ) -> Result<(), ParquetError> {
        let rows = self.rows();
        let partition = vec![i32::from(same.partition); rows];
        let orders: Vec<i16> = self.kinds.iter().map(|kind| is_order(*kind).into()).collect();
        let currency = ByteArray::from(Bytes::copy_from_slice(&same.currency));
        let currencies = vec![currency; self.cents.len()];
        column::<Int64Type>(group, &self.sequences, None)?;
        column::<Int32Type>(group, &partition, None)?;
        for names in [names_of_type as fn(Kind) -> &'static str, names_of_verb] {
            let text = |kind: &Kind| ByteArray::from(Bytes::from_static(names(*kind).as_bytes()));
            let values: Vec<ByteArray> = self.kinds.iter().map(text).collect();
            column::<ByteArrayType>(group, &values, None)?;
        }
        column::<ByteArrayType>(group, &self.keys.take().0, None)?;
        column::<Int64Type>(group, &self.times, None)?;
        column::<ByteArrayType>(group, &self.customers.take().0, None)?;
        column::<Int64Type>(group, &self.cents, Some(&orders))?;
        column::<ByteArrayType>(group, &currencies, Some(&orders))?;
        for texts in &mut self.texts {
            let (values, levels) = texts.take();
            column::<ByteArrayType>(group, &values, Some(&levels))?;
        }
        // Its memory, too: another bucket is the fullest next time.
        *self = Columns::default();
        Ok(())
    }
}

impl Texts {
    /// Adds one; gives its length.
    fn push(&mut self, text: Option<&str>) -> usize {
        self.levels.push(text.is_some().into());
        let text = text.map(|text| {
            self.bytes.extend_from_slice(text.as_bytes());
            self.ends.push(self.bytes.len());
            text.len()
        });
        text.unwrap_or(0)
    }

    /// Takes the texts, which share their memory, and the levels.
    fn take(&mut self) -> (Vec<ByteArray>, Vec<i16>) {
        let bytes = Bytes::from(mem::take(&mut self.bytes));
        let mut start = 0;
        let cut = |end: usize| ByteArray::from(bytes.slice(mem::replace(&mut start, end)..end));
        (mem::take(&mut self.ends).into_iter().map(cut).collect(), mem::take(&mut self.levels))
    }
}

/// The customer whose event it is.
pub(super) fn customer_of<'a>(record: &'a Record<'_>) -> &'a str {
    let event = &record.event;
    match event.kind {
        Kind::CustomerNew | Kind::CustomerUpdate => &event.key,
        Kind::SiteVisitNew | Kind::ImageUpload | Kind::OrderNew | Kind::OrderUpdate => {
            &event.customer_id
        }
    }
}

fn is_order(kind: Kind) -> bool {
    matches!(kind, Kind::OrderNew | Kind::OrderUpdate)
}

/// The `type` that events spell.
pub(super) fn names_of_type(kind: Kind) -> &'static str {
    match kind {
        Kind::CustomerNew | Kind::CustomerUpdate => "CUSTOMER",
        Kind::SiteVisitNew => "SITE_VISIT",
        Kind::ImageUpload => "IMAGE",
        Kind::OrderNew | Kind::OrderUpdate => "ORDER",
    }
}

/// The `verb` that events spell.
pub(super) fn names_of_verb(kind: Kind) -> &'static str {
    match kind {
        Kind::CustomerNew | Kind::SiteVisitNew | Kind::OrderNew => "NEW",
        Kind::CustomerUpdate | Kind::OrderUpdate => "UPDATE",
        Kind::ImageUpload => "UPLOAD",
    }
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Summed>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or(ParquetError::General("a row has fewer columns".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
