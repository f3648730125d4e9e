//! The targets without a fuzzer: on the seeds of `tests/fuzz/seeds/`, and on some thousand inputs
//! that are made from them at random. What a fuzzer found becomes a seed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{events, logs};
use crate::codec::trial::{Random, build, random_batch};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 7] = [
    ("scan", super::scan),
    ("edit", super::edit),
    ("columns", super::columns),
    ("checkpoint", super::checkpoint),
    ("head", super::head),
    ("json", super::json),
    ("store", super::store),
];

fn dir(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target)
}

/// The seeds of a target; none where they are left out, as in a package.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(files) = fs::read_dir(dir(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Runs a target; what fails is written where it can be run again.
fn run(target: &Target, input: &[u8], seed: u64) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target.1(input))) {
        let path = std::env::temp_dir().join(format!("ltvlog-fuzz-{}-{seed}", target.0));
        fs::write(&path, input).unwrap();
        println!(
            "again: LTVLOG_FUZZ={} cargo test --lib fuzzing::tests::one_input",
            path.display()
        );
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_seed_keeps_its_promise() {
    if !dir("").exists() {
        println!("skipped: tests/fuzz/seeds is not part of a package");
        return;
    }
    for target in &TARGETS {
        let seeds = seeds(target.0);
        assert!(!seeds.is_empty(), "{} has no seeds", target.0);
        for (path, input) in &seeds {
            println!("{}", path.display());
            run(target, input, 0);
        }
    }
}

/// `LTVLOG_FUZZ=FILE` runs one input again; its directory or its name says of which target it is.
#[test]
fn one_input() {
    let Some(path) = std::env::var_os("LTVLOG_FUZZ").map(PathBuf::from) else { return };
    let input = fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    let is_of = |target: &str| {
        name.starts_with(&format!("ltvlog-fuzz-{target}-"))
            || path.parent().is_some_and(|dir| dir.ends_with(target))
    };
    let target = TARGETS.iter().find(|target| is_of(target.0));
    run(target.expect("a path like edit/crash-0123"), &input, 0);
}

/// Every target on inputs made from its seeds: 150 of each; `LTVLOG_TIER=ci` takes 1,500, and
/// `LTVLOG_TIER=campaign` as many as come in `LTVLOG_MINUTES` minutes.
#[test]
fn inputs_at_random_keep_every_promise() {
    let asked = |name: &str| std::env::var(name).ok();
    let number = |name: &str, usual| asked(name).map_or(usual, |text| text.parse().unwrap());
    let (mut inputs, mut deadline) = (150, None);
    match asked("LTVLOG_TIER").as_deref() {
        Some("ci") => inputs = 1_500,
        Some("campaign") => {
            let minutes = Duration::from_secs(60 * number("LTVLOG_MINUTES", 10));
            (inputs, deadline) = (u64::MAX, Some(Instant::now() + minutes));
        }
        _ => {}
    }
    let first = number("LTVLOG_SEED", 1);
    let corpora = TARGETS.map(|target| seeds(target.0));
    let mut ran = 0;
    for seed in (first..).take(usize::try_from(inputs).unwrap_or(usize::MAX)) {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            break;
        }
        for (target, corpus) in TARGETS.iter().zip(&corpora) {
            run(target, &mutant(&mut Random(seed), corpus), seed);
            ran += 1;
        }
    }
    println!("{ran} inputs at random, seeds from {first} on");
}

/// A seed with a few bytes, pieces and lengths changed, or bytes at random.
fn mutant(random: &mut Random, corpus: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let length = random.below(200);
    let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
    if !corpus.is_empty() && random.below(8) != 0 {
        bytes = corpus[random.below(corpus.len() as u64) as usize].1.clone();
    }
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match (random.below(6), bytes.get_mut(at)) {
            (0 | 1, Some(byte)) => *byte = random.next() as u8,
            (2, Some(byte)) => *byte ^= 1 << random.below(8),
            (3, _) => bytes.truncate(at),
            (4, _) => bytes.insert(at, random.next() as u8),
            (_, _) => {
                let from = random.below(bytes.len() as u64 + 1) as usize;
                let piece: Vec<u8> = bytes[from..].iter().take(40).copied().collect();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// `LTVLOG_FUZZ_SEEDS=new cargo test --lib fuzzing` writes the seeds that are not there.
#[test]
fn seeds_are_written_where_they_are_asked_for() {
    if std::env::var_os("LTVLOG_FUZZ_SEEDS").is_none() {
        return;
    }
    for (target, name, bytes) in new_seeds() {
        fs::create_dir_all(dir(target)).unwrap();
        let path = dir(target).join(name);
        if !path.exists() {
            fs::write(path, bytes).unwrap();
        }
    }
}

fn with(first: &[u8], rest: &[u8]) -> Vec<u8> {
    [first, rest].concat()
}

fn new_seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut all: Vec<(&'static str, String, Vec<u8>)> = Vec::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let golden = |name: &str| fs::read(golden.join(name)).unwrap();
    let (sealed, active) = ("00000000000000000000.seg", "00000000000000000010.seg");
    for how in [0, 7] {
        let name = |what: &str| format!("{what}-{how}");
        all.push(("scan", name("sealed"), with(&[how], &golden(&format!("segments/{sealed}")))));
        all.push(("scan", name("active"), with(&[how], &golden(&format!("segments/{active}")))));
        let files = &logs::logs()[1].files;
        let last = logs::segments(files).pop().unwrap();
        all.push(("scan", name("last"), with(&[how | 8], &files[&last])));
        let sidecar = golden("keys/00000000000000000000.keys");
        all.push(("checkpoint", name("sidecar"), with(&[how / 7 * 2 + 1], &sidecar)));
        all.push(("checkpoint", name("statistics"), with(&[how / 7 * 2], &saved())));
        all.push(("checkpoint", name("in-a-store"), with(&[how / 7 + 4], &saved())));
    }
    for log in 0..6 {
        let head = &logs::logs()[usize::from(log)].files[&logs::head()];
        all.push(("head", format!("whole-{log}"), with(&[log, 0], &head[..600])));
        all.push(("head", format!("bytes-{log}"), vec![log, 16 + 3, 16, 0, 3, 20, 2, 1]));
        all.push(("head", format!("writer-{log}"), with(&[log, 32 + 3], &head[..600])));
        for kind in 0..12 {
            let edit = vec![log, kind % 4, kind, 0, 0, 200, log, 1, 0, kind, 9, 1, 0, 3, 3, 3];
            all.push(("edit", format!("kind-{kind}-{log}"), edit));
        }
    }
    for (number, events) in [0_u16, 1, 3, 40, 300].into_iter().enumerate() {
        let mut body = Vec::new();
        build(&random_batch(&mut Random(3), usize::from(events), 0, 0)).encode(0, 5, &mut body);
        all.push((
            "columns",
            format!("body-{number}"),
            with(&with(&[0], &events.to_le_bytes()), &body),
        ));
        all.push((
            "columns",
            format!("made-{number}"),
            with(&with(&[1], &events.to_le_bytes()), &[7, 0]),
        ));
    }
    for kind in 0..8 {
        let text = events::text(kind, 1, 2, 15 + kind);
        all.push(("json", format!("event-{kind}"), with(&[kind], text.as_bytes())));
        let array = format!(" [{text},\n{text} ] ");
        all.push(("json", format!("array-{kind}"), with(&[3], array.as_bytes())));
    }
    let reject = r#"{"file":"f","line":7,"reason":"malformed_json","detail":"d","event":"{"}"#;
    for (name, text) in [("reject", reject), ("lines", "{\"a\":\n\"\\ud83d\\ude00\"}\r\n\n7\n[1")] {
        all.push(("json", name.to_owned(), with(&[9], text.as_bytes())));
    }
    all.extend((0..12).map(|seed| ("store", format!("steps-{seed}"), steps(seed))));
    all
}

/// Calls, and between them everything else.
fn steps(seed: u8) -> Vec<u8> {
    let mut random = Random(seed.into());
    let mut bytes = vec![seed];
    for step in 0..14_u8 {
        let kind = if step % 2 == 0 { 0 } else { 6 + (step + seed) % 9 };
        bytes.push(kind);
        bytes.push(4);
        bytes.extend((0..20).map(|_| random.next() as u8));
    }
    bytes
}

/// A checkpoint of the log that `in_a_store` takes.
fn saved() -> Vec<u8> {
    let files = &logs::logs()[1].files;
    let mut saved =
        files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "ckpt"));
    saved.next_back().unwrap().1.clone()
}
