//! Where a log is, or is made once there is something to write.

use std::path::Path;

use super::ingest::Ingest;
use super::rules::{agreed_partition, agreed_rules};
use super::sidecars::check_sealed;
use super::stage::Stage;
use super::types::Options;
use super::{READERS, backup, evidence};
use crate::event::Rules;
use crate::log::{Among, Env, LogMeta, LogSettings, Writer, read_meta};
use crate::{Error, Partition};

/// A directory, and how a log is made there.
pub(super) struct Place<'a> {
    pub(super) dir: &'a Path,
    pub(super) options: &'a Options,
    pub(super) partition: Partition,
    /// Set once there is one.
    pub(super) exists: &'a mut bool,
    /// The log, opened before anything is written to it.
    pub(super) ready: Option<Ingest>,
}

impl Place<'_> {
    /// Opens the log for append, creating it if there is none.
    pub(super) fn open(&mut self, env: &Env, rules: &Rules) -> Result<Ingest, Error> {
        let dir = self.dir;
        if !*self.exists {
            self.refuse_among_partitions(env)?;
        }
        backup::refuse_append(env, dir)?;
        let evidence = evidence::evidence(env, dir)?;
        check_sealed(env, dir)?;
        let settings = LogSettings {
            segment_bytes_max: self.options.segment_bytes_max,
            ..LogSettings::new(LogMeta {
                log_id: 0,
                currency: rules.currency,
                partition: self.partition.number(),
                partitions: self.partition.of().get(),
                time_range_us: rules.time_range_us.clone(),
            })
        };
        let (writer, _) = Writer::open(env, dir, &settings, READERS, evidence)?;
        *self.exists = true;
        // Another process may have made the log meanwhile; the events at hand were checked by the
        // rules of the log that was to be.
        let meta = Some(writer.meta());
        let partition = agreed_partition(dir, meta, self.options)?;
        if agreed_rules(dir, meta, self.options)? != *rules || partition != self.partition {
            return Err(made_meanwhile(dir));
        }
        let events_min = self.options.checkpoint_events_min;
        Ingest::open(env.clone(), dir.to_path_buf(), writer, partition, events_min)
    }

    /// Refuses to make a log where only partitions of one belong, unless it is the one that is missing
    /// there.
    fn refuse_among_partitions(&self, env: &Env) -> Result<(), Error> {
        let Some(among) = Among::find(&*env.disk, self.dir)? else { return Ok(()) };
        let (number, of) = (self.partition.number(), self.partition.of().get());
        let is_named = of > 1 && among.below == Path::new(&format!("{number:05}"));
        // One that is damaged does not tell how many there are.
        let is_fellow = |meta: Option<LogMeta>| meta.is_none_or(|meta| meta.partitions == of);
        if is_named && read_meta(env, &among.fellow).map_or(true, is_fellow) {
            return Ok(());
        }
        among.refuse(self.dir)
    }

    /// Opens the log, which is there by now, for what was staged before it was.
    pub(super) fn get_ready(&mut self, ingest: &Ingest, rules: &Rules) -> Result<(), Error> {
        *self.exists = true;
        if staged(ingest).is_some() {
            self.ready = Some(self.open_empty(&ingest.env, rules)?);
        }
        Ok(())
    }

    /// Opens a log that has no events, creating it if there is none: what was staged was never held
    /// against events that are there.
    fn open_empty(&mut self, env: &Env, rules: &Rules) -> Result<Ingest, Error> {
        let made = self.open(env, rules)?;
        if made.log_end() > 0 { Err(made_meanwhile(self.dir)) } else { Ok(made) }
    }

    /// Makes the log for what was staged before there was one. Nothing staged makes none.
    pub(super) fn make(mut self, ingest: &mut Ingest, rules: &Rules) -> Result<(), Error> {
        let Some(stage) = staged(ingest) else { return Ok(()) };
        let mut made = match self.ready.take() {
            Some(ready) => ready,
            None => self.open_empty(&ingest.env, rules)?,
        };
        let seed = made.shelf.take_over(stage)?;
        made.admit_from_the_end(seed);
        // The call is still under way, and what follows may fail.
        made.busy = true;
        *ingest = made;
        Ok(())
    }
}

/// What there is to be written to a log that was not there, if anything.
fn staged(ingest: &Ingest) -> Option<&Stage> {
    ingest.shelf.stage.as_ref().filter(|stage| !stage.batches().is_empty())
}

fn made_meanwhile(dir: &Path) -> Error {
    let dir = dir.display();
    let reason = format!(
        "another process made the log in {dir} meanwhile, and nothing was written: open it again, or \
         repeat the command"
    );
    Error::Options { reason }
}
