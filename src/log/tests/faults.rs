//! Calls that fail: a clean error, a poisoned writer, and nothing lost when the log is opened again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::workload::{DIR, Random, Workload, check_twice, run, whole_log, workloads};
use super::*;

/// What can go wrong with a call, and for how long.
fn faults() -> impl Iterator<Item = (SimFault, bool)> {
    let once = [
        SimFault::Error(5),
        SimFault::Error(28),
        SimFault::Error(122),
        SimFault::Error(4),
        SimFault::SyncLost,
        SimFault::Short,
    ];
    let all = once.into_iter().flat_map(|fault| [(fault, false), (fault, true)]);
    // A call that is interrupted for ever is tried for ever.
    all.filter(|played| *played != (SimFault::Error(4), true))
}

/// Lets every n-th change of a workload fail in every way; counts the disks that were checked.
fn fail_everywhere(workload: &Workload, rounds: u64, hint: &str) -> u64 {
    let mut played = 0;
    for (fault, for_ever) in faults() {
        for at in 0.. {
            let mut disk = SimDisk::default();
            disk.fail(at, fault, for_ever);
            let ran = run(&mut disk, workload, true);
            let reached = disk.changes() > at || ran.failed.is_some();
            let hint = format!("{hint}, {workload:?}: {fault:?} at {at}, for ever: {for_ever}");
            for round in 0..rounds {
                let random = Random::new(at * 10 + round);
                let after = disk.kill();
                if round % 2 == 1 {
                    after.evict();
                }
                let after = if round < 2 {
                    after
                } else {
                    after.crash(&mut |count| random.below(count), false)
                };
                check_twice(&after, workload, &ran, &random, &format!("{hint}, round {round}"));
                played += u64::from(reached);
            }
            if !reached {
                break;
            }
        }
    }
    played
}

/// Every n-th change fails, once and for ever, in every way: a clean error, and after opening
/// again nothing acknowledged is lost, not even where a failed sync left its pages clean.
#[test]
fn a_failing_call_anywhere_is_an_error_and_no_more() {
    let mut played = 0;
    for (number, workload) in workloads().iter().enumerate() {
        played += fail_everywhere(workload, 6, &format!("workload {number}"));
    }
    let seeds = match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("ci") => 400,
        Ok(_) => 10_000,
        Err(_) => 4,
    };
    let first = std::env::var("LTVLOG_SEED").map_or(1, |seed| seed.parse().unwrap());
    for seed in first..first + seeds {
        let hint = format!("LTVLOG_SEED={seed} cargo test --lib a_failing_call_anywhere");
        played += fail_everywhere(&Workload::random(seed), 4, &hint);
    }
    println!("T10: {played} failing calls, {seeds} seeds from {first}");
}

/// A poisoned writer refuses everything, and the error says why.
#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&env(Arc::new(disk.clone()), 1), Path::new(DIR), 3000).unwrap();
    append(&mut writer, 1, 1, 10);
    disk.fail(disk.changes() + 2, SimFault::SyncLost, false);
    assert!(matches!(writer.sync(), Err(Error::Io { .. })));
    for _ in 0..2 {
        let refused = writer.sync().unwrap_err();
        assert!(
            matches!(&refused, Error::Poisoned { reason } if reason.contains("cannot sync")),
            "{refused}"
        );
    }
    assert!(matches!(writer.append(&[0; 30], 1, Tally::default()), Err(Error::Poisoned { .. })));
    assert!(matches!(writer.view(), Err(Error::Poisoned { .. })));
    assert_eq!(writer.synced_end(), 0);
    assert!(writer.poisoned().is_some());
    assert!(matches!(writer.close(), Err(Error::Poisoned { .. })));
}

/// Torn bytes are kept before they are cut.
#[test]
fn what_is_cut_off_is_in_quarantine() {
    let mut files = BTreeMap::new();
    for (path, bytes) in whole_log(&[(1, 1, 700)]) {
        files.insert(path, bytes);
    }
    let path = PathBuf::from(DIR).join("segments/00000000000000000000.seg");
    let torn = files[&path][128..228].to_vec();
    let segment = files.get_mut(&path).unwrap();
    segment.truncate(228);
    files.remove(&PathBuf::from(DIR).join("head"));
    let disk = SimDisk::of_files(&files);
    let (writer, recovered) = open(&env(Arc::new(disk.clone()), 1), Path::new(DIR), 3000).unwrap();
    assert_eq!((writer.end(), recovered.torn_bytes), (0, 100));
    assert_eq!(disk.files()[&recovered.quarantined.unwrap()], torn);
}

/// The head that a power cut leaves of a disk, if it keeps as little as it may.
pub(super) fn oldest_head(disk: &SimDisk) -> Option<super::super::head::Head> {
    let left = disk.copy().crash(&mut |_| 0, false).files();
    super::super::head::HeadFile::decode(left.get(&PathBuf::from(DIR).join("head"))?).head
}

/// Head is on the disk once a log is open, after each roll, after a second, and after closing.
#[test]
fn head_survives_a_power_cut_where_it_is_synced() {
    let disk = SimDisk::default();
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let env = Env {
        now_us: Arc::new(move || clock.load(Ordering::Relaxed)),
        ..env(Arc::new(disk.clone()), 1)
    };
    let (mut writer, _) = open(&env, Path::new(DIR), 3000).unwrap();
    assert_eq!(oldest_head(&disk).unwrap().durable_seq, 0);
    append(&mut writer, 2, 1, 700);
    writer.sync().unwrap();
    assert_eq!(oldest_head(&disk).unwrap().durable_seq, 0, "not on every sync");
    for (later, durable) in [(999_999, 0), (1_000_000, 2)] {
        now.store(later, Ordering::Relaxed);
        append(&mut writer, 1, 1, 10);
        assert_eq!(oldest_head(&disk).unwrap().durable_seq, durable);
    }
    append(&mut writer, 1, 1, 700);
    writer.sync().unwrap();
    // A clock that jumps back is no reason to wait.
    now.store(5, Ordering::Relaxed);
    append(&mut writer, 1, 1, 900);
    assert_eq!(oldest_head(&disk).unwrap().durable_seq, 5);
    append(&mut writer, 1, 1, 900);
    let rolled = oldest_head(&disk).unwrap();
    assert_eq!((rolled.segment_first, rolled.durable_seq, rolled.durable_offset), (6, 6, 128));
    writer.close().unwrap();
    let closed = oldest_head(&disk).unwrap();
    assert_eq!(
        (closed.durable_seq, u64::from(closed.durable_offset)),
        (7, 128 + 32 + 24 + 900 + 4)
    );
}

/// What is written again is what was checked: bytes that changed since are an error.
#[test]
fn a_page_that_changed_is_not_written_again() {
    let mut files = whole_log(&[(1, 1, 700), (2, 0, 700)]);
    let path = PathBuf::from(DIR).join("segments/00000000000000000000.seg");
    let bytes = files[&path].clone();
    let header = segment::SegmentHeader::decode(bytes.first_chunk().unwrap()).unwrap();
    let rewrite = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        let disk = SimDisk::of_files(files);
        let file = disk.open(&path, Access::Write).unwrap();
        super::super::open::rewrite(&*file, &path, &header, None, bytes.len() as u64)
    };
    assert_eq!(rewrite(&files).unwrap(), bytes.len() as u64);
    for at in [60, 140, 900, bytes.len() - 1] {
        files.get_mut(&path).unwrap()[at] ^= 4;
        assert!(matches!(rewrite(&files), Err(Error::Corrupt { .. })), "byte {at}");
        files.get_mut(&path).unwrap()[at] ^= 4;
    }
}
