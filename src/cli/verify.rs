//! `verify`: every byte of the log read and checked; nothing changed.

use std::path::PathBuf;

use serde::Serialize;

use super::args::{Format, Shared, VerifyArgs};
use super::failure::{BACKUP_ADVICE, Ending, Failure, is_backup};
use super::logs::Logs;
use super::out::{Out, say};
use super::table::{self, Grid, count};
use crate::{Error, Problem, SharedKeys, Verification};

#[derive(Serialize)]
struct VerifyJson {
    ok: bool,
    segments: u64,
    batches: u64,
    events: u64,
    bytes: u64,
    torn_bytes: u64,
    problems: Vec<ProblemJson>,
    /// Further keys that two partitions share, if there are too many to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<u64>,
}

#[derive(Serialize)]
struct ProblemJson {
    file: String,
    offset: u64,
    reason: String,
    events: Option<EventsJson>,
}

/// The sequences that damage touches, half-open.
#[derive(Serialize)]
struct EventsJson {
    first: u64,
    end: u64,
}

/// Runs the command.
pub(crate) fn run(shared: &Shared, args: &VerifyArgs, out: &mut Out) -> Result<Ending, Failure> {
    let (mut damaged, mut more) = (true, None);
    let mut read = |logs: Logs| -> Result<Verification, Error> {
        let mut whole = Verification::default();
        for store in logs.stores() {
            add(&mut whole, if args.deep { store.verify_deep()? } else { store.verify()? });
        }
        damaged = !whole.problems.is_empty();
        if let Logs::Parts(parts) = &logs {
            let SharedKeys { problems, unnamed } = parts.shared_keys()?;
            whole.problems.extend(problems);
            more = Some(unnamed).filter(|unnamed| *unnamed > 0);
        }
        Ok(whole)
    };
    let found = match Logs::existing_as_is(shared).and_then(|logs| Ok(read(logs)?)) {
        // Damage that keeps the log from being opened at all is a finding like any other.
        Err(Failure::Log(Error::Corrupt { path, offset, reason })) => {
            let problem = Problem { path, offset, reason, events: None };
            Verification { problems: vec![problem], ..Verification::default() }
        }
        found => found?,
    };
    let ok = found.problems.is_empty();
    match out.format() {
        Format::Json => out.json(&VerifyJson {
            ok,
            segments: found.segments,
            batches: found.batches,
            events: found.events,
            bytes: found.bytes,
            torn_bytes: found.torn_bytes,
            problems: found.problems.iter().map(|one| problem(&shared.log, one)).collect(),
            unnamed: more,
        })?,
        Format::Csv => out.csv(&csv(&found))?,
        Format::Table => out.text(&table(&found))?,
    }
    out.done()?;
    for problem in &found.problems {
        say::error(&sentence(problem));
    }
    if let Some(more) = more {
        say::note(&format!("{} more are like these, and not named", table::counted(more, "key")));
    }
    if !ok && !damaged {
        say::help(
            "no byte is damaged: a key that two partitions share counts in both, and a customer in \
             another partition than theirs counts there; whoever sends events gives each a key of its \
             own, and each customer's to the customer's partition",
        );
    } else if !ok {
        say::help(if shared.log.iter().any(|log| is_backup(log)) {
            BACKUP_ADVICE
        } else {
            "`ltvlog repair --plan` tells what can be saved, and changes nothing"
        });
    }
    Ok(if ok { Ending::Done } else { Ending::Failed })
}

/// Adds what was found in one of several logs.
fn add(whole: &mut Verification, one: Verification) {
    let Verification { segments, batches, events, bytes, torn_bytes, problems } = one;
    whole.segments += segments;
    whole.batches += batches;
    whole.events += events;
    whole.bytes += bytes;
    whole.torn_bytes += torn_bytes;
    whole.problems.extend(problems);
}

fn problem(logs: &[PathBuf], problem: &Problem) -> ProblemJson {
    // Within the log's directory, as documentation and other tools name its files.
    let within = match logs {
        [log] => problem.path.strip_prefix(log).ok(),
        _ => None,
    };
    let file = within.unwrap_or(&problem.path);
    ProblemJson {
        file: file.display().to_string(),
        offset: problem.offset,
        reason: problem.reason.clone(),
        events: problem
            .events
            .as_ref()
            .map(|events| EventsJson { first: events.start, end: events.end }),
    }
}

pub(crate) fn sentence(problem: &Problem) -> String {
    let mut text =
        format!("{} at byte {}: {}", problem.path.display(), problem.offset, problem.reason);
    match &problem.events {
        Some(events) if events.is_empty() => text.push_str("; it touches no events"),
        Some(events) => {
            text.push_str(&format!("; it touches events {} to {}", events.start, events.end - 1));
        }
        None => {}
    }
    text
}

fn csv(found: &Verification) -> Vec<Vec<Option<String>>> {
    let facts = facts(found);
    let cells = |pick: fn(&(&str, u64)) -> String| facts.iter().map(pick).map(Some).collect();
    let ok = found.problems.is_empty().to_string();
    let with = |first: &str, rest: Vec<Option<String>>| {
        std::iter::once(Some(first.to_owned())).chain(rest).collect()
    };
    vec![with("ok", cells(|fact| fact.0.to_owned())), with(&ok, cells(|fact| fact.1.to_string()))]
}

fn table(found: &Verification) -> String {
    let mut grid = Grid::numbers();
    grid.pair("ok", if found.problems.is_empty() { "yes" } else { "no" });
    for (name, number) in facts(found) {
        grid.pair(name, count(number));
    }
    grid.text()
}

fn facts(found: &Verification) -> [(&'static str, u64); 6] {
    [
        ("segments", found.segments),
        ("batches", found.batches),
        ("events", found.events),
        ("bytes", found.bytes),
        ("torn_bytes", found.torn_bytes),
        ("problems", u64::try_from(found.problems.len()).unwrap_or(u64::MAX)),
    ]
}
