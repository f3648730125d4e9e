//! What derived files prove about how long the log once was.

use std::path::{Path, PathBuf};

use super::READERS;
use super::backup;
use super::checkpoints;
use super::files;
use super::runs;
use super::sidecar::{Cover, Form, Sidecar};
use super::sidecars::KEYS;
use crate::Error;
use crate::log::{self, Env, View, read_meta, repair};
use crate::planted::planted;

/// The log as it can be read, held against what derived files prove.
pub(super) fn view(env: &Env, dir: &Path) -> Result<View, Error> {
    // Before the segments are looked at: what is proven by then is in them, or is lost.
    let proven = evidence(env, dir)?;
    View::open(env, dir, READERS, proven)
}

/// A sequence below which every event was durable once, whatever the segments say now; 0 if
/// nothing proves any. Files of another log and damaged ones prove nothing.
pub(super) fn evidence(env: &Env, dir: &Path) -> Result<u64, Error> {
    if planted("nobody asked what derived files prove") {
        return Ok(0);
    }
    let meta = match read_meta(env, dir) {
        Ok(Some(meta)) => Some(meta),
        // The first header is damaged or gone: another one says the same.
        Ok(None) | Err(Error::Corrupt { .. }) => repair::meta(env, dir)?,
        // What the disk did not give this time may prove something: nothing is decided without it.
        Err(error) => return Err(error),
    };
    // Without a readable segment nothing says whose files these are. Whatever they are, they prove
    // that there was a log, and what they tell of its length is all that is known.
    let log_id = meta.map(|meta| meta.log_id);
    let mut proven = match log_id {
        Some(log_id) => checkpoints::evidence(env, dir, log_id)?,
        None => checkpoints::list(env, dir)?.first().map_or(0, |(end, _)| (*end).max(1)),
    };
    proven = proven.max(backup::evidence(env, dir, log_id)?);
    for (_, cover) in covers(env, dir)? {
        match (cover, log_id) {
            (Some(cover), Some(log_id)) if cover.log_id != log_id => {}
            (Some(cover), _) => proven = proven.max(cover.end),
            (None, Some(_)) => {}
            (None, None) => proven = proven.max(1),
        }
    }
    Ok(proven)
}

/// Whether anything says that there was a log, where no segment does.
pub(super) fn is_left(env: &Env, dir: &Path) -> Result<bool, Error> {
    Ok(names(env, dir)?.iter().any(|name| name == "head") || evidence(env, dir)? > 0)
}

/// What sidecars and runs say that they cover; none of damaged ones.
pub(super) fn covers(env: &Env, dir: &Path) -> Result<Vec<(Form, Option<Cover>)>, Error> {
    let sidecars = sidecars(env, dir)?.into_iter().map(|path| (Form::Segment, path));
    let runs = runs::paths(env, dir)?.into_iter().map(|path| (Form::Run, path));
    let mut found = Vec::new();
    for (form, path) in sidecars.chain(runs) {
        let Some(map) = files::map(env, &path)? else { continue };
        found.push((form, Sidecar::open(form, map).ok().map(|sidecar| sidecar.cover())));
    }
    Ok(found)
}

/// The files that are named as sidecars are.
pub(super) fn sidecars(env: &Env, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let dir = dir.join(KEYS);
    let names = names(env, &dir)?.into_iter().filter(|name| name.ends_with(".keys"));
    Ok(names.map(|name| dir.join(name)).collect())
}

/// The names in a directory of derived files, none if there is no such directory.
pub(super) fn names(env: &Env, dir: &Path) -> Result<Vec<String>, Error> {
    log::names(&*env.disk, dir)
}
