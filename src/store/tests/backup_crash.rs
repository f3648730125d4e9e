//! Backups under power cuts and failing calls: a backup that was cut off anywhere leaves the one
//! before it, and is completed by the next; a log is restored whole or not at all.

use std::collections::BTreeMap;

use super::backup::{DEST, DIR, NEW, back_up, exported, fill, restore};
use super::pack::{idle_store, in_small_calls, pack_all};
use super::*;
use crate::log::{SimDisk, SimFault};

const FAULTS: [SimFault; 4] =
    [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short];

/// A log, and what is exported of it and was backed up before it grew.
struct Base {
    disk: SimDisk,
    old: Option<Vec<String>>,
    all: Vec<String>,
}

/// With a backup of its beginning, or without one.
fn base(is_backed_up: bool) -> Base {
    let disk = SimDisk::default();
    fill(&disk, 0..5);
    let mut old = None;
    if is_backed_up {
        back_up(&disk).unwrap();
        old = Some(exported(&disk, DIR).unwrap());
    }
    fill(&disk, 5..11);
    let all = exported(&disk, DIR).unwrap();
    // All of it on the disk, and nothing counted.
    Base { disk: SimDisk::of_files(&disk.files()), old, all }
}

/// With a backup of its beginning, whose last segment was sealed and packed since.
fn packed() -> Base {
    let disk = SimDisk::default();
    in_small_calls(&mut idle_store(&disk), 31);
    let disk = disk.kill();
    back_up(&disk).unwrap();
    let old = exported(&disk, DIR).unwrap();
    in_small_calls(&mut idle_store(&disk), 60);
    let disk = disk.kill();
    pack_all(&disk);
    let all = exported(&disk, DIR).unwrap();
    let base = Base { disk: SimDisk::of_files(&disk.files()), old: Some(old), all };
    // What is tried here: the end of the old backup lies in a segment that was packed.
    let whole = base.disk.copy();
    back_up(&whole).unwrap();
    let generations = |dir: &str| {
        let store = open(Arc::new(whole.clone()), Path::new(dir), 9, 1 << 10).unwrap();
        let segments = store.info().unwrap().segments;
        segments.iter().map(|segment| (segment.generation, segment.first)).collect::<Vec<_>>()
    };
    let (log, copied) = (generations(DIR), generations(DEST));
    assert!(log[0].0 == 1 && copied[0].0 == 0, "one that was whole stays: {log:?} {copied:?}");
    let end = base.old.as_ref().unwrap().len() as u64;
    let last = copied.iter().rev().find(|(_, first)| *first < end).unwrap();
    assert_eq!(last.0, 1, "{log:?} {copied:?}");
    base
}

/// The seeds of a run, three from `LTVLOG_SEED` on; with `LTVLOG_TIER=ci` twelve, with `campaign`
/// as many as `LTVLOG_MINUTES` allow.
fn seeds() -> impl Iterator<Item = u64> {
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| text.parse().expect("a number"))
    };
    let (first, minutes) = (number("LTVLOG_SEED", 0), number("LTVLOG_MINUTES", 10));
    let started = std::time::Instant::now();
    let count = match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("ci") => 12,
        Ok("campaign") => u64::MAX,
        _ => 3,
    };
    let in_time = move |_: &u64| started.elapsed().as_secs() < 60 * minutes;
    (first..first.saturating_add(count)).take_while(in_time)
}

/// How to see a failure again.
fn again(seed: u64) -> String {
    format!("LTVLOG_SEED={seed} cargo test --lib store::tests::backup_crash")
}

/// The disk after a power cut at this change.
fn cut(disk: &SimDisk, seed: u64, at: u64) -> SimDisk {
    let mut random = seed.wrapping_mul(1_000_003).wrapping_add(at);
    disk.crash(
        &mut |count| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % count
        },
        false,
    )
}

fn below(disk: &SimDisk, dir: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = disk.files();
    files.retain(|path, _| path.starts_with(dir));
    files
}

/// What is owed wherever a backup was cut off.
fn check_cut(base: &Base, disk: &SimDisk, context: &str) {
    assert_eq!(below(disk, DIR), below(&base.disk, DIR), "{context}: the log was touched");
    match (restore(disk), &base.old) {
        (Ok(_), old) => {
            let found = exported(disk, NEW).expect(context);
            assert!(found == base.all || Some(&found) == old.as_ref(), "{context}");
        }
        (Err(Error::Options { reason }), None) if reason.contains("no whole backup") => {}
        (Err(error), _) => panic!("{context}: {error}"),
    }
    let store = open(Arc::new(disk.clone()), Path::new(DEST), 9, 1 << 10).expect(context);
    if store.exists() {
        let found = export(&store).expect(context);
        assert!(base.all.starts_with(&found), "{context}: a wrong event");
        assert!(base.old.as_ref().is_none_or(|old| found.starts_with(old)), "{context}");
        assert_eq!(store.verify().expect(context).problems, [], "{context}");
    } else {
        assert_eq!(base.old, None, "{context}: the backup is gone");
    }
}

/// The next backup completes what one left that was cut off.
fn check_again(base: &Base, disk: &SimDisk, context: &str) {
    back_up(disk).expect(context);
    assert_eq!(restore(disk).expect(context).end, base.all.len() as u64, "{context}");
    assert_eq!(exported(disk, NEW).expect(context), base.all, "{context}");
    let backup = open(Arc::new(disk.clone()), Path::new(DEST), 9, 1 << 10).expect(context);
    assert_eq!(backup.verify().expect(context).problems, [], "{context}");
    let left = below(disk, DEST).into_keys().find(|path| {
        let path = path.to_string_lossy();
        path.contains("tmp") || path.contains("before")
    });
    assert_eq!(left, None, "{context}");
}

#[test]
fn a_power_cut_anywhere_leaves_the_backup_before_it() {
    let mut cuts = 0;
    let bases = [base(false), base(true), packed()];
    for (seed, base) in seeds().flat_map(|seed| bases.iter().map(move |base| (seed, base))) {
        let whole = base.disk.copy();
        back_up(&whole).unwrap();
        assert!(whole.changes() > 40, "{} changes", whole.changes());
        // The last one after it said that it was done.
        for at in 0..=whole.changes() {
            let old = base.old.as_ref().map_or(0, Vec::len);
            let context = format!("change {at}, {old} events before: {}", again(seed));
            let disk = base.disk.copy();
            disk.fail(at, SimFault::PowerOff, true);
            let done = back_up(&disk).is_ok();
            assert_eq!(done, at == whole.changes(), "{context}");
            let disk = cut(&disk, seed, at);
            if done {
                assert_eq!(restore(&disk.copy()).expect(&context).end, base.all.len() as u64);
            }
            check_cut(base, &disk.copy(), &context);
            check_again(base, &disk.copy(), &context);
            // And cut again while that is completed.
            disk.fail(seed.wrapping_add(at * 7) % whole.changes(), SimFault::PowerOff, true);
            if back_up(&disk).is_err() {
                let disk = cut(&disk, seed, at + 500);
                check_cut(base, &disk.copy(), &context);
                check_again(base, &disk, &context);
            }
            cuts += 1;
        }
    }
    println!("{cuts} power cuts in backups, as many in those that completed them");
}

#[test]
fn any_failing_call_of_a_backup_is_an_error_and_the_next_completes_it() {
    let mut failed = 0;
    for base in [base(false), base(true), packed()] {
        let whole = base.disk.copy();
        back_up(&whole).unwrap();
        for at in 0..whole.changes() {
            for (fault, for_ever) in FAULTS.into_iter().flat_map(|one| [(one, false), (one, true)])
            {
                let context = format!("old {}, change {at}, {fault:?}", base.old.is_some());
                let disk = base.disk.copy();
                disk.fail(at, fault, for_ever);
                match back_up(&disk) {
                    Err(Error::Io { .. }) => failed += 1,
                    // A write may be short, and is gone on with.
                    Ok(_) => assert_eq!((fault, for_ever), (SimFault::Short, false), "{context}"),
                    Err(error) => panic!("{context}: {error}"),
                }
                disk.evict();
                let disk = disk.kill();
                check_cut(&base, &disk.copy(), &context);
                check_again(&base, &disk.copy(), &context);
                // What the one that failed had not synced, the next one has: it is there when
                // nothing is left of what was not synced.
                back_up(&disk).expect(&context);
                let restored = restore(&disk.crash(&mut |_| 0, false)).expect(&context);
                assert_eq!(restored.end, base.all.len() as u64, "{context}");
            }
        }
    }
    println!("{failed} failed calls of backups");
}

/// The disk with a whole backup.
fn backed_up() -> Base {
    let base = base(true);
    back_up(&base.disk).unwrap();
    Base { disk: SimDisk::of_files(&base.disk.files()), ..base }
}

#[test]
fn a_power_cut_anywhere_leaves_a_whole_log_or_none() {
    let base = backed_up();
    let whole = base.disk.copy();
    restore(&whole).unwrap();
    assert!(whole.changes() > 20, "{} changes", whole.changes());
    let (mut cuts, mut whole_logs) = (0, 0);
    for seed in seeds() {
        for at in 0..=whole.changes() {
            cuts += 1;
            let context = format!("change {at}: {}", again(seed));
            let disk = base.disk.copy();
            disk.fail(at, SimFault::PowerOff, true);
            let done = restore(&disk).is_ok();
            assert_eq!(done, at == whole.changes(), "{context}");
            let disk = cut(&disk, seed, at);
            assert!(!done || !below(&disk, NEW).is_empty(), "{context}: the log is gone");
            assert_eq!(below(&disk, DEST), below(&base.disk, DEST), "{context}");
            if below(&disk, NEW).is_empty() {
                restore(&disk).expect(&context);
            } else {
                whole_logs += 1;
                let refused = restore(&disk).expect_err(&context);
                assert!(matches!(refused, Error::Options { .. }), "{context}: {refused}");
            }
            assert_eq!(exported(&disk, NEW).expect(&context), base.all, "{context}");
            let left =
                disk.files().into_keys().find(|path| path.starts_with("/new/log.restore.tmp"));
            assert_eq!(left, None, "{context}");
        }
    }
    println!("{cuts} power cuts in restores, {whole_logs} after the log was there");
}

#[test]
fn any_failing_call_of_a_restore_leaves_no_log_unless_it_is_whole() {
    let base = backed_up();
    let whole = base.disk.copy();
    restore(&whole).unwrap();
    for at in 0..whole.changes() {
        for fault in FAULTS {
            let context = format!("change {at}, {fault:?}");
            let disk = base.disk.copy();
            disk.fail(at, fault, false);
            if restore(&disk).is_ok() {
                assert_eq!(fault, SimFault::Short, "{context}");
                continue;
            }
            disk.evict();
            if below(&disk, NEW).is_empty() {
                // Room that a failed restore took is given back.
                assert_eq!(below(&disk, "/new"), BTreeMap::new(), "{context}");
                restore(&disk.kill()).expect(&context);
            } else {
                assert_eq!(exported(&disk, NEW).expect(&context), base.all, "{context}");
            }
        }
    }
    println!("{} failed calls of restores", 4 * whole.changes());
}
