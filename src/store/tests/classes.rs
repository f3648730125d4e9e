//! Every file of a log of three segments, with its sidecars and checkpoints, by class: each bit
//! flipped, each cut, each sector zeroed, filled, doubled or swapped, each file deleted, older, or
//! exchanged for one of its siblings or of another log.

use std::collections::BTreeMap;

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a damaged file owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// To be reported by whoever reads it.
    Segment,
    /// To change no answer, and to be reported by `verify`.
    Derived,
}

/// What was done to a file, as far as the promise differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Bytes,
    /// Gone, or as it once was: legal for derived files.
    Gone,
    /// Another log's: nobody can tell whether it is the head or the log that is in the wrong place.
    Foreign,
}

struct Log {
    files: Files,
    /// The same log some calls before.
    older: Files,
    /// Another log with files of the same names.
    other: Files,
    events: Vec<String>,
    top: Vec<Customer>,
}

fn class(path: &Path) -> Class {
    if path.extension().is_some_and(|end| end == "seg") { Class::Segment } else { Class::Derived }
}

fn store(disk: SimDisk, seed: u64) -> Result<Store, Error> {
    let options =
        Options { segment_bytes_max: 1 << 10, checkpoint_events_min: 5, ..Options::default() };
    Store::open_in(env(Arc::new(disk), seed), PathBuf::from(DIR), options)
}

fn write(seed: u64, disk: &SimDisk, calls: std::ops::Range<u64>) {
    let mut store = store(disk.clone(), seed).unwrap();
    for n in calls {
        let call = [
            customer(n),
            visit(n, n),
            visit(n + 10, n),
            order("NEW", n, n, 100 * n + 7 + seed, 1),
            order("UPDATE", n, 0, 50 + seed, 2),
        ];
        assert_eq!(append(&mut store, &call).unwrap().accepted, 5);
    }
    store.close().unwrap();
}

impl Log {
    fn new() -> Log {
        let disk = SimDisk::default();
        write(1, &disk, 0..6);
        let older = disk.files();
        write(1, &disk, 6..9);
        let other = SimDisk::default();
        write(2, &other, 0..9);
        let files = disk.files();
        let count =
            |end: &str| files.keys().filter(|path| path.to_string_lossy().ends_with(end)).count();
        assert_eq!((count(".seg"), count(".keys"), count(".ckpt"), count("/head")), (3, 2, 2, 1));
        assert!(count(".run") > 0, "keys of the active segment");
        let store = store(SimDisk::of_files(&files), 3).unwrap();
        let (events, top) = answers(&store).unwrap();
        assert_eq!((events.len(), top.len()), (45, 9));
        Log { files, older, other: other.files(), events, top }
    }

    /// Holds one edit against what is owed.
    fn check(&self, path: &Path, edited: Option<Vec<u8>>, edit: Edit, what: &str) -> bool {
        let mut files = self.files.clone();
        match edited {
            Some(bytes) if files.get(path) == Some(&bytes) => return false,
            Some(bytes) => {
                files.insert(path.to_path_buf(), bytes);
            }
            None => {
                files.remove(path);
            }
        }
        let hint = format!("{}: {what}", path.display());
        let disk = SimDisk::of_files(&files);
        let reported = store(disk.clone(), 4)
            .and_then(|store| store.verify())
            .map_or(1, |verified| verified.problems.len());
        let answered = store(disk.clone(), 4).and_then(|store| answers(&store));
        assert_eq!(disk.changes(), 0, "{hint}: a reader changed something");
        let appended =
            store(disk.clone(), 4).and_then(|mut store| append(&mut store, &self.events));
        let owed = match edit {
            Edit::Foreign if path.ends_with("head") => Class::Segment,
            _ => class(path),
        };
        match owed {
            Class::Segment => {
                assert!(reported > 0, "{hint}: not reported");
                assert!(answered.is_err(), "{hint}: answered");
                // A writer need not look at every byte; where it does it touches no segment.
                let mut left = disk.files();
                left.retain(|path, _| class(path) == Class::Segment);
                files.retain(|path, _| class(path) == Class::Segment);
                assert!(appended.is_ok() || left == files, "{hint}: refused, yet changed");
            }
            Class::Derived => {
                assert!(reported > 0 || edit == Edit::Gone, "{hint}: not reported");
                let (events, top) = answered.unwrap_or_else(|error| panic!("{hint}: {error}"));
                assert_eq!((&events, &top), (&self.events, &self.top), "{hint}: another answer");
                let receipt = appended.unwrap_or_else(|error| panic!("{hint}: {error}"));
                assert_eq!((receipt.accepted, receipt.duplicates), (0, 45), "{hint}");
            }
        }
        true
    }
}

fn answers(store: &Store) -> Result<(Vec<String>, Vec<Customer>), Error> {
    let events = export(store)?;
    let top = store.top(10, &Question::default())?;
    Ok((events, top.customers))
}

/// Sectors zeroed, filled, doubled, taken out, and put in the place of others.
fn sectors(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let count = bytes.len().div_ceil(512);
    let range = |sector: usize| sector * 512..(sector * 512 + 512).min(bytes.len());
    let mut variants = Vec::new();
    for sector in 0..count {
        for fill in [0, 0xFF] {
            let mut edited = bytes.to_vec();
            edited[range(sector)].fill(fill);
            variants.push((format!("sector {sector} filled with {fill}"), edited));
        }
        let mut doubled = bytes.to_vec();
        doubled.splice(range(sector).start..range(sector).start, bytes[range(sector)].to_vec());
        variants.push((format!("sector {sector} doubled"), doubled));
        let mut removed = bytes.to_vec();
        removed.drain(range(sector));
        variants.push((format!("sector {sector} taken out"), removed));
        for other in (0..sector).filter(|other| range(*other).len() == range(sector).len()) {
            let mut swapped = bytes.to_vec();
            swapped[range(sector)].copy_from_slice(&bytes[range(other)]);
            swapped[range(other)].copy_from_slice(&bytes[range(sector)]);
            variants.push((format!("sectors {other} and {sector} swapped"), swapped));
        }
    }
    variants
}

#[test]
fn every_bit_cut_and_sector_of_every_file_is_accounted_for() {
    let log = Log::new();
    // A part of it in a quick run, which the next prime number of bits picks.
    let step = if std::env::var("LTVLOG_TIER").is_ok() { 1 } else { 29 };
    let (mut flips, mut cuts, mut others) = (0, 0, 0);
    for (path, bytes) in &log.files {
        for bit in (0..bytes.len() * 8).step_by(step) {
            let mut edited = bytes.clone();
            edited[bit / 8] ^= 1 << (bit % 8);
            flips += u32::from(log.check(path, Some(edited), Edit::Bytes, &format!("bit {bit}")));
        }
        for length in (0..bytes.len()).step_by(step) {
            let edited = bytes[..length].to_vec();
            let what = format!("cut to {length}");
            cuts += u32::from(log.check(path, Some(edited), Edit::Bytes, &what));
        }
        for (what, edited) in sectors(bytes) {
            // Half of the head that is zero is half of it that was never written.
            let unwritten = path.ends_with("head") && what.ends_with("filled with 0");
            let edit = if unwritten { Edit::Gone } else { Edit::Bytes };
            others += u32::from(log.check(path, Some(edited), edit, &what));
        }
    }
    println!("T2: {flips} flips, {cuts} cuts, {others} sectors of {} files", log.files.len());
}

#[test]
fn every_file_that_is_deleted_older_or_exchanged_is_accounted_for() {
    let log = Log::new();
    let mut count = 0;
    for path in log.files.keys() {
        count += u32::from(log.check(path, None, Edit::Gone, "deleted"));
        if let Some(older) = log.older.get(path) {
            count += u32::from(log.check(path, Some(older.clone()), Edit::Gone, "older"));
        }
        let other = log.other.get(path).expect("both logs have the same names").clone();
        count += u32::from(log.check(path, Some(other), Edit::Foreign, "another log's"));
        let siblings = log.files.iter().filter(|(sibling, _)| {
            *sibling != path && sibling.extension() == path.extension() && !path.ends_with("head")
        });
        for (sibling, bytes) in siblings {
            let what = format!("exchanged for {}", sibling.display());
            count += u32::from(log.check(path, Some(bytes.clone()), Edit::Bytes, &what));
        }
    }
    println!("T2: {count} files deleted, older or exchanged");
    assert!(count > 20, "{count}");
}
