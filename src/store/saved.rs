//! Key entries that are not in memory: runs of the active segment, sidecars of the sealed ones,
//! and in front of both, once it pays, a filter.

use std::path::PathBuf;

use super::aside::Turn;
use super::filter::Filter;
use super::index::Entry;
use super::runs::Runs;
use super::sealing::Sealing;
use super::sidecar::Sidecar;
use super::sidecars::Sidecars;
use crate::Error;
use crate::log::{Env, SegmentInfo, View};
use crate::planted::planted;

/// In the time that it takes to ask one file for a key that it does not have, so many entries are
/// read into a filter.
const ENTRIES_PER_LOOK_UP: u64 = 16;

/// The saved key entries of a log.
pub(super) struct SavedKeys {
    runs: Runs,
    /// Between the runs of the active segment and the sidecars of others.
    sealing: Option<Sealing>,
    sidecars: Sidecars,
    filter: Option<Filter>,
    /// How often a file was asked since there was no filter.
    asked: u64,
}

impl SavedKeys {
    /// None, as of a scratch store.
    pub(super) fn none(env: Env, seed: u64) -> SavedKeys {
        let runs = Runs::none(env.clone(), PathBuf::new(), seed, 0);
        let sidecars = Sidecars::none(env, PathBuf::new(), seed);
        SavedKeys { runs, sealing: None, sidecars, filter: None, asked: 0 }
    }

    /// Those of a log whose active segment begins at `active_first`.
    pub(super) fn open(
        env: Env,
        dir: PathBuf,
        view: &View,
        active_first: u64,
    ) -> Result<SavedKeys, Error> {
        let runs = Runs::open(env.clone(), dir.clone(), view, active_first)?;
        let sidecars = Sidecars::open(env, dir, view)?;
        Ok(SavedKeys { runs, sealing: None, sidecars, filter: None, asked: 0 })
    }

    /// The sequence up to which all entries are here.
    pub(super) fn end(&self) -> u64 {
        self.runs.end()
    }

    /// Saves the entries of durable events from the end on to where a batch with this chain ends.
    pub(super) fn save(
        &mut self,
        end: u64,
        chain: u32,
        entries: Vec<Entry>,
        view: View,
        turn: Turn,
    ) -> Result<(), Error> {
        self.filter_also(&entries);
        self.runs.push(end, chain, entries, view, turn)
    }

    /// Makes the sidecar of the segment that was just sealed, of its runs and of the entries from
    /// the end on; when `turn` says.
    pub(super) fn seal(
        &mut self,
        segment: SegmentInfo,
        recent: Vec<Entry>,
        turn: Turn,
        view: impl FnOnce() -> Result<View, Error>,
    ) -> Result<(), Error> {
        self.take_sealed(true)?;
        self.filter_also(&recent);
        let runs = self.runs.begin(segment.end_seq);
        if turn != Turn::Now && Sealing::is_for(&runs, &recent) {
            let sealing = Sealing::begin(segment, runs, recent, &self.sidecars, view()?, turn)?;
            self.sealing = Some(sealing);
            return Ok(());
        }
        let entries = match runs.len() {
            0 => recent,
            _ => runs.parts(&recent).entries(&view()?)?,
        };
        self.sidecars.push(|maker| maker.write(segment, entries))?;
        runs.remove();
        Ok(())
    }

    /// Takes what is on its way, if it is there by now or is to be waited for.
    pub(super) fn settle(&mut self, wait: bool) -> Result<(), Error> {
        self.runs.settle(wait);
        self.take_sealed(wait)
    }

    /// Whether a sidecar is on its way.
    pub(super) fn is_sealing(&self) -> bool {
        self.sealing.is_some()
    }

    /// Takes the sidecar of the segment that was sealed last.
    fn take_sealed(&mut self, wait: bool) -> Result<(), Error> {
        let Some(sealing) = &mut self.sealing else { return Ok(()) };
        if !wait && !sealing.is_done() {
            return Ok(());
        }
        let kept = self.sidecars.push(|_| sealing.take());
        if planted("failed sidecar forgotten") {
            self.sealing = None;
        }
        kept?;
        if let Some(Sealing { runs, .. }) = self.sealing.take() {
            runs.remove();
        }
        Ok(())
    }

    /// Puts the sequences under `hash` at one level into `found`, newest first. Level 0 is the
    /// newest; false means that there is no such level, or nothing at any level.
    pub(super) fn candidates(
        &mut self,
        level: usize,
        hash: u64,
        found: &mut Vec<u64>,
        view: impl FnOnce() -> Result<View, Error>,
    ) -> Result<bool, Error> {
        if level == 0 {
            self.filter_if_it_pays()?;
        }
        match &self.filter {
            Some(filter) if !filter.may_have(hash) => return Ok(false),
            Some(_) => {}
            None => self.asked = self.asked.saturating_add(1),
        }
        let Some(level) = level.checked_sub(self.runs.len()) else {
            return self.runs.candidates(level, hash, found, view).map(|()| true);
        };
        let sealing = self.sealing.as_mut().map(|sealing| &mut sealing.runs);
        let before = sealing.as_ref().map_or(0, |runs| runs.len());
        match (level.checked_sub(before), sealing) {
            (None, Some(_)) if planted("segment not asked while its sidecar is made") => Ok(true),
            (None, Some(runs)) => runs.candidates(level, hash, found, view).map(|()| true),
            (Some(level), _) => self.sidecars.candidates(level, hash, found, view),
            (None, None) => Ok(false),
        }
    }

    /// Reads what a look-up of `hash` will read first.
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.filter.as_ref().map_or(0, |filter| filter.touch(hash))
    }

    /// Has the next look-up build a filter.
    #[cfg(test)]
    pub(super) fn forget_filter(&mut self) {
        (self.filter, self.asked) = (None, u64::MAX);
    }

    /// Whether look-ups meet a filter first.
    #[cfg(test)]
    pub(super) fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// Enters what leaves memory into the filter, if there is one.
    fn filter_also(&mut self, entries: &[Entry]) {
        let Some(filter) = &mut self.filter else { return };
        if planted("keys that leave memory not filtered") {
            return;
        }
        if !entries.iter().all(|entry| filter.insert(entry.hash)) {
            // There is twice as much by now: it is built anew at the next look-up.
            self.filter = None;
            self.asked = u64::MAX;
        }
    }

    /// Builds a filter as soon as asking without one has taken as long as that will. It has room
    /// for as many entries again.
    fn filter_if_it_pays(&mut self) -> Result<(), Error> {
        if self.filter.is_some() {
            return Ok(());
        }
        let runs = || {
            let sealing = self.sealing.iter().filter(|_| !planted("filter without what is sealed"));
            let sealing = sealing.flat_map(|sealing| sealing.runs.iter());
            self.runs.iter().chain(sealing)
        };
        let files = || runs().chain(self.sidecars.iter());
        let entries: u64 = files().map(Sidecar::len).sum();
        if self.asked < entries / ENTRIES_PER_LOOK_UP {
            return Ok(());
        }
        let upper_bits = files().map(Sidecar::upper_bits).min().unwrap_or(32);
        let keys_max = usize::try_from(entries.saturating_mul(2)).unwrap_or(usize::MAX);
        let mut filter = Filter::new(keys_max, upper_bits);
        let mut enter = |hash| {
            filter.insert(hash);
        };
        // One that is damaged is found out by whoever looks something up in it, and made anew.
        let whole =
            runs().all(|run| run.hashes(&mut enter).is_ok()) && self.sidecars.hashes(&mut enter)?;
        self.filter = Some(filter).filter(|_| whole || planted("partly read filter kept"));
        self.asked = 0;
        Ok(())
    }
}
