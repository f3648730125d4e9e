//! A roll between an order and its update: the order's key is found again, whatever of the update
//! a crash leaves.

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

fn store_in(disk: &SimDisk, seed: u64, checkpoint_events_min: u64) -> Store {
    let options =
        Options { segment_bytes_max: 1 << 10, checkpoint_events_min, ..Options::default() };
    let env = env(Arc::new(disk.clone()), seed);
    Store::open_in(env, PathBuf::from(DIR), options).unwrap()
}

fn store_with_order(disk: &SimDisk, checkpoint_events_min: u64) -> Store {
    let mut store = store_in(disk, 1, checkpoint_events_min);
    append(&mut store, &[customer(0), order("NEW", 0, 0, 500, 1)]).unwrap();
    store
}

/// An update, and visits enough to begin the next segment with it.
fn update_that_rolls() -> Vec<String> {
    let mut lines = vec![order("UPDATE", 0, 0, 700, 2)];
    lines.extend((0..200).map(|n| visit(n, 0)));
    lines
}

#[test]
fn a_sidecar_finds_an_order_whose_update_a_crash_took() {
    // With few events to a checkpoint the order's key is in a run by then, else in memory.
    for (strict, events_min) in [(false, 5), (true, 5), (false, 1_000), (true, 1_000)] {
        let whole = SimDisk::default();
        let mut store = store_with_order(&whole, events_min);
        let before = whole.changes();
        give(&mut store, &update_that_rolls(), strict).unwrap();
        drop(store);
        let mut found = [0; 2];
        for at in before..whole.changes() {
            let disk = SimDisk::default();
            let mut store = store_with_order(&disk, events_min);
            disk.fail(at, crate::log::SimFault::PowerOff, true);
            give(&mut store, &update_that_rolls(), strict).ok();
            drop(store);
            let disk = disk.kill();
            let mut store = store_in(&disk, 2, events_min);
            found[usize::from(store.end().unwrap() > 2)] += 1;
            let again = append(&mut store, &[order("NEW", 0, 0, 500, 1)]).unwrap();
            let context = format!("change {at}, {strict}, {events_min}");
            assert_eq!((again.accepted, again.duplicates), (0, 1), "{context}");
            let again = append(&mut store, &update_that_rolls()).unwrap();
            assert_eq!(again.rejected(), 0, "{context}");
            assert_eq!(store.end().unwrap(), 203);
        }
        assert!(found[0] > 1, "some crashes lose the update: {found:?}");
    }
}

fn give(store: &mut Store, lines: &[String], strict: bool) -> Result<Receipt, Error> {
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions { strict, ..CallOptions::default() })?;
    for line in lines {
        let event = Event::from_json(line.as_bytes(), &rules).unwrap();
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })?;
    }
    call.finish()
}

/// An order that is updated again and again has one entry in the index, after reopening too:
/// finding its state stays as quick as finding any other.
#[test]
fn a_hot_order_keeps_one_entry_after_reopening() {
    let disk = SimDisk::default();
    // Too few keys to be saved: all of them are read again.
    let store_in = |disk: &SimDisk, seed| {
        let env = env(Arc::new(disk.clone()), seed);
        Store::open_in(env, PathBuf::from(DIR), Options::default()).unwrap()
    };
    let mut store = store_in(&disk, 1);
    append(&mut store, &[customer(0), order("NEW", 0, 0, 1, 0)]).unwrap();
    for second in 0..50 {
        append(&mut store, &[order("UPDATE", 0, 0, second + 2, second)]).unwrap();
    }
    store.close().unwrap();
    let mut store = store_in(&disk, 2);
    append(&mut store, &[order("UPDATE", 0, 0, 99, 55)]).unwrap();
    let entries = store.ingest.as_ref().unwrap().shelf.recent_len();
    // The customer, the order's state, and each of 51 updates by its normal form.
    assert_eq!(entries, 53);
    let top = store.top(1, &Question::default()).unwrap();
    assert_eq!(top.customers[0].revenue_cents, 99);
}
