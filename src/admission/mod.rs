//! Admission: the rules *between* events, and the batch that the admitted ones wait in.
//!
//! It decides on one event at a time from what was admitted before it, resolves every reference
//! (customer, order, what an update supersedes), and asks the log only through [`Lookup`]. It
//! does no I/O, holds nothing back itself and knows neither clock nor files.

mod decoded;
mod find;
mod foresee;
mod ids;
mod keys;

pub(crate) use foresee::{FORESEEN, Hashes};
pub(crate) use keys::{entries, identity, order_of};

use std::sync::Arc;

use crate::Error;
use crate::codec::{BatchBuilder, Gathered, Placement, RowKind, Superseded};
use crate::event::{Event, Kind, Reason, Rejection};
use crate::log::{Frame, Tally};
use decoded::Decoded;
use ids::CustomerIds;
use keys::{KeySpace, hash_key, hash_update, is_same};

/// The sum of the absolute cents of a log's orders stays below this, so that no sum overflows.
const CENTS_ABS_END: u64 = 1 << 62;
/// Customers found one by one in the log before all of them are read at once.
const COLD_CUSTOMERS_MAX: u32 = 1_000;

/// What admission asks the log.
pub(crate) trait Lookup {
    /// Puts the sequences entered under `hash` at one level into `found`, newest first. Level 0
    /// is the newest part of the log; false means that there is no such level.
    fn candidates(&mut self, level: usize, hash: u64, found: &mut Vec<u64>) -> Result<bool, Error>;
    /// Reads what `candidates` of a hash will read first, so that it is near by then.
    fn touch(&self, hash: u64) -> u32;
    /// The committed batch that holds a sequence.
    fn batch(&self, sequence: u64) -> Result<Frame<'_>, Error>;
    /// Gives the id of every committed customer, in order of ordinals.
    fn customers(&mut self, each: &mut dyn FnMut(&str, u32)) -> Result<(), Error>;
    /// Enters a sequence that is being admitted.
    fn enter(&mut self, hash: u64, sequence: u64);
    /// As `enter`, in place of an older sequence that stood for the same key.
    fn supersede(&mut self, hash: u64, old: u64, new: u64);
}

/// What admission says of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in the pending batch.
    Accepted,
    /// The log has this very event.
    Duplicate,
    /// Its customer or order is not known yet: try again, or reject it for this reason.
    Held(Rejection),
    /// It can never be admitted.
    Rejected(Rejection),
}

/// The state of an order, and where its row and its first row are.
struct Order {
    state: Superseded,
    newest_seq: u64,
    first_seq: u64,
}

/// A batch that takes no more events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// How many it has.
    pub(crate) events: u32,
    /// CUSTOMER NEWs before it.
    pub(crate) customers_before: u32,
    /// The log's tally after it.
    pub(crate) after: Tally,
}

/// A batch that is being encoded.
struct UnderWay {
    first_seq: u64,
    batch: Arc<Gathered>,
}

/// The admitting side of one writer.
pub(crate) struct Admission {
    seed: u64,
    batch: BatchBuilder,
    under_way: Option<UnderWay>,
    /// Empty, with the memory of a batch that was under way.
    spare: Gathered,
    /// Sequence of the pending batch's first event.
    first_seq: u64,
    /// Before the pending batch.
    committed: Tally,
    /// With the pending batch.
    customers: u32,
    cents_abs: u64,
    ids: CustomerIds,
    cold: u32,
    found: Vec<u64>,
    decoded: Decoded,
    scratch: Vec<u8>,
}

impl Admission {
    /// Goes on after `end`, where the log holds what `tally` says.
    pub(crate) fn new(log_id: u64, end: u64, tally: Tally) -> Admission {
        Admission {
            seed: log_id,
            batch: BatchBuilder::new(),
            under_way: None,
            spare: Gathered::default(),
            first_seq: end,
            committed: tally,
            customers: tally.customers,
            cents_abs: tally.cents_abs,
            ids: CustomerIds::new(log_id),
            cold: 0,
            found: Vec::new(),
            decoded: Decoded::default(),
            scratch: Vec::new(),
        }
    }

    /// Whether the pending batch must be taken before the next event.
    pub(crate) fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// Notes in the pending batch up to where a source has been read.
    pub(crate) fn set_mark(&mut self, source: &[u8], position: &[u8]) -> bool {
        self.batch.set_mark(source, position)
    }

    /// Encodes the pending batch into `body` and begins the next; `None` when there is nothing
    /// pending.
    pub(crate) fn take(&mut self, now_us: i64, body: &mut Vec<u8>) -> Option<Ended> {
        let ended = self.end_batch(now_us)?;
        body.clear();
        self.batch.encode(ended.customers_before, ended.after.appended_at_us, body);
        self.batch.clear();
        Some(ended)
    }

    /// Hands the pending batch over to be encoded elsewhere, and begins the next. Until it is taken
    /// back its events are found here, not in the log; one at a time is under way.
    pub(crate) fn hand_over(&mut self, now_us: i64) -> Option<(Ended, Arc<Gathered>)> {
        let first_seq = self.first_seq;
        let ended = self.end_batch(now_us)?;
        let batch = Arc::new(self.batch.take(std::mem::take(&mut self.spare)));
        self.under_way = Some(UnderWay { first_seq, batch: Arc::clone(&batch) });
        Some((ended, batch))
    }

    /// Takes back a batch that was handed over and is in the log now.
    pub(crate) fn take_back(&mut self, batch: Arc<Gathered>) {
        self.under_way = None;
        if let Some(mut batch) = Arc::into_inner(batch) {
            batch.clear();
            self.spare = batch;
        }
    }

    fn end_batch(&mut self, now_us: i64) -> Option<Ended> {
        let events = u32::try_from(self.batch.len()).expect("a batch is at most 4,096 events");
        if self.batch.is_empty() {
            return None;
        }
        // The clock may jump back; the log's times of appending never do.
        let appended_at_us = now_us.max(self.committed.appended_at_us);
        let (customers, cents_abs) = (self.customers, self.cents_abs);
        let after = Tally { customers, cents_abs, appended_at_us };
        let before = std::mem::replace(&mut self.committed, after);
        self.first_seq += u64::from(events);
        Some(Ended { events, customers_before: before.customers, after })
    }

    /// Applies the rules of admission to one event.
    pub(crate) fn admit(
        &mut self,
        event: &Event<'_>,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        let customer = if event.kind.is_customer() { &event.key } else { &event.customer_id };
        self.admit_by(self.hashes(event.kind, &event.key, customer), event, log)
    }

    /// The same of one that was announced.
    pub(crate) fn admit_by(
        &mut self,
        hashes: Hashes,
        event: &Event<'_>,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        match event.kind {
            Kind::CustomerNew => self.customer_new(hashes, event, log),
            Kind::CustomerUpdate => self.customer_update(hashes, event, log),
            Kind::SiteVisitNew => {
                self.once(hashes, event, KeySpace::SiteVisit, RowKind::Visit, log)
            }
            Kind::ImageUpload => self.once(hashes, event, KeySpace::Image, RowKind::Image, log),
            Kind::OrderNew => self.once(hashes, event, KeySpace::Order, RowKind::OrderNew, log),
            Kind::OrderUpdate => self.order_update(hashes, event, log),
        }
    }

    fn customer_new(
        &mut self,
        hashes: Hashes,
        event: &Event<'_>,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        let hash = hashes.key;
        if let Some(seq) = self.find_key(hash, KeySpace::Customer, &event.key, log)? {
            return self.again(seq, event, None, log);
        }
        let ordinal = self.customers;
        if ordinal == u32::MAX {
            let detail = "the log holds as many customers as it can".to_owned();
            return Ok(Verdict::Rejected(Rejection::new(Reason::InvalidField, detail)));
        }
        log.enter(hash, self.end());
        self.ids.insert(&event.key, hashes.customer, ordinal);
        self.customers += 1;
        Ok(self.place(event, RowKind::CustomerNew, ordinal, None, None))
    }

    fn customer_update(
        &mut self,
        hashes: Hashes,
        event: &Event<'_>,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        let Some(customer) = self.customer(&event.key, hashes.customer, log)? else {
            return Ok(unknown_customer(&event.key));
        };
        let hash = hash_update(self.seed, event, customer, &mut self.scratch);
        if self.has_update(hash, event, customer, log)? {
            return Ok(Verdict::Duplicate);
        }
        log.enter(hash, self.end());
        Ok(self.place(event, RowKind::CustomerUpdate, customer, None, None))
    }

    /// An event whose key must be new: a visit, an image, an order.
    fn once(
        &mut self,
        hashes: Hashes,
        event: &Event<'_>,
        space: KeySpace,
        row: RowKind,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        let hash = hashes.key;
        let customer = self.customer(&event.customer_id, hashes.customer, log)?;
        if let Some(seq) = self.find_key(hash, space, &event.key, log)? {
            return self.again(seq, event, customer, log);
        }
        if let Some(rejected) = self.too_much(event) {
            return Ok(rejected);
        }
        let Some(customer) = customer else {
            return Ok(unknown_customer(&event.customer_id));
        };
        log.enter(hash, self.end());
        Ok(self.place(event, row, customer, None, None))
    }

    fn order_update(
        &mut self,
        hashes: Hashes,
        event: &Event<'_>,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        let customer = self.customer(&event.customer_id, hashes.customer, log)?;
        let hash = hashes.key;
        let order = self.order(hash, &event.key, log)?;
        let mut update_hash = 0;
        if let (Some(customer), Some(_)) = (customer, &order) {
            update_hash = hash_update(self.seed, event, customer, &mut self.scratch);
            if self.has_update(update_hash, event, customer, log)? {
                return Ok(Verdict::Duplicate);
            }
        }
        if let Some(rejected) = self.too_much(event) {
            return Ok(rejected);
        }
        let Some(customer) = customer else {
            return Ok(unknown_customer(&event.customer_id));
        };
        let Some(order) = order else {
            let detail = format!("there is no ORDER NEW with key {:?}", event.key);
            return Ok(Verdict::Held(Rejection::new(Reason::UnknownOrder, detail)));
        };
        log.enter(update_hash, self.end());
        // Of two events of the same instant the later one in the log counts: this one.
        if event.at_us >= order.state.at_us {
            log.supersede(hash, order.newest_seq, self.end());
            let (row, state) = (RowKind::OrderUpdate, Some(order.state));
            Ok(self.place(event, row, customer, state, Some(order.first_seq)))
        } else {
            Ok(self.place(event, RowKind::OrderStale, customer, None, Some(order.first_seq)))
        }
    }

    /// The verdict on an event whose key the log has: the same event, or another.
    fn again(
        &mut self,
        seq: u64,
        event: &Event<'_>,
        customer: Option<u32>,
        log: &mut impl Lookup,
    ) -> Result<Verdict, Error> {
        // For an order `seq` is its newest state; its ORDER NEW is the event to compare with.
        let first_seq = self.order_at(seq, log)?.map_or(seq, |order| order.order_seq);
        if self.with_row(first_seq, log, |row| is_same(row, event, customer))? {
            return Ok(Verdict::Duplicate);
        }
        if let Some(rejected) = self.too_much(event) {
            return Ok(rejected);
        }
        let detail = format!("key {:?} is taken by another event, sequence {first_seq}", event.key);
        Ok(Verdict::Rejected(Rejection::new(Reason::ConflictingKey, detail)))
    }

    /// Whether an order's amount would bring the log's sums out of bounds.
    fn too_much(&self, event: &Event<'_>) -> Option<Verdict> {
        let sum = self.cents_abs.saturating_add(event.amount_cents.unsigned_abs());
        (sum >= CENTS_ABS_END).then(|| {
            let detail = "the amounts of all orders of a log must stay below 2^62 cents".to_owned();
            Verdict::Rejected(Rejection::new(Reason::InvalidAmount, detail))
        })
    }

    fn place(
        &mut self,
        event: &Event<'_>,
        row: RowKind,
        customer: u32,
        superseded: Option<Superseded>,
        order_seq: Option<u64>,
    ) -> Verdict {
        self.cents_abs += event.amount_cents.unsigned_abs();
        self.batch.push(event, &Placement { row, customer, superseded, order_seq });
        Verdict::Accepted
    }

    /// The sequence that the next admitted event gets.
    pub(crate) fn end(&self) -> u64 {
        self.first_seq + self.batch.len() as u64
    }

    fn customer(
        &mut self,
        id: &str,
        id_hash: u64,
        log: &mut impl Lookup,
    ) -> Result<Option<u32>, Error> {
        if let Some(ordinal) = self.ids.get(id, id_hash) {
            return Ok(Some(ordinal));
        }
        if self.ids.len() == self.customers as usize {
            return Ok(None);
        }
        if self.cold >= COLD_CUSTOMERS_MAX {
            self.cold = 0;
            let ids = &mut self.ids;
            log.customers(&mut |id, ordinal| {
                let hash = ids.hash(id);
                if ids.get(id, hash).is_none() {
                    ids.insert(id, hash, ordinal);
                }
            })?;
            // One that found no room there is looked up like any other.
            if let Some(ordinal) = self.ids.get(id, id_hash) {
                return Ok(Some(ordinal));
            }
        }
        let hash = hash_key(self.seed, KeySpace::Customer, id);
        let Some(seq) = self.find_key(hash, KeySpace::Customer, id, log)? else {
            return Ok(None);
        };
        let ordinal = self.with_row(seq, log, |row| row.customer)?;
        self.cold += 1;
        self.ids.insert(id, id_hash, ordinal);
        Ok(Some(ordinal))
    }
}

fn unknown_customer(id: &str) -> Verdict {
    let detail = format!("there is no CUSTOMER NEW with key {id:?}");
    Verdict::Held(Rejection::new(Reason::UnknownCustomer, detail))
}
