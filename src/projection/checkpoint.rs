//! The bytes of a checkpoint: the statistics up to some end of one log, to be loaded instead of
//! folded again. Which file they are in, and whether one is due, is not decided here.
//!
//! Little-endian. A header of 256 bytes, then seven sections, each at the next multiple of 64,
//! the gaps zero; the file ends with the last section.
//!
//! | header | bytes |
//! |---|---|
//! | 0 | magic 8 |
//! | 8 | u32 version · u32 customers |
//! | 16 | u64 log id · u64 end |
//! | 32 | u32 chain: the header CRC of the frame that ends at `end`, 0 if there is none · u32 zero |
//! | 40 | u64 events · i64 first and i64 last event time (0 and −1 without events) · u64 Σ\|cents\| |
//! | 72 | for each section u64 offset, u64 length, u32 CRC of its bytes, u32 zero |
//! | 240 | zeros · 252 u32 CRC of all before |
//!
//! Sections: revenue i64[] · visits u32[] · orders u32[] · first i64[] · last i64[], by ordinal ·
//! updates {u32 ordinal, u32 field, i64 time, u64 sequence}, ascending · marks {u8 length, source,
//! u8 length, position}, sources ascending. Everything is redundant but what the sections hold:
//! a reader recomputes it, so that no bit of a checkpoint can change without being noticed.

use std::collections::BTreeMap;

use super::statistics::{CustomerStatistics, Statistics};
use super::updates::{Entry, FieldUpdate, Updates};
use super::weeks::Frame;
use crate::error::Fault;
use crate::planted::planted;

const MAGIC: [u8; 8] = *b"\x89LTVchk\n";
/// Changes whenever the same events would fold into other bytes.
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 256;
const SECTION_COUNT: usize = 7;
const ALIGNMENT: usize = 64;

const DAMAGED: Fault = Fault::Corrupt("a checkpoint's header is damaged");
const CONTRADICTS: Fault = Fault::Corrupt("a checkpoint's sections contradict its header");

/// What a checkpoint says of itself, known from its first 256 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The applied end: the log had, durably, every event below it.
    pub end: u64,
    /// CRC of the header of the frame that ends there.
    pub chain: u32,
    /// How many customers there are.
    pub customers: u32,
    events: u64,
    frame: Option<Frame>,
    cents_abs: u64,
    sections: [Section; SECTION_COUNT],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Section {
    offset: u64,
    length: u64,
    crc: u32,
}

/// Appends the checkpoint of `statistics` to `out`, which must be empty. `chain` is the CRC of the
/// header of the frame that ends at their end.
pub(crate) fn encode(statistics: &Statistics, log_id: u64, chain: u32, out: &mut Vec<u8>) {
    assert!(statistics.window_us.is_none(), "a window is no state of the log");
    assert!(out.is_empty(), "offsets count from the start of the file");
    let customers = &statistics.customers;
    out.reserve(HEADER_BYTES + customers.len() * size_of::<CustomerStatistics>());
    out.resize(HEADER_BYTES, 0);
    let mut sections = Sections { out, found: Vec::new() };
    sections.add(|out| put_all(out, customers.iter().map(|one| one.revenue_cents.to_le_bytes())));
    sections.add(|out| put_all(out, customers.iter().map(|one| one.visits.to_le_bytes())));
    sections.add(|out| put_all(out, customers.iter().map(|one| one.orders.to_le_bytes())));
    sections.add(|out| put_all(out, customers.iter().map(|one| one.first_us.to_le_bytes())));
    sections.add(|out| put_all(out, customers.iter().map(|one| one.last_us.to_le_bytes())));
    sections.add(|out| put_updates(out, &statistics.sorted_updates()));
    sections.add(|out| put_marks(out, &statistics.marks));
    let sections = sections.found;

    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(ordinals(customers.len()).to_le_bytes());
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
        header.extend(section.crc.to_le_bytes());
        header.extend([0; 4]);
    }
    header.resize(HEADER_BYTES - 4, 0);
    header.extend(crc32fast::hash(&header).to_le_bytes());
    out.splice(..HEADER_BYTES, header);
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
        *section = Section { offset: header.u64()?, length: header.u64()?, crc: header.u32()? };
        if header.u32()? != 0 {
            return Err(DAMAGED);
        }
    }
    let zeros: [u8; 12] = header.array()?;
    if header.u32()? != crc32fast::hash(covered) || zeros != [0; 12] || reserved != 0 {
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
    Ok(Header { end, chain, customers, events, frame, cents_abs, sections })
}

/// Reads a whole checkpoint of the log with `log_id`. Memory stays within a small multiple of the
/// bytes given, whatever they say.
///
/// # Errors
///
/// As [`decode_header`]; every bit of the file is checked.
pub(crate) fn decode(bytes: &[u8], log_id: u64) -> Result<(Statistics, Header), Fault> {
    let header = decode_header(bytes, log_id)?;
    let [revenue, visits, orders, first, last, updates, marks] = sections_of(bytes, &header)?;
    let customers = usize::try_from(header.customers).map_err(|_too_wide| CONTRADICTS)?;
    // Every array must have as many entries as there are customers: then no length can lie.
    let wide = [revenue, first, last].map(|section| section.as_chunks::<8>());
    let narrow = [visits, orders].map(|section| section.as_chunks::<4>());
    let wide_fit = wide.iter().all(|(all, rest)| all.len() == customers && rest.is_empty());
    let narrow_fit = narrow.iter().all(|(all, rest)| all.len() == customers && rest.is_empty());
    if !wide_fit || !narrow_fit {
        return Err(CONTRADICTS);
    }
    let [(revenue, _), (first, _), (last, _)] = wide;
    let [(visits, _), (orders, _)] = narrow;
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
    Ok((statistics, header))
}

/// The bytes of every section, their checksums and the gaps between them checked.
fn sections_of<'a>(bytes: &'a [u8], header: &Header) -> Result<[&'a [u8]; SECTION_COUNT], Fault> {
    let mut found = [[].as_slice(); SECTION_COUNT];
    let mut end = HEADER_BYTES;
    for (section, out) in header.sections.iter().zip(&mut found) {
        let start = end.next_multiple_of(ALIGNMENT);
        let gap = bytes.get(end..start).ok_or(CONTRADICTS)?;
        let length = usize::try_from(section.length).map_err(|_too_wide| CONTRADICTS)?;
        end = start.checked_add(length).ok_or(CONTRADICTS)?;
        *out = bytes.get(start..end).ok_or(CONTRADICTS)?;
        if u64::try_from(start) != Ok(section.offset) || gap.iter().any(|byte| *byte != 0) {
            return Err(CONTRADICTS);
        }
        if crc32fast::hash(out) != section.crc {
            return Err(Fault::Corrupt("a section of a checkpoint is damaged"));
        }
    }
    if end != bytes.len() {
        return Err(CONTRADICTS);
    }
    Ok(found)
}

fn take_updates(bytes: &[u8], header: &Header) -> Result<Updates, Fault> {
    let mut reader = Reader { rest: bytes };
    let mut updates = Updates::default();
    let mut before = None;
    while !reader.rest.is_empty() {
        let (ordinal, field) = (reader.u32()?, reader.u32()?);
        let update = FieldUpdate { at_us: reader.i64()?, seq: reader.u64()? };
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

/// What holds of any statistics that were folded: a checkpoint that breaks it was not written by
/// this program, or was damaged before its checksums were taken.
fn check(statistics: &Statistics) -> Result<(), Fault> {
    let mut counted = 0_u64;
    for customer in &statistics.customers {
        let within = statistics.frame.is_some_and(|frame| {
            frame.first_us <= customer.first_us
                && customer.first_us <= customer.last_us
                && customer.last_us <= frame.last_us
        });
        if !within || customer.revenue_cents.unsigned_abs() > statistics.cents_abs {
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

/// Sections as they are written one after the other.
struct Sections<'a> {
    out: &'a mut Vec<u8>,
    found: Vec<Section>,
}

impl Sections<'_> {
    fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        self.out.resize(self.out.len().next_multiple_of(ALIGNMENT), 0);
        let offset = self.out.len();
        put(self.out);
        let bytes = self.out.get(offset..).unwrap_or_default();
        self.found.push(Section {
            offset: offset as u64,
            length: bytes.len() as u64,
            crc: crc32fast::hash(bytes),
        });
    }
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
struct Reader<'a> {
    rest: &'a [u8],
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
