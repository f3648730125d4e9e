//! Single bits flipped in a small log of ltvlog and of its peers, then a normal reopen: what is
//! reported, what is lost without a word, what is read wrong, what aborts. See README.md.

mod child;
mod image;
mod peer;
mod peers;
mod records;
mod run;
mod table;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Instant;

use image::Image;
use peer::text;
use run::{Counts, Row, Run};
use verdict::Verdict;

/// Of a store with no more bits than this, left one way, every bit is flipped; of a larger one a
/// sample. `--most` says otherwise.
const ALL_MAX: usize = 200_000;
const SAMPLE: usize = 20_000;

const USAGE: &str = "usage: flips [--most FLIPS] [--each] [NAME…]   (parts of the stores' names)";

fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["write", peer, dir] => {
            let peers = peers::all();
            child::write(peers[number(peer)?].as_ref(), Path::new(dir))
        }
        ["flip", peer, image, work, from, most] => {
            let (peers, range) = (peers::all(), (number(from)?, number(most)?));
            child::flip(peers[number(peer)?].as_ref(), Path::new(image), Path::new(work), range);
            Ok(())
        }
        _ => parent(&words),
    }
}

fn parent(words: &[&str]) -> Result<(), String> {
    let (mut most, mut each, mut names) = (None, false, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--most" => most = Some(number(words.next().ok_or(USAGE)?)?),
            "--each" => each = true,
            word if word.starts_with('-') => return Err(USAGE.to_owned()),
            name => names.push(name),
        }
    }
    let dir = scratch()?;
    let mut rows = Vec::new();
    for (peer, it) in peers::all().iter().enumerate() {
        if !names.is_empty() && !names.iter().any(|name| it.name().contains(name)) {
            continue;
        }
        let work = dir.path().join(peer.to_string());
        run::write(peer, &work)?;
        for left in ["killed", "closed"] {
            let name = format!("{}, {left}", it.name());
            eprintln!("{name}");
            let began = Instant::now();
            let row = flip_all(peer, &work, left, (most, each));
            let row = row.map_err(|error| format!("{name}: {error}"))?;
            eprintln!("{name}: {:.1} s", began.elapsed().as_secs_f64());
            rows.push((name, row));
        }
    }
    println!("{}\n{}\n{}", versions(), table::totals(&rows), table::files(&rows));
    rows.iter().try_for_each(|(name, row)| expect(name, &row.sum()))
}

/// What must come out of every run: the control is seen to lose and to lie, ltvlog does neither.
fn expect(name: &str, sum: &Counts) -> Result<(), String> {
    let [lost, wrong, aborted, hung] =
        [Verdict::SilentLoss, Verdict::WrongData, Verdict::Abort, Verdict::Hang]
            .map(|verdict| sum.of(verdict));
    if name.contains("control") && (lost == 0 || wrong == 0) {
        return Err(format!("{name}: nothing found where there is much to find"));
    }
    if name.starts_with("ltvlog") && lost + wrong + aborted + hung > 0 {
        return Err(format!("{name}: {lost} lost, {wrong} wrong, {aborted} aborted, {hung} hung"));
    }
    Ok(())
}

fn flip_all(
    peer: usize,
    work: &Path,
    left: &str,
    (most, each): (Option<usize>, bool),
) -> Result<Row, String> {
    let dir = work.join(left);
    let image = Image::load(&dir).map_err(text)?;
    let most = most.unwrap_or(if image.bits() > ALL_MAX { SAMPLE } else { ALL_MAX });
    Run::new(peer, &image, most, each).all(&dir, &work.join("flipped"))
}

/// Flips need no durability: in memory where that is possible.
fn scratch() -> Result<tempfile::TempDir, String> {
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::tempdir_in(dir).map_err(text)
}

/// The versions of the stores, from the lock file that this was built with.
fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let package = format!("name = \"{name}\"\nversion = \"");
        let rest = lock.split_once(&package).map_or("", |(_, rest)| rest);
        format!("{name} {}", rest.split('"').next().unwrap_or(""))
    };
    let names = ["ltvlog", "fjall", "okaywal", "raft-engine", "commitlog", "redb", "rusqlite"];
    let names = names.map(version).join(", ");
    format!("{names} with SQLite {}\n", rusqlite::version())
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| USAGE.to_owned())
}
