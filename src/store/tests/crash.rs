//! Power cuts under the whole store: what a receipt speaks of is there after any of them, also
//! what it counted as a duplicate.

use super::*;
use crate::log::{SimDisk, SimFault};

pub(super) const DIR: &str = "/log";

/// Calls with rolls, held events, updates and duplicates.
pub(super) fn calls() -> Vec<Vec<String>> {
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

/// Calls of random events: held ones, duplicates, conflicts, updates old and new. Nothing is
/// rejected that would be accepted when the calls are repeated.
fn random_calls(seed: u64) -> Vec<Vec<String>> {
    let mut random = Random(seed);
    let mut orders = Vec::new();
    let mut line = |call: u64| {
        let (n, of, second) = (random.below(12), random.below(6), random.below(50));
        match random.below(8) {
            0 => customer(of),
            1..4 => visit(n, of),
            kind if kind < 6 || orders.is_empty() => {
                orders.push(n);
                order("NEW", n, of, 100 * call + n, second)
            }
            _ => {
                let n = orders[usize::try_from(random.below(orders.len())).unwrap()];
                order("UPDATE", n, of, call, second)
            }
        }
    };
    let mut calls: Vec<Vec<String>> =
        (0..12).map(|call| (0..1 + call % 5).map(|_| line(call)).collect()).collect();
    // Their customers come last in the first call, so that it holds events back.
    calls[0].extend((0..6).map(customer));
    calls
}

struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % count as u64
    }

    fn crash(&mut self, disk: &SimDisk) -> SimDisk {
        disk.crash(&mut |count| usize::try_from(self.below(count)).unwrap(), false)
    }
}

/// Runs the calls until one fails: how many were answered, and with what.
fn run(disk: &SimDisk, seed: u64, calls: &[Vec<String>]) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    // What failed is the caller's own doing, and what it left behind is looked at.
    run_to_end(disk, seed, calls, &mut receipts).ok();
    receipts
}

/// As [`run`], and closes the store; gives the first error.
pub(super) fn run_to_end(
    disk: &SimDisk,
    seed: u64,
    calls: &[Vec<String>],
    receipts: &mut Vec<Receipt>,
) -> Result<(), Error> {
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), seed, 1 << 10)?;
    for call in calls {
        let answered = append(&mut store, call);
        let Ok(receipt) = answered else {
            // A close that fails costs nothing that was acknowledged.
            store.close().ok();
            return answered.map(|_| ());
        };
        assert!(receipt.synced);
        receipts.push(receipt);
    }
    store.close()
}

/// What a disk holds after a crash, against the run that met none: at least as many events as the
/// receipts spoke of, and the same events in the same places; then the same calls again.
pub(super) fn check(
    disk: SimDisk,
    calls: &[Vec<String>],
    whole: &Whole,
    answered: usize,
    context: &str,
) {
    let mut store = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).expect(context);
    let found = if store.exists() { export(&store).expect(context) } else { Vec::new() };
    assert!(whole.events.starts_with(&found), "{context}: not a prefix");
    let owed = answered.checked_sub(1).map_or(0, |last| whole.ends[last]);
    assert!(found.len() >= owed, "{context}: {owed} events were accepted, {} left", found.len());
    for call in calls {
        append(&mut store, call).expect(context);
    }
    assert_eq!(export(&store).expect(context), whole.events, "{context}");
    let verified = store.verify().expect(context);
    assert_eq!(verified.problems, [], "{context}");
}

/// A run without a fault: the log's events, and how many there were after each call.
pub(super) struct Whole {
    pub(super) events: Vec<String>,
    pub(super) ends: Vec<usize>,
    changes: u64,
}

impl Whole {
    pub(super) fn of(calls: &[Vec<String>]) -> Whole {
        let disk = SimDisk::default();
        let accepted = run(&disk, 1, calls).into_iter().map(|receipt| receipt.accepted);
        let ends: Vec<usize> = accepted
            .scan(0, |end, more| {
                *end += usize::try_from(more).unwrap();
                Some(*end)
            })
            .collect();
        assert_eq!(ends.len(), calls.len());
        let changes = disk.changes();
        let store = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).unwrap();
        Whole { events: export(&store).unwrap(), ends, changes }
    }
}

#[test]
fn what_a_receipt_speaks_of_survives_any_power_cut() {
    let (workloads, cuts) = match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("ci") => (60, 8),
        Ok(_) => (1_000, 20),
        Err(_) => (2, 2),
    };
    let first = std::env::var("LTVLOG_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut states = 0;
    for workload in first..first + workloads {
        let calls = if workload == 0 { calls() } else { random_calls(workload) };
        let whole = Whole::of(&calls);
        for at in 0..whole.changes {
            for cut in 0..cuts {
                let disk = SimDisk::default();
                disk.fail(at, SimFault::PowerOff, true);
                let answered = run(&disk, 1, &calls).len();
                let mut random = Random(at * 1_000 + cut + 1);
                let mut after = random.crash(&disk);
                if random.below(3) == 0 {
                    // Again, while the log is opened and the calls are repeated.
                    after.fail(random.below(40), SimFault::PowerOff, true);
                    run(&after, 3, &calls);
                    after = random.crash(&after);
                }
                let context = format!("LTVLOG_SEED={workload}, change {at}, cut {cut}");
                check(after, &calls, &whole, answered, &context);
                states += 1;
            }
        }
    }
    println!("T1: {states} crash states of {workloads} stores, seeds from {first}");
    assert!(states > 100, "{states} states");
}

/// Every call of the disk fails once: the store says so, and a new one goes on.
#[test]
fn any_failing_call_is_an_error_and_the_next_store_goes_on() {
    let (calls, mut failures) = (calls(), 0);
    let whole = Whole::of(&calls);
    for at in 0..whole.changes {
        for fault in [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short]
        {
            let disk = SimDisk::default();
            disk.fail(at, fault, false);
            let answered = run(&disk, 1, &calls).len();
            disk.evict();
            check(disk.kill(), &calls, &whole, answered, &format!("change {at}, {fault:?}"));
            failures += 1;
        }
    }
    println!("T10: {failures} failing calls under the store");
}
