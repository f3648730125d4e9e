//! Backups: a log's segments in another directory, up to an end that a manifest tells.

mod manifest;
mod restore;

use std::path::Path;

pub(super) use manifest::{NAME as MANIFEST, check};
pub use restore::{RestoreOptions, Restored};

use self::manifest::Manifest;
use super::Store;
use super::evidence::{self, names};
use crate::Error;
use crate::codec::{Batch, Rows};
use crate::log::{Destination, Env, Frame, OnCopying, View, nested};
use crate::planted::planted;

/// What a backup holds, and what was new in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The sequence after its last event.
    pub end: u64,
    /// Segments in it.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Events that it did not have before.
    pub new_events: u64,
    /// Segments that were copied: new ones, and the one that had grown.
    pub copied_segments: u64,
    /// Bytes of these.
    pub copied_bytes: u64,
}

impl Store {
    /// Copies the log to the directory `dest`, as far as it is durable now, or brings the backup
    /// that is there up to it. A writer may go on meanwhile, in this process or another.
    ///
    /// Every batch is checked while it is copied, and synced. `dest` is a log that can be read;
    /// its file `backup.json`, written last, tells what was copied. Until then the backup that
    /// was there before can be restored, and a call that was cut off can be repeated.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if `dest` lies in the log or holds anything but an older backup of this
    /// log; [`Error::Locked`] while another process writes there; [`Error::Corrupt`] for damage
    /// in what is copied or in `dest`; what the disk says.
    pub fn backup(&self, dest: &Path, on_copying: OnCopying<'_>) -> Result<Backup, Error> {
        let (env, dir) = (&self.env, self.dir()?);
        if nested(&*env.disk, dir, dest)? {
            let (dest, dir) = (dest.display(), dir.display());
            return Err(refused(&format!("of {dest} and the log {dir} one lies in the other")));
        }
        let mut view = evidence::view(env, dir)?;
        let to = Destination::open(env, dest)?;
        // Another backup may have gone further while this one waited for its turn.
        view.refresh()?;
        let old = Manifest::read(env, dest)?;
        check_place(env, dest, old.is_some())?;
        if old.as_ref().is_some_and(|old| old.log_id != view.meta().log_id) {
            return Err(refused(&format!("{} is a backup of another log", dest.display())));
        }
        let known = old.as_ref().map_or(&[][..], |old| &old.sums);
        let copied = view.back_up(&to, known, &mut same_events, on_copying)?;
        let manifest = Manifest {
            log_id: view.meta().log_id,
            end: view.end(),
            chain: view.chain(),
            at: Manifest::time((env.now_us)()),
            sums: copied.sums,
        };
        manifest.write(env, dest)?;
        to.forget_before(env)?;
        Ok(Backup {
            end: manifest.end,
            segments: manifest.sums.len() as u64,
            bytes: manifest.sums.iter().map(|sum| sum.bytes).sum(),
            new_events: manifest.end.saturating_sub(copied.old_end),
            copied_segments: copied.segments,
            copied_bytes: copied.bytes,
        })
    }
}

/// Whether a log has the events of an older view of it, from a sequence on where both have a batch.
fn same_events(log: &View, old: &View, from: u64) -> Result<bool, Error> {
    let (mut frames, mut rows, mut first) = (log.frames(from), Rows::default(), from);
    for frame in old.frames(from) {
        let frame = frame?;
        for (sequence, row) in (frame.first_seq..).zip(read_rows(&frame)?.iter()) {
            while sequence >= first + rows.len() as u64 {
                let Some(frame) = frames.next().transpose()? else { return Ok(false) };
                (first, rows) = (frame.first_seq, read_rows(&frame)?);
            }
            let at = usize::try_from(sequence - first).unwrap_or(usize::MAX);
            if rows.get(at) != Some(row) && !planted("events of a backup not compared") {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn read_rows(frame: &Frame<'_>) -> Result<Rows, Error> {
    let batch = Batch::decode(&frame.body, frame.first_seq, frame.events);
    let rows = batch.and_then(|batch| batch.rows());
    rows.map_err(|fault| fault.at(frame.path, frame.offset))
}

/// How long a backup was once, by its manifest; 0 without a sound one of this log. Where nothing
/// says which log it is, any manifest proves that there was one.
pub(super) fn evidence(env: &Env, dir: &Path, log_id: Option<u64>) -> Result<u64, Error> {
    match Manifest::read(env, dir) {
        Ok(Some(manifest)) if log_id.is_none_or(|id| id == manifest.log_id) => Ok(manifest.end),
        // `verify` says what is wrong with it.
        Ok(Some(_)) | Err(Error::Corrupt { .. }) => Ok(u64::from(log_id.is_none())),
        Ok(None) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Refuses a directory that holds something else.
fn check_place(env: &Env, dest: &Path, has_manifest: bool) -> Result<(), Error> {
    let names = env.disk.list(dest).map_err(Error::io("list", dest))?;
    if names.iter().any(|name| name == "head") {
        let dest = dest.display();
        return Err(refused(&format!("{dest} was opened for append, so it is a log of its own")));
    }
    // A first backup that was cut off has these and no manifest.
    let is_begun = |name: &String| matches!(&**name, "segments" | "backup.tmp");
    if !has_manifest && !names.iter().all(is_begun) {
        let dest = dest.display();
        return Err(refused(&format!("{dest} is not empty, and no backup")));
    }
    Ok(())
}

fn refused(what: &str) -> Error {
    Error::Options { reason: format!("{what}; back up into another directory") }
}

/// Refuses to append to a backup, which would not be one any more.
pub(super) fn refuse_append(env: &Env, dir: &Path) -> Result<(), Error> {
    if names(env, dir)?.iter().any(|name| name == MANIFEST) {
        let (dir, name) = (dir.display(), MANIFEST);
        let reason = format!(
            "{dir} is a backup: `ltvlog restore` makes a log of it (or, in its place, remove {name})"
        );
        return Err(Error::Options { reason });
    }
    Ok(())
}
