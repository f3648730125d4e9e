//! The writing side of a store: admission over the shelf, and batches on their way to the log.

use std::path::PathBuf;

use super::checkpoints;
use super::shelf::Shelf;
use super::source::Source;
use crate::Error;
use crate::admission::{Admission, Verdict};
use crate::event::Event;
use crate::log::{Env, View, Writer};

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
        let mut ingest = Ingest::over(env.clone(), Shelf::open(env, dir, writer)?, log_id);
        ingest.checkpoint_events_min = checkpoint_events_min;
        ingest.look()?;
        Ok(ingest)
    }

    /// Keeps everything in memory and temporary files.
    pub(super) fn scratch(env: Env) -> Ingest {
        let log_id = (env.random_u64)();
        Ingest::over(env.clone(), Shelf::scratch(env, log_id), log_id)
    }

    fn over(env: Env, shelf: Shelf, log_id: u64) -> Ingest {
        let admission = Admission::new(log_id, shelf.end(), shelf.tally());
        let (body, view, busy, checkpoint_events_min) = (Vec::new(), None, false, u64::MAX);
        Ingest { env, shelf, admission, body, view, busy, checkpoint_events_min }
    }

    /// Whether there is a log; else this is a scratch store.
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

    pub(super) fn admit(&mut self, event: &Event<'_>) -> Result<Verdict, Error> {
        self.admission.admit(event, &mut self.shelf)
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

    /// What can wait until no receipt is waited for.
    pub(super) fn tend(&mut self) -> Result<(), Error> {
        self.shelf.writer.as_mut().map_or(Ok(()), Writer::tend)
    }

    /// Hands everything committed to the system, synced or not, and looks at the log again.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        self.view = self.shelf.writer.as_mut().map(Writer::view).transpose()?;
        Ok(())
    }

    /// Writes a checkpoint if enough durable events follow the last one. It is derived: one that
    /// cannot be written costs the next answer time, and the log nothing.
    pub(super) fn checkpoint_if_due(&self) {
        let Some(view) = &self.view else { return };
        if self.synced_end() < view.end() {
            return;
        }
        let (source, log_id) = (Source::Own(view), view.meta().log_id);
        let events_min = self.checkpoint_events_min;
        drop(checkpoints::write_if_due(&self.env, view.dir(), &source, log_id, events_min));
    }

    /// All below is on the disk. A scratch store has none.
    pub(super) fn synced_end(&self) -> u64 {
        self.shelf.writer.as_ref().map_or(0, Writer::synced_end)
    }

    /// The log's end, without what is staged.
    pub(super) fn log_end(&self) -> u64 {
        self.shelf.writer.as_ref().map_or(0, Writer::end)
    }
}
