//! Repair that is cut short: by power at every change of the disk, and by every call failing. What
//! is left is damaged as before or whole, never silently shorter; and a new plan finishes it.

use super::repair::{Files, log, world};
use super::*;
use crate::log::{SimDisk, SimFault};
use crate::store::repair::{apply, plan};

const DIR: &str = "/log";

/// Whether this is the short run inside every `cargo test`.
fn quick() -> bool {
    !std::env::var("LTVLOG_TIER").is_ok_and(|tier| tier == "ci" || tier == "campaign")
}

/// Damages of different kinds, each with and without head.
fn damages() -> Vec<(String, Files)> {
    let (whole, _) = log();
    let segments: Vec<PathBuf> = whole
        .keys()
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .cloned()
        .collect();
    let mut found = Vec::new();
    for head in [true, false] {
        let mut files = whole.clone();
        files.retain(|path, _| head || !path.ends_with("head"));
        for (row, path) in segments.iter().enumerate() {
            for at in if quick() { vec![30, 300] } else { vec![30, 140, 300] } {
                let mut bad = files.clone();
                bad.get_mut(path).unwrap()[at] ^= 4;
                found.push((format!("segment {row}, byte {at}, head {head}"), bad));
            }
            let mut bad = files.clone();
            bad.remove(path);
            if head || row < 2 {
                found.push((format!("segment {row} missing, head {head}"), bad));
            }
        }
    }
    found
}

/// After a repair that was cut short: damaged still, or as long as planned. Then a new plan.
/// Whether there was need of one.
pub(super) fn finish(
    disk: &SimDisk,
    before: &Files,
    planned: &Repair,
    salvage: &[u8],
    hint: &str,
) -> bool {
    let dir = Path::new(DIR);
    let again = plan(&world(disk), dir).unwrap_or_else(|error| panic!("{hint}: {error}"));
    assert_eq!(again.kept_end, planned.kept_end, "{hint}");
    let files = disk.files();
    let saved = planned.salvage.as_ref().and_then(|path| files.get(path));
    let changed = before.iter().any(|(path, bytes)| files.get(path) != Some(bytes));
    if changed && planned.salvage.is_some() {
        assert!(saved.is_some_and(|saved| saved == salvage), "{hint}: changed, but not saved");
        let told = planned.salvage.as_ref().is_some_and(|path| again.earlier.contains(path));
        assert!(told, "{hint}: {again:?}");
    }
    for change in planned.changes.iter().filter(|change| change.kind != ChangeKind::Create) {
        let (bytes, from) = match change.kind {
            ChangeKind::Cut { offset } => (&before[&change.path], offset as usize),
            _ => (&before[&change.path], 0),
        };
        let in_place = files.get(&change.path) == Some(bytes);
        let kept = files.get(&change.kept).map(Vec::as_slice) == Some(&bytes[from..]);
        assert!(in_place || kept, "{hint}: {} is nowhere", change.path.display());
    }
    if again.is_needed() {
        let done = apply(&world(disk), dir, &again.hash);
        done.unwrap_or_else(|error| panic!("{hint}: again: {error}"));
    }
    let problems = crate::store::check::verify(&world(disk), dir, true).unwrap().problems;
    assert_eq!(problems, [], "{hint}");
    let store = open(Arc::new(disk.clone()), dir, 2, 1 << 10).unwrap();
    assert_eq!(store.end().unwrap(), planned.kept_end, "{hint}");
    again.is_needed()
}

/// A log that opens although it is not as long as before must be as long as planned.
fn never_silently_shorter(disk: &SimDisk, before: &Files, planned: &Repair, hint: &str) {
    let opened = open(Arc::new(disk.copy()), Path::new(DIR), 2, 1 << 10);
    let end = opened.and_then(|mut store| append(&mut store, &[customer(900)]));
    if let Ok(receipt) = end {
        let untouched = before.iter().all(|(path, bytes)| disk.files().get(path) == Some(bytes));
        assert!(untouched || receipt.end == planned.kept_end + 1, "{hint}: {}", receipt.end);
    }
}

fn sweep(mut play: impl FnMut(&Files, &Repair, &[u8], u64, &str) -> bool) {
    for (what, files) in damages() {
        let disk = SimDisk::of_files(&files);
        let planned = plan(&world(&disk), Path::new(DIR)).unwrap();
        assert!(planned.is_needed(), "{what}");
        apply(&world(&disk), Path::new(DIR), &planned.hash).unwrap();
        let salvage =
            planned.salvage.as_ref().map_or(Vec::new(), |path| disk.files()[path].clone());
        let mut at = 0;
        while play(&files, &planned, &salvage, at, &format!("{what}, change {at}")) {
            at += 1;
        }
        assert!(at > 3, "{what}");
    }
}

#[test]
fn a_repair_cut_by_power_anywhere_is_damaged_still_or_done() {
    let rounds = match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("campaign") => 40,
        Ok("ci") => 8,
        _ => 3,
    };
    let mut states = 0;
    sweep(|files, planned, salvage, at, hint| {
        let disk = SimDisk::of_files(files);
        disk.fail(at, SimFault::PowerOff, true);
        let whole = apply(&world(&disk), Path::new(DIR), &planned.hash).is_ok();
        for round in 0..rounds {
            let mut random = at * 1_000 + round + 1;
            let mut pick = |count: usize| match round {
                0 => 0,
                1 => count - 1,
                _ => {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    usize::try_from(random >> 33).unwrap() % count
                }
            };
            let after = disk.crash(&mut pick, false);
            let hint = format!("{hint}, round {round}");
            never_silently_shorter(&after, files, planned, &hint);
            let again = finish(&after, files, planned, salvage, &hint);
            assert!(!(whole && again), "{hint}: applied, and yet to be repaired");
            states += 1;
        }
        !whole
    });
    println!("repair: {states} power cuts");
}

#[test]
fn a_repair_whose_calls_fail_says_so_and_a_new_plan_goes_on() {
    let (mut played, mut failed) = (0, 0);
    sweep(|files, planned, salvage, at, hint| {
        let mut reached = false;
        let all = [SimFault::Error(28), SimFault::SyncLost, SimFault::Error(5), SimFault::Short];
        for fault in all.into_iter().take(if quick() { 2 } else { 4 }) {
            let disk = SimDisk::of_files(files);
            disk.fail(at, fault, false);
            let done = apply(&world(&disk), Path::new(DIR), &planned.hash);
            reached |= disk.changes() > at;
            let applied = done.is_ok();
            failed += u64::from(!applied);
            let hint = format!("{hint}, {fault:?}, {:?}", done.map(|done| done.later));
            let after = disk.kill();
            after.evict();
            never_silently_shorter(&after, files, planned, &hint);
            let again = finish(&after, files, planned, salvage, &hint);
            assert!(!(applied && again), "{hint}: applied, and yet to be repaired");
            played += 1;
        }
        reached
    });
    println!("repair: {played} failing calls, of which {failed} ended it");
    assert!(failed > 100);
}

#[test]
fn a_repair_without_room_changes_nothing_and_leaves_nothing_half_written() {
    let (what, files) = damages().swap_remove(1);
    let dir = Path::new(DIR);
    let used: usize = files.values().map(Vec::len).sum();
    let (mut room, mut refused) = (used, 0);
    loop {
        let disk = SimDisk::of_files(&files);
        let planned = plan(&world(&disk), dir).unwrap();
        disk.limit(Some(room as u64));
        match apply(&world(&disk), dir, &planned.hash) {
            Ok(done) => {
                assert!(refused > 10, "{what}");
                assert!(done.later.is_none_or(|reason| reason.contains("(os error 28)")));
                break;
            }
            Err(Error::Io { .. }) => {}
            Err(error) => panic!("{what}, room {room}: {error}"),
        }
        let after = disk.files();
        for (path, bytes) in &files {
            assert_eq!(after.get(path), Some(bytes), "{what}, room {room}");
        }
        let tmp = after.keys().find(|path| path.extension().is_some_and(|end| end == "tmp"));
        assert_eq!(tmp, None, "{what}, room {room}");
        (room, refused) = (room + 32, refused + 1);
    }
    println!("repair: {refused} sizes of a disk without room");
}

#[test]
fn a_repair_is_done_though_head_and_keys_cannot_be_made() {
    let (what, files) = damages().swap_remove(0);
    let disk = SimDisk::of_files(&files);
    let dir = Path::new(DIR);
    let planned = plan(&world(&disk), dir).unwrap();
    apply(&world(&disk), dir, &planned.hash).unwrap();
    let mut later = 0;
    for at in 0..disk.changes() {
        let disk = SimDisk::of_files(&files);
        disk.fail(at, SimFault::Error(28), true);
        let Ok(done) = apply(&world(&disk), dir, &planned.hash) else { continue };
        assert!(done.later.is_some(), "{what}, {at}");
        let after = disk.kill();
        assert!(!plan(&world(&after), dir).unwrap().is_needed(), "{what}, {at}");
        later += 1;
    }
    assert!(later > 3, "{later}");
}
