//! Batches encoded ahead are the ones that would be written otherwise, and what is in them is found.

use std::num::NonZeroUsize;

use super::*;
use crate::log::{SimDisk, SimFault};

const DIR: &str = "/log";

/// A store whose clock stands still: a log says when its batches were made, and nothing else of time.
fn store(disk: &SimDisk, threads: usize) -> Store {
    let env = Env { now_us: Arc::new(|| 1_600_000_000_000_000), ..env(Arc::new(disk.clone()), 1) };
    let threads = NonZeroUsize::new(threads).unwrap();
    let options = Options { segment_bytes_max: 1 << 16, threads, ..Options::default() };
    Store::open_in(env, PathBuf::from(DIR), options).unwrap()
}

/// Five batches. Orders are updated, events come again, and keys are taken a second time, near and a
/// batch away: in the one that is pending, the one under way, and those in the log.
fn many() -> Vec<String> {
    let mut lines: Vec<String> = (0..3).map(customer).collect();
    for n in 0..18_000_u64 {
        lines.push(visit(n, n % 3));
        for back in [1, 40, 2_500, 3_900, 6_000] {
            let old = n.saturating_sub(back);
            match (n + back) % 97 {
                0 => lines.push(visit(old, old % 3)),
                1 => lines.push(visit(old, (old + 1) % 3)),
                2 => lines.push(order("NEW", n, n % 3, n, 1)),
                3 => lines.push(order(
                    "UPDATE",
                    old.saturating_sub(1) / 97 * 97 + 1,
                    n % 3,
                    n,
                    back % 60,
                )),
                _ => {}
            }
        }
    }
    lines
}

fn append_all(store: &mut Store, lines: &[String]) -> Result<(Receipt, Vec<String>), Error> {
    append_with(store, lines, None, false)
}

fn append_with(
    store: &mut Store,
    lines: &[String],
    hold_max: Option<HoldMax>,
    interrupt: bool,
) -> Result<(Receipt, Vec<String>), Error> {
    let mut rejected = Vec::new();
    let mut on_reject = |one: &Rejected<'_>| {
        rejected.push(format!("{} {}", one.origin.line, one.rejection));
        Ok(())
    };
    let rules = store.rules().clone();
    let options =
        CallOptions { on_reject: Some(&mut on_reject), hold_max, ..CallOptions::default() };
    let mut call = store.call(options)?;
    for (line, at) in lines.iter().zip(1..) {
        let event = Event::from_json(line.as_bytes(), &rules).expect("valid");
        call.push(&event, line.as_bytes(), Origin { source: 0, line: at })?;
    }
    let receipt = if interrupt { call.interrupt()? } else { call.finish()? };
    Ok((receipt, rejected))
}

/// Events that are held until a window ends, marks, and calls that are interrupted.
#[test]
fn windows_and_interruptions_are_the_same_too() {
    let mut lines = many();
    let customers: Vec<String> = lines.drain(..3).collect();
    lines.splice(3_000..3_000, customers);
    let later = lines.split_off(11_000);
    for interrupt in [false, true] {
        let made = [1, 2].map(|threads| {
            let disk = SimDisk::default();
            let mut store = store(&disk, threads);
            let hold_max = Some(HoldMax { events: 5_500, us: u64::MAX });
            let first = append_with(&mut store, &lines, hold_max, interrupt).unwrap();
            let then = append_with(&mut store, &later, hold_max, interrupt).unwrap();
            assert!(first.0.accepted > 8_192 && then.0.accepted > 4_096, "{:?}", first.0);
            assert_eq!(store.verify_deep().unwrap().problems, []);
            store.close().unwrap();
            (first, then, disk.files())
        });
        let [alone, ahead] = made;
        assert_eq!(alone, ahead, "interrupted: {interrupt}");
    }
}

#[test]
fn the_log_is_the_same_with_and_without() {
    let lines = many();
    let made = [1, 2].map(|threads| {
        let disk = SimDisk::default();
        let mut store = store(&disk, threads);
        let told = append_all(&mut store, &lines).unwrap();
        assert!(told.0.duplicates > 100 && told.1.len() > 100, "{:?}", told.0);
        let again = append_all(&mut store, &lines).unwrap();
        assert_eq!((again.0.accepted, again.0.end), (0, told.0.end));
        assert_eq!(store.verify_deep().unwrap().problems, []);
        assert!(store.info().unwrap().segments.len() > 2);
        store.close().unwrap();
        (told, disk.files())
    });
    let [alone, ahead] = made;
    assert_eq!(alone, ahead);
}

#[test]
fn a_call_that_is_given_up_leaves_nothing_behind() {
    let lines = many();
    let (disk, rules) = (SimDisk::default(), store(&SimDisk::default(), 1).rules().clone());
    for mut store in
        [store(&disk, 2), Store::scratch(Options { threads: two(), ..Options::default() }).unwrap()]
    {
        for count in [4_200, 9_000] {
            let mut call = store.call(CallOptions::default()).unwrap();
            for line in lines.iter().take(count) {
                let event = Event::from_json(line.as_bytes(), &rules).unwrap();
                call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
            }
            drop(call);
        }
        let (receipt, _) = append_all(&mut store, &lines).unwrap();
        let expected = append_all(&mut self::store(&SimDisk::default(), 1), &lines).unwrap().0;
        assert_eq!(receipt.end, expected.end);
        assert_eq!(receipt.rejected(), expected.rejected());
    }
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

#[test]
fn a_disk_that_refuses_a_batch_fails_the_call_that_has_it() {
    let lines = many();
    let learned = SimDisk::default();
    let end = append_all(&mut store(&learned, 2), &lines).unwrap().0.end;
    let last = learned.changes();
    for at in (0..last).step_by(usize::try_from(last / 12).unwrap().max(1)) {
        let disk = SimDisk::default();
        disk.fail(at, SimFault::Error(28), true);
        let told = append_all(&mut store(&disk, 2), &lines);
        let acknowledged = told.map_or(0, |(receipt, _)| receipt.end);
        let disk = disk.kill();
        let mut after = store(&disk, 2);
        let there = if after.exists() { after.end().unwrap() } else { 0 };
        assert!(there >= acknowledged, "change {at}: {there} of {acknowledged}");
        assert_eq!(append_all(&mut after, &lines).unwrap().0.end, end, "change {at}");
        assert_eq!(after.verify_deep().unwrap().problems, [], "change {at}");
    }
}
