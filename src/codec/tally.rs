//! What the log wants to know of a body, without knowing of customers itself.

use super::column::Columns;
use super::view::{Batch, ROWS, read_customers_before};
use crate::error::Fault;
use crate::log::Tally;

/// The sum of all absolute amounts of a log stays below this, so that no sum can overflow.
const CENTS_ABS_MAX: u64 = 1 << 62;

/// How many CUSTOMER NEWs there are before the batch with this body; reads nothing else of it.
pub(crate) fn customers_before(body: &[u8]) -> Result<u32, Fault> {
    read_customers_before(&mut Columns::new(body))
}

/// What is known of the log after the batch with this body, if `before` is what is known before.
pub(crate) fn tally(body: &[u8], events: u32, before: &Tally) -> Result<Tally, Fault> {
    let batch = Batch::decode(body, 0, events)?;
    if batch.customers_before() != before.customers {
        return Err(Fault::Corrupt("a batch follows another number of customers than there are"));
    }
    if batch.appended_at_us() < before.appended_at_us {
        return Err(Fault::Corrupt("a batch was appended earlier than the one before it"));
    }
    let (mut kinds, mut cents) = (Vec::new(), Vec::new());
    let counts = batch.kinds(&mut kinds)?;
    batch.cents(&counts, &mut cents)?;
    let customers = u32::try_from(counts.customers_new).ok();
    let customers = customers.and_then(|new| before.customers.checked_add(new)).ok_or(ROWS)?;
    let cents_abs = cents
        .iter()
        .try_fold(before.cents_abs, |sum, cents| sum.checked_add(cents.unsigned_abs()))
        .filter(|sum| *sum < CENTS_ABS_MAX)
        .ok_or(Fault::Corrupt("the amounts of the log add up to more than they may"))?;
    Ok(Tally { customers, cents_abs, appended_at_us: batch.appended_at_us() })
}
