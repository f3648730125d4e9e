//! A log made of a backup.

use std::path::Path;

use super::super::check::verify;
use super::super::{READERS, Store};
use super::manifest::{Manifest, NAME};
use crate::Error;
use crate::log::{Building, Env, OnCopying, View, nested};

/// How a backup is restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// Take a network file system, whose locks and syncs cannot be trusted.
    pub allow_remote: bool,
}

/// What a restored log holds: what its backup's manifest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its events.
    pub events: u64,
    /// Its segments.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The next sequence to be written.
    pub end: u64,
}

impl Store {
    /// Makes a log in `dir`, which must be empty or not there, of the backup in `source`. `dir`
    /// is there only once every byte was read, was found to be what was backed up, and is on the
    /// disk.
    ///
    /// The log goes on where the backup ends. It and the log that was backed up are the same up
    /// to there; if events are appended to both, they are two logs of one id.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if there is no whole backup, or `dir` is not empty;
    /// [`Error::Corrupt`] if the backup is damaged; what the disk says.
    pub fn restore(
        source: &Path,
        dir: &Path,
        options: RestoreOptions,
        on_copying: OnCopying<'_>,
    ) -> Result<Restored, Error> {
        Store::restore_in(&Env::real(options.allow_remote), source, dir, on_copying)
    }

    /// As [`Store::restore`], on a disk that is given.
    pub(crate) fn restore_in(
        env: &Env,
        source: &Path,
        dir: &Path,
        on_copying: OnCopying<'_>,
    ) -> Result<Restored, Error> {
        let Some(manifest) = Manifest::read(env, source)? else {
            let source = source.display();
            return Err(refused(format!(
                "{source} holds no whole backup: there is no {NAME}, which `ltvlog backup` writes last"
            )));
        };
        if nested(&*env.disk, source, dir)? {
            let (source, dir) = (source.display(), dir.display());
            return Err(refused(format!(
                "of {dir} and the backup {source} one lies in the other: restore elsewhere"
            )));
        }
        let building = Building::begin(env, dir)?;
        let built = building.copy(env, source, &manifest.sums, on_copying);
        let built = built.and_then(|()| check(env, source, building.dir(), &manifest));
        if let Err(error) = built.and_then(|()| building.finish(env)) {
            building.give_up(env);
            return Err(error);
        }
        Ok(Restored {
            events: manifest.end,
            segments: manifest.sums.len() as u64,
            bytes: manifest.sums.iter().map(|sum| sum.bytes).sum(),
            end: manifest.end,
        })
    }
}

fn refused(reason: String) -> Error {
    Error::Options { reason }
}

/// Whether the log that was built is whole and the one that the manifest tells of.
fn check(env: &Env, source: &Path, built: &Path, manifest: &Manifest) -> Result<(), Error> {
    // Damage is damage of the backup: what was built goes away.
    let path_of = |path: &Path| source.join(path.strip_prefix(built).unwrap_or(path));
    if let Some(problem) = verify(env, built, false)?.problems.first() {
        let (path, reason) = (path_of(&problem.path), problem.reason.clone());
        return Err(Error::Corrupt { path, offset: problem.offset, reason });
    }
    let view = View::open(env, built, READERS, 0)?;
    let is = (view.meta().log_id, view.end(), view.chain(), view.segments()?.len());
    if is == (manifest.log_id, manifest.end, manifest.chain, manifest.sums.len()) {
        return Ok(());
    }
    let reason = "it tells of another end than its segments have".to_owned();
    Err(Error::Corrupt { path: source.join(NAME), offset: 0, reason })
}
