//! Repair under every kind of damage, and cut short anywhere: what is kept is an exact prefix, what
//! is salvaged was appended, what is missing is what the plan said.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::log::SimDisk;
use crate::store::repair::{apply, plan};

const DIR: &str = "/log";
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Three segments whose events refer to each other across them, closed; and all their events.
pub(super) fn log() -> (Files, Vec<String>) {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap();
    for n in 0..9 {
        let mut call = vec![
            customer(n),
            visit(n, n),
            visit(n + 10, n / 2),
            order("NEW", n, n, 100 * n + 7, 1),
            order("UPDATE", n / 2, n, 50 + n, n),
        ];
        if n == 3 {
            call.push(r#"{"type":"CUSTOMER","verb":"UPDATE","key":"c2","event_time":"2017-05-05T00:00:00Z","adr_city":"Y"}"#.to_owned());
        }
        append(&mut store, &call).unwrap();
    }
    let all = export(&store).unwrap();
    store.close().unwrap();
    let files = disk.files();
    assert_eq!(files.keys().filter(|path| is_segment(path)).count(), 3);
    assert!(files.keys().any(|path| path.extension().is_some_and(|end| end == "keys")));
    (files, all)
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "seg")
}

pub(super) fn world(disk: &SimDisk) -> Env {
    env(Arc::new(disk.clone()), 4)
}

fn verified(disk: &SimDisk) -> Vec<Problem> {
    crate::store::check::verify(&world(disk), Path::new(DIR), true).unwrap().problems
}

fn sequences(ranges: &[std::ops::Range<u64>]) -> BTreeSet<u64> {
    ranges.iter().cloned().flatten().collect()
}

/// Plans, applies, and holds the outcome against what was appended. Whether there was need to.
fn mend(files: &Files, all: &[String], hint: &str) -> bool {
    let disk = SimDisk::of_files(files);
    let dir = Path::new(DIR);
    let planned = plan(&world(&disk), dir).unwrap_or_else(|error| panic!("{hint}: {error}"));
    assert_eq!(&disk.files(), files, "{hint}: the plan changed something");
    assert_eq!(planned.is_needed(), !planned.problems.is_empty(), "{hint}: {planned:?}");
    if !planned.is_needed() {
        return false;
    }
    let wrong = format!("{}0", &planned.hash[1..]);
    assert!(matches!(apply(&world(&disk), dir, &wrong), Err(Error::Options { .. })), "{hint}");
    assert_eq!(&disk.files(), files, "{hint}: refused, yet changed");
    let done = apply(&world(&disk), dir, &planned.hash);
    let done = done.unwrap_or_else(|error| panic!("{hint}: {error}"));
    assert_eq!(done, planned, "{hint}");
    assert_eq!(verified(&disk), [], "{hint}: {planned:?}");
    for change in planned.changes.iter().filter(|change| change.kind != ChangeKind::Create) {
        let from = match change.kind {
            ChangeKind::Cut { offset } => offset as usize,
            _ => 0,
        };
        assert_eq!(disk.files()[&change.kept], files[&change.path][from..], "{hint}: quarantine");
    }
    after_repair(&disk, &planned, all, hint);
    true
}

/// What is kept, salvaged and lost is what the plan said; and the salvaged events come back.
fn after_repair(disk: &SimDisk, planned: &Repair, all: &[String], hint: &str) {
    let saved = sequences(&planned.salvaged);
    let mut lost = BTreeSet::new();
    for range in &planned.lost {
        lost.extend(range.first..range.end.unwrap_or(all.len() as u64).max(range.first));
    }
    let kept: BTreeSet<u64> = (0..planned.kept_end).collect();
    let told: BTreeSet<u64> = kept.union(&saved).chain(&lost).copied().collect();
    assert_eq!(told, (0..all.len() as u64).collect(), "{hint}: {planned:?}");
    assert_eq!(kept.len() + saved.len() + lost.len(), all.len(), "{hint}: {planned:?}");
    let text = planned.salvage.as_ref().map_or(Vec::new(), |path| disk.files()[path].clone());
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let expected: Vec<String> = saved.iter().map(|seq| all[*seq as usize].clone()).collect();
    assert_eq!(lines, expected, "{hint}");
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 8, 1 << 10).unwrap();
    if store.exists() {
        assert_eq!(export(&store).unwrap(), all[..planned.kept_end as usize], "{hint}");
    } else {
        assert_eq!((kept.len(), saved.len()), (0, 0), "{hint}");
    }
    let receipt = append(&mut store, &lines).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected()), (lines.len() as u64, 0), "{hint}");
    store.close().unwrap();
    assert_eq!(verified(disk), [], "{hint}: after appending");
}

/// How much of every kind a run plays: all of it in a campaign.
fn stride() -> usize {
    match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("campaign") => 1,
        Ok("ci") => 3,
        _ => 13,
    }
}

#[test]
fn a_sound_log_and_one_that_was_killed_need_no_repair() {
    let (files, all) = log();
    assert!(!mend(&files, &all, "sound"));
    let disk = SimDisk::of_files(&files);
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 3, 1 << 10).unwrap();
    append(&mut store, &[visit(70, 1)]).unwrap();
    // While a writer lives nothing is planned.
    let planned = plan(&world(&disk), Path::new(DIR));
    assert!(matches!(planned, Err(Error::Locked { .. })), "{planned:?}");
    let killed = disk.kill();
    assert!(!plan(&world(&killed), Path::new(DIR)).unwrap().is_needed());
    let planned = plan(&world(&SimDisk::default()), Path::new(DIR));
    assert!(matches!(planned, Err(Error::Missing { .. })), "{planned:?}");
}

#[test]
fn every_damage_is_repaired_as_planned() {
    let (whole, all) = log();
    let mut repaired = [0; 2];
    for head in [true, false] {
        let mut files = whole.clone();
        files.retain(|path, _| head || !path.ends_with("head"));
        for path in files.keys() {
            let bytes = &files[path];
            let mut variants: Vec<(String, Option<Vec<u8>>)> = vec![("deleted".into(), None)];
            for at in (0..bytes.len()).step_by(stride()) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                variants.push((format!("byte {at} flipped"), Some(flipped)));
                let mut changed = bytes.clone();
                changed[at] ^= 0x5A;
                variants.push((format!("byte {at} changed"), Some(changed)));
                let cut = bytes[..at].to_vec();
                variants.push((format!("cut at {at}"), Some(cut)));
            }
            for start in (0..bytes.len()).step_by(512) {
                let mut zeroed = bytes.clone();
                zeroed[start..(start + 512).min(bytes.len())].fill(0);
                variants.push((format!("sector at {start} zeroed"), Some(zeroed)));
            }
            variants.push(("longer".into(), Some([&bytes[..], &[0; 700][..], &[7]].concat())));
            variants.push(("zeros behind".into(), Some([&bytes[..], &[0; 700][..]].concat())));
            for (what, bytes) in variants {
                let hint = format!("{}, head {head}: {what}", path.display());
                let mut bad = files.clone();
                match bytes {
                    Some(bytes) => bad.insert(path.clone(), bytes),
                    None => bad.remove(path),
                };
                // Without head the last segment's end is what its bytes say.
                let end = ends_early(&bad, all.len());
                let all = end.map_or(&all[..], |end| &all[..end]);
                repaired[usize::from(mend(&bad, all, &hint))] += 1;
            }
        }
    }
    println!("repair: {} damages mended, {} that were none", repaired[1], repaired[0]);
    assert!(repaired[1] > 100);
}

/// Where a log legally ends that merely looks shorter than it was.
fn ends_early(files: &Files, events: usize) -> Option<usize> {
    let disk = SimDisk::of_files(files);
    let sound = verified(&disk).is_empty();
    let store = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).ok().filter(|_| sound)?;
    store.end().ok().map(|end| end as usize).filter(|end| *end < events)
}
