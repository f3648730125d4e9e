//! Packing: sealed segments of many small batches come to hold few, and nobody can tell.

use super::crash::DIR;
use super::repair::Files;
use super::*;
use crate::log::{SimDisk, SimFault};

pub(super) fn store(disk: &SimDisk) -> Store {
    open(Arc::new(disk.clone()), Path::new(DIR), 2, 4 << 10).unwrap()
}

/// A store that writes no checkpoint, and so packs nothing.
pub(super) fn idle_store(disk: &SimDisk) -> Store {
    let options = Options {
        segment_bytes_max: 4 << 10,
        checkpoint_events_min: u64::MAX,
        ..Options::default()
    };
    Store::open_in(env(Arc::new(disk.clone()), 2), DIR.into(), options).unwrap()
}

/// Has a store write a log in calls of one event each, marked.
pub(super) fn in_small_calls(store: &mut Store, count: u64) {
    in_small_calls_told(store, count, &mut |_| {});
}

/// The same, and tells of each event.
pub(super) fn in_small_calls_told(store: &mut Store, count: u64, told: &mut dyn FnMut(u64)) {
    let mut lines = vec![customer(0), customer(1), order("NEW", 0, 0, 1_234, 1)];
    lines.extend((0..count).map(|n| match n % 5 {
        0 => customer(n + 2),
        1 => order("UPDATE", 0, 1, n, n % 60),
        2 => order("NEW", n, n % 2, 100 + n, n % 60),
        _ => visit(n, n % 2),
    }));
    for (n, line) in lines.iter().enumerate() {
        let rules = store.rules().clone();
        let mut call = store.call(CallOptions::default()).unwrap();
        let event = Event::from_json(line.as_bytes(), &rules).unwrap();
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
        assert!(call.set_mark(b"topic", n.to_string().as_bytes()));
        assert!(call.set_mark(format!("other {}", n % 3).as_bytes(), &[b'x'; 7]));
        call.finish().unwrap();
        store.tend().unwrap();
        if n == 4 {
            let mut call = store.call(CallOptions::default()).unwrap();
            assert!(call.set_mark(b"once", b"and never again"));
            call.finish().unwrap();
        }
        if n % 7 == 0 {
            // Marks alone, some of them behind the last event of a segment.
            let mut call = store.call(CallOptions::default()).unwrap();
            assert!(call.set_mark(b"alone", n.to_string().as_bytes()));
            call.finish().unwrap();
        }
        told(n as u64);
    }
}

/// The disk after such a store was killed.
pub(super) fn unpacked_log(count: u64) -> SimDisk {
    let disk = SimDisk::default();
    in_small_calls(&mut idle_store(&disk), count);
    disk.kill()
}

/// What a log answers, of its segments, without checkpoints.
fn answers(disk: &SimDisk) -> (Vec<String>, Top, Vec<Option<Vec<u8>>>) {
    let mut files = disk.files();
    files.retain(|path, _| !path.to_string_lossy().contains("checkpoints"));
    let store = store(&SimDisk::of_files(&files));
    let marks = ["topic", "other 0", "other 1", "other 2", "alone", "once"];
    let marks = marks.map(|source| store.mark(source.as_bytes()).unwrap());
    (export(&store).unwrap(), store.top(5, &Question::default()).unwrap(), marks.to_vec())
}

/// A call that adds nothing, but a checkpoint if there is none, and packs a segment behind it.
fn pack(disk: &SimDisk) -> Result<(), Error> {
    let mut store = store(disk);
    append(&mut store, &[customer(0)])?;
    store.close()
}

/// Makes such calls until none packs anything any more.
pub(super) fn pack_all(disk: &SimDisk) {
    for _ in 0..100 {
        let before = disk.files();
        pack(disk).unwrap();
        if generations(disk) == generations_of(&before) {
            return;
        }
    }
    panic!("it packs without end");
}

fn generations_of(files: &Files) -> Vec<u32> {
    generations(&SimDisk::of_files(files))
}

fn generations(disk: &SimDisk) -> Vec<u32> {
    store(disk).info().unwrap().segments.iter().map(|segment| segment.generation).collect()
}

#[test]
fn small_batches_are_packed_and_every_answer_stays() {
    let disk = SimDisk::default();
    let mut first = store(&disk);
    in_small_calls(&mut first, 150);
    let unpacked = answers(&disk);
    // While the writer lives its segments are packed between calls.
    assert!(generations(&disk).contains(&1), "{:?}", generations(&disk));
    assert_eq!(append(&mut first, &[customer(0), visit(3, 1)]).unwrap().duplicates, 2);
    first.close().unwrap();
    pack_all(&disk);
    let info = store(&disk).info().unwrap();
    let packed = info.segments.iter().filter(|segment| segment.generation > 0);
    assert!(packed.clone().count() > 3, "{:?}", info.segments);
    for segment in packed {
        let needed = (segment.end - segment.first).div_ceil(8);
        assert!(needed > 1 && segment.batches == needed, "{segment:?}");
        assert_eq!(segment.generation, 1, "{segment:?}");
    }
    assert_eq!(answers(&disk), unpacked);
    let found = store(&disk).verify_deep().unwrap();
    assert_eq!(found.problems, []);
    assert!(info.checkpoint_end.is_some());
    // All of it is there again, without and with the derived files.
    let lines = unpacked.0;
    for keep in [true, false] {
        let mut files = disk.files();
        files.retain(|path, _| keep || path.to_string_lossy().contains("segments"));
        let mut store = store(&SimDisk::of_files(&files));
        let receipt = append(&mut store, &lines).unwrap();
        assert_eq!((receipt.accepted, receipt.duplicates), (0, lines.len() as u64));
    }
}

/// Every change that packing makes is the last one before the power goes, and every one fails once.
#[test]
fn packing_that_is_cut_or_fails_anywhere_leaves_the_same_log() {
    let before = unpacked_log(40);
    let whole = answers(&before);
    let trial = before.copy();
    pack(&trial).unwrap();
    let (changes, packed) = (trial.changes(), generations(&trial));
    assert!(packed.iter().sum::<u32>() > generations(&before).iter().sum());
    let (mut cuts, mut failures) = (0_u32, 0_u32);
    for at in 0..changes {
        for choice in 0..24_u64 {
            let disk = before.copy();
            disk.fail(at, SimFault::PowerOff, true);
            pack(&disk).ok();
            let mut left = choice;
            let mut pick = |count: usize| {
                left = left.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(choice + 1);
                usize::try_from((left >> 33) % count as u64).unwrap()
            };
            let after = disk.crash(&mut pick, false);
            assert_eq!(answers(&after), whole, "change {at}, choice {choice}");
            assert_eq!(store(&after).verify().unwrap().problems, [], "change {at}, {choice}");
            pack_all(&after);
            assert_eq!(answers(&after), whole, "change {at}, choice {choice}");
            assert_eq!(store(&after).verify_deep().unwrap().problems, [], "{at}, {choice}");
            cuts += 1;
        }
        for fault in [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short]
        {
            let disk = before.copy();
            disk.fail(at, fault, false);
            pack(&disk).ok();
            disk.evict();
            let after = disk.kill();
            assert_eq!(answers(&after), whole, "change {at}, {fault:?}");
            pack_all(&after);
            assert_eq!(store(&after).verify_deep().unwrap().problems, [], "{at}, {fault:?}");
            failures += 1;
        }
    }
    println!("T1: {cuts} power cuts in packing");
    println!("T10: {failures} failing calls in packing");
}

/// Who had the log open goes on reading it, and who takes up a checkpoint that is gone by now has
/// its answer, too.
#[test]
fn readers_go_on_beside_packing() {
    let disk = unpacked_log(50);
    let whole = answers(&disk);
    for from in 0..whole.0.len() as u64 {
        let disk = disk.copy();
        let reader = store(&disk);
        let mut follower = reader.follow(from).unwrap();
        let one = |follower: &mut Follower, limit: u64| {
            let mut lines = Vec::new();
            follower
                .catch_up(&mut |record| {
                    let mut line = String::new();
                    record.event.to_json(reader.rules().currency, &mut line);
                    lines.push(line);
                    Ok((lines.len() as u64) < limit)
                })
                .unwrap();
            lines
        };
        let mut lines = one(&mut follower, 3);
        pack_all(&disk);
        lines.extend(one(&mut follower, u64::MAX));
        assert_eq!(lines, whole.0[from as usize..]);
    }
}

#[test]
fn a_log_that_is_written_in_large_batches_is_left_as_it_is() {
    let disk = SimDisk::default();
    let mut store = store(&disk);
    for n in 0..30 {
        let lines: Vec<String> = (n * 40..n * 40 + 40).map(customer).collect();
        append(&mut store, &lines).unwrap();
    }
    store.close().unwrap();
    let before = disk.files();
    pack_all(&disk);
    let segments = |files: &Files| {
        let mut files = files.clone();
        files.retain(|path, _| path.to_string_lossy().contains("segments"));
        files
    };
    assert!(generations(&disk).len() > 3, "{:?}", generations(&disk));
    assert_eq!(segments(&disk.files()), segments(&before));
}

/// A copy of the log that went its own way is not taken for what its own backup was.
#[test]
fn a_backup_of_another_history_is_told_apart_from_a_packed_segment() {
    let (ours, theirs) = (SimDisk::default(), SimDisk::default());
    in_small_calls(&mut idle_store(&ours), 31);
    super::backup::back_up(&ours).unwrap();
    let end = export(&store(&ours)).unwrap().len();
    {
        let mut store = idle_store(&theirs);
        in_small_calls(&mut store, 30);
        // One event less than ours, and then others.
        for n in 100..140 {
            append(&mut store, &[visit(n, 0)]).unwrap();
        }
    }
    let theirs = theirs.kill();
    assert_eq!(
        export(&store(&theirs)).unwrap()[..end - 1],
        export(&store(&ours)).unwrap()[..end - 1]
    );
    pack_all(&theirs);
    let mut files = theirs.files();
    files.extend(ours.files().into_iter().filter(|(path, _)| path.starts_with("/backups")));
    let refused = super::backup::back_up(&SimDisk::of_files(&files)).unwrap_err();
    assert!(refused.to_string().contains("differ somewhere"), "{refused}");
}

/// A writer packs the segments that a backup is about to read.
#[test]
fn segments_that_are_packed_while_they_are_backed_up_are_read_again() {
    let disk = unpacked_log(120);
    let before = generations(&disk);
    let mut told = 0;
    let reader = store(&disk);
    reader
        .backup(Path::new(super::backup::DEST), &mut |_| {
            if told == 0 {
                pack_all(&disk);
            }
            told += 1;
        })
        .unwrap();
    assert!(told > 5 && generations(&disk) != before);
    assert_eq!(super::backup::restore(&disk).unwrap().end, export(&reader).unwrap().len() as u64);
}

/// Both checkpoints that are kept may end in what is packed.
#[test]
fn no_checkpoint_ends_inside_a_packed_segment() {
    let disk = SimDisk::default();
    let mut removed = 0;
    for n in 0..120 {
        let mut store = store(&disk);
        append(&mut store, &[customer(n)]).unwrap();
        let before = disk.files();
        store.close().unwrap();
        let is_checkpoint = |path: &&PathBuf| path.extension().is_some_and(|end| end == "ckpt");
        let count = |files: &Files| files.keys().filter(is_checkpoint).count();
        removed += count(&before) - count(&disk.files());
        let store = self::store(&disk);
        assert_eq!(store.verify().unwrap().problems, [], "after event {n}");
    }
    assert!(removed > 0, "one was in the way");
}

/// The same while the last backup ended inside one of them, or they are the active one's.
#[test]
fn an_incremental_backup_beside_a_writer_that_packs_leaves_the_one_before_it() {
    for calls in 20..60 {
        let disk = unpacked_log(calls);
        super::backup::back_up(&disk).unwrap();
        in_small_calls(&mut idle_store(&disk), 90);
        let disk = disk.kill();
        // The view has a last segment that is not sealed; it is, and packed, before it is read.
        let (reader, mut told) = (store(&disk), 0);
        let backup = reader.backup(Path::new(super::backup::DEST), &mut |_| {
            if told == 0 {
                in_small_calls(&mut idle_store(&disk), 140);
                pack_all(&disk);
            }
            told += 1;
        });
        let backup = backup.unwrap();
        let restored = super::backup::restore(&disk).unwrap();
        assert_eq!(restored.end, backup.end, "{calls}");
        let dest = Path::new(super::backup::DEST);
        let copy = open(Arc::new(disk.clone()), dest, 9, 1 << 10).unwrap();
        assert_eq!(copy.verify().unwrap().problems, [], "{calls}");
        let (copied, all) = (export(&copy).unwrap(), export(&store(&disk)).unwrap());
        assert!(all.starts_with(&copied) && copied.len() as u64 == backup.end, "{calls}");
    }
}
