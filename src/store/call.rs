//! One append call: events in, a receipt out.

use std::collections::BTreeMap;

use super::held::{Held, HeldEvent};
use super::ingest::Ingest;
use super::place::Place;
use super::types::{CallOptions, Origin, Receipt, Rejected, Sync};
use crate::Error;
use crate::admission::{FORESEEN, Hashes, Verdict};
use crate::event::{Event, EventBlock, Placed, Reason, Rejection, Rules};
use crate::planted::planted;

/// The longest source or position of a mark, in bytes.
const MARK_BYTES_MAX: usize = 255;

/// An append call under way: give it events with [`Call::push`] or [`Call::push_block`], then
/// [`Call::finish`] it.
///
/// Batches are committed as they fill, the last full one when the next is; each is atomic, the call is not, but giving the same
/// events again is safe: what is in the log already is counted as a duplicate. A call that is
/// dropped unfinished leaves out what was not committed yet.
pub struct Call<'a> {
    pub(super) ingest: &'a mut Ingest,
    pub(super) rules: Rules,
    options: CallOptions<'a>,
    sync: Sync,
    /// Where the log is made that there was not when a strict call began.
    pub(super) unmade: Option<Place<'a>>,
    pub(super) held: Held,
    /// Marks that wait until nothing is held: a crash would lose what they say has been read.
    marks: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) receipt: Receipt,
    synced_end: u64,
    /// Events and time since the hold window began.
    pub(super) window_events: u64,
    window_began_us: i64,
    /// What failed: from then on nobody knows what the call has taken in.
    failed: Option<String>,
}

impl<'a> Call<'a> {
    pub(super) fn begin(
        ingest: &'a mut Ingest,
        rules: Rules,
        options: CallOptions<'a>,
        sync: Sync,
        unmade: Option<Place<'a>>,
    ) -> Call<'a> {
        if options.strict && unmade.is_none() {
            ingest.shelf.begin_stage();
        }
        ingest.busy = true;
        let (synced_end, window_began_us) = (ingest.synced_end(), (ingest.env.now_us)());
        Call {
            ingest,
            rules,
            options,
            sync,
            unmade,
            held: Held::new(),
            marks: BTreeMap::new(),
            receipt: Receipt::default(),
            synced_end,
            window_events: 0,
            window_began_us,
            failed: None,
        }
    }

    /// Admits one event, which was read from `text`; for rejects, `at` says where that stood.
    ///
    /// # Errors
    ///
    /// Whatever the disk says, and [`Error::Poisoned`] after that; a rejected event is none.
    pub fn push(&mut self, event: &Event<'_>, text: &[u8], at: Origin) -> Result<(), Error> {
        self.guarded(|call| call.take_in(event, None, text, at))
    }

    /// Admits the events of a block in order, and rejects what never was one, as
    /// [`Call::push`] and [`Call::reject`] do; `source` is that of their [`Origin`]s.
    ///
    /// # Errors
    ///
    /// As [`Call::push`] and [`Call::reject`]; nothing behind the event that failed is taken in.
    pub fn push_block(&mut self, block: &EventBlock, source: u32) -> Result<(), Error> {
        self.push_some(block, 0..block.len(), source)
    }

    /// The same of some of a block, by their places in it.
    pub(crate) fn push_some(
        &mut self,
        block: &EventBlock,
        mut places: impl Iterator<Item = usize>,
        source: u32,
    ) -> Result<(), Error> {
        let mut event = Event::nothing();
        loop {
            let (mut foreseen, mut count) = ([0; FORESEEN], 0);
            for (next, at) in foreseen.iter_mut().zip(places.by_ref()) {
                *next = at;
                count += 1;
            }
            let foreseen = foreseen.iter().copied().take(count);
            let hashes = self.ingest.foresee(foreseen.clone().map(|at| block.names(at)));
            if count == 0 {
                break;
            }
            for (at, hashes) in foreseen.zip(hashes) {
                let Some(Placed { line, text, rejection }) = block.read(at, &mut event) else {
                    return Ok(());
                };
                let at = Origin { source, line };
                match rejection {
                    None => self.guarded(|call| call.take_in(&event, Some(hashes), text, at))?,
                    Some(rejection) => self.reject(rejection, text, at)?,
                }
            }
        }
        Ok(())
    }

    /// Runs one step; after one that failed, with whatever it had half done, none is run.
    pub(super) fn guarded<T>(
        &mut self,
        step: impl FnOnce(&mut Call<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let failed = self.failed.as_ref().filter(|_| !planted("call goes on after a failure"));
        if let Some(reason) = failed {
            return Err(Error::Poisoned { reason: reason.clone() });
        }
        step(self).inspect_err(|error| self.failed = Some(error.to_string()))
    }

    fn take_in(
        &mut self,
        event: &Event<'_>,
        hashes: Option<Hashes>,
        text: &[u8],
        at: Origin,
    ) -> Result<(), Error> {
        self.end_window_if_due()?;
        self.window_events += 1;
        if event.key.len() > crate::event::ID_BYTES_MAX {
            // No reader gives such an event; whoever put it together did not check it.
            let (reason, detail) = (Reason::InvalidField, "the key is too long".to_owned());
            return self.turn_down(&Rejection::new(reason, detail), text, at);
        }
        // Matched where it is written: a verdict that moves costs as much as a look-up.
        match self.ingest.admit(event, hashes) {
            Ok(Verdict::Accepted) => self.receipt.accepted += 1,
            Ok(Verdict::Duplicate) => self.receipt.duplicates += 1,
            Ok(Verdict::Held(_)) => self.held.push(at, text)?,
            Ok(Verdict::Rejected(rejection)) => self.turn_down(&rejection, text, at)?,
            Err(error) => return Err(error),
        }
        self.commit_if_full()
    }

    /// Counts and reports an event that never was one, as the reader said.
    ///
    /// # Errors
    ///
    /// What the receiver of rejected events says.
    pub fn reject(&mut self, rejection: &Rejection, text: &[u8], at: Origin) -> Result<(), Error> {
        self.guarded(|call| call.turn_down(rejection, text, at))
    }

    fn turn_down(&mut self, rejection: &Rejection, text: &[u8], at: Origin) -> Result<(), Error> {
        *self.receipt.reasons.entry(rejection.reason).or_default() += 1;
        let rejection = &self.ingest.of_here(rejection);
        match &mut self.options.on_reject {
            Some(report) => report(&Rejected { origin: at, rejection, text }),
            None => Ok(()),
        }
    }

    /// Notes up to which position `source` has been read, in the batch of the events pushed last:
    /// it becomes durable with them, and [`Store::mark`](super::Store::mark) gives it back. While
    /// events are held it waits for the end of their window, and an interrupted call forgets it.
    /// False, and nothing noted, if one of the two is longer than 255 bytes.
    #[must_use]
    pub fn set_mark(&mut self, source: &[u8], position: &[u8]) -> bool {
        if self.held.count() > 0 {
            let fits = source.len().max(position.len()) <= MARK_BYTES_MAX;
            if fits {
                self.marks.insert(source.to_vec(), position.to_vec());
            }
            return fits;
        }
        self.ingest.set_mark(source, position)
    }

    /// How many events were rejected so far.
    pub fn rejected(&self) -> u64 {
        self.receipt.rejected()
    }

    /// How many events are held now, until their customer or order comes or their window ends.
    pub fn held(&self) -> u64 {
        self.held.count()
    }

    /// Ends the hold window: tries the held events again, in order of arrival, until no more are
    /// admitted, and rejects what is left. `finish` does it too.
    ///
    /// # Errors
    ///
    /// As [`Call::push`].
    pub fn settle(&mut self) -> Result<(), Error> {
        self.guarded(Call::try_held_again)
    }

    fn try_held_again(&mut self) -> Result<(), Error> {
        self.window_events = 0;
        self.window_began_us = (self.ingest.env.now_us)();
        self.try_held(Some(&|_| true))?;
        for (source, position) in std::mem::take(&mut self.marks) {
            let noted = self.ingest.set_mark(&source, &position);
            debug_assert!(noted, "too long a mark was refused when it came");
        }
        Ok(())
    }

    /// Tries the held events again, in order of arrival, until no more are admitted, and rejects
    /// those of the rest that are to be given up.
    pub(super) fn try_held(
        &mut self,
        given_up: Option<&dyn Fn(Origin) -> bool>,
    ) -> Result<(), Error> {
        let mut last_try = false;
        while self.held.count() > 0 {
            let accepted_before = self.receipt.accepted;
            let mut waiting = std::mem::replace(&mut self.held, Held::new()).read()?;
            while let Some(event) = waiting.next()? {
                let is_given_up = last_try && given_up.is_some_and(|is| is(event.at));
                self.retry(&event, is_given_up)?;
                self.commit_if_full()?;
            }
            if last_try {
                break;
            }
            last_try = self.receipt.accepted == accepted_before;
            if last_try && given_up.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn retry(&mut self, held: &HeldEvent, last_try: bool) -> Result<(), Error> {
        let event = match Event::from_json(&held.text, &self.rules) {
            Ok(event) => event,
            // The caller gave a text that is not the event's.
            Err(rejection) => return self.turn_down(&rejection, &held.text, held.at),
        };
        match self.ingest.admit(&event, None)? {
            Verdict::Held(_) if !last_try => self.held.push(held.at, &held.text),
            verdict @ (Verdict::Held(_)
            | Verdict::Accepted
            | Verdict::Duplicate
            | Verdict::Rejected(_)) => self.count(verdict, &held.text, held.at),
        }
    }

    /// Settles, writes what is pending, and syncs as the store's options say.
    ///
    /// # Errors
    ///
    /// As [`Call::push`]; [`Error::Rejected`] from a strict call that would have rejected events,
    /// after which the log is as it was before the call, and not there if it was not.
    pub fn finish(mut self) -> Result<Receipt, Error> {
        self.settle()?;
        self.guarded(Call::end).inspect(|_| self.ingest.checkpoint_if_due())
    }

    /// As [`Call::finish`], but what can wait is left to [`Store::tend`](super::Store::tend).
    pub(crate) fn acknowledge(mut self) -> Result<Receipt, Error> {
        self.settle()?;
        self.guarded(Call::end)
    }

    /// Ends the hold window, and gives the receipt of what was pushed since the last part ended, as
    /// if that had been a call. Nothing of it is durable before the call is finished.
    pub(crate) fn part(&mut self) -> Result<Receipt, Error> {
        self.settle()?;
        let end = self.ingest.pending_end();
        Ok(Receipt { end, ..std::mem::take(&mut self.receipt) })
    }

    /// Ends the call before its events have ended: writes and syncs what is pending; what is
    /// held is neither admitted nor rejected. A strict call writes nothing.
    ///
    /// # Errors
    ///
    /// As [`Call::push`].
    pub fn interrupt(mut self) -> Result<Receipt, Error> {
        if self.options.strict {
            return Ok(Receipt { end: self.ingest.log_end(), ..Receipt::default() });
        }
        self.guarded(Call::end).inspect(|_| self.ingest.checkpoint_if_due())
    }

    pub(super) fn end(&mut self) -> Result<Receipt, Error> {
        if self.options.strict && self.receipt.rejected() > 0 {
            // `busy` stays set: the next call opens the log again and forgets this one's events.
            return Err(Error::Rejected { count: self.receipt.rejected() });
        }
        self.ingest.commit()?;
        match self.unmade.take() {
            Some(place) => place.make(self.ingest, &self.rules)?,
            None if self.options.strict => self.ingest.shelf.commit_stage()?,
            None => {}
        }
        if self.sync != Sync::None && !planted("receipt before sync") {
            self.ingest.sync()?;
        }
        self.ingest.look()?;
        self.report_synced()?;
        self.receipt.end = self.ingest.shelf.end();
        self.receipt.synced = self.ingest.synced_end() >= self.receipt.end;
        self.ingest.busy = false;
        Ok(std::mem::take(&mut self.receipt))
    }

    fn count(&mut self, verdict: Verdict, text: &[u8], at: Origin) -> Result<(), Error> {
        match verdict {
            Verdict::Accepted => self.receipt.accepted += 1,
            Verdict::Duplicate => self.receipt.duplicates += 1,
            Verdict::Held(rejection) | Verdict::Rejected(rejection) => {
                self.turn_down(&rejection, text, at)?;
            }
        }
        Ok(())
    }

    fn commit_if_full(&mut self) -> Result<(), Error> {
        if !self.ingest.is_full() {
            return Ok(());
        }
        if self.sync == Sync::Batch && !self.options.strict {
            self.ingest.commit()?;
            self.ingest.sync()?;
        } else {
            self.ingest.commit_ahead()?;
        }
        self.report_synced()
    }

    /// Makes durable what a window brought: who feeds an endless call waits for it.
    fn sync_what_is_there(&mut self) -> Result<(), Error> {
        if self.sync != Sync::None && !self.options.strict {
            self.ingest.commit()?;
            self.ingest.sync()?;
        }
        self.report_synced()
    }

    fn report_synced(&mut self) -> Result<(), Error> {
        let synced_end = match planted("acknowledged what is not synced") {
            false => self.ingest.synced_end(),
            true => self.ingest.log_end(),
        };
        if synced_end > self.synced_end {
            self.synced_end = synced_end;
            if let Some(report) = &mut self.options.on_synced {
                report(synced_end)?;
            }
        }
        Ok(())
    }

    pub(super) fn end_window_if_due(&mut self) -> Result<(), Error> {
        if self.window_is_over() {
            self.try_held_again()?;
            self.sync_what_is_there()?;
        }
        Ok(())
    }

    fn window_is_over(&self) -> bool {
        let Some(hold) = self.options.hold_max else { return false };
        let age_us = (self.ingest.env.now_us)().saturating_sub(self.window_began_us);
        // A clock that was set back tells no age: better a short window than one of years.
        self.window_events >= hold.events
            || u64::try_from(age_us).map_or(true, |age| age >= hold.us)
    }
}
