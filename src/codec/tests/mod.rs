//! Tests of the codec: round trips, bytes pinned, rules broken, bytes spoiled.

mod batch;
mod columns;
mod golden;
mod hostile;
mod rules;

use super::column::Column;

/// A small generator of numbers: the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The bytes of one column.
fn column(id: u8, form: u8, base: i64, scale: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Column { id, form, base, scale, data }.write(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
