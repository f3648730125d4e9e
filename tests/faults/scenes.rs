//! The scenes: what a program can be doing when something goes wrong.

use std::fs;
use std::path::Path;

use ltvlog::{Event, Options, Store};

use crate::dice::Dice;
use crate::events::{held_back, in_disorder, in_order};
use crate::program::Append;
use crate::read::{copy, last_segment, look};
use crate::scene::{Scene, Script};
use crate::tier::is_quick;

/// How many kinds of scenes there are.
pub const KINDS: u64 = 11;
/// Those from here on take long: a checkpoint needs many events, held events need a lot of bytes
/// to need a file.
const LONG: u64 = 9;

/// The kind whose scene has so many system calls that some of them must do.
const MANY: u64 = 8;
const MOST: usize = 400;

/// The scene in which keys are saved and put together between calls, on threads.
pub const ASIDE: &str = "keys made aside";
/// The scene in which a checkpoint is written.
pub const CHECKPOINTED: &str = "a checkpoint";

/// The kind of scene that goes with a seed: each in turn, those that take long once in a while.
pub fn kind(seed: u64) -> u64 {
    match (seed % KINDS, seed / KINDS % 8) {
        (kind, turn) if kind >= LONG && (turn > 0 || is_quick()) => kind - LONG,
        (kind, _) => kind,
    }
}

/// How many faults there are to be in a scene that has so many.
pub fn most(kind: u64, (quick, long, all): (usize, usize, usize)) -> usize {
    match () {
        () if is_quick() => quick,
        () if kind >= LONG => long,
        () if kind == MANY => all.min(MOST),
        () => all,
    }
}

/// A scene of a kind, its details taken from a seed.
pub fn scene(kind: u64, seed: u64) -> Scene {
    let mut dice = Dice::new(seed);
    let window = 4 + dice.below(12);
    let some = Append { hold: Some(window), ..Append::default() };
    let (sync, segment_bytes) =
        (dice.one_of(&["batch", "call", "none"]), 1024 + 64 * dice.below(64));
    let rolling = Append { segment_bytes: Some(segment_bytes), ..some };
    let dice = &mut dice;
    match kind {
        0 => new_log("a new log", some, dice),
        1 => new_log("a new log that rolls", rolling, dice),
        2 => more("more for a closed log", Append { sync, ..some }, dice),
        3 => more("more for a log that rolls", rolling, dice),
        4 => without_sidecars(dice),
        5 => unclosed("after a kill", some, Tail::Whole, dice),
        6 => unclosed("after a torn write", some, Tail::Torn, dice),
        7 => strict(Append { hold: None, strict: true, sync, ..Append::default() }, dice),
        MANY => aside(dice),
        9 => checkpointed(dice),
        _ => spilled(Append { hold: None, sync, ..Append::default() }, dice),
    }
}

fn disorder(label: &str, append: &Append, dice: &mut Dice, most: u64) -> Vec<String> {
    let count = 10 + dice.below(most);
    let bytes = dice.one_of(&[10, 300, 2000]);
    in_disorder(label, dice, count, bytes, append.hold.map_or(8, |hold| hold as usize))
}

fn new_log(name: &'static str, append: Append, dice: &mut Dice) -> Scene {
    let input = disorder("a", &append, dice, 30);
    Scene::new(Script { name, append, before: Vec::new(), acknowledged: 0, input }, |_| {})
}

fn more(name: &'static str, append: Append, dice: &mut Dice) -> Scene {
    let (before, acknowledged, segment_bytes) = small_log(dice);
    // Some of it is there already; a receipt is waited for that as well.
    let mut input = disorder("b", &append, dice, 20);
    input.extend(before.iter().step_by(2).cloned());
    let script = Script { name, append, before: before.clone(), acknowledged, input };
    Scene::new(script, |log| write(log, segment_bytes, &[&before], End::Closed))
}

/// What is in a log before, all of it acknowledged, and in how large segments.
fn small_log(dice: &mut Dice) -> (Vec<String>, u64, u64) {
    let before = in_order("a", dice, 20, 600);
    let count = before.len() as u64;
    (before, count, 1024)
}

fn without_sidecars(dice: &mut Dice) -> Scene {
    let (before, acknowledged, segment_bytes) = small_log(dice);
    let append = Append { hold: Some(9), ..Append::default() };
    let mut input = disorder("b", &append, dice, 10);
    input.extend_from_slice(&before);
    let name = "sidecars are made anew";
    let script = Script { name, append, before: before.clone(), acknowledged, input };
    Scene::new(script, |log| {
        let batches: Vec<&[String]> = before.chunks(4).collect();
        write(log, segment_bytes, &batches, End::Closed);
        fs::remove_dir_all(log.join("keys")).unwrap();
    })
}

/// What the last batch of a log that was not closed looks like.
enum Tail {
    Whole,
    Torn,
}

/// A log as a kill leaves it; its last batch was not acknowledged and is given again.
fn unclosed(name: &'static str, append: Append, tail: Tail, dice: &mut Dice) -> Scene {
    let before = in_order("a", dice, 15, 100);
    let last = in_order("b", dice, 15, 900);
    let mut input = disorder("c", &append, dice, 10);
    input.extend_from_slice(&last);
    let acknowledged = before.len() as u64;
    let kept = dice.below(400);
    let script = Script { name, append, before: before.clone(), acknowledged, input };
    Scene::new(script, |log| {
        write(log, 64 << 20, &[&before], End::Killed);
        let older = log.with_extension("older");
        copy(log, &older);
        write(log, 64 << 20, &[&last], End::Killed);
        // The head is the one of before the last batch, which therefore nobody was told of.
        fs::copy(older.join("head"), log.join("head")).unwrap();
        if let Tail::Torn = tail {
            let (path, mut bytes) = last_segment(log).unwrap();
            let end = last_segment(&older).unwrap().1;
            let common = end.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            // The frame begins at the first difference, or little before it. All its sectors but
            // the first few never came to the disk.
            let from = (common / 512 + 1) * 512 + kept as usize / 512 * 512;
            bytes[from..].fill(0);
            fs::write(path, bytes).unwrap();
        }
        let is_torn = look(log, name).torn_bytes > 0;
        assert_eq!(is_torn, matches!(tail, Tail::Torn));
    })
}

fn strict(append: Append, dice: &mut Dice) -> Scene {
    let (before, acknowledged, segment_bytes) = small_log(dice);
    let mut input = before.clone();
    input.extend(in_order("b", dice, 30, 500));
    let name = "a strict append";
    let script = Script { name, append, before: before.clone(), acknowledged, input };
    Scene::new(script, |log| write(log, segment_bytes, &[&before], End::Closed))
}

/// Many calls of one process, whose segments roll.
fn aside(dice: &mut Dice) -> Scene {
    let (before, acknowledged, segment_bytes) = small_log(dice);
    let (sync, bytes, calls) = (dice.one_of(&["batch", "call"]), dice.one_of(&[10, 300]), 3);
    let append = Append {
        segment_bytes: Some(2048 + 64 * dice.below(64)),
        calls: Some(calls),
        sync,
        ..Append::default()
    };
    let mut input = in_order("b", dice, 40 * calls, bytes);
    input.extend(before.iter().step_by(2).cloned());
    let script = Script { name: ASIDE, append, before: before.clone(), acknowledged, input };
    Scene::new(script, |log| write(log, segment_bytes, &[&before], End::Closed))
}

/// A log that has a checkpoint to be written once it has a few more events.
fn checkpointed(dice: &mut Dice) -> Scene {
    const CHECKPOINT_EVENTS: u64 = 262_144;
    let before = in_order("a", dice, CHECKPOINT_EVENTS - 5, 0);
    let input = in_order("b", dice, 10, 100);
    let acknowledged = before.len() as u64;
    let name = CHECKPOINTED;
    let append = Append { sync: "call", ..Append::default() };
    let script = Script { name, append, before: before.clone(), acknowledged, input };
    Scene::new(script, |log| write(log, 1 << 20, &[&before], End::Closed))
}

fn spilled(append: Append, dice: &mut Dice) -> Scene {
    let input = held_back("a", dice, 8);
    let name = "held events that need a file";
    Scene::new(Script { name, append, before: Vec::new(), acknowledged: 0, input }, |_| {})
}

/// A log that fills a disk of some dozens of pages.
pub fn filling(seed: u64) -> Scene {
    let mut dice = Dice::new(seed);
    let segment_bytes = dice.one_of(&[None, Some(20 << 10), Some(50 << 10)]);
    let append = Append { segment_bytes, hold: Some(5 + dice.below(20)), ..Append::default() };
    let count = 60 + dice.below(60);
    let input = in_order("a", &mut dice, count, 4000);
    let name = "a disk that fills";
    Scene::new(Script { name, append, before: Vec::new(), acknowledged: 0, input }, |_| {})
}

/// How a log is left.
#[derive(PartialEq, Eq)]
enum End {
    Closed,
    Killed,
}

/// Appends some events, each slice a call.
fn write(log: &Path, segment_bytes_max: u64, calls: &[&[String]], end: End) {
    let options = Options { segment_bytes_max, ..Options::default() };
    let mut store = Store::open(log, options).unwrap();
    let rules = store.rules().clone();
    for lines in calls {
        let events = lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules).unwrap());
        let receipt = store.append(events).unwrap();
        assert_eq!(receipt.rejected(), 0);
    }
    if end == End::Closed {
        store.close().unwrap();
    }
}
