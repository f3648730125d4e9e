//! What `publish` and `ingest` tell of what they did.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::broker::publisher::Counts;
use crate::cli::args::Format;
use crate::cli::failure::Failure;
use crate::cli::out::Out;
use crate::cli::table::{Grid, count};
use crate::{Reason, Receipt};

/// Stands for a number that is not known.
const UNKNOWN: &str = "-";

/// What became of events that were published.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    published: u64,
    duplicates: u64,
    rejected: u64,
    reasons: BTreeMap<&'static str, u64>,
    retried: u64,
    unacknowledged: u64,
    seconds: f64,
}

impl Published {
    pub(super) fn new(
        counts: Counts,
        reasons: &BTreeMap<Reason, u64>,
        elapsed: Duration,
    ) -> Published {
        Published {
            published: counts.published,
            duplicates: counts.duplicates,
            rejected: reasons.values().sum(),
            reasons: by_name(reasons),
            retried: counts.retried,
            unacknowledged: counts.unacknowledged,
            seconds: seconds(elapsed),
        }
    }

    pub(super) fn print(&self, out: &mut Out) -> Result<(), Failure> {
        let numbers = [
            ("published", Some(self.published)),
            ("duplicates", Some(self.duplicates)),
            ("rejected", Some(self.rejected)),
            ("retried", Some(self.retried)),
            ("unacknowledged", Some(self.unacknowledged)),
        ];
        match out.format() {
            Format::Json => out.json(self),
            Format::Csv => csv(&numbers, &self.reasons, &[("seconds", Some(self.seconds))], out),
            Format::Table => {
                table(&numbers, &self.reasons, &[("seconds", Some(self.seconds))], out)
            }
        }
    }
}

/// How far an ingester is, or was at its end.
#[derive(Debug, Serialize)]
pub(super) struct Ingested {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
    reasons: BTreeMap<&'static str, u64>,
    held: u64,
    position: Option<u64>,
    lag_events: Option<u64>,
    lag_seconds: Option<f64>,
    end: u64,
    synced: bool,
    seconds: f64,
}

/// How far the log is behind the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lag {
    /// Up to which message the log says that the partition has been read.
    pub(super) position: Option<u64>,
    pub(super) events: Option<u64>,
    pub(super) time: Option<Duration>,
    /// Taken in, and not admitted yet.
    pub(super) held: u64,
}

impl Ingested {
    pub(super) fn new(sum: &Receipt, lag: Lag, elapsed: Duration) -> Ingested {
        Ingested {
            accepted: sum.accepted,
            duplicates: sum.duplicates,
            rejected: sum.rejected(),
            reasons: by_name(&sum.reasons),
            held: lag.held,
            position: lag.position,
            lag_events: lag.events,
            lag_seconds: lag.time.map(seconds),
            end: sum.end,
            synced: sum.synced,
            seconds: seconds(elapsed),
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let lag = match (self.lag_events, self.lag_seconds) {
            (Some(events), Some(time)) => format!("{} behind, {time:.1} s", count(events)),
            _ => "how far behind is not known yet".to_owned(),
        };
        let (accepted, rejected) = (count(self.accepted), count(self.rejected));
        format!("{accepted} accepted, {rejected} rejected, {} held; {lag}", count(self.held))
    }

    pub(super) fn print(&self, out: &mut Out) -> Result<(), Failure> {
        let numbers = [
            ("accepted", Some(self.accepted)),
            ("duplicates", Some(self.duplicates)),
            ("rejected", Some(self.rejected)),
            ("held", Some(self.held)),
            ("position", self.position),
            ("lag_events", self.lag_events),
            ("end", Some(self.end)),
        ];
        let times = [("lag_seconds", self.lag_seconds), ("seconds", Some(self.seconds))];
        match out.format() {
            Format::Json => out.json(self),
            Format::Csv => csv(&numbers, &self.reasons, &times, out),
            Format::Table => table(&numbers, &self.reasons, &times, out),
        }
    }
}

fn by_name(reasons: &BTreeMap<Reason, u64>) -> BTreeMap<&'static str, u64> {
    reasons.iter().map(|(reason, count)| (reason.name(), *count)).collect()
}

/// To milliseconds.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

fn csv(
    numbers: &[(&str, Option<u64>)],
    reasons: &BTreeMap<&'static str, u64>,
    times: &[(&str, Option<f64>)],
    out: &mut Out,
) -> Result<(), Failure> {
    let reasons: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason}={n}")).collect();
    let mut columns: Vec<(&str, Option<String>)> =
        numbers.iter().map(|(name, number)| (*name, number.map(|n| n.to_string()))).collect();
    columns.push(("reasons", Some(reasons.join(" ")).filter(|text| !text.is_empty())));
    columns.extend(times.iter().map(|(name, time)| (*name, time.map(|s| format!("{s:.3}")))));
    let (names, values) =
        columns.into_iter().map(|(name, value)| (Some(name.to_owned()), value)).unzip();
    out.csv(&[names, values])
}

fn table(
    numbers: &[(&str, Option<u64>)],
    reasons: &BTreeMap<&'static str, u64>,
    times: &[(&str, Option<f64>)],
    out: &mut Out,
) -> Result<(), Failure> {
    let mut grid = Grid::numbers();
    for (name, number) in numbers {
        grid.pair(name, number.map_or(UNKNOWN.to_owned(), count));
        if *name == "rejected" {
            for (reason, number) in reasons {
                grid.pair(&format!("  {reason}"), count(*number));
            }
        }
    }
    for (name, time) in times {
        grid.pair(name, time.map_or(UNKNOWN.to_owned(), |time| format!("{time:.3}")));
    }
    out.text(&grid.text())
}
