//! Files made by someone who knows the format and computes every checksum: an error or a reading,
//! and never a panic.

use super::super::directory::FrameEntry;
use super::super::seal::Seal;
use super::table::{DIR, Files, edited, one_segment, open_for_append, report, segment};
use super::whole::three_segments;
use super::workload::Random;
use super::*;
use crate::frame::{FrameHeader, HEADER_BYTES, KIND_SEAL, frame_bytes, push_frame, u32_at, u64_at};

fn salt(bytes: &[u8]) -> u64 {
    u64_at(bytes, 40)
}

/// Every way to use a log.
fn use_all(files: &Files) {
    let disk = SimDisk::of_files(files);
    let env = env(Arc::new(disk.clone()), 7);
    if let Ok(view) = View::open(&env, Path::new(DIR), readers(), 0) {
        view.frames(0).count();
        for seq in [0, 1, 3, 7, 100, u64::from(u32::MAX), u64::MAX] {
            view.frames(seq).count();
            view.frame_of(seq).ok();
        }
        for ordinal in [0, 1, 2, u32::MAX] {
            view.frame_of_customer(ordinal).ok();
        }
        view.segments().ok();
    }
    report(files);
    if let Ok((mut writer, _)) = open_for_append(&disk, 0) {
        append(&mut writer, 1, 1, 2000);
        append(&mut writer, 1, 1, 2000);
        writer.close().ok();
    }
}

fn extreme(random: &Random) -> u32 {
    let values = [
        0,
        1,
        31,
        32,
        127,
        128,
        129,
        1 << 20,
        (16 << 20) - 1,
        16 << 20,
        1 << 31,
        u32::MAX - 31,
        u32::MAX,
    ];
    values[random.below(values.len())]
}

#[test]
fn forged_frame_headers_do_no_harm() {
    let (files, firsts) = three_segments();
    let random = Random::new(77);
    for _ in 0..4000 {
        let path = segment(firsts[random.below(3)]);
        let forged = edited(&files, &path, |bytes| {
            let mut starts = vec![128_usize];
            while let Some(last) = starts.last().copied().filter(|at| at + 32 < bytes.len()) {
                starts.push(last + frame_bytes(u32_at(bytes, last + 8)) as usize);
            }
            let start = starts[random.below(starts.len() - 1)];
            let field = [4, 8, 12, 16, 20, 24, 28][random.below(7)];
            let value = extreme(&random).to_le_bytes();
            bytes[start + field..start + field + 4].copy_from_slice(&value);
            if field == 4 {
                bytes[start + 4] = [1, 2, 128][random.below(3)];
                bytes[start + 5] = 1;
            }
            let mut covered = salt(bytes).to_le_bytes().to_vec();
            covered.extend_from_slice(&(start as u64).to_le_bytes());
            covered.extend_from_slice(&bytes[start + 4..start + 32]);
            let crc = crc32fast::hash(&covered);
            bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        });
        use_all(&forged);
    }
}

#[test]
fn forged_segment_headers_and_heads_do_no_harm() {
    let random = Random::new(78);
    let files = one_segment();
    for _ in 0..2000 {
        let mut forged = edited(&files, &segment(0), |bytes| {
            let at = 8 + 4 * random.below(29);
            bytes[at..at + 4].copy_from_slice(&extreme(&random).to_le_bytes());
            let crc = crc32fast::hash(&bytes[..124]);
            bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        });
        use_all(&forged);
        forged.insert(segment(0), files[&segment(0)].clone());
        for slot in [0, 512] {
            let head = forged.get_mut(&super::table::head()).unwrap();
            let at = slot + 4 * random.below(10);
            head[at..at + 4].copy_from_slice(&extreme(&random).to_le_bytes());
            let crc = crc32fast::hash(&head[slot..slot + 60]);
            head[slot + 60..slot + 64].copy_from_slice(&crc.to_le_bytes());
        }
        use_all(&forged);
    }
}

/// Puts another seal in the place of a segment's.
fn resealed(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Seal, &mut Vec<FrameEntry>)) {
    let offset = u32_at(bytes, bytes.len() - 4);
    let at = offset as usize;
    let body = bytes[at + HEADER_BYTES as usize..].to_vec();
    let mut seal = Seal::decode(&body, u64::from(offset)).unwrap();
    let columns = &body[36..36 + seal.directory_bytes];
    let mut entries: Vec<_> =
        (0..seal.directory.len()).map(|row| seal.directory.entry(columns, row).unwrap()).collect();
    change(&mut seal, &mut entries);
    let mut body = Vec::new();
    Seal::encode(seal.end_seq, seal.chain_out, &seal.tally, &entries, offset, &mut body);
    let header = FrameHeader::decode(
        bytes[at..at + 32].first_chunk().unwrap(),
        salt(bytes),
        u64::from(offset),
    );
    let header =
        FrameHeader { body_bytes: u32::try_from(body.len()).unwrap(), ..header.whole().unwrap() };
    assert_eq!(header.kind, KIND_SEAL);
    let salt = salt(bytes);
    bytes.truncate(at);
    let mut frame = Vec::new();
    push_frame(&mut frame, salt, u64::from(offset), header, &body);
    bytes.extend(frame);
}

#[test]
fn a_seal_that_does_not_agree_with_its_segment_is_a_problem() {
    let (files, _) = three_segments();
    let same = edited(&files, &segment(0), |bytes| resealed(bytes, |_, _| {}));
    assert_eq!(same, files);
    let changes: [&dyn Fn(&mut Seal, &mut Vec<FrameEntry>); 8] = [
        &|_, entries| entries[1].offset += 32,
        &|_, entries| entries[1].seq_delta += 1,
        &|_, entries| entries[0].customers_before += 1,
        &|_, entries| entries.truncate(1),
        &|_, entries| entries.push(entries[0]),
        &|seal, _| seal.tally.cents_abs += 1,
        &|seal, _| seal.tally.appended_at_us += 1,
        &|seal, _| seal.end_seq += 1,
    ];
    for (row, change) in changes.iter().enumerate() {
        let forged = edited(&files, &segment(0), |bytes| {
            resealed(bytes, |seal, entries| change(seal, entries))
        });
        assert!(!report(&forged).problems.is_empty(), "change {row}");
        use_all(&forged);
    }
    let random = Random::new(79);
    for _ in 0..1000 {
        let forged = edited(&files, &segment(0), |bytes| {
            resealed(bytes, |_, entries| {
                let row = random.below(entries.len());
                let entry = &mut entries[row];
                match random.below(3) {
                    0 => entry.offset = extreme(&random),
                    1 => entry.seq_delta = extreme(&random),
                    _ => entry.customers_before = extreme(&random),
                }
            });
        });
        use_all(&forged);
    }
}
