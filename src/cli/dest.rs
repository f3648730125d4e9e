//! Where a dataset may be.

use std::path::{Component, Path, PathBuf};

use super::failure::Failure;
use crate::{Error, Options, Partitions, Store};

/// Refuses what can be no dataset's directory, or prefix, for an export of these logs.
pub(super) fn check(dest: &Path, logs: &[PathBuf]) -> Result<(), Failure> {
    refuse_patterns(dest)?;
    if dest.to_string_lossy().contains("://") {
        return Ok(());
    }
    logs.iter().try_for_each(|log| refuse_inside(dest, log))?;
    refuse_log(dest)
}

/// Refuses a dataset that engines could not find.
fn refuse_patterns(dest: &Path) -> Result<(), Failure> {
    if dest.to_string_lossy().contains(['*', '?', '[']) {
        let dest = dest.display();
        return Err(Failure::Usage(format!(
            "{dest} has a character that engines take for a pattern, `*`, `?` or `[`: name another"
        )));
    }
    Ok(())
}

/// Refuses a dataset in the directory of a log, whatever else is wrong with that.
fn refuse_log(dest: &Path) -> Result<(), Failure> {
    let options = Options { allow_remote: true, ..Options::default() };
    let is_of_log = |error| matches!(error, Error::Options { .. } | Error::Corrupt { .. });
    let is_log = Store::open(dest, options.clone()).map_or_else(is_of_log, |log| log.exists())
        || Partitions::open(dest, &options).map_or_else(is_of_log, |parts| parts.is_some());
    if is_log {
        let dest = dest.display();
        return Err(Failure::Usage(format!("there is a log in {dest}: name another directory")));
    }
    Ok(())
}

/// Refuses a dataset among the files of the log.
fn refuse_inside(dest: &Path, log: &Path) -> Result<(), Failure> {
    let there = dest.ancestors().find_map(|dir| {
        let known = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        Some((known.canonicalize().ok()?, dest.strip_prefix(dir).ok()?))
    });
    let (Some((there, new)), Ok(log)) = (there, log.canonicalize()) else { return Ok(()) };
    if new.components().any(|part| part == Component::ParentDir) {
        let dest = dest.display();
        return Err(Failure::Usage(format!("{dest} leads through a directory that is not there")));
    }
    if !there.starts_with(&log) {
        return Ok(());
    }
    let (dest, log) = (dest.display(), log.display());
    Err(Failure::Usage(format!("{dest} lies in the log's directory, {log}: name another")))
}
