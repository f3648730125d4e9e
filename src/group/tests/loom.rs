//! The queue and the mark under loom, which runs small cases in every possible interleaving, with
//! every stale value that a processor may show. Cases of two threads are run through whole; those
//! of three with as many preemptions as time allows, at places where a thread would not wait anyway.

mod sync {
    pub(super) use std::sync::Arc;

    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
}

#[path = "../mark.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with loom's locks")]
mod mark;
#[path = "../queue.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with loom's locks")]
mod queue;

use loom::thread::{self, JoinHandle};

use mark::Mark;
use queue::{Committer, Queue, Refusal, Weight};
use sync::{Arc, AtomicU64, Ordering};

const ONE: Weight = Weight { events: 1, bytes: 1 };
const MUCH: Weight = Weight { events: 9, bytes: 9 };

/// Runs a case in every interleaving, or in those of at most so many preemptions.
fn explore(preemptions_max: Option<usize>, case: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions_max;
    let runs = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        case();
    });
    let most = preemptions_max.map_or("any".to_owned(), |most| format!("at most {most}"));
    println!("T14: {} interleavings with {most} preemptions", runs.load(Ordering::Relaxed));
}

/// Counts what it commits, up to a group that it fails at.
struct Counter {
    requests: u64,
    groups: u64,
    fail_at: Option<u64>,
}

impl Committer for Counter {
    type Request = u64;
    type Answer = u64;

    fn commit(&mut self, group: Vec<u64>) -> Result<Vec<u64>, String> {
        self.groups += 1;
        if self.fail_at == Some(self.groups) {
            return Err("the disk is gone".to_owned());
        }
        self.requests += u64::try_from(group.len()).unwrap();
        Ok(group)
    }

    fn tend(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn queue(most: Weight, fail_at: Option<u64>) -> Arc<Queue<Counter>> {
    Arc::new(Queue::new(Counter { requests: 0, groups: 0, fail_at }, most))
}

/// Submits a request: why it was refused, or none if the answer is its own.
fn submit(queue: &Queue<Counter>, request: u64) -> Option<Refusal> {
    let answer = queue.submit(request, ONE, true);
    answer.inspect(|answer| assert_eq!(*answer, request)).err()
}

fn callers(queue: &Arc<Queue<Counter>>, count: u64) -> Vec<JoinHandle<Option<Refusal>>> {
    let caller = |request| {
        let queue = Arc::clone(queue);
        thread::spawn(move || submit(&queue, request))
    };
    (1..=count).map(caller).collect()
}

/// One caller beside this one, in every interleaving; and two, in fewer.
const CASES: [(u64, Option<usize>); 2] = [(1, None), (2, Some(4))];

fn everyone_is_answered(most: Weight, cases: [(u64, Option<usize>); 2]) {
    for (others, preemptions_max) in cases {
        explore(preemptions_max, move || {
            let queue = queue(most, None);
            let others = callers(&queue, others);
            assert_eq!(submit(&queue, 0), None);
            for other in others {
                assert_eq!(other.join().unwrap(), None);
            }
        });
    }
}

#[test]
fn every_caller_is_answered_whoever_leads() {
    // Whole it takes a minute.
    let whole = [(1, None), (2, None)];
    everyone_is_answered(MUCH, if std::env::var("LTVLOG_TIER").is_ok() { whole } else { CASES });
}

#[test]
fn every_caller_finds_room_in_the_end() {
    everyone_is_answered(ONE, CASES);
}

#[test]
fn closing_answers_what_was_taken_and_refuses_the_rest() {
    for others in [1, 2] {
        explore(None, move || {
            let queue = queue(ONE, None);
            let callers = callers(&queue, others);
            let counter = queue.close().ok().expect("nothing fails");
            let told: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
            assert!(told.iter().flatten().all(|refusal| *refusal == Refusal::Closed));
            let answered = told.iter().filter(|refusal| refusal.is_none()).count();
            assert_eq!(counter.requests, u64::try_from(answered).unwrap());
            assert_eq!(submit(&queue, 3), Some(Refusal::Closed));
        });
    }
}

#[test]
fn a_failure_is_told_to_all_who_wait_or_come() {
    for (others, preemptions_max) in CASES {
        for fail_at in [1, 2] {
            explore(preemptions_max, move || {
                let queue = queue(ONE, Some(fail_at));
                let others = callers(&queue, others);
                let mut told = vec![submit(&queue, 0)];
                told.extend(others.into_iter().map(|other| other.join().unwrap()));
                let answered = told.iter().filter(|refusal| refusal.is_none()).count();
                assert_eq!(u64::try_from(answered).unwrap(), fail_at - 1);
                assert!(matches!(queue.close(), Err(Refusal::Failed(_))));
            });
        }
    }
}

#[test]
fn a_reader_finds_everything_below_the_mark() {
    explore(None, || {
        let mark = Arc::new(Mark::new(0));
        // As loose as memory can be: only the mark puts it in order.
        let events = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let committer = {
            let (mark, events) = (Arc::clone(&mark), Arc::clone(&events));
            thread::spawn(move || {
                for (event, end) in events.iter().zip(1..) {
                    event.store(end, Ordering::Relaxed);
                    mark.publish(end);
                }
            })
        };
        let mut seen = 0;
        for _ in 0..2 {
            let end = mark.get();
            assert!(end >= seen, "the mark went back");
            for event in events.iter().take(usize::try_from(end).unwrap()) {
                assert_ne!(event.load(Ordering::Relaxed), 0, "below the mark of {end}");
            }
            seen = end;
        }
        committer.join().unwrap();
        assert_eq!(mark.get(), 2);
    });
}
