//! Stores in worlds that are the same on every run: what tests and fuzzing try the store with.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::sidecar::{Form, Sidecar};
use super::{CallOptions, Options, Origin, Receipt, Store};
use crate::Error;
use crate::event::Event;
use crate::log::{Disk, Env, Map};

/// A world that is the same on every run: a clock that steps by a millisecond, and randomness
/// that counts.
pub(crate) fn env(disk: Arc<dyn Disk>, seed: u64) -> Env {
    let clock = AtomicI64::new(1_483_707_600_000_000);
    let count = AtomicU64::new(seed);
    Env {
        disk,
        now_us: Arc::new(move || clock.fetch_add(1_000, Ordering::Relaxed)),
        random_u64: Arc::new(move || {
            // SplitMix64, so that ids and salts look as they do in earnest.
            let n = count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        }),
        pause_us: Arc::new(|_| {}),
        threads: false,
    }
}

pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    seed: u64,
    segment_bytes_max: u64,
) -> Result<Store, Error> {
    let threads = NonZeroUsize::new(2).expect("two");
    let options =
        Options { segment_bytes_max, checkpoint_events_min: 5, threads, ..Options::default() };
    Store::open_in(env(disk, seed), dir.to_path_buf(), options)
}

/// Appends lines of JSON as one call.
pub(crate) fn append(store: &mut Store, lines: &[String]) -> Result<Receipt, Error> {
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions::default())?;
    for line in lines {
        let event =
            Event::from_json(line.as_bytes(), &rules).expect("the tests write valid events");
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })?;
    }
    call.finish()
}

/// All events of a log as they are exported.
pub(crate) fn export(store: &Store) -> Result<Vec<String>, Error> {
    let currency = store.rules().currency;
    let mut lines = Vec::new();
    store.records(0, &mut |record| {
        let mut line = String::new();
        record.event.to_json(currency, &mut line);
        lines.push(line);
        Ok(true)
    })?;
    Ok(lines)
}

/// Asks a sidecar or a run of these bytes for hashes; whether all of it is as its checksums say.
pub(crate) fn ask_sidecar(bytes: &[u8], hashes: impl IntoIterator<Item = u64>) -> bool {
    let open = |form| Sidecar::open(form, Map::owned(bytes.to_vec()));
    if let Ok(run) = open(Form::Run) {
        let mut entries = Vec::new();
        assert!(run.entries(run.cover().first, &mut entries).is_ok() || entries.is_empty());
    }
    let Ok(sidecar) = open(Form::Segment).or_else(|_| open(Form::Run)) else { return false };
    let is_whole = sidecar.check().is_ok();
    for hash in hashes {
        let mut found = Vec::new();
        let answered = sidecar.candidates(hash, &mut found);
        assert!(answered.is_ok() || found.is_empty(), "refused, yet {found:?}");
        assert!(found.len() <= bytes.len() / 8, "more entries than there are bytes for");
    }
    is_whole
}
