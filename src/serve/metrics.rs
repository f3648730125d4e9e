//! What the server counts, in the text format of Prometheus. Nothing here names a customer.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::process::Process;
use crate::{Reason, Receipt};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Result {
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Rejected {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Answered {
    method: String,
    path: String,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Route {
    method: String,
    path: String,
}

/// All of it.
pub(super) struct Metrics {
    registry: Registry,
    events: Family<Result, Counter>,
    rejected: Family<Rejected, Counter>,
    requests: Family<Answered, Counter>,
    took: Family<Route, Histogram, fn() -> Histogram>,
    commit: Histogram,
    group: Histogram,
    end: Gauge<u64, AtomicU64>,
    synced_end: Gauge<u64, AtomicU64>,
    applied_end: Gauge<u64, AtomicU64>,
    lag_events: Gauge<u64, AtomicU64>,
    lag_seconds: Gauge<f64, AtomicU64>,
    customers: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    /// Followers of the events and of the top X.
    pub(super) followers: Gauge<i64, AtomicI64>,
    writable: Gauge<i64, AtomicI64>,
    refuses: AtomicBool,
    process: Process,
}

/// Since when the fold lacks something, for the lag in seconds.
pub(super) struct Ends {
    /// All events below are on the disk.
    pub(super) synced: u64,
    /// All events below are in every answer.
    pub(super) applied: u64,
    /// For how long the first of the others has been there.
    pub(super) behind: Duration,
    pub(super) customers: u64,
    pub(super) bytes: u64,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let mut registry = Registry::default();
        let process = Process::register(&mut registry);
        let metrics = Metrics {
            events: Family::default(),
            rejected: Family::default(),
            requests: Family::default(),
            // A tenth of a millisecond to half a minute.
            took: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_1, 3.0, 12))
            }),
            commit: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            group: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            end: Gauge::default(),
            synced_end: Gauge::default(),
            applied_end: Gauge::default(),
            lag_events: Gauge::default(),
            lag_seconds: Gauge::default(),
            customers: Gauge::default(),
            bytes: Gauge::default(),
            followers: Gauge::default(),
            writable: Gauge::default(),
            refuses: AtomicBool::new(false),
            process,
            registry: Registry::default(),
        };
        metrics.writable.set(1);
        for result in ["accepted", "duplicate", "rejected"] {
            drop(metrics.events.get_or_create(&Result { result }));
        }
        for reason in Reason::ALL {
            drop(metrics.rejected.get_or_create(&Rejected { reason: reason.name() }));
        }
        metrics.register(registry.sub_registry_with_prefix("ltvlog"));
        Metrics { registry, ..metrics }
    }

    fn register(&self, to: &mut Registry) {
        to.register("events", "Events by what became of them", self.events.clone());
        to.register("rejected_events", "Rejected events by reason", self.rejected.clone());
        to.register("requests", "Answered requests", self.requests.clone());
        let took = "Time from a request's head to that of its answer";
        to.register_with_unit("request", took, Unit::Seconds, self.took.clone());
        let commit = "Time from the first of a group of calls to its sync";
        to.register_with_unit("commit", commit, Unit::Seconds, self.commit.clone());
        to.register("group_calls", "Calls that one sync served", self.group.clone());
        to.register("end", "Sequence of the next event", self.end.clone());
        to.register("synced_end", "All events below are on the disk", self.synced_end.clone());
        let applied = "All events below are in the statistics";
        to.register("applied_end", applied, self.applied_end.clone());
        let lag = "Events on the disk that are not in the statistics yet";
        to.register("lag_events", lag, self.lag_events.clone());
        let lag = "For how long the first of those has been on the disk";
        to.register_with_unit("lag", lag, Unit::Seconds, self.lag_seconds.clone());
        to.register("customers", "Customers", self.customers.clone());
        to.register_with_unit("log", "Size of the segments", Unit::Bytes, self.bytes.clone());
        let followers = "Open streams of events or of the top X";
        to.register("followers", followers, self.followers.clone());
        let writable = "Whether events are taken: 0 after a failed write, until a restart";
        to.register("writable", writable, self.writable.clone());
    }

    /// A group of so many calls is on the disk.
    pub(super) fn committed(&self, calls: usize, took: Duration) {
        self.commit.observe(took.as_secs_f64());
        self.group.observe(u32::try_from(calls).map_or(f64::MAX, f64::from));
    }

    /// A receipt as it is told: what is held is not rejected yet.
    pub(super) fn told(&self, receipt: &Receipt) {
        let count = |result, more| {
            self.events.get_or_create(&Result { result }).inc_by(more);
        };
        count("accepted", receipt.accepted);
        count("duplicate", receipt.duplicates);
        count("rejected", receipt.rejected());
        for (reason, more) in &receipt.reasons {
            let reason = reason.name();
            self.rejected.get_or_create(&Rejected { reason }).inc_by(*more);
        }
        self.end.inner().fetch_max(receipt.end, Ordering::Relaxed);
    }

    /// A request was answered. The path is that of its route, not what stood in it.
    pub(super) fn answered(&self, method: &str, path: &str, status: u16, took: Duration) {
        let (method, path) = (method.to_owned(), path.to_owned());
        let route = Route { method: method.clone(), path: path.clone() };
        self.took.get_or_create(&route).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, path, status }).inc();
    }

    /// No event is taken any more.
    pub(super) fn refuse_writes(&self) {
        self.refuses.store(true, Ordering::Relaxed);
        self.writable.set(0);
    }

    /// Whether events are taken.
    pub(super) fn is_writable(&self) -> bool {
        !self.refuses.load(Ordering::Relaxed)
    }

    /// The sequence of the next event, as far as receipts have told.
    pub(super) fn end(&self) -> u64 {
        self.end.get()
    }

    /// Everything, as a scrape has it.
    pub(super) fn text(&self, ends: &Ends) -> String {
        self.end.inner().fetch_max(ends.synced, Ordering::Relaxed);
        self.synced_end.set(ends.synced);
        self.applied_end.set(ends.applied);
        self.lag_events.set(ends.synced.saturating_sub(ends.applied));
        self.lag_seconds.set(ends.behind.as_secs_f64());
        self.customers.set(ends.customers);
        self.bytes.set(ends.bytes);
        self.process.look();
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all text");
        text
    }
}
