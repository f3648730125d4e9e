//! The second reader, `tests/decoder.py`, against the product. It was written from docs/format.md
//! alone: what both get out of the same bytes is what that page says.
//!
//! `LTVLOG_TIER` says how much is tried: a few logs, hundreds (`ci`), or logs until
//! `LTVLOG_MINUTES` are over (`campaign`).

mod logs;
mod verdicts;

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ltvlog::{Options, Store};
use serde_json::Value;

use crate::model::cdnow;
use crate::product::{digest, export};
use crate::random::each_seed;

fn tier() -> String {
    env::var("LTVLOG_TIER").unwrap_or_default()
}

/// Runs one of the scripts of `tests/`; `None`, and a line that says so, where there is no Python.
fn python(script: &str, args: &[&str], dirs: &[PathBuf]) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let mut command = Command::new("python3");
    // Without -B it would leave compiled files beside the scripts.
    match command.arg("-B").arg(script).args(args).args(dirs).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert_ne!(tier(), "ci", "python3 does not run: {error}");
            println!("skipped: python3 does not run: {error}");
            None
        }
    }
}

/// What the second reader says of one log.
struct Second {
    check: Value,
    lines: Vec<Vec<u8>>,
}

impl Second {
    fn number(&self, name: &str) -> u64 {
        self.check[name].as_u64().unwrap_or_else(|| panic!("{name} in {}", self.check))
    }

    fn is_ok(&self) -> bool {
        self.check["ok"] == true
    }
}

/// Lets the second reader read all these logs.
fn second(dirs: &[PathBuf]) -> Option<Vec<Second>> {
    let output = python("decoder.py", &["--both"], dirs)?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!complaint.contains("Traceback"), "{complaint}");
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    let mut found = Vec::new();
    for dir in dirs {
        let first = lines.next().expect("a line for each log");
        let check: Value = serde_json::from_slice(first).unwrap_or_else(|error| {
            panic!("{}: {error}: {}", dir.display(), String::from_utf8_lossy(first))
        });
        let count = check["events"].as_u64().unwrap_or(0) as usize;
        let lines = lines.by_ref().take(count).map(<[u8]>::to_vec).collect();
        found.push(Second { check, lines });
    }
    assert_eq!(lines.next(), Some(&b""[..]), "nothing but the events that were announced");
    assert_eq!(output.status.success(), found.iter().all(Second::is_ok), "{complaint}");
    Some(found)
}

/// What was met on the way, so that a test can say that it met enough.
#[derive(Debug, Default)]
struct Met {
    logs: u64,
    events: u64,
    segments: u64,
    /// Logs that end in reserved zeros, as a killed writer leaves them.
    reserved: u64,
    sidecars: u64,
    runs: u64,
    checkpoints: u64,
    updates: u64,
    /// Batches of marks alone.
    marks: u64,
    /// Batches in which texts that many rows have are written once.
    choices: u64,
    forms: BTreeSet<u8>,
}

impl Met {
    fn add(&mut self, dir: &Path, second: &Second) {
        self.logs += 1;
        self.events += second.number("events");
        self.segments += second.number("segments");
        self.reserved += u64::from(logs::segment_bytes(dir) > second.number("bytes"));
        self.sidecars += second.number("sidecars");
        self.runs += second.number("runs");
        self.checkpoints += second.number("checkpoints");
        self.marks += second.number("batches_of_marks");
        self.choices += second.number("batches_of_choices");
        let is_update = |line: &&Vec<u8>| line.starts_with(br#"{"type":"ORDER","verb":"UPDATE""#);
        self.updates += second.lines.iter().filter(is_update).count() as u64;
        let forms = second.check["forms"].as_object().expect("forms");
        self.forms.extend(forms.keys().map(|form| form.parse::<u8>().expect("a form")));
    }
}

/// The product's own reading of the log, and what it counts, against the second reader's.
fn assert_same(dir: &Path, second: &Second) {
    let show = |line: Option<&Vec<u8>>| line.map(|line| String::from_utf8_lossy(line).into_owned());
    assert!(second.is_ok(), "{}", second.check);
    let store = Store::open(dir, Options::default()).expect("open");
    let lines = export(&store);
    for place in 0..lines.len().max(second.lines.len()) {
        let (ours, theirs) = (lines.get(place), second.lines.get(place));
        assert_eq!(
            show(ours),
            show(theirs),
            "event {place}, the product's and the second reader's"
        );
    }
    let found = store.verify().expect("verify");
    assert_eq!(found.problems, []);
    for (name, wanted) in [
        ("segments", found.segments),
        ("batches", found.batches),
        ("events", found.events),
        ("end", found.events),
        ("torn_bytes", found.torn_bytes),
        ("customers", store.info().expect("info").customers),
    ] {
        assert_eq!(second.number(name), wanted, "{name}");
    }
    assert_eq!(second.check["salts"], found.segments, "each segment has its own salt");
    assert_eq!(second.check["digest"], digest(&store));
}

/// Lets both read all these logs; false where there is no Python.
fn compare(dirs: &[PathBuf], met: &mut Met) -> bool {
    let Some(found) = second(dirs) else { return false };
    for (dir, second) in dirs.iter().zip(&found) {
        assert_same(dir, second);
        met.add(dir, second);
    }
    true
}

#[test]
fn known_logs_read_the_same() {
    let home = tempfile::tempdir().expect("a directory");
    let mut dirs = vec![logs::golden(&home.path().join("golden"))];
    let sample = include_bytes!("../data/events.ndjson");
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    dirs.push(logs::of(&home.path().join("sample"), &lines(sample), 64 << 20));
    let cdnow: Vec<_> = cdnow().into_iter().map(String::into_bytes).collect();
    dirs.push(logs::of(&home.path().join("cdnow"), &cdnow, 32 << 10));
    // An amount of fewer digits, on an event that would be too long with more.
    dirs.push(logs::of(&home.path().join("long"), &logs::longest(), 64 << 20));
    #[cfg(feature = "cli")]
    {
        // In ci enough of them for a checkpoint.
        let count = if tier() == "ci" { 270_000 } else { 4_000 };
        let events = logs::generated(count);
        dirs.push(logs::of(&home.path().join("generated"), &lines(&events), 256 << 10));
    }
    let mut met = Met::default();
    if compare(&dirs, &mut met) {
        println!("known logs: {met:?}");
        assert!(met.updates > 0 && met.sidecars > 1 && met.segments > 5, "{met:?}");
        assert!(cfg!(not(feature = "cli")) || met.choices > 0, "{met:?}");
        assert!(tier() != "ci" || met.checkpoints > 0, "{met:?}");
    }
}

#[test]
fn random_logs_read_the_same() {
    const TEST: &str = "decoder::random_logs_read_the_same";
    // One process reads this many logs.
    const ROUND: u64 = 25;
    let minutes =
        env::var("LTVLOG_MINUTES").map_or(10, |text| text.parse().expect("LTVLOG_MINUTES"));
    let deadline = Instant::now() + Duration::from_secs(60 * minutes);
    let rounds = match tier().as_str() {
        "ci" => 20,
        "campaign" => u64::MAX,
        _ => 1,
    };
    let mut met = Met::default();
    let mut seed = 50_000;
    for _ in 0..rounds {
        let home = tempfile::tempdir().expect("a directory");
        let mut dirs = Vec::new();
        each_seed(TEST, seed, ROUND, |seed| dirs.push(logs::random(home.path(), seed)));
        seed += ROUND;
        if !compare(&dirs, &mut met) || env::var_os("LTVLOG_SEED").is_some() {
            return;
        }
        if tier() == "campaign" && Instant::now() > deadline {
            break;
        }
    }
    println!("random logs: {met:?}");
    assert!(met.segments > 2 * met.logs && met.events > 30 * met.logs, "{met:?}");
    assert!(met.updates > met.logs && met.marks > 0 && met.runs > 0, "{met:?}");
    assert!(met.reserved > 0 && met.reserved < met.logs, "closed and not closed: {met:?}");
    let integers = met.forms.iter().filter(|form| (9..=16).contains(*form)).count();
    assert!(
        integers > 0 && [0, 1, 64, 65, 66].iter().all(|form| met.forms.contains(form)),
        "{met:?}"
    );
}

#[test]
fn no_changed_byte_passes() {
    let home = tempfile::tempdir().expect("a directory");
    let golden = logs::golden(&home.path().join("golden"));
    let packed = logs::packed(&home.path().join("packed"));
    let steps = if tier() == "ci" {
        [("1", golden), ("5", packed)]
    } else {
        [("5", golden), ("101", packed)]
    };
    for (step, dir) in steps {
        let Some(output) = python("decoder_flips.py", &[step], &[dir]) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        println!("every {step}. byte changed: {}", text.trim());
    }
}
