//! A batch as its bytes: headers of columns checked at once, rows read when they are asked for.
//!
//! Whatever is read is checked as far as it is read; every rule of the format at once is what
//! `check` is for. Frames, and whether these bytes are the ones that were written, are the log's.

use super::bytes::BytesColumn;
use super::column::{BODY_BYTES_MAX, Column, Columns, id};
use super::counts::{Counts, count};
use super::distinct;
use super::ints::{Int, IntColumn};
use super::marks::Marks;
use super::rows::Rows;
use crate::error::Fault;

/// The most events that a frame may claim.
const EVENTS_MAX: u32 = 1 << 20;
/// A source and the position in it up to which it has been read.
pub(crate) type Mark = (Vec<u8>, Vec<u8>);

/// Sequences stand in columns of signed numbers.
const SEQUENCE_MAX: u64 = i64::MAX.cast_unsigned();

pub(super) const ROWS: Fault = Fault::Corrupt("the columns of a batch do not fit together");

/// One batch of the log, borrowed from the bytes of its frame.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    body: &'a [u8],
    first_seq: u64,
    events: usize,
    customers_before: u32,
    appended_at_us: i64,
    /// Columns 3 to 17 at their ids, but for 12, 15 and 16, which are bytes.
    ints: [Option<IntColumn<'a>>; 18],
    pub(super) keys: Option<BytesColumn<'a>>,
    pub(super) texts: Option<BytesColumn<'a>>,
    pub(super) marks: Option<BytesColumn<'a>>,
}

impl<'a> Batch<'a> {
    /// Reads the body of a frame of `events` events, the first of which has sequence `first_seq`.
    pub fn decode(body: &'a [u8], first_seq: u64, events: u32) -> Result<Batch<'a>, Fault> {
        if events > EVENTS_MAX || body.len() > BODY_BYTES_MAX {
            return Err(Fault::Corrupt("a batch is larger than any may be"));
        }
        if first_seq.checked_add(u64::from(events)).is_none_or(|end| end > SEQUENCE_MAX) {
            return Err(Fault::Corrupt("a batch has sequences beyond any"));
        }
        let mut columns = Columns::new(body);
        let customers_before = read_customers_before(&mut columns)?;
        let appended_at_us = read_single(&mut columns, id::APPENDED_AT)?;
        let mut batch = Batch {
            body,
            first_seq,
            events: usize::try_from(events).ok().ok_or(ROWS)?,
            customers_before,
            appended_at_us,
            ints: [None; 18],
            keys: None,
            texts: None,
            marks: None,
        };
        let mut last = id::APPENDED_AT;
        while let Some(column) = columns.next()? {
            if column.id <= last {
                return Err(Fault::Corrupt("the columns of a batch are not in order"));
            }
            last = column.id;
            batch.take(column)?;
        }
        Ok(batch)
    }

    #[inline(always)]
    fn take(&mut self, column: Column<'a>) -> Result<(), Fault> {
        match column.id {
            id::KEY => self.keys = Some(BytesColumn::new(column)?),
            id::TEXT => self.texts = Some(BytesColumn::new(column)?),
            id::MARKS => self.marks = Some(BytesColumn::new(column)?),
            id::OPTIONAL.. => {}
            other => {
                let Some(slot) = self.ints.get_mut(usize::from(other)) else {
                    return Err(Fault::Unknown(
                        "a batch has a column that this build does not know",
                    ));
                };
                *slot = Some(IntColumn::new(column)?);
            }
        }
        Ok(())
    }

    /// Its bytes.
    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The sequence of its first event.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// How many events it has.
    pub fn events(&self) -> usize {
        self.events
    }

    /// How many CUSTOMER NEWs the log has before it.
    pub fn customers_before(&self) -> u32 {
        self.customers_before
    }

    /// When it was appended, µs since 1970.
    pub fn appended_at_us(&self) -> i64 {
        self.appended_at_us
    }

    /// Reads what each row is, by the values of [`RowKind`](super::RowKind) or 64 to 127 for kinds that count for
    /// first and last event only. Every method that reads into a vector replaces what is there.
    pub fn kinds(&self, out: &mut Vec<u8>) -> Result<Counts, Fault> {
        self.read(id::KIND, self.events, out)?;
        Counts::of(out)
    }

    /// Reads the ordinal of the customer that each row names.
    pub fn customers(&self, out: &mut Vec<u32>) -> Result<(), Fault> {
        self.read(id::CUSTOMER, self.events, out)
    }

    /// Reads the event time of each row, µs since 1970.
    pub fn times(&self, out: &mut Vec<i64>) -> Result<(), Fault> {
        self.read(id::EVENT_TIME, self.events, out)
    }

    /// Reads the amounts, one for each row of an order.
    pub fn cents(&self, counts: &Counts, out: &mut Vec<i64>) -> Result<(), Fault> {
        self.read(id::CENTS, counts.orders, out)
    }

    /// Reads the customers that effective order updates take an order from.
    pub fn superseded_customers(&self, counts: &Counts, out: &mut Vec<u32>) -> Result<(), Fault> {
        self.read(id::SUPERSEDED_CUSTOMER, counts.effective, out)
    }

    /// Reads the amounts that effective order updates replace.
    pub fn superseded_cents(&self, counts: &Counts, out: &mut Vec<i64>) -> Result<(), Fault> {
        self.read(id::SUPERSEDED_CENTS, counts.effective, out)
    }

    /// Reads the event times of what effective order updates replace.
    pub fn superseded_times(&self, counts: &Counts, out: &mut Vec<i64>) -> Result<(), Fault> {
        self.read(id::SUPERSEDED_TIME, counts.effective, out)
    }

    /// Reads the sequences of the ORDER NEWs that order updates, also stale ones, are about.
    pub fn order_seqs(&self, counts: &Counts, out: &mut Vec<u64>) -> Result<(), Fault> {
        self.read(id::ORDER_SEQ, counts.order_updates, out)
    }

    /// Reads which optional texts each row has, a bit for each [`Field`](crate::Field).
    pub fn fields(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.read(id::FIELDS, self.events, out)?;
        if count(out, |fields| fields > 0x7F) > 0 {
            return Err(Fault::Unknown("an event has a field that this build does not know"));
        }
        Ok(())
    }

    /// Reads everything.
    pub fn rows(&self) -> Result<Rows, Fault> {
        let mut rows = Rows::default();
        self.read_rows(&mut rows)?;
        Ok(rows)
    }

    /// Reads everything into `rows`, whose memory is used again.
    pub fn read_rows(&self, rows: &mut Rows) -> Result<(), Fault> {
        rows.clear();
        let read = self.fill(rows);
        if read.is_err() {
            rows.clear();
        }
        read
    }

    fn fill(&self, rows: &mut Rows) -> Result<(), Fault> {
        let counts = self.kinds(&mut rows.kinds)?;
        self.customers(&mut rows.customers)?;
        self.times(&mut rows.times_us)?;
        self.cents(&counts, &mut rows.cents)?;
        self.superseded_customers(&counts, &mut rows.superseded_customers)?;
        self.superseded_cents(&counts, &mut rows.superseded_cents)?;
        self.superseded_times(&counts, &mut rows.superseded_times_us)?;
        self.order_seqs(&counts, &mut rows.order_seqs)?;
        self.read_keys(&counts, &mut rows.key_lengths, &mut rows.keys)?;
        self.fields(&mut rows.fields)?;
        let count = texts_of(&rows.fields);
        let (lengths, texts) = (&mut rows.text_lengths, &mut rows.texts);
        if let Some(choices) = self.read_texts(count, lengths, texts)? {
            distinct::expand(&choices, lengths, texts)?;
        }
        rows.place_rows().ok_or(ROWS)
    }

    /// Reads the keys of the rows that have one, one after the other, and their lengths.
    pub(super) fn read_keys(
        &self,
        counts: &Counts,
        lengths: &mut Vec<u8>,
        keys: &mut String,
    ) -> Result<(), Fault> {
        self.read(id::KEY_LENGTH, counts.keyed, lengths)?;
        let length = lengths.iter().map(|length| usize::from(*length)).sum();
        read_text(self.keys.as_ref(), counts.keyed, length, keys)
    }

    /// Reads the optional texts as they stand: one for each of `count`, or the distinct ones, and
    /// which of them each of `count` is.
    pub(super) fn read_texts(
        &self,
        count: usize,
        lengths: &mut Vec<u32>,
        texts: &mut String,
    ) -> Result<Option<Vec<u32>>, Fault> {
        let mut written = count;
        let mut choices = None;
        if self.has(id::TEXT_CHOICE) {
            let mut read = Vec::new();
            self.read(id::TEXT_CHOICE, count, &mut read)?;
            written = distinct::count(&read).ok_or(Fault::Corrupt(
                "the distinct texts of a batch are not in the order in which they first come",
            ))?;
            choices = Some(read);
        }
        self.read(id::TEXT_LENGTH, written, lengths)?;
        let length = total(lengths)?;
        read_text(self.texts.as_ref(), written, length, texts)?;
        Ok(choices)
    }

    /// Whether it has a column of integers.
    pub(super) fn has(&self, id: u8) -> bool {
        self.ints.get(usize::from(id)).is_some_and(Option::is_some)
    }

    /// Where in its sources the batch ends: pairs of source and position.
    pub fn marks(&self) -> Result<Vec<Mark>, Fault> {
        let mut bytes = Vec::new();
        if let Some(column) = &self.marks {
            column.read(column.length(), &mut bytes)?;
            if bytes.is_empty() {
                return Err(Fault::Corrupt("a batch has a column without rows"));
            }
        }
        Marks::new(&bytes).map(|mark| mark.map(|(source, at)| (source.into(), at.into()))).collect()
    }

    /// An integer column, and whether it is there exactly if it has rows.
    pub(super) fn ints(&self, id: u8, rows: usize) -> Result<Option<&IntColumn<'a>>, Fault> {
        match self.ints.get(usize::from(id)) {
            Some(Some(column)) if rows > 0 => Ok(Some(column)),
            Some(None) if rows == 0 => Ok(None),
            Some(Some(_)) => Err(Fault::Corrupt("a batch has a column without rows")),
            Some(None) | None => Err(Fault::Corrupt("a batch lacks a column")),
        }
    }

    pub(super) fn read<T: Int>(&self, id: u8, rows: usize, out: &mut Vec<T>) -> Result<(), Fault> {
        match self.ints(id, rows)? {
            Some(column) => column.read(rows, out),
            None => {
                out.clear();
                Ok(())
            }
        }
    }
}

/// How many optional texts the rows have together.
pub(super) fn texts_of(fields: &[u8]) -> usize {
    let ones = |piece: &[u8]| piece.iter().map(|fields| fields.count_ones()).sum::<u32>();
    fields.chunks(1 << 16).map(|piece| usize::try_from(ones(piece)).unwrap_or(usize::MAX)).sum()
}

/// The sum of lengths, which may not be more than a body can hold.
pub(super) fn total(lengths: &[u32]) -> Result<usize, Fault> {
    let sum: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    usize::try_from(sum).ok().filter(|sum| *sum <= BODY_BYTES_MAX).ok_or(ROWS)
}

fn read_text(
    column: Option<&BytesColumn<'_>>,
    rows: usize,
    length: usize,
    out: &mut String,
) -> Result<(), Fault> {
    let mut bytes = std::mem::take(out).into_bytes();
    bytes.clear();
    match column {
        Some(column) if rows > 0 => column.read(length, &mut bytes)?,
        None if rows == 0 => {}
        Some(_) | None => return Err(ROWS),
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(Fault::Corrupt("a text of a batch is not UTF-8"));
    };
    *out = text;
    Ok(())
}

/// Reads a column of one row, which must be the next.
fn read_single(columns: &mut Columns<'_>, id: u8) -> Result<i64, Fault> {
    let value = match columns.next()? {
        Some(column) if column.id == id => IntColumn::new(column)?.same(),
        _ => None,
    };
    value.ok_or(Fault::Corrupt("a batch does not begin with its two columns of one row"))
}

pub(super) fn read_customers_before(columns: &mut Columns<'_>) -> Result<u32, Fault> {
    let value = read_single(columns, id::CUSTOMERS_BEFORE)?;
    u32::try_from(value)
        .ok()
        .ok_or(Fault::Corrupt("a batch follows an impossible number of customers"))
}
