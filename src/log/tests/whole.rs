//! The rows of the table that speak of files and of the whole log.

use std::path::PathBuf;

use super::table::{
    DIR, Files, Verdict, all_say, edited, head, one_segment, open_for_append, reader_verdict,
    report, segment, without_head, writer_verdict,
};
use super::workload::whole_log;
use super::*;

/// Three segments of some batches each, the last one active: events 0, 5 and 14 on.
pub(super) fn three_segments() -> (Files, Vec<u64>) {
    let files = whole_log(&[
        (3, 1, 900),
        (2, 0, 900),
        (6, 2, 1200),
        (1, 1, 20),
        (2, 0, 900),
        (4, 1, 1600),
        (1, 0, 300),
    ]);
    let firsts: Vec<u64> = files
        .keys()
        .filter_map(|path| segment::parse_segment_name(path.file_name()?.to_str()?))
        .collect();
    assert_eq!(firsts.len(), 3, "{firsts:?}");
    (files, firsts)
}

#[test]
fn rows_of_the_last_file() {
    let (files, firsts) = three_segments();
    let (middle, last) = (segment(firsts[1]), segment(firsts[2]));
    let end = firsts[2];
    all_say(&files, &Verdict::End(19));
    // Empty, shorter than its header, all zero: its creation was cut, unless head knows it.
    for size in [0, 1, 127, 128, 5000] {
        let cut = edited(&files, &last, |bytes| *bytes = vec![0; size]);
        all_say(&cut, &Verdict::Damaged(last.clone(), 0));
        let cut = without_head(cut);
        all_say(&cut, &Verdict::End(end));
        assert_eq!(writer_verdict(&cut, end), Verdict::End(end));
        assert_eq!(writer_verdict(&cut, end + 1), Verdict::Damaged(last.clone(), 0));
    }
    let cut = without_head(edited(&files, &last, |bytes| bytes.truncate(127)));
    all_say(&cut, &Verdict::End(end));
    // Anywhere else it is damage.
    let cut = without_head(edited(&files, &middle, |bytes| bytes.fill(0)));
    all_say(&cut, &Verdict::Damaged(middle.clone(), 0));
    // No active segment after a sealed one: created, unless head names it.
    let mut gone = files.clone();
    gone.remove(&last);
    all_say(&gone, &Verdict::Damaged(last.clone(), 0));
    let gone = without_head(gone);
    all_say(&gone, &Verdict::End(end));
    assert_eq!(writer_verdict(&gone, end + 1), Verdict::Damaged(last.clone(), 0));
    // After a seal: zeros are cut, other bytes are damage.
    let size = gone[&middle].len();
    let disk = SimDisk::of_files(&edited(&gone, &middle, |bytes| bytes.resize(size + 700, 0)));
    all_say(&disk.files(), &Verdict::End(end));
    drop(open_for_append(&disk, 0).unwrap());
    assert_eq!(disk.files()[&middle].len(), size);
    let followed = edited(&gone, &middle, |bytes| {
        bytes.resize(size + 700, 0);
        bytes[size + 650] = 1;
    });
    all_say(&followed, &Verdict::Damaged(middle.clone(), size as u64));
    // Elsewhere even zeros are damage.
    let followed = edited(&files, &middle, |bytes| bytes.resize(size + 700, 0));
    assert_eq!(writer_verdict(&followed, 0), Verdict::Damaged(middle.clone(), size as u64 + 700));
    assert!(!report(&followed).problems.is_empty());
}

#[test]
fn rows_of_the_whole_log() {
    let (files, firsts) = three_segments();
    let dir = PathBuf::from(DIR).join("segments");
    // No segment at all.
    let head_alone: Files = files
        .iter()
        .filter(|(path, _)| **path == head())
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect();
    all_say(&head_alone, &Verdict::Damaged(dir.clone(), 0));
    let nothing = SimDisk::of_files(&Files::new());
    assert!(open_for_append(&nothing, 0).unwrap().1.created);
    assert_eq!(writer_verdict(&Files::new(), 1), Verdict::Damaged(dir, 0));
    // Each segment missing, renamed, of another log; the head of another log.
    let other = {
        let disk = SimDisk::default();
        let env = env(Arc::new(disk.clone()), 4321);
        let mut writer =
            Writer::open(&env, Path::new(DIR), &settings(3000), readers(), 0).unwrap().0;
        for _ in 0..7 {
            append(&mut writer, 5, 1, 900);
        }
        writer.close().unwrap();
        disk.files()
    };
    for (row, first) in firsts.iter().enumerate() {
        for file in [files.clone(), without_head(files.clone())] {
            let mut missing = file.clone();
            let bytes = missing.remove(&segment(*first)).unwrap();
            let mut renamed = missing.clone();
            renamed.insert(segment(first + 1), bytes.clone());
            let mut strange = missing.clone();
            strange.insert(segment(*first).with_extension("old.seg"), bytes);
            let mut exchanged = file.clone();
            exchanged.insert(segment(*first), other[&segment(0)].clone());
            let is_last = row + 1 == firsts.len();
            for (what, files) in [
                ("missing", missing),
                ("renamed", renamed),
                ("strange", strange),
                ("exchanged", exchanged),
            ] {
                if what == "missing" && is_last && !files.contains_key(&head()) {
                    assert_eq!(writer_verdict(&files, 0), Verdict::End(*first));
                    continue;
                }
                assert!(
                    matches!(writer_verdict(&files, 0), Verdict::Damaged(..)),
                    "{what} {first}"
                );
                assert!(matches!(reader_verdict(&files), Verdict::Damaged(..)), "{what} {first}");
                assert!(!report(&files).problems.is_empty(), "{what} {first}");
            }
        }
    }
    let mut foreign = files.clone();
    foreign.insert(head(), other[&head()].clone());
    all_say(&foreign, &Verdict::Damaged(head(), 0));
    // A leftover is no damage, and gone after the next open for append.
    let mut leftover = files.clone();
    let tmp = segment(0).with_extension("seg.tmp");
    leftover.insert(tmp.clone(), vec![1, 2, 3]);
    leftover.insert(PathBuf::from(DIR).join("head.tmp"), vec![4]);
    all_say(&leftover, &Verdict::End(19));
    let disk = SimDisk::of_files(&leftover);
    drop(open_for_append(&disk, 0).unwrap());
    assert!(disk.files().keys().all(|path| path.extension().is_none_or(|name| name != "tmp")));
    // An older copy of a segment, which lacks its last events.
    let older = one_segment();
    let path = segment(0);
    let shorter = edited(&older, &path, |bytes| bytes.truncate(1312));
    assert_eq!(writer_verdict(&shorter, 0), Verdict::Damaged(path, 1312));
    assert!(matches!(reader_verdict(&shorter), Verdict::Damaged(..)));
}

/// Gives bytes a right checksum again.
fn summed(bytes: &mut [u8], covered: usize) {
    let crc = crc32fast::hash(&bytes[..covered]);
    bytes[covered..covered + 4].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn rows_of_what_all_segments_share() {
    let (files, firsts) = three_segments();
    for (row, first) in firsts.iter().enumerate() {
        // Log id, currency, partition, partitions, time range; first sequence and chain in.
        for (at, byte) in
            [(24, 9), (52, b'E'), (56, 1), (58, 3), (60, 1), (68, 9), (32, 77), (48, 5)]
        {
            let edited = edited(&files, &segment(*first), |bytes| {
                bytes[at] = byte;
                if at == 56 {
                    bytes[58] = 2;
                }
                summed(bytes, 124);
            });
            let hint = format!("byte {at} of segment {row}");
            assert!(matches!(writer_verdict(&edited, 0), Verdict::Damaged(..)), "{hint}");
            assert!(matches!(reader_verdict(&edited), Verdict::Damaged(..)), "{hint}");
            assert!(!report(&edited).problems.is_empty(), "{hint}");
        }
    }
}

/// A whole head that speaks of a place where no frame is, or another one.
#[test]
fn rows_of_a_head_that_does_not_fit() {
    let files = one_segment();
    let newest = [0, 512].into_iter().max_by_key(|slot| files[&head()][slot + 24]).unwrap();
    // Durable sequence 9 becomes 8; durable offset 2,848 becomes 2,880, 2,816 or 1,312, which is
    // the last batch's; the chain becomes another one.
    let edits: [(usize, &[u8]); 5] = [
        (16, &[8]),
        (32, &[0x40, 0x0B]),
        (32, &[0, 0x0B]),
        (32, &[0x20, 0x05]),
        (36, &[1, 2, 3, 4]),
    ];
    for (at, new) in edits {
        let edited = edited(&files, &head(), |bytes| {
            bytes[newest + at..newest + at + new.len()].copy_from_slice(new);
            summed(&mut bytes[newest..], 60);
        });
        assert!(matches!(writer_verdict(&edited, 0), Verdict::Damaged(..)), "{at} {new:?}");
        assert!(!report(&edited).problems.is_empty(), "{at} {new:?}");
    }
}
