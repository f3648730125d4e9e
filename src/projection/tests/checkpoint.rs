//! Checkpoints give back what they were given, and nothing that was changed on the way.

use super::facts::{Dice, Fact, What, folded};
use crate::error::Fault;
use crate::projection::TimeFrame;
use crate::projection::checkpoint::{decode, decode_header, encode};
use crate::projection::statistics::Statistics;

const LOG_ID: u64 = 0x0123_4567_89AB_CDEF;

fn some_statistics(seed: u64, events: u64) -> Statistics {
    let mut statistics = folded(&Dice::new(seed).facts(events), 7, TimeFrame::Dataset);
    for (source, position) in [("b", "12"), ("", ""), ("a file", "line 9")] {
        statistics.marks.insert(source.into(), position.into());
    }
    statistics
}

fn encoded(statistics: &Statistics) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(statistics, LOG_ID, 77, &mut bytes);
    bytes
}

#[test]
fn what_goes_in_comes_out() {
    let empty = Statistics::new();
    let (decoded, header) = decode(&encoded(&empty), LOG_ID).expect("an empty log's");
    assert_eq!((decoded, header.end, header.customers), (empty, 0, 0));
    for seed in 0..200 {
        let statistics = some_statistics(seed, 1 + seed);
        let bytes = encoded(&statistics);
        let (decoded, header) = decode(&bytes, LOG_ID).expect("unchanged");
        assert_eq!(decoded, statistics, "seed {seed}");
        assert_eq!(decode_header(&bytes[..256], LOG_ID), Ok(header));
        assert_eq!((header.end, header.chain), (statistics.end(), 77));
        assert_eq!(encoded(&decoded), bytes, "seed {seed}");
    }
}

/// Whoever was loaded goes on as whoever never stopped.
#[test]
fn folding_goes_on_after_a_checkpoint() {
    let mut statistics = some_statistics(3, 50);
    let (mut loaded, _) = decode(&encoded(&statistics), LOG_ID).expect("unchanged");
    let mut body = Vec::new();
    let builder = &mut crate::codec::BatchBuilder::new();
    builder.encode(u32::try_from(statistics.customers().len()).expect("few"), 0, &mut body);
    assert!(builder.is_empty());
    for one in [&mut statistics, &mut loaded] {
        let batch = crate::codec::Batch::decode(&body, 50, 0).expect("well-formed");
        crate::projection::Projection::apply(one, &batch).expect("it follows");
    }
    assert_eq!(statistics, loaded);
}

#[test]
fn every_changed_bit_is_noticed() {
    let bytes = encoded(&some_statistics(8, 80));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&changed, LOG_ID).is_err(), "bit {bit}");
    }
}

#[test]
fn every_other_length_is_noticed() {
    let bytes = encoded(&some_statistics(8, 80));
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length], LOG_ID).is_err(), "{length} bytes");
    }
    for more in [1, 63, 64, 4_096] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        assert!(decode(&longer, LOG_ID).is_err(), "{more} bytes more");
    }
}

#[test]
fn checkpoints_of_others_are_refused_by_name() {
    let bytes = encoded(&some_statistics(8, 80));
    assert_eq!(decode(&bytes, LOG_ID + 1), Err(Fault::Corrupt("a checkpoint of another log")));
    let mut newer = bytes.clone();
    newer[8] += 1;
    reseal(&mut newer);
    assert!(matches!(decode(&newer, LOG_ID), Err(Fault::Unknown(_))));
    assert_eq!(decode(b"{}", LOG_ID).err(), decode(&[], LOG_ID).err());
}

fn word(bytes: &[u8], at: usize) -> usize {
    let word = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    usize::try_from(word).expect("64 bits")
}

/// Makes all checksums right again.
fn reseal(bytes: &mut [u8]) {
    if let Some((before, blocks)) = bytes.split_at_mut_checked(word(bytes, 72)) {
        let crcs = blocks.chunks(4_096).flat_map(|block| crc32fast::hash(block).to_le_bytes());
        let crcs: Vec<u8> = crcs.collect();
        if let Some(room) = before.get_mut(256..256 + crcs.len()) {
            room.copy_from_slice(&crcs);
            bytes[200..204].copy_from_slice(&crc32fast::hash(&crcs).to_le_bytes());
        }
    }
    let crc = crc32fast::hash(&bytes[..252]);
    bytes[252..256].copy_from_slice(&crc.to_le_bytes());
}

/// Changes that carry the right checksums: no panic, and whatever is taken is canonical.
#[test]
fn hostile_checkpoints_do_no_harm() {
    let bytes = encoded(&some_statistics(8, 80));
    let mut dice = Dice::new(99);
    let mut taken = 0;
    for round in 0..60_000 {
        let mut changed = bytes.clone();
        for _ in 0..=dice.roll(3) {
            let among = if dice.roll(2) == 0 { 256 } else { bytes.len() as u64 };
            let at = usize::try_from(dice.roll(among)).expect("short");
            changed[at] = match dice.roll(4) {
                0 => 0,
                1 => 255,
                2 => changed[at].wrapping_add(1),
                _ => dice.roll(256).to_le_bytes()[0],
            };
        }
        reseal(&mut changed);
        if let Ok((statistics, header)) = decode(&changed, LOG_ID) {
            let mut again = Vec::new();
            encode(&statistics, LOG_ID, header.chain, &mut again);
            assert_eq!(again, changed, "round {round}");
            taken += 1;
        }
    }
    // Sums and positions can be changed unnoticed where checksums are; most else cannot.
    assert!((1_000..50_000).contains(&taken), "{taken}");
}

#[test]
fn contradictions_are_noticed() {
    let contradicts = |change: fn(&mut Statistics)| {
        let mut statistics = some_statistics(8, 80);
        change(&mut statistics);
        decode(&encoded(&statistics), LOG_ID).is_err()
    };
    assert!(!contradicts(|_| {}));
    assert!(contradicts(|statistics| statistics.customers[0].first_us = -3));
    assert!(contradicts(|statistics| statistics.customers[0].last_us = 99));
    assert!(contradicts(|statistics| statistics.customers[0].first_us = 99));
    assert!(contradicts(|statistics| statistics.customers[0].visits = u32::MAX));
    assert!(contradicts(|statistics| statistics.customers[0].revenue_cents = i64::MIN));
    assert!(contradicts(|statistics| statistics.cents_abs = 1 << 62));
    assert!(contradicts(|statistics| statistics.events = 3));
    assert!(contradicts(|statistics| statistics.frame = None));
    assert!(contradicts(|statistics| statistics.end = 0));
}

/// Updates out of order, twice, or of customers that do not exist, with the right checksums.
#[test]
fn updates_must_ascend_and_name_customers() {
    let bytes = encoded(&some_statistics(8, 80));
    // The sixth line of the section table.
    let (at, length) = (word(&bytes, 72 + 5 * 16), word(&bytes, 80 + 5 * 16));
    assert!(length >= 48, "seed 8 has two updates");
    let refused = |change: &dyn Fn(&mut [u8])| {
        let mut changed = bytes.clone();
        change(&mut changed[at..]);
        reseal(&mut changed);
        decode(&changed, LOG_ID).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|updates| updates[..48].rotate_left(24)));
    assert!(refused(&|updates| updates.copy_within(..24, 24)));
    assert!(refused(&|updates| updates[4] = 3));
    let customers = decode_header(&bytes, LOG_ID).expect("unchanged").customers;
    let last = length - 24;
    assert!(refused(&|updates| {
        updates[last..last + 4].copy_from_slice(&customers.to_le_bytes());
    }));
}

/// The example of docs/format.md, decoded and encoded again.
#[test]
fn the_documented_bytes_are_the_bytes() {
    let text = include_str!("../../../docs/format.md");
    let mut bytes = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("    0x")) {
        let mut words = line.split_whitespace();
        let at = words.next().and_then(|at| usize::from_str_radix(at, 16).ok()).expect("an offset");
        // What the document leaves out is zero.
        bytes.resize(at, 0);
        bytes.extend(words.map_while(|word| u8::from_str_radix(word, 16).ok()));
    }
    let fact = |at_us, what| Fact { customer: 0, at_us, what };
    let facts = [
        fact(5, What::New),
        fact(6, What::Order { order: 0, cents: -2 }),
        fact(9, What::Update { fields: 2 }),
        fact(4, What::Visit),
    ];
    let mut statistics = folded(&facts, 4, TimeFrame::Dataset);
    statistics.marks.insert(b"s".to_vec(), b"17".to_vec());
    let written = encoded(&statistics);
    assert_eq!(hex(&written), hex(&bytes));
    let (decoded, header) = decode(&bytes, LOG_ID).expect("a good example");
    assert_eq!((decoded, header.chain), (statistics, 77));
}

/// Lines as in the document.
fn hex(bytes: &[u8]) -> String {
    let mut lines = String::new();
    for (line, bytes) in bytes.chunks(16).enumerate().filter(|(_, some)| **some != [0; 16]) {
        let words = bytes.iter().map(|byte| format!(" {byte:02x}")).collect::<String>();
        lines += &format!("    0x{:03x} {words}\n", line * 16);
    }
    lines
}
