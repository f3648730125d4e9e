//! One append call to all partitions.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU16;
use std::path::PathBuf;

use super::{Partitions, place};
use crate::error::Error;
use crate::event::{Event, EventBlock, Rejection};
use crate::log::Env;
use crate::partition::partition_of;
use crate::store::{Call, CallOptions, Options, Origin, Receipt, Rejected};

/// A call under way to each partition: events go to that of their customer. What is no event is
/// told by the first.
pub struct PartitionedCall<'a> {
    calls: Vec<Call<'a>>,
    of: NonZeroU16,
    strict: bool,
    place: Option<&'a (Env, PathBuf)>,
    unmade: &'a mut Option<Options>,
    /// Of the block at hand, which of its events go where.
    places: Vec<Vec<usize>>,
}

impl Partitions {
    /// Begins a call to all partitions, and hands it to `feed`, which gives it events and finishes
    /// it. A hold window counts the events of all partitions. A synced end that is reported is how
    /// many events of all partitions are on the disk, and not which: only the receipt covers all.
    ///
    /// # Errors
    ///
    /// As [`Store::call`](crate::Store::call) and [`Partitions::create`], and errors of `feed`.
    pub fn call<T, E: From<Error>>(
        &mut self,
        options: CallOptions<'_>,
        feed: impl FnOnce(PartitionedCall<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.make(options.strict)?;
        if let (None, Some((env, dir))) = (&self.unmade, &self.place) {
            place::sync(env, dir)?;
        }
        let CallOptions { strict, hold_max, on_reject, on_synced } = options;
        let of = self.of;
        let on_reject = on_reject.map(RefCell::new);
        let report = |rejected: &Rejected<'_>| match &on_reject {
            Some(report) => report.borrow_mut()(rejected),
            None => Ok(()),
        };
        let mut reports: Vec<_> = self.stores.iter().map(|_| report).collect();
        let ends = self.stores.iter().map(|store| match store.exists() {
            true => store.end(),
            false => Ok(0),
        });
        let ends: Vec<u64> = ends.collect::<Result<_, _>>()?;
        let (synced, ends) = (Cell::new(ends.iter().sum::<u64>()), ends.into_iter().map(Cell::new));
        let ends: Vec<Cell<u64>> = ends.collect();
        let on_synced = on_synced.map(RefCell::new);
        let (synced, on_synced) = (&synced, &on_synced);
        let mut acknowledge: Vec<_> = ends
            .iter()
            .map(|own| {
                move |end: u64| {
                    let all = synced.get() + end.saturating_sub(own.replace(end));
                    synced.set(all);
                    on_synced.as_ref().map_or(Ok(()), |report| report.borrow_mut()(all))
                }
            })
            .collect();
        let each = self.stores.iter_mut().zip(&mut reports).zip(&mut acknowledge);
        let calls = each.map(|((store, on_reject), on_synced)| {
            store.call(CallOptions {
                strict,
                hold_max,
                on_reject: Some(on_reject),
                on_synced: Some(on_synced),
            })
        });
        let calls = calls.collect::<Result<Vec<_>, Error>>()?;
        let places = vec![Vec::new(); calls.len()];
        let (place, unmade) = (self.place.as_ref(), &mut self.unmade);
        feed(PartitionedCall { calls, of, strict, place, unmade, places })
    }
}

impl PartitionedCall<'_> {
    /// Admits one event, as [`Call::push`] does, to the partition of its customer.
    ///
    /// # Errors
    ///
    /// As [`Call::push`].
    pub fn push(&mut self, event: &Event<'_>, text: &[u8], at: Origin) -> Result<(), Error> {
        let customer = if event.kind.is_customer() { &event.key } else { &event.customer_id };
        let number = usize::from(partition_of(customer, self.of));
        for (call, at_number) in self.calls.iter_mut().zip(0..) {
            if at_number == number { call.push(event, text, at)? } else { call.pass(1)? }
        }
        Ok(())
    }

    /// Counts and reports an event that never was one, as [`Call::reject`] does.
    ///
    /// # Errors
    ///
    /// As [`Call::reject`].
    pub fn reject(&mut self, rejection: &Rejection, text: &[u8], at: Origin) -> Result<(), Error> {
        self.calls.first_mut().map_or(Ok(()), |call| call.reject(rejection, text, at))
    }

    /// Admits the events of a block in order, each to the partition of its customer.
    ///
    /// # Errors
    ///
    /// As [`Call::push_block`].
    pub fn push_block(&mut self, block: &EventBlock, source: u32) -> Result<(), Error> {
        self.places.iter_mut().for_each(Vec::clear);
        for at in 0..block.len() {
            let number = block.names(at).map_or(0, |(_, _, id)| partition_of(id, self.of));
            if let Some(places) = self.places.get_mut(usize::from(number)) {
                places.push(at);
            }
        }
        for (call, places) in self.calls.iter_mut().zip(&self.places) {
            call.push_some(block, places.iter().copied(), source)?;
            call.pass(block.len() - places.len())?;
        }
        Ok(())
    }

    /// Settles, writes and syncs all partitions. A strict call is finished if no partition rejects
    /// anything. A call that fails while it writes one partition, strict or not, may have written
    /// others: giving the same events again is safe.
    ///
    /// # Errors
    ///
    /// As [`Call::finish`]; from a strict call to partitions that were not there when it began, as
    /// [`Partitions::create`], and [`Error::Options`] if somebody else has made them meanwhile.
    pub fn finish(mut self) -> Result<Receipt, Error> {
        if self.strict {
            self.calls.iter_mut().try_for_each(Call::settle)?;
            let count = self.calls.iter().map(Call::rejected).sum();
            if count > 0 {
                return Err(Error::Rejected { count });
            }
            if self.calls.iter().any(|call| call.accepted() > 0) {
                self.make()?;
            }
        }
        together(self.calls.into_iter().map(Call::finish))
    }

    /// Makes the partitions, if they are not there, and locks those that something is to be written
    /// to, before anything is.
    fn make(&mut self) -> Result<(), Error> {
        let (Some(options), Some((env, dir))) = (&*self.unmade, self.place) else { return Ok(()) };
        drop(place::create(env, dir, self.of, options)?);
        place::sync(env, dir)?;
        self.calls.iter_mut().try_for_each(Call::get_ready)?;
        *self.unmade = None;
        Ok(())
    }

    /// Ends the call before its events have ended.
    ///
    /// # Errors
    ///
    /// As [`Call::interrupt`].
    pub fn interrupt(self) -> Result<Receipt, Error> {
        together(self.calls.into_iter().map(Call::interrupt))
    }
}

/// The receipt of all, of which every one is ended, also after one that failed.
fn together(receipts: impl Iterator<Item = Result<Receipt, Error>>) -> Result<Receipt, Error> {
    let ended: Vec<_> = receipts.collect();
    let mut whole = Receipt { synced: true, ..Receipt::default() };
    for receipt in ended {
        let receipt = receipt?;
        whole.accepted += receipt.accepted;
        whole.duplicates += receipt.duplicates;
        for (reason, count) in receipt.reasons {
            *whole.reasons.entry(reason).or_default() += count;
        }
        whole.end += receipt.end;
        whole.synced &= receipt.synced;
    }
    Ok(whole)
}
