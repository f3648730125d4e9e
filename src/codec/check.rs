//! Every rule of a batch at once, for `verify` and for comparing what was rewritten.
//!
//! Readers check what they read as far as they read it, so a batch that passes here passes
//! everywhere. What only the log knows (whether the batch follows the one before it) is `tally`'s.

use std::collections::HashSet;

use serde::de::IgnoredAny;

use super::column::{Columns, id};
use super::distinct;
use super::ints::{Int, Shape};
use super::rows::{Row, Rows};
use super::view::{Batch, texts_of};
use super::{NOT_IN_THIS_LOG, RowKind};
use crate::error::Fault;
use crate::event::Field;

impl Batch<'_> {
    /// Checks every rule that the format has for the body of a frame.
    pub fn check(&self) -> Result<(), Fault> {
        let rows = self.rows()?;
        self.check_columns(&rows)?;
        if self.marks()?.is_empty() && rows.is_empty() {
            return Err(Fault::Corrupt("a batch has neither events nor marks"));
        }
        let mut known = self.customers_before();
        for (seq, row) in (self.first_seq()..).zip(rows.iter()) {
            self.check_references(&row, &rows, &mut known, seq)?;
            check_texts(&row)?;
        }
        Ok(())
    }

    /// There is one way to write a column, but for whether it is worth compressing.
    fn check_columns(&self, rows: &Rows) -> Result<(), Fault> {
        let mut again = Vec::with_capacity(self.body().len());
        let mut columns = Columns::new(self.body());
        while let Some(column) = columns.next()? {
            column.write(&mut again);
        }
        if again != self.body() {
            return Err(Fault::Corrupt(
                "a number in the header of a column is longer than it need be",
            ));
        }
        self.check_shape(id::KIND, &rows.kinds)?;
        self.check_shape(id::CUSTOMER, &rows.customers)?;
        self.check_shape(id::EVENT_TIME, &rows.times_us)?;
        self.check_shape(id::CENTS, &rows.cents)?;
        self.check_shape(id::SUPERSEDED_CUSTOMER, &rows.superseded_customers)?;
        self.check_shape(id::SUPERSEDED_CENTS, &rows.superseded_cents)?;
        self.check_shape(id::SUPERSEDED_TIME, &rows.superseded_times_us)?;
        self.check_shape(id::ORDER_SEQ, &rows.order_seqs)?;
        self.check_shape(id::KEY_LENGTH, &rows.key_lengths)?;
        self.check_shape(id::FIELDS, &rows.fields)?;
        self.check_texts(texts_of(&rows.fields))
    }

    fn check_texts(&self, count: usize) -> Result<(), Fault> {
        let (mut lengths, mut texts) = (Vec::new(), String::new());
        let choices = self.read_texts(count, &mut lengths, &mut texts)?;
        self.check_shape(id::TEXT_LENGTH, &lengths)?;
        let Some(choices) = choices else { return Ok(()) };
        self.check_shape(id::TEXT_CHOICE, &choices)?;
        let mut seen = HashSet::new();
        if !distinct::split(&lengths, &texts)?.into_iter().all(|text| seen.insert(text)) {
            return Err(Fault::Corrupt("a text that many rows have is written twice"));
        }
        Ok(())
    }

    fn check_shape<T: Int>(&self, id: u8, values: &[T]) -> Result<(), Fault> {
        let written = self.ints(id, values.len())?.map(|column| column.shape());
        if written != Shape::of(values) {
            return Err(Fault::Corrupt("a column of integers is not written as its values demand"));
        }
        Ok(())
    }

    fn check_references(
        &self,
        row: &Row<'_>,
        rows: &Rows,
        known: &mut u32,
        seq: u64,
    ) -> Result<(), Fault> {
        if row.kind == Some(RowKind::CustomerNew) {
            if row.customer != *known {
                return Err(Fault::Corrupt("a new customer has another ordinal than its own"));
            }
            *known = known
                .checked_add(1)
                .filter(|known| *known < NOT_IN_THIS_LOG)
                .ok_or(Fault::Corrupt("a log has more customers than it can have"))?;
        }
        let superseded = row.superseded;
        for customer in [Some(row.customer), superseded.map(|before| before.customer)] {
            if customer.is_some_and(|customer| customer >= *known && customer != NOT_IN_THIS_LOG) {
                return Err(Fault::Corrupt("a row names a customer that is not known yet"));
            }
        }
        if superseded.is_some_and(|before| before.at_us > row.at_us) {
            return Err(Fault::Corrupt("an order update supersedes a later state"));
        }
        let Some(order_seq) = row.order_seq else { return Ok(()) };
        if order_seq >= seq {
            return Err(Fault::Corrupt("an order update is about a later order"));
        }
        if let Some(place) = order_seq.checked_sub(self.first_seq()) {
            let kind = usize::try_from(place).ok().and_then(|place| rows.kinds.get(place));
            if kind != Some(&RowKind::OrderNew.value()) {
                return Err(Fault::Corrupt("an order update is about a row that is no new order"));
            }
        }
        Ok(())
    }
}

/// Checks that a row has only texts that its kind may have, and that JSON is JSON.
fn check_texts(row: &Row<'_>) -> Result<(), Fault> {
    use Field::{AdrCity, AdrState, CameraMake, CameraModel, LastName, Other, Tags};
    let allowed: &[Field] = match row.kind {
        Some(RowKind::CustomerNew | RowKind::CustomerUpdate) => {
            &[LastName, AdrCity, AdrState, Other]
        }
        Some(RowKind::Visit) => &[Tags, Other],
        Some(RowKind::Image) => &[CameraMake, CameraModel, Other],
        Some(RowKind::OrderNew | RowKind::OrderUpdate | RowKind::OrderStale) => &[Other],
        None => &[LastName, AdrCity, AdrState, Tags, CameraMake, CameraModel, Other],
    };
    let count = allowed.iter().filter(|field| text(row, **field).is_some()).count();
    if count != row.texts.iter().flatten().count() {
        return Err(Fault::Corrupt("a row has a text that its kind does not have"));
    }
    let tags = text(row, Tags).is_none_or(|tags| is_json(tags, b"[{"));
    if !(tags && text(row, Other).is_none_or(|other| is_json(other, b"{"))) {
        return Err(Fault::Corrupt("tags or other fields are not the JSON that they should be"));
    }
    Ok(())
}

fn text<'a>(row: &Row<'a>, field: Field) -> Option<&'a str> {
    row.texts.get(field as usize).copied().flatten()
}

/// Whether `text` is one JSON value whose first byte is one of `first`.
fn is_json(text: &str, first: &[u8]) -> bool {
    text.bytes().next().is_some_and(|byte| first.contains(&byte))
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}
