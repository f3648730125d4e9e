//! Power cuts and failing calls under groups: what any receipt of a group speaks of is there after
//! any of them.

use super::super::committer::StoreCommitter;
use super::super::queue::Committer as _;
use super::*;
use crate::log::SimFault;

/// Groups of calls with rolls and checkpoints between them; events that another call of the same
/// group brings: again, with other content, and the customer of an event that comes before it.
fn groups() -> Vec<Vec<Vec<String>>> {
    let mut groups = vec![
        vec![vec![customer(0)]],
        vec![
            vec![visit(1, 0)],
            vec![visit(1, 0), visit(2, 0)],
            vec![visit(1, 1)],
            vec![visit(3, 2)],
            vec![visit(4, 2), customer(2)],
            vec![visit(3, 2)],
        ],
    ];
    for n in 1..8 {
        let again = n - 1;
        groups.push(vec![
            vec![visit(100 + n, 10 + n), customer(10 + n)],
            vec![customer(10 + n), visit(100 + again, 10 + again)],
            vec![],
            vec![visit(200 + n, 0), visit(300 + n, 77)],
        ]);
    }
    groups
}

fn request(store: &Store, lines: &[String]) -> Request {
    let mut request = Request::default();
    for line in lines {
        request.push(Event::from_json(line.as_bytes(), store.rules()), line.as_bytes());
    }
    request
}

/// The calls of a group, as handed over by callers who have one or two.
fn group(store: &Store, calls: &[Vec<String>]) -> Vec<Vec<Request>> {
    let (first, others) = calls.split_at(1);
    let of_one = |calls: &[Vec<String>]| calls.iter().map(|lines| request(store, lines)).collect();
    [first].into_iter().chain(others.chunks(2)).map(of_one).collect()
}

/// The keys of a call's events that are in the log by its receipt.
fn taken(lines: &[String], appended: &Appended) -> Vec<String> {
    let is_rejected = |n| appended.rejected.iter().any(|one| one.index == n as u64);
    let taken = lines.iter().enumerate().filter(|(n, _)| !is_rejected(*n));
    taken.map(|(_, line)| key(line).to_owned()).collect()
}

/// Commits the groups until one fails: the keys that were acknowledged, and what failed.
fn run(disk: &SimDisk, seed: u64) -> (Vec<String>, Result<(), String>) {
    let mut acknowledged = Vec::new();
    let done = run_into(disk, seed, &mut acknowledged);
    (acknowledged, done)
}

fn run_into(disk: &SimDisk, seed: u64, acknowledged: &mut Vec<String>) -> Result<(), String> {
    let mark = Arc::new(Mark::new(0));
    let store = store(disk, seed).map_err(|error| error.to_string())?;
    let mut committer = StoreCommitter { store, mark: mark.clone() };
    for calls in groups() {
        let group = group(&committer.store, &calls);
        let answers: Vec<_> = committer.commit(group)?.into_iter().flatten().collect();
        assert_eq!(answers.len(), calls.len());
        for (lines, appended) in calls.iter().zip(&answers) {
            assert!(appended.receipt.synced && appended.receipt.end <= mark.get());
            acknowledged.extend(taken(lines, appended));
        }
        committer.tend()?;
    }
    committer.store.close().map_err(|error| error.to_string())
}

#[test]
fn what_the_receipts_of_a_group_speak_of_survives_any_power_cut() {
    let cuts = if std::env::var("LTVLOG_TIER").is_ok() { 40 } else { 4 };
    let whole = SimDisk::default();
    run(&whole, 1).1.unwrap();
    let mut states = 0;
    for at in 0..whole.changes() {
        for cut in 0..cuts {
            let disk = SimDisk::default();
            disk.fail(at, SimFault::PowerOff, true);
            let (acknowledged, _) = run(&disk, 1);
            let mut random = at * 1_000 + cut;
            let after = disk.crash(
                &mut |count| {
                    random =
                        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                    usize::try_from((random >> 33) % count as u64).unwrap()
                },
                false,
            );
            let context = format!("change {at}, cut {cut}");
            check(&after, &acknowledged, &context);
            run(&after, 2).1.expect(&context);
            assert_eq!(keys(&after), keys(&whole), "{context}");
            states += 1;
        }
    }
    println!("T1: {states} crash states under groups");
    assert!(states > 100, "{states} states");
}

#[test]
fn any_failing_call_fails_its_group_and_loses_nothing_acknowledged() {
    let whole = SimDisk::default();
    run(&whole, 1).1.unwrap();
    let mut failures = 0;
    for at in 0..whole.changes() {
        for fault in [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short]
        {
            let disk = SimDisk::default();
            disk.fail(at, fault, false);
            let (acknowledged, _) = run(&disk, 1);
            disk.evict();
            let (after, context) = (disk.kill(), format!("change {at}, {fault:?}"));
            check(&after, &acknowledged, &context);
            run(&after, 2).1.expect(&context);
            assert_eq!(keys(&after), keys(&whole), "{context}");
            failures += 1;
        }
    }
    println!("T10: {failures} failing calls under groups");
}

/// Each call of a group gets what it would get alone: its own hold window, and its own end.
#[test]
fn a_call_of_a_group_gets_the_receipt_that_it_would_get_alone() {
    let (together, alone) = (SimDisk::default(), SimDisk::default());
    let mark = Arc::new(Mark::new(0));
    let mut committer = StoreCommitter { store: store(&together, 1).unwrap(), mark };
    let mut serial = store(&alone, 1).unwrap();
    for calls in groups() {
        let group = group(&committer.store, &calls);
        let counts: Vec<usize> = group.iter().map(Vec::len).collect();
        let answers = committer.commit(group).unwrap();
        assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), counts);
        for (lines, appended) in calls.iter().zip(answers.into_iter().flatten()) {
            assert_eq!(appended.receipt, trial::append(&mut serial, lines).unwrap(), "{lines:?}");
            assert_eq!(appended.rejected.len() as u64, appended.receipt.rejected());
        }
    }
    assert_eq!(keys(&together), keys(&alone));
}
