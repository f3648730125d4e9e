//! `dump` tells every byte of a segment once, whatever the bytes are.

use std::path::Path;

use ltvlog::{Event, Options, Part, Store, Sync, explain};

use super::Home;

/// Segments of a log: full, sealed ones, and the last, still to be written to.
fn segments(home: &Home) -> Vec<Vec<u8>> {
    let text =
        home.done(&["generate", "--events=6000", "--customers=99", "--seed=3", "--updates=9"]);
    let options = Options { segment_bytes_max: 16 << 10, sync: Sync::None, ..Options::default() };
    let mut store = Store::open(home.path("log"), options).unwrap();
    let rules = store.rules().clone();
    let lines: Vec<&str> = text.out.lines().collect();
    for call in lines.chunks(700) {
        let events = call.iter().map(|line| Event::from_json(line.as_bytes(), &rules).unwrap());
        store.append(events).unwrap();
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(home.path("log/segments")).unwrap() {
        found.push(std::fs::read(entry.unwrap().path()).unwrap());
    }
    found
}

/// Reads all parts; each begins where the one before ends, and all bytes are told.
fn check(bytes: &[u8]) -> Result<Vec<String>, ltvlog::Error> {
    let (mut offset, mut sections) = (0, Vec::new());
    explain(&mut &bytes[..], Path::new("x.seg"), true, &mut |part: &Part<'_>| {
        if part.length > 0 {
            assert_eq!(part.offset, offset);
            let start = usize::try_from(offset).unwrap();
            assert!(bytes[start..].starts_with(part.bytes));
            offset += part.length;
        }
        if sections.last().is_none_or(|last: &String| *last != part.section) {
            sections.push(part.section.to_owned());
        }
        true
    })?;
    assert_eq!(offset, bytes.len() as u64);
    Ok(sections)
}

#[test]
fn every_byte_is_told_once() {
    let segments = segments(&Home::new());
    assert!(segments.len() > 2, "{}", segments.len());
    let mut seals = 0;
    for bytes in &segments {
        let sections = check(bytes).unwrap();
        assert_eq!(sections[0], "segment header");
        seals += sections.iter().filter(|section| *section == "seal").count();
    }
    assert_eq!(seals, segments.len() - 1);
}

#[test]
fn cut_or_damaged_bytes_are_told_too() {
    let segments = segments(&Home::new());
    let bytes = segments.iter().min_by_key(|bytes| bytes.len()).unwrap();
    for end in 0..bytes.len() {
        assert_eq!(check(&bytes[..end]).is_ok(), end >= 128, "{end}");
    }
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        damaged[at] ^= 0x55;
        assert_eq!(check(&damaged).is_ok(), at >= 128, "{at}");
        damaged[at] = bytes[at];
    }
}

#[test]
fn the_last_segment_is_dumped_unless_another_is_named() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    let named = home.done(&["dump", "ltvlog-data/segments/00000000000000000000.seg", "--rows"]);
    assert_eq!(home.done(&["dump", "--rows"]), named);
    assert!(named.out.contains("row 3  OrderNew \"68d84e5d1a43\""), "{}", named.out);
}
