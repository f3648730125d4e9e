//! Runs: who opens a log for append reads what follows them and no more, whatever became of them.

use super::repair::Files;
use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

fn store(disk: &SimDisk, segment_bytes_max: u64) -> Store {
    open(Arc::new(disk.clone()), Path::new(DIR), 2, segment_bytes_max).unwrap()
}

/// One call by a store of its own, as a process that appends once.
fn append_once(disk: &SimDisk, segment_bytes_max: u64, lines: &[String]) -> Receipt {
    let mut store = store(disk, segment_bytes_max);
    let receipt = append(&mut store, lines).unwrap();
    store.close().unwrap();
    receipt
}

fn runs(files: &Files) -> Vec<PathBuf> {
    let is_run = |path: &&PathBuf| path.extension().is_some_and(|end| end == "run");
    files.keys().filter(is_run).cloned().collect()
}

/// How many entries are made of events when the log is opened for append.
fn read_again(disk: &SimDisk) -> usize {
    let mut store = store(&SimDisk::of_files(&disk.files()), 64 << 20);
    store.open_ingest().unwrap().shelf.recent_len()
}

#[test]
fn what_runs_cover_is_not_read_again_and_their_number_stays_small() {
    let disk = SimDisk::default();
    append_once(&disk, 64 << 20, &[customer(0)]);
    for n in 0..200 {
        assert_eq!(append_once(&disk, 64 << 20, &[visit(n, 0)]).accepted, 1);
        assert!(runs(&disk.files()).len() <= 3 * 7, "{n}");
    }
    let files = disk.files();
    assert_eq!(read_again(&disk), 0);
    // Without one of them what follows the gap is read, and all is found.
    for path in runs(&files) {
        let mut lost = files.clone();
        lost.remove(&path);
        let disk = SimDisk::of_files(&lost);
        assert!(read_again(&disk) > 0, "{}", path.display());
        let all: Vec<String> = (0..200).map(|n| visit(n, 0)).collect();
        assert_eq!(append_once(&disk, 64 << 20, &all).duplicates, 200);
        assert_eq!(store(&disk, 64 << 20).verify_deep().unwrap().problems, []);
        assert_eq!(read_again(&disk), 0, "saved again");
    }
}

/// Runs are put together aside, while others come behind them.
#[test]
fn of_one_writer_too_their_number_stays_small() {
    let disk = SimDisk::default();
    let mut writer = store(&disk, 64 << 20);
    append(&mut writer, &[customer(0)]).unwrap();
    let mut most = 0;
    for n in 0..600 {
        assert_eq!(append(&mut writer, &[visit(n, 0)]).unwrap().accepted, 1);
        most = most.max(runs(&disk.files()).len());
    }
    assert!((8..4 * 8).contains(&most), "{most}");
    let all: Vec<String> = (0..600).map(|n| visit(n, 0)).collect();
    assert_eq!(append(&mut writer, &all).unwrap().duplicates, 600);
    writer.close().unwrap();
    assert_eq!(store(&disk, 64 << 20).verify_deep().unwrap().problems, []);
    assert_eq!(read_again(&disk), 0);
}

/// Where the disk refuses what runs are put together to, their files stay until the segment is sealed.
#[test]
fn runs_stay_on_the_disk_until_what_they_become_is_there() {
    let disk = SimDisk::default();
    let mut writer = store(&disk, 2 << 10);
    append(&mut writer, &[customer(0)]).unwrap();
    // What is no file, and not empty, is not replaced.
    let refused = Path::new(DIR).join(format!("keys/{:020}-{:020}.run", 0, 8));
    for dir in [&Path::new(DIR).join("keys"), &refused, &refused.join("sub")] {
        disk.make_dir(dir).ok();
    }
    let active = |store: &Store| store.info().unwrap().segments.last().unwrap().first;
    let (mut n, mut kept) = (0, 0);
    while active(&writer) == 0 {
        assert_eq!(append(&mut writer, &[visit(n, 0)]).unwrap().accepted, 1);
        let files = disk.files();
        if active(&writer) == 0 {
            assert!(read_again(&disk) <= 2, "{n}");
            kept = runs(&files).len();
        }
        n += 1;
    }
    assert!(n > 12 && kept > 8, "{kept} runs after {n} calls");
    let all: Vec<String> = (0..n).map(|n| visit(n, 0)).collect();
    assert_eq!(append(&mut writer, &all).unwrap().duplicates, n);
    writer.close().unwrap();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let first = active(&store(&disk, 2 << 10));
    for run in runs(&disk.files()).iter().map(name) {
        assert!(run[..20].parse::<u64>().unwrap() >= first, "{run} is of no use");
    }
}

#[test]
fn a_damaged_run_is_written_anew_once_it_is_asked() {
    let disk = SimDisk::default();
    append_once(&disk, 64 << 20, &[customer(0)]);
    let all: Vec<String> = (0..60).map(|n| visit(n, 0)).collect();
    for some in all.chunks(20) {
        append_once(&disk, 64 << 20, some);
    }
    let files = disk.files();
    assert!(runs(&files).len() > 2);
    for path in runs(&files) {
        let mut bad = files.clone();
        *bad.get_mut(&path).unwrap().last_mut().unwrap() ^= 1;
        let disk = SimDisk::of_files(&bad);
        let problems = store(&disk, 64 << 20).verify().unwrap().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(append_once(&disk, 64 << 20, &all).duplicates, 60);
        assert_eq!(store(&disk, 64 << 20).verify().unwrap().problems, [], "{}", path.display());
    }
}

/// An order that is updated again and again has one entry in the sidecar that runs become.
#[test]
fn a_sidecar_made_of_runs_is_the_one_made_of_events() {
    let disk = SimDisk::default();
    append_once(&disk, 4 << 10, &[customer(0), order("NEW", 0, 0, 1, 0), order("NEW", 1, 0, 1, 0)]);
    let mut seals = 0;
    for n in 0..59 {
        let updates = [order("UPDATE", 0, 0, n + 2, n), order("UPDATE", n % 2, 0, 5, 59 - n)];
        let before = disk.files().len();
        append_once(&disk, 4 << 10, &[customer(n + 1), updates[0].clone(), updates[1].clone()]);
        seals += u32::from(disk.files().len() < before);
        let found = store(&disk, 4 << 10).verify_deep().unwrap();
        assert_eq!(found.problems, [], "{n}");
    }
    assert!(seals > 0, "segments were sealed, and their runs are gone");
    let top = store(&disk, 4 << 10).top(1, &Question::default()).unwrap();
    assert_eq!(top.customers[0].revenue_cents, 10);
}

/// A log that went back to what it was, and on with other events: the runs of those it had are of
/// no use, though they have the names of its own.
#[test]
fn a_run_of_another_chain_is_passed_over() {
    let (first, second) = (SimDisk::default(), SimDisk::default());
    for (disk, n) in [(&first, 1), (&second, 2)] {
        append_once(disk, 64 << 20, &[customer(0)]);
        append_once(disk, 64 << 20, &[visit(n, 0)]);
    }
    let (theirs, mut ours) = (first.files(), second.files());
    let paths = runs(&ours);
    assert_eq!((paths.len(), runs(&theirs)), (2, paths.clone()));
    for path in paths {
        ours.insert(path.clone(), theirs[&path].clone());
        let disk = SimDisk::of_files(&ours);
        let told = store(&disk, 64 << 20).verify().unwrap().problems;
        let expected = usize::from(theirs[&path] != second.files()[&path]);
        assert_eq!(told.len(), expected, "{told:?}");
        let again = append_once(&disk, 64 << 20, &[customer(0), visit(2, 0)]);
        assert_eq!((again.accepted, again.duplicates), (0, 2), "{}", path.display());
        assert_eq!(read_again(&disk), 0, "one of ours has its name now");
        assert_eq!(append_once(&disk, 64 << 20, &[visit(1, 0)]).accepted, 1);
    }
}
