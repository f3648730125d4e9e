//! Keys that leave memory: through the filter they are found still, and what the disk refuses stays
//! in memory, within bounds.

use std::num::NonZeroUsize;

use super::super::sidecars::sidecar_path;
use super::*;
use crate::log::{SimDisk, SimFault};

const DIR: &str = "/log";

fn store(disk: &SimDisk) -> Store {
    open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap()
}

fn lines(visits: std::ops::Range<u64>) -> Vec<String> {
    std::iter::once(customer(0)).chain(visits.map(|n| visit(n, 0))).collect()
}

/// Calls of so many visits each, up to an error; how many visits were taken.
fn fill(store: &mut Store, visits: std::ops::Range<u64>) -> Result<u64, Error> {
    let mut taken = visits.start;
    while taken < visits.end {
        append(store, &lines(taken..taken + 10))?;
        taken += 10;
    }
    Ok(taken)
}

fn sidecar_of(disk: &SimDisk, number: usize) -> PathBuf {
    let files = disk.files();
    let mut segments = files.keys().filter(|path| path.extension().is_some_and(|end| end == "seg"));
    let name = segments.nth(number).unwrap().with_extension("keys");
    Path::new(DIR).join("keys").join(name.file_name().unwrap())
}

#[test]
fn keys_are_found_through_the_filter_after_they_left_memory() {
    let disk = SimDisk::default();
    let mut first = store(&disk);
    fill(&mut first, 0..200).unwrap();
    let filtered = |store: &Store| store.ingest.as_ref().unwrap().shelf.is_filtered();
    assert!(filtered(&first) && disk.files().contains_key(&sidecar_of(&disk, 3)));
    let again = append(&mut first, &lines(0..200)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 201));
    first.close().unwrap();
    // And by another process, which reads them from the files.
    let mut second = store(&disk);
    let again = append(&mut second, &lines(0..200)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 201));
    assert!(filtered(&second));
    assert_eq!(fill(&mut second, 200..300).unwrap(), 300);
    let again = append(&mut second, &lines(0..300)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 301));
}

/// While a filter is built of it, while runs are put together, and while a segment is sealed.
#[test]
fn damage_in_any_block_of_saved_keys_hides_none() {
    let store = |disk: &SimDisk| open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 15).unwrap();
    let fill = |store: &mut Store, visits: std::ops::Range<u64>| {
        for n in visits.step_by(200) {
            append(store, &lines(n..n + 200)).unwrap();
        }
    };
    let whole = SimDisk::default();
    let mut writer = store(&whole);
    fill(&mut writer, 0..4_600);
    writer.close().unwrap();
    let files = whole.files();
    let of = |kind: &str| {
        let is_kind = |path: &&PathBuf| path.extension().is_some_and(|end| end == kind);
        files.keys().filter(is_kind).cloned().collect::<Vec<_>>()
    };
    let (sidecars, runs) = (of("keys"), of("run"));
    assert!(!sidecars.is_empty() && runs.len() > 1, "{sidecars:?} {runs:?}");
    let mut damaged = 0;
    for path in sidecars.iter().chain(&runs) {
        let length = files[path].len();
        for at in (70..length).step_by(4_096).chain([length - 1]) {
            let mut bad = files.clone();
            bad.get_mut(path).unwrap()[at] ^= 1;
            let disk = SimDisk::of_files(&bad);
            let mut writer = store(&disk);
            fill(&mut writer, 10_000..12_000);
            let again = append(&mut writer, &lines(0..4_600)).unwrap();
            let context = format!("byte {at} of {}", path.display());
            assert_eq!((again.accepted, again.duplicates), (0, 4_601), "{context}");
            writer.close().unwrap();
            assert!(disk.files().keys().filter(|it| it.starts_with("/log/keys")).count() > 2);
            assert_eq!(store(&disk).verify().unwrap().problems, [], "{context} stayed damaged");
            damaged += 1;
        }
    }
    assert!(damaged > 10, "{damaged}");
}

/// One bucket is broken and every checksum holds: a filter is built before the bucket is asked, or
/// after it was made anew.
#[test]
fn no_filter_is_made_of_a_part_of_the_keys() {
    let store = |disk: &SimDisk| open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 15).unwrap();
    let whole = SimDisk::default();
    let mut writer = store(&whole);
    for n in (0..4_600).step_by(200) {
        append(&mut writer, &lines(n..n + 200)).unwrap();
    }
    writer.close().unwrap();
    let files = whole.files();
    for kind in ["keys", "run"] {
        let is_kind = |path: &&PathBuf| path.extension().is_some_and(|end| end == kind);
        let path = files.keys().filter(is_kind).max_by_key(|path| files[*path].len()).unwrap();
        for part in 3..9 {
            let mut bad = files.clone();
            break_bucket(bad.get_mut(path).unwrap(), part);
            let disk = SimDisk::of_files(&bad);
            assert_eq!(store(&disk).verify().unwrap().problems, []);
            let mut writer = store(&disk);
            let again = append(&mut writer, &lines(0..4_600)).unwrap();
            let context = format!("part {part} of {}", path.display());
            assert_eq!((again.accepted, again.duplicates), (0, 4_601), "{context}");
            assert!(writer.ingest.as_ref().unwrap().shelf.is_filtered(), "{context}");
        }
    }
}

/// Lets the bucket after so many tenths of all of them begin with the first entry, and makes the
/// checksums right.
fn break_bucket(bytes: &mut [u8], tenths: usize) {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    // A checksum for each 4,096 bytes of what follows the checksums.
    let data_at = 64 + 4 * (bytes.len() - 64).div_ceil(4_100);
    let buckets = 1_usize << word(bytes, 36);
    let bucket = data_at + buckets * tenths / 10 * 4;
    assert!(word(bytes, bucket) > 0);
    bytes[bucket..bucket + 4].fill(0);
    let block = (bucket - data_at) / 4_096;
    let from = data_at + block * 4_096;
    let to = bytes.len().min(from + 4_096);
    let crc = crc32fast::hash(&bytes[from..to]);
    bytes[64 + block * 4..][..4].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[64..data_at]);
    bytes[48..52].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
}

/// The event that begins the next segment is looked up in one block or two.
#[test]
fn a_sidecar_has_the_keys_of_a_run_that_nobody_saw_was_damaged() {
    let store = |disk: &SimDisk| open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 15).unwrap();
    let large =
        visit(9_000_000, 0).replace("[{", &format!("[{{\"large\":\"{}\",", "x".repeat(40_000)));
    let whole = SimDisk::default();
    let mut writer = store(&whole);
    append(&mut writer, &lines(0..1_400)).unwrap();
    writer.close().unwrap();
    let files = whole.files();
    let mut unseen = 0;
    for path in files.keys().filter(|path| path.extension().is_some_and(|end| end == "run")) {
        let length = files[path].len();
        for at in (200..length).step_by(4_096).chain([length - 1]) {
            let mut bad = files.clone();
            bad.get_mut(path).unwrap()[at] ^= 1;
            let disk = SimDisk::of_files(&bad);
            let mut writer = store(&disk);
            append(&mut writer, std::slice::from_ref(&large)).unwrap();
            writer.close().unwrap();
            assert!(disk.files().contains_key(&sidecar_of(&disk, 0)));
            let again = append(&mut store(&disk), &lines(0..1_400)).unwrap();
            assert_eq!((again.accepted, again.duplicates), (0, 1_401), "byte {at} of {path:?}");
            unseen += 1;
        }
    }
    assert!(unseen > 3, "{unseen}");
}

#[test]
fn what_could_not_be_written_whole_or_was_cut_by_a_kill_is_removed() {
    let half = |disk: &SimDisk| -> Vec<PathBuf> {
        let is_half = |path: &PathBuf| path.extension().is_some_and(|end| end == "tmp");
        let derived =
            |path: &PathBuf| path.starts_with("/log/keys") || path.starts_with("/log/checkpoints");
        disk.files().into_keys().filter(|path| is_half(path) && derived(path)).collect()
    };
    let learned = SimDisk::default();
    fill(&mut store(&learned), 0..100).unwrap();
    let mut seen = 0;
    for at in 0..learned.changes() {
        let disk = SimDisk::default();
        disk.fail(at, SimFault::Error(28), false);
        fill(&mut store(&disk), 0..100).ok();
        assert!(half(&disk).is_empty(), "change {at} failed: {:?}", half(&disk));

        let disk = SimDisk::default();
        disk.fail(at, SimFault::PowerOff, true);
        std::panic::catch_unwind(|| fill(&mut store(&disk), 0..100).ok()).ok();
        let disk = disk.kill();
        seen += half(&disk).len();
        append(&mut store(&disk), &lines(100..110)).unwrap();
        assert!(half(&disk).is_empty(), "killed at change {at}: {:?}", half(&disk));
    }
    assert!(seen > 10, "{seen} were left by kills");
}

#[test]
fn of_sidecars_that_the_disk_refuses_two_are_kept_and_a_third_is_an_error() {
    let learned = SimDisk::default();
    fill(&mut store(&learned), 0..300).unwrap();
    let sidecars: Vec<PathBuf> = (0..5).map(|number| sidecar_of(&learned, number)).collect();
    // What is no file, and not empty, is not replaced.
    let refusing = |count: usize| {
        let disk = SimDisk::default();
        append(&mut store(&disk), &lines(0..0)).unwrap();
        disk.make_dir(&Path::new(DIR).join("keys")).unwrap();
        for path in sidecars.iter().take(count) {
            disk.make_dir(path).unwrap();
            disk.make_dir(&path.join("sub")).unwrap();
        }
        disk
    };
    let disk = refusing(2);
    let mut writer = store(&disk);
    fill(&mut writer, 0..300).expect_err("neither is written before the third");
    drop(writer);
    // Opening needs no space, and finds everything.
    let mut writer = store(&disk);
    let end = writer.end().unwrap();
    let again = append(&mut writer, &lines(0..300)).map(|receipt| receipt.duplicates);
    // The third may be on its way for a while.
    let closed = writer.close();
    assert!(again.and(closed).is_err() && end > 20, "{end}");
    for path in sidecars.iter().take(2) {
        disk.remove_dir(&path.join("sub")).unwrap();
        disk.remove_dir(path).unwrap();
    }
    let mut writer = store(&disk);
    append(&mut writer, &lines(0..300)).unwrap();
    let again = append(&mut writer, &lines(0..300)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 301));
    writer.close().unwrap();
    assert_eq!(store(&disk).verify_deep().unwrap().problems, []);

    // One is written again as soon as it can be.
    let disk = refusing(1);
    let mut writer = store(&disk);
    for n in 0..30 {
        append(&mut writer, &lines(n * 10..n * 10 + 10)).unwrap();
        if n == 15 {
            disk.remove_dir(&sidecars[0].join("sub")).unwrap();
            disk.remove_dir(&sidecars[0]).unwrap();
        }
    }
    assert!(disk.files().contains_key(&sidecars[0]));
    let again = append(&mut writer, &lines(0..300)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 301));
}

/// Whoever goes on after an error that only key files had, goes on with all keys.
#[test]
fn a_segment_whose_sidecar_failed_is_asked_by_its_runs() {
    /// Calls of one visit each, until what was put aside fails; how many visits there are.
    fn fill(store: &mut Store) -> u64 {
        for n in 0..100 {
            append(store, &lines(n..n + 1)).unwrap();
            if store.tend().is_err() {
                return n + 1;
            }
        }
        100
    }
    let disk = SimDisk::default();
    assert_eq!(fill(&mut store(&disk)), 100);
    let refused = [0, 1].map(|number| sidecar_of(&disk, number));

    let disk = SimDisk::default();
    append(&mut store(&disk), &lines(0..0)).unwrap();
    disk.make_dir(&Path::new(DIR).join("keys")).unwrap();
    for path in &refused {
        disk.make_dir(path).unwrap();
        disk.make_dir(&path.join("sub")).unwrap();
    }
    let mut writer = store(&disk);
    let visits = fill(&mut writer);
    assert!(visits < 100, "neither is written before the third");
    for path in &refused {
        disk.remove_dir(&path.join("sub")).unwrap();
        disk.remove_dir(path).unwrap();
    }
    let again = append(&mut writer, &lines(0..visits)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, visits + 1));
    writer.close().unwrap();
    assert_eq!(store(&disk).verify_deep().unwrap().problems, []);
}

/// A segment that was sealed is asked by its runs until its sidecar is there.
#[test]
fn keys_are_found_while_their_sidecar_is_on_its_way() {
    let disk = SimDisk::default();
    let mut writer = store(&disk);
    let (mut on_its_way, mut made) = (0, 0);
    for n in 0..400 {
        assert_eq!(append(&mut writer, &lines(n..n + 1)).unwrap().accepted, 1 + u64::from(n == 0));
        let files = disk.files();
        let is_there = |first: u64| files.contains_key(&sidecar_path(Path::new(DIR), first));
        let sealed = writer.info().unwrap().segments;
        let sealed = sealed.iter().filter(|segment| segment.sealed);
        let lacking = sealed.clone().filter(|segment| !is_there(segment.first)).count();
        assert!(lacking <= 1, "{lacking} sidecars are missing after {n} calls");
        if lacking == 1 {
            // With a filter that is as old as the log, and with one that is built now.
            if n % 2 == 0 {
                writer.ingest.as_mut().unwrap().shelf.forget_filter();
            }
            // All of it in one call: nothing is looked at in between.
            let again = append(&mut writer, &lines(0..n + 1)).unwrap();
            assert_eq!((again.accepted, again.duplicates), (0, n + 2), "{n}");
            on_its_way += 1;
            // Whoever opens the log now finds a segment that lacks it.
            let killed = SimDisk::of_files(&files);
            let mut other = store(&killed);
            let again = append(&mut other, &lines(0..n + 1)).unwrap();
            assert_eq!((again.accepted, again.duplicates), (0, n + 2), "{n}");
            other.close().unwrap();
            assert_eq!(store(&killed).verify_deep().unwrap().problems, []);
        }
        made = sealed.count();
    }
    assert!(on_its_way > 3 && made > 3, "{on_its_way} of {made}");
    writer.close().unwrap();
    assert_eq!(store(&disk).verify_deep().unwrap().problems, []);
    let left =
        disk.files().into_keys().filter(|path| path.extension().is_some_and(|end| end == "run"));
    let active = store(&disk).info().unwrap().segments.last().unwrap().first;
    for run in left {
        let name = run.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name[..20].parse::<u64>().unwrap() >= active, "{name} is of no use");
    }
}

/// With threads the same, on a real disk: each key once, and all files as they are to be.
#[test]
fn sidecars_made_on_a_thread_are_those_made_without() {
    let dir = tempfile::tempdir().unwrap();
    let made = [1, 2].map(|threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let log = dir.path().join(threads.to_string());
        let options = Options {
            segment_bytes_max: 1 << 14,
            checkpoint_events_min: 5,
            threads,
            ..Options::default()
        };
        let mut writer = Store::open(&log, options).unwrap();
        let mut on_their_way = 0;
        for n in 0..600 {
            assert!(append(&mut writer, &lines(n..n + 1)).unwrap().accepted > 0);
            on_their_way += u64::from(writer.ingest.as_ref().unwrap().shelf.is_sealing());
            if n % 50 == 49 {
                let again = append(&mut writer, &lines(0..n)).unwrap();
                assert_eq!((again.accepted, again.duplicates), (0, n + 1));
            }
        }
        writer.close().unwrap();
        assert_eq!(on_their_way > 0, threads.get() > 1, "{on_their_way} calls met one");
        let store = Store::open(&log, Options::default()).unwrap();
        assert_eq!(store.verify_deep().unwrap().problems, []);
        let segments = store.info().unwrap().segments;
        let active = segments.last().unwrap().first;
        for file in std::fs::read_dir(log.join("keys")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let first: u64 = name.get(..20).and_then(|first| first.parse().ok()).expect(&name);
            assert!(name.ends_with(".keys") || first >= active, "{name} is left over");
        }
        let sealed = segments.iter().filter(|segment| segment.sealed);
        for segment in sealed.clone() {
            assert!(sidecar_path(&log, segment.first).exists(), "{}", segment.first);
        }
        sealed.count()
    });
    assert!(made[0] > 2 && made[0] == made[1], "{made:?}");
}
