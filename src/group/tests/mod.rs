//! Tests of many callers: of the queue alone, on the simulated disk, on the real one, and under
//! models of threads.

mod crash;
#[cfg(models)]
mod loom;
mod prepared;
mod queue;
#[cfg(models)]
mod shuttle;
mod threads;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::*;
use crate::log::SimDisk;
use crate::store::trial;

const DIR: &str = "/log";

fn customer(n: u64) -> String {
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-06T00:00:00Z","last_name":"N{n}"}}"#
    )
}

fn visit(n: u64, customer: u64) -> String {
    format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v{n}","event_time":"2017-02-03T04:05:06Z","customer_id":"c{customer}"}}"#
    )
}

fn key(line: &str) -> &str {
    line.split(r#""key":""#).nth(1).unwrap().split('"').next().unwrap()
}

/// A store of small segments, and of checkpoints every few events.
fn store(disk: &SimDisk, seed: u64) -> Result<Store, Error> {
    trial::open(Arc::new(disk.clone()), Path::new(DIR), seed, 1 << 10)
}

/// The keys of all events of a log, in order; none where there is no log.
fn keys(disk: &SimDisk) -> Vec<String> {
    let store = store(disk, 9).unwrap();
    let lines = if store.exists() { trial::export(&store).unwrap() } else { Vec::new() };
    lines.iter().map(|line| key(line).to_owned()).collect()
}

/// After a crash everything acknowledged is there, nothing twice, and the log is sound.
fn check(disk: &SimDisk, acknowledged: &[String], context: &str) {
    let mut found = keys(disk);
    let count = found.len();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), count, "{context}: an event is there twice");
    for key in acknowledged {
        assert!(found.binary_search(key).is_ok(), "{context}: {key} was acknowledged and is gone");
    }
    let store = store(disk, 9).unwrap();
    if store.exists() {
        assert_eq!(store.verify().expect(context).problems, [], "{context}");
    }
}

/// Runs what must not hang.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    let runs = thread::spawn(move || done.send(run()).expect("someone waits"));
    let Ok(value) = result.recv_timeout(Duration::from_secs(30)) else {
        assert!(runs.is_finished(), "it hangs");
        std::panic::resume_unwind(runs.join().unwrap_err());
    };
    value
}
