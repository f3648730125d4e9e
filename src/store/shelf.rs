//! Where admission looks things up: the log's batches, those still staged, and the key index
//! over both: recent entries in memory, older ones in runs and in the sidecars of sealed segments.

use std::path::PathBuf;

use super::aside::Turn;
use super::entries::{Newest, enter, enter_all};
use super::index::RecentKeys;
use super::names::each_customer;
use super::saved::SavedKeys;
use super::source::Source;
use super::stage::Stage;
use crate::Error;
use crate::admission::Lookup;
use crate::log::{Env, Frame, Tally, Writer};
use crate::planted::planted;

/// A writer's batches and the index of their keys.
pub(super) struct Shelf {
    /// Before the log, which is let go of once no key file is written any more, also where it is not
    /// closed.
    saved: SavedKeys,
    /// The log; none for a scratch store, and for a strict call that may make it.
    pub(super) writer: Option<Writer>,
    /// Batches after the log's end; none for an append that writes as it goes.
    pub(super) stage: Option<Stage>,
    recent: RecentKeys,
    seed: u64,
    /// When key files are made.
    turn: Turn,
}

impl Shelf {
    /// A shelf without a log.
    pub(super) fn scratch(env: Env, seed: u64) -> Shelf {
        let stage = Some(Stage::new(0, Tally::default()));
        let (recent, saved) = (RecentKeys::new(0), SavedKeys::none(env, seed));
        Shelf { saved, writer: None, stage, recent, seed, turn: Turn::Now }
    }

    /// Opens or rebuilds the sidecars of the sealed segments, and reads of the active one what
    /// follows its runs.
    pub(super) fn open(env: Env, dir: PathBuf, mut writer: Writer) -> Result<Shelf, Error> {
        let (seed, view) = (writer.meta().log_id, writer.view()?);
        let active = view.segments()?.into_iter().find(|segment| !segment.sealed);
        let active_first = active.map_or(0, |segment| segment.first_seq);
        let saved = SavedKeys::open(env, dir, &view, active_first)?;
        let mut recent = RecentKeys::new(saved.end());
        enter_all(&view, seed, saved.end()..view.end(), &mut recent)?;
        Ok(Shelf { saved, writer: Some(writer), stage: None, recent, seed, turn: Turn::Now })
    }

    /// How many entries are in memory.
    #[cfg(test)]
    pub(super) fn recent_len(&self) -> usize {
        self.recent.len()
    }

    /// Whether look-ups of saved keys meet a filter first.
    #[cfg(test)]
    pub(super) fn is_filtered(&self) -> bool {
        self.saved.is_filtered()
    }

    /// The next sequence to be written.
    pub(super) fn end(&self) -> u64 {
        self.stage.as_ref().map_or_else(|| self.log().end(), Stage::end)
    }

    /// What all batches up to the end add up to.
    pub(super) fn tally(&self) -> Tally {
        self.stage.as_ref().map_or_else(|| self.log().tally(), Stage::tally)
    }

    /// Takes a batch: to the stage while there is one, else to the log.
    pub(super) fn append(&mut self, body: &[u8], events: u32, after: Tally) -> Result<(), Error> {
        if let Some(stage) = &mut self.stage {
            stage.append(body, events, after)?;
            if self.writer.is_none() {
                // Without a log there are no sidecars, and nothing to remember for them.
                self.recent.forget_replaced(stage.end());
            }
            return Ok(());
        }
        let writer = self.writer.as_mut().expect("a shelf has a log or a stage");
        writer.append(body, events, after)?;
        if planted("replaced forgotten before the seal") {
            self.recent.forget_replaced(self.log().end());
        }
        self.note_seals()?;
        self.recent.forget_replaced(self.log().end());
        Ok(())
    }

    /// Begins to stage what is appended.
    pub(super) fn begin_stage(&mut self) {
        self.stage = Some(Stage::new(self.log().end(), self.log().tally()));
    }

    /// Writes what was staged to the log.
    pub(super) fn commit_stage(&mut self) -> Result<(), Error> {
        let Some(stage) = self.stage.take() else { return Ok(()) };
        for batch in stage.batches() {
            self.append(&stage.read(batch)?.body, batch.events, batch.after)?;
        }
        Ok(())
    }

    /// Writes what was staged before there was a log to this one, which has no batch yet, and
    /// indexes its keys; returns the hashes' seed.
    pub(super) fn take_over(&mut self, stage: &Stage) -> Result<u64, Error> {
        let mut newest = Newest::new();
        for batch in stage.batches() {
            let frame = stage.read(batch)?;
            enter(&frame, self.seed, &mut newest, &mut self.recent)?;
            self.append(&frame.body, batch.events, batch.after)?;
        }
        Ok(self.seed)
    }

    /// Indexes the keys of what is staged anew, without what never was; returns the hashes' seed.
    pub(super) fn index_again(&mut self) -> Result<u64, Error> {
        if let Some(stage) = &self.stage {
            let mut recent = RecentKeys::new(stage.first_seq());
            let mut newest = Newest::new();
            for batch in stage.batches() {
                enter(&stage.read(batch)?, self.seed, &mut newest, &mut recent)?;
            }
            recent.forget_replaced(stage.end());
            self.recent = recent;
        }
        Ok(self.seed)
    }

    /// Writes the sidecars of segments that were sealed since the last time.
    fn note_seals(&mut self) -> Result<(), Error> {
        let writer = self.writer.as_mut().expect("only a log has segments");
        for segment in writer.take_sealed() {
            let recent = self.recent.take_below(segment.end_seq);
            self.saved.seal(segment, recent, self.turn, || writer.view())?;
        }
        Ok(())
    }

    /// When key files are made from now on.
    pub(super) fn set_turn(&mut self, turn: Turn) {
        self.turn = turn;
    }

    /// Takes key files that are on their way, if they are there by now or are to be waited for.
    pub(super) fn settle(&mut self, wait: bool) -> Result<(), Error> {
        self.saved.settle(wait)
    }

    /// Lets go of the log, once no thread writes a key file any more: the next writer removes what is
    /// half done.
    pub(super) fn close(self) -> Result<(), Error> {
        let Shelf { saved, writer, .. } = self;
        drop(saved);
        writer.map_or(Ok(()), Writer::close)
    }

    /// Whether the segment that was sealed last is asked by its runs.
    pub(super) fn is_sealing(&self) -> bool {
        self.saved.is_sealing()
    }

    /// Has look-ups build a filter anew.
    #[cfg(test)]
    pub(super) fn forget_filter(&mut self) {
        self.saved.forget_filter();
    }

    /// Saves the entries of durable events if there are enough of them, so that who opens the log
    /// next need not read those events. Nothing may be pending.
    pub(super) fn save_keys_if_due(&mut self, entries_min: u64) -> Result<(), Error> {
        let Some(writer) = self.writer.as_mut().filter(|_| self.stage.is_none()) else {
            return Ok(());
        };
        let durable =
            writer.synced_end() == writer.end() || planted("run of events that are not durable");
        let (first, end) = (self.recent.base(), writer.end());
        if !durable || first == end || (self.recent.len() as u64) < entries_min {
            return Ok(());
        }
        let view = writer.view()?;
        let Some(chain) = view.chain_at(end)? else { return Ok(()) };
        let entries = self.recent.take_below(end);
        self.saved.save(end, chain, entries, view, self.turn)
    }

    fn log(&self) -> &Writer {
        self.writer.as_ref().expect("without a log there is a stage")
    }
}

impl Lookup for Shelf {
    fn candidates(&mut self, level: usize, hash: u64, found: &mut Vec<u64>) -> Result<bool, Error> {
        found.clear();
        let Some(level) = level.checked_sub(1) else {
            self.recent.candidates(hash, found);
            return Ok(true);
        };
        let Some(writer) = &mut self.writer else { return Ok(false) };
        self.saved.candidates(level, hash, found, || writer.view())
    }

    fn touch(&self, hash: u64) -> u32 {
        self.recent.touch(hash) ^ self.saved.touch(hash)
    }

    fn batch(&self, sequence: u64) -> Result<Frame<'_>, Error> {
        match &self.stage {
            Some(stage) if sequence >= stage.first_seq() => stage.batch(sequence),
            Some(_) | None => {
                let frame = self.log().frame_of(sequence)?;
                Ok(frame.expect("only sequences below the log's end are asked for"))
            }
        }
    }

    fn customers(&mut self, each: &mut dyn FnMut(&str, u32)) -> Result<(), Error> {
        if let Some(writer) = &mut self.writer {
            each_customer(&Source::Own(&writer.view()?), each)?;
        }
        self.stage.as_ref().map_or(Ok(()), |stage| each_customer(&Source::Stage(stage), each))
    }

    fn enter(&mut self, hash: u64, sequence: u64) {
        self.recent.enter(hash, sequence);
    }

    fn supersede(&mut self, hash: u64, old: u64, new: u64) {
        self.recent.supersede(hash, old, new);
    }
}
