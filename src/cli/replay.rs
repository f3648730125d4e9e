//! `replay`: the whole fold again, timed, and compared with what was kept of earlier ones.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::{Format, Shared};
use super::failure::{Ending, Failure};
use super::out::{Out, say};
use super::progress::Progress;
use super::table::{Grid, count};
use crate::{CheckpointState, TimeFrame};

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
    let store = super::existing_as_is(shared)?;
    let mut progress = Progress::new(Some(store.end()?));
    let started = Instant::now();
    let mut on_progress = |end| progress.at(end, end);
    let statistics = store.replay_statistics(TimeFrame::Dataset, &mut on_progress)?;
    let elapsed = started.elapsed();
    progress.finish();
    let events = statistics.events();
    let checkpoint = store.compare_checkpoint(&statistics)?;
    let result = ReplayJson {
        events,
        customers: u64::try_from(statistics.customers().len()).unwrap_or(u64::MAX),
        seconds: (elapsed.as_secs_f64() * 1e6).round() / 1e6,
        events_per_second: per_second(events, elapsed),
        digest: store.digest(&statistics)?.to_string(),
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
