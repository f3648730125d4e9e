//! Strict calls where there is no log: one is made when all is known to be taken, or none at all.

use super::*;
use crate::log::{SimDisk, SimFault};

const DIR: &str = "/log";

fn store(disk: &SimDisk, seed: u64) -> Store {
    open(Arc::new(disk.clone()), Path::new(DIR), seed, 1 << 10).unwrap()
}

fn begun<'a>(store: &'a mut Store, lines: &[String]) -> Result<Call<'a>, Error> {
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions { strict: true, ..CallOptions::default() })?;
    for line in lines {
        let event = Event::from_json(line.as_bytes(), &rules).expect("valid");
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })?;
    }
    Ok(call)
}

fn strict(store: &mut Store, lines: &[String]) -> Result<Receipt, Error> {
    begun(store, lines)?.finish()
}

/// Events of several batches and segments, with orders whose updates are in later ones.
fn many() -> Vec<String> {
    let mut lines: Vec<String> = (0..3).map(customer).collect();
    for n in 0..40_000 {
        lines.push(visit(n, n % 3));
        if n % 1_000 == 0 {
            lines.push(order("NEW", n, n % 3, n, 1));
            lines.push(order("UPDATE", n / 2_000 * 1_000, n % 3, n + 1, 2 + n / 1_000));
        }
    }
    lines
}

#[test]
fn a_strict_call_that_writes_nothing_leaves_nothing() {
    let disk = SimDisk::default();
    let mut store = store(&disk, 1);
    let orphan = [customer(1), visit(1, 7)];
    for _ in 0..2 {
        assert!(matches!(strict(&mut store, &orphan), Err(Error::Rejected { count: 1 })));
        assert!(matches!(store.end(), Err(Error::Missing { .. })));
    }
    assert_eq!(begun(&mut store, &[customer(1)]).unwrap().interrupt().unwrap().end, 0);
    drop(begun(&mut store, &[customer(1)]).unwrap());
    assert_eq!(strict(&mut store, &[]).unwrap().end, 0);
    store.tend().unwrap();
    assert!(!store.exists());
    assert_eq!(disk.changes(), 0, "nothing was made, and nothing removed again");
    // Nothing of them is remembered, either.
    assert_eq!(append(&mut store, &[customer(1)]).unwrap().accepted, 1);
    assert!(store.exists());
    assert!(matches!(strict(&mut store, &[visit(1, 7)]), Err(Error::Rejected { count: 1 })));
    assert_eq!(store.end().unwrap(), 1);
    store.close().unwrap();
}

#[test]
fn what_a_strict_call_staged_before_there_was_a_log_is_found_in_it() {
    let (disk, lines) = (SimDisk::default(), many());
    let mut first = store(&disk, 1);
    let receipt = strict(&mut first, &lines).unwrap();
    let count = lines.len() as u64;
    assert_eq!((receipt.accepted, receipt.end, receipt.synced), (count, count, true));
    assert!(first.exists() && first.info().unwrap().segments.len() > 1);
    // By the same store, strictly or not, and by one that reads the keys from the files.
    assert_eq!(strict(&mut first, &lines).unwrap().duplicates, count);
    assert_eq!(append(&mut first, &lines).unwrap().duplicates, count);
    assert_eq!(append(&mut first, &[visit(50_000, 1)]).unwrap().accepted, 1);
    first.close().unwrap();
    let mut second = store(&disk, 2);
    assert_eq!(append(&mut second, &lines).unwrap().duplicates, count);
    assert_eq!(second.verify_deep().unwrap().problems, []);
    // The log is the one that the same call makes where an empty one was.
    let other = SimDisk::default();
    let mut began = store(&other, 1);
    append(&mut began, &[]).unwrap();
    strict(&mut began, &lines).unwrap();
    append(&mut began, &[visit(50_000, 1)]).unwrap();
    assert_eq!(export(&began).unwrap(), export(&second).unwrap());
}

#[test]
fn a_log_that_was_made_meanwhile_is_not_written_to() {
    let disk = SimDisk::default();
    let (mut early, mut other) = (store(&disk, 1), store(&disk, 2));
    let call = begun(&mut early, &[customer(1)]).unwrap();
    append(&mut other, &[customer(1), customer(2)]).unwrap();
    other.close().unwrap();
    let told = call.finish().unwrap_err().to_string();
    let expected = "another process made the log in /log meanwhile, and nothing was written: open it \
                    again, or repeat the command";
    assert_eq!(told, expected);
    assert_eq!(strict(&mut early, &[customer(1), customer(3)]).unwrap().end, 3);
    // One that was there before the call began is taken as it is.
    let disk = SimDisk::default();
    let (mut early, mut other) = (store(&disk, 1), store(&disk, 2));
    append(&mut other, &[customer(1)]).unwrap();
    other.close().unwrap();
    assert_eq!(strict(&mut early, &[customer(1), customer(3)]).unwrap().end, 2);
}

/// Whatever fails once while the log is made, the same store goes on with what is on the disk.
#[test]
fn after_a_strict_call_that_failed_the_same_store_takes_the_next() {
    let lines: Vec<String> = many().into_iter().take(400).collect();
    let learned = SimDisk::default();
    strict(&mut store(&learned, 1), &lines).unwrap();
    let mut failed = 0;
    for at in 0..learned.changes() {
        let disk = SimDisk::default();
        disk.fail(at, SimFault::Error(5), false);
        let mut one = store(&disk, 1);
        if strict(&mut one, &lines).is_err() {
            failed += 1;
            let receipt = strict(&mut one, &lines).unwrap();
            assert_eq!((receipt.end, receipt.synced), (lines.len() as u64, true), "change {at}");
        }
    }
    assert!(failed > 3, "{failed}");
}

#[test]
fn a_power_cut_while_the_log_is_made_leaves_none_or_a_prefix() {
    let lines: Vec<String> = many().into_iter().take(400).collect();
    let learned = SimDisk::default();
    strict(&mut store(&learned, 1), &lines).unwrap();
    for at in 0..learned.changes() {
        let disk = SimDisk::default();
        disk.fail(at, SimFault::PowerOff, true);
        let mut cut = store(&disk, 1);
        // What fails behind the receipt is derived, and fails unnoticed.
        let acknowledged = strict(&mut cut, &lines).map_or(0, |receipt| receipt.end);
        drop(cut);
        let disk = disk.kill();
        let mut after = store(&disk, 2);
        let there = if after.exists() { after.end().unwrap() } else { 0 };
        let receipt = strict(&mut after, &lines).unwrap();
        assert_eq!((receipt.duplicates, receipt.end), (there, lines.len() as u64), "change {at}");
        assert!(there >= acknowledged, "change {at}: {there} of {acknowledged}");
        assert_eq!(after.verify_deep().unwrap().problems, [], "change {at}");
    }
}
