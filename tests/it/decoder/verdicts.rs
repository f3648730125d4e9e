//! Logs that crashes and damage left: whole, torn or damaged, by docs/format.md as by the product.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ltvlog::{Error, Options, Store};

use super::{logs, second, tier};
use crate::large::copy;
use crate::random::{Random, each_seed};

/// What is done to a log before both look at it, `random` saying where.
fn maim(dir: &Path, random: &mut Random) -> String {
    let mut files = Vec::new();
    for place in ["segments", "keys", "checkpoints"] {
        let Ok(entries) = fs::read_dir(dir.join(place)) else { continue };
        files.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    files.sort();
    let segments: Vec<PathBuf> = files
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .cloned()
        .collect();
    let head = dir.join("head");
    let mut done = String::new();
    if head.exists() && random.percent(20) {
        let mut bytes = fs::read(&head).expect("head");
        let slot = random.pick(&[0, 512]);
        match random.below(3) {
            0 => bytes[slot..slot + 64].fill(0),
            1 => bytes[slot + random.below(64)] ^= 1 << random.below(8),
            _ => bytes.truncate(random.below(1_024)),
        }
        fs::write(&head, bytes).expect("head");
        done += "head changed; ";
    }
    if head.exists() && random.percent(40) {
        fs::remove_file(&head).expect("head goes");
        done += "no head; ";
    }
    if random.percent(40) {
        for path in files.iter().filter(|path| !segments.contains(path)) {
            fs::remove_file(path).expect("a derived file goes");
        }
        done += "no derived files; ";
    }
    let last = segments.last().expect("a segment").clone();
    let path = if random.percent(70) { last } else { random.choose(&segments).clone() };
    let mut bytes = fs::read(&path).expect("a segment");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |at| at + 1);
    let at = random.below(used);
    let sector = at / 512 * 512..bytes.len().min(at / 512 * 512 + 512);
    match random.below(9) {
        0 => bytes.truncate(at),
        1 => bytes.truncate(at / 32 * 32),
        2 => bytes[at..].fill(0),
        3 => bytes[at / 32 * 32..].fill(0),
        4 => bytes[sector].fill(0),
        5 => bytes[sector].iter_mut().for_each(|byte| *byte = random.next() as u8),
        6 => bytes[at] ^= 1 << random.below(8),
        7 => bytes.extend(vec![0; random.below(200)]),
        _ => {
            fs::remove_file(&path).expect("a segment goes");
            return format!("{done}{} is gone", path.display());
        }
    }
    fs::write(&path, &bytes).expect("a segment");
    format!("{done}{} changed at {at}, {} bytes, {used} used", path.display(), bytes.len())
}

/// In a word, and how many bytes are torn and events whole.
fn verdict(dir: &Path) -> (&'static str, u64, u64) {
    let found = Store::open(dir, Options::default()).and_then(|store| store.verify());
    match found {
        Ok(found) if found.problems.is_empty() => {
            let word = if found.torn_bytes > 0 { "torn" } else { "whole" };
            (word, found.torn_bytes, found.events)
        }
        // No log is no damage.
        Err(Error::Missing { .. }) => ("whole", 0, 0),
        Ok(_) | Err(_) => ("damaged", 0, 0),
    }
}

#[test]
fn maimed_logs_are_judged_the_same() {
    const TEST: &str = "decoder::verdicts::maimed_logs_are_judged_the_same";
    let (logs, each) = if tier() == "ci" { (25, 60) } else { (4, 25) };
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    each_seed(TEST, 60_000, logs, |seed| {
        let home = tempfile::tempdir().expect("a directory");
        let whole = logs::random(home.path(), seed);
        let mut random = Random::new(seed);
        let mut dirs = Vec::new();
        let mut done = Vec::new();
        for number in 0..each {
            let dir = home.path().join(format!("{seed}-{number}"));
            fs::create_dir(&dir).expect("a new directory");
            copy(&whole, &dir);
            done.push(maim(&dir, &mut random));
            dirs.push(dir);
        }
        let Some(found) = second(&dirs) else { return };
        for ((dir, second), done) in dirs.iter().zip(&found).zip(&done) {
            let theirs = if second.is_ok() {
                let torn_bytes = second.number("torn_bytes");
                let word = if torn_bytes > 0 { "torn" } else { "whole" };
                (word, torn_bytes, second.number("events"))
            } else {
                ("damaged", 0, 0)
            };
            let ours = verdict(dir);
            assert_eq!(
                ours, theirs,
                "the product's and the second reader's; {done}: {}",
                second.check
            );
            *met.entry(ours.0).or_default() += 1;
        }
    });
    println!("maimed logs: {met:?}");
    assert!(met.is_empty() || met.len() == 3, "{met:?}");
}
