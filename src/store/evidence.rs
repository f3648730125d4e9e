//! What derived files prove about how long the log once was.

use std::path::Path;

use super::READERS;
use super::backup;
use super::checkpoints::{self, CHECKPOINTS};
use super::files;
use super::shelf::KEYS;
use super::sidecar::Sidecar;
use crate::Error;
use crate::log::{Env, View, read_meta, repair};
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
    let Some(log_id) = meta.map(|meta| meta.log_id) else {
        // Without a readable segment nothing says whose files these are. They prove that there
        // was a log.
        let is_derived = |name: &String| {
            name.ends_with(".keys") || name.ends_with(".ckpt") || name == backup::MANIFEST
        };
        let mut all = names(env, dir)?;
        all.extend(names(env, &dir.join(KEYS))?);
        all.extend(names(env, &dir.join(CHECKPOINTS))?);
        return Ok(u64::from(all.iter().any(is_derived)));
    };
    let mut proven =
        checkpoints::evidence(env, dir, log_id)?.max(backup::evidence(env, dir, log_id)?);
    for name in names(env, &dir.join(KEYS))? {
        let Some(map) = files::map(env, &dir.join(KEYS).join(name))? else { continue };
        let Ok(sidecar) = Sidecar::open(map) else { continue };
        if sidecar.cover().log_id == log_id {
            proven = proven.max(sidecar.cover().end);
        }
    }
    Ok(proven)
}

/// Whether anything says that there was a log, where no segment does.
pub(super) fn is_left(env: &Env, dir: &Path) -> Result<bool, Error> {
    Ok(names(env, dir)?.iter().any(|name| name == "head") || evidence(env, dir)? > 0)
}

/// The names in a directory of derived files, none if there is no such directory.
pub(super) fn names(env: &Env, dir: &Path) -> Result<Vec<String>, Error> {
    match env.disk.list(dir) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(_) if planted("files that cannot be listed taken for none") => Ok(Vec::new()),
        Err(error) => Err(Error::io("list", dir)(error)),
    }
}
