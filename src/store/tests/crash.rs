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
fn random_calls(seed: u64, way: Way) -> Vec<Vec<String>> {
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
    if way.windows {
        calls.insert(0, (0..6).map(customer).collect());
    } else {
        // Their customers come last in the first call, so that it holds events back.
        calls[0].extend((0..6).map(customer));
    }
    calls
}

/// How calls are made: what they sync, and whether they are cut in windows of a few events, each
/// of which is acknowledged by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    sync: Sync,
    windows: bool,
}

impl Way {
    /// What every call does unless it is asked for something else.
    pub(super) const USUAL: Way = Way { sync: Sync::Batch, windows: false };

    fn of(workload: u64) -> Way {
        let sync = [Sync::Batch, Sync::Call, Sync::None][usize::try_from(workload % 3).unwrap()];
        Way { sync, windows: workload % 2 == 1 }
    }
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

/// Runs the calls until one fails: up to which event they were acknowledged.
fn run(disk: &SimDisk, seed: u64, calls: &[Vec<String>], way: Way) -> u64 {
    let mut acknowledged = 0;
    // What failed is the caller's own doing, and what it left behind is looked at.
    run_to_end(disk, seed, calls, way, &mut acknowledged).ok();
    acknowledged
}

/// As [`run`], and closes the store; gives the first error.
pub(super) fn run_to_end(
    disk: &SimDisk,
    seed: u64,
    calls: &[Vec<String>],
    way: Way,
    acknowledged: &mut u64,
) -> Result<(), Error> {
    let options = Options {
        segment_bytes_max: 1 << 10,
        checkpoint_events_min: 5,
        sync: way.sync,
        ..Options::default()
    };
    let env = env(Arc::new(disk.clone()), seed);
    let mut store = Store::open_in(env, PathBuf::from(DIR), options)?;
    for call in calls {
        if let Err(error) = one(&mut store, call, way, acknowledged) {
            // A close that fails costs nothing that was acknowledged.
            store.close().ok();
            return Err(error);
        }
    }
    store.close()
}

fn one(store: &mut Store, lines: &[String], way: Way, acknowledged: &mut u64) -> Result<(), Error> {
    let rules = store.rules().clone();
    let mut on_synced = |end| {
        assert!(end > *acknowledged, "{end} is no news after {acknowledged}");
        *acknowledged = end;
        Ok(())
    };
    let hold_max = way.windows.then_some(HoldMax { events: 2, us: u64::MAX });
    let options =
        CallOptions { hold_max, on_synced: Some(&mut on_synced), ..CallOptions::default() };
    let mut call = store.call(options)?;
    for line in lines {
        let event = Event::from_json(line.as_bytes(), &rules).expect("valid events");
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })?;
    }
    let receipt = call.finish()?;
    assert!(receipt.synced || way.sync == Sync::None);
    if receipt.synced {
        *acknowledged = receipt.end.max(*acknowledged);
    }
    store.tend()
}

/// What a disk holds after a crash, against the run that met none: at least as many events as were
/// acknowledged, and the same events in the same places; then the same calls again.
pub(super) fn check(
    disk: SimDisk,
    calls: &[Vec<String>],
    way: Way,
    whole: &Whole,
    acknowledged: u64,
    context: &str,
) {
    let found = exported(&disk).expect(context);
    assert!(whole.events.starts_with(&found), "{context}: not a prefix");
    let count = found.len() as u64;
    assert!(count >= acknowledged, "{context}: {acknowledged} were acknowledged, {count} left");
    run_to_end(&disk, 2, calls, way, &mut 0).expect(context);
    assert_eq!(exported(&disk).expect(context), whole.events, "{context}");
    let store = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).unwrap();
    assert_eq!(store.verify().expect(context).problems, [], "{context}");
}

/// All events of the log, none where there is none.
fn exported(disk: &SimDisk) -> Result<Vec<String>, Error> {
    let store = open(Arc::new(disk.clone()), Path::new(DIR), 2, 1 << 10)?;
    if store.exists() { export(&store) } else { Ok(Vec::new()) }
}

/// A run without a fault.
pub(super) struct Whole {
    pub(super) events: Vec<String>,
    changes: u64,
    /// Segments that were packed.
    packed: usize,
}

impl Whole {
    pub(super) fn of(calls: &[Vec<String>], way: Way) -> Whole {
        let disk = SimDisk::default();
        let mut acknowledged = 0;
        run_to_end(&disk, 1, calls, way, &mut acknowledged).unwrap();
        let (events, changes) = (exported(&disk).unwrap(), disk.changes());
        assert!(way.sync == Sync::None || acknowledged == events.len() as u64, "{way:?}");
        let segments = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).unwrap().info().unwrap();
        let packed = segments.segments.iter().filter(|segment| segment.generation > 0).count();
        Whole { events, changes, packed }
    }
}

#[test]
fn what_a_receipt_speaks_of_survives_any_power_cut() {
    let (workloads, cuts) = match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("ci") => (60, 8),
        Ok(_) => (1_000, 20),
        Err(_) => (6, 2),
    };
    let first = std::env::var("LTVLOG_SEED").map_or(0, |seed| seed.parse().unwrap());
    let (mut states, mut packed) = (0, 0);
    for workload in first..first + workloads {
        let way = if workload == 0 { Way::USUAL } else { Way::of(workload) };
        let calls = if workload == 0 { calls() } else { random_calls(workload, way) };
        let whole = Whole::of(&calls, way);
        packed += whole.packed;
        for at in 0..whole.changes {
            for cut in 0..cuts {
                let disk = SimDisk::default();
                disk.fail(at, SimFault::PowerOff, true);
                let acknowledged = run(&disk, 1, &calls, way);
                let mut random = Random(at * 1_000 + cut + 1);
                let mut after = random.crash(&disk);
                if random.below(3) == 0 {
                    // Again, while the log is opened and the calls are repeated.
                    after.fail(random.below(40), SimFault::PowerOff, true);
                    run(&after, 3, &calls, way);
                    after = random.crash(&after);
                }
                let context = format!("LTVLOG_SEED={workload}, change {at}, cut {cut}");
                check(after, &calls, way, &whole, acknowledged, &context);
                states += 1;
            }
        }
    }
    println!(
        "T1: {states} crash states of {workloads} stores, seeds from {first}, {packed} segments packed"
    );
    assert!(states > 100 && packed > 0, "{states} states, {packed} segments packed");
}

/// Every call of the disk fails once: the store says so, and a new one goes on.
#[test]
fn any_failing_call_is_an_error_and_the_next_store_goes_on() {
    let (calls, way, mut failures) = (calls(), Way::USUAL, 0);
    let whole = Whole::of(&calls, way);
    for at in 0..whole.changes {
        for fault in [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short]
        {
            let disk = SimDisk::default();
            disk.fail(at, fault, false);
            let acknowledged = run(&disk, 1, &calls, way);
            disk.evict();
            let context = format!("change {at}, {fault:?}");
            check(disk.kill(), &calls, way, &whole, acknowledged, &context);
            failures += 1;
        }
    }
    println!("T10: {failures} failing calls under the store");
}
