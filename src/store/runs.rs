//! Key runs: the key entries of the active segment's durable events, saved in pieces, so that who
//! opens the log for append reads what follows the last of them and no more.
//!
//! Runs are derived, and believed only where the log itself agrees: each goes on where the one
//! before it ends, the first at the segment's first event, and ends where a batch ends whose chain
//! is the run's. What is missing or does not fit is made anew from the events. Of runs of like size
//! eight are put together to one, so that their number stays small; when the segment is sealed they
//! become its sidecar.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::aside::{Aside, Turn};
use super::entries::{drop_superseded, entries_of};
use super::index::Entry;
use super::sidecar::{self, Cover, Form, Sidecar};
use super::sidecars::{KEYS, put};
use super::{evidence, files};
use crate::Error;
use crate::log::{Env, Map, View};
use crate::planted::planted;

/// So many runs are put together, if none of them is so many times as large as the newest.
const FAN: usize = 8;

/// The runs of an active segment, each where the one before it ends.
pub(super) struct Runs {
    env: Env,
    dir: PathBuf,
    seed: u64,
    /// The sequence where the first one begins.
    first: u64,
    list: Vec<Sidecar>,
    /// Those of them that are being put together.
    merging: Option<Merging>,
    /// Runs whose files stay, since what they were put together to is in memory alone.
    kept: Vec<Cover>,
    /// Files of runs that are of no use any more.
    stale: Vec<PathBuf>,
}

/// A run on its way, which others are put together to.
struct Merging {
    cover: Cover,
    made: Aside<Result<(Sidecar, bool), Error>>,
}

impl Runs {
    /// None, of a segment that begins at `first`.
    pub(super) fn none(env: Env, dir: PathBuf, seed: u64, first: u64) -> Runs {
        let (list, kept, stale) = (Vec::new(), Vec::new(), Vec::new());
        Runs { env, dir, seed, first, list, merging: None, kept, stale }
    }

    /// Those that are there and fit the segment that begins at `first`, the last of the view.
    pub(super) fn open(env: Env, dir: PathBuf, view: &View, first: u64) -> Result<Runs, Error> {
        let mut runs = Runs::none(env, dir, view.meta().log_id, first);
        let mut there = Vec::new();
        for path in paths(&runs.env, &runs.dir)? {
            let Some(map) = files::map(&runs.env, &path)? else { continue };
            let run = Sidecar::open(Form::Run, map).ok();
            let run = run.filter(|run| run.cover().log_id == runs.seed);
            there.extend(run.filter(|run| runs.path(&run.cover()) == path));
            runs.stale.push(path);
        }
        // Of two that begin at one place the longer one was put together of the other.
        there.sort_unstable_by_key(|run| (run.cover().first, !run.cover().end));
        for run in there {
            let Cover { first, end, chain, .. } = run.cover();
            let fits = first == runs.end() && end > first;
            if fits && (view.chain_at(end)? == Some(chain) || planted("run of another chain used"))
            {
                let path = runs.path(&run.cover());
                runs.stale.retain(|stale| *stale != path);
                runs.list.push(run);
            }
        }
        Ok(runs)
    }

    /// The sequence up to which there are entries here.
    pub(super) fn end(&self) -> u64 {
        self.list.last().map_or(self.first, |run| run.cover().end)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sidecar> {
        self.list.iter()
    }

    /// Adds the sequences under `hash` in the run before so many newer ones, newest first.
    pub(super) fn candidates(
        &mut self,
        newer: usize,
        hash: u64,
        found: &mut Vec<u64>,
        view: impl FnOnce() -> Result<View, Error>,
    ) -> Result<(), Error> {
        let at = self.list.len().checked_sub(newer + 1);
        let Some(run) = at.and_then(|at| self.list.get_mut(at)) else { return Ok(()) };
        if run.candidates(hash, found).is_ok() {
            return Ok(());
        }
        // Damaged since it was opened, or in a block not read before: made anew from its events.
        let cover = run.cover();
        let entries = entries_of(&view()?, self.seed, cover.first..cover.end)?;
        let (again, _) = make(&self.env, &path(&self.dir, &cover), &cover, entries)?;
        *run = again;
        run.candidates(hash, found).map_err(unreadable)
    }

    /// Saves the entries, rows counted from the end of the runs, of events up to a sequence where
    /// a batch with this chain ends; all of them are durable.
    pub(super) fn push(
        &mut self,
        end: u64,
        chain: u32,
        entries: Vec<Entry>,
        view: View,
        turn: Turn,
    ) -> Result<(), Error> {
        self.write(Cover { log_id: self.seed, first: self.end(), end, chain }, entries)?;
        self.put_together(view, turn);
        Ok(())
    }

    /// The runs of this segment, which was sealed; those of the next one begin at `first`.
    pub(super) fn begin(&mut self, first: u64) -> Runs {
        let next = Runs::none(self.env.clone(), self.dir.clone(), self.seed, first);
        std::mem::replace(self, next)
    }

    /// The last entries of a segment that was sealed, as a run in memory.
    pub(super) fn finish(
        &mut self,
        end: u64,
        chain: u32,
        entries: Vec<Entry>,
    ) -> Result<(), Error> {
        let cover = Cover { log_id: self.seed, first: self.end(), end, chain };
        if cover.first < end {
            self.list.push(in_memory(&cover, entries)?);
        }
        Ok(())
    }

    /// What it takes to read all entries of a segment elsewhere: those of its runs, and of events from
    /// their end on.
    pub(super) fn parts(&self, recent: &[Entry]) -> Parts {
        let covers = self.list.iter().map(Sidecar::cover).collect();
        let ahead = u32::try_from(self.end() - self.first);
        let ahead = ahead.expect("a segment holds fewer than 2^32 events");
        let rest = recent.iter().map(|entry| Entry { row: entry.row + ahead, ..*entry });
        let (env, dir, rest) = (self.env.clone(), self.dir.clone(), rest.collect());
        Parts { env, dir, seed: self.seed, first: self.first, covers, rest }
    }

    /// Removes the files, once the segment's sidecar is there.
    pub(super) fn remove(mut self) {
        let merged = self.merging.take().map(|merging| merging.cover);
        let kept = std::mem::take(&mut self.kept);
        let covers = self.list.iter().map(Sidecar::cover).chain(merged).chain(kept);
        let paths: Vec<PathBuf> = covers.map(|cover| self.path(&cover)).collect();
        self.stale.extend(paths);
        self.remove_stale();
    }

    /// Begins to put runs together, if they are to be and none are yet.
    fn put_together(&mut self, view: View, turn: Turn) {
        let due = due(&self.list).filter(|_| self.merging.is_none());
        let parts = due.and_then(|due| self.list.get(due)).unwrap_or_default();
        let (Some(oldest), Some(newest)) = (parts.first(), parts.last()) else { return };
        let cover = Cover { first: oldest.cover().first, ..newest.cover() };
        let covers = parts.iter().map(Sidecar::cover).collect();
        let (env, dir, seed) = (self.env.clone(), self.dir.clone(), self.seed);
        let parts = Parts { env, dir, seed, first: cover.first, covers, rest: Vec::new() };
        let path = self.path(&cover);
        let made =
            Aside::begin(turn, move || make(&parts.env, &path, &cover, parts.entries(&view)?));
        self.merging = Some(Merging { cover, made });
    }

    /// Takes the run that others are put together to, if it is there by now or is to be waited for.
    /// If that failed they stay as they are, and if the disk refuses it, their files.
    pub(super) fn settle(&mut self, wait: bool) {
        let Some(merging) = &mut self.merging else { return };
        if !wait && !merging.made.is_done() {
            return;
        }
        let (cover, made) = (merging.cover, merging.made.take());
        self.merging = None;
        let Ok((run, written)) = made else { return };
        let is_part = |run: &mut Sidecar| is_within(&run.cover(), &cover);
        self.kept.extend(self.list.extract_if(.., is_part).map(|run| run.cover()));
        let at = self.list.partition_point(|run| run.cover().first < cover.first);
        self.list.insert(at, run);
        if written {
            self.written(&cover);
        }
    }

    /// Puts a run on disk, behind the others; in memory alone if the disk refuses.
    fn write(&mut self, cover: Cover, entries: Vec<Entry>) -> Result<(), Error> {
        let path = self.path(&cover);
        let (run, written) = make(&self.env, &path, &cover, entries)?;
        if written {
            self.written(&cover);
        }
        self.list.push(run);
        Ok(())
    }

    /// Removes what is of no use any more, now that this run is on the disk.
    fn written(&mut self, cover: &Cover) {
        let old: Vec<Cover> = self.kept.extract_if(.., |old| is_within(old, cover)).collect();
        let old: Vec<PathBuf> = old.iter().map(|old| self.path(old)).collect();
        self.stale.extend(old);
        // One that did not fit may have had this name.
        let path = self.path(cover);
        self.stale.retain(|stale| *stale != path);
        self.remove_stale();
    }

    /// A file that cannot be removed is passed over when the log is opened.
    fn remove_stale(&mut self) {
        for path in std::mem::take(&mut self.stale) {
            drop(self.env.disk.remove(&path));
        }
    }

    fn path(&self, cover: &Cover) -> PathBuf {
        path(&self.dir, cover)
    }
}

/// Entries in the files of runs that follow each other, to be read on any thread.
pub(super) struct Parts {
    env: Env,
    dir: PathBuf,
    seed: u64,
    first: u64,
    covers: Vec<Cover>,
    /// The entries that no run has.
    rest: Vec<Entry>,
}

impl Parts {
    /// All of them, rows counted from the first event. What is in no file, or in one that is damaged,
    /// is read of the events.
    pub(super) fn entries(&self, view: &View) -> Result<Vec<Entry>, Error> {
        let mut entries = self.rest.clone();
        for cover in &self.covers {
            let map = files::map(&self.env, &path(&self.dir, cover)).ok().flatten();
            let run = map.and_then(|map| Sidecar::open(Form::Run, map).ok());
            let run = run.filter(|run| run.cover() == *cover);
            read(run.as_ref(), cover, self.first, view, &mut entries)?;
        }
        drop_superseded(view, self.seed, self.first, &mut entries)?;
        Ok(entries)
    }
}

/// Reads the entries of a run, or, where there is none or it is damaged, of its events.
fn read(
    run: Option<&Sidecar>,
    cover: &Cover,
    first: u64,
    view: &View,
    out: &mut Vec<Entry>,
) -> Result<(), Error> {
    if let Some(run) = run
        && (run.entries(first, out).is_ok() || planted("damaged run taken for an empty one"))
    {
        return Ok(());
    }
    let again = entries_of(view, cover.log_id, cover.first..cover.end)?;
    in_memory(cover, again)?.entries(first, out).map_err(unreadable)
}

fn is_within(part: &Cover, whole: &Cover) -> bool {
    whole.first <= part.first && part.end <= whole.end
}

/// Which runs are to be put together, if any: the newest that follow each other and are of like size.
fn due(runs: &[Sidecar]) -> Option<Range<usize>> {
    (FAN..=runs.len()).rev().map(|end| end - FAN..end).find(|range| {
        let runs = runs.get(range.clone()).unwrap_or_default();
        let bytes_max = runs.last().map_or(0, |run| run.all().len()).saturating_mul(FAN);
        runs.iter().all(|run| run.all().len() < bytes_max)
    })
}

/// A run on disk; where the disk refuses it in memory, since the entries are nowhere else, and false.
fn make(
    env: &Env,
    path: &Path,
    cover: &Cover,
    entries: Vec<Entry>,
) -> Result<(Sidecar, bool), Error> {
    let bytes = sidecar::encode(Form::Run, cover, entries);
    let map = put(env, path, &bytes).ok();
    match map.and_then(|map| Sidecar::open(Form::Run, map).ok()) {
        Some(run) => Ok((run, true)),
        None => {
            let run = Sidecar::open(Form::Run, Map::owned(bytes)).map_err(unreadable)?;
            Ok((run, false))
        }
    }
}

fn in_memory(cover: &Cover, entries: Vec<Entry>) -> Result<Sidecar, Error> {
    let bytes = sidecar::encode(Form::Run, cover, entries);
    Sidecar::open(Form::Run, Map::owned(bytes)).map_err(unreadable)
}

fn unreadable(reason: &str) -> Error {
    let reason = format!("a run of keys just made does not read back: {reason}");
    Error::Corrupt { path: PathBuf::from(KEYS), offset: 0, reason }
}

/// Where the run is that covers so much of a log's active segment.
pub(super) fn path(dir: &Path, cover: &Cover) -> PathBuf {
    dir.join(KEYS).join(format!("{:020}-{:020}.run", cover.first, cover.end))
}

/// The files that are named as runs are.
pub(super) fn paths(env: &Env, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let dir = dir.join(KEYS);
    let names = evidence::names(env, &dir)?.into_iter().filter(|name| name.ends_with(".run"));
    Ok(names.map(|name| dir.join(name)).collect())
}
