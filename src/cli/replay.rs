//! `replay`: the whole fold again, timed, and compared with what was kept of earlier ones.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::{Format, Shared};
use super::failure::{Ending, Failure};
use super::logs::Logs;
use super::out::{Out, say};
use super::progress::Progress;
use super::table::{Grid, count};
use crate::{CheckpointState, Digest, TimeFrame};

#[derive(Serialize)]
struct ReplayJson {
    events: u64,
    customers: u64,
    seconds: f64,
    events_per_second: u64,
    digest: String,
    checkpoint: &'static str,
}

/// Runs the command.
pub(crate) fn run(shared: &Shared, out: &mut Out) -> Result<Ending, Failure> {
    let logs = Logs::existing_as_is(shared)?;
    let mut progress = Progress::new(Some(logs.end()?));
    let (mut events, mut customers, mut elapsed) = (0, 0, Duration::ZERO);
    let (mut digest, mut checkpoint) = (Digest::default(), CheckpointState::Equal);
    for store in logs.stores() {
        let started = Instant::now();
        let mut on_progress = |end| progress.at(events + end, events + end);
        let statistics = store.replay_statistics(TimeFrame::Dataset, &mut on_progress)?;
        elapsed += started.elapsed();
        events += statistics.events();
        customers += statistics.customers().len() as u64;
        checkpoint = worse(checkpoint, store.compare_checkpoint(&statistics)?);
        digest += store.digest(&statistics)?;
    }
    progress.finish();
    let result = ReplayJson {
        events,
        customers,
        seconds: (elapsed.as_secs_f64() * 1e6).round() / 1e6,
        events_per_second: per_second(events, elapsed),
        digest: digest.to_string(),
        checkpoint: match checkpoint {
            CheckpointState::None => "none",
            CheckpointState::Equal => "equal",
            CheckpointState::Different => "different",
        },
    };
    print(&result, out)?;
    if checkpoint == CheckpointState::Different {
        out.done()?;
        say::error("the checkpoint differs from what its events give");
        say::help("delete the log's `checkpoints` directory: every answer comes from the events");
        return Ok(Ending::Failed);
    }
    Ok(Ending::Done)
}

/// What is said of two: one that differs is told, and of one that has none nothing can be.
fn worse(one: CheckpointState, other: CheckpointState) -> CheckpointState {
    use CheckpointState::{Different, Equal, None};
    match (one, other) {
        (Different, _) | (_, Different) => Different,
        (None, _) | (_, None) => None,
        (Equal, Equal) => Equal,
    }
}

fn per_second(events: u64, elapsed: Duration) -> u64 {
    let per_second = u128::from(events) * 1_000_000_000 / elapsed.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

fn print(result: &ReplayJson, out: &mut Out) -> Result<(), Failure> {
    match out.format() {
        Format::Json => out.json(result),
        Format::Csv => {
            let header = ["events", "customers", "seconds", "events_per_second", "digest"];
            let values = [
                result.events.to_string(),
                result.customers.to_string(),
                format!("{:.6}", result.seconds),
                result.events_per_second.to_string(),
                result.digest.clone(),
                result.checkpoint.to_owned(),
            ];
            out.csv(&[
                header.iter().chain(&["checkpoint"]).map(|name| Some((*name).to_owned())).collect(),
                values.into_iter().map(Some).collect(),
            ])
        }
        Format::Table => {
            let mut grid = Grid::pairs();
            grid.pair("events", count(result.events));
            grid.pair("customers", count(result.customers));
            grid.pair("seconds", format!("{:.3}", result.seconds));
            grid.pair("events_per_second", count(result.events_per_second));
            grid.pair("digest", &*result.digest);
            grid.pair("checkpoint", result.checkpoint);
            out.text(&grid.text())
        }
    }
}
