//! How soon a follower in another process sees an event, counted from its acknowledgement; beside
//! the barest way to the same: a file is written, and another process is woken by the system and
//! reads it. In turn, in one run.
//!
//! `cargo bench --bench follow`; `LTVLOG_BENCH_DIR` names the disk.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints what it measured, and fails by panicking"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ltvlog::{Event, Options, Store};
use notify::{RecursiveMode, Watcher};

const ROUNDS: usize = 5;

/// The time that all processes of a machine agree on, in µs.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_micros()).expect("a clock before the year 292,000")
}

/// What the other process sees: a line with the time of each sight, in order.
struct Other(Child);

impl Other {
    fn start(role: &str, dir: &Path, count: usize) -> Other {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args([role, &count.to_string()]).arg(dir).stdout(Stdio::piped());
        Other(command.spawn().expect("another process"))
    }

    /// Waits until it looks, then writes as told, and gives the waits in µs, sorted.
    fn waits(mut self, count: usize, mut write: impl FnMut(usize)) -> Vec<i64> {
        let said = self.0.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(said).lines().map(|line| line.expect("a line"));
        assert_eq!(lines.next().as_deref(), Some("ready"));
        let mut waits = Vec::new();
        for n in 0..count {
            write(n);
            let told = now_us();
            let seen: i64 = lines.next().expect("it sees").parse().expect("a time");
            waits.push((seen - told).max(0));
        }
        assert!(self.0.wait().expect("it ends").success());
        waits.sort_unstable();
        waits
    }
}

fn follow(dir: &Path, count: usize) {
    let store = Store::open(dir, Options::default()).expect("a log");
    let mut follower = store.follow(store.end().expect("a log")).expect("a log");
    follower.wait(Duration::ZERO).expect("a watch");
    println!("ready");
    let mut seen = 0;
    while seen < count {
        let each = &mut |_: &ltvlog::Record<'_>| {
            println!("{}", now_us());
            seen += 1;
            Ok(true)
        };
        follower.catch_up(each).expect("a log");
        follower.wait(Duration::from_secs(10)).expect("a watch");
    }
}

fn watch(dir: &Path, count: usize) {
    let (sender, changes) = channel();
    let told = move |change: notify::Result<notify::Event>| {
        if change.is_ok_and(|event| !event.kind.is_access()) {
            sender.send(()).ok();
        }
    };
    let mut watcher = notify::recommended_watcher(told).expect("a watch");
    watcher.watch(dir, RecursiveMode::NonRecursive).expect("a watch");
    let file = File::open(dir.join("bare")).expect("a file");
    println!("ready");
    let (mut bytes, mut seen) = ([0; 8], 0);
    while seen < count {
        changes.recv_timeout(Duration::from_secs(10)).expect("news");
        file.read_exact_at(&mut bytes, 0).expect("a file");
        if u64::from_le_bytes(bytes) > seen as u64 {
            println!("{}", now_us());
            seen += 1;
        }
    }
}

fn of_the_log(dir: &Path, count: usize) -> Vec<i64> {
    let mut store = Store::open(dir, Options::default()).expect("a new log");
    let rules = store.rules().clone();
    let mut append = |key: String| {
        let text = format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"{key}","event_time":"2024-01-01T00:00:00Z"}}"#
        );
        let event = Event::from_json(text.as_bytes(), &rules).expect("valid");
        assert!(store.append([event]).expect("the disk works").synced);
    };
    append("first".to_owned());
    Other::start("follow", dir, count).waits(count, |n| append(format!("c{n}")))
}

fn of_a_file(dir: &Path, count: usize) -> Vec<i64> {
    let mut file = File::create(dir.join("bare")).expect("a file");
    file.write_all(&[0; 8]).expect("the disk works");
    let other = Other::start("watch", dir, count);
    other.waits(count, |n| {
        file.write_all_at(&(n as u64 + 1).to_le_bytes(), 0).expect("the disk works");
    })
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, role, count, dir] = &args[..] {
        let count = count.parse().expect("a number");
        return if role == "follow" {
            follow(Path::new(dir), count)
        } else {
            watch(Path::new(dir), count)
        };
    }
    let is_test = args.iter().any(|arg| arg == "--test");
    let (rounds, count) = if is_test { (1, 20) } else { (ROUNDS, 1_000) };
    let disk = std::env::var_os("LTVLOG_BENCH_DIR")
        .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    for _ in 0..rounds {
        let dir = tempfile::tempdir_in(&disk).expect("a directory");
        let log = of_the_log(&dir.path().join("log"), count);
        let file = of_a_file(dir.path(), count);
        let at = |waits: &[i64], percent: usize| waits[(waits.len() - 1) * percent / 100];
        println!(
            "acknowledged to seen: p50 {} µs p99 {} µs; written to seen, bare: p50 {} µs p99 {} µs",
            at(&log, 50),
            at(&log, 99),
            at(&file, 50),
            at(&file, 99),
        );
    }
}
