//! Gathers admitted events and writes them as the body of a frame.
//!
//! Decides nothing about events, and not when a batch is full; it counts what helps to decide. What was
//! gathered may be taken away and encoded elsewhere, while the next batch is gathered.

use std::collections::BTreeMap;

use super::bytes::write_bytes;
use super::column::{BODY_BYTES_MAX, Column, id};
use super::distinct::Distinct;
use super::ints::{Int, IntWriter};
use super::lz4::Compressor;
use super::marks::{Marks, write_mark};
use super::rows::{Row, Rows};
use super::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Placement, RowKind};
use crate::event::Event;

/// Below this many events a batch is written plain: there is little to save and much to wait for.
const COMPRESSED_EVENTS_MIN: usize = 256;
/// Columns that a replay reads become LZ4 blocks only where that at least halves them: to
/// decompress them costs more than all else that is done to them.
const REPLAYED_PART: usize = 2;
/// Other columns of integers already where it saves a sixteenth.
const OTHER_PART: usize = 16;
/// Bytes that a row takes at most beside its texts, their lengths included.
const ROW_BYTES_MAX: usize = 64;

/// The events of the next batch. Reuse one for many batches: it keeps its memory.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    gathered: Gathered,
    encoder: BatchEncoder,
}

/// What a batch will be written from.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    rows: Rows,
    /// Column 16 as it will stand.
    marks: Vec<u8>,
}

impl Gathered {
    /// At most how long the body would be.
    fn bytes(&self) -> usize {
        bytes_of(&self.rows) + self.marks.len() + 8 * ROW_BYTES_MAX
    }

    /// A row that was pushed.
    pub(crate) fn row(&self, index: usize) -> Option<Row<'_>> {
        self.rows.get(index)
    }

    /// Forgets events and marks, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.marks.clear();
    }
}

impl BatchBuilder {
    pub(crate) fn new() -> Self {
        BatchBuilder { gathered: Gathered::default(), encoder: BatchEncoder::new() }
    }

    /// Takes away what was gathered, to be encoded elsewhere, and goes on with `next`, which is
    /// empty.
    pub(crate) fn take(&mut self, next: Gathered) -> Gathered {
        std::mem::replace(&mut self.gathered, next)
    }

    /// Adds an event as the next row.
    pub(crate) fn push(&mut self, event: &Event<'_>, placement: &Placement) {
        let rows = &mut self.gathered.rows;
        rows.kinds.push(placement.row.value());
        rows.customers.push(placement.customer);
        rows.times_us.push(event.at_us);
        match placement.row {
            RowKind::CustomerNew | RowKind::CustomerUpdate | RowKind::Visit | RowKind::Image => {}
            RowKind::OrderNew | RowKind::OrderUpdate | RowKind::OrderStale => {
                rows.cents.push(event.amount_cents);
            }
        }
        if placement.row == RowKind::OrderUpdate {
            let before = placement.superseded.expect("an effective update supersedes something");
            rows.superseded_customers.push(before.customer);
            rows.superseded_cents.push(before.cents);
            rows.superseded_times_us.push(before.at_us);
        }
        if matches!(placement.row, RowKind::OrderUpdate | RowKind::OrderStale) {
            let order_seq = placement.order_seq.expect("an order update is about an order");
            rows.order_seqs.push(order_seq);
        }
        if placement.row != RowKind::CustomerUpdate {
            let length = u8::try_from(event.key.len()).expect("ids have at most 255 bytes");
            rows.key_lengths.push(length);
            rows.keys.push_str(&event.key);
        }
        let mut fields = 0;
        for (bit, text) in event.texts.iter().enumerate() {
            let Some(text) = text else { continue };
            fields |= 1 << bit;
            let length = u32::try_from(text.len()).expect("an event has at most 1 MiB of text");
            rows.text_lengths.push(length);
            rows.texts.push_str(text);
        }
        rows.fields.push(fields);
        rows.close_row();
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.gathered.rows.len()
    }

    /// Whether there is nothing to encode, not even a mark.
    pub(crate) fn is_empty(&self) -> bool {
        self.gathered.rows.is_empty() && self.gathered.marks.is_empty()
    }

    /// At most how long the body would be now.
    pub(crate) fn bytes(&self) -> usize {
        self.gathered.bytes()
    }

    /// Whether it must be encoded before the next event.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= BATCH_EVENTS_MAX || self.bytes() >= BATCH_BYTES_MAX
    }

    /// Whether so many rows more leave it within what a batch is written with.
    pub(crate) fn has_room(&self, rows: &Rows) -> bool {
        self.len() + rows.len() <= BATCH_EVENTS_MAX
            && self.bytes() + bytes_of(rows) <= BATCH_BYTES_MAX
    }

    /// Whether it can be encoded at all: rows that others wrote may be too many for one of ours.
    pub(crate) fn fits_frame(&self) -> bool {
        self.len() <= BATCH_EVENTS_MAX && self.bytes() <= BODY_BYTES_MAX
    }

    /// Adds a row that was read back; false, and nothing added, if it is of a kind that this build
    /// does not know.
    #[must_use]
    pub(crate) fn push_row(&mut self, row: &Row<'_>) -> bool {
        // The names of customers are not in their rows, but for new ones.
        let key = row.key.unwrap_or_default();
        let (Some(kind), Some(event)) = (row.kind, row.to_event(key, key)) else { return false };
        let (customer, superseded, order_seq) = (row.customer, row.superseded, row.order_seq);
        self.push(&event, &Placement { row: kind, customer, superseded, order_seq });
        true
    }

    /// Notes up to where `source` has been read with this batch, in place of an earlier mark of
    /// the same source. `false`, and nothing noted, if one of the two is longer than 255 bytes.
    #[must_use]
    pub(crate) fn set_mark(&mut self, source: &[u8], position: &[u8]) -> bool {
        let marks = &mut self.gathered.marks;
        let mut kept = Vec::with_capacity(marks.len());
        for (other, at) in Marks::new(marks).flatten() {
            if other != source && !write_mark(other, at, &mut kept) {
                return false;
            }
        }
        if !write_mark(source, position, &mut kept) {
            return false;
        }
        *marks = kept;
        true
    }

    /// Has these marks in place of all that were set; they were read from batches.
    pub(crate) fn set_marks(&mut self, marks: &BTreeMap<Vec<u8>, Vec<u8>>) {
        self.gathered.marks.clear();
        for (source, position) in marks {
            let written = write_mark(source, position, &mut self.gathered.marks);
            debug_assert!(written, "a mark that was read has parts that fit");
        }
    }

    /// A row that was pushed.
    pub(crate) fn row(&self, index: usize) -> Option<Row<'_>> {
        self.gathered.row(index)
    }

    /// Forgets events and marks, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.gathered.clear();
    }

    /// Appends the body of a frame with these events to `out`. They stay until `clear`.
    pub(crate) fn encode(&mut self, customers_before: u32, appended_at_us: i64, out: &mut Vec<u8>) {
        self.encoder.encode(&self.gathered, customers_before, appended_at_us, out);
    }
}

/// Writes batches, and keeps the memory that it needs for that.
#[derive(Debug)]
pub(crate) struct BatchEncoder {
    distinct: Distinct,
    writer: Writer,
}

impl BatchEncoder {
    pub(crate) fn new() -> Self {
        let (ints, compressor) = (IntWriter::new(), Compressor::new());
        BatchEncoder {
            distinct: Distinct::default(),
            writer: Writer { ints, compressor, hex: Vec::new() },
        }
    }

    /// Appends the body of a frame with what was gathered to `out`.
    pub(crate) fn encode(
        &mut self,
        gathered: &Gathered,
        customers_before: u32,
        appended_at_us: i64,
        out: &mut Vec<u8>,
    ) {
        let fits = gathered.bytes() <= BODY_BYTES_MAX;
        assert!(fits, "a batch must be ended before it is too long");
        single(id::CUSTOMERS_BEFORE, i64::from(customers_before), out);
        single(id::APPENDED_AT, appended_at_us, out);
        let (rows, writer) = (&gathered.rows, &mut self.writer);
        let lz4 = rows.len() >= COMPRESSED_EVENTS_MIN;
        let replayed = lz4.then_some(REPLAYED_PART);
        let other = lz4.then_some(OTHER_PART);
        writer.ints(id::KIND, &rows.kinds, replayed, out);
        writer.ints(id::CUSTOMER, &rows.customers, replayed, out);
        writer.ints(id::EVENT_TIME, &rows.times_us, replayed, out);
        writer.ints(id::CENTS, &rows.cents, replayed, out);
        writer.ints(id::SUPERSEDED_CUSTOMER, &rows.superseded_customers, replayed, out);
        writer.ints(id::SUPERSEDED_CENTS, &rows.superseded_cents, replayed, out);
        writer.ints(id::SUPERSEDED_TIME, &rows.superseded_times_us, replayed, out);
        writer.ints(id::ORDER_SEQ, &rows.order_seqs, replayed, out);
        writer.ints(id::KEY_LENGTH, &rows.key_lengths, other, out);
        if !rows.key_lengths.is_empty() {
            writer.bytes(id::KEY, rows.keys.as_bytes(), true, lz4, out);
        }
        writer.ints(id::FIELDS, &rows.fields, other, out);
        let distinct = &mut self.distinct;
        let chosen = lz4 && distinct.find(&rows.text_lengths, &rows.texts);
        let (lengths, texts) = match chosen {
            true => (&distinct.lengths, &distinct.texts),
            false => (&rows.text_lengths, &rows.texts),
        };
        writer.ints(id::TEXT_LENGTH, lengths, other, out);
        if !lengths.is_empty() {
            writer.bytes(id::TEXT, texts.as_bytes(), true, lz4, out);
        }
        if !gathered.marks.is_empty() {
            // Never as hex: nothing else would tell an odd number of digits.
            writer.bytes(id::MARKS, &gathered.marks, false, lz4, out);
        }
        if chosen {
            writer.ints(id::TEXT_CHOICE, &distinct.choices, other, out);
        }
    }
}

/// At most how many bytes rows take.
fn bytes_of(rows: &Rows) -> usize {
    // A length takes up to 4 bytes; where texts are chosen, half as many and a choice each.
    let lengths = rows.text_lengths.len() * 6;
    rows.keys.len() + rows.texts.len() + lengths + rows.len() * ROW_BYTES_MAX
}

/// Writes a column of one row.
fn single(id: u8, base: i64, out: &mut Vec<u8>) {
    Column { id, form: 0, base, scale: 1, data: &[] }.write(out);
}

/// What writing columns needs and keeps.
#[derive(Debug)]
struct Writer {
    ints: IntWriter,
    compressor: Compressor,
    hex: Vec<u8>,
}

impl Writer {
    fn ints<T: Int>(&mut self, id: u8, values: &[T], part: Option<usize>, out: &mut Vec<u8>) {
        let compressor = part.map(|part| (&mut self.compressor, part));
        self.ints.write(id, values, compressor, out);
    }

    fn bytes(&mut self, id: u8, raw: &[u8], hex: bool, lz4: bool, out: &mut Vec<u8>) {
        let hex = hex.then_some(&mut self.hex);
        write_bytes(id, raw, hex, lz4.then_some(&mut self.compressor), out);
    }
}
