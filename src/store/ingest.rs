//! The writing side of a store: admission over the shelf, and batches on their way to the log.

use std::borrow::Cow;
use std::path::PathBuf;

use super::ahead::{Ahead, Job};
use super::aside::Turn;
use super::pack::Packer;
use super::place::Place;
use super::shelf::Shelf;
use super::sidecars::KEYS;
use super::source::Source;
use super::types::{CallOptions, Origin, Receipt};
use super::{Call, Store, checkpoints, files};
use crate::admission::{Admission, Ended, FORESEEN, Hashes, Verdict};
use crate::event::{Event, Kind, Reason, Rejection};
use crate::log::{self, Env, View, Writer};
use crate::planted::planted;
use crate::{Error, Partition, partition_of};

/// Keys are saved for a part of the events after which statistics are: 16,384 of 262,144. To read
/// so many events takes some 5 ms, and who appends single events seldom writes so many keys.
const RUN_PART: u64 = 16;

/// Everything that a store which writes holds on to between calls.
pub(super) struct Ingest {
    pub(super) env: Env,
    pub(super) shelf: Shelf,
    admission: Admission,
    body: Vec<u8>,
    /// The log as the last call left it, synced or not; none if there is no log.
    pub(super) view: Option<View>,
    /// Set while a call is under way; still set afterwards, its pending events must be forgotten.
    pub(super) busy: bool,
    checkpoint_events_min: u64,
    packer: Packer,
    partition: Partition,
    ahead: Option<Ahead>,
    may_run_ahead: bool,
}

impl Ingest {
    /// Goes on where the log ends.
    pub(super) fn open(
        env: Env,
        dir: PathBuf,
        writer: Writer,
        partition: Partition,
        checkpoint_events_min: u64,
    ) -> Result<Ingest, Error> {
        let log_id = writer.meta().log_id;
        files::remove_temporary(&env, &dir.join(KEYS));
        files::remove_temporary(&env, &dir.join(checkpoints::CHECKPOINTS));
        let mut ingest =
            Ingest::over(env.clone(), Shelf::open(env, dir, writer)?, log_id, partition);
        ingest.checkpoint_events_min = checkpoint_events_min;
        ingest.look()?;
        Ok(ingest)
    }

    /// Leaves sealed segments as they are.
    pub(super) fn without_packing(mut self) -> Ingest {
        self.packer.rest();
        self
    }

    /// Keeps everything in memory and temporary files.
    pub(super) fn scratch(env: Env, partition: Partition) -> Ingest {
        let log_id = (env.random_u64)();
        Ingest::over(env.clone(), Shelf::scratch(env, log_id), log_id, partition)
    }

    fn over(env: Env, shelf: Shelf, log_id: u64, partition: Partition) -> Ingest {
        let admission = Admission::new(log_id, shelf.end(), shelf.tally());
        let (body, view, busy, checkpoint_events_min) = (Vec::new(), None, false, u64::MAX);
        let (packer, ahead, may_run_ahead) = (Packer::new(), None, false);
        Ingest {
            env,
            shelf,
            admission,
            body,
            view,
            busy,
            checkpoint_events_min,
            packer,
            partition,
            ahead,
            may_run_ahead,
        }
    }

    /// Whether there is a log; else this is a scratch store's, or a strict call's that may make one.
    pub(super) fn is_log(&self) -> bool {
        self.shelf.writer.is_some()
    }

    /// Forgets what a call left pending that was given up, where there is no log to open again.
    pub(super) fn forget_pending(&mut self) -> Result<(), Error> {
        let seed = self.shelf.index_again()?;
        self.admit_from_the_end(seed);
        // With what it has under way.
        self.ahead = None;
        self.busy = false;
        Ok(())
    }

    /// Begins admission anew, with hashes of this seed.
    pub(super) fn admit_from_the_end(&mut self, seed: u64) {
        self.admission = Admission::new(seed, self.shelf.end(), self.shelf.tally());
    }

    /// Admits an event; `hashes` are what `foresee` gave, if it was announced.
    pub(super) fn admit(
        &mut self,
        event: &Event<'_>,
        hashes: Option<Hashes>,
    ) -> Result<Verdict, Error> {
        // Without its customer, whatever names one is unknown here.
        if event.kind == Kind::CustomerNew && !self.partition.has(&event.key) {
            return Ok(Verdict::Rejected(elsewhere(event, self.partition)));
        }
        match hashes {
            Some(hashes) => self.admission.admit_by(hashes, event, &mut self.shelf),
            None => self.admission.admit(event, &mut self.shelf),
        }
    }

    /// What is said of a rejected event: in a partition, of what is in this one.
    pub(super) fn of_here<'r>(&self, rejection: &'r Rejection) -> Cow<'r, Rejection> {
        let mut told = Cow::Borrowed(rejection);
        if told.reason == Reason::UnknownOrder && self.partition != Partition::WHOLE {
            let here =
                format!(" in partition {}; orders do not move from one to another", self.partition);
            told.to_mut().detail.push_str(&here);
        }
        told
    }

    /// Announces events that are admitted next: kind, key, customer id.
    pub(super) fn foresee<'n>(
        &self,
        names: impl Iterator<Item = Option<(Kind, &'n str, &'n str)>>,
    ) -> [Hashes; FORESEEN] {
        self.admission.foresee(names, &self.shelf)
    }

    pub(super) fn set_mark(&mut self, source: &[u8], position: &[u8]) -> bool {
        self.admission.set_mark(source, position)
    }

    pub(super) fn is_full(&self) -> bool {
        self.admission.is_full()
    }

    /// Hands the pending batch on.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        self.take_back()?;
        match self.admission.take((self.env.now_us)(), &mut self.body) {
            Some(Ended { events, after, .. }) => self.shelf.append(&self.body, events, after),
            None => Ok(()),
        }
    }

    /// The same, but leaves the batch under way where another thread may encode it: it is in the log
    /// after the next commit.
    pub(super) fn commit_ahead(&mut self) -> Result<(), Error> {
        self.take_back()?;
        if self.may_run_ahead && self.ahead.is_none() {
            self.ahead = Ahead::start();
            self.may_run_ahead = self.ahead.is_some();
        }
        let Some(ahead) = &mut self.ahead else { return self.commit() };
        if let Some((ended, batch)) = self.admission.hand_over((self.env.now_us)()) {
            ahead.begin(Job { ended, batch, body: std::mem::take(&mut self.body) });
        }
        Ok(())
    }

    /// Appends the batch that is under way, if one is.
    fn take_back(&mut self) -> Result<(), Error> {
        let Some(job) = self.ahead.as_mut().and_then(Ahead::take) else { return Ok(()) };
        self.body = job.body;
        self.shelf.append(&self.body, job.ended.events, job.ended.after)?;
        self.admission.take_back(job.batch);
        Ok(())
    }

    /// Lets another thread encode batches from now on, or not.
    pub(super) fn run_ahead(&mut self, may: bool) {
        self.may_run_ahead = may;
    }

    /// Forces everything committed to the disk.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.shelf.writer.as_mut().map_or(Ok(()), |writer| writer.sync().map(|_| ()))
    }

    /// What can wait until no receipt is waited for, while nothing is pending.
    pub(super) fn tend(&mut self) -> Result<(), Error> {
        self.save_keys_if_due();
        // Whatever becomes of key files, the log is tended.
        let settled = self.shelf.settle(false);
        self.shelf.writer.as_mut().map_or(Ok(()), Writer::tend)?;
        settled
    }

    /// Packs a little of what there is to pack, or, before the log is let go of, a segment. A segment
    /// that is asked by its runs stays as it is: where runs end, batches end.
    fn pack(&mut self, whole: bool) -> Result<(), Error> {
        if self.shelf.is_sealing() {
            return Ok(());
        }
        let (Some(view), Some(writer)) = (&self.view, &mut self.shelf.writer) else {
            return Ok(());
        };
        let dir = view.dir().to_path_buf();
        let changed = match whole {
            true => self.packer.finish(&self.env, &dir, writer),
            false => self.packer.step(&self.env, &dir, writer),
        };
        if changed { self.look() } else { Ok(()) }
    }

    /// Saves keys that were entered since the last time, if there are many: as with checkpoints,
    /// what cannot be written costs whoever opens the log next time, and the log nothing.
    fn save_keys_if_due(&mut self) {
        drop(self.shelf.save_keys_if_due(self.checkpoint_events_min / RUN_PART));
    }

    /// Syncs, and lets go of the log.
    pub(super) fn close(mut self) -> Result<(), Error> {
        self.sync()?;
        // What a call that was given up has left pending is in no batch.
        if !self.busy {
            self.save_keys_if_due();
        }
        // Whatever becomes of key files, the log is closed.
        let settled = self.shelf.settle(true);
        let packed = if settled.is_ok() && !self.busy { self.pack(true) } else { Ok(()) };
        self.shelf.close()?;
        settled.and(packed)
    }

    /// Hands everything committed to the system, synced or not, and looks at the log again.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        self.view = self.shelf.writer.as_mut().map(Writer::view).transpose()?;
        Ok(())
    }

    /// Writes a checkpoint if enough durable events follow the last one. It is derived: one that
    /// cannot be written costs the next answer time, and the log nothing.
    pub(super) fn checkpoint_if_due(&mut self) {
        let Some(view) = &self.view else { return };
        if self.synced_end() < view.end() && !planted("checkpoint of unsynced events") {
            return;
        }
        let (source, log_id) = (Source::Own(view), view.meta().log_id);
        let events_min = self.checkpoint_events_min;
        let wrote = checkpoints::write_if_due(&self.env, view.dir(), &source, log_id, events_min);
        if wrote.is_ok_and(|wrote| wrote) {
            self.packer.look_again();
        }
    }

    /// All below is on the disk. A scratch store has none.
    pub(super) fn synced_end(&self) -> u64 {
        self.shelf.writer.as_ref().map_or(0, Writer::synced_end)
    }

    /// The sequence that the next admitted event gets.
    pub(super) fn pending_end(&self) -> u64 {
        self.admission.end()
    }

    /// The log's end, without what is staged.
    pub(super) fn log_end(&self) -> u64 {
        self.shelf.writer.as_ref().map_or(0, Writer::end)
    }
}

fn elsewhere(event: &Event<'_>, here: Partition) -> Rejection {
    let there = partition_of(&event.key, here.of());
    let detail =
        format!("customer {:?} belongs to partition {there}, and this log is {here}", event.key);
    Rejection::new(Reason::InvalidField, detail)
}

impl Store {
    /// Appends events as one call, and says what became of them.
    ///
    /// # Errors
    ///
    /// As [`Call::push`] and [`Call::finish`].
    pub fn append<'e>(
        &mut self,
        events: impl IntoIterator<Item = Event<'e>>,
    ) -> Result<Receipt, Error> {
        let rules = self.rules.clone();
        let mut call = self.call(CallOptions::default())?;
        let mut text = String::new();
        for (event, line) in events.into_iter().zip(1..) {
            text.clear();
            event.to_json(rules.currency, &mut text);
            let at = Origin { source: 0, line };
            // Whoever put the event together may have broken rules that a reader sees to.
            match event.check(&rules) {
                Ok(()) => call.push(&event, text.as_bytes(), at)?,
                Err(rejection) => call.reject(&rejection, text.as_bytes(), at)?,
            }
        }
        call.finish()
    }

    /// Begins a call of many events, creating the log if there is none. A strict call creates it
    /// when it is finished, if it has something to write.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another process writes; [`Error::Corrupt`] if the log is damaged,
    /// in which case nothing was changed; what the disk says.
    pub fn call<'a>(&'a mut self, options: CallOptions<'a>) -> Result<Call<'a>, Error> {
        if options.strict && self.dir.is_none() {
            let reason =
                "a scratch store keeps what it is given; strict calls need a log".to_owned();
            return Err(Error::Options { reason });
        }
        let is_there = |dir: &PathBuf| log::read_meta(&self.env, dir).map(|meta| meta.is_some());
        let asked = self.dir.as_ref().filter(|_| options.strict && !self.exists);
        // Another process may have made it since this store was opened.
        let is_made_later = asked.map(is_there).transpose()? == Some(false);
        if is_made_later {
            self.ingest = Some(Ingest::scratch(self.env.clone(), self.partition));
        } else {
            self.ready()?;
        }
        let (rules, of_store) = (self.rules.clone(), &self.options);
        let ingest = self.ingest.as_mut().expect("one was made ready");
        // One that cannot be used any more is opened again by the next call.
        ingest.busy = !planted("poisoned store kept");
        ingest.run_ahead(of_store.threads.get() > 1);
        ingest.shelf.set_turn(Turn::of(ingest.env.threads, of_store.threads.get() > 1));
        ingest.tend()?;
        let dir = self.dir.as_ref().filter(|_| is_made_later);
        let (partition, exists) = (self.partition, &mut self.exists);
        let unmade =
            dir.map(|dir| Place { dir, options: of_store, partition, exists, ready: None });
        Ok(Call::begin(ingest, rules, options, of_store.sync, unmade))
    }

    /// Locks and recovers the log, creating it if there is none; up to where it is durable.
    pub(crate) fn open_for_append(&mut self) -> Result<u64, Error> {
        self.ready().map(|ingest| ingest.synced_end())
    }

    /// Does a little of what can wait until nobody waits for a receipt: saves statistics and keys,
    /// and packs sealed segments of many small batches, for about as long as a sync takes. Who keeps
    /// a store open may call it whenever there is time; [`Store::close`] does it, too, for one
    /// segment, and an [`Appender`](crate::Appender) after each group.
    ///
    /// # Errors
    ///
    /// What the disk says of the log itself, or of the third segment whose keys it does not take. What
    /// else is derived, or only packed, may fail unnoticed.
    pub fn tend(&mut self) -> Result<(), Error> {
        let Some(ingest) = self.ingest.as_mut().filter(|ingest| !ingest.busy) else {
            return Ok(());
        };
        ingest.checkpoint_if_due();
        ingest.pack(false)?;
        ingest.tend()
    }

    /// The writing side, without what a call left pending that was given up.
    fn ready(&mut self) -> Result<&mut Ingest, Error> {
        let is_spent = |ingest: &Ingest| ingest.busy || !ingest.is_log();
        if self.dir.is_some() && self.ingest.as_ref().is_some_and(is_spent) {
            self.ingest = None;
        }
        let ingest = match self.ingest.take() {
            Some(ingest) => ingest,
            None => self.open_ingest()?,
        };
        let ingest = self.ingest.insert(ingest);
        if ingest.busy {
            ingest.forget_pending()?;
        }
        Ok(ingest)
    }

    pub(super) fn open_ingest(&mut self) -> Result<Ingest, Error> {
        let dir = self.dir.as_ref().expect("a scratch store has its ingest from the start");
        let (options, partition) = (&self.options, self.partition);
        let mut place = Place { dir, options, partition, exists: &mut self.exists, ready: None };
        place.open(&self.env, &self.rules)
    }
}
