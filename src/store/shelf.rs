//! Where admission looks things up: the log's batches, those still staged, and the key index
//! over both: recent entries in memory, older ones in runs and in the sidecars of sealed segments.

use std::path::{Path, PathBuf};

use super::entries::{Newest, drop_superseded, enter, enter_all, entries_of};
use super::filter::Filter;
use super::index::{Entry, RecentKeys};
use super::names::each_customer;
use super::runs::Runs;
use super::sidecar::{self, Cover, Form, Sidecar};
use super::source::Source;
use super::stage::Stage;
use super::{READERS, files};
use crate::Error;
use crate::admission::Lookup;
use crate::log::{Env, Frame, Map, SegmentInfo, Tally, View, Writer};
use crate::planted::planted;

/// The directory of the sidecars.
pub(super) const KEYS: &str = "keys";

/// A writer's batches and the index of their keys.
pub(super) struct Shelf {
    env: Env,
    /// The log's directory; empty for a scratch store.
    dir: PathBuf,
    /// The log; none for a scratch store.
    pub(super) writer: Option<Writer>,
    /// Batches after the log's end; none for an append that writes as it goes.
    pub(super) stage: Option<Stage>,
    recent: RecentKeys,
    /// Of the active segment.
    runs: Runs,
    /// Of the sealed segments, oldest first.
    sidecars: Vec<(SegmentInfo, Sidecar)>,
    /// Over all runs and sidecars, once it pays.
    filter: Option<Filter>,
    /// How often a run or sidecar was asked since there was no filter.
    asked: u64,
    seed: u64,
}

/// As long as it takes to ask one file for a key that it does not have, so many entries are read
/// into a filter.
const ENTRIES_PER_LOOK_UP: u64 = 16;

impl Shelf {
    /// A shelf without a log.
    pub(super) fn scratch(env: Env, seed: u64) -> Shelf {
        let stage = Some(Stage::new(0, Tally::default()));
        let recent = RecentKeys::new(0);
        let (dir, sidecars) = (PathBuf::new(), Vec::new());
        let runs = Runs::none(env.clone(), dir.clone(), seed, 0);
        let (filter, asked) = (None, 0);
        Shelf { env, dir, writer: None, stage, recent, runs, sidecars, filter, asked, seed }
    }

    /// Opens or rebuilds the sidecars of the sealed segments, and reads of the active one what
    /// follows its runs.
    pub(super) fn open(env: Env, dir: PathBuf, mut writer: Writer) -> Result<Shelf, Error> {
        let (seed, view) = (writer.meta().log_id, writer.view()?);
        let (sealed, active): (Vec<_>, Vec<_>) =
            view.segments()?.into_iter().partition(|segment| segment.sealed);
        let active_first = active.first().map_or(0, |segment| segment.first_seq);
        let runs = Runs::open(env.clone(), dir.clone(), &view, active_first)?;
        let runs_end = runs.end();
        let (recent, sidecars) = (RecentKeys::new(runs_end), Vec::new());
        let (writer, stage, filter, asked) = (Some(writer), None, None, 0);
        let mut shelf =
            Shelf { env, dir, writer, stage, recent, runs, sidecars, filter, asked, seed };
        for segment in sealed {
            let sidecar = match load_sidecar(&shelf.env, &shelf.dir, seed, &segment)? {
                Some(sidecar) => sidecar,
                None => shelf.rebuild_sidecar(&segment)?,
            };
            shelf.sidecars.push((segment, sidecar));
        }
        enter_all(&view, seed, runs_end..view.end(), &mut shelf.recent)?;
        Ok(shelf)
    }

    /// How many entries are in memory.
    #[cfg(test)]
    pub(super) fn recent_len(&self) -> usize {
        self.recent.len()
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
        for segment in self.log_mut().take_sealed() {
            let entries = self.take_sealed(&segment)?;
            let bytes = sidecar::encode(Form::Segment, &self.cover(&segment), entries);
            let sidecar = self.write_sidecar(&segment, bytes)?;
            self.runs.begin(segment.end_seq);
            self.sidecars.push((segment, sidecar));
        }
        Ok(())
    }

    /// Takes the entries of a segment that was just sealed.
    fn take_sealed(&mut self, segment: &SegmentInfo) -> Result<Vec<Entry>, Error> {
        let ahead = self.recent.base() - segment.first_seq;
        let recent = self.recent.take_below(segment.end_seq);
        self.filter_also(&recent);
        if ahead == 0 {
            return Ok(recent);
        }
        let ahead = u32::try_from(ahead).expect("a segment holds fewer than 2^32 events");
        let view = self.log_mut().view()?;
        let mut entries = self.runs.take(&view)?;
        let moved = |entry: Entry| Entry { row: entry.row + ahead, ..entry };
        entries.extend(recent.into_iter().map(moved));
        drop_superseded(&view, self.seed, segment.first_seq, &mut entries)?;
        Ok(entries)
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
        self.filter_also(&entries);
        self.runs.push(end, chain, entries, &view)
    }

    /// Enters what leaves memory into the filter, if there is one.
    fn filter_also(&mut self, entries: &[Entry]) {
        if planted("keys that leave memory not filtered") {
            return;
        }
        let Some(filter) = &mut self.filter else { return };
        if !entries.iter().all(|entry| filter.insert(entry.hash)) {
            // Twice as large by now, it is built anew at the next look-up.
            self.filter = None;
            self.asked = u64::MAX;
        }
    }

    /// Builds a filter as soon as asking without one has taken as long as that will. It has room
    /// for as many entries again.
    fn filter_if_it_pays(&mut self) {
        if self.filter.is_some() {
            return;
        }
        let files = || self.runs.iter().chain(self.sidecars.iter().map(|(_, sidecar)| sidecar));
        let entries: u64 = files().map(Sidecar::len).sum();
        if self.asked < entries / ENTRIES_PER_LOOK_UP {
            return;
        }
        let upper_bits = files().map(Sidecar::upper_bits).min().unwrap_or(32);
        let keys_max = usize::try_from(entries.saturating_mul(2)).unwrap_or(usize::MAX);
        let mut filter = Filter::new(keys_max, upper_bits);
        let mut enter = |hash| {
            filter.insert(hash);
        };
        // One that is damaged is found out by whoever looks something up in it, and made anew.
        let whole = files().all(|file| file.hashes(&mut enter).is_ok());
        self.filter = Some(filter).filter(|_| whole);
        self.asked = 0;
    }

    fn log_mut(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("only a log has segments")
    }

    fn log(&self) -> &Writer {
        self.writer.as_ref().expect("a scratch store always has a stage")
    }

    fn cover(&self, segment: &SegmentInfo) -> Cover {
        cover(self.seed, segment)
    }

    fn rebuild_sidecar(&mut self, segment: &SegmentInfo) -> Result<Sidecar, Error> {
        let view = self.log_mut().view()?;
        let entries = entries_of(&view, self.seed, segment.first_seq..segment.end_seq)?;
        self.write_sidecar(segment, sidecar::encode(Form::Segment, &self.cover(segment), entries))
    }

    /// Puts a sidecar on disk and maps it. A disk that refuses leaves it in memory: it is derived,
    /// and a log whose disk is full of segments must stay readable and correct.
    fn write_sidecar(&self, segment: &SegmentInfo, bytes: Vec<u8>) -> Result<Sidecar, Error> {
        let path = sidecar_path(&self.dir, segment.first_seq);
        let mapped = files::replace(&self.env, &path, &bytes)
            .and_then(|()| files::map(&self.env, &path))
            .ok()
            .flatten();
        let map = mapped.unwrap_or_else(|| Map::owned(bytes));
        Sidecar::open(Form::Segment, map).map_err(|reason| unreadable(path, reason))
    }
}

/// What a segment's sidecar must say it covers.
pub(super) fn cover(log_id: u64, segment: &SegmentInfo) -> Cover {
    let (first, end, chain) = (segment.first_seq, segment.end_seq, segment.chain_out);
    Cover { log_id, first, end, chain }
}

/// A sidecar that is there and fits its segment.
fn load_sidecar(
    env: &Env,
    dir: &Path,
    log_id: u64,
    segment: &SegmentInfo,
) -> Result<Option<Sidecar>, Error> {
    let Some(map) = files::map(env, &sidecar_path(dir, segment.first_seq))? else {
        return Ok(None);
    };
    let sidecar = Sidecar::open(Form::Segment, map).ok();
    let any = planted("sidecar of another segment used");
    Ok(sidecar.filter(|sidecar| any || sidecar.cover() == cover(log_id, segment)))
}

/// Reads of the sealed segments what opening a shelf will: those that have no sidecar, and the
/// batch before the active segment. Damage there must be met before the log is opened for append,
/// which changes files; what else is wrong is told then.
pub(super) fn check_sealed(env: &Env, dir: &Path) -> Result<(), Error> {
    if planted("damage to keys met too late") {
        return Ok(());
    }
    let view = match View::open(env, dir, READERS, 0) {
        Err(error @ Error::Io { .. }) => return Err(error),
        opened => opened.ok(),
    };
    let Some(view) = view else { return Ok(()) };
    let (log_id, sealed) = (view.meta().log_id, view.sealed_segments());
    for segment in &sealed {
        if load_sidecar(env, dir, log_id, segment)?.is_none() {
            entries_of(&view, log_id, segment.first_seq..segment.end_seq)?;
        }
    }
    let Some(last) = sealed.last() else { return Ok(()) };
    match view.frames(last.end_seq).next().transpose() {
        Err(Error::Corrupt { path, .. }) if path != last.path => Ok(()),
        read => read.map(|_| ()),
    }
}

fn unreadable(path: PathBuf, reason: &str) -> Error {
    let reason = format!("a key sidecar just written does not read back: {reason}");
    Error::Corrupt { path, offset: 0, reason }
}

impl Lookup for Shelf {
    fn candidates(&mut self, level: usize, hash: u64, found: &mut Vec<u64>) -> Result<bool, Error> {
        found.clear();
        if level == 0 {
            self.recent.candidates(hash, found);
            return Ok(true);
        }
        if level == 1 {
            self.filter_if_it_pays();
        }
        if self.filter.as_ref().is_some_and(|filter| !filter.may_have(hash)) {
            return Ok(false);
        }
        self.asked = self.asked.saturating_add(u64::from(self.filter.is_none()));
        if level <= self.runs.len() {
            let writer = self.writer.as_mut().expect("only a log has runs");
            self.runs.candidates(level - 1, hash, found, || writer.view())?;
            return Ok(true);
        }
        let at = (self.sidecars.len() + self.runs.len()).checked_sub(level);
        let Some((at, (segment, sidecar))) = at.and_then(|at| Some((at, self.sidecars.get(at)?)))
        else {
            return Ok(false);
        };
        if sidecar.candidates(hash, found).is_ok() {
            return Ok(true);
        }
        // Damaged since it was opened, or in a block not read before: made anew from its segment.
        let segment = segment.clone();
        let rebuilt = self.rebuild_sidecar(&segment)?;
        found.clear();
        rebuilt
            .candidates(hash, found)
            .map_err(|reason| unreadable(sidecar_path(&self.dir, segment.first_seq), reason))?;
        if let Some((_, place)) = self.sidecars.get_mut(at) {
            *place = rebuilt;
        }
        Ok(true)
    }

    fn touch(&self, hash: u64) -> u32 {
        self.recent.touch(hash) ^ self.filter.as_ref().map_or(0, |filter| filter.touch(hash))
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

/// Where the sidecar of the segment that starts at `first` is.
pub(super) fn sidecar_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(KEYS).join(format!("{first:020}.keys"))
}
