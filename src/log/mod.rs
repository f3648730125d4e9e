//! The log: segments of checksummed frames, synced and recovered. It knows nothing of customers:
//! it keeps (first sequence, number of events, body), and asks a [`BodyReader`] for the little
//! that it must know of a body.

mod active;
mod backup;
mod body;
mod catalog;
mod copy;
mod directory;
mod disk;
mod env;
pub(crate) mod explain;
mod frames;
mod head;
mod head_file;
mod lookup;
mod map;
mod meta;
mod open;
mod os;
mod paths;
mod pieces;
mod quarantine;
mod recovery;
pub(crate) mod repair;
mod restore;
mod rewrite;
mod roll;
mod scan;
mod seal;
mod sealed;
mod segment;
#[cfg(any(test, fuzzing))]
mod sim;
mod verify;
mod view;
mod writer;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use backup::Destination;
pub(crate) use body::{Body, Frame};
pub(crate) use copy::SegmentSum;
pub use copy::{Copying, OnCopying};
pub(crate) use disk::{Access, Disk, File};
pub(crate) use disk::{read_full, write_full};
pub(crate) use frames::Frames;
pub(crate) use map::Map;
pub(crate) use meta::read_meta;
pub(crate) use open::lock_dir;
pub(crate) use paths::{Among, Paths, make_dirs, names, nested};
pub(crate) use restore::{Building, built};
pub(crate) use rewrite::Rewriting;
pub(crate) use scan::Position;
pub(crate) use segment::{parse_segment_name, segment_name};
#[cfg(any(test, fuzzing))]
pub(crate) use sim::{SimDisk, SimFault};
pub(crate) use verify::verify;
pub(crate) use view::{SegmentInfo, View};
pub(crate) use writer::Writer;

use crate::error::{Error, Fault};
use crate::frame::BODY_BYTES_MAX;

/// What is fixed when a log is created, and the same in all its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogMeta {
    /// Random; tells a log's files from another's.
    pub(crate) log_id: u64,
    /// The only currency of its orders, three capital letters.
    pub(crate) currency: [u8; 3],
    /// Which part of a partitioned log this is, from 0.
    pub(crate) partition: u16,
    /// Of how many; 1 if it is not partitioned.
    pub(crate) partitions: u16,
    /// Event times lie in it, µs since 1970.
    pub(crate) time_range_us: Range<i64>,
}

impl LogMeta {
    /// Whether a log may be of this kind.
    pub(crate) fn is_sound(&self) -> bool {
        self.currency.iter().all(u8::is_ascii_uppercase)
            && self.partition < self.partitions
            && self.time_range_us.start < self.time_range_us.end
    }
}

/// What has come together up to some batch; the writer needs it for the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// CUSTOMER NEWs: the next one's ordinal.
    pub(crate) customers: u32,
    /// Sum of the absolute cents of all orders.
    pub(crate) cents_abs: u64,
    /// The last batch's `appended_at`; never less in the next.
    pub(crate) appended_at_us: i64,
}

/// The little that the log must know of a body, from the codec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyReader {
    /// CUSTOMER NEWs before this body's batch.
    pub(crate) customers_before: fn(&[u8]) -> Result<u32, Fault>,
    /// The tally after a body of so many events, from the one before it.
    pub(crate) tally: fn(&[u8], u32, &Tally) -> Result<Tally, Fault>,
}

/// How a log is written.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// What a log that is created now is; its id is chosen then, whatever stands here. An
    /// existing log is what it is: see `Writer::meta`.
    pub(crate) meta: LogMeta,
    /// A segment that has events is sealed before it would grow beyond so many bytes.
    pub(crate) segment_bytes_max: u64,
    /// And before it would have more batches than this.
    pub(crate) frames_max: u32,
}

impl LogSettings {
    /// The defaults for a log of this kind.
    pub(crate) fn new(meta: LogMeta) -> LogSettings {
        LogSettings { meta, segment_bytes_max: 64 << 20, frames_max: FRAMES_MAX }
    }

    /// Refuses what cannot be written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |reason: &str| Err(Error::Options { reason: reason.to_owned() });
        if !(1 << 10..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes_max) {
            return wrong("a segment's size lies between 1 KiB and 4,000 MiB");
        }
        if !(1..=FRAMES_MAX).contains(&self.frames_max) {
            return wrong("a segment has between 1 and 2^20 batches");
        }
        if !self.meta.is_sound() {
            return wrong(
                "a log has a currency of three capital letters, a partition, a time range",
            );
        }
        Ok(())
    }
}

/// Offsets have 32 bits; the last frame and the seal need some of them.
const SEGMENT_BYTES_MAX: u64 = 4000 << 20;
/// Where the last frame may end, so that a seal can follow below 4 GiB.
pub(crate) const FRAMES_END_MAX: u64 = (u32::MAX - 2 * BODY_BYTES_MAX) as u64;
/// A seal has room for the directory of so many.
const FRAMES_MAX: u32 = 1 << 20;

/// What the log needs of the world outside.
#[derive(Clone)]
pub(crate) struct Env {
    /// Where the files are.
    pub(crate) disk: Arc<dyn Disk>,
    /// The time, µs since 1970. It may jump or stand still.
    pub(crate) now_us: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Unpredictable numbers, for ids and salts.
    pub(crate) random_u64: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Lets that many microseconds pass before a lock is tried again.
    pub(crate) pause_us: Arc<dyn Fn(u64) + Send + Sync>,
    /// Whether files may be written on threads of their own. A world that is the same on every run
    /// has one thread that does.
    pub(crate) threads: bool,
}

impl fmt::Debug for Env {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Env").field("disk", &self.disk).finish_non_exhaustive()
    }
}
