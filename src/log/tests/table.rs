//! The table of verdicts, row by row, and every fault of a file: bits, cuts, sectors, names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

pub(super) const DIR: &str = "/log";

pub(super) fn segment(first: u64) -> PathBuf {
    PathBuf::from(DIR).join("segments").join(format!("{first:020}.seg"))
}

pub(super) fn head() -> PathBuf {
    PathBuf::from(DIR).join("head")
}

/// What a log is found to be.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It ends here.
    End(u64),
    /// It ends here, and so many bytes behind that are torn.
    Torn(u64, u64),
    /// Damaged at this place of this file.
    Damaged(PathBuf, u64),
    Format,
    /// No log, and nothing says that there was one.
    New,
}

pub(super) fn open_for_append(disk: &SimDisk, evidence: u64) -> Result<(Writer, Recovered), Error> {
    Writer::open(
        &env(Arc::new(disk.clone()), 77),
        Path::new(DIR),
        &settings(3000),
        readers(),
        evidence,
    )
}

/// What the writer says, having made sure that nothing was changed if it refuses.
pub(super) fn writer_verdict(files: &Files, evidence: u64) -> Verdict {
    let disk = SimDisk::of_files(files);
    match open_for_append(&disk, evidence) {
        Ok((_, recovered)) if recovered.created => Verdict::New,
        Ok((writer, recovered)) if recovered.torn_bytes == 0 => Verdict::End(writer.end()),
        Ok((writer, recovered)) => Verdict::Torn(writer.end(), recovered.torn_bytes),
        Err(error) => {
            assert_eq!(&disk.files(), files, "refused, yet changed: {error}");
            damage(error)
        }
    }
}

fn damage(error: Error) -> Verdict {
    match error {
        Error::Corrupt { path, offset, .. } => Verdict::Damaged(path, offset),
        Error::Format { .. } => Verdict::Format,
        Error::Missing { .. } => Verdict::New,
        other => panic!("{other}"),
    }
}

/// What a reader says that opens the log and reads all of it; it changes nothing.
pub(super) fn reader_verdict(files: &Files) -> Verdict {
    reader_verdict_given(files, 0)
}

fn reader_verdict_given(files: &Files, evidence: u64) -> Verdict {
    let disk = SimDisk::of_files(files);
    let env = env(Arc::new(disk.clone()), 7);
    let read = View::open(&env, Path::new(DIR), readers(), evidence).and_then(|view| {
        batches(&view, 0)?;
        Ok((view.end(), view.torn_bytes()))
    });
    assert_eq!(&disk.files(), files);
    match read {
        Ok((end, 0)) => Verdict::End(end),
        Ok((end, torn)) => Verdict::Torn(end, torn),
        Err(error) => damage(error),
    }
}

pub(super) fn report(files: &Files) -> Report {
    let disk = SimDisk::of_files(files);
    let env = env(Arc::new(disk.clone()), 7);
    let report = verify(&env, Path::new(DIR), &readers(), 0, &mut |_| Ok(()));
    assert_eq!(&disk.files(), files);
    match report {
        Ok(report) => report,
        Err(Error::Format { path, reason }) => {
            let problem = Problem { path, offset: 0, reason, events: None };
            Report { problems: vec![problem], ..Report::default() }
        }
        Err(error) => panic!("{error}"),
    }
}

/// All three agree on a log whose end is in question.
#[track_caller]
pub(super) fn all_say(files: &Files, verdict: &Verdict) {
    assert_eq!(writer_verdict(files, 0), *verdict, "the writer");
    assert_eq!(reader_verdict(files), *verdict, "the reader");
    let report = report(files);
    match verdict {
        Verdict::End(end) => {
            assert_eq!((report.problems, report.events, report.torn_bytes), (vec![], *end, 0))
        }
        Verdict::Torn(end, torn) => {
            assert_eq!((report.problems, report.events, report.torn_bytes), (vec![], *end, *torn));
        }
        Verdict::Damaged(path, offset) => assert!(
            report
                .problems
                .iter()
                .any(|problem| (&problem.path, problem.offset) == (path, *offset)),
            "{:?}",
            report.problems
        ),
        Verdict::New | Verdict::Format => assert!(!report.problems.is_empty()),
    }
}

/// One segment: a short batch of 3 events at 128, one over three sectors of 2 at 192, one of 4
/// with a natural zero sector at 1312. It ends at 2848.
pub(super) fn one_segment() -> Files {
    let disk = SimDisk::default();
    let (mut writer, _) = open_for_append(&disk, 0).unwrap();
    append(&mut writer, 3, 1, 8);
    writer.sync().unwrap();
    append(&mut writer, 2, 0, 1060);
    writer.sync().unwrap();
    let mut filler = vec![9; 1480];
    filler[300..1300].fill(0);
    let (body, after) = super::Body::new(1, 5, filler).encode(&writer.tally());
    writer.append(&body, 4, after).unwrap();
    writer.close().unwrap();
    disk.files()
}

pub(super) fn without_head(mut files: Files) -> Files {
    files.remove(&head());
    files
}

pub(super) fn edited(files: &Files, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    edit(files.get_mut(path).unwrap());
    files
}

#[test]
fn the_example_is_what_the_rows_take_it_for() {
    let files = one_segment();
    assert_eq!(files[&segment(0)].len(), 2848);
    all_say(&files, &Verdict::End(9));
    all_say(&without_head(files), &Verdict::End(9));
}

#[test]
fn rows_of_the_end() {
    let files = without_head(one_segment());
    let path = segment(0);
    let damaged = |offset| Verdict::Damaged(path.clone(), offset);
    let row = |verdict: Verdict, edit: &dyn Fn(&mut Vec<u8>)| {
        all_say(&edited(&files, &path, |bytes| edit(bytes)), &verdict);
    };
    // The file ends, or zeros to its end.
    row(Verdict::End(9), &|bytes| bytes.resize(2849, 0));
    row(Verdict::End(9), &|bytes| bytes.resize(2848 + 5000, 0));
    row(Verdict::End(5), &|bytes| bytes.truncate(1312));
    // Header bytes zero, or the file ends inside the header.
    row(Verdict::Torn(5, 1536), &|bytes| bytes[1312..1344].fill(0));
    row(Verdict::Torn(5, 31), &|bytes| bytes.truncate(1312 + 31));
    row(Verdict::Torn(5, 1), &|bytes| bytes.truncate(1312 + 1));
    // Header not zero, its CRC bad.
    row(damaged(1312), &|bytes| bytes[1312] ^= 1);
    row(Verdict::Torn(9, 1), &|bytes| bytes.push(1));
    row(damaged(2848), &|bytes| bytes.resize(2848 + 40, 1));
    // Header good, chain or sequence wrong: another segment's frame with a right checksum.
    for (seq_delta, chain) in [(8, None), (9, Some(7))] {
        row(damaged(2848), &|bytes| {
            let right = crate::frame::u32_at(bytes, 1312);
            push_forged(bytes, seq_delta, chain.unwrap_or(right), 128, &body_after(2));
        });
    }
    row(Verdict::End(10), &|bytes| {
        let right = crate::frame::u32_at(bytes, 1312);
        push_forged(bytes, 9, right, 128, &body_after(2));
    });
    // A body that its reader refuses, or that does not count the customers before it.
    for body in [vec![1, 2, 3], body_after(1), body_after(3)] {
        row(damaged(2848), &|bytes| {
            let right = crate::frame::u32_at(bytes, 1312);
            push_forged(bytes, 9, right, 128, &body);
        });
    }
    // Padding before X not zero. The first frame has 32 of header, 32 of body; the second's body
    // of 1,084 bytes leaves 4 of padding.
    row(damaged(192), &|bytes| bytes[1311] = 1);
    row(damaged(192), &|bytes| {
        bytes[1308] = 1;
        bytes.truncate(1312);
    });
    // Body or padding past the end of the file.
    for size in 1344..2848 {
        let bytes = &files[&path][1312..size];
        let torn = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
        row(Verdict::Torn(5, torn), &|bytes| bytes.truncate(size));
    }
    // Body CRC bad, all-zero sectors no more than recorded.
    row(damaged(1312), &|bytes| bytes[1400] ^= 1);
    row(damaged(1312), &|bytes| bytes[1900] ^= 1);
    row(damaged(1312), &|bytes| bytes[2100] ^= 1);
    // Else: a sector that was not written.
    row(Verdict::Torn(5, 2848 - 1312), &|bytes| bytes[1536..2048].fill(0));
    row(Verdict::Torn(5, 1668 - 1312), &|bytes| bytes[2560..].fill(0));
    row(Verdict::Torn(5, 2848 - 1312), &|bytes| bytes[1344..1536].fill(0));
}

/// The first row: torn as it looks, it was on the disk once.
#[test]
fn rows_of_what_was_durable() {
    let path = segment(0);
    let damaged = |offset| Verdict::Damaged(path.clone(), offset);
    let whole = one_segment();
    let cuts: [&dyn Fn(&mut Vec<u8>); 4] = [
        &|bytes| bytes.truncate(1312),
        &|bytes| bytes[1312..].fill(0),
        &|bytes| bytes.truncate(2000),
        &|bytes| bytes[1536..2048].fill(0),
    ];
    for cut in cuts {
        let files = edited(&whole, &path, cut);
        // Head says so.
        assert_eq!(writer_verdict(&files, 0), damaged(1312));
        assert!(matches!(reader_verdict(&files), Verdict::Damaged(..)));
        assert!(report(&files).problems.iter().any(|problem| problem.offset == 1312));
        // A checkpoint says so.
        let files = without_head(files);
        assert_eq!(writer_verdict(&files, 6), damaged(1312));
        assert_ne!(writer_verdict(&files, 5), damaged(1312));
        assert_eq!(reader_verdict_given(&files, 6), damaged(1312));
        assert_ne!(reader_verdict_given(&files, 5), damaged(1312));
        // A later frame says so.
        let later = edited(&files, &path, |bytes| {
            bytes.resize(3200, 0);
            push_forged(bytes, 20, 1, 1344, &[5; 40]);
        });
        all_say(&later, &damaged(1312));
        let not_later = edited(&files, &path, |bytes| {
            bytes.resize(3200, 0);
            push_forged(bytes, 20, 1, 1312, &[5; 40]);
        });
        assert!(matches!(writer_verdict(&not_later, 0), Verdict::Torn(5, _)));
    }
    // A batch of marks alone has no sequence that head could miss, but a place.
    let disk = SimDisk::of_files(&whole);
    let (mut writer, _) = open_for_append(&disk, 0).unwrap();
    append(&mut writer, 0, 0, 40);
    writer.close().unwrap();
    let marked = disk.files();
    all_say(&marked, &Verdict::End(9));
    for size in [2848, 2849, 2900] {
        let cut = edited(&marked, &path, |bytes| bytes.truncate(size));
        assert_eq!(writer_verdict(&cut, 0), damaged(2848));
        assert!(matches!(reader_verdict(&cut), Verdict::Damaged(..)));
        assert!(!report(&cut).problems.is_empty());
    }
    // An older head allows the torn end.
    let old = edited(&one_segment(), &head(), |bytes| bytes.fill(0));
    all_say(&edited(&old, &path, |bytes| bytes.truncate(1600)), &Verdict::Torn(5, 1600 - 1312));
}

/// A later format is refused, not taken for damage.
#[test]
fn later_versions_are_refused() {
    let files = one_segment();
    for (at, byte) in [(8, 2), (12, 1), (55, 3)] {
        let later = edited(&files, &segment(0), |bytes| {
            bytes[at] = byte;
            let crc = crc32fast::hash(&bytes[..124]);
            bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        });
        all_say(&later, &Verdict::Format);
    }
    // A compatible flag and another generation are fine.
    for at in [16, 20] {
        let other = edited(&files, &segment(0), |bytes| {
            bytes[at] = 1;
            let crc = crc32fast::hash(&bytes[..124]);
            bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        });
        all_say(&other, &Verdict::End(9));
    }
    for (kind, version, verdict) in
        [(3, 1, Verdict::Format), (1, 2, Verdict::Format), (200, 1, Verdict::End(9))]
    {
        let later = edited(&without_head(files.clone()), &segment(0), |bytes| {
            let start = bytes.len();
            push_forged(bytes, 9, crate::frame::u32_at(bytes, 1312), 128, &[1; 20]);
            reforge(bytes, start, kind, version);
        });
        all_say(&later, &verdict);
    }
}

/// Makes a frame one of another kind and version, without events.
pub(super) fn reforge(bytes: &mut [u8], start: usize, kind: u8, version: u8) {
    bytes[start + 4] = kind;
    bytes[start + 5] = version;
    bytes[start + 12] = 0;
    let mut covered = bytes[40..48].to_vec();
    covered.extend_from_slice(&(start as u64).to_le_bytes());
    covered.extend_from_slice(&bytes[start + 4..start + 32]);
    let crc = crc32fast::hash(&covered);
    bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The body of a batch after so many customers.
fn body_after(customers: u32) -> Vec<u8> {
    super::Body::new(0, 0, vec![1]).encode(&Tally { customers, ..Tally::default() }).0
}

/// Appends a frame with a right checksum of its own.
pub(super) fn push_forged(
    bytes: &mut Vec<u8>,
    seq_delta: u32,
    chain: u32,
    durable_offset: u32,
    body: &[u8],
) {
    let salt = crate::frame::u64_at(bytes, 40);
    let header = crate::frame::FrameHeader {
        kind: 1,
        zero_sectors: 0,
        body_bytes: 0,
        events: 1,
        seq_delta,
        durable_offset,
        chain,
        body_crc: 0,
    };
    let offset = bytes.len() as u64;
    let mut frame = Vec::new();
    crate::frame::push_frame(&mut frame, salt, offset, header, body);
    bytes.extend(frame);
}
