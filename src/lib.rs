//! An event-sourced, append-only log of customer events that always knows who the most valuable
//! customers are.
//!
//! Events (customers, visits, images, orders) come as JSON, are validated and admitted by a few
//! rules, and are committed in checksummed batches to a segment log. Folding the log gives every
//! customer's statistics; a bounded min-heap over them answers *top X by simple lifetime value*
//! in O(n log x). An append returns when its events are on the disk.
//!
//! ```
//! use ltvlog::{Event, Options, Question, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("log");
//! let mut store = Store::open(&dir, Options::default())?;
//! let events = [
//!     r#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46Z"}"#,
//!     r#"{"type":"SITE_VISIT","verb":"NEW","key":"v1","event_time":"2017-01-06T12:50:00Z","customer_id":"c1"}"#,
//!     r#"{"type":"ORDER","verb":"NEW","key":"o1","event_time":"2017-01-06T12:55:55Z","customer_id":"c1","total_amount":"12.34 USD"}"#,
//! ];
//! let rules = store.rules().clone();
//! let events = events.iter().map(|text| Event::from_json(text.as_bytes(), &rules));
//! let receipt = store.append(events.collect::<Result<Vec<_>, _>>()?)?;
//! assert_eq!((receipt.accepted, receipt.synced), (3, true));
//!
//! let top = store.top(10, &Question::default())?;
//! assert_eq!(top.customers[0].customer_id, "c1");
//! assert_eq!(top.customers[0].ltv_cents, 641_680); // 52 × 12.34 × 1 visit a week × 10 years
//! # Ok(())
//! # }
//! ```
//!
//! A [`Projection`] folds the log into something of your own. Batches come as columns, and a
//! customer as an *ordinal*, dense from 0, so that most folds are loops over arrays:
//!
//! ```
//! use ltvlog::{Batch, Fault, Options, Projection, RowKind, Store};
//!
//! /// How many events of each kind happened in each hour of the day (UTC).
//! struct Hours([[u64; 24]; 8]);
//!
//! impl Projection for Hours {
//!     fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
//!         let (mut kinds, mut times) = (Vec::new(), Vec::new());
//!         batch.kinds(&mut kinds)?;
//!         batch.times(&mut times)?;
//!         for (kind, at_us) in kinds.iter().zip(times) {
//!             let hour = at_us.div_euclid(3_600_000_000).rem_euclid(24) as usize;
//!             self.0[usize::from(*kind)][hour] += 1;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut store = Store::scratch(Options::default())?;
//! # let text = br#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46Z"}"#;
//! # store.append([ltvlog::Event::from_json(text, &store.rules().clone())?])?;
//! let mut hours = Hours([[0; 24]; 8]);
//! store.replay(&mut hours)?;
//! assert_eq!(hours.0[RowKind::CustomerNew as usize][12], 1);
//! # Ok(())
//! # }
//! ```
//!
//! An [`Appender`] is a handle for many threads that append to one log: one sync serves all who
//! wait for it.
//!
//! The core is free of clocks, randomness and threads of its own: the disk and the first two are
//! passed in at one place; [`read_blocks`] has threads that parse, and a replay, a digest and a long
//! call as many threads as [`Options`] say: none but the caller's, if nothing is said. Cargo features: `cli` (the binary), `notify` (followers woken by the file
//! system), `remote` (the binary asks servers) and `serve` (the server) are on by default; `nats` and
//! `kafka` (events by way of a broker), `parquet` (datasets for other engines) and `s3` (the same in
//! an object store) are not.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::map_err_ignore,
        clippy::type_complexity,
        clippy::wildcard_enum_match_arm,
        reason = "tests choose their numbers, and fail by panicking"
    )
)]

mod admission;
mod codec;
mod error;
mod event;
mod frame;
mod group;
#[cfg(feature = "parquet")]
mod lake;
mod log;
mod parallel;
mod partition;
mod partitioned;
mod planted;
mod projection;
mod store;
mod top;
#[cfg(any(feature = "cli", feature = "serve"))]
mod wire;

#[cfg(any(feature = "cli", feature = "serve"))]
mod unpack;

#[cfg(any(feature = "kafka", feature = "nats"))]
mod broker;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod serve;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what is tried on bytes that a fuzzer chose fails by panicking"
)]
pub mod fuzzing;

pub use codec::{Batch, Counts, Row, RowKind, Rows, Superseded};
pub use error::{Error, Fault};
pub use event::{
    EVENT_BYTES_MAX, EVENT_LEVELS_MAX, Event, EventBlock, FIELD_COUNT, FIELDS, Field, Flow,
    ID_BYTES_MAX, Incoming, Kind, ReadError, Reason, Rejection, Rules, parse_amount, parse_date,
    parse_time, read_events, write_cents, write_reject, write_time, write_time_shortest,
};
pub use group::{Appended, Appender, AppenderOptions, Prepared, RejectedAt, WhenFull};
#[cfg(feature = "parquet")]
pub use lake::{Checked, Dataset, ExportOptions, Exported};
pub use parallel::read_blocks;
pub use partition::{Partition, partition_of};
pub use partitioned::{PartitionedCall, Partitions, SharedKeys};
pub use projection::{
    CustomerStatistics, Digest, Frame, Lifespan, Projection, Statistics, TimeFrame, WeekStart,
};
#[cfg(any(feature = "kafka", feature = "nats"))]
pub(crate) use store::Held;
pub use store::{
    Backup, Call, CallOptions, Change, ChangeKind, CheckpointState, Copying, Customer, Follower,
    HoldMax, Info, Lost, OnCopying, OnReject, Options, Origin, Picked, Problem, Question, Receipt,
    Record, Rejected, Repair, RestoreOptions, Restored, SegmentInfo, Span, Store, Sync, Top,
    Unread, Verification,
};
#[doc(hidden)]
pub use store::{Part, explain};
