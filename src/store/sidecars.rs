//! The sidecars of a log's sealed segments: opened, or made anew where one is lost or damaged.

use std::path::{Path, PathBuf};

use super::entries::entries_of;
use super::index::Entry;
use super::sidecar::{self, Cover, Form, Sidecar};
use super::{READERS, files};
use crate::Error;
use crate::log::{Env, Map, SegmentInfo, View};
use crate::planted::planted;

/// The directory of the sidecars.
pub(super) const KEYS: &str = "keys";

/// So many sidecars that the disk refused are kept in memory, to be written again when the
/// next one is there.
const REFUSED_MAX: usize = 2;

/// The sidecars of sealed segments, oldest first.
pub(super) struct Sidecars {
    env: Env,
    dir: PathBuf,
    seed: u64,
    list: Vec<Sealed>,
}

/// Writes sidecars of one log.
pub(super) struct Maker {
    env: Env,
    dir: PathBuf,
    seed: u64,
}

/// A sealed segment and its sidecar.
pub(super) struct Sealed {
    segment: SegmentInfo,
    sidecar: Sidecar,
    /// Whether the disk refused it: it is in memory alone.
    refused: bool,
}

impl Sidecars {
    pub(super) fn none(env: Env, dir: PathBuf, seed: u64) -> Sidecars {
        Sidecars { env, dir, seed, list: Vec::new() }
    }

    /// Opens or rebuilds the sidecar of each sealed segment of a view. What the disk refuses stays
    /// in memory: a log is opened without space.
    pub(super) fn open(env: Env, dir: PathBuf, view: &View) -> Result<Sidecars, Error> {
        let mut sidecars = Sidecars::none(env, dir, view.meta().log_id);
        for segment in view.sealed_segments() {
            let sealed = match load(&sidecars.env, &sidecars.dir, sidecars.seed, &segment)? {
                Some(sidecar) => Sealed { segment, sidecar, refused: false },
                None => sidecars.rebuild(segment, view)?,
            };
            sidecars.list.push(sealed);
        }
        Ok(sidecars)
    }

    /// Gives the hashes of all entries, as far as they are known; false if not all can be read.
    /// The pages that were read for it are given back, file by file.
    pub(super) fn hashes(&mut self, each: &mut dyn FnMut(u64)) -> Result<bool, Error> {
        for sealed in &mut self.list {
            if sealed.sidecar.hashes(each).is_err() {
                return Ok(false);
            }
            let again = load(&self.env, &self.dir, self.seed, &sealed.segment)?;
            if let Some(again) = again.filter(|_| !sealed.refused) {
                sealed.sidecar = again;
            }
        }
        Ok(true)
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sidecar> {
        self.list.iter().map(|sealed| &sealed.sidecar)
    }

    /// Takes the sidecar of a segment that was just sealed. A disk that refuses leaves it in
    /// memory, since it is derived, but no more than a few, so that memory stays bounded.
    pub(super) fn push(
        &mut self,
        sealed: impl FnOnce(&Maker) -> Result<Sealed, Error>,
    ) -> Result<(), Error> {
        self.write_again()?;
        let sealed = sealed(&self.maker())?;
        self.list.push(sealed);
        Ok(())
    }

    /// What writes sidecars of this log.
    pub(super) fn maker(&self) -> Maker {
        Maker { env: self.env.clone(), dir: self.dir.clone(), seed: self.seed }
    }

    /// Adds the sequences under `hash` in the sidecar before so many newer ones, newest first;
    /// false if there is none.
    pub(super) fn candidates(
        &mut self,
        newer: usize,
        hash: u64,
        found: &mut Vec<u64>,
        view: impl FnOnce() -> Result<View, Error>,
    ) -> Result<bool, Error> {
        let at = self.list.len().checked_sub(newer + 1);
        let Some((at, sealed)) = at.and_then(|at| Some((at, self.list.get(at)?))) else {
            return Ok(false);
        };
        if sealed.sidecar.candidates(hash, found).is_ok() {
            return Ok(true);
        }
        // Damaged since it was opened, or in a block not read before: made anew from its segment.
        let rebuilt = self.rebuild(sealed.segment.clone(), &view()?)?;
        let path = sidecar_path(&self.dir, rebuilt.segment.first_seq);
        found.clear();
        let again = rebuilt.sidecar.candidates(hash, found);
        again.map_err(|reason| unreadable(path, reason))?;
        if let Some(place) = self.list.get_mut(at) {
            *place = rebuilt;
        }
        Ok(true)
    }

    /// Tries again to write what the disk refused.
    fn write_again(&mut self) -> Result<(), Error> {
        let mut refused = 0;
        for sealed in self.list.iter_mut().filter(|sealed| sealed.refused) {
            let path = sidecar_path(&self.dir, sealed.segment.first_seq);
            match put(&self.env, &path, sealed.sidecar.all()) {
                Ok(map) => {
                    let sidecar = Sidecar::open(Form::Segment, map);
                    sealed.sidecar = sidecar.map_err(|reason| unreadable(path, reason))?;
                    sealed.refused = false;
                }
                Err(error)
                    if refused + 1 >= REFUSED_MAX && !planted("sidecars kept without bounds") =>
                {
                    return Err(error);
                }
                Err(_) => refused += 1,
            }
        }
        Ok(())
    }

    fn rebuild(&self, segment: SegmentInfo, view: &View) -> Result<Sealed, Error> {
        let entries = entries_of(view, self.seed, segment.first_seq..segment.end_seq)?;
        self.maker().write(segment, entries)
    }
}

impl Maker {
    /// Writes the sidecar of a segment.
    pub(super) fn write(&self, segment: SegmentInfo, entries: Vec<Entry>) -> Result<Sealed, Error> {
        let path = sidecar_path(&self.dir, segment.first_seq);
        let bytes = sidecar::encode(Form::Segment, &cover(self.seed, &segment), entries);
        let (map, refused) = match put(&self.env, &path, &bytes) {
            Ok(map) => (map, false),
            Err(_) => (Map::owned(bytes), true),
        };
        let sidecar = Sidecar::open(Form::Segment, map);
        let sidecar = sidecar.map_err(|reason| unreadable(path, reason))?;
        Ok(Sealed { segment, sidecar, refused })
    }
}

/// Puts a file on disk and maps it.
pub(super) fn put(env: &Env, path: &Path, bytes: &[u8]) -> Result<Map, Error> {
    files::replace(env, path, bytes)?;
    let map = files::map(env, path)?;
    map.ok_or_else(|| Error::io("map", path)(std::io::ErrorKind::NotFound.into()))
}

/// What a segment's sidecar must say it covers.
pub(super) fn cover(log_id: u64, segment: &SegmentInfo) -> Cover {
    let (first, end, chain) = (segment.first_seq, segment.end_seq, segment.chain_out);
    Cover { log_id, first, end, chain }
}

/// A sidecar that is there and fits its segment.
fn load(
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

/// Reads of the sealed segments what opening for append will: those that have no sidecar, and the
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
        if load(env, dir, log_id, segment)?.is_none() {
            entries_of(&view, log_id, segment.first_seq..segment.end_seq)?;
        }
    }
    let Some(last) = sealed.last() else { return Ok(()) };
    match view.frames(last.end_seq).next().transpose() {
        Err(Error::Corrupt { path, .. }) if path != last.path => Ok(()),
        read => read.map(|_| ()),
    }
}

/// Where the sidecar of the segment that starts at `first` is.
pub(super) fn sidecar_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(KEYS).join(format!("{first:020}.keys"))
}

fn unreadable(path: PathBuf, reason: &str) -> Error {
    let reason = format!("a key sidecar just written does not read back: {reason}");
    Error::Corrupt { path, offset: 0, reason }
}
