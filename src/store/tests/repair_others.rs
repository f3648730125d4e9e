//! Repair of logs that have files of other logs, of copies that went their own way, under strange
//! names, or more than one damage: nobody's event is credited to another, and nothing goes in
//! silence.

use std::collections::BTreeSet;

use super::repair::{Files, log, mend, world};
use super::*;
use crate::log::SimDisk;
use crate::store::repair::plan;

const DIR: &str = "/log";

fn segments(files: &Files) -> Vec<(PathBuf, Vec<u8>)> {
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|end| end == "seg");
    files.keys().filter(is_segment).map(|path| (path.clone(), files[path].clone())).collect()
}

/// Goes on with a log for some calls, whose customers have these numbers.
fn go_on(files: &Files, seed: u64, first: u64) -> (Files, Vec<String>) {
    let disk = SimDisk::of_files(files);
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), seed, 1 << 10).unwrap();
    if first == 200 {
        // From here on a sequence is another event in the one and in the other.
        append(&mut store, &[visit(990, 0), visit(991, 1), visit(992, 2)]).unwrap();
    }
    for n in first..first + 9 {
        let call = [
            customer(n),
            visit(n, n),
            order("NEW", n, n, n, 1),
            visit(n + 500, n % 3),
            order("UPDATE", n, n, n + 1, 2),
        ];
        append(&mut store, &call).unwrap();
    }
    let all = export(&store).unwrap();
    store.close().unwrap();
    (disk.files(), all)
}

/// A log and a copy that went its own way, with all their events.
fn twins() -> [(Files, Vec<String>); 2] {
    let (base, _) = go_on(&Files::new(), 1, 0);
    let twins = [go_on(&base, 1_000, 100), go_on(&base, 2_000, 200)];
    assert!(twins.iter().all(|(files, _)| segments(files).len() > 4));
    twins
}

/// The plan, and its salvaged events with their sequences.
fn salvaged(files: &Files, hint: &str) -> (Repair, Vec<(u64, String)>) {
    let disk = SimDisk::of_files(files);
    let planned = plan(&world(&disk), Path::new(DIR));
    let planned = planned.unwrap_or_else(|error| panic!("{hint}: {error}"));
    crate::store::repair::apply(&world(&disk), Path::new(DIR), &planned.hash)
        .unwrap_or_else(|error| panic!("{hint}: {error}"));
    let text = planned.salvage.as_ref().map_or(Vec::new(), |path| disk.files()[path].clone());
    let text = String::from_utf8(text).unwrap();
    let sequences = planned.salvaged.iter().cloned().flatten();
    let lines = sequences.zip(text.lines().map(str::to_owned)).collect();
    (planned, lines)
}

#[test]
fn a_twins_segment_under_a_strange_name_is_named_and_not_read() {
    let [(ours, all), (theirs, _)] = twins();
    for (row, (path, bytes)) in segments(&theirs).into_iter().enumerate() {
        let hint = format!("{row}: {}", path.display());
        let mut files = ours.clone();
        let strange = Path::new(DIR).join("segments/other.seg");
        files.insert(strange.clone(), bytes);
        assert!(mend(&files, &all, &hint));
        let (planned, lines) = salvaged(&files, &hint);
        assert_eq!((lines, &*planned.lost), (vec![], &[][..]), "{hint}");
        assert_eq!(planned.kept_end, all.len() as u64, "{hint}");
        let [file] = &*planned.unread else { panic!("{hint}: {planned:?}") };
        assert!(file.path == strange && file.same_log && !file.events.is_empty(), "{hint}");
    }
}

#[test]
fn a_twins_segment_in_place_of_ours_gives_nobodys_events_to_another() {
    let [ours, theirs] = twins();
    let mut refused = 0;
    for (derived, head) in [(true, true), (true, false), (false, false)] {
        for (path, bytes) in segments(&theirs.0) {
            for broken in [None, Some(0), Some(1), Some(2)] {
                let hint = format!("{}, {derived}, {head}, {broken:?}", path.display());
                let mut files = ours.0.clone();
                files.retain(|path, _| head || !path.ends_with("head"));
                files.retain(|path, _| derived || path.extension().is_none_or(|end| end != "keys"));
                files.insert(path.clone(), bytes.clone());
                if let Some(row) = broken {
                    let path = segments(&files)[row].0.clone();
                    files.get_mut(&path).unwrap()[300] ^= 1;
                }
                if !plan(&world(&SimDisk::of_files(&files)), Path::new(DIR)).unwrap().is_needed() {
                    continue;
                }
                let (planned, lines) = salvaged(&files, &hint);
                refused += planned.unread.len();
                for (sequence, line) in &lines {
                    let at = usize::try_from(*sequence).unwrap();
                    let told = [&ours.1, &theirs.1].map(|all| all.get(at) == Some(line));
                    assert!(told[0] || told[1], "{hint}: {line}");
                }
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn without_head_the_log_is_the_one_that_most_files_are_of() {
    let (files, all) = log();
    let other = SimDisk::default();
    let mut store = open(Arc::new(other.clone()), Path::new(DIR), 77, 1 << 20).unwrap();
    append(&mut store, &(0..6).map(customer).collect::<Vec<_>>()).unwrap();
    store.close().unwrap();
    let other = segments(&other.files()).remove(0);
    let mut mixed = files.clone();
    mixed.retain(|path, _| !path.ends_with("head"));
    mixed.retain(|path, _| path.extension().is_none_or(|end| end != "keys"));
    mixed.insert(other.0.clone(), other.1.clone());
    assert!(mend(&mixed, &all, "first segment of another log"));
    let (planned, lines) = salvaged(&mixed, "first segment of another log");
    assert_eq!(planned.kept_end, 0);
    assert!(lines.len() > 10, "{planned:?}");
    let [file] = &*planned.unread else { panic!("{planned:?}") };
    assert_eq!((&file.path, file.same_log, file.events.clone()), (&other.0, false, 0..6));

    // One against one: nothing is guessed.
    let single: Files =
        [other.clone(), (Path::new(DIR).join("segments/x.seg"), segments(&files).remove(0).1)]
            .into();
    let refused = plan(&world(&SimDisk::of_files(&single)), Path::new(DIR));
    assert!(
        matches!(&refused, Err(Error::Options { reason }) if reason.contains("elsewhere")),
        "{refused:?}"
    );
}

#[test]
fn segments_under_strange_names_and_behind_gaps_are_read_as_far_as_chains_tell() {
    let (files, all) = log();
    let strange = Path::new(DIR).join("segments/strange.seg");
    for (row, (path, bytes)) in segments(&files).into_iter().enumerate() {
        let mut renamed = files.clone();
        renamed.remove(&path);
        renamed.insert(strange.clone(), bytes.clone());
        assert!(mend(&renamed, &all, "renamed"));
        let (planned, _) = salvaged(&renamed, "renamed");
        assert_eq!((&*planned.lost, &*planned.unread), (&[][..], &[][..]), "renamed {row}");

        let mut copied = files.clone();
        copied.insert(strange.clone(), bytes[..bytes.len() - 64].to_vec());
        assert!(mend(&copied, &all, "older copy"));
        let (planned, _) = salvaged(&copied, "older copy");
        assert_eq!((planned.unread.len(), planned.lost.len()), (1, 0), "copied {row}");

        if row + 1 == segments(&files).len() {
            continue;
        }
        let mut gap = files.clone();
        gap.remove(&path);
        assert!(mend(&gap, &all, "gap"));
    }
}

#[test]
fn behind_a_gap_that_nothing_bridges_only_what_stands_there_whole_is_told() {
    let [(files, all), _] = twins();
    for (path, _) in segments(&files).iter().skip(1).rev().skip(1) {
        let hint = path.display().to_string();
        let mut gap = files.clone();
        gap.remove(path);
        assert!(mend(&gap, &all, &hint));
        let (_, bridged) = salvaged(&gap, &hint);
        gap.retain(|path, _| path.extension().is_none_or(|end| end != "keys"));
        assert!(mend(&gap, &all, &hint));
        let (planned, alone) = salvaged(&gap, &hint);
        let all_bridged: BTreeSet<_> = bridged.iter().collect();
        assert!(!alone.is_empty() && alone.iter().all(|one| all_bridged.contains(one)), "{hint}");
        assert!(alone.len() < bridged.len() && !planned.lost.is_empty(), "{hint}");
    }
}

#[test]
fn two_damages_at_once_are_repaired_as_planned() {
    let (files, all) = log();
    let places: Vec<(PathBuf, usize)> = segments(&files)
        .into_iter()
        .flat_map(|(path, bytes)| {
            [20, 140, 300, bytes.len() - 40].map(|at| (path.clone(), at.min(bytes.len() - 1)))
        })
        .collect();
    let mut played = 0;
    for (row, one) in places.iter().enumerate() {
        for other in &places[row + 1..] {
            for gone in [false, true] {
                let mut bad = files.clone();
                bad.get_mut(&one.0).unwrap()[one.1] ^= 0x20;
                if gone {
                    bad.remove(&other.0);
                } else {
                    bad.get_mut(&other.0).unwrap()[other.1] ^= 0x04;
                }
                mend(&bad, &all, &format!("{one:?}, {other:?}, gone {gone}"));
                played += 1;
            }
        }
    }
    println!("repair: {played} pairs of damages");
}
