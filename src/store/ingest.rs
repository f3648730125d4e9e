//! The writing side of a store: admission over the shelf, and batches on their way to the log.

use std::path::{Path, PathBuf};

use super::pack::Packer;
use super::rules::agreed_rules;
use super::shelf::Shelf;
use super::sidecars::{KEYS, check_sealed};
use super::source::Source;
use super::types::{CallOptions, Options, Origin, Receipt};
use super::{Call, READERS, Store, backup, checkpoints, evidence, files};
use crate::Error;
use crate::admission::{Admission, FORESEEN, Hashes, Verdict};
use crate::event::{Event, Kind, Rules};
use crate::log::{self, Env, LogMeta, LogSettings, View, Writer};
use crate::planted::planted;

/// Keys are saved for a part of the events after which statistics are: 16,384 of 262,144. To read
/// so many events takes some 5 ms, and who appends single events seldom writes so many keys.
const RUN_PART: u64 = 16;

/// Everything that a store which writes holds on to between calls.
pub(super) struct Ingest {
    pub(super) env: Env,
    pub(super) shelf: Shelf,
    admission: Admission,
    body: Vec<u8>,
    /// The log as the last call left it, synced or not; none for a scratch store.
    pub(super) view: Option<View>,
    /// Set while a call is under way; still set afterwards, its pending events must be forgotten.
    pub(super) busy: bool,
    checkpoint_events_min: u64,
    packer: Packer,
}

impl Ingest {
    /// Goes on where the log ends.
    pub(super) fn open(
        env: Env,
        dir: PathBuf,
        writer: Writer,
        checkpoint_events_min: u64,
    ) -> Result<Ingest, Error> {
        let log_id = writer.meta().log_id;
        files::remove_temporary(&env, &dir.join(KEYS));
        files::remove_temporary(&env, &dir.join(checkpoints::CHECKPOINTS));
        let mut ingest = Ingest::over(env.clone(), Shelf::open(env, dir, writer)?, log_id);
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
    pub(super) fn scratch(env: Env) -> Ingest {
        let log_id = (env.random_u64)();
        Ingest::over(env.clone(), Shelf::scratch(env, log_id), log_id)
    }

    fn over(env: Env, shelf: Shelf, log_id: u64) -> Ingest {
        let admission = Admission::new(log_id, shelf.end(), shelf.tally());
        let (body, view, busy, checkpoint_events_min) = (Vec::new(), None, false, u64::MAX);
        let packer = Packer::new();
        Ingest { env, shelf, admission, body, view, busy, checkpoint_events_min, packer }
    }

    /// Whether there is a log; else this is a scratch store's, or a strict call's that may make one.
    pub(super) fn is_log(&self) -> bool {
        self.shelf.writer.is_some()
    }

    /// Forgets what a call left pending that was given up, where there is no log to open again.
    pub(super) fn forget_pending(&mut self) -> Result<(), Error> {
        let seed = self.shelf.index_again()?;
        self.admission = Admission::new(seed, self.shelf.end(), self.shelf.tally());
        self.busy = false;
        Ok(())
    }

    /// Admits an event; `hashes` are what `foresee` gave, if it was announced.
    pub(super) fn admit(
        &mut self,
        event: &Event<'_>,
        hashes: Option<Hashes>,
    ) -> Result<Verdict, Error> {
        match hashes {
            Some(hashes) => self.admission.admit_by(hashes, event, &mut self.shelf),
            None => self.admission.admit(event, &mut self.shelf),
        }
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
        match self.admission.take((self.env.now_us)(), &mut self.body) {
            Some((events, after)) => self.shelf.append(&self.body, events, after),
            None => Ok(()),
        }
    }

    /// Forces everything committed to the disk.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.shelf.writer.as_mut().map_or(Ok(()), |writer| writer.sync().map(|_| ()))
    }

    /// What can wait until no receipt is waited for, while nothing is pending.
    pub(super) fn tend(&mut self) -> Result<(), Error> {
        self.save_keys_if_due();
        self.shelf.writer.as_mut().map_or(Ok(()), Writer::tend)
    }

    /// Packs a little of what there is to pack, or, before the log is let go of, a segment.
    fn pack(&mut self, whole: bool) -> Result<(), Error> {
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
            self.pack(true)?;
        }
        self.shelf.writer.map_or(Ok(()), Writer::close)
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

/// Where a log is, or is made.
pub(super) struct Place<'a> {
    dir: &'a Path,
    options: &'a Options,
    /// Set once there is one.
    exists: &'a mut bool,
}

impl Place<'_> {
    /// Opens the log for append, creating it if there is none; whether it was created.
    fn open(&mut self, env: &Env, rules: &Rules) -> Result<(Ingest, bool), Error> {
        let dir = self.dir;
        backup::refuse_append(env, dir)?;
        let evidence = evidence::evidence(env, dir)?;
        check_sealed(env, dir)?;
        let settings = LogSettings {
            segment_bytes_max: self.options.segment_bytes_max,
            ..LogSettings::new(LogMeta {
                log_id: 0,
                currency: rules.currency,
                partition: 0,
                partitions: 1,
                time_range_us: rules.time_range_us.clone(),
            })
        };
        let (writer, recovered) = Writer::open(env, dir, &settings, READERS, evidence)?;
        *self.exists = true;
        // Another process may have made the log meanwhile; the events at hand were checked by the
        // rules of the log that was to be.
        if agreed_rules(dir, Some(writer.meta()), self.options)? != *rules {
            return Err(made_meanwhile(dir));
        }
        let events_min = self.options.checkpoint_events_min;
        let ingest = Ingest::open(env.clone(), dir.to_path_buf(), writer, events_min)?;
        Ok((ingest, recovered.created))
    }

    /// Makes the log for what was staged before there was one. Nothing staged makes none.
    pub(super) fn make(mut self, ingest: &mut Ingest, rules: &Rules) -> Result<(), Error> {
        let staged = ingest.shelf.stage.as_ref().filter(|stage| !stage.batches().is_empty());
        let Some(stage) = staged else { return Ok(()) };
        let (mut made, created) = self.open(&ingest.env, rules)?;
        if !created {
            // What was staged was never held against the events that are there.
            return Err(made_meanwhile(self.dir));
        }
        let seed = made.shelf.take_over(stage)?;
        made.admission = Admission::new(seed, made.shelf.end(), made.shelf.tally());
        *ingest = made;
        Ok(())
    }
}

fn made_meanwhile(dir: &Path) -> Error {
    let reason = format!("the log in {} was made meanwhile: open it again", dir.display());
    Error::Options { reason }
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
            self.ingest = Some(Ingest::scratch(self.env.clone()));
        } else {
            self.ready()?;
        }
        let (rules, of_store) = (self.rules.clone(), &self.options);
        let ingest = self.ingest.as_mut().expect("one was made ready");
        // One that cannot be used any more is opened again by the next call.
        ingest.busy = !planted("poisoned store kept");
        ingest.tend()?;
        let dir = self.dir.as_ref().filter(|_| is_made_later);
        let exists = &mut self.exists;
        let unmade = dir.map(|dir| Place { dir, options: of_store, exists });
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
    /// What the disk says of the log itself. What is derived, or only packed, may fail unnoticed.
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
        let mut place = Place { dir, options: &self.options, exists: &mut self.exists };
        place.open(&self.env, &self.rules).map(|(ingest, _created)| ingest)
    }
}
