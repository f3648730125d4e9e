//! Events behind damage, told as their producers told them, so that they can be appended again.
//!
//! Only what admission would take again counts: the customer's id must have been read, and of an
//! order update also the order. The ids of all customers that are read are in memory.

use std::collections::HashMap;
use std::ops::Range;

use crate::codec::{Batch, Row, RowKind};
use crate::event::Rules;
use crate::log::Frame;
use crate::projection::{Projection, Statistics};
use crate::{Error, Fault};

/// Receives the lines of the events that are saved.
pub(super) type Line<'a> = dyn FnMut(&str) -> Result<(), Error> + 'a;

/// What is known of the events that are kept or were read behind the damage.
#[derive(Default)]
pub(super) struct Salvage {
    /// What is known is of one history from this sequence on; 0 for that of what is kept.
    since: u64,
    ids: HashMap<u32, Box<str>>,
    statistics: Statistics,
    /// Sequences that were saved, ascending.
    pub(super) saved: Vec<Range<u64>>,
}

impl Salvage {
    /// A batch that is kept must pass whatever `verify` asks of it.
    pub(super) fn keep(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        let batch = Batch::decode(&frame.body, frame.first_seq, frame.events)?;
        batch.check()?;
        self.statistics.apply(&batch)?;
        for row in batch.rows()?.iter() {
            self.learn(&row);
        }
        Ok(())
    }

    /// Gives the events of a batch behind the damage that can be appended again. Ordinals and
    /// sequences from before `since` may mean something else in its history.
    pub(super) fn save(
        &mut self,
        frame: &Frame<'_>,
        since: u64,
        rules: &Rules,
        line: &mut Line<'_>,
    ) -> Result<(), Error> {
        let batch = Batch::decode(&frame.body, frame.first_seq, frame.events);
        let batch = batch.and_then(|batch| batch.check().map(|()| batch));
        let Ok(rows) = batch.and_then(|batch| batch.rows()) else { return Ok(()) };
        if since != self.since {
            self.since = since;
            self.ids.clear();
        }
        let mut text = String::new();
        for (row, sequence) in rows.iter().zip(frame.first_seq..) {
            self.learn(&row);
            if self.tell(&row, rules, &mut text) {
                line(&text)?;
                self.note(sequence);
            }
        }
        Ok(())
    }

    fn learn(&mut self, row: &Row<'_>) {
        let id = row.key.filter(|key| row.kind == Some(RowKind::CustomerNew) && !key.is_empty());
        self.ids.extend(id.map(|id| (row.customer, Box::<str>::from(id))));
    }

    /// Writes a row's event as a line, if admission would take it again.
    fn tell(&self, row: &Row<'_>, rules: &Rules, text: &mut String) -> bool {
        let Some(id) = self.ids.get(&row.customer) else { return false };
        let has_order = row.order_seq.is_none_or(|order| self.is_there(order));
        let event = row.to_event(row.key.unwrap_or(id), id);
        let Some(event) = event.filter(|event| has_order && event.check(rules).is_ok()) else {
            return false;
        };
        text.clear();
        event.to_json(rules.currency, text);
        text.push('\n');
        true
    }

    /// Whether an event of this history is kept or was saved.
    fn is_there(&self, sequence: u64) -> bool {
        if sequence < self.since {
            return false;
        }
        let after = self.saved.partition_point(|range| range.start <= sequence);
        let saved = after.checked_sub(1).and_then(|row| self.saved.get(row));
        sequence < self.statistics.end() || saved.is_some_and(|range| range.contains(&sequence))
    }

    fn note(&mut self, sequence: u64) {
        match self.saved.last_mut() {
            Some(last) if last.end == sequence => last.end += 1,
            Some(_) | None => self.saved.push(sequence..sequence + 1),
        }
    }
}
