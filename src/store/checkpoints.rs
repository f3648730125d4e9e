//! Saved statistics: which checkpoint is used, when one is written, which are deleted.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::files;
use super::source::Source;
use crate::log::Env;
use crate::planted::planted;
use crate::projection::figures::Figures;
use crate::projection::overlay::Overlay;
use crate::projection::saved::Saved;
use crate::projection::{Projection, Statistics, checkpoint};
use crate::{Error, Fault};

/// The directory of the checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints";
/// How many are kept.
const KEPT: usize = 2;
/// To take the customer of one event out of a checkpoint costs as much as to load so many in a row.
const CUSTOMERS_PER_EVENT: u64 = 16;

/// The checkpoints of a log: the sequence each ends at and its file, newest first.
pub(super) fn list(env: &Env, dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let dir = dir.join(CHECKPOINTS);
    let names = match env.disk.list(&dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &dir)(error)),
    };
    let parse = |name: &String| Some((name.strip_suffix(".ckpt")?.parse().ok()?, dir.join(name)));
    let mut found: Vec<(u64, PathBuf)> = names.iter().filter_map(parse).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// A checkpoint, or what keeps it from being used.
pub(super) type Decoded = Result<(Statistics, checkpoint::Header), Fault>;

/// Reads a whole checkpoint; `None` where there is no such file.
pub(super) fn read(env: &Env, path: &Path, log_id: u64) -> Result<Option<Decoded>, Error> {
    let Some(map) = files::map(env, path)? else { return Ok(None) };
    Ok(Some(checkpoint::decode(map.all(), log_id)))
}

/// The statistics of the newest checkpoint that fits the log.
pub(super) fn newest(
    env: &Env,
    dir: &Path,
    source: &Source<'_>,
) -> Result<Option<Statistics>, Error> {
    newest_until(env, dir, source, source.end())
}

/// The statistics of the newest checkpoint that fits the log and ends at `until` or before.
pub(super) fn newest_until(
    env: &Env,
    dir: &Path,
    source: &Source<'_>,
    until: u64,
) -> Result<Option<Statistics>, Error> {
    let log_id = source.log_id();
    for (end, path) in list(env, dir)? {
        if end > until.min(source.end()) {
            continue;
        }
        // A checkpoint that cannot be used costs time, never an answer: `verify` reports it.
        let Some(Ok((statistics, header))) = read(env, &path, log_id)? else { continue };
        let any = planted("checkpoint of another log used");
        if any && header.end == end || fits(source, end, &header)? {
            return Ok(Some(statistics));
        }
    }
    Ok(None)
}

/// Whether a checkpoint that says so of itself is of this log up to `end`.
fn fits(source: &Source<'_>, end: u64, header: &checkpoint::Header) -> Result<bool, Error> {
    Ok(header.end == end && source.chain_at(end)? == Some(header.chain))
}

/// Asks the newest checkpoint without loading it, together with the few events that may follow
/// it. Nothing where anything is wrong: who loads it, or folds the log, finds out what.
pub(super) fn ask<T>(
    env: &Env,
    dir: &Path,
    source: &Source<'_>,
    question: impl FnOnce(&dyn Figures) -> Result<T, Error>,
) -> Option<T> {
    let checkpoints = list(env, dir).ok()?;
    let (end, path) = checkpoints.into_iter().find(|(end, _)| *end <= source.end())?;
    let map = files::map(env, &path).ok()??;
    let saved = Saved::open(map.all(), source.log_id()).ok()?;
    if !fits(source, end, saved.header()).ok()? {
        return None;
    }
    let mut overlay = Overlay::new(&saved);
    let behind = source.end() - end;
    if behind == 0 {
        return question(&saved).ok();
    }
    if behind > u64::from(saved.header().customers) / CUSTOMERS_PER_EVENT {
        return None;
    }
    catch_up(source, &mut overlay, end).ok()?;
    question(&overlay).ok()
}

/// Where the newest checkpoint that fits the log ends, by its header; 0 without one.
pub(super) fn newest_end(env: &Env, dir: &Path, source: &Source<'_>) -> Result<u64, Error> {
    for (end, path) in list(env, dir)? {
        let Some(map) = files::map(env, &path)?.filter(|_| end <= source.end()) else { continue };
        let Ok(header) = checkpoint::decode_header(map.all(), source.log_id()) else { continue };
        if fits(source, end, &header)? {
            return Ok(end);
        }
    }
    Ok(0)
}

/// Removes the checkpoints that end in a range, at its borders too: marks alone may stand there.
pub(super) fn remove_within(env: &Env, dir: &Path, range: Range<u64>) -> Result<(), Error> {
    let within = |end: u64| end >= range.start && end <= range.end;
    for (_, path) in list(env, dir)?.into_iter().filter(|(end, _)| within(*end)) {
        env.disk.remove(&path).map_err(Error::io("remove", &path))?;
    }
    // Also for those that newer ones have replaced, whose removal nobody has synced.
    let dir = dir.join(CHECKPOINTS);
    if planted("removed checkpoint not durable") {
        return Ok(());
    }
    env.disk.sync_dir(&dir).map_err(Error::io("sync the directory", &dir))
}

/// A sequence up to which a checkpoint proves the log to have been durable; 0 without one.
pub(super) fn evidence(env: &Env, dir: &Path, log_id: u64) -> Result<u64, Error> {
    for (_, path) in list(env, dir)? {
        let Some(map) = files::map(env, &path)? else { continue };
        if let Ok(header) = checkpoint::decode_header(map.all(), log_id) {
            return Ok(header.end);
        }
    }
    Ok(0)
}

/// Folds what the statistics lack.
pub(super) fn catch_up(
    source: &Source<'_>,
    projection: &mut dyn Projection,
    from: u64,
) -> Result<(), Error> {
    source.batches(from, &mut |batch| {
        projection.apply(batch)?;
        Ok(true)
    })
}

/// Folds what the statistics lack up to a sequence where a batch ends, and the marks there, which
/// may have come after a checkpoint.
pub(super) fn fold_to(
    source: &Source<'_>,
    statistics: &mut Statistics,
    end: u64,
) -> Result<(), Error> {
    source.batches(statistics.end(), &mut |batch| {
        let first = batch.first_seq();
        let goes_on = first < end || first == end && batch.events() == 0;
        if goes_on {
            statistics.apply(batch)?;
        }
        Ok(goes_on)
    })
}

/// Writes a checkpoint if at least `events_min` events follow the last one, and deletes those it
/// replaces; whether it did.
pub(super) fn write_if_due(
    env: &Env,
    dir: &Path,
    source: &Source<'_>,
    log_id: u64,
    events_min: u64,
) -> Result<bool, Error> {
    // One that names an end which the log does not have is none of this log's.
    let last = list(env, dir)?.into_iter().find(|(end, _)| *end <= source.end());
    let last = last.map_or(0, |(end, _)| end);
    let due = |customers: usize| {
        let customers = u64::try_from(customers).unwrap_or(u64::MAX);
        source.end().saturating_sub(last) >= events_min.max(customers)
    };
    if !due(0) {
        return Ok(false);
    }
    let mut statistics = newest(env, dir, source)?.unwrap_or_default();
    if !due(statistics.customers().len()) {
        return Ok(false);
    }
    let from = statistics.end();
    catch_up(source, &mut statistics, from)?;
    let Some(chain) = source.chain_at(statistics.end())? else { return Ok(false) };
    let mut bytes = Vec::new();
    checkpoint::encode(&statistics, log_id, chain, &mut bytes);
    let path = dir.join(CHECKPOINTS).join(format!("{:020}.ckpt", statistics.end()));
    files::replace(env, &path, &bytes)?;
    for (_, old) in list(env, dir)?.into_iter().skip(KEPT) {
        env.disk.remove(&old).map_err(Error::io("remove", &old))?;
    }
    Ok(true)
}
