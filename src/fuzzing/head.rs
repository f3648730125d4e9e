//! Any bytes as the head of a log without fault.

use std::path::Path;
use std::sync::Arc;

use super::logs::{self, DIR, Log};
use super::{Input, mend, reading};
use crate::frame::put;
use crate::log::{Access, Disk, SimDisk, write_full};
use crate::store::trial;
use crate::{CallOptions, Error};

/// The first byte chooses a log; the second says whether the slots get right checksums (bits 0
/// and 1) and the log's own id (2 and 3), whether the bytes change a right head (4) instead of
/// being one, and whether a writer lives (5).
pub fn head(data: &[u8]) {
    let mut input = Input::new(data);
    let all = logs::logs();
    let log = &all[input.below(all.len())];
    let how = input.byte();
    let bytes = head_bytes(&mut input, how, &log.files[&logs::head()]);
    let mut files = log.files.clone();
    files.remove(&logs::head());
    let without = reading::read(&files);
    assert!(without.error.is_none(), "without head a log is read all the same");
    if how & 32 != 0 {
        return beside_a_writer(log, &files, &bytes);
    }
    files.insert(logs::head(), bytes);
    let seen = reading::read(&files);
    // It may contradict the log, or be damaged; it never hides an event or makes one.
    assert!(without.lines.starts_with(&seen.lines), "head made events");
    assert!(seen.error.is_some() || seen.lines == without.lines, "head hid events");
    reading::write(&files, &seen, how & 3 != 0);
}

fn head_bytes(input: &mut Input<'_>, how: u8, right: &[u8]) -> Vec<u8> {
    let mut bytes = right.to_vec();
    if how & 16 == 0 {
        bytes = input.take(2_048).to_vec();
    }
    while how & 16 != 0 && !input.rest.is_empty() {
        let (at, byte) = (input.below(1_024), input.byte());
        bytes[at] = byte;
    }
    let id = right[..8].to_vec();
    let id = if id == [0; 8] { right[512..520].to_vec() } else { id };
    for (slot, sum, own) in [(0, 1, 4), (512, 2, 8)] {
        if bytes.len() < slot + 64 {
            continue;
        }
        if how & own != 0 {
            put(&mut bytes, slot, &id);
        }
        if how & sum != 0 {
            mend::sum(&mut bytes, slot, 60);
        }
    }
    bytes
}

/// While a writer lives a reader believes its head: what it then gives was appended, or it says
/// that something is wrong.
fn beside_a_writer(log: &Log, files: &logs::Files, bytes: &[u8]) {
    let disk = SimDisk::of_files(files);
    let open = |seed| trial::open(Arc::new(disk.clone()), Path::new(DIR), seed, 4 << 10);
    let mut writer = open(3).expect("a log without head opens");
    drop(writer.call(CallOptions::default()).expect("a log without head opens for append"));
    let head = disk.open(&logs::head(), Access::Write).expect("a writer publishes its head");
    head.truncate(0).expect("the disk has no fault");
    write_full(&*head, bytes, 0).expect("the disk has no fault");
    let mut lines = Vec::new();
    let read = open(4).and_then(|store| {
        let currency = store.rules().currency;
        store.records(0, &mut |record| {
            let mut line = String::new();
            record.event.to_json(currency, &mut line);
            lines.push(line);
            Ok(true)
        })
    });
    assert!(log.lines.starts_with(&lines), "head made events");
    if let Err(error) = read {
        assert!(matches!(error, Error::Corrupt { .. } | Error::Io { .. }), "{error:?}");
    }
}
