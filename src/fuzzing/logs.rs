//! Small logs, each made once, for the targets that spoil one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::events;
use crate::log::SimDisk;
use crate::store::trial;
use crate::{Options, Store, Sync};

pub(super) const DIR: &str = "/log";

/// Every file of a disk.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A log, and what is true of it.
pub(super) struct Log {
    pub(super) files: Files,
    /// Its events as they are exported.
    pub(super) lines: Vec<String>,
    /// How many of them were acknowledged.
    pub(super) synced: usize,
}

/// How a log was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Closed,
    Killed,
    /// Killed with events that no sync had covered.
    Unsynced,
}

/// One or three segments, of few events or compressed ones, closed or as a killed process leaves
/// them.
pub(super) fn logs() -> &'static [Log] {
    static LOGS: OnceLock<Vec<Log>> = OnceLock::new();
    LOGS.get_or_init(|| {
        vec![
            make(100, 64 << 20, 3, Left::Closed),
            make(200, 1 << 10, 6, Left::Closed),
            make(300, 4 << 10, 3, Left::Killed),
            make(400, 1 << 10, 6, Left::Killed),
            make(500, 4 << 10, 4, Left::Unsynced),
            make(600, 4 << 10, 0, Left::Closed),
        ]
    })
}

fn make(seed: u64, segment_bytes_max: u64, calls: u8, left: Left) -> Log {
    let disk = SimDisk::default();
    let mut store = open(&disk, seed, segment_bytes_max, Sync::Call);
    let mut synced = 0;
    for call in 0..calls.max(1) {
        if left == Left::Unsynced && call + 1 == calls {
            drop(store);
            store = open(&disk, seed + 50, segment_bytes_max, Sync::None);
        }
        // One call of events enough to be compressed, or some short ones.
        let mut lines: Vec<String> = (0..if calls == 0 { 260 } else { 5 })
            .map(|n: u16| {
                let kind = [0, 3, 6, 7, 2][usize::from(n % 5)];
                events::text(kind, u16::from(call) * 300 + n / 5 * 5, call % 7, call ^ 3)
            })
            .collect();
        lines.push(events::text(1, 0, 7, 0xF0));
        let receipt = trial::append(&mut store, &lines).expect("nothing goes wrong here");
        if receipt.synced {
            synced = usize::try_from(receipt.end).expect("few events");
        }
    }
    let lines = trial::export(&store).expect("nothing goes wrong here");
    if left == Left::Closed {
        store.close().expect("nothing goes wrong here");
    }
    Log { files: disk.kill().files(), lines, synced }
}

fn open(disk: &SimDisk, seed: u64, segment_bytes_max: u64, sync: Sync) -> Store {
    let options =
        Options { segment_bytes_max, sync, checkpoint_events_min: 9, ..Options::default() };
    let env = trial::env(Arc::new(disk.clone()), seed);
    Store::open_in(env, Path::new(DIR).to_path_buf(), options).expect("nothing goes wrong here")
}

/// The segments among these files, in order.
pub(super) fn segments(files: &Files) -> Vec<PathBuf> {
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|end| end == "seg");
    files.keys().filter(is_segment).cloned().collect()
}

pub(super) fn head() -> PathBuf {
    Path::new(DIR).join("head")
}
