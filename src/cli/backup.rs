//! `backup` and `restore`: a log to a directory of its own, and a log of it again.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::args::{Format, Shared};
use super::failure::{Ending, Failure};
use super::out::Out;
use super::progress::Progress;
use super::table::{Grid, count};
use crate::{Copying, RestoreOptions, Store};

pub(super) const BACKUP_HELP: &str = "\
Examples:
  ltvlog backup /mnt/backups/shop
  ltvlog verify --log /mnt/backups/shop      every byte of it; `top` and `export` read it too

A writer may go on meanwhile. Segments that are there already are not copied again. A backup that
was cut off leaves the one before it; repeat the command to complete it.";

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// Directory of the backup: none yet, or an older backup of this log
    #[arg(value_name = "DEST")]
    pub(crate) dest: PathBuf,
}

pub(super) const RESTORE_HELP: &str = "\
Example:
  ltvlog restore /mnt/backups/shop --log shop

The log's directory must be empty or not there; it is there only when every byte of the backup was
read and found to be right. Append to the restored log or to the one that was backed up, not to
both: they would be two logs of one id.";

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Directory of the backup
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
}

#[derive(Serialize)]
struct BackupJson {
    events: u64,
    segments: u64,
    bytes: u64,
    end: u64,
    new_events: u64,
    copied_segments: u64,
    copied_bytes: u64,
}

#[derive(Serialize)]
struct RestoreJson {
    events: u64,
    segments: u64,
    bytes: u64,
    end: u64,
}

/// Runs `backup`.
pub(crate) fn run(shared: &Shared, args: &BackupArgs, out: &mut Out) -> Result<Ending, Failure> {
    let store = super::existing_as_is(shared)?;
    let done = watched(|on_copying| store.backup(&args.dest, on_copying))?;
    let result = BackupJson {
        events: done.end,
        segments: done.segments,
        bytes: done.bytes,
        end: done.end,
        new_events: done.new_events,
        copied_segments: done.copied_segments,
        copied_bytes: done.copied_bytes,
    };
    let facts = [
        ("events", result.events),
        ("segments", result.segments),
        ("bytes", result.bytes),
        ("end", result.end),
        ("new_events", result.new_events),
        ("copied_segments", result.copied_segments),
        ("copied_bytes", result.copied_bytes),
    ];
    print(&result, &facts, out)
}

/// Runs `restore`.
pub(crate) fn restore(
    shared: &Shared,
    args: &RestoreArgs,
    out: &mut Out,
) -> Result<Ending, Failure> {
    let dir = super::logs::one(shared)?;
    let options = RestoreOptions { allow_remote: shared.allow_remote };
    let done = watched(|on_copying| Store::restore(&args.source, dir, options, on_copying))?;
    let result = RestoreJson {
        events: done.events,
        segments: done.segments,
        bytes: done.bytes,
        end: done.end,
    };
    let facts = [
        ("events", result.events),
        ("segments", result.segments),
        ("bytes", result.bytes),
        ("end", result.end),
    ];
    print(&result, &facts, out)
}

/// Does something that copies, and shows on a terminal how far it has come.
fn watched<T>(
    act: impl FnOnce(&mut dyn FnMut(Copying)) -> Result<T, crate::Error>,
) -> Result<T, Failure> {
    let mut progress = None;
    let done = act(&mut |now| {
        let progress = progress.get_or_insert_with(|| Progress::new(Some(now.bytes_total)));
        progress.at(now.bytes, now.events);
    });
    Ok(done?)
}

fn print(result: &impl Serialize, facts: &[(&str, u64)], out: &mut Out) -> Result<Ending, Failure> {
    match out.format() {
        Format::Json => out.json(result)?,
        Format::Csv => out.csv(&[
            facts.iter().map(|fact| Some(fact.0.to_owned())).collect(),
            facts.iter().map(|fact| Some(fact.1.to_string())).collect(),
        ])?,
        Format::Table => {
            let mut grid = Grid::numbers();
            facts.iter().for_each(|fact| grid.pair(fact.0, count(fact.1)));
            out.text(&grid.text())?;
        }
    }
    Ok(Ending::Done)
}
