//! The log as the server knows it: statistics, who has which id, and which event last changed
//! what a customer is worth; and what happened in each week.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::columns::{Columns, Step};
use super::weeks::Weeks;
use crate::{Batch, Fault, Projection, Statistics, TimeFrame};

/// Folded from the first event on. Some 90 bytes a customer and the length of its id.
pub(super) struct Fold {
    pub(super) statistics: Statistics,
    /// Those of all customers together.
    pub(super) weeks: Weeks,
    ids: Ids,
    /// By ordinal: the sequence of the last event that gave the customer an order, or took one
    /// away; [`NEVER`] if none did.
    last_orders: Vec<u64>,
    columns: Columns,
}

/// No event's sequence.
const NEVER: u64 = u64::MAX;

impl Fold {
    pub(super) fn new() -> Fold {
        Fold {
            statistics: Statistics::over(TimeFrame::Dataset),
            weeks: Weeks::default(),
            ids: Ids::new(),
            last_orders: Vec::new(),
            columns: Columns::default(),
        }
    }

    /// The ordinal of a customer.
    pub(super) fn ordinal(&self, id: &str) -> Option<u32> {
        self.ids.find(id)
    }

    /// The id of a customer.
    pub(super) fn id(&self, ordinal: u32) -> Option<&str> {
        let Ids { text, ends, .. } = &self.ids;
        ((ordinal as usize) < ends.len()).then(|| id_at(text, ends, ordinal))
    }

    /// The event that last changed what a customer is worth.
    pub(super) fn last_order(&self, ordinal: u32) -> Option<u64> {
        let sequence = self.last_orders.get(ordinal as usize).copied();
        sequence.filter(|sequence| *sequence != NEVER)
    }

    /// Takes in what customers did. A customer that is not in this log has no place here.
    fn note(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let Fold { statistics, weeks, last_orders, columns, .. } = self;
        columns.read(batch)?;
        last_orders.resize(statistics.customers().len(), NEVER);
        columns.steps(&mut |row, ordinal, at_us, step| {
            let Some(last) = last_orders.get_mut(ordinal as usize) else { return };
            weeks.add(at_us, step);
            if step != Step::Visit {
                *last = batch.first_seq() + row as u64;
            }
        });
        Ok(())
    }
}

impl Projection for Fold {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        self.statistics.apply(batch)?;
        let ids = &mut self.ids;
        batch.new_customers(&mut |id| ids.push(id))?;
        self.note(batch)
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
