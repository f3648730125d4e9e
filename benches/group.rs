//! Group commit: 64 threads, each appending one small event after another and waiting until it is
//! on the disk. Beside it the same threads without a sync, which shows what the processor allows,
//! and a bare loop that writes as many bytes as a group has into reserved space and syncs, which
//! shows what the disk allows. In turn, in slices of a tenth of a second, in one run, on one disk.
//!
//! `cargo bench --bench group`; `LTVLOG_BENCH_DIR` names the disk.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints what it measured, and fails by panicking"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ltvlog::{Appender, AppenderOptions, Options, Store, Sync};
use rustix::fs::{FallocateFlags, fallocate};

const WRITERS: u64 = 64;
const SLICE: Duration = Duration::from_millis(100);
const SLICES: usize = 100;
const RESERVE_BYTES: u64 = 4 << 20;

fn event(n: u64) -> String {
    format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"{n:012x}","event_time":"2024-05-06T12:45:52.041Z","customer_id":"{:012x}","tags":[{{"key7":"value{}"}}]}}"#,
        n % WRITERS,
        n % 50
    )
}

/// A log, its writers, and what they have done.
struct Log {
    appender: Appender,
    next: AtomicU64,
    is_synced: bool,
}

impl Log {
    fn new(dir: &Path, sync: Sync) -> Log {
        let store = Store::open(dir, Options { sync, ..Options::default() }).expect("a new log");
        let appender = Appender::new(store, AppenderOptions::default()).expect("a new log");
        let customer = |n| {
            format!(
                r#"{{"type":"CUSTOMER","verb":"NEW","key":"{n:012x}","event_time":"2024-01-01T00:00:00Z"}}"#
            )
        };
        let customers: Vec<String> = (0..WRITERS).map(customer).collect();
        appender.append_json(&mut customers.join("\n").as_bytes()).expect("the disk works");
        Log { appender, next: AtomicU64::new(0), is_synced: sync != Sync::None }
    }

    /// Appends for a slice of time: events a second, and how long callers waited.
    fn append(&self) -> (f64, Vec<Duration>) {
        let began = Instant::now();
        let waits: Vec<Duration> = std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..WRITERS).map(|_| scope.spawn(|| self.append_until(began + SLICE))).collect();
            writers.into_iter().flat_map(|writer| writer.join().expect("it appends")).collect()
        });
        (waits.len() as f64 / began.elapsed().as_secs_f64(), waits)
    }

    fn append_until(&self, end: Instant) -> Vec<Duration> {
        let mut waits = Vec::new();
        while Instant::now() < end {
            let text = event(self.next.fetch_add(1, Ordering::Relaxed));
            let came = Instant::now();
            let done = self.appender.append_json(&mut text.as_bytes());
            waits.push(came.elapsed());
            let receipt = done.expect("the disk works").receipt;
            assert_eq!((receipt.accepted, receipt.synced), (1, self.is_synced));
        }
        waits
    }

    /// Events and bytes of a group.
    fn group(&self) -> (f64, u64) {
        let info = self.appender.reader().and_then(|reader| reader.info()).expect("a log");
        let groups: u64 = info.segments.iter().map(|one| one.batches).sum();
        let bytes: u64 = info.segments.iter().map(|one| one.bytes).sum();
        (info.end as f64 / groups as f64, bytes / groups)
    }
}

/// The bare loop.
struct Bare {
    file: File,
    at: u64,
}

impl Bare {
    fn new(dir: &Path) -> Bare {
        Bare { file: File::create(dir.join("bare")).expect("a file"), at: 0 }
    }

    /// Writes and syncs a second.
    fn write(&mut self, bytes: u64) -> f64 {
        let bytes = vec![7; usize::try_from(bytes).expect("a group is small")];
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < SLICE {
            // As the log does it: in steps, each known to the disk with the first sync in it.
            let room = RESERVE_BYTES - self.at % RESERVE_BYTES;
            if self.at == 0 || room < bytes.len() as u64 {
                self.at = self.at.next_multiple_of(RESERVE_BYTES);
                let flags = FallocateFlags::empty();
                fallocate(&self.file, flags, self.at, RESERVE_BYTES).expect("room");
            }
            let written = self.file.write_all_at(&bytes, self.at);
            written.and_then(|()| self.file.sync_data()).expect("the disk works");
            self.at += bytes.len() as u64;
            count += 1;
        }
        f64::from(count) / began.elapsed().as_secs_f64()
    }
}

/// Runs beside a thread that never sleeps: a virtual processor with nothing to do may hear of the
/// disk milliseconds late, and the bare loop is to be measured at its best.
fn awake<T>(run: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        });
        let done = run();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() {
    let slices = if std::env::args().any(|arg| arg == "--test") { 2 } else { SLICES };
    let disk = std::env::var_os("LTVLOG_BENCH_DIR")
        .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let dir = tempfile::tempdir_in(&disk).expect("a directory");
    let synced = Log::new(&dir.path().join("synced"), Sync::Call);
    let unsynced = Log::new(&dir.path().join("unsynced"), Sync::None);
    let mut bare = Bare::new(dir.path());
    let (mut columns, mut waits) = ([const { Vec::new() }; 5], Vec::new());
    for _ in 0..slices {
        let (rate, waited) = synced.append();
        let (allowed, _) = unsynced.append();
        let (_, bytes) = synced.group();
        let syncs = awake(|| bare.write(bytes));
        waits.extend(waited);
        let row = [rate, allowed, syncs, rate / allowed, rate / (WRITERS as f64 * syncs)];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    waits.sort_unstable();
    let wait = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    let (events, bytes) = synced.group();
    let [rate, allowed, syncs, of_allowed, of_bare] = columns.map(median);
    println!(
        "{rate:.0} events/s in groups of {events:.1}, {bytes} bytes; waits p50 {:?}, p99 {:?}",
        wait(50),
        wait(99)
    );
    println!(
        "unsynced {allowed:.0} events/s, bare {syncs:.0} syncs/s; medians of {slices}: {of_allowed:.2} of unsynced, {of_bare:.2} of 64 x bare"
    );
    synced.appender.close().and_then(|()| unsynced.appender.close()).expect("the disk works");
}
