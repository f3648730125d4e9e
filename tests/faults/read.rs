//! What a log says to who reads it, and takes no lock.

use std::fs;
use std::path::{Path, PathBuf};

use ltvlog::{Options, Statistics, Store};

/// Everything a log has, and what `verify` says of it.
#[derive(Debug, Default)]
pub struct Look {
    /// Its events, as `export` prints them.
    pub lines: Vec<String>,
    pub torn_bytes: u64,
}

/// Reads and verifies a log; one that does not exist yet is empty. Damage is a failure.
#[track_caller]
pub fn look(log: &Path, context: &str) -> Look {
    let store = open(log);
    if !store.exists() {
        return Look::default();
    }
    let verified = store.verify().unwrap_or_else(|error| panic!("verify: {error:?}\n{context}"));
    assert!(verified.problems.is_empty(), "{:#?}\n{context}", verified.problems);
    let lines = lines(&store).unwrap_or_else(|error| panic!("export: {error:?}\n{context}"));
    Look { lines, torn_bytes: verified.torn_bytes }
}

/// The events of a log that exists.
pub fn export(log: &Path) -> Vec<String> {
    lines(&open(log)).unwrap()
}

fn lines(store: &Store) -> Result<Vec<String>, ltvlog::Error> {
    let mut lines = Vec::new();
    store.records(0, &mut |record| {
        let mut line = String::new();
        record.event.to_json(store.rules().currency, &mut line);
        lines.push(line);
        Ok(true)
    })?;
    Ok(lines)
}

fn open(log: &Path) -> Store {
    Store::open(log, Options::default()).unwrap()
}

/// The digest of all statistics, folded anew.
pub fn digest(log: &Path) -> String {
    let store = open(log);
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).unwrap();
    store.digest(&statistics).unwrap().to_string()
}

/// The bytes of the last segment, if there is one.
pub fn last_segment(log: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let path = files(&log.join("segments")).into_iter().max()?;
    let bytes = fs::read(&path).unwrap();
    Some((path, bytes))
}

/// The files of a directory that may not be there.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Whether quarantine has so many bytes of a segment as they were before recovery.
pub fn is_in_quarantine(log: &Path, segment: &[u8], torn_bytes: u64) -> bool {
    files(&log.join("quarantine")).iter().any(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let offset = name.split('-').nth(1).and_then(|offset| offset.parse().ok());
        let cut = offset.and_then(|offset: usize| segment.get(offset..));
        let kept = fs::read(path).unwrap();
        kept.len() as u64 == torn_bytes && cut.is_some_and(|cut| cut.starts_with(&kept))
    })
}

/// Copies a directory, in place of what was there.
pub fn copy(from: &Path, to: &Path) {
    remove(to);
    if from.exists() {
        copy_into(from, to);
    }
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for path in files(from) {
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_into(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

pub fn remove(dir: &Path) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
}
