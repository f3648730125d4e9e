//! `repair`: what it would take to make a damaged log whole, and doing exactly that.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{Format, NewLogArgs, RepairArgs, Shared};
use super::failure::{Ending, Failure};
use super::out::{Out, say};
use super::table::{Column, Grid, count, counted};
use crate::{ChangeKind, Lost, Repair, Store, Unread};

/// How many ranges of lost events are told to people.
const LOST_SHOWN_MAX: usize = 20;

#[derive(Serialize)]
struct RepairJson<'a> {
    needed: bool,
    applied: bool,
    hash: Option<&'a str>,
    kept_end: u64,
    salvaged_events: u64,
    salvaged: Vec<EventsJson>,
    lost_events: u64,
    lost: Vec<LostJson>,
    unread: Vec<UnreadJson>,
    changes: Vec<ChangeJson>,
    salvaged_file: Option<String>,
    earlier: Vec<String>,
}

/// Sequences, half-open.
#[derive(Serialize)]
struct EventsJson {
    first: u64,
    end: u64,
}

/// `end` is null where nothing tells how many events there were.
#[derive(Serialize)]
struct LostJson {
    file: String,
    first: u64,
    end: Option<u64>,
}

/// `first` and `end` are sequences of the file's own log, half-open.
#[derive(Serialize)]
struct UnreadJson {
    file: String,
    first: u64,
    end: u64,
    same_log: bool,
}

#[derive(Serialize)]
struct ChangeJson {
    file: String,
    action: &'static str,
    bytes: u64,
    offset: Option<u64>,
    quarantine: Option<String>,
}

/// Runs the command.
pub(crate) fn run(shared: &Shared, args: &RepairArgs, out: &mut Out) -> Result<Ending, Failure> {
    let options = super::options(shared, &NewLogArgs { currency: None, time_range: None });
    let dir = super::logs::one(shared)?;
    let repair = match &args.apply {
        Some(hash) => Store::apply_repair(dir, &options, hash)?,
        None => Store::plan_repair(dir, &options)?,
    };
    let applied = args.apply.is_some();
    match out.format() {
        Format::Json => out.json(&json(&repair, dir, applied))?,
        Format::Csv => out.csv(&csv(&repair, dir))?,
        Format::Table => out.text(&table(&repair, dir, applied))?,
    }
    out.done()?;
    if repair.is_needed() || repair.problems.is_empty() {
        return Ok(Ending::Done);
    }
    for problem in &repair.problems {
        say::error(&super::verify::sentence(problem));
    }
    say::help("no file can be cut or moved to mend this; export what can be read to a new log");
    Ok(Ending::Failed)
}

/// A file's name within the log's directory.
fn within(log: &Path, path: &Path) -> String {
    path.strip_prefix(log).unwrap_or(path).display().to_string()
}

fn action(kind: ChangeKind) -> (&'static str, Option<u64>) {
    match kind {
        ChangeKind::Cut { offset } => ("cut", Some(offset)),
        ChangeKind::Move => ("move", None),
        ChangeKind::Create => ("create", None),
    }
}

fn salvaged_events(repair: &Repair) -> u64 {
    repair.salvaged.iter().map(|range| range.end - range.start).sum()
}

/// Those that are known to be lost.
fn lost_events(lost: &[Lost]) -> u64 {
    lost.iter().filter_map(|lost| Some(lost.end? - lost.first)).sum()
}

fn json<'a>(repair: &'a Repair, log: &Path, applied: bool) -> RepairJson<'a> {
    let quarantine = |path: &Path| (!path.as_os_str().is_empty()).then(|| within(log, path));
    RepairJson {
        needed: repair.is_needed(),
        applied,
        hash: repair.is_needed().then_some(&*repair.hash),
        kept_end: repair.kept_end,
        salvaged_events: salvaged_events(repair),
        salvaged: repair
            .salvaged
            .iter()
            .map(|range| EventsJson { first: range.start, end: range.end })
            .collect(),
        lost_events: lost_events(&repair.lost),
        lost: repair
            .lost
            .iter()
            .map(|lost| LostJson {
                file: within(log, &lost.path),
                first: lost.first,
                end: lost.end,
            })
            .collect(),
        unread: repair.unread.iter().map(|file| unread(file, log)).collect(),
        changes: repair
            .changes
            .iter()
            .map(|change| ChangeJson {
                file: within(log, &change.path),
                action: action(change.kind).0,
                bytes: change.bytes,
                offset: action(change.kind).1,
                quarantine: quarantine(&change.kept),
            })
            .collect(),
        salvaged_file: repair.salvage.as_deref().map(|path| within(log, path)),
        earlier: repair.earlier.iter().map(|path| within(log, path)).collect(),
    }
}

fn unread(file: &Unread, log: &Path) -> UnreadJson {
    let Range { start: first, end } = file.events;
    UnreadJson { file: within(log, &file.path), first, end, same_log: file.same_log }
}

/// A row for each file that changes.
fn csv(repair: &Repair, log: &Path) -> Vec<Vec<Option<String>>> {
    let header = ["file", "action", "bytes", "offset", "quarantine"];
    let header = header.iter().map(|name| Some((*name).to_owned())).collect();
    let rows = repair.changes.iter().map(|change| {
        let (action, offset) = action(change.kind);
        vec![
            Some(within(log, &change.path)),
            Some(action.to_owned()),
            Some(change.bytes.to_string()),
            offset.map(|offset| offset.to_string()),
            Some(within(log, &change.kept)),
        ]
    });
    std::iter::once(header).chain(rows).collect()
}

fn table(repair: &Repair, log: &Path, applied: bool) -> String {
    if !repair.is_needed() {
        let sound = repair.problems.is_empty();
        let nothing = if sound { "nothing to repair\n" } else { "" };
        return format!("{nothing}{}", earlier_text(repair, log));
    }
    let mut facts = Grid::pairs();
    facts.pair(
        "kept",
        format!("{}, all below {}", counted(repair.kept_end, "event"), repair.kept_end),
    );
    facts.pair("salvaged", counted(salvaged_events(repair), "event"));
    facts.pair("lost", lost_text(repair));
    let mut text = facts.text();
    text.push_str(&lost_lines(&repair.lost, log));
    for file in &repair.unread {
        text.push_str(&unread_text(file, log));
    }
    text.push('\n');
    let columns = [
        Column("file", false),
        Column("action", false),
        Column("bytes", true),
        Column("quarantine", false),
    ];
    let mut changes = Grid::new(&columns);
    for change in &repair.changes {
        let (action, offset) = action(change.kind);
        let action = offset.map_or_else(|| action.to_owned(), |at| format!("{action} at {at}"));
        let kept = within(log, &change.kept);
        changes.row(vec![within(log, &change.path), action, count(change.bytes), kept]);
    }
    text.push_str(&changes.text());
    text.push_str(&earlier_text(repair, log));
    text.push_str(&last_lines(repair, log, applied));
    text
}

/// The first ranges that are lost, and how many more there are.
fn lost_lines(lost: &[Lost], log: &Path) -> String {
    let (shown, rest) = lost.split_at(lost.len().min(LOST_SHOWN_MAX));
    let mut text = String::new();
    for lost in shown {
        let file = within(log, &lost.path);
        let events = match lost.end {
            Some(end) => format!("{} to {}", lost.first, end.saturating_sub(1)),
            None => format!("{} on, as many as there were", lost.first),
        };
        text.push_str(&format!("lost of {file}: events {events}\n"));
    }
    if !rest.is_empty() {
        let ranges = counted(rest.len() as u64, "more range");
        let events = counted(lost_events(rest), "event");
        text.push_str(&format!("lost in {ranges}: {events}; `--format json` lists all ranges\n"));
    }
    text
}

fn earlier_text(repair: &Repair, log: &Path) -> String {
    let line = |path: &PathBuf| format!("\nan earlier repair salvaged {}\n", within(log, path));
    repair.earlier.iter().map(line).collect()
}

fn unread_text(file: &Unread, log: &Path) -> String {
    let of = if file.same_log { "another history of this log" } else { "another log" };
    let events = match file.events.end.saturating_sub(1) {
        last if last >= file.events.start => format!("events {} to {last}", file.events.start),
        _ => "no event".to_owned(),
    };
    format!("not read: {}, {events} of {of}\n", within(log, &file.path))
}

fn lost_text(repair: &Repair) -> String {
    let open = repair.lost.iter().any(|lost| lost.end.is_none());
    let more = if open { ", and those that nothing tells of" } else { "" };
    counted(lost_events(&repair.lost), "event") + more
}

/// What to do next.
fn last_lines(repair: &Repair, log: &Path, applied: bool) -> String {
    if !applied {
        let log = quoted(log);
        return format!("\nTo do this: ltvlog repair --log {log} --apply {}\n", repair.hash);
    }
    let later = repair.later.as_ref().map_or(String::new(), |reason| {
        format!("\nhead and keys are made when the log is next written: {reason}\n")
    });
    match &repair.salvage {
        None => format!("{later}\nrepaired\n"),
        Some(path) => {
            let (log, path) = (quoted(log), quoted(path));
            format!(
                "{later}\nrepaired; to bring back what was salvaged: ltvlog append --log {log} {path}\n"
            )
        }
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+:@%".contains(char);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}
