//! Finding admitted events by hash, and looking at their rows, pending or committed.

use super::keys::{KeySpace, is_same};
use super::{Admission, Lookup, Order, UnderWay};
use crate::Error;
use crate::codec::{Batch, OrderState, Row, Superseded};
use crate::error::Fault;
use crate::event::Event;
use crate::planted::planted;

const NO_ROW: Fault = Fault::Corrupt("a batch lacks a row that the key index names");

impl Admission {
    /// The order with a key: its current state, and where that and its ORDER NEW stand.
    pub(super) fn order(
        &mut self,
        hash: u64,
        key: &str,
        log: &mut impl Lookup,
    ) -> Result<Option<Order>, Error> {
        let Some(newest_seq) = self.find_key(hash, KeySpace::Order, key, log)? else {
            return Ok(None);
        };
        Ok(self.order_at(newest_seq, log)?.map(|order| Order {
            state: Superseded { customer: order.customer, cents: order.cents, at_us: order.at_us },
            newest_seq,
            first_seq: order.order_seq,
        }))
    }

    /// The newest sequence that stands for a key.
    pub(super) fn find_key(
        &mut self,
        hash: u64,
        space: KeySpace,
        key: &str,
        log: &mut impl Lookup,
    ) -> Result<Option<u64>, Error> {
        self.find(hash, log, |admission, seq, log| admission.has_key(seq, space, key, log))
    }

    /// Whether this very update is in the log.
    pub(super) fn has_update(
        &mut self,
        hash: u64,
        event: &Event<'_>,
        customer: u32,
        log: &mut impl Lookup,
    ) -> Result<bool, Error> {
        let found = self.find(hash, log, |admission, seq, log| {
            admission.with_row(seq, log, |row| is_same(row, event, Some(customer)))
        })?;
        Ok(found.is_some())
    }

    /// The newest sequence entered under `hash` that passes.
    fn find<L: Lookup>(
        &mut self,
        hash: u64,
        log: &mut L,
        passes: impl Fn(&mut Admission, u64, &mut L) -> Result<bool, Error>,
    ) -> Result<Option<u64>, Error> {
        let mut found = std::mem::take(&mut self.found);
        let mut level = 0;
        let mut hit = None;
        while hit.is_none() && log.candidates(level, hash, &mut found)? {
            for &seq in &found {
                if passes(self, seq, log)? {
                    hit = Some(seq);
                    break;
                }
            }
            level += 1;
        }
        self.found = found;
        Ok(hit)
    }

    fn has_key(
        &mut self,
        seq: u64,
        space: KeySpace,
        key: &str,
        log: &mut impl Lookup,
    ) -> Result<bool, Error> {
        if let Some(row) = self.pending(seq) {
            return Ok(KeySpace::of_row(row.kind) == Some(space) && row.key == Some(key));
        }
        if let Some(row) = self.decoded.row(seq) {
            return Ok(KeySpace::of_row(row.kind) == Some(space) && row.key == Some(key));
        }
        let mut stored = String::new();
        in_log(seq, log, |batch, at| {
            let kind = batch.key_at(at, &mut stored)?;
            Ok(KeySpace::of_row(kind) == Some(space) && stored == key)
        })
    }

    /// The order that a row tells about; `None` if it is no row of an order.
    pub(super) fn order_at(
        &mut self,
        seq: u64,
        log: &mut impl Lookup,
    ) -> Result<Option<OrderState>, Error> {
        let row = match self.is_pending(seq) {
            true => self.pending(seq),
            false => self.decoded.row(seq),
        };
        let Some(row) = row else {
            return in_log(seq, log, |batch, at| batch.order_at(at));
        };
        let is_order = KeySpace::of_row(row.kind) == Some(KeySpace::Order);
        Ok(is_order.then(|| OrderState {
            customer: row.customer,
            cents: row.cents,
            at_us: row.at_us,
            order_seq: row.order_seq.unwrap_or(seq),
        }))
    }

    /// Looks at one whole row.
    pub(super) fn with_row<T>(
        &mut self,
        seq: u64,
        log: &mut impl Lookup,
        look: impl FnOnce(&Row<'_>) -> T,
    ) -> Result<T, Error> {
        if let Some(row) = self.pending(seq) {
            return Ok(look(&row));
        }
        if self.decoded.row(seq).is_none() {
            let decoded = &mut self.decoded;
            in_log(seq, log, |batch, _| decoded.keep(batch))?;
        }
        match self.decoded.row(seq) {
            Some(row) => Ok(look(&row)),
            None => in_log(seq, log, |_, _| Err(NO_ROW)),
        }
    }

    /// Whether a sequence is in no batch of the log yet.
    fn is_pending(&self, seq: u64) -> bool {
        let under_way = self.under_way.as_ref().filter(|_| !planted("batch under way forgotten"));
        seq >= under_way.map_or(self.first_seq, |batch| batch.first_seq)
    }

    /// A row of the pending batch, or of the one that is under way.
    fn pending(&self, seq: u64) -> Option<Row<'_>> {
        if !self.is_pending(seq) {
            return None;
        }
        if let Some(at) = seq.checked_sub(self.first_seq) {
            return self.batch.row(usize::try_from(at).ok()?);
        }
        let UnderWay { first_seq, batch } = self.under_way.as_ref()?;
        batch.row(usize::try_from(seq.checked_sub(*first_seq)?).ok()?)
    }
}

/// Looks into the committed batch that holds a sequence, at the row that it is there.
fn in_log<T>(
    seq: u64,
    log: &mut impl Lookup,
    look: impl FnOnce(&Batch<'_>, usize) -> Result<T, Fault>,
) -> Result<T, Error> {
    let frame = log.batch(seq)?;
    let at = seq.checked_sub(frame.first_seq).and_then(|at| usize::try_from(at).ok());
    Batch::decode(&frame.body, frame.first_seq, frame.events)
        .and_then(|batch| look(&batch, at.ok_or(NO_ROW)?))
        .map_err(|fault| fault.at(frame.path, frame.offset))
}
