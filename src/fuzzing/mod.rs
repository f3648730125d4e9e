//! The door for the fuzz targets in `tests/fuzz/`: a function for each, which takes bytes that a
//! fuzzer chose and panics where a promise is broken.
//!
//! It exists in tests and under cargo-fuzz (`cfg(fuzzing)`) alone. Everything happens on
//! simulated disks in a world without clocks and threads: the same bytes do the same again.

mod checkpoint;
mod columns;
mod edit;
mod events;
mod head;
mod json;
mod logs;
mod mend;
mod reading;
mod scan;
mod store;
#[cfg(test)]
mod tests;

/// The oracle that was written from the specification alone; the integration tests have it too.
#[path = "../../tests/it"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the integration tests ask it more questions"
)]
mod oracle {
    pub(super) mod model;
}

pub use checkpoint::checkpoint;
pub use columns::columns;
pub use edit::edit;
pub use head::head;
pub use json::json;
pub use scan::scan;
pub use store::store;

/// The bytes of an input, taken from the front; behind their end there are zeros.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn new(rest: &'a [u8]) -> Input<'a> {
        Input { rest }
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A number below `count`, or 0: of two bytes where one does not reach.
    fn below(&mut self, count: usize) -> usize {
        let number = if count > 256 { self.word() } else { self.byte().into() };
        usize::from(number) % count.max(1)
    }

    /// The next bytes, fewer at the end.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}
