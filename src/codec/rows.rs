//! Rows of a batch in memory: columns of values, and for each row where its values begin.
//!
//! Both sides keep their rows here: a builder pushes them, a reader fills the columns from bytes
//! and has the beginnings counted. Knows no encoding.

use std::borrow::Cow;

use super::{RowKind, Superseded};
use crate::event::{Event, FIELD_COUNT, Kind};

/// The rows of one batch, readable in any order. Reuse one for many batches: it keeps its memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub(super) kinds: Vec<u8>,
    pub(super) customers: Vec<u32>,
    pub(super) times_us: Vec<i64>,
    /// Of rows of kinds 5 to 7.
    pub(super) cents: Vec<i64>,
    /// Of rows of kind 6, as are the next two.
    pub(super) superseded_customers: Vec<u32>,
    pub(super) superseded_cents: Vec<i64>,
    pub(super) superseded_times_us: Vec<i64>,
    /// Of rows of kinds 6 and 7.
    pub(super) order_seqs: Vec<u64>,
    /// Of all rows but customer updates.
    pub(super) key_lengths: Vec<u8>,
    pub(super) keys: String,
    pub(super) fields: Vec<u8>,
    /// One for each bit in `fields`.
    pub(super) text_lengths: Vec<u32>,
    pub(super) texts: String,
    places: Vec<Place>,
    /// The place after the last row.
    end: Place,
}

/// Where the values of a row begin in the columns that do not have one for each row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: usize,
    pub(super) key_byte: usize,
    pub(super) text: usize,
    pub(super) text_byte: usize,
    pub(super) order: usize,
    pub(super) update: usize,
    pub(super) effective: usize,
}

/// One row as read back: an event whose references are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// What it is; none of a kind that only counts for first and last event.
    pub kind: Option<RowKind>,
    /// Ordinal of the customer it names.
    pub customer: u32,
    /// Its event time, µs since 1970.
    pub at_us: i64,
    /// The amount of an order; 0 on every other kind.
    pub cents: i64,
    /// What an effective order update replaced.
    pub superseded: Option<Superseded>,
    /// The sequence of the ORDER NEW that an order update is about.
    pub order_seq: Option<u64>,
    /// The event's key, empty if it was erased; none on customer updates, whose key is the
    /// customer's.
    pub key: Option<&'a str>,
    /// The optional texts, by [`Field`](crate::Field).
    pub texts: [Option<&'a str>; FIELD_COUNT],
}

impl Row<'_> {
    /// The event that the row was written from. A row of a CUSTOMER has `customer_id` as its key;
    /// `None` of a kind that this build does not know.
    pub fn to_event<'a>(&'a self, key: &'a str, customer_id: &'a str) -> Option<Event<'a>> {
        let kind = match self.kind? {
            RowKind::CustomerNew => Kind::CustomerNew,
            RowKind::CustomerUpdate => Kind::CustomerUpdate,
            RowKind::Visit => Kind::SiteVisitNew,
            RowKind::Image => Kind::ImageUpload,
            RowKind::OrderNew => Kind::OrderNew,
            RowKind::OrderUpdate | RowKind::OrderStale => Kind::OrderUpdate,
        };
        let (key, customer_id) = match kind {
            Kind::CustomerNew | Kind::CustomerUpdate => (customer_id, ""),
            Kind::SiteVisitNew | Kind::ImageUpload | Kind::OrderNew | Kind::OrderUpdate => {
                (key, customer_id)
            }
        };
        Some(Event {
            kind,
            key: Cow::Borrowed(key),
            customer_id: Cow::Borrowed(customer_id),
            at_us: self.at_us,
            amount_cents: self.cents,
            texts: self.texts.map(|text| text.map(Cow::Borrowed)),
        })
    }
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Row `index`; `None` past the last one.
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        let place = self.places.get(index)?;
        let value = *self.kinds.get(index)?;
        let kind = RowKind::of(value);
        let superseded = if kind == Some(RowKind::OrderUpdate) {
            Some(Superseded {
                customer: *self.superseded_customers.get(place.effective)?,
                cents: *self.superseded_cents.get(place.effective)?,
                at_us: *self.superseded_times_us.get(place.effective)?,
            })
        } else {
            None
        };
        let order_seq =
            if is_order_update(value) { Some(*self.order_seqs.get(place.update)?) } else { None };
        let key = if has_key(value) {
            let length = usize::from(*self.key_lengths.get(place.key)?);
            Some(self.keys.get(place.key_byte..place.key_byte + length)?)
        } else {
            None
        };
        Some(Row {
            kind,
            customer: *self.customers.get(index)?,
            at_us: *self.times_us.get(index)?,
            cents: if is_order(value) { *self.cents.get(place.order)? } else { 0 },
            superseded,
            order_seq,
            key,
            texts: self.texts_at(place, *self.fields.get(index)?)?,
        })
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    fn texts_at(&self, place: &Place, fields: u8) -> Option<[Option<&str>; FIELD_COUNT]> {
        let mut texts = [None; FIELD_COUNT];
        let mut lengths = self.text_lengths.get(place.text..)?.iter();
        let mut start = place.text_byte;
        for (bit, text) in texts.iter_mut().enumerate() {
            if fields >> bit & 1 == 1 {
                let end = start + usize::try_from(*lengths.next()?).ok()?;
                *text = Some(self.texts.get(start..end)?);
                start = end;
            }
        }
        Some(texts)
    }

    /// Forgets the rows, but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.kinds.clear();
        self.customers.clear();
        self.times_us.clear();
        self.cents.clear();
        self.superseded_customers.clear();
        self.superseded_cents.clear();
        self.superseded_times_us.clear();
        self.order_seqs.clear();
        self.key_lengths.clear();
        self.keys.clear();
        self.fields.clear();
        self.text_lengths.clear();
        self.texts.clear();
        self.places.clear();
        self.end = Place::default();
    }

    /// Notes where the row whose values were just pushed began.
    pub(super) fn close_row(&mut self) {
        self.places.push(self.end);
        self.end = Place {
            key: self.key_lengths.len(),
            key_byte: self.keys.len(),
            text: self.text_lengths.len(),
            text_byte: self.texts.len(),
            order: self.cents.len(),
            update: self.order_seqs.len(),
            effective: self.superseded_customers.len(),
        };
    }

    /// Finds where each row begins once the columns are filled; `None` if a text would begin or
    /// end inside a character or past the end.
    pub(super) fn place_rows(&mut self) -> Option<()> {
        self.places.clear();
        let mut place = Place::default();
        let (mut key_lengths, mut lengths) = (self.key_lengths.iter(), self.text_lengths.iter());
        for (kind, fields) in self.kinds.iter().zip(&self.fields) {
            self.places.push(place);
            if has_key(*kind) {
                place.key += 1;
                place.key_byte += usize::from(*key_lengths.next()?);
                self.keys.is_char_boundary(place.key_byte).then_some(())?;
            }
            for _ in 0..fields.count_ones() {
                place.text += 1;
                place.text_byte += usize::try_from(*lengths.next()?).ok()?;
                self.texts.is_char_boundary(place.text_byte).then_some(())?;
            }
            place.order += usize::from(is_order(*kind));
            place.update += usize::from(is_order_update(*kind));
            place.effective += usize::from(*kind == RowKind::OrderUpdate.value());
        }
        self.end = place;
        Some(())
    }
}

/// Whether rows of this kind have an amount.
pub(super) fn is_order(kind: u8) -> bool {
    (RowKind::OrderNew.value()..=RowKind::OrderStale.value()).contains(&kind)
}

/// Whether rows of this kind name the ORDER NEW that they are about.
pub(super) fn is_order_update(kind: u8) -> bool {
    kind == RowKind::OrderUpdate.value() || kind == RowKind::OrderStale.value()
}

/// Whether rows of this kind have a key of their own.
pub(super) fn has_key(kind: u8) -> bool {
    kind != RowKind::CustomerUpdate.value()
}
