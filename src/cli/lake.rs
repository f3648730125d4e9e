//! `export --to`: a log into a dataset of Parquet files, and a look at every byte of one.

use std::num::{NonZeroU16, NonZeroU64};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::args::{Format, Shared};
use super::dest;
use super::export::FormatArg;
use super::failure::{Ending, Failure};
use super::interrupt::Interrupt;
use super::logs::Logs;
use super::out::{Out, say};
use super::progress::Progress;
use super::table::{Grid, count, counted};
use crate::{Checked, Dataset, Error, ExportOptions, Exported, Problem};

/// Heads the options of a dataset.
const LAKE: &str = "Options of Parquet exports";

#[derive(Args, Debug)]
pub(crate) struct LakeArgs {
    /// Add to the dataset in a directory, or at s3://BUCKET/PREFIX, what it does not have yet
    #[arg(long, value_name = "DEST", help_heading = LAKE)]
    to: Option<PathBuf>,
    /// Divide customers into so many buckets, at most 256 [default: the dataset's; of a new one 16]
    #[arg(long, value_name = "N", requires = "to", value_parser = some_buckets, help_heading = LAKE)]
    buckets: Option<NonZeroU16>,
    /// Take everything that is on the disk, and not the sealed segments alone
    #[arg(long, requires = "to", help_heading = LAKE)]
    all: bool,
    /// Complete an increment after so many events
    #[arg(
        long,
        value_name = "EVENTS",
        requires = "to",
        value_parser = some_events,
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

fn some_buckets(text: &str) -> Result<NonZeroU16, String> {
    text.parse().ok().ok_or_else(|| "N is a whole number, from 1 to 256".to_owned())
}

fn some_events(text: &str) -> Result<NonZeroU64, String> {
    text.parse().ok().ok_or_else(|| "EVENTS is a whole number, at least 1".to_owned())
}

#[derive(Serialize)]
struct ExportedJson {
    partition: String,
    first: u64,
    end: u64,
    rows: u64,
    skipped: u64,
    increments: u64,
    files: u64,
    bytes: u64,
    left: u64,
}

#[derive(Serialize)]
struct CheckedJson {
    ok: bool,
    partitions: u64,
    absent_partitions: u64,
    increments: u64,
    files: u64,
    rows: u64,
    skipped: u64,
    bytes: u64,
    unnamed_files: u64,
    problems: Vec<ProblemJson>,
}

#[derive(Serialize)]
struct ProblemJson {
    file: String,
    reason: String,
    events: Option<EventsJson>,
}

/// The sequences that damage touches, half-open.
#[derive(Serialize)]
struct EventsJson {
    first: u64,
    end: u64,
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
    dest::check(dest, &shared.log)?;
    let logs = Logs::each_as_is(shared)?;
    let interrupt = Interrupt::watch()?;
    let options = ExportOptions {
        buckets: args.buckets,
        all: args.all,
        increment_events_max: args.increment_events,
    };
    let (mut left, mut skipped) = (0, 0);
    for (number, store) in logs.stores().iter().enumerate() {
        let (mut progress, mut events) = (None, 0);
        let done = dataset.export(store, &options, &mut |at, end| {
            events += 1;
            progress.get_or_insert_with(|| Progress::new(Some(end))).at(at, events);
            !interrupt.came()
        });
        drop(progress);
        let rest = logs.stores().len() - number;
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                out.done()?;
                note_rest(rest);
                return failed(error, dest);
            }
        };
        print(&done, number == 0, out)?;
        left += done.left;
        skipped += done.skipped;
        if !done.complete {
            out.done()?;
            say::note("interrupted: the dataset has whole increments; the call can be repeated");
            note_rest(rest);
            return Ok(Ending::Interrupted);
        }
    }
    note_skipped(skipped);
    if left > 0 && !args.all {
        let left = count(left);
        say::note(&format!("{left} events are in no sealed segment yet: --all takes them too"));
    }
    Ok(Ending::Done)
}

/// Says that others were to follow.
fn note_rest(rest: usize) {
    if rest > 1 {
        say::note(&format!(
            "the last {rest} partitions are not exported to their ends: repeat the call, or export \
             each by --log"
        ));
    }
}

fn note_skipped(skipped: u64) {
    if skipped > 0 {
        say::note(&format!(
            "{} of the log are in no row, for a later version of ltvlog wrote them: export with that \
             version, to another DEST",
            counted(skipped, "event")
        ));
    }
}

/// Says what is wrong with a dataset, which is mended in another way than a log.
fn failed(error: Error, dest: &Path) -> Result<Ending, Failure> {
    let is_ours = |path: &Path| {
        let name = path.strip_prefix(dest).ok();
        name.is_some_and(|name| name.starts_with("manifest") || name.starts_with("dataset.json"))
    };
    if let Error::Missing { path } = &error
        && is_ours(path)
    {
        say::error(&format!("there is no dataset in {}", dest.display()));
        say::help("`ltvlog export --to DEST` makes one of a log");
        return Ok(Ending::Failed);
    }
    let Error::Corrupt { path, reason, .. } = &error else { return Err(error.into()) };
    if is_ours(path) {
        say::error(&format!("{} is damaged: {reason}", path.display()));
        say::help(
            "`ltvlog export --to DEST --check` lists all that is wrong there; the log has everything \
             that a dataset has: where that cannot be put back, export it again to another DEST",
        );
    } else {
        say::error(&error.in_full());
        say::help(
            "what was exported before stays, and the log was not changed; `ltvlog verify` lists all \
             damage and the events it touches",
        );
    }
    Ok(Ending::Failed)
}

fn print(done: &Exported, is_first: bool, out: &mut Out) -> Result<(), Failure> {
    let result = ExportedJson {
        partition: done.partition.to_string(),
        first: done.first,
        end: done.end,
        rows: done.rows,
        skipped: done.skipped,
        increments: done.increments,
        files: done.files,
        bytes: done.bytes,
        left: done.left,
    };
    let facts = [
        ("first", result.first),
        ("end", result.end),
        ("rows", result.rows),
        ("skipped", result.skipped),
        ("increments", result.increments),
        ("files", result.files),
        ("bytes", result.bytes),
        ("left", result.left),
    ];
    tell(out, &result, is_first, ("partition", &result.partition), &facts)
}

fn check(dataset: &Dataset, dest: &Path, out: &mut Out) -> Result<Ending, Failure> {
    let interrupt = Interrupt::watch()?;
    let found = match dataset.check(&mut |_| !interrupt.came()) {
        Ok(found) => found,
        Err(error) => return failed(error, dest),
    };
    if interrupt.came() {
        return Ok(Ending::Interrupted);
    }
    let ok = found.problems.is_empty();
    let result = CheckedJson {
        ok,
        partitions: found.partitions,
        absent_partitions: found.absent_partitions,
        increments: found.increments,
        files: found.files,
        rows: found.rows,
        skipped: found.skipped,
        bytes: found.bytes,
        unnamed_files: found.unnamed_files,
        problems: problems(&found, dest),
    };
    let facts = [
        ("partitions", result.partitions),
        ("absent_partitions", result.absent_partitions),
        ("increments", result.increments),
        ("files", result.files),
        ("rows", result.rows),
        ("skipped", result.skipped),
        ("bytes", result.bytes),
        ("unnamed_files", result.unnamed_files),
        ("problems", u64::try_from(result.problems.len()).unwrap_or(u64::MAX)),
    ];
    tell(out, &result, true, ("ok", if ok { "yes" } else { "no" }), &facts)?;
    out.done()?;
    note_skipped(found.skipped);
    if ok && found.absent_partitions > 0 {
        say::note(&format!(
            "{} without an increment here: nothing of them was exported, or all their manifests are \
             gone; `ltvlog export` of their logs adds them",
            counted(found.absent_partitions, "partition")
        ));
    }
    for problem in &found.problems {
        say::error(&sentence(problem));
    }
    if ok {
        return Ok(Ending::Done);
    }
    say::help(
        "the log has everything that a dataset has: export it again to another DEST, unless what is wrong \
         can be put back as it was",
    );
    Ok(Ending::Failed)
}

fn problems(found: &Checked, dest: &Path) -> Vec<ProblemJson> {
    let problems = found.problems.iter().map(|problem| ProblemJson {
        file: problem.path.strip_prefix(dest).unwrap_or(&problem.path).display().to_string(),
        reason: problem.reason.clone(),
        events: problem.events.as_ref().map(|one| EventsJson { first: one.start, end: one.end }),
    });
    problems.collect()
}

/// A file is right or wrong as a whole.
fn sentence(problem: &Problem) -> String {
    let mut text = format!("{}: {}", problem.path.display(), problem.reason);
    if let Some(events) = &problem.events {
        text.push_str(&format!("; it touches events {} to {}", events.start, events.end - 1));
    }
    text
}

fn tell(
    out: &mut Out,
    result: &impl Serialize,
    with_header: bool,
    first: (&str, &str),
    facts: &[(&str, u64)],
) -> Result<(), Failure> {
    let names = || std::iter::once(first.0).chain(facts.iter().map(|fact| fact.0));
    match out.format() {
        Format::Json => out.json(result),
        Format::Csv => {
            let values = facts.iter().map(|fact| Some(fact.1.to_string()));
            let values = std::iter::once(Some(first.1.to_owned())).chain(values);
            let header = names().map(|name| Some(name.to_owned())).collect();
            let rows = with_header.then_some(header).into_iter().chain([values.collect()]);
            out.csv(&rows.collect::<Vec<_>>())
        }
        Format::Table => {
            let mut grid = Grid::numbers();
            grid.pair(first.0, first.1);
            facts.iter().for_each(|fact| grid.pair(fact.0, count(fact.1)));
            out.text(&grid.text())
        }
    }
}
