//! Batches of events to bytes and back: columns, each a bincode struct that describes itself.
//!
//! This is the only directory that knows the layout inside a frame's body (docs/format.md),
//! and `column.rs` the only file that names bincode. [`Batch`] reads a body, by columns for a
//! projection or by [`Row`]s; `BatchBuilder` writes one. Nothing here knows about files, frames
//! or checksums, nor looks up a customer: a row names it by ordinal.

mod again;
mod batch;
mod bytes;
mod check;
mod column;
mod counts;
mod distinct;
mod explain;
mod ints;
mod look;
mod lz4;
mod marks;
mod rows;
mod tally;
mod view;

#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what tries the codec fails by panicking"
)]
pub(crate) mod trial;

pub(crate) use batch::{BatchBuilder, BatchEncoder, Gathered};
pub use counts::Counts;
pub(crate) use explain::columns;
pub(crate) use look::{Named, Newcomers, OrderState};
pub use rows::{Row, Rows};
pub(crate) use tally::{customers_before, tally};
pub use view::Batch;

/// The most rows that a batch is written with; a reader takes up to 2^20.
pub(crate) const BATCH_EVENTS_MAX: usize = 4_096;
/// A batch takes no more events once it has so many bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// The ordinal of a customer that has no row in this log.
pub(crate) const NOT_IN_THIS_LOG: u32 = 0xFFFF_FFFF;

/// What a row of a batch is; the discriminant is its value in column 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// A new customer; its ordinal is the number of customers before it.
    CustomerNew = 1,
    /// A change to a customer.
    CustomerUpdate = 2,
    /// A visit.
    Visit = 3,
    /// An image.
    Image = 4,
    /// A new order.
    OrderNew = 5,
    /// An order update that took effect when it was admitted, and what it superseded.
    OrderUpdate = 6,
    /// An order update older than the order's state when it was admitted: kept, without effect.
    OrderStale = 7,
}

impl RowKind {
    /// Its value in column 3.
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The kind of a value in column 3; none of a value that this build does not know.
    pub const fn of(value: u8) -> Option<RowKind> {
        match value {
            1 => Some(RowKind::CustomerNew),
            2 => Some(RowKind::CustomerUpdate),
            3 => Some(RowKind::Visit),
            4 => Some(RowKind::Image),
            5 => Some(RowKind::OrderNew),
            6 => Some(RowKind::OrderUpdate),
            7 => Some(RowKind::OrderStale),
            _ => None,
        }
    }
}

/// The state of an order that an effective update replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// Ordinal of the customer it counted for.
    pub customer: u32,
    /// Its amount in cents.
    pub cents: i64,
    /// Its event time, µs since 1970.
    pub at_us: i64,
}

/// What admission resolved about an event, so that a replay looks nothing up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// What the row is.
    pub(crate) row: RowKind,
    /// Ordinal of the customer it names.
    pub(crate) customer: u32,
    /// For [`RowKind::OrderUpdate`] alone.
    pub(crate) superseded: Option<Superseded>,
    /// Sequence of the ORDER NEW, for [`RowKind::OrderUpdate`] and [`RowKind::OrderStale`].
    pub(crate) order_seq: Option<u64>,
}
