//! A segment's bytes in words, batches included: what `log` tells of frames and `codec` of columns.

use std::io::Read;
use std::path::Path;

use crate::codec;
use crate::error::{Error, Fault};
use crate::event::write_time_shortest;
use crate::log::explain::{Fields, Part, Words, explain as explain_segment};
use crate::{Batch, Row};

/// Tells every part of the segment that `source` is read from, its rows too if they are wanted,
/// until `each` returns false.
///
/// # Errors
/// What reading says, or that the file is no segment.
pub fn explain(
    source: &mut dyn Read,
    path: &Path,
    rows: bool,
    each: &mut dyn FnMut(&Part<'_>) -> bool,
) -> Result<(), Error> {
    let mut batch = |fields: &mut Fields<'_, '_>, body: &[u8], first_seq: u64, events: u32| {
        columns(fields, body);
        if rows {
            tell_rows(fields, body, first_seq, events);
        }
    };
    explain_segment(source, path, &mut Words { time, batch: &mut batch }, each)
}

fn columns(fields: &mut Fields<'_, '_>, body: &[u8]) {
    let result = codec::columns(body, &mut |column| {
        fields.take(column.range.len(), column.name, column.form);
    });
    if let Err(Fault::Corrupt(reason) | Fault::Unknown(reason)) = result {
        fields.take_rest("columns", reason);
    }
}

fn tell_rows(fields: &mut Fields<'_, '_>, body: &[u8], first_seq: u64, events: u32) {
    let rows = match Batch::decode(body, first_seq, events).and_then(|batch| batch.rows()) {
        Ok(rows) => rows,
        Err(Fault::Corrupt(reason) | Fault::Unknown(reason)) => {
            return fields.remark("rows", reason.to_owned());
        }
    };
    for (sequence, index) in (first_seq..).zip(0..rows.len()) {
        match rows.get(index) {
            Some(row) if fields.wanted => fields.remark(&format!("row {sequence}"), text(&row)),
            Some(_) | None => return,
        }
    }
}

fn text(row: &Row<'_>) -> String {
    let mut text = match row.kind {
        Some(kind) => format!("{kind:?}"),
        None => "a kind that this build does not know".to_owned(),
    };
    if let Some(key) = row.key {
        text.push_str(&format!(" {key:?}"));
    }
    text.push_str(&format!(", customer {}, {}", row.customer, time(row.at_us)));
    if let Some(seq) = row.order_seq {
        text.push_str(&format!(", order of sequence {seq}"));
    }
    if row.cents != 0 {
        text.push_str(&format!(", {} cents", row.cents));
    }
    if let Some(old) = row.superseded {
        let (customer, cents, at) = (old.customer, old.cents, time(old.at_us));
        text.push_str(&format!(", superseding {cents} cents of customer {customer}, {at}"));
    }
    for value in row.texts.iter().flatten() {
        text.push_str(&format!(", {value:?}"));
    }
    text
}

fn time(at_us: i64) -> String {
    let mut text = String::new();
    write_time_shortest(at_us, &mut text);
    text
}
