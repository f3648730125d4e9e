//! Disks that are full at any byte, and still are when the log is opened again.

use super::crash::{DIR, Way, Whole, calls, check, run_to_end};
use super::*;
use crate::log::SimDisk;

/// Tries the calls; up to which event they were acknowledged, and whether the disk was full.
fn fill(disk: &SimDisk, seed: u64, calls: &[Vec<String>], context: &str) -> (u64, bool) {
    let mut acknowledged = 0;
    let is_full = match run_to_end(disk, seed, calls, Way::USUAL, &mut acknowledged) {
        Ok(()) => false,
        Err(Error::Io { source, path, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{context}: {source}");
            assert!(path.starts_with(DIR), "{context}: {}", path.display());
            true
        }
        Err(error) => panic!("{context}: {error}"),
    };
    (acknowledged, is_full)
}

/// Reading needs no room, and finds what was acknowledged.
fn read(disk: &SimDisk, whole: &Whole, acknowledged: u64, context: &str) {
    let before = disk.files();
    let store = open(Arc::new(disk.clone()), Path::new(DIR), 9, 1 << 10).expect(context);
    if store.exists() {
        let found = export(&store).expect(context);
        assert!(whole.events.starts_with(&found), "{context}: not a prefix");
        let count = found.len() as u64;
        assert!(count >= acknowledged, "{context}: {acknowledged} acknowledged, {count} read");
        assert_eq!(store.verify().expect(context).problems, [], "{context}");
        store.info().expect(context);
        store.top(3, &Question::default()).expect(context);
    } else {
        assert_eq!(acknowledged, 0, "{context}: the log is gone");
    }
    assert_eq!(disk.files(), before, "{context}: reading changed something");
}

#[test]
fn a_disk_that_is_full_at_any_byte_is_an_error_and_can_be_read() {
    let calls = calls();
    let whole = Whole::of(&calls, Way::USUAL);
    let step = if std::env::var("LTVLOG_TIER").is_ok() { 1 } else { 97 };
    let (mut sizes, mut full_again) = (0, 0);
    for room in (0..).step_by(step) {
        let context = format!("room for {room} bytes");
        let disk = SimDisk::default();
        disk.limit(Some(room));
        let (acknowledged, is_full) = fill(&disk, 1, &calls, &context);
        let disk = disk.kill();
        read(&disk, &whole, acknowledged, &context);
        let (again, is_full_again) = fill(&disk, 3, &calls, &context);
        let acknowledged = acknowledged.max(again);
        read(&disk.copy(), &whole, acknowledged, &context);
        disk.limit(None);
        check(disk.kill(), &calls, Way::USUAL, &whole, acknowledged, &context);
        sizes += 1;
        full_again += u64::from(is_full_again);
        if !is_full {
            break;
        }
    }
    println!("T7: {sizes} sizes of the simulated disk, {full_again} still full when opened again");
    assert!(sizes * step > 5_000, "{sizes} sizes");
}
