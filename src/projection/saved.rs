//! A checkpoint as it lies in its file: what is asked for is read there, and nothing else.
//!
//! Each block is held against its CRC before the first of its bytes counts. So a top X reads the
//! greatest revenue of each 512 customers, the blocks of revenues that these make interesting, and
//! of the other sections a block for each customer that it shows.

use std::cell::Cell;
use std::ops::Range;

use super::checkpoint::{
    BLOCK_BYTES, CONTRADICTS, HEADER_BYTES, Header, Reader, SECTION_COUNT, Section, UPDATE_BYTES,
    decode_header, is_sound, layout, lengths, take_update,
};
use super::figures::Figures;
use super::ltv::{Measure, Value};
use super::rank::CHUNK_CUSTOMERS;
use super::statistics::CustomerStatistics;
use super::updates::FieldUpdate;
use super::weeks::Frame;
use crate::error::Fault;
use crate::event::Field;
use crate::planted::planted;

const DAMAGED: Fault = Fault::Corrupt("a block of a checkpoint is damaged");

/// The sections by place.
const REVENUE: usize = 0;
const VISITS: usize = 1;
const ORDERS: usize = 2;
const FIRST: usize = 3;
const LAST: usize = 4;
const UPDATES: usize = 5;
const GREATEST: usize = 7;

/// The bytes of a checkpoint whose header is right.
#[derive(Debug)]
pub(crate) struct Saved<'a> {
    header: Header,
    crcs: &'a [[u8; 4]],
    /// From the first section on.
    blocks: &'a [u8],
    /// Where those begin in the file.
    start: usize,
    /// A bit for each block that was found to be right.
    checked: Vec<Cell<u64>>,
}

impl<'a> Saved<'a> {
    /// Reads the header and the CRCs of the blocks.
    ///
    /// # Errors
    ///
    /// As [`decode_header`]; also if the file has another length than the header says.
    pub(crate) fn open(bytes: &'a [u8], log_id: u64) -> Result<Saved<'a>, Fault> {
        let header = decode_header(bytes, log_id)?;
        let [.., updates, marks, _] = header.sections.map(|section| section.length);
        let due = layout(lengths(header.customers, updates, marks));
        let end = header.sections.last().map(Section::end);
        if due != Some(header.sections) || end != Some(bytes.len() as u64) {
            return Err(CONTRADICTS);
        }
        let [first, ..] = header.sections;
        let start = usize::try_from(first.offset).map_err(|_too_wide| CONTRADICTS)?;
        let (before, blocks) = bytes.split_at_checked(start).ok_or(CONTRADICTS)?;
        let crcs = before.get(HEADER_BYTES..).ok_or(CONTRADICTS)?;
        let count = blocks.len().div_ceil(BLOCK_BYTES);
        let (crcs, gap) = crcs.split_at_checked(4 * count).ok_or(CONTRADICTS)?;
        if crc32fast::hash(crcs) != header.blocks_crc || gap.iter().any(|byte| *byte != 0) {
            return Err(Fault::Corrupt("the block checksums of a checkpoint are damaged"));
        }
        let checked = vec![Cell::new(0); count.div_ceil(64)];
        Ok(Saved { header, crcs: crcs.as_chunks().0, blocks, start, checked })
    }

    /// What the checkpoint says of itself.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Every section, and that the gaps between them are zero.
    pub(super) fn all(&self) -> Result<[&'a [u8]; SECTION_COUNT], Fault> {
        let mut found = [[].as_slice(); SECTION_COUNT];
        let mut end = 0;
        for (place, out) in found.iter_mut().enumerate() {
            let range = self.range(place, 0, 1)?.start..self.section_end(place)?;
            if self.bytes(end..range.start)?.iter().any(|byte| *byte != 0) {
                return Err(CONTRADICTS);
            }
            end = range.end;
            *out = self.bytes(range)?;
        }
        Ok(found)
    }

    fn section_end(&self, place: usize) -> Result<usize, Fault> {
        let section = self.header.sections.get(place).ok_or(CONTRADICTS)?;
        let end = usize::try_from(section.end()).map_err(|_too_wide| CONTRADICTS)?;
        end.checked_sub(self.start).ok_or(CONTRADICTS)
    }

    /// Where a row of `width` bytes lies in a section, counted from the first block.
    fn range(&self, place: usize, row: usize, width: usize) -> Result<Range<usize>, Fault> {
        let section = self.header.sections.get(place).ok_or(CONTRADICTS)?;
        let offset = usize::try_from(section.offset).map_err(|_too_wide| CONTRADICTS)?;
        let start = row.checked_mul(width).and_then(|bytes| bytes.checked_add(offset - self.start));
        let start = start.ok_or(CONTRADICTS)?;
        Ok(start..start.checked_add(width).ok_or(CONTRADICTS)?)
    }

    fn row<const N: usize>(&self, place: usize, row: usize) -> Result<[u8; N], Fault> {
        let bytes = self.bytes(self.range(place, row, N)?)?;
        bytes.first_chunk().copied().ok_or(CONTRADICTS)
    }

    /// Bytes of blocks, each of which is checked the first time.
    fn bytes(&self, range: Range<usize>) -> Result<&'a [u8], Fault> {
        for block in range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES) {
            self.check(block)?;
        }
        self.blocks.get(range).ok_or(CONTRADICTS)
    }

    fn check(&self, block: usize) -> Result<(), Fault> {
        let word = self.checked.get(block / 64).ok_or(CONTRADICTS)?;
        let bit = 1 << (block % 64);
        if word.get() & bit != 0 || planted("checkpoint's blocks not checked") {
            return Ok(());
        }
        let crc = self.crcs.get(block).ok_or(CONTRADICTS)?;
        let bytes = self.blocks.chunks(BLOCK_BYTES).nth(block).ok_or(CONTRADICTS)?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
            return Err(DAMAGED);
        }
        word.set(word.get() | bit);
        Ok(())
    }

    /// The update in a row of its section, with its customer and field.
    fn update(&self, row: usize) -> Result<(u32, u32, FieldUpdate), Fault> {
        take_update(&mut Reader { rest: &self.row::<UPDATE_BYTES>(UPDATES, row)? })
    }
}

impl Figures for Saved<'_> {
    fn end(&self) -> u64 {
        self.header.end
    }

    fn frame(&self) -> Option<Frame> {
        self.header.frame
    }

    fn window_us(&self) -> Option<Range<i64>> {
        None
    }

    fn customer_count(&self) -> u32 {
        self.header.customers
    }

    fn customer(&self, ordinal: u32) -> Result<CustomerStatistics, Fault> {
        let row = usize::try_from(ordinal).map_err(|_too_wide| CONTRADICTS)?;
        if ordinal >= self.header.customers {
            return Err(CONTRADICTS);
        }
        let customer = CustomerStatistics {
            revenue_cents: i64::from_le_bytes(self.row(REVENUE, row)?),
            first_us: i64::from_le_bytes(self.row(FIRST, row)?),
            last_us: i64::from_le_bytes(self.row(LAST, row)?),
            visits: u32::from_le_bytes(self.row(VISITS, row)?),
            orders: u32::from_le_bytes(self.row(ORDERS, row)?),
        };
        let sound = is_sound(&customer, self.header.frame, self.header.cents_abs);
        sound.then_some(customer).ok_or(CONTRADICTS)
    }

    fn values(&self, ordinals: Range<u32>, weeks: u32, out: &mut Vec<Value>) -> Result<(), Fault> {
        let place = |ordinal: u32| usize::try_from(ordinal).map_err(|_too_wide| CONTRADICTS);
        if ordinals.end > self.header.customers {
            return Err(CONTRADICTS);
        }
        let start = self.range(REVENUE, place(ordinals.start)?, 8)?.start;
        let end = self.range(REVENUE, place(ordinals.end)?, 8)?.start;
        let (revenues, _) = self.bytes(start..end)?.as_chunks::<8>();
        out.extend(revenues.iter().map(|revenue| {
            let revenue_cents = i64::from_le_bytes(*revenue);
            Measure { revenue_cents, visits: 0, orders: 0, weeks }.value()
        }));
        Ok(())
    }

    fn revenue_at_most(&self, chunk: u32) -> Result<i64, Fault> {
        let row = usize::try_from(chunk).map_err(|_too_wide| CONTRADICTS)?;
        if chunk >= self.header.customers.div_ceil(CHUNK_CUSTOMERS) {
            return Err(CONTRADICTS);
        }
        Ok(i64::from_le_bytes(self.row(GREATEST, row)?))
    }

    fn field_update(&self, ordinal: u32, field: Field) -> Result<Option<FieldUpdate>, Fault> {
        let wanted = (ordinal, u32::from(field as u8));
        let [.., updates, _, _] = self.header.sections;
        let count = usize::try_from(updates.length).map_err(|_too_wide| CONTRADICTS)?;
        // The first row that is not before the one that is wanted.
        let (mut low, mut high) = (0, count / UPDATE_BYTES);
        while low < high {
            let middle = low.midpoint(high);
            let (ordinal, field, _) = self.update(middle)?;
            if (ordinal, field) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low >= count / UPDATE_BYTES {
            return Ok(None);
        }
        let (ordinal, field, update) = self.update(low)?;
        if update.seq >= self.header.end {
            return Err(CONTRADICTS);
        }
        Ok(((ordinal, field) == wanted).then_some(update))
    }
}
