//! Damage under backups: what is damaged is never copied, and no log is made of it.

use std::collections::BTreeMap;

use sha2::Digest as _;

use super::backup::{DEST, DIR, back_up, back_up_to, fill, fill_at, restore};
use super::*;
use crate::log::{SimDisk, View};

#[test]
fn damage_in_the_log_is_never_copied() {
    let disk = SimDisk::default();
    fill(&disk, 0..4);
    let files = disk.files();
    let is_segment = |path: &&PathBuf| path.starts_with("/log/segments");
    let mut bits = 0;
    // A bit of every byte, or all of them.
    let step = if std::env::var_os("LTVLOG_TIER").is_some() { 1 } else { 9 };
    for path in files.keys().filter(is_segment) {
        for bit in (0..files[path].len() * 8).step_by(step) {
            let mut bad = files.clone();
            bad.get_mut(path).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let disk = SimDisk::of_files(&bad);
            match back_up(&disk) {
                Err(Error::Corrupt { path, reason, .. } | Error::Format { path, reason }) => {
                    assert!(path.starts_with(DIR) && !reason.is_empty(), "{path:?} {reason}");
                }
                other => panic!("{} bit {bit}: {other:?}", path.display()),
            }
            let manifest = Path::new(DEST).join("backup.json");
            assert!(!disk.files().contains_key(&manifest), "{} bit {bit}", path.display());
            bits += 1;
        }
    }
    println!("{bits} bits flipped in a log that was to be backed up");
}

/// What is damaged in a backup is found by `verify`, and no log is made of it.
fn check_damaged(files: &BTreeMap<PathBuf, Vec<u8>>, context: &str) {
    let disk = SimDisk::of_files(files);
    let restored = restore(&disk);
    assert!(restored.is_err(), "{context}: {restored:?}");
    assert!(disk.files().keys().all(|path| !path.starts_with("/new")), "{context}");
    let store = open(Arc::new(disk), Path::new(DEST), 1, 1 << 10);
    let problems = store.and_then(|store| store.verify()).map(|found| found.problems);
    assert!(problems.is_err() || problems.is_ok_and(|found| !found.is_empty()), "{context}");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let disk = SimDisk::default();
    fill(&disk, 0..3);
    back_up(&disk).unwrap();
    let mut files = disk.files();
    files.retain(|path, _| path.starts_with(DEST));
    let (mut flips, mut cuts) = (0, 0);
    for path in files.keys() {
        for at in 0..files[path].len() {
            let context = format!("{} at {at}", path.display());
            let mut bad = files.clone();
            bad.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            check_damaged(&bad, &context);
            bad.insert(path.clone(), files[path][..at].to_vec());
            check_damaged(&bad, &context);
            (flips, cuts) = (flips + 1, cuts + 1);
        }
        let mut bad = files.clone();
        bad.remove(path);
        if path.ends_with("backup.json") {
            assert!(restore(&SimDisk::of_files(&bad)).is_err());
        } else {
            check_damaged(&bad, &format!("without {}", path.display()));
        }
    }
    // Whole segments of another log, and of this one in its youth.
    let other = SimDisk::default();
    fill(&other, 10..16);
    back_up(&other).unwrap();
    fill_at(&other, "/young", 0..1);
    back_up_to(&other, "/young", "/backups/young").unwrap();
    for (path, bytes) in other.files() {
        let path = path.to_string_lossy().replace("young", "log");
        let (path, is_one) = (PathBuf::from(&path), path.contains("/backups/log/segments/"));
        if is_one && files.get(&path).is_some_and(|good| *good != bytes) {
            let mut bad = files.clone();
            bad.insert(path.clone(), bytes);
            check_damaged(&bad, &format!("another {}", path.display()));
        }
    }
    println!("{flips} bytes changed and {cuts} cuts in a backup");
}

/// Files that are each in order, and not what was backed up together.
#[test]
fn a_backup_whose_files_disagree_is_not_restored() {
    let disk = SimDisk::default();
    fill(&disk, 0..3);
    back_up(&disk).unwrap();
    let mut files = disk.files();
    files.retain(|path, _| path.starts_with(DEST));
    // A flag that readers ignore, under a header checksum that is right.
    let mut bad = files.clone();
    let segment = bad.get_mut(Path::new("/backups/log/segments/00000000000000000000.seg")).unwrap();
    segment[16] = 1;
    let crc = crc32fast::hash(&segment[..124]).to_le_bytes();
    segment[124..128].copy_from_slice(&crc);
    check_damaged(&bad, "another header");
    let refused = restore(&SimDisk::of_files(&bad)).unwrap_err().to_string();
    assert!(refused.contains("is not what was backed up"), "{refused}");
    // Another end, under a check that is right.
    let manifest = Path::new(DEST).join("backup.json");
    let text = String::from_utf8(files[&manifest].clone()).unwrap();
    let forged = text.replace("\"end\": 15", "\"end\": 14");
    let (start, _) = forged.split_once("\"check\": \"").unwrap();
    let unchecked = format!("{start}\"check\": \"\"\n}}\n");
    let check = sha2::Sha256::digest(&unchecked);
    let check: String = check.iter().map(|byte| format!("{byte:02x}")).collect();
    let forged = unchecked.replace("\"check\": \"\"", &format!("\"check\": \"{check}\""));
    files.insert(manifest, forged.into_bytes());
    let refused = restore(&SimDisk::of_files(&files)).unwrap_err().to_string();
    assert!(refused.contains("tells of another end"), "{refused}");
}

#[test]
fn a_backup_that_lost_events_is_not_mended_silently() {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    back_up(&disk).unwrap();
    let files = disk.files();
    let last = files.keys().rfind(|path| path.starts_with("/backups/log/segments")).unwrap();
    let mut bad = files.clone();
    bad.remove(last);
    let lost = back_up(&SimDisk::of_files(&bad)).unwrap_err();
    assert!(matches!(&lost, Error::Corrupt { path, .. } if path == last), "{lost}");
    bad.insert(last.clone(), files[last][..files[last].len() - 32].to_vec());
    let lost = back_up(&SimDisk::of_files(&bad)).unwrap_err();
    assert!(matches!(&lost, Error::Corrupt { path, .. } if path == last), "{lost}");
}

/// Batches under good checksums that are none, in a segment that nobody reads who opens the log.
#[test]
fn what_does_not_add_up_is_not_restored() {
    let disk = SimDisk::default();
    fill(&disk, 0..2);
    let env = env(Arc::new(disk.clone()), 3);
    let view = View::open(&env, Path::new(DIR), READERS, 0).unwrap();
    let bodies: Vec<(Vec<u8>, u32)> = view
        .frames(0)
        .map(|frame| frame.unwrap())
        .map(|frame| (frame.body.to_vec(), frame.events))
        .collect();
    let settings =
        LogSettings { segment_bytes_max: 1 << 10, ..LogSettings::new(view.meta().clone()) };
    let opened = crate::log::Writer::open(&env, Path::new("/bad"), &settings, READERS, 0).unwrap();
    let mut writer = opened.0;
    let mut put = |body: &[u8], events| {
        let before = writer.tally();
        let after = codec::tally(body, events, &before).unwrap_or(before);
        writer.append(body, events, after).unwrap();
    };
    put(&bodies[0].0, bodies[0].1);
    put(b"no batch", 1);
    put(&[7; 900], 1);
    put(&bodies[1].0, bodies[1].1);
    writer.close().unwrap();
    back_up_to(&disk, "/bad", DEST).unwrap();
    match restore(&disk).unwrap_err() {
        Error::Corrupt { path, offset, .. } => {
            assert!(path.starts_with(DEST) && offset > 128, "{} {offset}", path.display());
        }
        error => panic!("{error}"),
    }
    assert!(disk.files().keys().all(|path| !path.starts_with("/new")));
}

/// A backup has no head, and every byte that its manifest tells of was synced before that.
#[test]
fn a_backup_is_synced_as_far_as_its_manifest_says() {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    back_up(&disk).unwrap();
    let ends = |disk: &SimDisk| {
        let store = open(Arc::new(disk.clone()), Path::new(DEST), 9, 1 << 10).unwrap();
        let info = store.info().unwrap();
        (info.synced_end, info.end)
    };
    assert_eq!(ends(&disk), (30, 30));
    // Of one that was cut off nobody knows that, but for sealed segments that another one follows.
    let before = disk.files();
    fill(&disk, 6..8);
    back_up(&disk).unwrap();
    assert_eq!(ends(&disk), (40, 40));
    let manifest = Path::new(DEST).join("backup.json");
    let mut cut = disk.files();
    cut.insert(manifest.clone(), before[&manifest].clone());
    assert_eq!(ends(&SimDisk::of_files(&cut)), (35, 40));
    // A manifest that is damaged says nothing.
    let mut bad = disk.files();
    bad.get_mut(&manifest).unwrap()[40] ^= 1;
    assert_eq!(ends(&SimDisk::of_files(&bad)), (35, 40));
}
