//! ltvlog as it comes. Reading back is what a process that appends does: open, read, append.

use std::path::Path;

use ltvlog::{Event, Options, Store};

use crate::peer::{Peer, Record, text};

pub struct Ltvlog;

/// What is appended after reopening.
const PROBE: &[u8] =
    br#"{"type":"CUSTOMER","verb":"NEW","key":"probe","event_time":"2017-01-06T13:00:00Z"}"#;

impl Peer for Ltvlog {
    fn name(&self) -> &'static str {
        "ltvlog"
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let mut store = Store::open(dir, Options::default()).map_err(text)?;
        for record in records {
            append(&mut store, record)?;
        }
        acknowledged();
        store.close().map_err(text)
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let mut store = Store::open(dir, Options::default()).map_err(text)?;
        let mut before = all(&store)?;
        append(&mut store, PROBE)?;
        let mut after = all(&store)?;
        store.close().map_err(text)?;
        if after.pop().as_deref() != Some(PROBE) || before != after {
            // Two answers: no list of records that was ever written.
            before.append(&mut after);
        }
        Ok(before)
    }

    fn check(&self, dir: &Path) -> Option<Result<(), String>> {
        let found = Store::open(dir, Options::default()).and_then(|store| store.verify());
        Some(match found {
            Ok(found) => found.problems.first().map_or(Ok(()), |first| Err(first.reason.clone())),
            Err(error) => Err(text(error)),
        })
    }
}

fn append(store: &mut Store, record: &[u8]) -> Result<(), String> {
    let rules = store.rules().clone();
    let event = Event::from_json(record, &rules).map_err(|rejection| rejection.detail)?;
    let receipt = store.append([event]).map_err(text)?;
    if (receipt.accepted, receipt.synced) == (1, true) {
        Ok(())
    } else {
        Err(format!("not accepted and synced: {receipt:?}"))
    }
}

fn all(store: &Store) -> Result<Vec<Record>, String> {
    let currency = store.rules().currency;
    let mut records = Vec::new();
    let each = &mut |record: &ltvlog::Record<'_>| {
        let mut text = String::new();
        record.event.to_json(currency, &mut text);
        records.push(text.into_bytes());
        Ok(true)
    };
    store.records(0, each).map_err(text)?;
    Ok(records)
}
