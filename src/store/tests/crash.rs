//! Power cuts under the whole store: what a receipt speaks of is there after any of them, also
//! what it counted as a duplicate.

use std::collections::BTreeSet;

use super::*;
use crate::log::{SimDisk, SimFault};

const DIR: &str = "/log";

/// Calls with rolls, held events, updates and duplicates.
fn calls() -> Vec<Vec<String>> {
    let mut calls = vec![
        vec![visit(0, 1), customer(0), customer(1)],
        vec![order("NEW", 0, 0, 1_234, 1), visit(1, 0)],
        vec![visit(1, 0), order("UPDATE", 0, 1, 500, 2), order("UPDATE", 0, 0, 7, 1)],
    ];
    for n in 2..12 {
        calls.push(vec![customer(n), visit(n, n), visit(n + 100, n - 1), order("NEW", n, n, n, 3)]);
    }
    calls.push(vec![order("UPDATE", 3, 2, 9, 9), visit(3, 3), customer(3)]);
    calls
}

/// Runs the calls until one fails; the events that receipts spoke of.
fn run(disk: &SimDisk, seed: u64) -> BTreeSet<String> {
    let mut spoken_of = BTreeSet::new();
    let Ok(mut store) = open(Arc::new(disk.clone()), Path::new(DIR), seed, 1 << 10) else {
        return spoken_of;
    };
    for call in calls() {
        match append(&mut store, &call) {
            Ok(receipt) => {
                assert!(receipt.synced);
                spoken_of.extend(call);
            }
            Err(_) => break,
        }
    }
    // A close that fails costs nothing that was acknowledged.
    store.close().ok();
    spoken_of
}

#[test]
fn what_a_receipt_speaks_of_survives_any_power_cut() {
    let whole = SimDisk::default();
    let all = run(&whole, 1);
    assert_eq!(all.len(), calls().concat().iter().collect::<BTreeSet<_>>().len());
    let seeds = std::env::var("LTVLOG_CRASHES").map_or(4, |seeds| seeds.parse().unwrap());
    let mut crashes = 0;
    for at in 0..whole.changes() {
        for seed in 0..seeds {
            let disk = SimDisk::default();
            disk.fail(at, SimFault::PowerOff, true);
            let spoken_of = run(&disk, 1);
            let mut random = at * 1_000 + seed + 1;
            let after = disk.crash(
                &mut |count| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    usize::try_from(random >> 33).unwrap() % count
                },
                false,
            );
            crashes += 1;
            let context = format!("change {at}, seed {seed}");
            // The same calls again: nothing is lost, and nothing is there twice.
            let mut store = open(Arc::new(after), Path::new(DIR), 2, 1 << 10).expect(&context);
            if store.exists() {
                let found: BTreeSet<String> = export(&store).expect(&context).into_iter().collect();
                let missing = spoken_of.iter().filter(|line| !has(&found, line));
                assert_eq!(missing.count(), 0, "{context}: events are gone");
            } else {
                assert!(spoken_of.is_empty(), "{context}: the log is gone");
            }
            for call in calls() {
                append(&mut store, &call).expect(&context);
            }
            let again = export(&store).expect(&context);
            assert_eq!(again.len(), all.len(), "{context}");
            let verified = store.verify().expect(&context);
            assert_eq!(verified.problems, [], "{context}");
        }
    }
    assert!(crashes > 100, "{crashes} crashes");
}

/// Whether an exported event is this one.
fn has(exported: &BTreeSet<String>, line: &str) -> bool {
    let key = line.split(r#""key":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let time = line.split(r#""event_time":""#).nth(1).and_then(|rest| rest.get(..19)).unwrap();
    exported.iter().any(|one| one.contains(&format!("\"{key}\"")) && one.contains(time))
}

/// Every call of the disk fails once: the store says so, and a new one goes on.
#[test]
fn any_failing_call_is_an_error_and_the_next_store_goes_on() {
    let whole = SimDisk::default();
    let all = run(&whole, 1);
    for at in 0..whole.changes() {
        for fault in [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short]
        {
            let disk = SimDisk::default();
            disk.fail(at, fault, false);
            let spoken_of = run(&disk, 1);
            disk.evict();
            let disk = disk.kill();
            let context = format!("change {at}, {fault:?}");
            let mut store = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).expect(&context);
            let found: BTreeSet<String> =
                if store.exists() { export(&store).expect(&context) } else { Vec::new() }
                    .into_iter()
                    .collect();
            assert!(spoken_of.iter().all(|line| has(&found, line)), "{context}: events are gone");
            for call in calls() {
                append(&mut store, &call).expect(&context);
            }
            assert_eq!(export(&store).expect(&context).len(), all.len(), "{context}");
        }
    }
}
