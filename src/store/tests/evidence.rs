//! Logs that lost their end, and head with it: what derived files prove keeps readers, writers and
//! backups from taking what is left for all.

use super::backup::{DEST, DIR, back_up, exported, fill};
use super::looks::{Act, append_more, fail_looks, follow, read};
use super::repair::Files;
use super::*;
use crate::log::SimDisk;

/// A log of several segments, closed, with a backup of all of it.
fn whole() -> Files {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    back_up(&disk).unwrap();
    disk.files()
}

fn is_below(path: &Path, dir: &str) -> bool {
    path.starts_with(dir)
}

/// The log without head, and of what is derived only the files with this ending.
fn with_evidence(whole: &Files, ending: &str) -> Files {
    let mut files = whole.clone();
    files.retain(|path, _| {
        let kept = path.extension().is_some_and(|end| end == "seg" || end == ending);
        is_below(path, DIR) && kept
    });
    assert!(files.keys().any(|path| path.extension().is_some_and(|end| end == ending)));
    files
}

/// The backup, in place of the log.
fn backup_as_log(whole: &Files) -> Files {
    let below = whole.iter().filter(|(path, _)| is_below(path, DEST));
    below
        .map(|(path, bytes)| (Path::new(DIR).join(path.strip_prefix(DEST).unwrap()), bytes.clone()))
        .collect()
}

/// So many of the last segments gone, and the one before them cut behind its header or not.
fn lose(files: &Files, segments: usize, cut: bool) -> Files {
    let mut left = files.clone();
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|end| end == "seg");
    let all: Vec<&PathBuf> = files.keys().filter(is_segment).collect();
    for path in all.iter().rev().take(segments) {
        left.remove(*path);
    }
    if let (true, Some(path)) = (cut, all.iter().rev().nth(segments)) {
        left.get_mut(*path).unwrap().truncate(128);
    }
    left
}

fn back_up_elsewhere(disk: &SimDisk) -> Result<String, Error> {
    let store = open(Arc::new(disk.clone()), Path::new(DIR), 8, 1 << 10)?;
    store.backup(Path::new("/elsewhere"), &mut |_| {}).map(|backup| format!("{backup:?}"))
}

#[test]
fn what_derived_files_prove_is_missed_by_everyone() {
    let whole = whole();
    let segments = whole.keys().filter(|path| is_below(path, "/log/segments")).count();
    assert!(segments > 3, "{segments} segments");
    let sources = [
        ("a checkpoint", with_evidence(&whole, "ckpt"), 0),
        // The last segment has no sidecar yet.
        ("sidecars", with_evidence(&whole, "keys"), 1),
        ("runs", with_evidence(&whole, "run"), 0),
        ("a manifest", backup_as_log(&whole), 0),
    ];
    let acts: [(&str, Act); 4] = [
        ("read", read),
        ("follow", follow),
        ("append", append_more),
        ("backup", back_up_elsewhere),
    ];
    let mut failed = 0;
    for (source, files, unproven) in &sources {
        assert!(exported(&SimDisk::of_files(files), DIR).is_ok(), "{source}");
        for (gone, cut) in [(0, true), (1, false), (1, true), (segments, false)] {
            if gone == 0 && *unproven == 1 || (gone, cut, *unproven) == (1, false, 1) {
                continue;
            }
            let lost = lose(files, gone, cut);
            // A backup takes no events, and does not look at its segments to say so.
            let is_appended = |what: &str| *source != "a manifest" || what != "append";
            for (what, act) in acts.into_iter().filter(|(what, _)| is_appended(what)) {
                let hint =
                    format!("{what} a log that lost {gone} segments, cut {cut}, by {source}");
                let disk = SimDisk::of_files(&lost);
                let told = act(&disk).expect_err(&hint);
                assert!(matches!(told, Error::Corrupt { .. }), "{hint}: {told}");
                assert_eq!(disk.files(), lost, "{hint}: changed");
                failed += fail_looks(&disk, &hint, act, &|disk, context| {
                    assert_eq!(disk.files(), lost, "{context}: changed");
                });
            }
            let world = super::repair::world(&SimDisk::of_files(&lost));
            let found = crate::store::check::verify(&world, Path::new(DIR), false).unwrap();
            assert!(!found.problems.is_empty(), "{source}");
            // What tells the truth is not what is wrong.
            let blamed = found.problems.iter().find(|problem| problem.reason.contains("derived"));
            assert_eq!(blamed, None, "{source}, {gone} gone");
        }
    }
    println!("T10: {failed} failing looks at logs that lost their end");
}
