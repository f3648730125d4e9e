//! The bytes themselves: pinned, and read back whatever is done to them.

use super::super::directory::{self, Directory, FrameEntry};
use super::super::head::{Head, HeadFile};
use super::super::seal::Seal;
use super::super::segment::{SegmentHeader, parse_segment_name, segment_name};
use super::workload::Random;
use super::*;
use crate::frame::{FrameHeader, HeaderBytes, frame_bytes, is_zero, push_frame, zero_sectors};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header() -> FrameHeader {
    FrameHeader {
        kind: 1,
        zero_sectors: 0,
        body_bytes: 5,
        events: 4,
        seq_delta: 7,
        durable_offset: 128,
        chain: 0x0403_0201,
        body_crc: 0,
    }
}

#[test]
fn a_frame_is_these_bytes() {
    let mut out = Vec::new();
    // What follows from the body is none of the caller's business.
    let given = FrameHeader { body_bytes: 77, zero_sectors: 3, body_crc: 5, ..header() };
    let (whole, crc) = push_frame(&mut out, 0x1122_3344_5566_7788, 192, given, b"hello");
    assert_eq!(whole, FrameHeader { body_crc: crc32fast::hash(b"hello"), ..header() });
    assert_eq!(out.len(), 64);
    assert_eq!(frame_bytes(5), 64);
    let bytes = hex(&out);
    assert_eq!(&bytes[..8], &hex(&crc.to_le_bytes()));
    // zlib.crc32 of Python says the same of salt, offset and bytes 4..32, and of the body.
    assert_eq!(
        bytes,
        "ae88d63f01010000050000000400000007000000800000000102030486a61036\
         68656c6c6f000000000000000000000000000000000000000000000000000000"
    );
}

#[test]
fn every_flip_of_a_header_is_noticed_and_no_other_place_takes_it() {
    let mut out = Vec::new();
    push_frame(&mut out, 99, 192, header(), b"hello");
    let bytes: [u8; 32] = *out.first_chunk().unwrap();
    assert!(matches!(FrameHeader::decode(&bytes, 99, 192), HeaderBytes::Whole(..)));
    for (salt, offset) in [(98, 192), (99, 224), (99, 0)] {
        assert_eq!(FrameHeader::decode(&bytes, salt, offset), HeaderBytes::Damaged);
    }
    for first in 0..256 {
        for second in 0..=first {
            let mut flipped = bytes;
            flipped[first / 8] ^= 1 << (first % 8);
            if second < first {
                flipped[second / 8] ^= 1 << (second % 8);
            }
            assert_eq!(FrameHeader::decode(&flipped, 99, 192), HeaderBytes::Damaged);
        }
    }
    assert_eq!(FrameHeader::decode(&[0; 32], 99, 192), HeaderBytes::Zero);
}

#[test]
fn a_header_with_a_right_checksum_is_still_checked() {
    let refused = |header: FrameHeader| {
        matches!(FrameHeader::decode(&header.encode(1, 192).0, 1, 192), HeaderBytes::Refused(_))
    };
    assert!(!refused(header()));
    assert!(refused(FrameHeader { kind: 0, ..header() }));
    assert!(refused(FrameHeader { kind: 3, events: 0, ..header() }));
    assert!(refused(FrameHeader { kind: 127, events: 0, ..header() }));
    assert!(!refused(FrameHeader { kind: 128, events: 0, ..header() }));
    assert!(refused(FrameHeader { kind: 128, ..header() }));
    assert!(refused(FrameHeader { kind: 2, ..header() }));
    assert!(refused(FrameHeader { body_bytes: 0, ..header() }));
    assert!(!refused(FrameHeader { body_bytes: 16 << 20, ..header() }));
    assert!(refused(FrameHeader { body_bytes: (16 << 20) + 1, ..header() }));
    assert!(!refused(FrameHeader { events: 1 << 20, ..header() }));
    assert!(refused(FrameHeader { events: (1 << 20) + 1, ..header() }));
    assert!(!refused(FrameHeader { durable_offset: 192, ..header() }));
    assert!(refused(FrameHeader { durable_offset: 193, ..header() }));
}

/// Against the definition: cut where the file's sectors end, count the pieces without a one.
fn zero_pieces(body: &[u8], start: usize) -> usize {
    let mut pieces = std::collections::BTreeMap::new();
    for (row, byte) in body.iter().enumerate() {
        *pieces.entry((start + row) / 512).or_insert(0) |= byte;
    }
    pieces.values().filter(|ones| **ones == 0).count()
}

#[test]
fn zero_sectors_are_counted_by_their_definition() {
    let random = Random::new(5);
    for length in 1..1700 {
        for start in [32, 160, 480, 512, 1024 - 32] {
            let mut body = vec![0; length];
            for _ in 0..random.below(4) {
                let at = random.below(length);
                body[at] = 1;
            }
            let wanted = zero_pieces(&body, start);
            assert_eq!(zero_sectors(&body, start as u64) as usize, wanted, "{length} at {start}");
        }
    }
    for start in (160..1200).step_by(32) {
        for length in [1, 321, 600, 1100] {
            let mut body = vec![0; length];
            body[0] = 1;
            let offset = start as u64 - 32;
            let header = push_frame(&mut Vec::new(), 1, offset, header(), &body).0;
            let wanted = zero_pieces(&body, start);
            assert_eq!(usize::from(header.zero_sectors), wanted, "{length} at {start}");
        }
    }
    for length in 0..70 {
        assert!(is_zero(&vec![0; length]));
        for at in 0..length {
            let mut bytes = vec![0; length];
            bytes[at] = 0x80;
            assert!(!is_zero(&bytes));
        }
    }
}

fn segment_header() -> SegmentHeader {
    SegmentHeader {
        compatible: 0,
        meta: LogMeta { log_id: 0x0102_0304_0506_0708, ..settings(4096).meta },
        generation: 2,
        first_seq: 1_000_000,
        salt: 0xA1A2_A3A4_A5A6_A7A8,
        chain_in: 0xC0FF_EE00,
    }
}

#[test]
fn a_segment_header_is_these_bytes() {
    let bytes = segment_header().encode();
    assert_eq!(SegmentHeader::decode(&bytes), Ok(segment_header()));
    assert_eq!(
        hex(&bytes),
        "894c54564c4f470a01000000000000000000000002000000080706050403020140420f0000000000a8a7a6a5a4a3a2a100eeffc05553440200000100000000000000000000c003dd26930e00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a2f8e04b"
    );
    for bit in 0..1024 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(SegmentHeader::decode(&flipped).is_err());
    }
    assert_eq!(segment_name(42), "00000000000000000042.seg");
    assert_eq!(parse_segment_name("00000000000000000042.seg"), Some(42));
    assert_eq!(parse_segment_name("18446744073709551615.seg"), Some(u64::MAX));
    for wrong in [
        "42.seg",
        "0000000000000000042.seg",
        "18446744073709551616.seg",
        "+0000000000000000042.seg",
        "00000000000000000042.seg.tmp",
    ] {
        assert_eq!(parse_segment_name(wrong), None);
    }
}

#[test]
fn a_head_is_these_bytes() {
    let head = Head {
        log_id: 0x0102_0304_0506_0708,
        segment_first: 1_000_000,
        durable_seq: 1_000_004,
        counter: 3,
        durable_offset: 4096,
        chain: 0xC0FF_EE00,
    };
    let (slot, offset) = head.encode();
    assert_eq!(offset, 512);
    assert_eq!(
        hex(&slot),
        "080706050403020140420f000000000044420f000000000003000000000000000010000000eeffc00000000000000000000000000000000000000000caf838e6"
    );
    let older = Head { counter: 2, durable_seq: 1_000_001, ..head };
    let mut file = vec![0; 1024];
    file[512..576].copy_from_slice(&slot);
    assert_eq!(HeadFile::decode(&file).head, Some(head));
    let (slot, offset) = older.encode();
    assert_eq!(offset, 0);
    file[..64].copy_from_slice(&slot);
    assert_eq!(HeadFile::decode(&file), HeadFile { head: Some(head), mixed: false, fault: None });
    // A slot that is not whole leaves the other one.
    let mut torn = file.clone();
    torn[530] ^= 1;
    let found = HeadFile::decode(&torn);
    assert_eq!(found.head, Some(older));
    assert!(found.fault.is_some());
    for size in 0..1024 {
        let found = HeadFile::decode(&file[..size]);
        assert!(found.fault.is_some());
        assert_eq!(found.head.is_some(), size >= 64);
    }
    // The other slot of another log.
    let (slot, _) = Head { log_id: 9, ..older }.encode();
    file[..64].copy_from_slice(&slot);
    assert!(HeadFile::decode(&file).mixed);
}

#[test]
fn a_directory_is_these_bytes_and_reads_back() {
    let entry =
        |seq_delta, offset, customers_before| FrameEntry { seq_delta, offset, customers_before };
    let mut out = Vec::new();
    directory::encode(&[entry(0, 128, 7), entry(3, 192, 7), entry(300, 1_312, 7)], &mut out);
    // id, form, base zigzagged, scale, length, data; bincode of the codec's columns is the same.
    assert_eq!(
        hex(&out),
        "010200010600000300 2c01 0202fb0001 01 06 0000 4000 a004 03000e0100".replace(' ', "")
    );
    let random = Random::new(11);
    for count in [1, 2, 3, 63, 64, 65, 1000] {
        for spread in [1, 2, 250, 70_000, 20_000_000] {
            for step in [1, 1_000, 1_000_000] {
                let mut at = entry(0, 128, random.below(spread) as u32);
                let mut entries = Vec::new();
                for _ in 0..count {
                    entries.push(at);
                    at.seq_delta =
                        at.seq_delta.saturating_add((random.below(spread) / step * step) as u32);
                    at.offset =
                        at.offset.saturating_add(32 + random.below(spread) as u32 / 32 * 32);
                    at.customers_before =
                        at.customers_before.saturating_add(random.below(spread) as u32);
                }
                round_trip(&entries);
            }
        }
    }
    round_trip(&[entry(u32::MAX, u32::MAX, u32::MAX)]);
    round_trip(&[entry(0, 0, 0), entry(u32::MAX, u32::MAX, u32::MAX)]);
}

fn round_trip(entries: &[FrameEntry]) {
    let tally = Tally { customers: 3, cents_abs: 4, appended_at_us: -5 };
    for offset in [160, 1 << 20] {
        let mut body = vec![1, 2, 3];
        Seal::encode(77, 0xC0FF_EE00, &tally, entries, offset, &mut body);
        let body = &body[3..];
        assert_eq!(body.len() % 32, 0);
        let seal = Seal::decode(body, u64::from(offset)).unwrap();
        assert_eq!((seal.end_seq, seal.chain_out, seal.tally), (77, 0xC0FF_EE00, tally));
        assert!(Seal::decode(body, u64::from(offset) + 32).is_err());
        let columns = &body[36..36 + seal.directory_bytes];
        assert_eq!(seal.directory.len(), entries.len());
        let read: Vec<_> =
            (0..entries.len()).map(|row| seal.directory.entry(columns, row).unwrap()).collect();
        assert_eq!(read, entries);
        assert_eq!(seal.directory.entry(columns, entries.len()), None);
    }
}

/// Whatever a seal's bytes are, reading them is an error or gives rows, and never a panic.
#[test]
fn hostile_seals_are_refused() {
    let entries: Vec<_> = (0..20)
        .map(|row| FrameEntry { seq_delta: row * 3, offset: 128 + row * 64, customers_before: row })
        .collect();
    let mut body = Vec::new();
    Seal::encode(60, 1, &Tally::default(), &entries, 4096, &mut body);
    let look = |body: &[u8]| {
        if let Ok(seal) = Seal::decode(body, 4096) {
            let columns = &body[36..36 + seal.directory_bytes];
            for row in
                [0, 1, seal.directory.len() / 2, seal.directory.len() - 1, seal.directory.len()]
            {
                seal.directory.entry(columns, row);
            }
            seal.directory.partition_point(columns, |entry| entry.offset < 1000);
        }
    };
    for at in 0..body.len() {
        for byte in 0..=255 {
            let mut edited = body.clone();
            edited[at] = byte;
            look(&edited);
        }
        look(&body[..at]);
    }
    let random = Random::new(3);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
        if let Ok(directory) = Directory::parse(&bytes) {
            directory.entry(&bytes, 0);
        }
        for (at, byte) in [(0, 1), (1, random.below(6) as u8)] {
            bytes.get_mut(at).into_iter().for_each(|to| *to = byte);
        }
        Directory::parse(&bytes).ok();
    }
}

/// The worked example of the documentation, read from there: one block of bytes after another.
fn documented() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = ["docs/format.md"]
        .iter()
        .filter_map(|name| std::fs::read_to_string(root.join(name)).ok())
        .find(|text| text.contains("\n## Worked example: the log\n"))
        .unwrap();
    let (_, example) = text.split_once("\n## Worked example: the log\n").unwrap();
    let example = example.split("\n## ").next().unwrap();
    let mut blocks = vec![Vec::new()];
    for line in example.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            blocks.push(Vec::new());
            continue;
        };
        let mut tokens = line.split_whitespace().peekable();
        while let Some(byte) = tokens.next().and_then(|token| u8::from_str_radix(token, 16).ok()) {
            let times = if tokens.next_if_eq(&"×").is_some() {
                tokens.next().unwrap().parse().unwrap()
            } else {
                1
            };
            blocks.last_mut().unwrap().extend(vec![byte; times]);
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

#[test]
fn the_documented_example_is_read_and_written_again() {
    let blocks = documented();
    let [segment, frame, slot, columns] = &blocks[..] else { panic!("{} blocks", blocks.len()) };
    let header = SegmentHeader::decode(segment[..].first_chunk().unwrap()).unwrap();
    assert_eq!(header, segment_header());
    assert_eq!(&header.encode()[..], segment);
    let mut out = Vec::new();
    push_frame(&mut out, 0x1122_3344_5566_7788, 192, super::bytes::header(), b"hello");
    assert_eq!(&out, frame);
    let found = FrameHeader::decode(frame[..].first_chunk().unwrap(), 0x1122_3344_5566_7788, 192);
    assert_eq!(found.whole().unwrap().body_crc, crc32fast::hash(b"hello"));
    let mut file = vec![0; 1024];
    file[512..576].copy_from_slice(slot);
    let head = HeadFile::decode(&file).head.unwrap();
    assert_eq!((head.counter, head.durable_seq, head.durable_offset), (3, 1_000_004, 4096));
    assert_eq!(&head.encode().0[..], slot);
    let directory = Directory::parse(columns).unwrap();
    let entries: Vec<_> =
        (0..directory.len()).map(|row| directory.entry(columns, row).unwrap()).collect();
    assert_eq!(entries[2], FrameEntry { seq_delta: 300, offset: 1312, customers_before: 7 });
    let mut again = Vec::new();
    directory::encode(&entries, &mut again);
    assert_eq!(&again, columns);
}
