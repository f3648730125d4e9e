//! How many rows of which kind a batch has, from which the lengths of its other columns follow.

use super::RowKind;
use crate::error::Fault;

/// How many rows of a batch have what, as its kinds tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All rows.
    pub events: usize,
    /// CUSTOMER NEWs.
    pub customers_new: usize,
    /// Rows with a key of their own.
    pub keyed: usize,
    /// Rows with an amount: orders new, updated or stale.
    pub orders: usize,
    /// Order updates, effective or stale.
    pub order_updates: usize,
    /// Effective order updates.
    pub effective: usize,
}

impl Counts {
    /// Counts kinds, and refuses those that this build may not read over.
    pub(super) fn of(kinds: &[u8]) -> Result<Counts, Fault> {
        // Folds, since `min` and `max` of an iterator are not vectorised.
        let least = kinds.iter().fold(u8::MAX, |least, kind| least.min(*kind));
        let most = kinds.iter().fold(0, |most, kind| most.max(*kind));
        if least == 0 {
            return Err(Fault::Corrupt("a row of a batch has kind 0"));
        }
        if most > 7 && count(kinds, |kind| matches!(kind, 8..=63 | 128..)) > 0 {
            return Err(Fault::Unknown(
                "a batch has a kind of event that this build does not know",
            ));
        }
        // Most batches lack most kinds, and need not be searched for them.
        let count_of = |kind: RowKind| {
            let value = kind.value();
            let any = (least..=most).contains(&value);
            if any { count(kinds, |kind| kind == value) } else { 0 }
        };
        let effective = count_of(RowKind::OrderUpdate);
        let order_updates = effective + count_of(RowKind::OrderStale);
        Ok(Counts {
            events: kinds.len(),
            customers_new: count_of(RowKind::CustomerNew),
            keyed: kinds.len() - count_of(RowKind::CustomerUpdate),
            orders: order_updates + count_of(RowKind::OrderNew),
            order_updates,
            effective,
        })
    }
}

/// How many bytes are such; in pieces short enough to be counted in bytes, many at a time.
pub(super) fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let ones = |piece: &[u8]| piece.iter().map(|byte| u8::from(is(*byte))).sum::<u8>();
    let (pieces, rest) = bytes.as_chunks::<128>();
    pieces.iter().map(|piece| usize::from(ones(piece))).sum::<usize>() + usize::from(ones(rest))
}
