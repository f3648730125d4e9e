//! Tests of the store on disks, clocks and randomness that are given.

mod backup;
mod backup_crash;
mod backup_damage;
mod classes;
mod crash;
mod damage;
mod failed;
mod golden;
mod marks;
mod meanwhile;
mod superseded;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::*;
use crate::log::Disk;

/// A world that is the same on every run: a clock that steps by a millisecond, and randomness
/// that counts.
fn env(disk: Arc<dyn Disk>, seed: u64) -> Env {
    let clock = AtomicI64::new(1_483_707_600_000_000);
    let count = AtomicU64::new(seed);
    Env {
        disk,
        now_us: Arc::new(move || clock.fetch_add(1_000, Ordering::Relaxed)),
        random_u64: Arc::new(move || {
            // SplitMix64, so that ids and salts look as they do in earnest.
            let n = count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        }),
        pause_us: Arc::new(|_| {}),
    }
}

fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    seed: u64,
    segment_bytes_max: u64,
) -> Result<Store, Error> {
    let options = Options { segment_bytes_max, checkpoint_events_min: 5, ..Options::default() };
    Store::open_in(env(disk, seed), dir.to_path_buf(), options)
}

/// Appends lines of JSON as one call.
fn append(store: &mut Store, lines: &[String]) -> Result<Receipt, Error> {
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions::default())?;
    for line in lines {
        let event =
            Event::from_json(line.as_bytes(), &rules).expect("the tests write valid events");
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })?;
    }
    call.finish()
}

/// All events of a log as they are exported.
fn export(store: &Store) -> Result<Vec<String>, Error> {
    let currency = store.rules().currency;
    let mut lines = Vec::new();
    store.records(0, &mut |record| {
        let mut line = String::new();
        record.event.to_json(currency, &mut line);
        lines.push(line);
        Ok(true)
    })?;
    Ok(lines)
}

fn customer(n: u64) -> String {
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-0{}T00:00:00Z","last_name":"N{n}"}}"#,
        n % 9 + 1
    )
}

fn visit(n: u64, customer: u64) -> String {
    format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v{n}","event_time":"2017-02-03T04:05:06.{n:03}Z","customer_id":"c{customer}","tags":[{{"n":{n}}}]}}"#
    )
}

fn order(verb: &str, n: u64, customer: u64, cents: u64, second: u64) -> String {
    format!(
        r#"{{"type":"ORDER","verb":"{verb}","key":"o{n}","event_time":"2017-03-04T05:06:{second:02}Z","customer_id":"c{customer}","total_amount":"{}.{:02} USD"}}"#,
        cents / 100,
        cents % 100
    )
}
