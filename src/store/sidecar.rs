//! Key sidecars: key entries, sorted, mapped and checked in blocks. One that belongs to a sealed
//! segment has all entries of it; a *run* has those of a part of the active one.
//!
//! Derived: one that is missing or damaged is rebuilt from its events. The layout:
//!
//! ```text
//! 0 magic 8 · 8 u64 log id · 16 u64 first · 24 u64 end · 32 u32 chain out · 36 u32 bucket bits
//! 40 u64 entries · 48 u32 CRC of the block CRCs · 52 zeros · 60 u32 CRC of all before
//! 64 a u32 CRC for each 4,096 bytes of what follows the CRCs
//! then u32 bucket starts, one more than buckets · entries {u32 hash, u32 row}
//! ```
//!
//! An entry's bucket is the upper bits of its hash, its `hash` the lower 32. A run's entry has the
//! bits between the two behind its row, in as few bytes as they need: runs are put together to
//! larger ones and to a sidecar, which have more buckets. A block's CRC is checked when a look-up
//! first touches it, so that opening reads the header and the CRCs alone.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::slice::ChunksExact;

use super::index::Entry;
use crate::log::Map;
use crate::planted::planted;

/// What a sidecar's entries are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A sealed segment.
    Segment,
    /// A part of the active one.
    Run,
}

impl Form {
    fn magic(self) -> [u8; 8] {
        match self {
            Form::Segment => *b"ltvkeys\x02",
            Form::Run => *b"ltvkrun\x02",
        }
    }

    /// How many bits of a hash its entries have between the bucket's and the lower 32.
    fn middle_bits(self, bucket_bits: u32) -> u32 {
        match self {
            Form::Segment => 0,
            Form::Run => 32_u32.saturating_sub(bucket_bits),
        }
    }

    fn entry_bytes(self, bucket_bits: u32) -> usize {
        8 + self.middle_bits(bucket_bits).div_ceil(8) as usize
    }
}

/// Those bits of a hash, the lowest byte first.
fn middle(hash: u64, bits: u32) -> [u8; 4] {
    (high(hash) & !u32::MAX.checked_shl(bits).unwrap_or(0)).to_le_bytes()
}

const HEADER_BYTES: usize = 64;
const BLOCK_BYTES: usize = 4_096;
/// A bucket holds this many entries on average, at most.
const BUCKET_ENTRIES: u64 = 8;

/// What a sidecar says it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) log_id: u64,
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) chain: u32,
}

/// Writes a sidecar's bytes.
pub(super) fn encode(form: Form, cover: &Cover, mut entries: Vec<Entry>) -> Vec<u8> {
    let bits = bucket_bits(entries.len() as u64);
    sort(form, &mut entries, bits);
    let buckets = 1_usize << bits;
    let (middle_bits, entry_bytes) = (form.middle_bits(bits), form.entry_bytes(bits));
    let data_bytes = (buckets + 1) * 4 + entries.len() * entry_bytes;
    let data_at = HEADER_BYTES + data_bytes.div_ceil(BLOCK_BYTES) * 4;
    let mut out = Vec::with_capacity(data_at + data_bytes);
    out.resize(data_at, 0);
    let mut at = 0;
    for number in 0..=buckets as u64 {
        while entries.get(at).is_some_and(|entry| bucket(entry.hash, bits) < number) {
            at += 1;
        }
        out.extend_from_slice(&u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes());
    }
    for entry in &entries {
        out.extend_from_slice(&low(entry.hash).to_le_bytes());
        out.extend_from_slice(&entry.row.to_le_bytes());
        let middle = middle(entry.hash, middle_bits);
        out.extend_from_slice(middle.get(..entry_bytes - 8).unwrap_or(&middle));
    }
    let (head, data) = out.split_at_mut(data_at);
    let (header, crcs) = head.split_at_mut(HEADER_BYTES);
    for (place, block) in crcs.chunks_mut(4).zip(data.chunks(BLOCK_BYTES)) {
        place.copy_from_slice(&crc32fast::hash(block).to_le_bytes());
    }
    let mut fields = Vec::with_capacity(HEADER_BYTES);
    fields.extend_from_slice(&form.magic());
    fields.extend_from_slice(&cover.log_id.to_le_bytes());
    fields.extend_from_slice(&cover.first.to_le_bytes());
    fields.extend_from_slice(&cover.end.to_le_bytes());
    fields.extend_from_slice(&cover.chain.to_le_bytes());
    fields.extend_from_slice(&bits.to_le_bytes());
    fields.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    fields.extend_from_slice(&crc32fast::hash(crcs).to_le_bytes());
    fields.extend_from_slice(&[0; 8]);
    fields.extend_from_slice(&crc32fast::hash(&fields).to_le_bytes());
    header.copy_from_slice(&fields);
    out
}

/// Newest first within a hash, so that a look-up meets the newest first.
fn sort(form: Form, entries: &mut [Entry], bits: u32) {
    let place = |entry: &Entry| (entry.hash, !entry.row);
    // What comes from memory or from runs is sorted as a whole or in long pieces.
    if !entries.is_sorted_by_key(place) {
        entries.sort_by_key(place);
    }
    if form == Form::Segment {
        for same in entries.chunk_by_mut(|a, b| bucket(a.hash, bits) == bucket(b.hash, bits)) {
            same.sort_unstable_by_key(|entry| (low(entry.hash), !entry.row));
        }
    }
}

/// Where a sidecar's bytes differ from what its segment's entries make, if anywhere.
pub(super) fn differs(bytes: &[u8], cover: &Cover, entries: Vec<Entry>) -> Option<&'static str> {
    let made = encode(Form::Segment, cover, entries);
    match bytes.len().cmp(&made.len()) {
        Ordering::Less => Some("it lacks keys of its segment"),
        Ordering::Greater => Some("it has keys that its segment does not have"),
        Ordering::Equal => (bytes != made).then_some("its keys are not those of its segment"),
    }
}

/// A mapped sidecar.
#[derive(Debug)]
pub(super) struct Sidecar {
    map: Map,
    form: Form,
    cover: Cover,
    bits: u32,
    entries: u64,
    data_at: usize,
    /// One bit a block: its CRC was checked.
    checked: RefCell<Vec<u64>>,
}

/// Why a sidecar cannot be used; it is rebuilt then.
type Why = &'static str;

impl Sidecar {
    /// Checks header, lengths and the CRCs' own CRC; no entry is read.
    pub(super) fn open(form: Form, map: Map) -> Result<Sidecar, Why> {
        let bytes = map.all();
        let header = bytes.get(..HEADER_BYTES).ok_or("shorter than its header")?;
        if header.get(..8) != Some(&form.magic()) {
            return Err(match form {
                Form::Segment => "not a key sidecar of this version",
                Form::Run => "not a key run of this version",
            });
        }
        let (fields, crc) = header.split_at(60);
        if crc != crc32fast::hash(fields).to_le_bytes() || fields.get(52..) != Some(&[0; 8]) {
            return Err("its header is damaged");
        }
        let word = |at| read_u32(bytes, at).ok_or("shorter than its header");
        let long = |at| read_u64(bytes, at).ok_or("shorter than its header");
        let cover = Cover { log_id: long(8)?, first: long(16)?, end: long(24)?, chain: word(32)? };
        let (bits, entries) = (word(36)?, long(40)?);
        if bits > 32 || bits != bucket_bits(entries) {
            return Err("its header does not fit its entries");
        }
        let data = entries
            .checked_mul(form.entry_bytes(bits) as u64)
            .and_then(|data| data.checked_add(((1_u64 << bits) + 1) * 4))
            .and_then(|data| usize::try_from(data).ok())
            .ok_or("its header does not fit its entries")?;
        let data_at = HEADER_BYTES + data.div_ceil(BLOCK_BYTES) * 4;
        if data_at.checked_add(data) != Some(bytes.len()) {
            return Err("its length does not fit its header");
        }
        let crcs = bytes.get(HEADER_BYTES..data_at).ok_or("its length does not fit")?;
        if crc32fast::hash(crcs) != word(48)? {
            return Err("its checksums are damaged");
        }
        let blocks = crcs.len() / 4;
        let checked = RefCell::new(vec![0; blocks.div_ceil(64)]);
        Ok(Sidecar { form, cover, bits, entries, data_at, checked, map })
    }

    pub(super) fn cover(&self) -> Cover {
        self.cover
    }

    /// Its bytes.
    pub(super) fn all(&self) -> &[u8] {
        self.map.all()
    }

    /// Checks every block.
    pub(super) fn check(&self) -> Result<(), Why> {
        self.proven(0, self.map.all().len() - self.data_at).map(|_| ())
    }

    /// Adds the sequences under `hash`, newest first.
    pub(super) fn candidates(&self, hash: u64, found: &mut Vec<u64>) -> Result<(), Why> {
        let number = usize::try_from(bucket(hash, self.bits)).map_err(|_error| BROKEN)?;
        let starts = self.proven(number * 4, 8)?;
        let (from, to) = (read_u32(starts, 0).ok_or(BROKEN)?, read_u32(starts, 4).ok_or(BROKEN)?);
        if from > to || u64::from(to) > self.entries {
            return Err(BROKEN);
        }
        let middle = middle(hash, self.form.middle_bits(self.bits));
        let before = found.len();
        for entry in self.proven_entries(from as usize, to as usize)? {
            let (low, row, more) = parts(entry).ok_or(BROKEN)?;
            if low == self::low(hash) && middle.starts_with(more) {
                let sequence = self.cover.first.checked_add(u64::from(row));
                let Some(sequence) = sequence.filter(|sequence| *sequence < self.cover.end) else {
                    found.truncate(before);
                    return Err(BROKEN);
                };
                found.push(sequence);
            }
        }
        Ok(())
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> u64 {
        self.entries
    }

    /// How many upper bits it knows of its hashes.
    pub(super) fn upper_bits(&self) -> u32 {
        match self.form {
            Form::Segment => self.bits,
            Form::Run => 32,
        }
    }

    /// Gives the hash of each entry, with zeros where it knows no bits.
    pub(super) fn hashes(&self, each: &mut dyn FnMut(u64)) -> Result<(), Why> {
        self.each(&mut |hash, _row| {
            each(hash);
            Ok(())
        })
    }

    /// All entries of a run, their rows counted from `first`.
    pub(super) fn entries(&self, first: u64, out: &mut Vec<Entry>) -> Result<(), Why> {
        let before = out.len();
        let read = self.each(&mut |hash, row| {
            let sequence = self.cover.first.checked_add(row.into());
            let sequence = sequence.filter(|sequence| *sequence < self.cover.end);
            let row = sequence.and_then(|sequence| sequence.checked_sub(first));
            let row = row.and_then(|row| u32::try_from(row).ok()).ok_or(BROKEN)?;
            out.push(Entry { hash, row });
            Ok(())
        });
        read.inspect_err(|_| out.truncate(before))
    }

    /// Gives the hash and the row of each entry, bucket by bucket.
    fn each(&self, each: &mut dyn FnMut(u64, u32) -> Result<(), Why>) -> Result<(), Why> {
        let buckets = 1_usize << self.bits;
        let starts = self.proven(0, (buckets + 1) * 4)?;
        let all = usize::try_from(self.entries).map_err(|_error| BROKEN)?;
        let mut entries = self.proven_entries(0, all)?;
        let mut from = 0;
        for (upper, end) in (0_u64..).zip(starts.chunks_exact(4).skip(1)) {
            let end = read_u32(end, 0).ok_or(BROKEN)?;
            let upper = upper.checked_shl(64 - self.bits).unwrap_or(0);
            for entry in entries.by_ref().take(end.checked_sub(from).ok_or(BROKEN)? as usize) {
                let (low, row, more) = parts(entry).ok_or(BROKEN)?;
                let middle = more.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                if middle >> self.form.middle_bits(self.bits) != 0 {
                    return Err(BROKEN);
                }
                each(upper | middle << 32 | u64::from(low), row)?;
            }
            from = end;
        }
        if u64::from(from) == self.entries { Ok(()) } else { Err(BROKEN) }
    }

    /// The entries from one to before another.
    fn proven_entries(&self, from: usize, to: usize) -> Result<ChunksExact<'_, u8>, Why> {
        let bytes = self.form.entry_bytes(self.bits);
        let entries_at = ((1_usize << self.bits) + 1) * 4;
        Ok(self.proven(entries_at + from * bytes, (to - from) * bytes)?.chunks_exact(bytes))
    }

    /// `length` bytes of the data, their blocks' CRCs checked.
    fn proven(&self, at: usize, length: usize) -> Result<&[u8], Why> {
        let bytes = self.map.all();
        let data = bytes.get(self.data_at..).ok_or(BROKEN)?;
        let mut checked = self.checked.borrow_mut();
        for block in at / BLOCK_BYTES..(at + length).div_ceil(BLOCK_BYTES) {
            let word = checked.get_mut(block / 64).ok_or(BROKEN)?;
            if *word & 1 << (block % 64) != 0 {
                continue;
            }
            let from = block * BLOCK_BYTES;
            let block_bytes = data.get(from..data.len().min(from + BLOCK_BYTES)).ok_or(BROKEN)?;
            let crc = read_u32(bytes, HEADER_BYTES + block * 4);
            let whole = Some(crc32fast::hash(block_bytes)) == crc;
            if !whole && !planted("sidecar's blocks not checked") {
                return Err("one of its blocks is damaged");
            }
            *word |= 1 << (block % 64);
        }
        data.get(at..at + length).ok_or(BROKEN)
    }
}

const BROKEN: Why = "its entries do not fit its header";

/// Of an entry the lower bits of its hash, its row, and what else it has of the hash.
fn parts(entry: &[u8]) -> Option<(u32, u32, &[u8])> {
    Some((read_u32(entry, 0)?, read_u32(entry, 4)?, entry.get(8..)?))
}

fn bucket_bits(entries: u64) -> u32 {
    let buckets = entries.div_ceil(BUCKET_ENTRIES).max(1);
    buckets.next_power_of_two().trailing_zeros()
}

fn bucket(hash: u64, bits: u32) -> u64 {
    hash.checked_shr(64 - bits).unwrap_or(0)
}

fn low(hash: u64) -> u32 {
    u32::try_from(hash & 0xFFFF_FFFF).expect("the lower half of 64 bits")
}

fn high(hash: u64) -> u32 {
    u32::try_from(hash >> 32).expect("the upper half of 64 bits")
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests fail by panicking")]
#[path = "tests/sidecar.rs"]
mod tests;
