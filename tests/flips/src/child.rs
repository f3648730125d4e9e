//! The child process: whatever a store does to it, the parent lives on and counts it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::image::{Flip, Image};
use crate::peer::{Peer, text};
use crate::records::records;
use crate::verdict::Verdict;

/// Address space of a child, in bytes: a flipped length that asks for more ends in an abort
/// instead of the machine's memory.
const MEMORY_MAX: u64 = 8 << 30;

/// Makes the store and leaves it both ways: `dir/killed`, a copy made while it was open after
/// the last acknowledged record, and `dir/closed`.
pub fn write(peer: &dyn Peer, dir: &Path) -> Result<(), String> {
    let closed = dir.join("closed");
    fs::create_dir_all(&closed).map_err(text)?;
    let mut copied = Ok(());
    peer.write(&closed, &records(), &mut || {
        let copy = Image::load(&closed);
        copied = copy.and_then(|image| image.restore(&dir.join("killed"), None));
    })?;
    copied.map_err(text)
}

/// Flips the bits of the image one after another, from number `from` on, and says of each what
/// came of it: a line `verdict`, and, if nothing was reported and the store has a check command,
/// a line `check`. A store that cannot even be read without a flip is a line `refused`; what goes
/// wrong with the harness itself is a line `failed`.
pub fn flip(peer: &dyn Peer, image: &Path, work: &Path, range: (usize, usize)) {
    match flip_all(peer, image, work, range) {
        Ok(()) => say(&["done"]),
        Err(error) => say(&["failed", &error]),
    }
}

fn flip_all(
    peer: &dyn Peer,
    image: &Path,
    work: &Path,
    (from, most): (usize, usize),
) -> Result<(), String> {
    contain()?;
    let image = Image::load(image).map_err(text)?;
    let written = records();

    image.restore(work, None).map_err(text)?;
    let whole = peer.read(work);
    match whole {
        Ok(whole) if whole == written => {}
        Ok(whole) => return Err(format!("without a flip it reads {} records", whole.len())),
        Err(error) => {
            say(&["refused", &error]);
            return Ok(());
        }
    }
    let logged_when_whole = LOGGED.swap(0, Ordering::Relaxed);
    let checked = check(peer, &image, work, None)?;
    if let Some(Err(found)) = &checked {
        return Err(format!("without a flip its check says {found}"));
    }
    say(&["ready"]);

    for flip in image.flips(most).into_iter().skip(from) {
        image.restore(work, Some(flip)).map_err(text)?;
        LOGGED.store(0, Ordering::Relaxed);
        let read = peer.read(work);
        let logged = LOGGED.load(Ordering::Relaxed) > logged_when_whole;
        let verdict = Verdict::of(&written, &read);
        let detail = match &read {
            Ok(records) => format!("{} records", records.len()),
            Err(error) => error.clone(),
        };
        let checks = checked.is_some() && verdict.is_silent();
        let flag = |is: bool, name| if is { name } else { "" };
        say(&["verdict", verdict.name(), flag(logged, "logged"), flag(checks, "checks"), &detail]);
        if checks {
            let found = check(peer, &image, work, Some(flip))?.is_some_and(|it| it.is_err());
            say(&["check", flag(found, "found")]);
        }
    }
    Ok(())
}

/// What the check command says of a directory that nobody opened.
fn check(
    peer: &dyn Peer,
    image: &Image,
    work: &Path,
    flip: Option<Flip>,
) -> Result<Option<Result<(), String>>, String> {
    image.restore(work, flip).map_err(text)?;
    Ok(peer.check(work))
}

/// A panic in any thread ends the process, memory is bounded, nothing is dumped, and warnings
/// that the store logs are counted.
fn contain() -> Result<(), String> {
    std::panic::set_hook(Box::new(|panic| {
        say(&["panic", &panic.to_string()]);
        std::process::abort();
    }));
    for (resource, most) in [(Resource::As, MEMORY_MAX), (Resource::Core, 0)] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(text)?;
    }
    log::set_logger(&Warnings).map_err(|error| error.to_string())?;
    log::set_max_level(log::LevelFilter::Warn);
    Ok(())
}

/// Counts warnings and errors.
struct Warnings;

static LOGGED: AtomicU64 = AtomicU64::new(0);

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, _record: &log::Record<'_>) {
        LOGGED.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self) {}
}

/// One line to the parent. Without a parent there is nobody to tell.
fn say(words: &[&str]) {
    let words: Vec<String> = words.iter().map(|word| word.replace(['\n', '\t'], " ")).collect();
    let mut out = io::stdout().lock();
    let told = writeln!(out, "{}", words.join("\t")).and_then(|()| out.flush());
    if told.is_err() {
        std::process::exit(1);
    }
}
