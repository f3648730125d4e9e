//! `export --to`: a log into a dataset of Parquet files, and a look at every byte of one.

use std::num::{NonZeroU16, NonZeroU64};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::args::{Format, Shared};
use super::export::FormatArg;
use super::failure::{Ending, Failure};
use super::interrupt::Interrupt;
use super::logs::Logs;
use super::out::{Out, say};
use super::progress::Progress;
use super::table::{Grid, count};
use crate::{Checked, Dataset, ExportOptions, Exported};

/// Heads the options of a dataset.
const LAKE: &str = "Options of Parquet exports";

#[derive(Args, Debug)]
pub(crate) struct LakeArgs {
    /// Add to the dataset in a directory, or at s3://BUCKET/PREFIX, what it does not have yet
    #[arg(long, value_name = "DEST", help_heading = LAKE)]
    to: Option<PathBuf>,
    /// Divide customers into so many buckets, at most 256 [default: the dataset's; of a new one 16]
    #[arg(long, value_name = "N", requires = "to", help_heading = LAKE)]
    buckets: Option<NonZeroU16>,
    /// Take everything that is on the disk, and not the sealed segments alone
    #[arg(long, requires = "to", help_heading = LAKE)]
    all: bool,
    /// Complete an increment after so many events
    #[arg(
        long,
        value_name = "EVENTS",
        requires = "to",
        default_value_t = ExportOptions::default().increment_events_max,
        help_heading = LAKE
    )]
    increment_events: NonZeroU64,
    /// Read the dataset back instead: every file that a manifest names, every byte and checksum
    #[arg(
        long,
        requires = "to",
        conflicts_with_all = ["buckets", "all", "increment_events"],
        help_heading = LAKE
    )]
    check: bool,
}

#[derive(Serialize)]
struct ExportedJson {
    partition: String,
    first: u64,
    end: u64,
    rows: u64,
    increments: u64,
    files: u64,
    bytes: u64,
    left: u64,
}

#[derive(Serialize)]
struct CheckedJson {
    ok: bool,
    partitions: u64,
    increments: u64,
    files: u64,
    rows: u64,
    bytes: u64,
    unnamed_files: u64,
    problems: Vec<ProblemJson>,
}

#[derive(Serialize)]
struct ProblemJson {
    file: String,
    reason: String,
}

/// Exports to a dataset, if one is named.
pub(crate) fn run(
    shared: &Shared,
    args: &LakeArgs,
    out: &mut Out,
) -> Result<Option<Ending>, Failure> {
    let Some(dest) = &args.to else {
        if shared.format != Some(FormatArg::Parquet) {
            return Ok(None);
        }
        let reason =
            "Parquet is written to a dataset: name its directory, or s3://BUCKET/PREFIX, with --to";
        return Err(Failure::Usage(reason.to_owned()));
    };
    let dataset = Dataset::open(dest)?;
    let ending = match args.check {
        true => check(&dataset, dest, out),
        false => export(shared, args, &dataset, dest, out),
    };
    ending.map(Some)
}

fn export(
    shared: &Shared,
    args: &LakeArgs,
    dataset: &Dataset,
    dest: &Path,
    out: &mut Out,
) -> Result<Ending, Failure> {
    for log in &*shared.log {
        refuse_inside(dest, log)?;
    }
    let logs = Logs::existing_as_is(shared)?;
    let interrupt = Interrupt::watch()?;
    let options = ExportOptions {
        buckets: args.buckets,
        all: args.all,
        increment_events_max: args.increment_events,
    };
    let mut left = 0;
    for store in logs.stores() {
        let (mut progress, mut events) = (None, 0);
        let done = dataset.export(store, &options, &mut |at, end| {
            events += 1;
            progress.get_or_insert_with(|| Progress::new(Some(end))).at(at, events);
            !interrupt.came()
        })?;
        drop(progress);
        print(&done, out)?;
        left += done.left;
        if !done.complete {
            return Ok(Ending::Interrupted);
        }
    }
    if left > 0 && !args.all {
        let left = count(left);
        say::note(&format!("{left} events are in no sealed segment yet: --all takes them too"));
    }
    Ok(Ending::Done)
}

fn print(done: &Exported, out: &mut Out) -> Result<(), Failure> {
    let result = ExportedJson {
        partition: done.partition.to_string(),
        first: done.first,
        end: done.end,
        rows: done.rows,
        increments: done.increments,
        files: done.files,
        bytes: done.bytes,
        left: done.left,
    };
    let facts = [
        ("first", result.first),
        ("end", result.end),
        ("rows", result.rows),
        ("increments", result.increments),
        ("files", result.files),
        ("bytes", result.bytes),
        ("left", result.left),
    ];
    tell(out, &result, ("partition", &result.partition), &facts)
}

fn check(dataset: &Dataset, dest: &Path, out: &mut Out) -> Result<Ending, Failure> {
    let interrupt = Interrupt::watch()?;
    let found = dataset.check(&mut |_| !interrupt.came())?;
    if interrupt.came() {
        return Ok(Ending::Interrupted);
    }
    let ok = found.problems.is_empty();
    let result = CheckedJson {
        ok,
        partitions: found.partitions,
        increments: found.increments,
        files: found.files,
        rows: found.rows,
        bytes: found.bytes,
        unnamed_files: found.unnamed_files,
        problems: problems(&found, dest),
    };
    let facts = [
        ("partitions", result.partitions),
        ("increments", result.increments),
        ("files", result.files),
        ("rows", result.rows),
        ("bytes", result.bytes),
        ("unnamed_files", result.unnamed_files),
        ("problems", u64::try_from(result.problems.len()).unwrap_or(u64::MAX)),
    ];
    tell(out, &result, ("ok", if ok { "yes" } else { "no" }), &facts)?;
    out.done()?;
    for problem in &found.problems {
        say::error(&super::verify::sentence(problem));
    }
    if ok {
        return Ok(Ending::Done);
    }
    say::help("the log has everything that a dataset has: export it again to another DEST");
    Ok(Ending::Failed)
}

fn problems(found: &Checked, dest: &Path) -> Vec<ProblemJson> {
    let problems = found.problems.iter().map(|problem| ProblemJson {
        file: problem.path.strip_prefix(dest).unwrap_or(&problem.path).display().to_string(),
        reason: problem.reason.clone(),
    });
    problems.collect()
}

fn tell(
    out: &mut Out,
    result: &impl Serialize,
    first: (&str, &str),
    facts: &[(&str, u64)],
) -> Result<(), Failure> {
    let names = || std::iter::once(first.0).chain(facts.iter().map(|fact| fact.0));
    match out.format() {
        Format::Json => out.json(result),
        Format::Csv => {
            let values = facts.iter().map(|fact| Some(fact.1.to_string()));
            let values = std::iter::once(Some(first.1.to_owned())).chain(values);
            out.csv(&[names().map(|name| Some(name.to_owned())).collect(), values.collect()])
        }
        Format::Table => {
            let mut grid = Grid::numbers();
            grid.pair(first.0, first.1);
            facts.iter().for_each(|fact| grid.pair(fact.0, count(fact.1)));
            out.text(&grid.text())
        }
    }
}

/// Refuses a dataset among the files of the log.
fn refuse_inside(dest: &Path, log: &Path) -> Result<(), Failure> {
    let there = dest.ancestors().find_map(|dir| {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        dir.canonicalize().ok()
    });
    let (Some(there), Ok(log)) = (there, log.canonicalize()) else { return Ok(()) };
    if !there.starts_with(&log) || dest.to_string_lossy().contains("://") {
        return Ok(());
    }
    let (dest, log) = (dest.display(), log.display());
    Err(Failure::Usage(format!("{dest} lies in the log's directory, {log}: name another")))
}
