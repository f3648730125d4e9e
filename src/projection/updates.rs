//! Which update gave each field of each customer its value.
//!
//! A customer's field has the value of the latest event, by event time and then by sequence, that
//! gives it one. Only CUSTOMER UPDATE events are kept here, and only the best for each field: most
//! customers never have any. The CUSTOMER NEW event is found through the customer's ordinal, by
//! whoever reads the value; an update of the same time wins over it, being later in the log.

use hashbrown::HashTable;

use crate::event::Field;

/// The fields that a customer has, in the order of their numbers.
pub(super) const CUSTOMER_FIELDS: [Field; 3] = [Field::LastName, Field::AdrCity, Field::AdrState];

/// The CUSTOMER UPDATE that gives a field its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldUpdate {
    /// Its event time, µs since 1970.
    pub at_us: i64,
    /// Its sequence.
    pub seq: u64,
}

/// The best update of every (customer, field) that has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Updates {
    table: HashTable<Entry>,
}

/// Sorts by customer and field first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The customer's ordinal.
    pub ordinal: u32,
    /// The [`Field`]'s number.
    pub field: u8,
    /// The update.
    pub update: FieldUpdate,
}

impl Updates {
    /// Takes in an update, if it is later than what is known.
    pub(super) fn offer(&mut self, ordinal: u32, field: Field, update: FieldUpdate) {
        self.enter(Entry { ordinal, field: field as u8, update });
    }

    /// Takes in the updates of other batches, wherever those stand in the log.
    pub(super) fn take_in(&mut self, others: &Updates) {
        others.table.iter().for_each(|entry| self.enter(*entry));
    }

    fn enter(&mut self, Entry { ordinal, field, update }: Entry) {
        let same = |entry: &Entry| (entry.ordinal, entry.field) == (ordinal, field);
        self.table
            .entry(hash(ordinal, field), same, |entry| hash(entry.ordinal, entry.field))
            .and_modify(|entry| entry.update = entry.update.max(update))
            .or_insert(Entry { ordinal, field, update });
    }

    /// The update that gives the field its value, unless CUSTOMER NEW does.
    pub(super) fn get(&self, ordinal: u32, field: Field) -> Option<FieldUpdate> {
        let field = field as u8;
        let same = |entry: &Entry| (entry.ordinal, entry.field) == (ordinal, field);
        self.table.find(hash(ordinal, field), same).map(|entry| entry.update)
    }

    /// The field with a number, if customers have it.
    pub(super) fn field(number: u32) -> Option<Field> {
        CUSTOMER_FIELDS.into_iter().find(|field| u32::from(*field as u8) == number)
    }

    /// All of them, by customer and field.
    pub(super) fn sorted(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.table.iter().copied().collect();
        entries.sort_unstable();
        entries
    }
}

impl PartialEq for Updates {
    fn eq(&self, other: &Updates) -> bool {
        self.sorted() == other.sorted()
    }
}

/// Ordinals are dense and no outsider chooses them, so a multiplication spreads them well enough.
fn hash(ordinal: u32, field: u8) -> u64 {
    let product = (u64::from(ordinal) << 2 | u64::from(field)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 32
}
