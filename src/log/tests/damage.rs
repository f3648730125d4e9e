//! Every bit, every cut and every sector of a log of three segments: reported or, behind the
//! end, without consequence; never an event that was not appended, and nothing changed by it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

type Files = BTreeMap<PathBuf, Vec<u8>>;
type Batches = Vec<(u64, u32, Vec<u8>)>;

const DIR: &str = "/log";

/// What is read of a log, if nothing is found to be wrong.
fn read(files: &Files) -> Result<Batches, Error> {
    let disk = SimDisk::of_files(files);
    let read = View::open(&env(Arc::new(disk.clone()), 7), Path::new(DIR), readers(), 0)
        .and_then(|view| batches(&view, 0));
    assert_eq!(&disk.files(), files, "a reader changed something");
    read
}

fn problems(files: &Files) -> usize {
    let disk = SimDisk::of_files(files);
    let env = env(Arc::new(disk.clone()), 7);
    let found = match verify(&env, Path::new(DIR), &readers(), 0, &mut |_| Ok(())) {
        Ok(report) => report.problems.len(),
        Err(_) => 1,
    };
    assert_eq!(&disk.files(), files, "verify changed something");
    found
}

/// Opens for append; what is refused stays as it is.
fn opens_for_append(files: &Files) -> bool {
    let disk = SimDisk::of_files(files);
    let opened = Writer::open(
        &env(Arc::new(disk.clone()), 7),
        Path::new(DIR),
        &settings(1024),
        readers(),
        0,
    );
    if opened.is_err() {
        assert_eq!(&disk.files(), files, "refused, yet changed");
    }
    opened.is_ok()
}

/// Three segments, three batches in each of the sealed ones; closed, or left as a killed process
/// leaves them.
fn log(closed: bool) -> (Files, Batches) {
    let disk = SimDisk::default();
    let env = env(Arc::new(disk.clone()), 3);
    let (mut writer, _) =
        Writer::open(&env, Path::new(DIR), &settings(1024), readers(), 0).unwrap();
    for (events, filler) in
        [(3, 200), (1, 300), (2, 70), (1, 250), (4, 10), (2, 333), (2, 100), (1, 200)]
    {
        append(&mut writer, events, 1, filler);
        writer.sync().unwrap();
    }
    if closed {
        writer.close().unwrap();
    }
    let files = disk.kill().files();
    let segments = files.keys().filter(|path| path.to_string_lossy().ends_with(".seg")).count();
    assert_eq!(segments, 3);
    let batches = read(&files).unwrap();
    assert_eq!(batches.len(), 8);
    (files, batches)
}

fn is_head(path: &Path) -> bool {
    path.ends_with("head")
}

fn segments(files: &Files) -> Vec<PathBuf> {
    files.keys().filter(|path| !is_head(path)).cloned().collect()
}

#[test]
fn every_bit_of_a_closed_log_is_covered() {
    let (files, whole) = log(true);
    let mut flips = 0;
    for head in [true, false] {
        let mut files = files.clone();
        if !head {
            files.retain(|path, _| !is_head(path));
        }
        let paths: Vec<_> = files.keys().cloned().collect();
        for path in paths {
            for at in 0..files[&path].len() {
                for bit in 0..8 {
                    let mut flipped = files.clone();
                    flipped.get_mut(&path).unwrap()[at] ^= 1 << bit;
                    let hint =
                        format!("bit {bit} of byte {at} of {}, head: {head}", path.display());
                    flips += 1;
                    assert!(problems(&flipped) > 0, "{hint}: verify");
                    if is_head(&path) {
                        assert_eq!(read(&flipped).unwrap(), whole, "{hint}: read");
                        assert!(opens_for_append(&flipped), "{hint}: append");
                    } else {
                        assert!(read(&flipped).is_err(), "{hint}: read");
                        opens_for_append(&flipped);
                    }
                }
            }
        }
    }
    println!("{flips} flips");
}

/// Behind the end of a log that was not closed a flip may read as a torn frame, and as nothing
/// else; the events are all there, or the log is refused.
#[test]
fn a_bit_in_reserved_space_takes_no_event() {
    let (files, whole) = log(false);
    let last = segments(&files).pop().unwrap();
    let end = files[&last].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for at in end..files[&last].len() {
        let mut flipped = files.clone();
        flipped.get_mut(&last).unwrap()[at] ^= 0x10;
        if let Ok(found) = read(&flipped) {
            assert_eq!(found, whole, "byte {at}");
        }
        opens_for_append(&flipped);
    }
}

#[test]
fn every_cut_is_found_or_torn() {
    let (files, whole) = log(true);
    let paths = segments(&files);
    let mut cuts = 0;
    for (row, path) in paths.iter().enumerate() {
        for size in 0..files[path].len() {
            let mut cut = files.clone();
            cut.get_mut(path).unwrap().truncate(size);
            let hint = format!("{} cut to {size}", path.display());
            cuts += 1;
            // Head knows.
            assert!(read(&cut).is_err(), "{hint}");
            assert!(problems(&cut) > 0, "{hint}");
            assert!(!opens_for_append(&cut), "{hint}");
            // Without it only the last segment may end early.
            cut.retain(|path, _| !is_head(path));
            if row + 1 < paths.len() {
                assert!(
                    read(&cut).is_err() && problems(&cut) > 0 && !opens_for_append(&cut),
                    "{hint}"
                );
            } else {
                let found = read(&cut).unwrap_or_else(|error| panic!("{hint}: {error}"));
                assert_eq!(found, whole[..found.len()], "{hint}");
                assert!(opens_for_append(&cut), "{hint}");
                assert_eq!(problems(&cut), 0, "{hint}");
            }
        }
    }
    println!("{cuts} cuts");
}

/// Sectors zeroed, filled, doubled, swapped; bytes put in and taken out.
#[test]
fn every_sector_and_shift_is_found() {
    let (files, _) = log(true);
    for path in segments(&files) {
        let bytes = &files[&path];
        let sectors = bytes.len().div_ceil(512);
        let mut variants: Vec<(String, Vec<u8>)> = Vec::new();
        for sector in 0..sectors {
            let range = sector * 512..(sector * 512 + 512).min(bytes.len());
            for fill in [0, 0x55, 0xFF] {
                let mut edited = bytes.clone();
                edited[range.clone()].fill(fill);
                variants.push((format!("sector {sector} filled with {fill}"), edited));
            }
            for other in (0..sectors).filter(|other| *other != sector) {
                let mut edited = bytes.clone();
                let from = bytes[other * 512..(other * 512 + 512).min(bytes.len())].to_vec();
                let length = from.len().min(range.len());
                edited[range.start..range.start + length].copy_from_slice(&from[..length]);
                variants.push((format!("sector {other} also at {sector}"), edited));
            }
            let mut doubled = bytes.clone();
            doubled.splice(range.start..range.start, bytes[range.clone()].to_vec());
            variants.push((format!("sector {sector} doubled"), doubled));
            let mut removed = bytes.clone();
            removed.drain(range);
            variants.push((format!("sector {sector} taken out"), removed));
        }
        for at in 0..bytes.len() {
            let mut longer = bytes.clone();
            longer.insert(at, 0);
            variants.push((format!("a zero put in at {at}"), longer));
        }
        for (what, edited) in variants {
            if edited == *bytes {
                continue;
            }
            let mut damaged = files.clone();
            damaged.insert(path.clone(), edited);
            let hint = format!("{}: {what}", path.display());
            assert!(read(&damaged).is_err(), "{hint}");
            assert!(problems(&damaged) > 0, "{hint}");
            opens_for_append(&damaged);
        }
    }
}

/// Without head the frames themselves tell that an earlier one was synced: a sector that turns to
/// zeros there is not taken for one that was never written.
#[test]
fn a_lost_sector_before_a_later_sync_is_damage_without_head() {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&env(Arc::new(disk.clone()), 1), Path::new(DIR), 1 << 20).unwrap();
    for filler in [1500, 1500, 200] {
        append(&mut writer, 2, 1, filler);
        writer.sync().unwrap();
    }
    writer.close().unwrap();
    let mut files = disk.files();
    files.retain(|path, _| !is_head(path));
    let path = segments(&files).remove(0);
    for (sector, is_last) in [(1, false), (2, false), (4, false), (5, false), (6, true)] {
        let mut lost = files.clone();
        let bytes = lost.get_mut(&path).unwrap();
        let end = bytes.len().min(sector * 512 + 512);
        bytes[sector * 512..end].fill(0);
        let hint = format!("sector {sector}");
        assert_eq!(read(&lost).is_ok(), is_last, "{hint}: read");
        assert_eq!(opens_for_append(&lost), is_last, "{hint}: append");
        assert_eq!(problems(&lost) == 0, is_last, "{hint}: verify");
    }
}

/// Damage in several segments is all listed, with the events that it touches.
#[test]
fn verify_goes_on_behind_damage() {
    let (mut files, _) = log(true);
    let paths = segments(&files);
    let second_batch = 128 + 32 + 24 + 200;
    for path in &paths[..2] {
        files.get_mut(path).unwrap()[second_batch as usize + 60] ^= 1;
    }
    let disk = SimDisk::of_files(&files);
    let env = env(Arc::new(disk), 7);
    let report = verify(&env, Path::new(DIR), &readers(), 0, &mut |_| Ok(())).unwrap();
    let found: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.path.clone(), problem.events.clone()))
        .collect();
    assert_eq!(report.segments, 3);
    assert_eq!(found.len(), 2, "{:?}", report.problems);
    assert_eq!(found[0], (paths[0].clone(), Some(3..4)));
    assert_eq!(found[1].0, paths[1]);
    assert_eq!(report.batches, 6);
    // Batches that the caller finds wrong are listed like any other.
    let (files, _) = log(true);
    let env = super::env(Arc::new(SimDisk::of_files(&files)), 7);
    let mut odd = |frame: &Frame<'_>| match frame.events {
        4 => Err(Fault::Corrupt("four")),
        _ => Ok(()),
    };
    let report = verify(&env, Path::new(DIR), &readers(), 0, &mut odd).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].reason, "four");
}
