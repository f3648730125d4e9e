//! Bytes that nobody wrote: a fault or a sound batch, never a panic, never much memory.

use super::{Random, column};
use crate::codec::trial::{again, build, random_batch, read_all};
use crate::codec::{Batch, Rows};

#[test]
fn every_flipped_bit_gives_a_fault_or_a_sound_batch() {
    let (mut flips, mut sound) = (0, 0);
    for (seed, events) in [(1, 0), (2, 1), (3, 2), (4, 9), (5, 30), (6, 300)] {
        let mut random = Random(seed);
        let admitted = random_batch(&mut random, events, 1_000, 3);
        let mut builder = build(&admitted);
        assert!(builder.set_mark(b"orders.ndjson", b"\x10\0\0\0"));
        let mut body = Vec::new();
        builder.encode(3, 1 << 50, &mut body);
        let mut rows = Rows::default();
        assert!(read_all(&body, 1_000, events as u32, &mut rows), "seed {seed}");
        let step = if events == 300 { 13 } else { 1 };
        for bit in (0..body.len() * 8).step_by(step) {
            let mut spoiled = body.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            flips += 1;
            if !read_all(&spoiled, 1_000, events as u32, &mut rows) {
                continue;
            }
            sound += 1;
            let batch = Batch::decode(&spoiled, 1_000, events as u32).unwrap();
            // There is one way to write a batch, but for columns that need not be understood,
            // digits that need not be packed and blocks that can be written in many ways.
            if let Some(written) = again(&batch, &rows)
                && events < 256
                && written.len() == spoiled.len()
            {
                assert_eq!(written, spoiled, "seed {seed}, bit {bit}");
            }
        }
    }
    assert!(flips > 15_000 && sound > 1_000, "{flips} flips, {sound} sound");
}

#[test]
fn every_cut_gives_a_fault() {
    let mut random = Random(7);
    let admitted = random_batch(&mut random, 40, 0, 0);
    let mut body = Vec::new();
    build(&admitted).encode(0, 5, &mut body);
    let mut rows = Rows::default();
    assert!(read_all(&body, 0, 40, &mut rows));
    for length in 0..body.len() {
        assert!(!read_all(&body[..length], 0, 40, &mut rows), "cut at {length}");
    }
    for byte in 0..=255 {
        let longer = [&body[..], &[byte]].concat();
        assert!(Batch::decode(&longer, 0, 40).is_err(), "{byte} after the end");
    }
    for events in (0..200).filter(|events| *events != 40) {
        assert!(!read_all(&body, 0, events, &mut rows), "{events} events");
    }
}

#[test]
fn bytes_at_random_never_panic() {
    let mut rows = Rows::default();
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let events = 1 + random.below(300) as usize;
        let admitted = random_batch(&mut random, events, 0, 5);
        let mut body = Vec::new();
        build(&admitted).encode(5, 5, &mut body);
        for _ in 0..1 + random.below(6) {
            let at = random.below(body.len() as u64) as usize;
            match random.below(5) {
                0 => body[at] = random.next() as u8,
                1 => body[at] = [0, 250, 251, 252, 253, 254, 255][random.below(7) as usize],
                2 => body.truncate(at + 1),
                3 => body.insert(at, random.next() as u8),
                _ => {
                    let from = random.below(body.len() as u64) as usize;
                    let piece = body[from..].iter().take(20).copied().collect::<Vec<u8>>();
                    body.splice(at..at, piece);
                }
            }
        }
        read_all(&body, 0, events as u32, &mut rows);
        let noise: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
        read_all(&noise, random.next(), random.next() as u32 >> random.below(32), &mut rows);
    }
}

#[test]
fn lengths_that_were_chosen_to_hurt_are_faults() {
    let start = [column(1, 0, 0, 1, &[]), column(2, 0, 0, 1, &[])].concat();
    let with = |columns: &[Vec<u8>]| [start.clone(), columns.concat()].concat();
    // A length of 2^64 - 1, for which bincode without a limit would try to make room.
    let endless = with(&[[&[3, 1, 0, 1, 253][..], &[0xFF; 8]].concat()]);
    assert!(Batch::decode(&endless, 0, 1).is_err());
    let wider = with(&[[&[3, 1, 0, 1, 254][..], &[0xFF; 16]].concat()]);
    assert!(Batch::decode(&wider, 0, 1).is_err());
    assert!(Batch::decode(&start, 0, (1 << 20) + 1).is_err());
    assert!(Batch::decode(&start, u64::MAX, 1).is_err());
    assert!(Batch::decode(&start, i64::MAX as u64, 0).is_ok());
    assert!(Batch::decode(&start, i64::MAX as u64, 1).is_err());
    assert!(Batch::decode(&vec![0; (16 << 20) + 1], 0, 1).is_err());
    // A few bytes that claim to be the 8 MiB of a column of 2^20 rows.
    let claims = with(&[column(3, 16, 1, 1, &[0x1F, 1, 1, 0, 255, 255, 0])]);
    assert!(Batch::decode(&claims, 0, 1 << 20).unwrap().kinds(&mut Vec::new()).is_err());
    // 2^20 rows, each with seven texts of 2^32 - 1 bytes, in a body of a hundred bytes.
    let huge = with(&[
        column(3, 0, 3, 1, &[]),
        column(4, 0, 0xFFFF_FFFF, 1, &[]),
        column(5, 0, 0, 1, &[]),
        column(11, 0, 255, 1, &[]),
        column(12, 66, 16 << 20, 1, &[0x1F, 1, 1, 0, 255, 255, 0]),
        column(13, 0, 0x7F, 1, &[]),
        column(14, 0, 0xFFFF_FFFF, 1, &[]),
        column(15, 66, 16 << 20, 1, &[0x1F, 1, 1, 0, 255, 255, 0]),
    ]);
    let batch = Batch::decode(&huge, 0, 1 << 20).unwrap();
    assert!(batch.rows().is_err());
    assert!(batch.key_at(1 << 19, &mut String::new()).is_err());
    assert!(batch.texts_at(1 << 19).is_err());
}
