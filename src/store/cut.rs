//! A batch from one of its events on: for who read up to there when it was still several batches.

use std::collections::BTreeMap;

use crate::Fault;
use crate::codec::{Batch, BatchBuilder};

/// Gives what a batch has from a sequence on, as a batch of its own: its events, none where it ends
/// there, and its marks, which are those of its last event. Nothing where there is neither.
pub(super) fn from(
    batch: &Batch<'_>,
    sequence: u64,
    give: &mut dyn FnMut(&Batch<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let marks: BTreeMap<_, _> = batch.marks()?.into_iter().collect();
    let before = sequence.saturating_sub(batch.first_seq());
    let before = usize::try_from(before).unwrap_or(usize::MAX);
    if marks.is_empty() && before >= batch.events() {
        return Ok(());
    }
    let mut builder = BatchBuilder::new();
    if before < batch.events() {
        let rows = batch.rows()?;
        if !rows.iter().skip(before).all(|row| builder.push_row(&row)) {
            return Err(UNKNOWN);
        }
    }
    builder.set_marks(&marks);
    if !builder.fits_frame() {
        return Err(UNKNOWN);
    }
    let events = u32::try_from(builder.len()).unwrap_or(u32::MAX);
    let mut body = Vec::new();
    builder.encode(batch.customers_before_row(before)?, batch.appended_at_us(), &mut body);
    give(&Batch::decode(&body, sequence, events)?)
}

const UNKNOWN: Fault = Fault::Unknown("a batch of which only a later version can take a part");
