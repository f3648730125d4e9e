//! Messages on their way to a broker: many at once, each until it is acknowledged.
//!
//! What was sent is kept until its acknowledgement has come. When one fails, all that are under way are
//! waited for, and those that failed are sent again in the order in which they came. So the order
//! within a partition is that of the source as long as nothing is sent again; what is sent again may
//! come behind what had been sent after it. A broker that cannot be sent one message is not offered
//! the next one before that one has been acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Runtime;

use super::retry::{Retry, Stop};
use super::{Acknowledged, Outgoing, Outlet, Trouble};

/// How many messages, and bytes of them, are under way at most.
const MESSAGES_MAX: usize = 4096;
const BYTES_MAX: usize = 32 << 20;

/// Told what a user would want to know while it goes on.
pub(crate) type Note = Box<dyn Fn(&str)>;

/// Sends messages.
pub(crate) struct Publisher<O: Outlet> {
    runtime: Runtime,
    outlet: O,
    flight: VecDeque<Flying<O::Pending>>,
    flight_bytes: usize,
    retry: Retry,
    note: Note,
    counts: Counts,
}

struct Flying<P> {
    message: Outgoing,
    pending: Result<P, Trouble>,
}

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Acknowledged, and new to the broker.
    pub(crate) published: u64,
    /// Acknowledged as one that the broker had already.
    pub(crate) duplicates: u64,
    /// Sent once more.
    pub(crate) retried: u64,
    /// Sent, and never acknowledged: nobody knows whether the broker has them.
    pub(crate) unacknowledged: u64,
}

impl<O: Outlet> Publisher<O> {
    pub(crate) fn new(
        runtime: Runtime,
        outlet: O,
        give_up: Option<Duration>,
        stop: Stop,
        note: Note,
    ) -> Publisher<O> {
        Publisher {
            runtime,
            outlet,
            flight: VecDeque::new(),
            flight_bytes: 0,
            retry: Retry::new(give_up, stop),
            note,
            counts: Counts::default(),
        }
    }

    /// How long an event may be.
    pub(crate) fn payload_bytes_max(&self) -> usize {
        self.outlet.payload_bytes_max()
    }

    /// Sends messages; waits while too many are under way.
    pub(crate) fn put(&mut self, messages: &mut Vec<Outgoing>) -> Result<(), Trouble> {
        let Publisher { runtime, outlet, flight, flight_bytes, retry, note, counts } = self;
        let mut way = Way { outlet, flight, flight_bytes, retry, note, counts };
        runtime.block_on(async {
            way.land_ready();
            for message in messages.drain(..) {
                while way.is_full() {
                    way.land().await?;
                }
                if !way.send(message).await {
                    way.land_all().await?;
                }
            }
            Ok(())
        })
    }

    /// Waits until all are acknowledged.
    pub(crate) fn finish(&mut self) -> Result<(), Trouble> {
        let Publisher { runtime, outlet, flight, flight_bytes, retry, note, counts } = self;
        let mut way = Way { outlet, flight, flight_bytes, retry, note, counts };
        runtime.block_on(way.land_all())
    }

    /// What became of them so far. Those under way count as not acknowledged.
    pub(crate) fn counts(&self) -> Counts {
        let under_way = u64::try_from(self.flight.len()).unwrap_or(u64::MAX);
        Counts { unacknowledged: self.counts.unacknowledged + under_way, ..self.counts }
    }
}

/// A publisher without its runtime.
struct Way<'p, O: Outlet> {
    outlet: &'p O,
    flight: &'p mut VecDeque<Flying<O::Pending>>,
    flight_bytes: &'p mut usize,
    retry: &'p mut Retry,
    note: &'p Note,
    counts: &'p mut Counts,
}

impl<O: Outlet> Way<'_, O> {
    fn is_full(&self) -> bool {
        self.flight.len() >= MESSAGES_MAX || *self.flight_bytes >= BYTES_MAX
    }

    /// Sends a message. False if that failed, as its acknowledgement will.
    async fn send(&mut self, message: Outgoing) -> bool {
        if self.flight.is_empty() && self.retry.is_fresh() {
            // A broker that was asked for nothing has left nothing unanswered.
            self.retry.fine();
        }
        let pending = self.retry.heed(self.outlet.send(&message)).await;
        let is_sent = pending.is_ok();
        *self.flight_bytes += message.payload.len();
        self.flight.push_back(Flying { message, pending });
        is_sent
    }

    /// Takes the acknowledgements that have come already, of those that were sent first: the time since
    /// then was the source's, and not the broker's.
    fn land_ready(&mut self) {
        while let Some(first) = self.flight.front_mut() {
            let Ok(pending) = &mut first.pending else { return };
            match pending.now_or_never() {
                None => return,
                Some(Err(trouble)) => {
                    first.pending = Err(trouble);
                    if self.retry.is_fresh() {
                        self.retry.fine();
                    }
                    return;
                }
                Some(Ok(acknowledged)) => {
                    *self.flight_bytes -= first.message.payload.len();
                    self.flight.pop_front();
                    self.count(acknowledged);
                }
            }
        }
    }

    fn count(&mut self, acknowledged: Acknowledged) {
        self.retry.fine();
        match acknowledged.is_duplicate {
            true => self.counts.duplicates += 1,
            false => self.counts.published += 1,
        }
    }

    /// Waits for the acknowledgements of all.
    async fn land_all(&mut self) -> Result<(), Trouble> {
        while !self.flight.is_empty() {
            self.land().await?;
        }
        Ok(())
    }

    /// Waits for the acknowledgement of the one that was sent first.
    async fn land(&mut self) -> Result<(), Trouble> {
        let Some(failed) = self.first().await else { return Ok(()) };
        let mut failed = vec![failed];
        let mut unsent = Vec::new();
        loop {
            while !self.flight.is_empty() {
                failed.extend(self.first().await);
            }
            failed.append(&mut unsent);
            let lasting = failed.iter().find(|(_, why)| matches!(why, Trouble::Lasting(_)));
            let Some((_, trouble)) = lasting.or(failed.first()) else {
                (self.note)("the broker acknowledges again");
                return Ok(());
            };
            let trouble = self.outlet.explain(trouble.clone());
            if !self.retry.again(&trouble, self.note).await {
                self.counts.unacknowledged += u64::try_from(failed.len()).unwrap_or(u64::MAX);
                return Err(trouble);
            }
            let mut again = std::mem::take(&mut failed).into_iter();
            for (message, _) in again.by_ref() {
                self.counts.retried += 1;
                if !self.send(message).await {
                    break;
                }
            }
            unsent.extend(again);
        }
    }

    /// Waits for the first one; gives it back if it failed.
    async fn first(&mut self) -> Option<(Outgoing, Trouble)> {
        let Flying { message, pending } = self.flight.pop_front()?;
        *self.flight_bytes -= message.payload.len();
        let answer = match pending {
            Ok(pending) => self.retry.heed(pending).await,
            Err(trouble) => Err(trouble),
        };
        match answer {
            Ok(acknowledged) => {
                self.count(acknowledged);
                None
            }
            Err(trouble) => Some((message, trouble)),
        }
    }
}
