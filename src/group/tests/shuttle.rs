//! The whole of group commit under shuttle: real stores on the simulated disk, threads scheduled at
//! random and the same again from their seed, disks that fail and lose power in between.

mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};
    pub(super) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
}

#[path = "../committer.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with shuttle's locks")]
mod committer;
#[path = "../mark.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with shuttle's locks")]
mod mark;
#[path = "../queue.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with shuttle's locks")]
mod queue;
#[path = "../request.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with shuttle's locks")]
mod request;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use super::{check, customer, key, keys, store, trial, visit};
use crate::event::{Event, Rules};
use crate::group::{Appended, RejectedAt};
use crate::log::{SimDisk, SimFault};
use committer::StoreCommitter;
use mark::Mark;
use queue::{Queue, Refusal, Weight};
use request::Request;
use sync::Arc;

const SCHEDULES: usize = 6_000;
const CALLERS: u64 = 4;
const MUCH: Weight = Weight { events: 100, bytes: 1 << 20 };
/// Room for two calls.
const LITTLE: Weight = Weight { events: 6, bytes: 1 << 20 };

/// Runs a case under so many schedules at random, and as many that switch rarely, at bad moments.
fn try_schedules(run: impl Fn() + Send + Sync + Copy + 'static, count: usize) {
    let mut config = Config::new();
    // Its threads have 60 KiB each if nothing is said; those of a system have megabytes.
    config.stack_size = 1 << 18;
    Runner::new(RandomScheduler::new(count), config.clone()).run(run);
    Runner::new(PctScheduler::new(3, count), config).run(run);
    println!("T14: {} schedules of {CALLERS} callers on a store", 2 * count);
}

/// What a call brought and what it was told.
type Told = (Vec<String>, Appended);

struct Log {
    queue: Queue<StoreCommitter>,
    mark: Arc<Mark>,
    rules: Rules,
}

fn log(disk: &SimDisk, most: Weight) -> Arc<Log> {
    let mut store = store(disk, 1).unwrap();
    let mark = Arc::new(Mark::new(store.open_for_append().unwrap()));
    let rules = store.rules().clone();
    let queue = Queue::new(StoreCommitter { store, mark: Arc::clone(&mark) }, most);
    Arc::new(Log { queue, mark, rules })
}

/// Events that all callers bring, so that receipts depend on who was first, and one of its own that
/// no other call can be told of.
fn call(of: u64, n: u64) -> Vec<String> {
    let shared = match n {
        0 => customer(0),
        1 => customer(0).replace("N0", &format!("N{of}")),
        _ => visit(5, 0),
    };
    vec![shared, visit(of * 10 + n, 1_000 * of + n), customer(100 + of * 10 + n)]
}

/// Three calls of one caller, until one is refused.
fn calls(log: &Log, of: u64) -> (Vec<Told>, Option<Refusal>) {
    let mut told = Vec::new();
    for n in 0..3 {
        let lines = call(of, n);
        let mut request = Request::default();
        for line in &lines {
            request.push(Event::from_json(line.as_bytes(), &log.rules), line.as_bytes());
        }
        let weight = request.weight();
        match log.queue.submit(vec![request], weight, true) {
            Ok(mut appended) => {
                let appended = appended.pop().unwrap();
                assert!(appended.receipt.synced && log.mark.get() >= appended.receipt.end);
                let own = format!("\"c{}\"", 1_000 * of + n);
                let is_own =
                    |one: &RejectedAt| one.index == 1 && one.rejection.detail.contains(&own);
                assert!(appended.rejected.iter().any(is_own), "{of}, {n}: {appended:?}");
                told.push((lines, appended));
            }
            Err(refusal) => return (told, Some(refusal)),
        }
    }
    (told, None)
}

fn all_calls(log: &Arc<Log>) -> (Vec<Told>, Vec<Refusal>) {
    let callers: Vec<_> = (1..=CALLERS)
        .map(|of| {
            let log = Arc::clone(log);
            thread::spawn(move || calls(&log, of))
        })
        .collect();
    let (mut told, mut refused) = (Vec::new(), Vec::new());
    for caller in callers {
        let (one, refusal) = caller.join().unwrap();
        told.extend(one);
        refused.extend(refusal);
    }
    (told, refused)
}

/// The keys of events that some receipt says are in the log.
fn acknowledged(told: &[Told]) -> Vec<String> {
    let mut found = Vec::new();
    for (lines, appended) in told {
        for (line, n) in lines.iter().zip(0..) {
            if !appended.rejected.iter().any(|one| one.index == n) {
                found.push(key(line).to_owned());
            }
        }
    }
    found
}

/// Receipts are those of the same calls one by one, in the order of their ends; of those with one
/// end, the call that brought its last event was first.
fn check_serial(told: &mut [Told], disk: &SimDisk) {
    told.sort_by_key(|(_, appended)| (appended.receipt.end, appended.receipt.accepted == 0));
    let alone = SimDisk::default();
    let mut serial = store(&alone, 1).unwrap();
    for (lines, appended) in told.iter() {
        assert_eq!(appended.receipt, trial::append(&mut serial, lines).unwrap(), "{lines:?}");
        assert_eq!(appended.rejected.len() as u64, appended.receipt.rejected());
    }
    assert_eq!(keys(disk), keys(&alone));
}

#[test]
fn receipts_are_those_of_the_calls_one_by_one() {
    for most in [MUCH, LITTLE] {
        let run = move || {
            let disk = SimDisk::default();
            let log = log(&disk, most);
            let (mut told, refused) = all_calls(&log);
            assert_eq!(refused, []);
            log.queue.close().ok().expect("nothing fails").store.close().unwrap();
            check_serial(&mut told, &disk);
        };
        try_schedules(run, SCHEDULES / 2);
    }
}

#[test]
fn closing_in_between_keeps_what_was_answered() {
    let run = || {
        let disk = SimDisk::default();
        let log = log(&disk, LITTLE);
        let closes = {
            let log = Arc::clone(&log);
            thread::spawn(move || log.queue.close().ok().expect("nothing fails").store.close())
        };
        let (mut told, refused) = all_calls(&log);
        closes.join().unwrap().unwrap();
        assert!(refused.iter().all(|refusal| *refusal == Refusal::Closed));
        check_serial(&mut told, &disk);
    };
    try_schedules(run, SCHEDULES / 2);
}

#[test]
fn whatever_fails_and_whenever_power_goes_acknowledged_events_stay() {
    let run = || {
        let disk = SimDisk::default();
        let log = log(&disk, MUCH);
        let faults = [SimFault::PowerOff, SimFault::Error(5), SimFault::SyncLost, SimFault::Short];
        let mut random = thread_rng();
        let fault = faults[random.gen_range(0..faults.len())];
        let at = disk.changes() + random.gen_range(0..60);
        disk.fail(at, fault, fault == SimFault::PowerOff);
        let (told, refused) = all_calls(&log);
        assert!(refused.iter().all(|refusal| matches!(refusal, Refusal::Failed(_))));
        drop(log);
        disk.evict();
        let after = match fault {
            SimFault::PowerOff => disk.crash(&mut |count| random.gen_range(0..count), false),
            _ => disk.kill(),
        };
        check(&after, &acknowledged(&told), &format!("change {at}, {fault:?}"));
    };
    try_schedules(run, SCHEDULES);
}
