//! Group commit: 64 threads, each appending one small event after another and waiting until it is
//! on the disk. Beside it, in turn, in one run, on one disk: the same threads without a sync, which
//! shows what the processor allows; and a bare loop that writes as many bytes as a group has into
//! space that is reserved, and syncs, which shows what the disk allows.
//!
//! `cargo bench --bench group`; `LTVLOG_BENCH_DIR` names the disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ltvlog::{Appender, AppenderOptions, Options, Store, Sync};
use rustix::fs::{FallocateFlags, fallocate};

const WRITERS: u64 = 64;
const ROUNDS: usize = 9;
const RESERVE_BYTES: u64 = 4 << 20;

/// What one round of appending came to.
struct Round {
    events_per_second: f64,
    events_per_group: f64,
    bytes_per_group: u64,
    /// How long a caller waited, sorted.
    waits: Vec<Duration>,
}

fn event(writer: u64, n: u64) -> String {
    format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"{writer:02x}{n:010x}","event_time":"2024-05-06T12:45:52.041Z","customer_id":"{writer:012x}","tags":[{{"key7":"value{}"}}]}}"#,
        n % 50
    )
}

fn append(dir: &Path, sync: Sync, lasts: Duration) -> Round {
    let options = Options { sync, ..Options::default() };
    let store = Store::open(dir, options).expect("a new log");
    let appender = Appender::new(store, AppenderOptions::default()).expect("a new log");
    let customers: Vec<String> = (0..WRITERS)
        .map(|n| format!(r#"{{"type":"CUSTOMER","verb":"NEW","key":"{n:012x}","event_time":"2024-01-01T00:00:00Z"}}"#))
        .collect();
    appender.append_json(&mut customers.join("\n").as_bytes()).expect("the disk works");
    let began = Instant::now();
    let mut waits: Vec<Duration> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let appender = appender.clone();
                scope.spawn(move || {
                    let mut waits = Vec::new();
                    while began.elapsed() < lasts {
                        let text = event(writer, waits.len() as u64);
                        let came = Instant::now();
                        let done = appender.append_json(&mut text.as_bytes());
                        waits.push(came.elapsed());
                        let receipt = done.expect("the disk works").receipt;
                        assert_eq!((receipt.accepted, receipt.synced), (1, sync != Sync::None));
                    }
                    waits
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().expect("it appends")).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    appender.close().expect("the disk works");
    waits.sort_unstable();
    let info = appender.reader().and_then(|reader| reader.info()).expect("a log");
    let (events, groups) =
        (waits.len() as u64, info.segments.iter().map(|one| one.batches).sum::<u64>() - 1);
    assert_eq!(info.end, events + WRITERS);
    Round {
        events_per_second: events as f64 / seconds,
        events_per_group: events as f64 / groups as f64,
        bytes_per_group: info.segments.iter().map(|one| one.bytes).sum::<u64>() / groups,
        waits,
    }
}

/// Writes and syncs a second.
fn bare(dir: &Path, bytes: u64, lasts: Duration) -> f64 {
    let bytes = vec![7; usize::try_from(bytes).expect("a group is small")];
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("bare"))
        .expect("a file");
    let (began, mut count, mut at) = (Instant::now(), 0, 0);
    while began.elapsed() < lasts {
        // As the log does it: in steps of 4 MiB, each known to the disk with the first sync in it.
        if at % RESERVE_BYTES + bytes.len() as u64 > RESERVE_BYTES || at == 0 {
            at = at.next_multiple_of(RESERVE_BYTES);
            fallocate(&file, FallocateFlags::empty(), at, RESERVE_BYTES).expect("room");
        }
        file.write_all_at(&bytes, at).and_then(|()| file.sync_data()).expect("the disk works");
        count += 1;
        at += bytes.len() as u64;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
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
    let is_test = std::env::args().any(|arg| arg == "--test");
    let (rounds, lasts) = if is_test { (1, 50) } else { (ROUNDS, 1_000) };
    let lasts = Duration::from_millis(lasts);
    let disk = std::env::var_os("LTVLOG_BENCH_DIR")
        .map_or(env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let mut columns = [const { Vec::new() }; 5];
    for _ in 0..rounds {
        let dir = tempfile::tempdir_in(&disk).expect("a directory");
        let round = append(&dir.path().join("synced"), Sync::Call, lasts);
        let unsynced = append(&dir.path().join("unsynced"), Sync::None, lasts).events_per_second;
        let bare = awake(|| bare(dir.path(), round.bytes_per_group, lasts));
        let rate = round.events_per_second;
        let wait = |percent: usize| round.waits[(round.waits.len() - 1) * percent / 100];
        println!(
            "{rate:.0} events/s in groups of {:.1} ({} bytes), waits p50 {:?} p99 {:?}; unsynced {unsynced:.0}; bare {bare:.0} syncs/s",
            round.events_per_group,
            round.bytes_per_group,
            wait(50),
            wait(99),
        );
        let row = [rate, unsynced, bare, rate / unsynced, rate / (WRITERS as f64 * bare)];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let [rate, unsynced, bare, of_unsynced, of_bare] = columns.map(median);
    println!(
        "medians of {rounds}: {rate:.0} events/s, unsynced {unsynced:.0}, bare {bare:.0} syncs/s; {of_unsynced:.2} of unsynced, {of_bare:.2} of 64 x bare"
    );
}
