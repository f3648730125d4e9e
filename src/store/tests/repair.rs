//! Repair under every kind of damage, and cut short anywhere: what is kept is an exact prefix, what
//! is salvaged was appended, what is missing is what the plan said.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::*;
use crate::log::{Access, SimDisk};
use crate::store::repair::{apply, plan};

const DIR: &str = "/log";
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Three segments whose events refer to each other across them, closed; and all their events.
pub(super) fn log() -> (Files, Vec<String>) {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap();
    for n in 0..9 {
        let mut call = vec![
            customer(n),
            visit(n, n),
            visit(n + 10, n / 2),
            order("NEW", n, n, 100 * n + 7, 1),
            order("UPDATE", n / 2, n, 50 + n, n),
        ];
        if n == 3 {
            call.push(r#"{"type":"CUSTOMER","verb":"UPDATE","key":"c2","event_time":"2017-05-05T00:00:00Z","adr_city":"Y"}"#.to_owned());
        }
        append(&mut store, &call).unwrap();
    }
    let all = export(&store).unwrap();
    store.close().unwrap();
    let files = disk.files();
    assert_eq!(files.keys().filter(|path| is_segment(path)).count(), 3);
    assert!(files.keys().any(|path| path.extension().is_some_and(|end| end == "keys")));
    (files, all)
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "seg")
}

pub(super) fn world(disk: &SimDisk) -> Env {
    env(Arc::new(disk.clone()), 4)
}

fn verified(disk: &SimDisk) -> Vec<Problem> {
    crate::store::check::verify(&world(disk), Path::new(DIR), true).unwrap().problems
}

fn sequences(ranges: &[Range<u64>]) -> BTreeSet<u64> {
    ranges.iter().cloned().flatten().collect()
}

/// Plans, applies, and holds the outcome against what was appended. Whether there was need to.
pub(super) fn mend(files: &Files, all: &[String], hint: &str) -> bool {
    let disk = SimDisk::of_files(files);
    let dir = Path::new(DIR);
    let planned = plan(&world(&disk), dir).unwrap_or_else(|error| panic!("{hint}: {error}"));
    assert_eq!(&disk.files(), files, "{hint}: the plan changed something");
    assert_eq!(planned.is_needed(), !planned.problems.is_empty(), "{hint}: {planned:?}");
    if !planned.is_needed() {
        return false;
    }
    let wrong = format!("{}0", &planned.hash[1..]);
    assert!(matches!(apply(&world(&disk), dir, &wrong), Err(Error::Options { .. })), "{hint}");
    assert_eq!(&disk.files(), files, "{hint}: refused, yet changed");
    let done = apply(&world(&disk), dir, &planned.hash);
    let done = done.unwrap_or_else(|error| panic!("{hint}: {error}"));
    assert_eq!(done, planned, "{hint}");
    assert_eq!(verified(&disk), [], "{hint}: {planned:?}");
    for change in planned.changes.iter().filter(|change| change.kind != ChangeKind::Create) {
        let from = match change.kind {
            ChangeKind::Cut { offset } => offset as usize,
            _ => 0,
        };
        assert_eq!(disk.files()[&change.kept], files[&change.path][from..], "{hint}: quarantine");
    }
    after_repair(&disk, &planned, all, hint);
    true
}

/// What is kept, salvaged and lost is what the plan said; and the salvaged events come back.
fn after_repair(disk: &SimDisk, planned: &Repair, all: &[String], hint: &str) {
    let saved = sequences(&planned.salvaged);
    let mut lost = BTreeSet::new();
    for range in &planned.lost {
        lost.extend(range.first..range.end.unwrap_or(all.len() as u64).max(range.first));
    }
    let kept: BTreeSet<u64> = (0..planned.kept_end).collect();
    let told: BTreeSet<u64> = kept.union(&saved).chain(&lost).copied().collect();
    assert_eq!(told, (0..all.len() as u64).collect(), "{hint}: {planned:?}");
    assert_eq!(kept.len() + saved.len() + lost.len(), all.len(), "{hint}: {planned:?}");
    let text = planned.salvage.as_ref().map_or(Vec::new(), |path| disk.files()[path].clone());
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let expected: Vec<String> = saved.iter().map(|seq| all[*seq as usize].clone()).collect();
    assert_eq!(lines, expected, "{hint}");
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 8, 1 << 10).unwrap();
    if store.exists() {
        assert_eq!(export(&store).unwrap(), all[..planned.kept_end as usize], "{hint}");
    } else {
        assert_eq!((kept.len(), saved.len()), (0, 0), "{hint}");
    }
    let receipt = append(&mut store, &lines).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected()), (lines.len() as u64, 0), "{hint}");
    store.close().unwrap();
    assert_eq!(verified(disk), [], "{hint}: after appending");
}

/// The batches of a segment: where each begins and ends, and its events.
fn batches(bytes: &[u8]) -> Vec<(Range<usize>, Range<u64>)> {
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
    let first = u64::from_le_bytes(*bytes[32..].first_chunk().unwrap());
    let (mut found, mut at) = (Vec::new(), 128);
    while at + 32 <= bytes.len() && bytes[at + 4] == 1 {
        let end = (at + 32 + word(at + 8)).next_multiple_of(32);
        let seq = first + word(at + 16) as u64;
        found.push((at..end, seq..seq + word(at + 12) as u64));
        at = end;
    }
    found
}

fn field<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let after = line.split_once(&format!("\"{name}\":\""))?.1;
    after.split('"').next()
}

/// The events of a batch, and those that speak of a customer or an order made in it.
fn touched(all: &[String], batch: &Range<u64>) -> BTreeSet<u64> {
    let is_new = |line: &str| line.contains("\"NEW\"");
    let is_of = |line: &str, kind: &str| line.contains(&format!("\"{kind}\""));
    let mut lost: BTreeSet<u64> = batch.clone().collect();
    let (mut customers, mut orders) = (BTreeSet::new(), BTreeSet::new());
    for (sequence, line) in (0..).zip(all) {
        let key = field(line, "key").unwrap();
        let customer = field(line, "customer_id").unwrap_or(key);
        let of_lost = customers.contains(customer)
            || (is_of(line, "ORDER") && !is_new(line) && orders.contains(key));
        if of_lost {
            lost.insert(sequence);
        }
        if lost.contains(&sequence) && is_new(line) {
            match is_of(line, "CUSTOMER") {
                true => customers.insert(key),
                false => is_of(line, "ORDER") && orders.insert(key),
            };
        }
    }
    lost
}

/// One wrong byte of a segment costs its batch and what hangs on that, and one outside of the
/// batches costs nothing.
fn costs_no_more(files: &Files, whole: &[u8], at: usize, all: &[String], hint: &str) {
    let batch = batches(whole).into_iter().find(|(place, _)| place.contains(&at));
    let touched = batch.map_or(BTreeSet::new(), |(_, events)| touched(all, &events));
    let planned = plan(&world(&SimDisk::of_files(files)), Path::new(DIR)).unwrap();
    let mut lost = BTreeSet::new();
    for range in &planned.lost {
        lost.extend(range.first..range.end.unwrap_or(all.len() as u64));
    }
    assert_eq!(lost, touched, "{hint}: {planned:?}");
}

/// How much of every kind a run plays: all of it in a campaign.
fn stride() -> usize {
    match std::env::var("LTVLOG_TIER").as_deref() {
        Ok("campaign") => 1,
        Ok("ci") => 3,
        _ => 13,
    }
}

#[test]
fn a_sound_log_and_one_that_was_killed_need_no_repair() {
    let (files, all) = log();
    assert!(!mend(&files, &all, "sound"));
    let disk = SimDisk::of_files(&files);
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 3, 1 << 10).unwrap();
    append(&mut store, &[visit(70, 1)]).unwrap();
    // While a writer lives nothing is planned.
    let planned = plan(&world(&disk), Path::new(DIR));
    assert!(matches!(planned, Err(Error::Locked { .. })), "{planned:?}");
    let killed = disk.kill();
    assert!(!plan(&world(&killed), Path::new(DIR)).unwrap().is_needed());
    let planned = plan(&world(&SimDisk::default()), Path::new(DIR));
    assert!(matches!(planned, Err(Error::Missing { .. })), "{planned:?}");
}

#[test]
fn every_damage_is_repaired_as_planned() {
    let (whole, all) = log();
    let mut repaired = [0; 2];
    for head in [true, false] {
        let mut files = whole.clone();
        files.retain(|path, _| head || !path.ends_with("head"));
        for path in files.keys() {
            let bytes = &files[path];
            let mut variants: Vec<(String, Option<Vec<u8>>, Option<usize>)> =
                vec![("deleted".into(), None, None)];
            for at in (0..bytes.len()).step_by(stride()) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                variants.push((format!("byte {at} flipped"), Some(flipped), Some(at)));
                let mut changed = bytes.clone();
                changed[at] ^= 0x5A;
                variants.push((format!("byte {at} changed"), Some(changed), Some(at)));
                let cut = bytes[..at].to_vec();
                variants.push((format!("cut at {at}"), Some(cut), None));
            }
            for start in (0..bytes.len()).step_by(512) {
                let mut zeroed = bytes.clone();
                zeroed[start..(start + 512).min(bytes.len())].fill(0);
                variants.push((format!("sector at {start} zeroed"), Some(zeroed), None));
            }
            variants.push((
                "longer".into(),
                Some([&bytes[..], &[0; 700][..], &[7]].concat()),
                None,
            ));
            variants.push((
                "zeros behind".into(),
                Some([&bytes[..], &[0; 700][..]].concat()),
                None,
            ));
            for (what, bytes, at) in variants {
                let hint = format!("{}, head {head}: {what}", path.display());
                let mut bad = files.clone();
                match bytes {
                    Some(bytes) => bad.insert(path.clone(), bytes),
                    None => bad.remove(path),
                };
                // Without head the last segment's end is what its bytes say.
                let end = ends_early(&bad, all.len());
                let all = end.map_or(&all[..], |end| &all[..end]);
                let needed = mend(&bad, all, &hint);
                if let Some(at) = at.filter(|_| needed && is_segment(path) && end.is_none()) {
                    costs_no_more(&bad, &files[path], at, all, &hint);
                }
                repaired[usize::from(needed)] += 1;
            }
        }
    }
    println!("repair: {} damages mended, {} that were none", repaired[1], repaired[0]);
    assert!(repaired[1] > 100);
}

#[test]
fn beside_a_writer_or_a_reader_nothing_is_changed() {
    let (files, _) = log();
    let (disk, dir) = (SimDisk::of_files(&files), Path::new(DIR));
    let store = open(Arc::new(disk.clone()), dir, 3, 1 << 10).unwrap();
    let path = files.keys().find(|path| is_segment(path)).unwrap();
    disk.open(path, Access::Write).unwrap().write_at(&[0x55], 150).unwrap();
    let mut writer = store;
    append(&mut writer, &[visit(70, 1)]).unwrap_or_default();
    let before = disk.files();
    let refused = [plan(&world(&disk), dir), apply(&world(&disk), dir, "0")];
    assert!(refused.iter().all(|one| matches!(one, Err(Error::Locked { .. }))), "{refused:?}");
    drop(writer);
    let planned = plan(&world(&disk), dir).unwrap();
    let reader = disk.lock(&dir.join("segments"), true).unwrap().unwrap();
    let refused = apply(&world(&disk), dir, &planned.hash);
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    for (path, bytes) in &before {
        assert_eq!(disk.files().get(path), Some(bytes), "{}", path.display());
    }
    drop(reader);
    assert_eq!(apply(&world(&disk), dir, &planned.hash).unwrap(), planned);
    assert_eq!(verified(&disk), []);
}

#[test]
fn who_has_a_segment_mapped_keeps_it_through_a_repair() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("log");
    let env = Env::real(true);
    let mut store = open(Arc::clone(&env.disk), &at, 1, 1 << 16).unwrap();
    for n in 0..40 {
        let call: Vec<String> =
            (0..50).map(|m| order("NEW", n * 50 + m, 0, (n * m * 7_919) % 99_991, 1)).collect();
        append(&mut store, &[vec![customer(n)], call].concat()).unwrap();
    }
    store.close().unwrap();
    let path = at.join("segments").join(format!("{:020}.seg", 0));
    let map = files::map(&env, &path).unwrap().unwrap();
    let mut bytes = map.all().to_vec();
    assert!(bytes.len() > 30_000, "{}", bytes.len());
    // Through the same file, as a disk that goes wrong does it.
    let file = env.disk.open(&path, Access::Write).unwrap();
    bytes[3_000] ^= 1;
    file.write_at(&bytes[3_000..3_001], 3_000).unwrap();
    let planned = plan(&env, &at).unwrap();
    apply(&env, &at, &planned.hash).unwrap();
    let now = std::fs::metadata(&path).unwrap().len();
    assert!(now < 3_000, "{now}");
    assert_eq!(map.all(), bytes);
    assert!(crate::store::check::verify(&env, &at, true).unwrap().problems.is_empty());
}

/// Where a log legally ends that merely looks shorter than it was.
fn ends_early(files: &Files, events: usize) -> Option<usize> {
    let disk = SimDisk::of_files(files);
    let sound = verified(&disk).is_empty();
    let store = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).ok().filter(|_| sound)?;
    store.end().ok().map(|end| end as usize).filter(|end| *end < events)
}
