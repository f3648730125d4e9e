//! Disks that are full at any byte, and still are when the log is opened again.

use super::crash::{DIR, Whole, calls, check, run_to_end};
use super::*;
use crate::log::SimDisk;

/// Tries the calls; how many were answered, and whether the disk was full.
fn fill(disk: &SimDisk, seed: u64, calls: &[Vec<String>], context: &str) -> (usize, bool) {
    let mut receipts = Vec::new();
    let is_full = match run_to_end(disk, seed, calls, &mut receipts) {
        Ok(()) => false,
        Err(Error::Io { source, path, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{context}: {source}");
            assert!(path.starts_with(DIR), "{context}: {}", path.display());
            true
        }
        Err(error) => panic!("{context}: {error}"),
    };
    (receipts.len(), is_full)
}

/// Reading needs no room, and finds what was acknowledged.
fn read(disk: &SimDisk, whole: &Whole, answered: usize, context: &str) {
    let before = disk.files();
    let store = open(Arc::new(disk.clone()), Path::new(DIR), 9, 1 << 10).expect(context);
    let owed = answered.checked_sub(1).map_or(0, |last| whole.ends[last]);
    if store.exists() {
        let found = export(&store).expect(context);
        assert!(whole.events.starts_with(&found), "{context}: not a prefix");
        assert!(found.len() >= owed, "{context}: {owed} were accepted, {} are read", found.len());
        assert_eq!(store.verify().expect(context).problems, [], "{context}");
        store.info().expect(context);
        store.top(3, &Question::default()).expect(context);
    } else {
        assert_eq!(owed, 0, "{context}: the log is gone");
    }
    assert_eq!(disk.files(), before, "{context}: reading changed something");
}

#[test]
fn a_disk_that_is_full_at_any_byte_is_an_error_and_can_be_read() {
    let calls = calls();
    let whole = Whole::of(&calls);
    let step = if std::env::var("LTVLOG_TIER").is_ok() { 1 } else { 97 };
    let (mut sizes, mut full_again) = (0, 0);
    for room in (0..).step_by(step) {
        let context = format!("room for {room} bytes");
        let disk = SimDisk::default();
        disk.limit(Some(room));
        let (answered, is_full) = fill(&disk, 1, &calls, &context);
        let disk = disk.kill();
        read(&disk, &whole, answered, &context);
        let (again, is_full_again) = fill(&disk, 3, &calls, &context);
        let answered = answered.max(again);
        read(&disk.copy(), &whole, answered, &context);
        disk.limit(None);
        check(disk.kill(), &calls, &whole, answered, &context);
        sizes += 1;
        full_again += u64::from(is_full_again);
        if !is_full {
            break;
        }
    }
    println!("T7: {sizes} sizes of the simulated disk, {full_again} still full when opened again");
    assert!(sizes * step > 5_000, "{sizes} sizes");
}
