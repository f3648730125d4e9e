//! Single rows of a batch, without decoding the columns that are not asked for.
//!
//! For answering whether a key is the one that a hash promised, what an order's state is, and what a
//! customer is called.

use std::ops::Range;

use super::RowKind;
use super::column::id;
use super::counts::{Counts, count};
use super::rows::{has_key, is_order, is_order_update};
use super::view::{Batch, ROWS, texts_of, total};
use crate::error::Fault;
use crate::event::FIELD_COUNT;

/// An order as one of its rows tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderState {
    /// Ordinal of the customer it counts for.
    pub(crate) customer: u32,
    /// Its amount.
    pub(crate) cents: i64,
    /// Its event time, µs since 1970.
    pub(crate) at_us: i64,
    /// The sequence of its ORDER NEW, which may be this very row.
    pub(crate) order_seq: u64,
}

/// Memory that reading newcomers works in.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    kinds: Vec<u8>,
    key_lengths: Vec<u8>,
    keys: String,
}

/// Memory that looking for a customer works in.
#[derive(Debug, Default)]
pub(crate) struct Named {
    customers: Vec<u32>,
    kinds: Vec<u8>,
}

impl Batch<'_> {
    /// Whether a row names a customer, or took an order away from it.
    pub(crate) fn names(&self, customer: u32, scratch: &mut Named) -> Result<bool, Fault> {
        let Named { customers, kinds } = scratch;
        self.customers(customers)?;
        if customers.contains(&customer) {
            return Ok(true);
        }
        if !self.has(id::SUPERSEDED_CUSTOMER) {
            return Ok(false);
        }
        let counts = self.kinds(kinds)?;
        self.superseded_customers(&counts, customers)?;
        Ok(customers.contains(&customer))
    }

    /// Gives the id of each customer that the batch makes known, in the order of their ordinals, of
    /// which the first is [`customers_before`](Batch::customers_before). An id is empty if it was
    /// erased.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the batch breaks a rule of the format.
    pub fn new_customers(&self, each: &mut dyn FnMut(&str)) -> Result<(), Fault> {
        self.each_newcomer(&mut Newcomers::default(), each)
    }

    /// Gives the key of each CUSTOMER NEW, in order; it is empty if it was erased.
    pub(crate) fn each_newcomer(
        &self,
        scratch: &mut Newcomers,
        each: &mut dyn FnMut(&str),
    ) -> Result<(), Fault> {
        let Newcomers { kinds, key_lengths, keys } = scratch;
        let counts = self.kinds(kinds)?;
        if counts.customers_new == 0 {
            return Ok(());
        }
        self.read_keys(&counts, key_lengths, keys)?;
        let (mut start, mut lengths) = (0, key_lengths.iter());
        for kind in kinds.iter().filter(|kind| has_key(**kind)) {
            let end = start + usize::from(*lengths.next().ok_or(ROWS)?);
            let key = keys.get(start..end).ok_or(ROWS)?;
            if *kind == RowKind::CustomerNew.value() {
                each(key);
            }
            start = end;
        }
        Ok(())
    }

    /// Reads the key of a row into `out`, in place of what is there, and tells the row's kind;
    /// none of a row without a key or of a kind that is not known. An empty key was erased.
    pub(crate) fn key_at(&self, row: usize, out: &mut String) -> Result<Option<RowKind>, Fault> {
        let mut bytes = std::mem::take(out).into_bytes();
        bytes.clear();
        let mut kinds = Vec::new();
        let counts = self.kinds(&mut kinds)?;
        let (before, kind) = before_and_at(&kinds, row)?;
        if !has_key(kind) {
            return Ok(None);
        }
        let (place, length) = self.key_place(count(before, has_key), counts.keyed)?;
        let keys = self.keys.as_ref().ok_or(ROWS)?;
        keys.read_part(place, length, &mut bytes)?;
        let Ok(key) = String::from_utf8(bytes) else {
            return Err(Fault::Corrupt("a key is not UTF-8"));
        };
        *out = key;
        Ok(RowKind::of(kind))
    }

    /// Where among the bytes of all `keyed` keys one of them stands, and how many bytes all have.
    fn key_place(&self, key: usize, keyed: usize) -> Result<(Range<usize>, usize), Fault> {
        let column = self.ints(id::KEY_LENGTH, keyed)?.ok_or(ROWS)?;
        if column.same().is_some() {
            let length = usize::from(column.get::<u8>(key, keyed)?);
            return Ok((key * length..(key + 1) * length, keyed * length));
        }
        let mut lengths: Vec<u8> = Vec::new();
        column.read(keyed, &mut lengths)?;
        let (before, rest) = lengths.split_at_checked(key).ok_or(ROWS)?;
        let sum = |lengths: &[u8]| lengths.iter().map(|length| usize::from(*length)).sum::<usize>();
        let (start, length) = (sum(before), usize::from(*rest.first().ok_or(ROWS)?));
        Ok((start..start + length, start + sum(rest)))
    }

    /// The row of the batch's CUSTOMER NEW before which it has `place` others.
    pub(crate) fn newcomer_at(&self, place: usize) -> Result<Option<usize>, Fault> {
        let mut kinds = Vec::new();
        self.kinds(&mut kinds)?;
        let new = RowKind::CustomerNew.value();
        let rows = (0..).zip(&kinds).filter(|(_, kind)| **kind == new);
        Ok(rows.map(|(row, _)| row).nth(place))
    }

    /// How many customers the log has before a row, or after all of them.
    pub(crate) fn customers_before_row(&self, row: usize) -> Result<u32, Fault> {
        let mut kinds = Vec::new();
        self.kinds(&mut kinds)?;
        let before = kinds.get(..row).unwrap_or(&kinds);
        let news = count(before, |kind| kind == RowKind::CustomerNew.value());
        Ok(self.customers_before().saturating_add(u32::try_from(news).unwrap_or(u32::MAX)))
    }

    /// The event time of a row, µs since 1970.
    pub(crate) fn time_at(&self, row: usize) -> Result<i64, Fault> {
        let events = self.events();
        self.ints(id::EVENT_TIME, events)?.ok_or(ROWS)?.get(row, events)
    }

    /// The optional texts of a row.
    pub(crate) fn texts_at(&self, row: usize) -> Result<[Option<String>; FIELD_COUNT], Fault> {
        let mut texts = [const { None }; FIELD_COUNT];
        let mut fields = Vec::new();
        self.fields(&mut fields)?;
        let (before, own) = before_and_at(&fields, row)?;
        let (mut lengths, mut all) = (Vec::new(), String::new());
        let choices = self.read_texts(texts_of(&fields), &mut lengths, &mut all)?;
        let present = texts.iter_mut().enumerate().filter(|(bit, _)| own >> bit & 1 == 1);
        for (place, (_, text)) in (texts_of(before)..).zip(present) {
            let at = match &choices {
                Some(choices) => *choices.get(place).ok_or(ROWS)? as usize,
                None => place,
            };
            let (before, rest) = lengths.split_at_checked(at).ok_or(ROWS)?;
            let (start, length) = (total(before)?, *rest.first().ok_or(ROWS)? as usize);
            *text = Some(all.get(start..start + length).ok_or(ROWS)?.to_owned());
        }
        Ok(texts)
    }

    /// The order that a row tells about; `None` if it is no row of an order.
    pub(crate) fn order_at(&self, row: usize) -> Result<Option<OrderState>, Fault> {
        let mut kinds = Vec::new();
        let counts = self.kinds(&mut kinds)?;
        let (before, kind) = before_and_at(&kinds, row)?;
        if !is_order(kind) {
            return Ok(None);
        }
        let order_seq = if kind == RowKind::OrderNew.value() {
            self.first_seq() + u64::try_from(row).ok().ok_or(ROWS)?
        } else {
            let place = count(before, is_order_update);
            self.order_seq_at(place, &counts)?
        };
        let events = self.events();
        Ok(Some(OrderState {
            customer: self.ints(id::CUSTOMER, events)?.ok_or(ROWS)?.get(row, events)?,
            cents: self
                .ints(id::CENTS, counts.orders)?
                .ok_or(ROWS)?
                .get(count(before, is_order), counts.orders)?,
            at_us: self.ints(id::EVENT_TIME, events)?.ok_or(ROWS)?.get(row, events)?,
            order_seq,
        }))
    }

    fn order_seq_at(&self, place: usize, counts: &Counts) -> Result<u64, Fault> {
        let column = self.ints(id::ORDER_SEQ, counts.order_updates)?.ok_or(ROWS)?;
        column.get(place, counts.order_updates)
    }
}

/// The kinds or fields of the rows before a row, and its own.
fn before_and_at(rows: &[u8], row: usize) -> Result<(&[u8], u8), Fault> {
    let (before, rest) =
        rows.split_at_checked(row).ok_or(Fault::Corrupt("a batch lacks the row that was asked"))?;
    let at = rest.first().ok_or(Fault::Corrupt("a batch lacks the row that was asked"))?;
    Ok((before, *at))
}
