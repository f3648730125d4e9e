//! A log without fault, edited: bits, bytes, ranges, sectors, lengths, files.

use std::path::PathBuf;

use super::logs::{self, Files, Log};
use super::{Input, reading};

/// More edits than these at once show nothing new.
const EDITS_MAX: usize = 16;
const SECTOR: usize = 512;

/// The first byte chooses a log, the second whether its derived files are there; what follows are
/// edits of its segments.
pub fn edit(data: &[u8]) {
    let mut input = Input::new(data);
    let all = logs::logs();
    let log = &all[input.below(all.len())];
    let derived = input.byte();
    let mut files = log.files.clone();
    files.retain(|path, _| match path.extension() {
        Some(end) if end == "keys" || end == "run" => derived & 2 == 0,
        Some(end) if end == "ckpt" => derived & 4 == 0,
        _ => !path.ends_with("head") || derived & 1 == 0,
    });
    let whole = files.clone();
    let mut flips_only = true;
    for _ in 0..EDITS_MAX {
        if input.rest.is_empty() {
            break;
        }
        flips_only &= one(&mut input, &mut files);
    }
    let seen = reading::read(&files);
    assert!(log.lines.starts_with(&seen.lines), "an event that was not appended, or another order");
    if !seen.is_reported() {
        clean(log, &files, &whole, seen.lines.len(), flips_only);
    }
    reading::write(&files, &seen, false);
}

/// Nothing is reported: then nothing is missing that was acknowledged, or head is gone and what
/// is missing looks like a frame that was never finished.
fn clean(log: &Log, files: &Files, whole: &Files, events: usize, flips_only: bool) {
    let head = files.contains_key(&logs::head());
    assert!(!head || events >= log.synced, "{events} events of {} acknowledged", log.synced);
    for (path, old) in whole {
        let new = files.get(path).map_or(&[][..], Vec::as_slice);
        let end = old.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let changed = (0..end).find(|at| new.get(*at) != old.get(*at));
        let Some(at) = changed.filter(|_| log.synced == log.lines.len()) else { continue };
        assert!(!head, "byte {at} of {} is another, and nobody says so", path.display());
        // A bit can empty a sector; else one or two are found without head too.
        let bits: u32 = old.iter().zip(new).map(|(old, new)| (old ^ new).count_ones()).sum();
        let is_emptied = sector(new, at).iter().all(|byte| *byte == 0);
        assert!(
            !flips_only || bits > 2 || is_emptied,
            "{bits} bits at {at} of {} are flipped, and nobody says so",
            path.display()
        );
    }
}

fn sector(bytes: &[u8], at: usize) -> &[u8] {
    let start = (at / SECTOR * SECTOR).min(bytes.len());
    &bytes[start..bytes.len().min(start + SECTOR)]
}

/// Makes an edit; whether it is a flipped bit.
fn one(input: &mut Input<'_>, files: &mut Files) -> bool {
    let kind = input.byte() % 12;
    let paths = logs::segments(files);
    if paths.is_empty() {
        return false;
    }
    let path = paths[input.below(paths.len())].clone();
    if kind >= 10 {
        whole_file(input, files, &paths, &path);
        return false;
    }
    let from = files[&paths[input.below(paths.len())]].clone();
    let bytes = files.get_mut(&path).expect("listed above");
    let (at, other) = (input.word() as usize, input.word() as usize);
    let length = bytes.len();
    let (at, other) = (at % (length + 1), other % (from.len() + 1));
    match kind {
        0..=2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (other % 8);
            }
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = other as u8;
            }
        }
        4 => bytes.truncate(at),
        5 => bytes.resize(length + other % 1_500, 0),
        6 => copy(bytes, at, &from[other..from.len().min(other + 96)]),
        7 => copy(bytes, at / SECTOR * SECTOR, sector(&from, other)),
        8 => {
            let end = length.min(at / SECTOR * SECTOR + SECTOR);
            bytes[at / SECTOR * SECTOR..end].fill(if other % 2 == 0 { 0 } else { 0x55 });
        }
        // Bytes taken out and put in shift all that follow.
        _ if other % 2 == 1 => drop(bytes.drain(at..length.min(at + 32))),
        _ => {
            let piece = from[other..from.len().min(other + 32)].to_vec();
            bytes.splice(at..at, piece);
        }
    }
    kind <= 2
}

fn copy(to: &mut Vec<u8>, at: usize, from: &[u8]) {
    to.resize(to.len().max(at + from.len()), 0);
    to[at..at + from.len()].copy_from_slice(from);
}

/// A file is gone, another's, under another name, or another log's.
fn whole_file(input: &mut Input<'_>, files: &mut Files, paths: &[PathBuf], path: &PathBuf) {
    let choice = input.byte();
    let bytes = files.remove(path).unwrap_or_default();
    match choice % 4 {
        0 => {}
        1 => {
            let other = &paths[usize::from(choice) % paths.len()];
            let others = files.insert(other.clone(), bytes);
            files.insert(path.clone(), others.unwrap_or_default());
        }
        2 => {
            let name = format!("{:020}.seg", choice);
            files.insert(path.with_file_name(name), bytes);
        }
        // Without head nothing would say that this is not the log.
        _ if files.contains_key(&logs::head()) => {
            let all = logs::logs();
            let strange = &all[usize::from(choice) % all.len()].files;
            let first = logs::segments(strange).remove(0);
            files.insert(path.clone(), strange[&first].clone());
        }
        _ => {}
    }
}
