//! A sealed segment whose sidecar is on its way: made of runs, which are asked meanwhile.
//!
//! To put a few million entries together, and to write and sync them, takes some tenths of a second.
//! Whoever waits for a receipt does not wait for that. A crash meanwhile leaves a sealed segment
//! without a sidecar, and the log's next writer reads its events and makes it.

use super::aside::{Aside, Turn};
use super::index::Entry;
use super::runs::Runs;
use super::sidecars::{Sealed, Sidecars};
use crate::Error;
use crate::log::{SegmentInfo, View};

/// With more entries than so many outside of its runs a segment's sidecar is made at once.
const ENTRIES_MAX: usize = 1 << 17;

/// What becomes a sidecar.
pub(super) struct Sealing {
    /// All entries of the segment.
    pub(super) runs: Runs,
    made: Aside<Result<Sealed, Error>>,
}

impl Sealing {
    /// Whether it is worth it, for a segment with these runs and so many entries beside them.
    pub(super) fn is_for(runs: &Runs, recent: &[Entry]) -> bool {
        runs.len() > 0 && recent.len() <= ENTRIES_MAX
    }

    /// Begins to make the sidecar of a segment, of its runs and of the entries from their end on.
    pub(super) fn begin(
        segment: SegmentInfo,
        mut runs: Runs,
        recent: Vec<Entry>,
        sidecars: &Sidecars,
        view: View,
        turn: Turn,
    ) -> Result<Sealing, Error> {
        let (maker, parts) = (sidecars.maker(), runs.parts(&recent));
        runs.finish(segment.end_seq, segment.chain_out, recent)?;
        let made = Aside::begin(turn, move || maker.write(segment.clone(), parts.entries(&view)?));
        Ok(Sealing { runs, made })
    }

    /// Whether the sidecar can be taken without a wait.
    pub(super) fn is_done(&mut self) -> bool {
        self.made.is_done()
    }

    /// The sidecar, waited for. What went wrong is tried again by who takes it again.
    pub(super) fn take(&mut self) -> Result<Sealed, Error> {
        self.made.take()
    }
}
