//! The frame directory in a seal: where each batch of a sealed segment starts.
//!
//! Three columns of the form that batches use (the layout of bincode's standard configuration),
//! but never compressed, so that a search reads single rows in place. They are few and simple
//! enough to be written by hand here; the log stays free of the codec that way.

use crate::error::Fault;
use crate::frame::FrameHeader;

/// A batch of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameEntry {
    /// Its first sequence minus the segment's.
    pub(crate) seq_delta: u32,
    /// Where its frame starts.
    pub(crate) offset: u32,
    /// CUSTOMER NEWs before it.
    pub(crate) customers_before: u32,
}

impl FrameEntry {
    /// The entry for a batch whose frame starts at `offset`, in a segment below 4 GiB.
    pub(crate) fn new(header: &FrameHeader, offset: u64, customers_before: u32) -> FrameEntry {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        FrameEntry { seq_delta: header.seq_delta, offset, customers_before }
    }

    /// Its first sequence, in a segment that starts at this one.
    pub(crate) fn seq(&self, segment_first: u64) -> u64 {
        segment_first.saturating_add(u64::from(self.seq_delta))
    }
}

/// A directory's columns, found in its bytes and not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    count: usize,
    seq_delta: Column,
    offset: Column,
    customers_before: Column,
}

/// `base + scale × unsigned of width bytes`, or all `base` at width 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    base: i64,
    scale: u32,
    width: usize,
    data_at: usize,
    data_bytes: usize,
}

/// Appends the columns of a segment's batches to `out`.
pub(crate) fn encode(entries: &[FrameEntry], out: &mut Vec<u8>) {
    encode_column(1, entries.iter().map(|entry| entry.seq_delta), out);
    encode_column(2, entries.iter().map(|entry| entry.offset), out);
    encode_column(3, entries.iter().map(|entry| entry.customers_before), out);
}

fn encode_column(id: u8, values: impl Iterator<Item = u32> + Clone, out: &mut Vec<u8>) {
    let base = values.clone().min().unwrap_or(0);
    let greatest = values.clone().max().unwrap_or(0) - base;
    // All values equal are form 0 with scale 1.
    let divides = |scale: &u32| {
        greatest > 0 && values.clone().all(|value| (value - base).is_multiple_of(*scale))
    };
    let scale = [1_000_000, 1_000].into_iter().find(divides).unwrap_or(1);
    let width = (4 - (greatest / scale).leading_zeros() / 8) as usize;
    let form = u8::try_from(width).expect("at most 4");
    out.extend_from_slice(&[id, form]);
    put_varint(out, u64::from(base) << 1);
    put_varint(out, u64::from(scale));
    if width == 0 {
        put_varint(out, 0);
        return;
    }
    put_varint(out, (values.clone().count() * width) as u64);
    for value in values {
        let bytes = ((value - base) / scale).to_le_bytes();
        out.extend(bytes.into_iter().take(width));
    }
}

/// bincode's variable-length unsigned integer. Signed ones are zigzagged before: `base << 1`.
fn put_varint(out: &mut Vec<u8>, value: u64) {
    if let Some(byte) = u8::try_from(value).ok().filter(|byte| *byte < 251) {
        out.push(byte);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(251);
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(252);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        out.push(253);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Reads bytes from the front.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let [first] = self.take()?;
        match first {
            0..=250 => Some(u64::from(first)),
            251 => Some(u64::from(u16::from_le_bytes(self.take()?))),
            252 => Some(u64::from(u32::from_le_bytes(self.take()?))),
            253 => Some(u64::from_le_bytes(self.take()?)),
            254..=255 => None,
        }
    }

    fn column(&mut self, id: u8) -> Option<Column> {
        let [found, form] = self.take()?;
        let zigzag = self.varint()?;
        let base = i64::try_from(zigzag >> 1).ok().filter(|_| zigzag & 1 == 0)?;
        let scale = u32::try_from(self.varint()?).ok()?;
        let data_bytes = usize::try_from(self.varint()?).ok()?;
        let data_at = self.at;
        let width = usize::from(form);
        let whole = match width {
            0 => data_bytes == 0,
            1..=4 => data_bytes > 0 && data_bytes % width == 0,
            _ => false,
        };
        self.at = data_at.checked_add(data_bytes).filter(|end| *end <= self.bytes.len())?;
        let known = found == id && whole && matches!(scale, 1 | 1_000 | 1_000_000);
        known.then_some(Column { base, scale, width, data_at, data_bytes })
    }
}

impl Column {
    fn get(&self, bytes: &[u8], row: usize) -> Option<u32> {
        let at = self.data_at + row.checked_mul(self.width)?;
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(bytes.get(at..at + self.width)?) {
            *to = *from;
        }
        let steps = i64::from(u32::from_le_bytes(word));
        u32::try_from(self.base.checked_add(steps.checked_mul(i64::from(self.scale))?)?).ok()
    }
}

impl Directory {
    /// Finds the columns in `bytes`, which hold nothing else.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Directory, Fault> {
        const WRONG: Fault = Fault::Corrupt("the seal's frame directory cannot be read");
        let mut cursor = Cursor { bytes, at: 0 };
        let mut next = |id| cursor.column(id).ok_or(WRONG);
        let (seq_delta, offset, customers_before) = (next(1)?, next(2)?, next(3)?);
        // No two frames start at one place, so only a single row has that column in form 0.
        let count = offset.data_bytes.checked_div(offset.width).unwrap_or(1);
        let fits = |column: &Column| column.width == 0 || column.data_bytes == count * column.width;
        if cursor.at != bytes.len() || !fits(&seq_delta) || !fits(&customers_before) {
            return Err(WRONG);
        }
        Ok(Directory { count, seq_delta, offset, customers_before })
    }

    /// Number of batches.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// One batch, read from the bytes that were parsed.
    pub(crate) fn entry(&self, bytes: &[u8], row: usize) -> Option<FrameEntry> {
        if row >= self.count {
            return None;
        }
        Some(FrameEntry {
            seq_delta: self.seq_delta.get(bytes, row)?,
            offset: self.offset.get(bytes, row)?,
            customers_before: self.customers_before.get(bytes, row)?,
        })
    }

    /// How many batches at the front satisfy `holds`, which no batch after them does.
    pub(crate) fn partition_point(
        &self,
        bytes: &[u8],
        holds: impl Fn(&FrameEntry) -> bool,
    ) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(bytes, middle).is_some_and(|entry| holds(&entry)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
