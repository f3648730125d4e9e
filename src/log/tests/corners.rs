//! Refusals and answers that no crash, fault or damage of the other tests comes to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::paths::{Paths, make_dirs};
use super::table::{
    DIR, Verdict, all_say, edited, head, one_segment, open_for_append, push_forged, reader_verdict,
    reforge, report, segment, without_head, writer_verdict,
};
use super::whole::three_segments;
use super::*;

fn world(disk: &SimDisk) -> Env {
    env(Arc::new(disk.clone()), 7)
}

fn view(disk: &SimDisk) -> Result<View, Error> {
    View::open(&world(disk), Path::new(DIR), readers(), 0)
}

/// Cuts a file's name-given bytes in place, as nobody who keeps the log does.
fn truncate(disk: &SimDisk, path: &Path, size: u64) {
    disk.open(path, Access::Write).unwrap().truncate(size).unwrap();
}

#[test]
fn settings_that_no_log_can_have_are_refused() {
    let good = settings(3000);
    let meta = |change: fn(&mut LogMeta)| {
        let mut meta = good.meta.clone();
        change(&mut meta);
        LogSettings { meta, ..good.clone() }
    };
    let bad = [
        LogSettings { segment_bytes_max: 1023, ..good.clone() },
        LogSettings { segment_bytes_max: (4000 << 20) + 1, ..good.clone() },
        LogSettings { frames_max: 0, ..good.clone() },
        LogSettings { frames_max: (1 << 20) + 1, ..good.clone() },
        meta(|meta| meta.currency = *b"usd"),
        meta(|meta| meta.partition = 1),
        meta(|meta| meta.time_range_us = 5..5),
    ];
    for settings in bad {
        let disk = SimDisk::default();
        let refused = Writer::open(&world(&disk), Path::new(DIR), &settings, readers(), 0);
        assert!(matches!(refused, Err(Error::Options { .. })), "{settings:?}");
        assert_eq!(disk.changes(), 0);
    }
    for settings in [
        LogSettings { segment_bytes_max: 1024, ..good.clone() },
        LogSettings { segment_bytes_max: 4000 << 20, ..good.clone() },
        LogSettings { frames_max: 1, ..good.clone() },
        LogSettings { frames_max: 1 << 20, ..good.clone() },
    ] {
        assert!(settings.check().is_ok(), "{settings:?}");
    }
}

#[test]
fn a_network_file_system_is_refused_by_all() {
    let disk = SimDisk::of_files(&one_segment());
    disk.move_away();
    let files = disk.files();
    let refused = |error: Error| {
        assert!(error.to_string().contains("network file system"), "{error}");
    };
    refused(view(&disk).unwrap_err());
    refused(open_for_append(&disk, 0).unwrap_err());
    assert_eq!(disk.files(), files);
    // Unless the caller answers for it; the temporary directory is none.
    let home = tempfile::tempdir().unwrap();
    for disk in [OsDisk::default(), OsDisk::with_remote_allowed()] {
        Paths::of(home.path()).refuse_remote(&disk).unwrap();
    }
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    make_dirs(&SimDisk::default(), Path::new("/")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let disk = OsDisk::default();
    let file = disk.open(&home.path().join("file"), Access::Create).unwrap();
    file.allocate(1000).unwrap();
    file.allocate(10).unwrap();
    assert_eq!(file.size().unwrap(), 1000);
    assert_eq!(file.map(0).unwrap().all(), b"");
}

/// What errors are told with shows no more than where and how far.
#[test]
fn what_is_told_of_a_writer_is_short() {
    let disk = SimDisk::default();
    let (writer, _) = open_for_append(&disk, 0).unwrap();
    assert!(format!("{writer:?}").contains("synced"));
    assert!(format!("{:?}", world(&disk)).starts_with("Env"));
}

/// Head names a segment whose header is gone: no event is lost with it, but something was there.
#[test]
fn a_segment_that_head_names_is_never_made_anew() {
    let disk = SimDisk::default();
    let (writer, _) = open_for_append(&disk, 0).unwrap();
    writer.close().unwrap();
    let empty = edited(&disk.files(), &segment(0), |bytes| bytes.fill(0));
    all_say(&empty, &Verdict::Damaged(segment(0), 0));
    assert_eq!(writer_verdict(&without_head(empty), 0), Verdict::New);
}

/// A segment without a header is a creation cut short only where the next one belongs.
#[test]
fn a_segment_without_header_in_the_wrong_place_is_damage() {
    let (files, firsts) = three_segments();
    let mut files = without_head(files);
    files.remove(&segment(firsts[2]));
    for (first, verdict) in [
        (firsts[2], Verdict::End(firsts[2])),
        (firsts[2] + 1, Verdict::Damaged(segment(firsts[2] + 1), 0)),
    ] {
        let mut with = files.clone();
        with.insert(segment(first), vec![0; 128]);
        assert_eq!(writer_verdict(&with, 0), verdict, "{first}");
        assert_eq!(reader_verdict(&with), verdict, "{first}");
    }
}

/// Without head, each batch proves what was synced when it was written.
#[test]
fn a_log_without_head_knows_what_was_synced() {
    let disk = SimDisk::of_files(&without_head(one_segment()));
    // The batches of 3 and 2 events were synced before the last one, of 4, was written.
    assert_eq!(view(&disk).unwrap().synced_end(), 5);
    let disk = SimDisk::of_files(&one_segment());
    assert_eq!(view(&disk).unwrap().synced_end(), 9);
}

/// What head covers is not read to open a log, or opening would take longer with every event.
#[test]
fn a_reader_begins_where_head_says() {
    let damaged = edited(&one_segment(), &segment(0), |bytes| bytes[300] ^= 1);
    let disk = SimDisk::of_files(&damaged);
    let opened = view(&disk).unwrap();
    assert_eq!(opened.end(), 9);
    assert!(matches!(batches(&opened, 0), Err(Error::Corrupt { offset: 192, .. })));
    // Without it everything is.
    let disk = SimDisk::of_files(&without_head(damaged));
    assert!(matches!(view(&disk), Err(Error::Corrupt { offset: 192, .. })));
}

#[test]
fn beside_a_living_writer_only_its_head_is_believed() {
    let (files, _) = three_segments();
    let disk = SimDisk::of_files(&files);
    let (mut writer, _) = open_for_append(&disk, 0).unwrap();
    append(&mut writer, 1, 0, 40);
    writer.sync().unwrap();
    let good = disk.files();
    let active = good.keys().rfind(|path| path.extension().is_some_and(|end| end == "seg"));
    let active = active.unwrap().clone();
    // Shorter than what was synced.
    truncate(&disk, &active, 140);
    let told = view(&disk).unwrap_err().to_string();
    assert!(told.contains("shorter than what was synced"), "{told}");
    // Another head, and none that can be read.
    truncate(&disk, &head(), 10);
    let told = view(&disk).unwrap_err().to_string();
    assert!(told.contains("what it has synced cannot be read"), "{told}");
    let report = verify(&world(&disk), Path::new(DIR), &readers(), 0, &mut |_| Ok(())).unwrap();
    let told = |problem: &Problem| problem.reason.contains("what it has synced cannot be read");
    assert!(report.problems.iter().any(told), "{report:?}");
    drop(writer);
}

#[test]
fn a_log_that_shrinks_under_a_reader_is_damage() {
    let disk = SimDisk::of_files(&without_head(one_segment()));
    let mut opened = view(&disk).unwrap();
    assert!(!opened.refresh().unwrap());
    truncate(&disk, &segment(0), 1312);
    let told = opened.refresh().unwrap_err().to_string();
    assert!(told.contains("ended at event 9 before, now at 5"), "{told}");
}

/// Only where a batch ends does a log have a chain.
#[test]
fn a_chain_is_asked_for_between_batches() {
    let files = one_segment();
    let opened = view(&SimDisk::of_files(&files)).unwrap();
    let crc = |at| Some(crate::frame::u32_at(&files[&segment(0)], at));
    let chains = [0, 1, 3, 4, 5, 9, 10].map(|seq| opened.chain_at(seq).unwrap());
    assert_eq!(chains, [Some(0), None, crc(128), None, crc(192), crc(1312), None]);
}

/// A seal with a right checksum whose body is none.
#[test]
fn a_seal_that_cannot_be_read_is_damage() {
    let files = without_head(one_segment());
    for body in [vec![1; 20], vec![0; 200]] {
        let forged = edited(&files, &segment(0), |bytes| {
            let start = bytes.len();
            push_forged(bytes, 9, crate::frame::u32_at(bytes, 1312), 128, &body);
            reforge(bytes, start, crate::frame::KIND_SEAL, 1);
        });
        let damaged = Verdict::Damaged(segment(0), 2848);
        assert_eq!(writer_verdict(&forged, 0), damaged);
        assert_eq!(reader_verdict(&forged), damaged);
        assert!(!report(&forged).problems.is_empty());
    }
}

/// Frames to be skipped are told as that.
#[test]
fn a_frame_to_be_skipped_is_explained() {
    let files = edited(&one_segment(), &segment(0), |bytes| {
        let start = bytes.len();
        push_forged(bytes, 9, crate::frame::u32_at(bytes, 1312), 128, &[1; 20]);
        reforge(bytes, start, 200, 1);
        let start = bytes.len();
        let chain = crate::frame::u32_at(bytes, start - 64);
        push_forged(bytes, 9, chain, 128, &[1; 20]);
        reforge(bytes, start, crate::frame::KIND_BATCH, 1);
    });
    let path = PathBuf::from("a.seg");
    let mut told = String::new();
    crate::store::explain(&mut &files[&segment(0)][..], &path, false, &mut |part| {
        told.push_str(&format!("{}: {} {}\n", part.section, part.name, part.meaning));
        true
    })
    .unwrap();
    for line in [
        "frame of kind 200: kind 200 (to be skipped)",
        "batch without events, at 9: kind 1 (batch)",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

/// What was lost is told by its first and last event, or by its first alone.
#[test]
fn an_error_names_the_events_that_are_lost() {
    let told = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        open_for_append(&SimDisk::of_files(files), 0).unwrap_err().to_string()
    };
    let cut = edited(&one_segment(), &segment(0), |bytes| bytes.truncate(1312));
    assert!(told(&cut).contains("(events 5 to 8)"), "{}", told(&cut));
    let disk = SimDisk::of_files(&one_segment());
    let (mut writer, _) = open_for_append(&disk, 0).unwrap();
    append(&mut writer, 0, 0, 40);
    writer.close().unwrap();
    let cut = edited(&disk.files(), &segment(0), |bytes| bytes.truncate(2848));
    assert!(told(&cut).contains("(events from 9 on)"), "{}", told(&cut));
}

/// A seal that was written with batches that were not synced before it is looked at as they are:
/// zeros behind it are cut, and anything else is damage.
#[test]
fn what_follows_an_unproven_seal_is_looked_at() {
    let disk = SimDisk::default();
    let (mut writer, _) = open_for_append(&disk, 0).unwrap();
    for _ in 0..4 {
        append(&mut writer, 1, 0, 900);
    }
    writer.close().unwrap();
    let mut files = without_head(disk.files());
    files.retain(|path, _| *path == segment(0) || path.extension().is_none());
    let size = files[&segment(0)].len();
    let end = report(&files).events;
    assert!((2..4).contains(&end), "{end} events");
    all_say(&files, &Verdict::End(end));
    for zeros in [1, 40, 700] {
        let followed = edited(&files, &segment(0), |bytes| bytes.resize(size + zeros, 0));
        all_say(&followed, &Verdict::End(end));
        let followed = edited(&followed, &segment(0), |bytes| bytes[size + zeros - 1] = 1);
        all_say(&followed, &Verdict::Damaged(segment(0), size as u64));
    }
}
