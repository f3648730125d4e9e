//! The columns of a body in words, for people who look at bytes.
//!
//! Decodes no more than it must to say where each column is and how its data is to be read.

use std::ops::Range;

use super::column::{Column, Columns, id};
use crate::error::Fault;

/// Where a column stands in its body, its name, and how it is encoded.
pub(crate) struct ColumnText {
    /// All its bytes, headers included.
    pub(crate) range: Range<usize>,
    pub(crate) name: &'static str,
    pub(crate) form: String,
}

/// Gives the columns of a body that can be read, then what is wrong with the rest.
pub(crate) fn columns(body: &[u8], each: &mut dyn FnMut(ColumnText)) -> Result<(), Fault> {
    let mut columns = Columns::new(body);
    let mut start = 0;
    while let Some(column) = columns.next()? {
        // Its data is what a column ends with.
        let data_at = column.data.as_ptr().addr().saturating_sub(body.as_ptr().addr());
        let end = data_at + column.data.len();
        each(ColumnText { range: start..end, name: name(column.id), form: form(&column) });
        start = end;
    }
    Ok(())
}

fn form(column: &Column<'_>) -> String {
    let Column { id, form, base, scale, data } = column;
    let how = match form {
        0 => format!("all {base}"),
        1..=8 => format!("{base} + {scale} x integers of {form} bytes"),
        9..=16 => format!("{base} + {scale} x integers of {} bytes, LZ4", form - 8),
        64 => "raw".to_owned(),
        65 => "hex digits, two a byte".to_owned(),
        66 => format!("LZ4 of {base} bytes"),
        _ => "a form that this build does not know".to_owned(),
    };
    format!("column {id}, form {form}: {how}, {} bytes of data", data.len())
}

fn name(column: u8) -> &'static str {
    match column {
        id::CUSTOMERS_BEFORE => "customers_before",
        id::APPENDED_AT => "appended_at",
        id::KIND => "kind",
        id::CUSTOMER => "customer",
        id::EVENT_TIME => "event_time",
        id::CENTS => "cents",
        id::SUPERSEDED_CUSTOMER => "superseded_customer",
        id::SUPERSEDED_CENTS => "superseded_cents",
        id::SUPERSEDED_TIME => "superseded_time",
        id::ORDER_SEQ => "order_seq",
        id::KEY_LENGTH => "key_lengths",
        id::KEY => "keys",
        id::FIELDS => "fields_present",
        id::TEXT_LENGTH => "text_lengths",
        id::TEXT => "texts",
        id::MARKS => "marks",
        id::TEXT_CHOICE => "text_choices",
        id::OPTIONAL.. => "unknown, to be ignored",
        _ => "unknown",
    }
}
