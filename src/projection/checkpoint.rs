//! The bytes of a checkpoint: the statistics up to some end of one log, to be loaded instead of
//! folded again. Which file they are in, and whether one is due, is not decided here; how they are
//! read where they lie is told by `saved`.
//!
//! Little-endian. A header of 256 bytes, the CRCs of the blocks, then eight sections, each at the
//! next multiple of 64, the gaps zero; the file ends with the last section.
//!
//! | header | bytes |
//! |---|---|
//! | 0 | magic 8 |
//! | 8 | u32 version · u32 customers |
//! | 16 | u64 log id · u64 end |
//! | 32 | u32 chain: the header CRC of the frame that ends at `end`, 0 if there is none · u32 zero |
//! | 40 | u64 events · i64 first and i64 last event time (0 and −1 without events) · u64 Σ\|cents\| |
//! | 72 | for each section u64 offset, u64 length |
//! | 200 | u32 CRC of the block CRCs · zeros · 252 u32 CRC of all before |
//!
//! Block CRCs: u32 for each 4,096 bytes from the first section on, the last block shorter.
//!
//! Sections: revenue i64[] · visits u32[] · orders u32[] · first i64[] · last i64[], by ordinal ·
//! updates {u32 ordinal, u32 field, i64 time, u64 sequence}, ascending · marks {u8 length, source,
//! u8 length, position}, sources ascending · greatest i64[]: the greatest revenue of each 512
//! customers, so that a top X passes by most of the others. Everything is redundant but what the
//! sections before hold: who loads a checkpoint recomputes it, so that no bit of one can change
//! without being noticed.

use std::collections::BTreeMap;

use super::rank::CHUNK_CUSTOMERS;
use super::saved::Saved;
use super::statistics::{CustomerStatistics, Statistics};
use super::updates::{Entry, FieldUpdate, Updates};
use super::weeks::Frame;
use crate::error::Fault;
use crate::planted::planted;

const MAGIC: [u8; 8] = *b"\x89LTVchk\n";
/// Changes whenever the same events would fold into other bytes.
const VERSION: u32 = 3;
pub(super) const HEADER_BYTES: usize = 256;
pub(super) const SECTION_COUNT: usize = 8;
const ALIGNMENT: u64 = 64;
/// What one CRC covers: a page, which is what comes from the disk at once.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Bytes of one update.
pub(super) const UPDATE_BYTES: usize = 24;

const DAMAGED: Fault = Fault::Corrupt("a checkpoint's header is damaged");
pub(super) const CONTRADICTS: Fault =
    Fault::Corrupt("a checkpoint's sections contradict its header");

/// What a checkpoint says of itself, known from its first 256 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The applied end: the log had, durably, every event below it.
    pub end: u64,
    /// CRC of the header of the frame that ends there.
    pub chain: u32,
    /// How many customers there are.
    pub customers: u32,
    pub(super) events: u64,
    pub(super) frame: Option<Frame>,
    pub(super) cents_abs: u64,
    pub(super) sections: [Section; SECTION_COUNT],
    /// CRC of the block CRCs.
    pub(super) blocks_crc: u32,
}

/// Where a section is in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub offset: u64,
    pub length: u64,
}

impl Section {
    /// The offset after its last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Where sections of these lengths are; `None` if no file can hold them.
pub(super) fn layout(lengths: [u64; SECTION_COUNT]) -> Option<[Section; SECTION_COUNT]> {
    let mut sections = [Section::default(); SECTION_COUNT];
    let mut end = 0_u64;
    for (section, length) in sections.iter_mut().zip(lengths) {
        let offset = end.checked_next_multiple_of(ALIGNMENT)?;
        end = offset.checked_add(length)?;
        *section = Section { offset, length };
    }
    let blocks = end.div_ceil(BLOCK_BYTES as u64);
    let start = (HEADER_BYTES as u64 + 4 * blocks).next_multiple_of(ALIGNMENT);
    end.checked_add(start)?;
    sections.iter_mut().for_each(|section| section.offset += start);
    Some(sections)
}

/// The lengths of the sections of so many customers.
pub(super) fn lengths(customers: u32, updates: u64, marks: u64) -> [u64; SECTION_COUNT] {
    let customers = u64::from(customers);
    let (wide, narrow) = (8 * customers, 4 * customers);
    let greatest = 8 * customers.div_ceil(u64::from(CHUNK_CUSTOMERS));
    [wide, narrow, narrow, wide, wide, updates, marks, greatest]
}

/// Appends the checkpoint of `statistics` to `out`, which must be empty. `chain` is the CRC of the
/// header of the frame that ends at their end.
pub(crate) fn encode(statistics: &Statistics, log_id: u64, chain: u32, out: &mut Vec<u8>) {
    assert!(statistics.window_us.is_none(), "a window is no state of the log");
    assert!(out.is_empty(), "offsets count from the start of the file");
    let customers = &statistics.customers;
    let (updates, mut marks) = (statistics.sorted_updates(), Vec::new());
    put_marks(&mut marks, &statistics.marks);
    let updates_bytes = (updates.len() * UPDATE_BYTES) as u64;
    let lengths = lengths(ordinals(customers.len()), updates_bytes, marks.len() as u64);
    let sections = layout(lengths).expect("what is in memory fits a file");
    let place = |offset: u64| usize::try_from(offset).expect("what is in memory has an address");
    let [revenue, visits, orders, first, last, updated, marked, greatest] =
        sections.map(|section| place(section.offset));
    out.reserve(sections.last().map_or(0, |last| place(last.end())));
    out.resize(revenue, 0);
    put_all(out, customers.iter().map(|one| one.revenue_cents.to_le_bytes()));
    out.resize(visits, 0);
    put_all(out, customers.iter().map(|one| one.visits.to_le_bytes()));
    out.resize(orders, 0);
    put_all(out, customers.iter().map(|one| one.orders.to_le_bytes()));
    out.resize(first, 0);
    put_all(out, customers.iter().map(|one| one.first_us.to_le_bytes()));
    out.resize(last, 0);
    put_all(out, customers.iter().map(|one| one.last_us.to_le_bytes()));
    out.resize(updated, 0);
    put_updates(out, &updates);
    out.resize(marked, 0);
    out.extend(marks);
    out.resize(greatest, 0);
    put_all(out, statistics.greatest_revenues().map(i64::to_le_bytes));

    let (before, data) = out.split_at_mut(revenue);
    let crcs = data.chunks(BLOCK_BYTES).map(|block| crc32fast::hash(block).to_le_bytes());
    let crcs: Vec<u8> = crcs.flatten().collect();
    let header = encode_header(statistics, log_id, chain, &sections, crc32fast::hash(&crcs));
    for (to, from) in before.iter_mut().zip(header.into_iter().chain(crcs)) {
        *to = from;
    }
}

fn encode_header(
    statistics: &Statistics,
    log_id: u64,
    chain: u32,
    sections: &[Section; SECTION_COUNT],
    blocks_crc: u32,
) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(ordinals(statistics.customers.len()).to_le_bytes());
    header.extend(log_id.to_le_bytes());
    header.extend(statistics.end.to_le_bytes());
    header.extend(chain.to_le_bytes());
    header.extend([0; 4]);
    header.extend(statistics.events.to_le_bytes());
    let frame = statistics.frame.unwrap_or(Frame { first_us: 0, last_us: -1 });
    header.extend(frame.first_us.to_le_bytes());
    header.extend(frame.last_us.to_le_bytes());
    header.extend(statistics.cents_abs.to_le_bytes());
    for section in sections {
        header.extend(section.offset.to_le_bytes());
        header.extend(section.length.to_le_bytes());
    }
    header.extend(blocks_crc.to_le_bytes());
    header.resize(HEADER_BYTES - 4, 0);
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

/// The log that a checkpoint says it is of, if its header is whole.
pub(crate) fn log_id(bytes: &[u8]) -> Option<u64> {
    let log_id = u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
    decode_header(bytes, log_id).ok().map(|_| log_id)
}

/// Reads the header at the start of a checkpoint of the log with `log_id`.
///
/// # Errors
///
/// [`Fault::Unknown`] for a version that this build did not write, [`Fault::Corrupt`] for another
/// log's checkpoint and for damage.
pub(crate) fn decode_header(bytes: &[u8], log_id: u64) -> Result<Header, Fault> {
    let mut header = Reader { rest: bytes.get(..HEADER_BYTES).ok_or(DAMAGED)? };
    let covered = bytes.get(..HEADER_BYTES - 4).ok_or(DAMAGED)?;
    if header.array()? != MAGIC {
        return Err(Fault::Corrupt("this is no checkpoint"));
    }
    if header.u32()? != VERSION {
        return Err(Fault::Unknown("a checkpoint of another version"));
    }
    let customers = header.u32()?;
    let found_log_id = header.u64()?;
    let end = header.u64()?;
    let chain = header.u32()?;
    let reserved = header.u32()?;
    let events = header.u64()?;
    let (first_us, last_us) = (header.i64()?, header.i64()?);
    let cents_abs = header.u64()?;
    let mut sections = [Section::default(); SECTION_COUNT];
    for section in &mut sections {
        *section = Section { offset: header.u64()?, length: header.u64()? };
    }
    let blocks_crc = header.u32()?;
    let zeros: [u8; 48] = header.array()?;
    if header.u32()? != crc32fast::hash(covered) || zeros != [0; 48] || reserved != 0 {
        return Err(DAMAGED);
    }
    if found_log_id != log_id && !planted("checkpoint of another log used") {
        return Err(Fault::Corrupt("a checkpoint of another log"));
    }
    let frame = if events == 0 {
        if (first_us, last_us) != (0, -1) {
            return Err(DAMAGED);
        }
        None
    } else {
        Some(Frame { first_us, last_us })
    };
    Ok(Header { end, chain, customers, events, frame, cents_abs, sections, blocks_crc })
}

/// Reads a whole checkpoint of the log with `log_id`. Memory stays within a small multiple of the
/// bytes given, whatever they say.
///
/// # Errors
///
/// As [`decode_header`]; every bit of the file is checked.
pub(crate) fn decode(bytes: &[u8], log_id: u64) -> Result<(Statistics, Header), Fault> {
    let saved = Saved::open(bytes, log_id)?;
    let header = *saved.header();
    let [revenue, visits, orders, first, last, updates, marks, greatest] = saved.all()?;
    let [(revenue, _), (first, _), (last, _)] = [revenue, first, last].map(<[u8]>::as_chunks::<8>);
    let [(visits, _), (orders, _)] = [visits, orders].map(<[u8]>::as_chunks::<4>);
    let rows = revenue.iter().zip(first).zip(last).zip(visits.iter().zip(orders));
    let customers = rows.map(|(((revenue, first), last), (visits, orders))| CustomerStatistics {
        revenue_cents: i64::from_le_bytes(*revenue),
        first_us: i64::from_le_bytes(*first),
        last_us: i64::from_le_bytes(*last),
        visits: u32::from_le_bytes(*visits),
        orders: u32::from_le_bytes(*orders),
    });
    let statistics = Statistics {
        customers: customers.collect(),
        end: header.end,
        events: header.events,
        frame: header.frame,
        cents_abs: header.cents_abs,
        updates: take_updates(updates, &header)?,
        marks: take_marks(marks)?,
        ..Statistics::default()
    };
    check(&statistics)?;
    let due = statistics.greatest_revenues().map(i64::to_le_bytes);
    if !due.eq(greatest.as_chunks::<8>().0.iter().copied()) {
        return Err(CONTRADICTS);
    }
    Ok((statistics, header))
}

fn take_updates(bytes: &[u8], header: &Header) -> Result<Updates, Fault> {
    let mut reader = Reader { rest: bytes };
    let mut updates = Updates::default();
    let mut before = None;
    while !reader.rest.is_empty() {
        let (ordinal, field, update) = take_update(&mut reader)?;
        let known = Updates::field(field).ok_or(CONTRADICTS)?;
        let ascends = before.is_none_or(|before| before < (ordinal, field));
        if !ascends || ordinal >= header.customers || update.seq >= header.end {
            return Err(CONTRADICTS);
        }
        before = Some((ordinal, field));
        updates.offer(ordinal, known, update);
    }
    Ok(updates)
}

/// The customer and the field of an update, and the update.
pub(super) fn take_update(reader: &mut Reader<'_>) -> Result<(u32, u32, FieldUpdate), Fault> {
    let (ordinal, field) = (reader.u32()?, reader.u32()?);
    Ok((ordinal, field, FieldUpdate { at_us: reader.i64()?, seq: reader.u64()? }))
}

fn take_marks(bytes: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Fault> {
    let mut reader = Reader { rest: bytes };
    let mut marks = BTreeMap::new();
    while !reader.rest.is_empty() {
        let (source, position) = (reader.short()?, reader.short()?);
        if marks.last_key_value().is_some_and(|(last, _): (&Vec<u8>, _)| last.as_slice() >= source)
        {
            return Err(CONTRADICTS);
        }
        marks.insert(source.to_vec(), position.to_vec());
    }
    Ok(marks)
}

/// What holds of any customer that was folded: a checkpoint that breaks it was not written by this
/// program, or was damaged before its checksums were taken.
pub(super) fn is_sound(
    customer: &CustomerStatistics,
    frame: Option<Frame>,
    cents_abs: u64,
) -> bool {
    let within = frame.is_some_and(|frame| {
        frame.first_us <= customer.first_us
            && customer.first_us <= customer.last_us
            && customer.last_us <= frame.last_us
    });
    within && customer.revenue_cents.unsigned_abs() <= cents_abs
}

/// The same of all customers, and of their sums.
fn check(statistics: &Statistics) -> Result<(), Fault> {
    let mut counted = 0_u64;
    for customer in &statistics.customers {
        if !is_sound(customer, statistics.frame, statistics.cents_abs) {
            return Err(CONTRADICTS);
        }
        // One event that made the customer, then one for each visit and order.
        counted += 1 + u64::from(customer.visits) + u64::from(customer.orders);
    }
    if counted > statistics.events || statistics.cents_abs >= 1 << 62 {
        return Err(CONTRADICTS);
    }
    Ok(())
}

fn put_all<const N: usize>(out: &mut Vec<u8>, values: impl Iterator<Item = [u8; N]>) {
    values.for_each(|value| out.extend_from_slice(&value));
}

fn put_updates(out: &mut Vec<u8>, entries: &[Entry]) {
    for Entry { ordinal, field, update } in entries {
        out.extend(ordinal.to_le_bytes());
        out.extend(u32::from(*field).to_le_bytes());
        out.extend(update.at_us.to_le_bytes());
        out.extend(update.seq.to_le_bytes());
    }
}

fn put_marks(out: &mut Vec<u8>, marks: &BTreeMap<Vec<u8>, Vec<u8>>) {
    for bytes in marks.iter().flat_map(|(source, position)| [source, position]) {
        out.push(u8::try_from(bytes.len()).expect("marks are read with lengths of one byte"));
        out.extend_from_slice(bytes);
    }
}

fn ordinals(count: usize) -> u32 {
    u32::try_from(count).expect("customers are numbered by u32")
}

/// Reads from the front of bytes that may end anywhere.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(CONTRADICTS)?;
        self.rest = rest;
        Ok(*array)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Fault> {
        self.array().map(i64::from_le_bytes)
    }

    /// Bytes with their length, one byte, before them.
    fn short(&mut self) -> Result<&'a [u8], Fault> {
        let [length] = self.array()?;
        let (bytes, rest) = self.rest.split_at_checked(length.into()).ok_or(CONTRADICTS)?;
        self.rest = rest;
        Ok(bytes)
    }
}
