//! What the writer asks of the disk, and where segments end.

use super::super::recovery::check_offset;
use super::faults::oldest_head;
use super::table::{DIR, open_for_append, segment};
use super::*;

fn world(disk: &SimDisk) -> Env {
    env(Arc::new(disk.clone()), 7)
}

/// Small batches go to the system together, and what is synced is not synced again.
#[test]
fn a_writer_asks_the_disk_for_no_more_than_it_needs() {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&world(&disk), Path::new(DIR), 64 << 20).unwrap();
    let opened = disk.changes();
    for _ in 0..100 {
        append(&mut writer, 1, 0, 40);
    }
    assert_eq!(disk.changes(), opened, "batches were not gathered");
    writer.sync().unwrap();
    let synced = disk.changes();
    assert!(synced > opened);
    writer.sync().unwrap();
    assert_eq!(disk.changes(), synced, "synced again");
    // A log that was closed has nothing to cut: head alone is written, twice, and synced.
    writer.close().unwrap();
    let closed = disk.copy();
    open_for_append(&closed, 0).unwrap().0.close().unwrap();
    assert_eq!(closed.changes(), 3, "more than head was touched");
}

/// More than is gathered goes out by itself.
#[test]
fn large_batches_are_handed_over_unasked() {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&world(&disk), Path::new(DIR), 64 << 20).unwrap();
    let opened = disk.changes();
    for _ in 0..5 {
        append(&mut writer, 1, 0, 60_000);
    }
    assert!(disk.changes() > opened, "nothing was handed over");
}

/// As much again as there is, from 64 KiB to 4 MiB, and never beyond the segment's end.
#[test]
fn space_is_reserved_in_growing_steps() {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&world(&disk), Path::new(DIR), 12 << 20).unwrap();
    let mut sizes = Vec::new();
    while writer.end.offset < 11 << 20 {
        append(&mut writer, 1, 0, 60_000);
        writer.sync().unwrap();
        let size = disk.files()[&segment(0)].len() as u64;
        if sizes.last() != Some(&size) {
            sizes.push(size);
        }
    }
    let first = 128 + (64 << 10);
    let doubled = (0..7).map(|step| first << step);
    // 8 MiB and a little are not doubled any more.
    let expected: Vec<u64> = doubled.chain([(first << 6) + (4 << 20), 12 << 20]).collect();
    assert_eq!(sizes, expected);
}

/// A batch that just fits stays in its segment, and the next one does not.
#[test]
fn a_segment_is_filled_to_its_last_byte() {
    for (filler, sealed) in [(2792, 0), (2824, 0), (2825, 1)] {
        let disk = SimDisk::default();
        let (mut writer, _) = open(&world(&disk), Path::new(DIR), 3072).unwrap();
        append(&mut writer, 1, 0, 0);
        // At 192, with a header of 32 and 24 more bytes of body, padded to 32.
        append(&mut writer, 1, 0, filler);
        assert_eq!(writer.take_sealed().len(), sealed, "{filler}");
    }
}

/// A head that was published long ago is synced while the writer waits for something to do.
#[test]
fn an_idle_writer_syncs_its_head() {
    let disk = SimDisk::default();
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let env = Env { now_us: Arc::new(move || clock.load(Ordering::Relaxed)), ..world(&disk) };
    let (mut writer, _) = open(&env, Path::new(DIR), 3000).unwrap();
    append(&mut writer, 2, 1, 700);
    writer.sync().unwrap();
    for (later, durable) in [(999_999, 0), (1_000_000, 2)] {
        now.store(later, Ordering::Relaxed);
        writer.tend().unwrap();
        assert_eq!(oldest_head(&disk).unwrap().durable_seq, durable);
    }
}

/// Batches of marks alone do not end a segment, so there is an end to them.
#[test]
fn a_segment_takes_only_so_many_batches_of_marks() {
    let disk = SimDisk::default();
    let (mut writer, _) = open_for_append(&disk, 0).unwrap();
    let (body, after) = super::Body::new(0, 0, Vec::new()).encode(&writer.tally());
    for _ in 0..1_200_000 {
        writer.append(&body, 0, after).unwrap();
    }
    let refused = writer.append(&body, 0, after).unwrap_err().to_string();
    assert!(refused.contains("full of marks"), "{refused}");
    // An event is taken, the segment is sealed behind it, and the next one has room.
    append(&mut writer, 1, 0, 40);
    writer.append(&body, 0, after).unwrap();
    writer.close().unwrap();
    let opened = View::open(&world(&disk), Path::new(DIR), readers(), 0).unwrap();
    assert_eq!((opened.end(), opened.sealed_segments()[0].frames), (1, 1_200_001));
}

/// Sequences and offsets of frames have 32 bits. No test makes segments that long: their ends are
/// put there.
#[test]
fn a_segment_ends_before_its_numbers_do() {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&world(&disk), Path::new(DIR), 4000 << 20).unwrap();
    writer.end.seq = u64::from(u32::MAX) - 5;
    assert!(!writer.is_full(64, 5));
    assert!(writer.is_full(64, 6));
    let (mut writer, _) = open(&world(&SimDisk::default()), Path::new(DIR), 4000 << 20).unwrap();
    append(&mut writer, 7, 0, 0);
    writer.sync().unwrap();
    append(&mut writer, 1, 0, 2000 << 10);
    assert!(!writer.is_full((4000 << 20) - writer.end.offset, 1));
    assert!(writer.is_full((4000 << 20) - writer.end.offset + 1, 1));
    let (mut writer, _) = open(&world(&SimDisk::default()), Path::new(DIR), 3000).unwrap();
    let (body, after) = super::Body::new(0, 0, Vec::new()).encode(&writer.tally());
    writer.end.offset = FRAMES_END_MAX - 64;
    writer.append(&body, 0, after).unwrap();
    assert_eq!(writer.end.offset, FRAMES_END_MAX);
    assert!(writer.append(&body, 0, after).unwrap_err().to_string().contains("full"));
    check_offset(&segment(0), FRAMES_END_MAX).unwrap();
    assert!(check_offset(&segment(0), FRAMES_END_MAX + 1).is_err());
}

/// A segment that is not the first one fills up by its own sequences.
#[test]
fn later_segments_count_from_their_own_first_event() {
    let (mut writer, _) = open(&world(&SimDisk::default()), Path::new(DIR), 3000).unwrap();
    append(&mut writer, 9, 0, 2000);
    append(&mut writer, 1, 0, 2000);
    let first = writer.take_sealed()[0].end_seq;
    assert_eq!(first, 9);
    writer.end.seq = first + u64::from(u32::MAX);
    assert!(!writer.is_full(64, 0));
    assert!(writer.is_full(64, 1));
}
