//! The log as the server knows it: statistics, who has which id, and which event last changed
//! what a customer is worth.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::{Batch, Fault, Projection, RowKind, Statistics, TimeFrame};

/// Folded from the first event on. Some 60 bytes a customer and the length of its id.
pub(super) struct Fold {
    pub(super) statistics: Statistics,
    ids: Ids,
    /// By ordinal: the sequence of the last event that gave the customer an order, or took one
    /// away; [`NEVER`] if none did.
    last_orders: Vec<u64>,
    columns: Columns,
}

/// No event's sequence.
const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Columns {
    kinds: Vec<u8>,
    customers: Vec<u32>,
    superseded: Vec<u32>,
}

impl Fold {
    pub(super) fn new() -> Fold {
        Fold {
            statistics: Statistics::over(TimeFrame::Dataset),
            ids: Ids::new(),
            last_orders: Vec::new(),
            columns: Columns::default(),
        }
    }

    /// The ordinal of a customer.
    pub(super) fn ordinal(&self, id: &str) -> Option<u32> {
        self.ids.find(id)
    }

    /// The event that last changed what a customer is worth.
    pub(super) fn last_order(&self, ordinal: u32) -> Option<u64> {
        let sequence = self.last_orders.get(ordinal as usize).copied();
        sequence.filter(|sequence| *sequence != NEVER)
    }

    fn note_orders(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let Columns { kinds, customers, superseded } = &mut self.columns;
        let counts = batch.kinds(kinds)?;
        self.last_orders.resize(self.statistics.customers().len(), NEVER);
        if counts.orders == 0 {
            return Ok(());
        }
        batch.customers(customers)?;
        batch.superseded_customers(&counts, superseded)?;
        let mut superseded = superseded.iter();
        let mut note = |ordinal: u32, sequence| {
            if let Some(last) = self.last_orders.get_mut(ordinal as usize) {
                *last = sequence;
            }
        };
        let rows = kinds.iter().zip(customers).zip(batch.first_seq()..);
        for ((kind, ordinal), sequence) in rows {
            if *kind == RowKind::OrderNew as u8 {
                note(*ordinal, sequence);
            } else if *kind == RowKind::OrderUpdate as u8 {
                note(*ordinal, sequence);
                superseded.next().into_iter().for_each(|ordinal| note(*ordinal, sequence));
            }
        }
        Ok(())
    }
}

impl Projection for Fold {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        self.statistics.apply(batch)?;
        let ids = &mut self.ids;
        batch.new_customers(&mut |id| ids.push(id))?;
        self.note_orders(batch)
    }
}

/// Customers' ids by ordinal, and ordinals by id.
struct Ids {
    text: String,
    /// Where each id ends in the text.
    ends: Vec<usize>,
    ordinals: HashTable<u32>,
    hasher: RandomState,
}

impl Ids {
    fn new() -> Ids {
        Ids {
            text: String::new(),
            ends: Vec::new(),
            ordinals: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    fn push(&mut self, id: &str) {
        let Ok(ordinal) = u32::try_from(self.ends.len()) else { return };
        self.text.push_str(id);
        self.ends.push(self.text.len());
        let Ids { text, ends, ordinals, hasher } = self;
        let hash = |ordinal: &u32| hasher.hash_one(id_at(text, ends, *ordinal));
        ordinals.insert_unique(hash(&ordinal), ordinal, hash);
    }

    fn find(&self, id: &str) -> Option<u32> {
        let same = |ordinal: &u32| id_at(&self.text, &self.ends, *ordinal) == id;
        self.ordinals.find(self.hasher.hash_one(id), same).copied()
    }
}

fn id_at<'t>(text: &'t str, ends: &[usize], ordinal: u32) -> &'t str {
    let at = ordinal as usize;
    let start = at.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(at).and_then(|end| text.get(start..*end)).unwrap_or_default()
}
