//! Backups and the logs that are made of them: what is copied, and what is refused.

use std::fs;
use std::ops::Range;

use super::*;
use crate::log::SimDisk;

pub(super) const DIR: &str = "/log";
pub(super) const DEST: &str = "/backups/log";
pub(super) const NEW: &str = "/new/log";

/// Appends so many calls, most of them a segment.
pub(super) fn fill(disk: &SimDisk, calls: Range<u64>) {
    fill_at(disk, DIR, calls);
}

pub(super) fn fill_at(disk: &SimDisk, dir: &str, calls: Range<u64>) {
    let mut store = open(Arc::new(disk.clone()), Path::new(dir), 7, 1 << 10).unwrap();
    for n in calls {
        // Text that is not packed well, so that two calls are more than a segment.
        let words =
            (0..30).map(|word| format!("{:x}", (n * 31 + word).wrapping_mul(0x9E37_79B9_7F4A)));
        let note = words.collect::<String>();
        let noted = visit(n, n).replace("\"tags\"", &format!("\"note\":\"{note}\",\"tags\""));
        let call =
            [customer(n), noted, visit(n + 100, n), visit(n + 200, n), order("NEW", n, n, n, 3)];
        assert_eq!(append(&mut store, &call).unwrap().accepted, 5);
    }
    store.close().unwrap();
}

pub(super) fn back_up(disk: &SimDisk) -> Result<Backup, Error> {
    back_up_to(disk, DIR, DEST)
}

pub(super) fn back_up_to(disk: &SimDisk, dir: &str, dest: &str) -> Result<Backup, Error> {
    let store = open(Arc::new(disk.clone()), Path::new(dir), 8, 1 << 10)?;
    store.backup(Path::new(dest), &mut |_| {})
}

pub(super) fn restore(disk: &SimDisk) -> Result<Restored, Error> {
    let env = env(Arc::new(disk.clone()), 8);
    Store::restore_in(&env, Path::new(DEST), Path::new(NEW), &mut |_| {})
}

pub(super) fn exported(disk: &SimDisk, dir: &str) -> Result<Vec<String>, Error> {
    export(&open(Arc::new(disk.clone()), Path::new(dir), 9, 1 << 10)?)
}

fn reason(refused: Result<Backup, Error>) -> String {
    match refused.unwrap_err() {
        Error::Options { reason } => reason,
        error => panic!("{error}"),
    }
}

#[test]
fn a_backup_takes_what_is_new() {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    let first = back_up(&disk).unwrap();
    assert_eq!((first.end, first.new_events), (30, 30));
    assert_eq!((first.copied_segments, first.copied_bytes), (first.segments, first.bytes));
    assert!(first.segments > 3, "{first:?}");
    let nothing = back_up(&disk).unwrap();
    let expected = Backup { new_events: 0, copied_segments: 0, copied_bytes: 0, ..first.clone() };
    assert_eq!(nothing, expected);
    fill(&disk, 6..8);
    let second = back_up(&disk).unwrap();
    assert_eq!((second.end, second.new_events), (40, 10));
    // The segment that had not been sealed is copied again, whole.
    assert_eq!(second.copied_segments, second.segments - first.segments + 1);
    assert!(second.copied_bytes < second.bytes - first.bytes + 1_500, "{second:?} {first:?}");
    // Not a byte more or less than the log has.
    let files = disk.files();
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("/log/segments")) {
        assert_eq!(files[&Path::new(DEST).join(path.strip_prefix(DIR).unwrap())], *bytes);
    }
}

#[test]
fn a_restored_log_goes_on() {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    let backup = back_up(&disk).unwrap();
    let restored = restore(&disk).unwrap();
    let expected = Restored { events: 30, segments: backup.segments, bytes: backup.bytes, end: 30 };
    assert_eq!(restored, expected);
    fill(&disk, 6..9);
    fill_at(&disk, NEW, 6..9);
    assert_eq!(exported(&disk, NEW).unwrap(), exported(&disk, DIR).unwrap());
    let digest = |dir: &str| {
        let store = open(Arc::new(disk.clone()), Path::new(dir), 9, 1 << 10).unwrap();
        let mut statistics = Statistics::new();
        store.replay(&mut statistics).unwrap();
        assert_eq!(store.verify().unwrap().problems, []);
        store.digest(&statistics).unwrap()
    };
    assert_eq!(digest(NEW), digest(DIR));
    // Every event of the backup is known to the restored log, though it has no key sidecars.
    let mut store = open(Arc::new(disk.clone()), Path::new(NEW), 7, 1 << 10).unwrap();
    let lines = exported(&disk, DEST).unwrap();
    assert_eq!(append(&mut store, &lines).unwrap().duplicates, 30);
}

#[test]
fn a_backup_ends_where_the_writer_has_synced() {
    let disk = SimDisk::default();
    let options = Options { sync: Sync::None, ..Options::default() };
    let env = env(Arc::new(disk.clone()), 1);
    let mut writer = Store::open_in(env, PathBuf::from(DIR), options).unwrap();
    append(&mut writer, &[customer(0), customer(1)]).unwrap();
    // The writer itself, and another process beside it.
    assert_eq!(writer.backup(Path::new(DEST), &mut |_| {}).unwrap().end, 0);
    assert_eq!(back_up(&disk).unwrap().end, 0);
    assert_eq!(restore(&disk).unwrap().events, 0);
    writer.close().unwrap();
    assert_eq!(back_up(&disk).unwrap().end, 2);
}

#[test]
fn a_batch_of_marks_alone_is_copied() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 64 << 20).unwrap();
    append(&mut store, &[customer(0)]).unwrap();
    for position in [&b"1"[..], b"2", b"3"] {
        let mut call = store.call(CallOptions::default()).unwrap();
        assert!(call.set_mark(b"topic", position));
        call.finish().unwrap();
        let backup = store.backup(Path::new(DEST), &mut |_| {}).unwrap();
        assert_eq!((backup.end, backup.copied_segments), (1, 1));
    }
    drop(store);
    restore(&disk).unwrap();
    let restored = open(Arc::new(disk), Path::new(NEW), 1, 64 << 20).unwrap();
    assert_eq!(restored.mark(b"topic").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_first_backup_that_was_cut_off_keeps_what_it_has() {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    let first = back_up(&disk).unwrap();
    let mut files = disk.files();
    files.remove(&Path::new(DEST).join("backup.json")).unwrap();
    let disk = SimDisk::of_files(&files);
    assert!(restore(&disk).unwrap_err().to_string().contains("no whole backup"));
    let again = back_up(&disk).unwrap();
    assert_eq!(again, Backup { new_events: 0, copied_segments: 0, copied_bytes: 0, ..first });
    restore(&disk).unwrap();
}

/// What two logs of one beginning have after it, in how long segments, and what is said then.
#[test]
fn a_log_that_went_another_way_is_refused() {
    for segment_bytes_max in [1 << 10, 64 << 20] {
        let disk = SimDisk::default();
        let open = |dir: &str, seed| {
            open(Arc::new(disk.clone()), Path::new(dir), seed, segment_bytes_max).unwrap()
        };
        let add = |dir: &str, calls: Range<u64>| {
            let mut store = open(dir, calls.start);
            for n in calls {
                append(&mut store, &[customer(n), visit(n, n), visit(n + 100, n)]).unwrap();
            }
            store.close().unwrap();
        };
        add(DIR, 0..3);
        back_up(&disk).unwrap();
        restore(&disk).unwrap();
        add(DIR, 3..6);
        back_up(&disk).unwrap();
        let before = disk.files();
        assert!(reason(back_up_to(&disk, NEW, DEST)).contains("has 18 events, the log 9;"));
        add(NEW, 10..13);
        assert!(reason(back_up_to(&disk, NEW, DEST)).contains("they differ somewhere from event"));
        add(NEW, 13..20);
        assert!(reason(back_up_to(&disk, NEW, DEST)).contains("they differ somewhere from event"));
        let mut after = disk.files();
        after.retain(|path, _| !path.starts_with(NEW));
        let mut before = before;
        before.retain(|path, _| !path.starts_with(NEW));
        assert!(after == before, "the backup was touched");
    }
}

/// A crash between two segments leaves the second one without a batch, or not there; what is made
/// in its place has another salt, and took no event from anyone.
#[test]
fn a_segment_without_batches_may_be_made_again() {
    let disk = SimDisk::default();
    fill(&disk, 0..6);
    let mut files = disk.files();
    let last = files.keys().rfind(|path| path.starts_with("/log/segments")).unwrap().clone();
    files.retain(|path, _| *path != last && path.starts_with("/log/segments"));
    let begin = |files: &std::collections::BTreeMap<_, _>, seed| {
        let disk = SimDisk::of_files(files);
        let mut store = open(Arc::new(disk.clone()), Path::new(DIR), seed, 1 << 10).unwrap();
        append(&mut store, &[]).unwrap();
        store.close().unwrap();
        disk
    };
    let first = begin(&files, 100);
    assert!(back_up(&first).unwrap().segments > 3);
    let other = begin(&files, 200);
    assert!(first.files()[&last] != other.files()[&last] && other.files()[&last].len() == 128);
    let mut both = other.files();
    both.extend(first.files().into_iter().filter(|(path, _)| path.starts_with(DEST)));
    let disk = SimDisk::of_files(&both);
    back_up(&disk.copy()).unwrap();
    fill(&disk, 6..9);
    back_up(&disk).unwrap();
    restore(&disk).unwrap();
    assert_eq!(exported(&disk, NEW).unwrap(), exported(&disk, DIR).unwrap());
}

#[test]
fn a_directory_that_is_no_backup_of_this_log_is_refused() {
    let disk = SimDisk::default();
    fill(&disk, 0..3);
    let mut other = open(Arc::new(disk.clone()), Path::new("/other"), 77, 1 << 10).unwrap();
    append(&mut other, &[customer(0)]).unwrap();
    other.backup(Path::new("/backups/other"), &mut |_| {}).unwrap();
    let locked = back_up_to(&disk, DIR, "/other").unwrap_err();
    assert!(matches!(&locked, Error::Locked { path } if path == Path::new("/other")), "{locked}");
    other.close().unwrap();
    assert!(reason(back_up_to(&disk, DIR, "/other")).contains("opened for append"));
    for inside in ["/log", "/log/segments", "/log/backup", "/"] {
        assert!(reason(back_up_to(&disk, DIR, inside)).contains("lies in the other"), "{inside}");
    }
    // By another backup of this log.
    back_up(&disk).unwrap();
    let lock = disk.lock(Path::new(DEST), false).unwrap().unwrap();
    let locked = back_up(&disk).unwrap_err();
    assert!(matches!(&locked, Error::Locked { path } if path == Path::new(DEST)), "{locked}");
    drop(lock);
    assert!(reason(back_up_to(&disk, DIR, "/backups/other")).contains("of another log"));
    let files = [("/docs/letter.txt", "a"), ("/log2/segments/letter.txt", "b")];
    let mut all = disk.files();
    all.extend(files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())));
    let disk = SimDisk::of_files(&all);
    assert!(reason(back_up_to(&disk, DIR, "/docs")).contains("is not empty, and no backup"));
    // Nothing of it is in the way.
    assert_eq!(back_up_to(&disk, DIR, "/log2").unwrap().end, 15);
    let missing = back_up_to(&disk, "/nowhere", "/backups/nowhere").unwrap_err();
    assert!(matches!(missing, Error::Missing { .. }), "{missing}");
}

#[test]
fn a_backup_is_not_appended_to() {
    let disk = SimDisk::default();
    fill(&disk, 0..3);
    back_up(&disk).unwrap();
    let before = disk.files();
    let mut store = open(Arc::new(disk.clone()), Path::new(DEST), 1, 1 << 10).unwrap();
    let refused = append(&mut store, &[customer(50)]).unwrap_err();
    assert!(refused.to_string().contains("/backups/log is a backup"), "{refused}");
    let planned =
        crate::store::repair::plan(&trial::env(Arc::new(disk.clone()), 1), Path::new(DEST));
    assert!(planned.unwrap_err().to_string().contains("/backups/log is a backup"));
    assert!(before == disk.files());
    // Whoever says so makes a log of it, which is then no place for backups of the other.
    disk.remove(&Path::new(DEST).join("backup.json")).unwrap();
    append(&mut store, &[customer(50)]).unwrap();
    store.close().unwrap();
    assert!(reason(back_up(&disk)).contains("opened for append"));
    // Nor without the evidence.
    let mut files = disk.files();
    let is_segment = |path: &Path| path.starts_with("/backups/log/segments");
    files.retain(|path, _| !path.starts_with(DEST) || is_segment(path));
    let disk = SimDisk::of_files(&files);
    assert!(reason(back_up(&disk)).contains("has 16 events, the log 15;"));
}

#[test]
fn a_place_with_something_in_it_is_not_restored_to() {
    let disk = SimDisk::default();
    fill(&disk, 0..3);
    back_up(&disk).unwrap();
    let restore_to = |dir: &str| {
        let env = env(Arc::new(disk.clone()), 8);
        let refused = Store::restore_in(&env, Path::new(DEST), Path::new(dir), &mut |_| {});
        refused.unwrap_err().to_string()
    };
    let before = disk.files();
    assert!(restore_to(DIR).contains("/log is not empty"));
    assert!(restore_to(DEST).contains("lies in the other"));
    assert!(restore_to("/backups/log/new").contains("lies in the other"));
    assert!(restore_to("/").contains("lies in the other"));
    assert!(before == disk.files());
    disk.make_dir(Path::new("/new")).unwrap();
    disk.make_dir(Path::new(NEW)).unwrap();
    let lock = disk.lock(Path::new("/new"), false).unwrap();
    restore(&disk).unwrap();
    drop(lock);
}

/// What is not a log half built is not cleared away to build one, whatever its name.
#[test]
fn what_stands_where_a_log_is_built_is_never_removed() {
    let disk = SimDisk::default();
    fill(&disk, 0..3);
    back_up(&disk).unwrap();
    let below = |dir: &'static str, files: &std::collections::BTreeMap<PathBuf, Vec<u8>>| {
        let built = Path::new("/new/log.restore.tmp");
        let inside = files.iter().filter(|(path, _)| path.starts_with(dir));
        inside
            .map(|(path, bytes)| (built.join(path.strip_prefix(dir).unwrap()), bytes.clone()))
            .collect::<Vec<_>>()
    };
    let letter = ("/new/log.restore.tmp/segments/letter".into(), b"Dear".to_vec());
    for inside in [below(DIR, &disk.files()), below(DEST, &disk.files()), vec![letter]] {
        let mut files = disk.files();
        files.extend(inside);
        let full = SimDisk::of_files(&files);
        let refused = restore(&full).unwrap_err().to_string();
        assert!(refused.contains("log.restore.tmp is in the way"), "{refused}");
        assert_eq!(full.files(), files);
    }
    // A backup that stands there is neither its own way nor in it.
    let mut files = disk.files();
    files.extend(below(DEST, &disk.files()));
    let full = SimDisk::of_files(&files);
    let env = env(Arc::new(full.clone()), 8);
    let from = Path::new("/new/log.restore.tmp");
    let refused = Store::restore_in(&env, from, Path::new(NEW), &mut |_| {});
    assert!(matches!(refused, Err(Error::Options { .. })));
    assert_eq!(full.files(), files);
    // Half a log that a killed process built is.
    let mut files = disk.files();
    let half = below("/log/segments", &files);
    files.extend(half.into_iter().map(|(path, bytes)| {
        (Path::new("/new/log.restore.tmp/segments").join(path.file_name().unwrap()), bytes)
    }));
    restore(&SimDisk::of_files(&files)).unwrap();
}

/// On real files: a link has no place to give, and what it leads to is not touched.
#[test]
fn a_link_is_not_restored_to() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let mut store = open(Env::real(false).disk, &path("log"), 1, 64 << 20).unwrap();
    append(&mut store, &[customer(0)]).unwrap();
    store.backup(&path("backup"), &mut |_| {}).unwrap();
    store.close().unwrap();
    fs::create_dir(path("empty")).unwrap();
    std::os::unix::fs::symlink("empty", path("link")).unwrap();
    std::os::unix::fs::symlink("log", path("new.restore.tmp")).unwrap();
    let restore_to = |name: &str| {
        let env = env(Env::real(false).disk, 8);
        Store::restore_in(&env, &path("backup"), &path(name), &mut |_| {})
    };
    assert!(restore_to("link").unwrap_err().to_string().contains("link is a link"));
    assert!(restore_to("new").unwrap_err().to_string().contains("in the way"));
    assert_eq!(fs::read_dir(path("log/segments")).unwrap().count(), 1);
    restore_to("empty").unwrap();
    let restored = open(Env::real(false).disk, &path("empty"), 1, 64 << 20).unwrap();
    assert_eq!(restored.end().unwrap(), 1);
}

/// On real files, where a map that reaches past a file's end kills the process.
#[test]
fn a_backup_can_be_followed() {
    let home = tempfile::tempdir().unwrap();
    let (dir, dest) = (home.path().join("log"), home.path().join("backup"));
    let mut store = open(Env::real(false).disk, &dir, 1, 64 << 20).unwrap();
    append(&mut store, &[customer(0)]).unwrap();
    store.backup(&dest, &mut |_| {}).unwrap();
    let mut follower = open(Env::real(false).disk, &dest, 1, 64 << 20).unwrap().follow(0).unwrap();
    let mut count = || follower.catch_up(&mut |_| Ok(true)).unwrap();
    assert_eq!((count(), count()), (1, 0));
    for n in 0..20 {
        let visits: Vec<_> = (0..100).map(|m| visit(n * 100 + m, 0)).collect();
        append(&mut store, &visits).unwrap();
        store.backup(&dest, &mut |_| {}).unwrap();
        assert_eq!(count(), 100);
    }
    let segment = dest.join("segments/00000000000000000000.seg");
    assert!(fs::metadata(segment).unwrap().len() > 3 * 4096, "several pages");
}
