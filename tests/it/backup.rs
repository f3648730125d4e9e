//! Backups of a log that is written to meanwhile, on real files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use ltvlog::{Event, Options, RestoreOptions, Statistics, Store};

fn options() -> Options {
    Options { segment_bytes_max: 8 << 10, ..Options::default() }
}

fn lines(n: u64) -> Vec<String> {
    let at = format!("2018-{:02}-{:02}T03:04:05Z", n % 12 + 1, n % 28 + 1);
    let line = |kind: &str, key: String, rest: String| {
        format!(r#"{{"type":{kind},"key":"{key}","event_time":"{at}"{rest}}}"#)
    };
    let of = |rest: &str| format!(r#","customer_id":"c{n}"{rest}"#);
    let mut lines = vec![line(r#""CUSTOMER","verb":"NEW""#, format!("c{n}"), String::new())];
    for m in 0..20 {
        lines.push(line(r#""SITE_VISIT","verb":"NEW""#, format!("v{n}-{m}"), of("")));
    }
    let total = of(&format!(r#","total_amount":"{n}.99 USD""#));
    lines.push(line(r#""ORDER","verb":"NEW""#, format!("o{n}"), total));
    lines
}

fn append(store: &mut Store, lines: &[String]) -> u64 {
    let rules = store.rules().clone();
    let events = lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules).unwrap());
    let receipt = store.append(events.collect::<Vec<_>>()).unwrap();
    assert!(receipt.synced && receipt.rejected() == 0, "{receipt:?}");
    receipt.end
}

/// What the writer told as acknowledged, batch by batch.
fn write(dir: &Path, calls: u64, acked: &Sender<u64>) {
    let mut store = Store::open(dir, options()).unwrap();
    for n in 0..calls {
        acked.send(append(&mut store, &lines(n))).unwrap();
        if n % 29 == 28 {
            // As a process that was killed leaves it, or as one that ended.
            if n % 2 == 0 {
                drop(store)
            } else {
                store.close().unwrap()
            }
            store = Store::open(dir, options()).unwrap();
        }
    }
}

fn keys(dir: &Path) -> Vec<String> {
    let mut keys = Vec::new();
    let store = Store::open(dir, options()).unwrap();
    store
        .records(0, &mut |record| {
            keys.push(record.event.key.to_string());
            Ok(true)
        })
        .unwrap();
    keys
}

fn segments(dir: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<_> = entries
        .map(|one| (one.file_name().into_string().unwrap(), one.metadata().unwrap().ino()))
        .collect();
    found.sort();
    found
}

#[test]
fn every_backup_beside_a_writer_is_a_prefix_with_all_that_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let (dir, dest) = (home.path().join("log"), home.path().join("backup"));
    let (sender, acked) = channel();
    let (mut backups, mut kept, mut copied) = (0, 0, 0);
    let calls = if std::env::var_os("LTVLOG_TIER").is_some() { 1_000 } else { 120 };
    let expected: Vec<String> = (0..calls)
        .flat_map(|n| {
            let visits = (0..20).map(move |m| format!("v{n}-{m}"));
            [format!("c{n}")].into_iter().chain(visits).chain([format!("o{n}")])
        })
        .collect();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let sender = sender;
            write(&dir, calls, &sender);
        });
        let mut before: Vec<(String, u64)> = Vec::new();
        while let Ok(end) = acked.recv() {
            let owed = acked.try_iter().last().unwrap_or(end);
            let log = Store::open(&dir, options()).unwrap();
            let backup = log.backup(&dest, &mut |_| {}).unwrap();
            assert!(backup.end >= owed, "{} after {owed}", backup.end);
            let keys = keys(&dest);
            assert_eq!(keys, expected[..keys.len()]);
            assert_eq!(keys.len() as u64, backup.end);
            let verified = Store::open(&dest, options()).unwrap().verify().unwrap();
            assert_eq!(verified.problems, []);
            let now = segments(&dest);
            let same = now.iter().filter(|one| before.contains(one)).count() as u64;
            assert_eq!(same, backup.segments - backup.copied_segments, "files that stayed");
            // All but the one that had grown.
            assert!(same + 1 >= before.len() as u64, "{same} of {}", before.len());
            (before, backups, kept) = (now, backups + 1, kept + same);
            copied += backup.copied_segments;
        }
        writer.join().unwrap();
    });
    let new = home.path().join("new");
    let last = Store::open(&dir, options()).unwrap().backup(&dest, &mut |_| {}).unwrap();
    let restored = Store::restore(&dest, &new, RestoreOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((restored.end, restored.segments), (last.end, last.segments));
    assert_eq!(keys(&new), expected);
    for dir in [&dest, &new] {
        assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
        let (name, _) = segments(dir).remove(0);
        let file = fs::metadata(dir.join("segments").join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(digest(&new), digest(&dir));
    println!("{backups} backups beside a writer, {copied} segments copied, {kept} kept");
}

fn digest(dir: &Path) -> String {
    let store = Store::open(dir, options()).unwrap();
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).unwrap();
    store.digest(&statistics).unwrap().to_string()
}

/// Two restored logs and the one they came from go on, and are the same as long as what is
/// appended is.
#[test]
fn a_restored_log_is_a_log_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let mut store = Store::open(path("log"), options()).unwrap();
    for n in 0..30 {
        append(&mut store, &lines(n));
    }
    store.close().unwrap();
    let mut progress = Vec::new();
    let store = Store::open(path("log"), options()).unwrap();
    let backup = store.backup(&path("backup"), &mut |now| progress.push(now)).unwrap();
    assert!(progress.is_sorted_by_key(|now| now.bytes) && progress.len() >= 30);
    let last = progress.last().unwrap();
    assert_eq!((last.bytes, last.bytes_total), (backup.bytes, backup.bytes));
    let options_ = RestoreOptions::default();
    fs::create_dir(path("here")).unwrap();
    std::os::unix::fs::symlink(path("backup"), path("link")).unwrap();
    // An empty directory will do, and a backup by another name.
    Store::restore(&path("link"), &path("here"), options_, &mut |_| {}).unwrap();
    Store::restore(&path("backup"), &path("a/b/there"), options_, &mut |_| {}).unwrap();
    let inside = store.backup(&path("link/../log/inside"), &mut |_| {}).unwrap_err();
    assert!(inside.to_string().contains("lies in the other"), "{inside}");
    drop(store);
    for name in ["log", "here", "a/b/there"] {
        let mut store = Store::open(path(name), options()).unwrap();
        for n in 20..40 {
            append(&mut store, &lines(n));
        }
        store.close().unwrap();
        assert_eq!(Store::open(path(name), options()).unwrap().verify().unwrap().problems, []);
    }
    assert_eq!(digest(&path("here")), digest(&path("log")));
    assert_eq!(keys(&path("a/b/there")), keys(&path("log")));
    let names = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().contains("tmp")).count(), 0);
}
