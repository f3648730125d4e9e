//! A program like `append --ack --format json`, with segments of any size: this test binary, run
//! again by the tests. It knows the library's public surface alone.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write, stdin, stdout};
use std::num::NonZeroUsize;
use std::process::exit;

use ltvlog::{
    CallOptions, Error, Flow, HoldMax, Options, Origin, ReadError, Receipt, Store, Sync,
    read_events,
};
use serde_json::{Value, json};

/// The variable with what is to be done.
pub const TASK: &str = "LTVLOG_FAULTS_TASK";
/// How the test binary is told to be this program.
pub const ARGS: [&str; 5] =
    ["appender::this_binary_is_also_a_program", "--exact", "--nocapture", "--test-threads=1", "-q"];

#[test]
fn this_binary_is_also_a_program() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task = serde_json::from_str(&task).unwrap();
    exit(match append(&task) {
        Ok(receipt) => {
            say(&json!({
                "accepted": receipt.accepted, "duplicates": receipt.duplicates,
                "rejected": receipt.rejected(), "end": receipt.end, "synced": receipt.synced,
            }));
            if receipt.rejected() > 0 { 3 } else { 0 }
        }
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("error: {error}{cause}");
            1
        }
    })
}

/// A line of its own, whatever the test harness has printed before it. A killed supervisor is no
/// reason to stop.
fn say(line: &Value) {
    let written = stdout().write_all(format!("\n{line}\n").as_bytes());
    drop(written.and_then(|()| stdout().flush()));
}

fn append(task: &Value) -> Result<Receipt, Error> {
    let sync = match task["sync"].as_str() {
        Some("batch") => Sync::Batch,
        Some("none") => Sync::None,
        _ => Sync::Call,
    };
    let segment_bytes_max = task["segment_bytes"].as_u64().unwrap();
    let mut options = Options { sync, segment_bytes_max, ..Options::default() };
    let input: Box<dyn Read> = match task["input"].as_str() {
        Some(path) => Box::new(File::open(path).map_err(|source| unread(task, source))?),
        None => Box::new(stdin()),
    };
    let mut input = BufReader::new(input);
    let log = task["log"].as_str().unwrap();
    let Some(calls) = task["calls"].as_u64() else {
        let mut store = Store::open(log, options)?;
        let receipt = call(&mut store, task, &mut input)?;
        store.close()?;
        return Ok(receipt);
    };
    // Keys are saved after each call.
    options.checkpoint_events_min = 16;
    options.threads = NonZeroUsize::new(2).unwrap();
    let mut store = Store::open(log, options)?;
    let mut whole = Receipt::default();
    loop {
        let mut some = Vec::new();
        for _ in 0..calls {
            input.read_until(b'\n', &mut some).map_err(|source| unread(task, source))?;
        }
        let receipt = call(&mut store, task, &mut &*some)?;
        whole.accepted += receipt.accepted;
        whole.duplicates += receipt.duplicates;
        for (reason, count) in receipt.reasons {
            *whole.reasons.entry(reason).or_default() += count;
        }
        (whole.end, whole.synced) = (receipt.end, receipt.synced);
        if some.is_empty() {
            store.close()?;
            return Ok(whole);
        }
    }
}

/// One call with all of an input.
fn call(store: &mut Store, task: &Value, input: &mut dyn BufRead) -> Result<Receipt, Error> {
    let rules = store.rules().clone();
    let mut synced = |synced_end: u64| {
        say(&json!({ "synced_end": synced_end }));
        Ok(())
    };
    let hold_max = task["hold"].as_u64().map(|events| HoldMax { events, us: u64::MAX });
    let mut call = store.call(CallOptions {
        hold_max,
        on_synced: Some(&mut synced),
        ..CallOptions::default()
    })?;
    let read = read_events(input, &rules, &mut |incoming| {
        let at = Origin { source: 0, line: incoming.line };
        match &incoming.event {
            Ok(event) => call.push(event, incoming.text, at)?,
            Err(rejection) => call.reject(rejection, incoming.text, at)?,
        }
        Ok(Flow::Continue)
    });
    match read {
        Ok(_) => {}
        Err(ReadError::Receiver(error)) => return Err(error),
        Err(ReadError::Source(error)) => return Err(unread(task, error)),
    }
    call.finish()
}

fn unread(task: &Value, source: io::Error) -> Error {
    Error::Io { action: "read", path: task["input"].as_str().unwrap_or("-").into(), source }
}
