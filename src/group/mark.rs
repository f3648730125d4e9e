//! How far the log is on the disk, for threads that have no lock.

use super::sync::{AtomicU64, Ordering};
use crate::planted::planted;

/// The synced end as the committer last published it. It never goes back.
pub(super) struct Mark(AtomicU64);

impl Mark {
    pub(super) fn new(synced_end: u64) -> Mark {
        Mark(AtomicU64::new(synced_end))
    }

    /// Tells that everything below `synced_end` is on the disk. Only the committer calls this, after
    /// the sync and before any answer.
    pub(super) fn publish(&self, synced_end: u64) {
        let order =
            if planted("mark published loosely") { Ordering::Relaxed } else { Ordering::Release };
        self.0.store(synced_end, order);
    }

    /// Whoever reads it sees everything that was written before it was published.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
