//! What a store is told and what it answers: options, receipts, statistics, findings.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use crate::{Error, Event, Partition, Rejection, Rules};

/// How a log is opened, and what it is given when it is created.
#[derive(Clone, Debug)]
pub struct Options {
    /// Currency and time range: of a new log what it gets. `None` takes an existing log's, and
    /// USD for a new one; a value that differs from an existing log's is an error.
    pub currency: Option<[u8; 3]>,
    /// Half-open, µs since 1970; as `currency`; 1970 to 2100 for a new log.
    pub time_range_us: Option<Range<i64>>,
    /// Which part of a partitioned log this is: of a new log what it gets; `None` takes an existing
    /// log's, and [`Partition::WHOLE`] for a new one. A CUSTOMER NEW of a customer who belongs to
    /// another part is rejected, and so is all that names the customer.
    pub partition: Option<Partition>,
    /// Size at which a segment is sealed, in bytes; below 4 GiB.
    pub segment_bytes_max: u64,
    /// When appended batches are forced to the disk.
    pub sync: Sync,
    /// A checkpoint is written at the end of a call when so many events, or as many as there are
    /// customers, follow the last one: writing it costs 32 bytes a customer. Keys of events are saved for
    /// each sixteenth of it. Sealed segments below a checkpoint that have many more batches than their
    /// events need are packed, a little at a time between calls.
    pub checkpoint_events_min: u64,
    /// On how many threads the log is folded into statistics, if it is long, and its customers are
    /// looked through for a digest or by id. To fold, each takes 32 bytes a customer. With more than one
    /// a long call's batches are encoded on another thread than the one that calls, and so are saved keys
    /// put together between calls.
    pub threads: NonZeroUsize,
    /// Take a network file system, whose locks and syncs cannot be trusted.
    pub allow_remote: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            currency: None,
            time_range_us: None,
            partition: None,
            segment_bytes_max: 64 << 20,
            sync: Sync::default(),
            checkpoint_events_min: 262_144,
            threads: NonZeroUsize::MIN,
            allow_remote: false,
        }
    }
}

/// When appended batches are forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// At the end of each call, and before each roll.
    #[default]
    Call,
    /// After each batch.
    Batch,
    /// Never: only the operating system decides.
    None,
}

/// Where an event came from, for the report of its rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Number of the source, as the caller counts them.
    pub source: u32,
    /// Line in it, from 1.
    pub line: u64,
}

/// One rejected event.
#[derive(Debug)]
pub struct Rejected<'a> {
    /// Where it came from.
    pub origin: Origin,
    /// Why.
    pub rejection: &'a Rejection,
    /// Its text as it came.
    pub text: &'a [u8],
}

/// What became of the events of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events admitted and written.
    pub accepted: u64,
    /// Events that the log had already.
    pub duplicates: u64,
    /// Events rejected, by reason.
    pub reasons: std::collections::BTreeMap<crate::Reason, u64>,
    /// The next sequence to be written.
    pub end: u64,
    /// Whether everything this receipt speaks of is on the disk.
    pub synced: bool,
}

impl Receipt {
    /// How many events were rejected.
    pub fn rejected(&self) -> u64 {
        self.reasons.values().sum()
    }
}

/// When a hold window ends, in a call whose events do not end: at whichever comes first. What it
/// brought is synced then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldMax {
    /// After this many events.
    pub events: u64,
    /// After this many microseconds, noticed at the next event.
    pub us: u64,
}

/// Receives rejected events; its error ends the call.
pub type OnReject<'a> = &'a mut dyn FnMut(&Rejected<'_>) -> Result<(), Error>;

/// What a call may do beyond appending.
#[derive(Default)]
pub struct CallOptions<'a> {
    /// Write nothing if anything would be rejected. Not for scratch stores, which write nothing
    /// anyway.
    pub strict: bool,
    /// When events that wait for their customer or order are given up; `None`: at the end.
    pub hold_max: Option<HoldMax>,
    /// Receives each rejected event.
    pub on_reject: Option<OnReject<'a>>,
    /// Receives each synced end as it is reached.
    pub on_synced: Option<&'a mut dyn FnMut(u64) -> Result<(), Error>>,
}

/// The order of statistics asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Over which time.
    pub frame: crate::TimeFrame,
    /// On which day weeks start.
    pub week_start: crate::WeekStart,
    /// The lifespan in the formula.
    pub lifespan: crate::Lifespan,
}

/// The time that statistics were taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First instant, µs since 1970.
    pub first_us: i64,
    /// Last instant, included.
    pub last_us: i64,
    /// Calendar weeks it touches.
    pub weeks: u32,
}

/// One customer's statistics and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The customer's id.
    pub customer_id: String,
    /// The value of the latest event that gives one.
    pub last_name: Option<String>,
    /// As `last_name`.
    pub adr_city: Option<String>,
    /// As `last_name`.
    pub adr_state: Option<String>,
    /// Lifetime value, rounded half to even, in cents.
    pub ltv_cents: i128,
    /// Sum of the orders' amounts, in cents.
    pub revenue_cents: i64,
    /// Visits.
    pub visits: u32,
    /// Orders.
    pub orders: u32,
    /// In cents, rounded half to even; none without visits.
    pub revenue_per_visit_cents: Option<i64>,
    /// In hundredths, rounded half to even.
    pub visits_per_week_hundredths: i64,
    /// First event that names the customer, µs since 1970.
    pub first_us: i64,
    /// Last event that names the customer.
    pub last_us: i64,
}

/// An answer to *who are the most valuable customers*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The log's currency.
    pub currency: [u8; 3],
    /// The time of the statistics; none on an empty log, or with a frame of each customer's own.
    pub span: Option<Span>,
    /// The sequence up to which events are counted.
    pub end: u64,
    /// Best first.
    pub customers: Vec<Customer>,
}

/// What `replay` found beside the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointState {
    /// There is none that can be used.
    None,
    /// Continued to the same end it gives the same statistics.
    Equal,
    /// It does not: the checkpoint is wrong.
    Different,
}

/// One segment, for `info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its file.
    pub path: PathBuf,
    /// First sequence.
    pub first: u64,
    /// The sequence after its last.
    pub end: u64,
    /// Batches.
    pub batches: u64,
    /// Bytes that hold data.
    pub bytes: u64,
    /// Whether it is sealed.
    pub sealed: bool,
    /// How often it was rewritten.
    pub generation: u32,
}

/// What `info` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The log's random id.
    pub log_id: u64,
    /// Which part of a partitioned log it is.
    pub partition: Partition,
    /// Its rules.
    pub rules: Rules,
    /// Its segments.
    pub segments: Vec<SegmentInfo>,
    /// The next sequence to be written.
    pub end: u64,
    /// All below is on the disk.
    pub synced_end: u64,
    /// Customers.
    pub customers: u64,
    /// Span of the accepted events; `weeks` by Sunday weeks.
    pub span: Option<Span>,
    /// When the last batch was appended, µs since 1970.
    pub appended_at_us: Option<i64>,
    /// End of the newest usable checkpoint.
    pub checkpoint_end: Option<u64>,
    /// Bytes of an incomplete last frame.
    pub torn_bytes: u64,
    /// Bytes in segments, key sidecars, checkpoints.
    pub bytes: [u64; 3],
    /// Whether another process is writing.
    pub writer: bool,
}

/// One thing that `verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The place in it.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
    /// The sequences it touches, half-open, where known.
    pub events: Option<Range<u64>>,
}

/// What `verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Segments read.
    pub segments: u64,
    /// Batches read.
    pub batches: u64,
    /// Events read.
    pub events: u64,
    /// Bytes read, of all files.
    pub bytes: u64,
    /// Bytes of an incomplete last frame: no damage.
    pub torn_bytes: u64,
    /// All damage.
    pub problems: Vec<Problem>,
}

/// What a repair would do, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Over this plan and every byte that it touches: 64 lower-case hex digits.
    pub hash: String,
    /// What `verify` found, the deep kind.
    pub problems: Vec<Problem>,
    /// All events below this sequence stay as they are.
    pub kept_end: u64,
    /// Sequences of events that leave the log and are in the file of salvaged events, half-open.
    pub salvaged: Vec<Range<u64>>,
    /// Events that cannot be read, or not without others that cannot.
    pub lost: Vec<Lost>,
    /// Files that leave the log without having been read: what they hold was never in this log.
    pub unread: Vec<Unread>,
    /// The files that change, in order.
    pub changes: Vec<Change>,
    /// The directory that takes what leaves the log.
    pub quarantine: PathBuf,
    /// The file of salvaged events, to be appended again; none if there are none.
    pub salvage: Option<PathBuf>,
    /// The same of earlier repairs, which may have been cut short.
    pub earlier: Vec<PathBuf>,
    /// Why head and sidecars were not made at the end of a repair that was carried out. Nothing is
    /// lost by that: whoever writes next makes them.
    pub later: Option<String>,
}

impl Repair {
    /// Whether there is anything to do.
    pub fn is_needed(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// Events that a repair cannot save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The segment they stood in.
    pub path: PathBuf,
    /// The first of them.
    pub first: u64,
    /// The sequence after the last; none where nothing tells how many there were.
    pub end: Option<u64>,
}

/// A segment of another log, or of a copy of this one that went its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// The events that it holds by its own count, half-open.
    pub events: Range<u64>,
    /// Whether it has this log's id: a copy that went its own way.
    pub same_log: bool,
}

/// A file that a repair changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// Its bytes before.
    pub bytes: u64,
    /// What is done to it.
    pub kind: ChangeKind,
    /// Where in quarantine its bytes go; empty for a new file.
    pub kept: PathBuf,
}

/// What a repair does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It ends here afterwards; the rest is copied first.
    Cut {
        /// In bytes.
        offset: u64,
    },
    /// It leaves the log whole.
    Move,
    /// An empty first segment is made.
    Create,
}

/// An event as read back.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its ordinal in the log.
    pub sequence: u64,
    /// The event.
    pub event: Event<'a>,
}
