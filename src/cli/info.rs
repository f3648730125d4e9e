//! `info`: what a log consists of, without reading its events.

use std::path::Path;

use super::args::{Format, Shared};
use super::failure::{Ending, Failure};
use super::logs::Logs;
use super::out::Out;
use super::table::{Column, Grid, count};
use super::time::frame_text;
use crate::wire::{FrameJson, InfoJson, PartsJson, instant};
use crate::{Info, Partition, Question, SegmentInfo, Span, Store, TimeFrame};

/// Runs the command.
pub(crate) fn run(shared: &Shared, out: &mut Out) -> Result<Ending, Failure> {
    let logs = Logs::each_as_is(shared)?;
    match &logs {
        Logs::One(store) => print(&store.info()?, store.path().unwrap_or(Path::new("")), out)?,
        Logs::Parts(parts) => {
            let infos = parts.stores().iter().map(Store::info).collect::<Result<Vec<_>, _>>()?;
            let dirs = parts.stores().iter().map(|store| store.path().unwrap_or(Path::new("")));
            let span = parts.top(0, &Question::default())?.span;
            print_parts(&infos, &dirs.collect::<Vec<_>>(), span, out)?;
        }
    }
    Ok(Ending::Done)
}

/// Prints what is known of the log in this directory.
pub(super) fn print(info: &Info, log: &Path, out: &mut Out) -> Result<(), Failure> {
    match out.format() {
        Format::Json => out.json(&InfoJson::new(info, log)),
        Format::Csv => out.csv(&csv(info, log)),
        Format::Table => out.text(&table(info, log)),
    }
}

/// Prints what is known of all partitions of a log, and of each.
pub(super) fn print_parts(
    infos: &[Info],
    dirs: &[&Path],
    span: Option<Span>,
    out: &mut Out,
) -> Result<(), Failure> {
    let sum = |of: fn(&Info) -> u64| infos.iter().map(of).sum::<u64>();
    let (end, synced_end, customers) =
        (sum(|one| one.end), sum(|one| one.synced_end), sum(|one| one.customers));
    if out.format() == Format::Json {
        let partitions = infos.iter().zip(dirs).map(|(info, dir)| InfoJson::new(info, dir));
        let partitions = partitions.collect();
        let frame = span.map(FrameJson::from);
        return out.json(&PartsJson { end, synced_end, customers, frame, partitions });
    }
    let numbers = |one: &Info, shown: fn(u64) -> String| {
        let bytes = one.bytes.iter().sum();
        [one.end, one.synced_end, one.customers, one.segments.len() as u64, bytes].map(shown)
    };
    let names = ["partition", "end", "synced_end", "customers", "segments", "bytes"];
    if out.format() == Format::Csv {
        let mut rows = vec![names.iter().map(|name| Some((*name).to_owned())).collect()];
        rows.extend(infos.iter().zip(0..).map(|(one, number): (_, u64)| {
            let numbers = numbers(one, |number| number.to_string());
            std::iter::once(number.to_string()).chain(numbers).map(Some).collect()
        }));
        return out.csv(&rows);
    }
    let mut facts = Grid::pairs();
    facts.pair("partitions", count(infos.len() as u64));
    facts.pair("end", count(end));
    facts.pair("synced_end", count(synced_end));
    facts.pair("customers", count(customers));
    facts.pair("frame", frame_text(span.as_ref(), TimeFrame::Dataset));
    let mut list = Grid::new(&names.map(|name| Column(name, true)));
    for (one, number) in infos.iter().zip(0..) {
        list.row(std::iter::once(count(number)).chain(numbers(one, count)).collect());
    }
    out.text(&format!("{}\n{}", facts.text(), list.text()))
}

/// A row for each segment.
fn csv(info: &Info, log: &Path) -> Vec<Vec<Option<String>>> {
    let header = ["file", "first", "end", "batches", "bytes", "sealed", "generation"];
    let header = header.iter().map(|name| Some((*name).to_owned())).collect();
    let rows = info.segments.iter().map(|segment| {
        vec![
            Some(file(segment, log)),
            Some(segment.first.to_string()),
            Some(segment.end.to_string()),
            Some(segment.batches.to_string()),
            Some(segment.bytes.to_string()),
            Some(segment.sealed.to_string()),
            Some(segment.generation.to_string()),
        ]
    });
    std::iter::once(header).chain(rows).collect()
}

fn table(info: &Info, log: &Path) -> String {
    let [segments, keys, checkpoints] = info.bytes;
    let range = &info.rules.time_range_us;
    let mut facts = Grid::pairs();
    facts.pair("log_id", format!("{:016x}", info.log_id));
    if info.partition != Partition::WHOLE {
        facts.pair("partition", info.partition.to_string());
    }
    facts.pair("currency", currency(info));
    facts.pair("time_range", format!("{} to {}", instant(range.start), instant(range.end)));
    facts.pair("end", count(info.end));
    facts.pair("synced_end", count(info.synced_end));
    facts.pair("customers", count(info.customers));
    facts.pair("frame", frame_text(info.span.as_ref(), TimeFrame::Dataset));
    facts.pair("appended_at", info.appended_at_us.map_or_else(|| "-".to_owned(), instant));
    facts.pair("checkpoint_end", info.checkpoint_end.map_or_else(|| "-".to_owned(), count));
    facts.pair("writer", if info.writer { "another process" } else { "none" });
    facts.pair("torn_bytes", count(info.torn_bytes));
    facts.pair(
        "bytes",
        format!(
            "{} in segments, {} in keys, {} in checkpoints",
            count(segments),
            count(keys),
            count(checkpoints)
        ),
    );
    let mut list = Grid::new(&[
        Column("file", false),
        Column("first", true),
        Column("end", true),
        Column("batches", true),
        Column("bytes", true),
        Column("sealed", false),
        Column("generation", true),
    ]);
    for segment in &info.segments {
        list.row(vec![
            file(segment, log),
            count(segment.first),
            count(segment.end),
            count(segment.batches),
            count(segment.bytes),
            if segment.sealed { "yes" } else { "no" }.to_owned(),
            count(segment.generation),
        ]);
    }
    format!("{}\n{}", facts.text(), list.text())
}

fn currency(info: &Info) -> String {
    String::from_utf8_lossy(&info.rules.currency).into_owned()
}

/// Within the log's directory.
fn file(segment: &SegmentInfo, log: &Path) -> String {
    segment.path.strip_prefix(log).unwrap_or(&segment.path).display().to_string()
}
