//! What is found when a log is read, verified and opened for append, and what must agree of it.

use std::path::Path;
use std::sync::Arc;

use super::logs::{DIR, Files};
use crate::log::SimDisk;
use crate::store::trial;
use crate::{CallOptions, Error, Event, Question, Statistics, Store, Verification};

/// What reading a log gives.
pub(super) struct Reading {
    /// The events up to its end, or up to the error.
    pub(super) lines: Vec<String>,
    pub(super) error: Option<Error>,
    pub(super) verified: Result<Verification, Error>,
}

impl Reading {
    /// Whether anything says that the log is not as it should be.
    pub(super) fn is_reported(&self) -> bool {
        self.verified.as_ref().map_or(true, |found| !found.problems.is_empty())
    }
}

fn open(disk: &SimDisk) -> Result<Store, Error> {
    trial::open(Arc::new(disk.clone()), Path::new(DIR), 7, 4 << 10)
}

/// Reads files in every way that changes none.
pub(super) fn read(files: &Files) -> Reading {
    let disk = SimDisk::of_files(files);
    let reading = glance(&disk);
    answer(&disk, &reading);
    assert!(disk.files() == *files, "a reader changed something");
    reading
}

/// Reads a log once and verifies it.
pub(super) fn glance(disk: &SimDisk) -> Reading {
    let store = match open(disk) {
        Ok(store) => store,
        Err(error) => {
            let verified = Err(Error::Missing { path: DIR.into() });
            return Reading { lines: Vec::new(), error: Some(error), verified };
        }
    };
    let currency = store.rules().currency;
    let mut lines = Vec::new();
    let mut dense = true;
    let read = store.records(0, &mut |record| {
        dense &= record.sequence == lines.len() as u64;
        let mut line = String::new();
        record.event.to_json(currency, &mut line);
        lines.push(line);
        Ok(true)
    });
    let reading = Reading { lines, error: read.err(), verified: store.verify() };
    if !reading.is_reported() {
        let verified = reading.verified.as_ref().expect("nothing was reported");
        assert!(reading.error.is_none(), "verified, yet unreadable: {:?}", reading.error);
        assert_eq!(verified.events, reading.lines.len() as u64);
        assert!(dense, "sequences are dense");
    }
    reading
}

/// Asks everything; a log without damage answers, and its answers agree.
fn answer(disk: &SimDisk, reading: &Reading) {
    let Ok(store) = open(disk) else { return };
    let top = store.top(3, &Question::default());
    let mut followed = Vec::new();
    let follower = store.follow(0).and_then(|mut follower| {
        follower.catch_up(&mut |record| {
            followed.push(record.sequence);
            Ok(true)
        })
    });
    let ids = ["c0".to_owned(), "nobody".to_owned()];
    let stats = store.stats(&ids, &Question::default());
    if reading.is_reported() {
        return;
    }
    let end = reading.lines.len() as u64;
    assert_eq!(top.expect("verified").end, end);
    assert_eq!(store.info().expect("verified").end, end);
    assert_eq!(follower.expect("verified"), end);
    assert_eq!(followed.len() as u64, end);
    assert_eq!(stats.expect("verified").1.len(), 2);
    let mut statistics = Statistics::new();
    assert_eq!(store.replay(&mut statistics).expect("verified"), end);
    let state = store.compare_checkpoint(&statistics).expect("verified");
    assert_ne!(state, crate::CheckpointState::Different);
}

/// Opens files for append and appends: what is refused stays as it is, and what was read stays.
/// Of forged bytes a batch may be refused only when all of it is decoded.
pub(super) fn write(files: &Files, seen: &Reading, is_forged: bool) {
    let disk = SimDisk::of_files(files);
    let refused = match open(&disk) {
        Ok(mut store) => store.call(CallOptions::default()).err(),
        Err(error) => Some(error),
    };
    if let Some(error) = refused {
        assert!(is_forged || disk.files() == *files, "refused, yet changed: {error}");
        assert!(seen.is_reported(), "verified, yet refused: {error}");
        return;
    }
    let opened = glance(&disk.copy());
    same(seen, &opened, &[]);
    let mut added = Vec::new();
    match open(&disk).and_then(|mut store| append(&mut store, &mut added)) {
        Ok(()) => same(seen, &glance(&disk.copy()), &added),
        Err(error) => assert!(seen.is_reported(), "verified, yet nothing is appended: {error}"),
    }
}

/// Appends a customer that no log has, where the log's time range allows it.
fn append(store: &mut Store, added: &mut Vec<String>) -> Result<(), Error> {
    let (rules, mut line) = (store.rules().clone(), String::new());
    let text =
        br#"{"type":"CUSTOMER","verb":"NEW","key":"new","event_time":"2017-01-01T00:00:00Z"}"#;
    let Ok(event) = Event::from_json(text, &rules) else { return Ok(()) };
    event.to_json(rules.currency, &mut line);
    let receipt = store.append([event])?;
    added.extend((receipt.accepted == 1).then_some(line));
    Ok(())
}

/// What was read before is there, with `added` behind it; where there was an error there may be
/// one still, and nothing else than before.
fn same(before: &Reading, after: &Reading, added: &[String]) {
    if before.error.is_none() {
        assert!(after.error.is_none(), "unreadable once written to: {:?}", after.error);
        let (old, new) = after.lines.split_at(before.lines.len().min(after.lines.len()));
        assert!(old == before.lines && new == added, "writing changed what was there");
        assert!(before.is_reported() || !after.is_reported(), "{:?}", after.verified);
        return;
    }
    let mut pairs = before.lines.iter().zip(&after.lines);
    assert!(pairs.all(|(before, after)| before == after), "writing changed what was there");
}
