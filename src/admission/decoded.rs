//! Batches that were decoded whole to compare events with them, the last few of them: a file that
//! is appended a second time meets the batches of its first time in order.

use crate::codec::{Batch, Row, Rows};
use crate::error::Fault;

/// How many decoded batches are kept, some 500 KB each.
const SLOTS: usize = 32;

/// Decoded batches, the oldest replaced first.
#[derive(Default)]
pub(super) struct Decoded {
    slots: Vec<Slot>,
    /// The slot that was looked into last.
    last: usize,
    next: usize,
}

#[derive(Default)]
struct Slot {
    first_seq: u64,
    rows: Rows,
}

impl Slot {
    fn row(&self, seq: u64) -> Option<Row<'_>> {
        self.rows.get(usize::try_from(seq.checked_sub(self.first_seq)?).ok()?)
    }
}

impl Decoded {
    /// The row at a sequence, if its batch is here.
    pub(super) fn row(&mut self, seq: u64) -> Option<Row<'_>> {
        if self.slots.get(self.last).and_then(|slot| slot.row(seq)).is_none() {
            self.last = self.slots.iter().position(|slot| slot.row(seq).is_some())?;
        }
        self.slots.get(self.last)?.row(seq)
    }

    /// Decodes a batch, in place of the one that was decoded longest ago.
    pub(super) fn keep(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        if self.slots.len() < SLOTS {
            self.slots.push(Slot::default());
        }
        let at = self.next % self.slots.len();
        self.next = self.next.wrapping_add(1) % SLOTS;
        if let Some(slot) = self.slots.get_mut(at) {
            // Until its rows are whole the slot has none that could be asked for.
            slot.first_seq = u64::MAX;
            batch.read_rows(&mut slot.rows)?;
            slot.first_seq = batch.first_seq();
        }
        Ok(())
    }
}
