//! Tests of the codec: round trips, bytes pinned, rules broken, bytes spoiled.

mod again;
mod batch;
mod columns;
mod distinct;
mod golden;
mod hostile;
mod rules;

use super::column::Column;
use super::trial::Random;

/// The bytes of one column.
fn column(id: u8, form: u8, base: i64, scale: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Column { id, form, base, scale, data }.write(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
