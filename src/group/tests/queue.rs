//! The queue with a committer that only counts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use super::super::queue::{Committer, Queue, Refusal, Weight};
use super::*;

/// Answers twice what it is asked, and stops inside of a group while the gate is shut.
#[derive(Default)]
struct Doubler {
    gate: Arc<Gate>,
    groups: Arc<AtomicUsize>,
    fail_at: Option<usize>,
    panic_at: Option<usize>,
}

#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    moved: Condvar,
    is_inside: AtomicBool,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        self.is_inside.store(true, Ordering::SeqCst);
        let shut = self.is_shut.lock().unwrap();
        drop(self.moved.wait_while(shut, |is_shut| *is_shut).unwrap());
        self.is_inside.store(false, Ordering::SeqCst);
    }

    fn wait_until_inside(&self) {
        while !self.is_inside.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

impl Committer for Doubler {
    type Request = u64;
    type Answer = u64;

    fn commit(&mut self, group: Vec<u64>) -> Result<Vec<u64>, String> {
        self.gate.pass();
        let no = self.groups.fetch_add(1, Ordering::SeqCst);
        assert!(self.panic_at != Some(no), "a bug in the committer");
        if self.fail_at == Some(no) {
            return Err("the disk is gone".to_owned());
        }
        Ok(group.iter().map(|request| request * 2).collect())
    }

    fn tend(&mut self) -> Result<(), String> {
        Ok(())
    }
}

const ONE: Weight = Weight { events: 1, bytes: 1 };

fn queue(committer: Doubler, events: usize) -> Arc<Queue<Doubler>> {
    Arc::new(Queue::new(committer, Weight { events, bytes: 1_000 }))
}

/// Submits from so many threads at once; what each got.
fn submit(queue: &Arc<Queue<Doubler>>, requests: u64) -> Vec<Result<u64, Refusal>> {
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..requests).map(|n| scope.spawn(move || queue.submit(n, ONE, true))).collect();
        callers.into_iter().map(|caller| caller.join().expect("it panicked")).collect()
    })
}

/// How many wait for the group that forms.
fn wait_until_waiting(queue: &Queue<Doubler>, events: usize) {
    while queue.waiting().events < events {
        thread::yield_now();
    }
}

#[test]
fn whoever_waits_while_a_group_is_committed_is_in_the_next_one() {
    in_time(|| {
        let (gate, groups) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
        let committer =
            Doubler { gate: gate.clone(), groups: groups.clone(), ..Doubler::default() };
        let queue = queue(committer, 100);
        gate.set(true);
        let first = {
            let queue = queue.clone();
            thread::spawn(move || queue.submit(100, ONE, true))
        };
        gate.wait_until_inside();
        let others = {
            let queue = queue.clone();
            thread::spawn(move || submit(&queue, 50))
        };
        wait_until_waiting(&queue, 50);
        gate.set(false);
        assert_eq!(first.join().unwrap(), Ok(200));
        let wanted: Vec<_> = (0..50).map(|n| Ok(2 * n)).collect();
        assert_eq!(others.join().unwrap(), wanted);
        assert_eq!(groups.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn nobody_hangs_when_the_committer_fails_or_panics() {
    for panics in [false, true] {
        let told = in_time(move || {
            let gate = Arc::new(Gate::default());
            let (fail_at, panic_at) = if panics { (None, Some(1)) } else { (Some(1), None) };
            let queue =
                queue(Doubler { gate: gate.clone(), fail_at, panic_at, ..Doubler::default() }, 5);
            assert_eq!(queue.submit(7, ONE, true), Ok(14));
            gate.set(true);
            // One leads, five wait for the next group, five for room.
            let callers: Vec<_> = (0..11)
                .map(|n| {
                    let queue = queue.clone();
                    thread::spawn(move || queue.submit(n, ONE, true))
                })
                .collect();
            gate.wait_until_inside();
            wait_until_waiting(&queue, 5);
            gate.set(false);
            let told: Vec<_> = callers.into_iter().map(|caller| caller.join()).collect();
            assert!(matches!(queue.submit(1, ONE, true), Err(Refusal::Failed(_))));
            assert!(matches!(queue.close(), Err(Refusal::Failed(_))));
            told
        });
        let wanted = if panics { "a thread panicked" } else { "the disk is gone" };
        let panicked = told.iter().filter(|one| one.is_err()).count();
        assert_eq!(panicked, usize::from(panics), "the leader alone panics");
        for refusal in told.into_iter().flatten() {
            assert!(
                matches!(&refusal, Err(Refusal::Failed(why)) if why.starts_with(wanted)),
                "{refusal:?}"
            );
        }
    }
}

#[test]
fn where_there_is_no_room_a_caller_waits_its_turn_or_is_refused() {
    in_time(|| {
        let gate = Arc::new(Gate::default());
        let queue = queue(Doubler { gate: gate.clone(), ..Doubler::default() }, 2);
        gate.set(true);
        let mut callers = Vec::new();
        for n in 0..9 {
            let queue = queue.clone();
            callers.push(thread::spawn(move || queue.submit(n, ONE, true)));
        }
        gate.wait_until_inside();
        wait_until_waiting(&queue, 2);
        assert_eq!(queue.submit(9, ONE, false), Err(Refusal::Full));
        let heavy = Weight { events: 1, bytes: 1_000 };
        assert_eq!(queue.submit(9, heavy, false), Err(Refusal::Full));
        gate.set(false);
        for (caller, n) in callers.into_iter().zip(0..) {
            assert_eq!(caller.join().unwrap(), Ok(2 * n));
        }
        assert_eq!(queue.submit(9, heavy, false), Ok(18));
    });
}

#[test]
fn closing_waits_for_what_was_taken_and_refuses_the_rest() {
    in_time(|| {
        let gate = Arc::new(Gate::default());
        let queue = queue(Doubler { gate: gate.clone(), ..Doubler::default() }, 3);
        gate.set(true);
        let caller = |n| {
            let queue = queue.clone();
            thread::spawn(move || queue.submit(n, ONE, true))
        };
        let first = caller(0);
        gate.wait_until_inside();
        let callers: Vec<_> = (1..4).map(caller).collect();
        wait_until_waiting(&queue, 3);
        let late = caller(4);
        let closes = {
            let queue = queue.clone();
            thread::spawn(move || queue.close().is_ok())
        };
        assert_eq!(late.join().unwrap(), Err(Refusal::Closed));
        assert!(!closes.is_finished());
        assert_eq!(queue.close().err(), Some(Refusal::Closed));
        gate.set(false);
        assert!(closes.join().unwrap());
        assert_eq!(first.join().unwrap(), Ok(0));
        for (caller, n) in callers.into_iter().zip(1..) {
            assert_eq!(caller.join().unwrap(), Ok(2 * n));
        }
        assert_eq!(queue.submit(1, ONE, true), Err(Refusal::Closed));
    });
}
