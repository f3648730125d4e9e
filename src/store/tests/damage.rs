//! Damage under the whole store: segments with a flipped bit or a missing end give a true prefix
//! or a named error; derived files with one are rebuilt, and every answer stays as it was.

use std::collections::BTreeMap;

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

/// A log of one segment with three batches, or of several segments.
fn log(segment_bytes_max: u64) -> SimDisk {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, segment_bytes_max).unwrap();
    for n in 0..if segment_bytes_max == 1 << 10 { 6 } else { 3 } {
        let call = [
            customer(n),
            visit(n, n),
            visit(n + 10, n),
            visit(n + 20, n),
            order("NEW", n, n, 100 * n + 7, 1),
            order("UPDATE", n, 0, 50, 2),
        ];
        assert_eq!(append(&mut store, &call).unwrap().accepted, 6);
    }
    store.close().unwrap();
    disk
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "seg")
}

fn reopen(files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(Store, Vec<String>), Error> {
    let disk = Arc::new(SimDisk::of_files(files));
    let store = open(disk, Path::new(DIR), 2, 64 << 20)?;
    let events = export(&store)?;
    Ok((store, events))
}

/// What may come of damage to a segment: an error that names it, or a prefix.
fn check(files: &BTreeMap<PathBuf, Vec<u8>>, all: &[String], context: &str) {
    match reopen(files) {
        Ok((_, events)) => assert!(all.starts_with(&events), "{context}: a wrong event"),
        Err(Error::Corrupt { reason, .. } | Error::Format { reason, .. }) => {
            assert!(!reason.is_empty(), "{context}");
        }
        Err(Error::Missing { .. }) => assert!(context.contains("cut"), "{context}"),
        Err(other) => panic!("{context}: {other:?}"),
    }
}

#[test]
fn a_segment_of_three_frames_with_any_bit_flipped_gives_no_wrong_event() {
    let files = log(64 << 20).files();
    let (_, all) = reopen(&files).unwrap();
    assert_eq!(all.len(), 18);
    let (path, bytes) = files.iter().find(|(path, _)| is_segment(path)).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bad = files.clone();
        bad.get_mut(path).unwrap()[bit / 8] ^= 1 << (bit % 8);
        check(&bad, &all, &format!("bit {bit}"));
        // A writer must notice too: the log was closed, so every byte of it is durable.
        let store = open(Arc::new(SimDisk::of_files(&bad)), Path::new(DIR), 2, 64 << 20);
        let appended = store.and_then(|mut store| append(&mut store, &[customer(99)]));
        assert!(appended.is_err() || bit / 8 < 24, "bit {bit}: appended to a damaged log");
    }
}

#[test]
fn a_log_cut_at_any_byte_gives_a_prefix_or_a_named_error() {
    for segment_bytes_max in [1 << 10, 64 << 20] {
        let files = log(segment_bytes_max).files();
        let (_, all) = reopen(&files).unwrap();
        for path in files.keys().filter(|path| is_segment(path)) {
            for length in 0..files[path].len() {
                for with_head in [true, false] {
                    let mut bad = files.clone();
                    bad.get_mut(path).unwrap().truncate(length);
                    bad.retain(|path, _| with_head || !path.ends_with("head"));
                    check(
                        &bad,
                        &all,
                        &format!("{} cut at {length}, head {with_head}", path.display()),
                    );
                }
            }
        }
    }
}

#[test]
fn damaged_derived_files_change_no_answer_and_are_reported() {
    let files = log(1 << 10).files();
    let (store, all) = reopen(&files).unwrap();
    let top = store.top(10, &Question::default()).unwrap();
    let is_sidecar = |path: &&PathBuf| path.extension().is_some_and(|end| end == "keys");
    let sidecars: Vec<&PathBuf> = files.keys().filter(is_sidecar).collect();
    assert!(!sidecars.is_empty(), "the log has a sealed segment");
    for path in sidecars {
        for bit in (0..files[path].len() * 8).step_by(3) {
            let mut bad = files.clone();
            bad.get_mut(path).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let (mut store, events) = reopen(&bad).unwrap();
            assert_eq!(
                (&events, store.top(10, &Question::default()).unwrap()),
                (&all, top.clone())
            );
            let verified = store.verify().unwrap();
            assert_eq!(verified.problems.len(), 1, "bit {bit}: {:?}", verified.problems);
            // Every event is still known to be a duplicate.
            let receipt = append(&mut store, &all).unwrap();
            assert_eq!((receipt.accepted, receipt.duplicates), (0, all.len() as u64), "bit {bit}");
        }
    }
}

#[test]
fn a_log_that_lost_all_segments_is_not_taken_for_none() {
    let whole = log(1 << 10).files();
    let kept = |path: &Path, end: &str| path.to_string_lossy().ends_with(end);
    for left in ["head", ".keys"] {
        let mut files = whole.clone();
        files.retain(|path, _| kept(path, left));
        assert!(!files.is_empty());
        let store = open(Arc::new(SimDisk::of_files(&files)), Path::new(DIR), 2, 64 << 20).unwrap();
        assert!(store.exists(), "{left}");
        assert_eq!(store.verify().unwrap().problems.len(), 1, "{left}");
        assert!(store.top(1, &Question::default()).is_err());
    }
}

/// Some damage is met only where keys are looked up: where the batch before the active segment or,
/// without sidecars, a sealed segment is read. That too comes before anything is changed.
#[test]
fn what_is_refused_when_keys_are_read_stays_as_it_is() {
    let files = log(1 << 10).files();
    let mut refusals = 0;
    for (with_head, with_keys) in [(true, true), (true, false), (false, true), (false, false)] {
        for path in files.keys().filter(|path| is_segment(path)) {
            for at in (0..files[path].len()).step_by(5) {
                let mut bad = files.clone();
                bad.get_mut(path).unwrap()[at] ^= 1;
                bad.retain(|path, _| with_head || !path.ends_with("head"));
                bad.retain(|path, _| with_keys || path.extension().is_none_or(|end| end != "keys"));
                let disk = SimDisk::of_files(&bad);
                let opened = match open(Arc::new(disk.clone()), Path::new(DIR), 2, 64 << 20) {
                    Ok(mut store) => store.call(CallOptions::default()).is_ok(),
                    Err(_) => false,
                };
                if !opened {
                    refusals += 1;
                    assert!(disk.files() == bad, "byte {at} of {}", path.display());
                }
            }
        }
    }
    println!("{refusals} refusals");
    assert!(refusals > 100);
}

#[test]
fn verify_does_not_accuse_what_stands_behind_a_missing_segment() {
    let (mut files, _) = super::repair::log();
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|end| end == "seg");
    let second = files.keys().filter(is_segment).nth(1).unwrap().clone();
    files.remove(&second);
    let disk = SimDisk::of_files(&files);
    let found = check::verify(&super::repair::world(&disk), Path::new("/log"), true).unwrap();
    let reasons: Vec<&str> = found.problems.iter().map(|one| &*one.reason).collect();
    assert!(reasons.iter().any(|reason| reason.contains("is missing before it")), "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.contains("customers before it")), "{reasons:?}");
}
