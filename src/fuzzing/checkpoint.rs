//! Any bytes as a checkpoint and as a key sidecar.

use std::path::Path;
use std::sync::Arc;

use super::logs::{self, DIR};
use super::{Input, mend};
use crate::frame::{bytes_at, u64_at};
use crate::log::SimDisk;
use crate::projection::checkpoint::{decode, decode_header, encode};
use crate::store::trial;
use crate::{CheckpointState, Question, Statistics};

/// Where a checkpoint's header says where its first section is.
const SECTIONS: usize = 72;
/// Where it has the checksum of the checksums of the blocks, and where its own.
const BLOCKS: usize = 200;
const HEADER: usize = 252;

/// The first byte says whether the bytes are a sidecar (bit 0), whether checksums are made right
/// (1), and whether a store finds them in its directory (2).
pub fn checkpoint(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let mut bytes = input.take(64 << 10).to_vec();
    let is_sidecar = how & 1 != 0;
    if how & 2 != 0 && is_sidecar {
        mend_sidecar(&mut bytes);
    } else if how & 2 != 0 {
        mend_checkpoint(&mut bytes);
    }
    if how & 4 != 0 {
        in_a_store(&bytes, is_sidecar);
    } else if is_sidecar {
        sidecar(&bytes);
    } else {
        statistics(&bytes);
    }
}

/// What is accepted is what would be written.
fn statistics(bytes: &[u8]) {
    let log_id = if bytes.len() < 24 { 0 } else { u64_at(bytes, 16) };
    let header = decode_header(bytes, log_id);
    let Ok((statistics, found)) = decode(bytes, log_id) else { return };
    assert_eq!(header, Ok(found));
    assert!(decode(bytes, !log_id).is_err(), "another log's checkpoint is accepted");
    let mut again = Vec::new();
    encode(&statistics, log_id, found.chain, &mut again);
    assert!(again == bytes, "accepted, yet written otherwise");
}

/// Whatever is asked of it, it answers or says why not.
fn sidecar(bytes: &[u8]) -> bool {
    let words = (0..bytes.len() / 8).take(64).map(|n| u64_at(bytes, n * 8));
    trial::ask_sidecar(bytes, words.chain([0, u64::MAX]))
}

/// In the directory of a log such a file changes no answer, unless it is whole.
fn in_a_store(bytes: &[u8], is_sidecar: bool) {
    let log = &logs::logs()[1];
    let mut files = log.files.clone();
    let path = if is_sidecar {
        Path::new(DIR).join("keys").join(format!("{:020}.keys", 0))
    } else {
        Path::new(DIR).join("checkpoints").join(format!("{:020}.ckpt", log.lines.len()))
    };
    let right = files.insert(path, bytes.to_vec());
    let open_with = |files| {
        let disk = SimDisk::of_files(files);
        trial::open(Arc::new(disk), Path::new(DIR), 2, 1 << 10).expect("a log without fault")
    };
    let open = || open_with(&files);
    let store = open();
    let id = match store.info() {
        Ok(info) => info.log_id,
        Err(error) => {
            // A header with the right checksum is evidence that more was synced than there is.
            let id = open_with(&log.files).info().expect("a log without fault").log_id;
            let end = decode_header(bytes, id).map_or(0, |header| header.end);
            let proves = end > log.lines.len() as u64 || (is_sidecar && sidecar(bytes));
            assert!(proves, "{error}");
            return;
        }
    };
    let is_whole = if is_sidecar { sidecar(bytes) } else { decode(bytes, id).is_ok() };
    let top = store.top(9, &Question::default()).expect("a derived file costs no answer");
    let problems = store.verify().expect("a log without fault").problems;
    assert_eq!(trial::export(&store).expect("a derived file costs no answer"), log.lines);
    if is_whole || decode_header(bytes, id).is_ok() {
        return;
    }
    assert!(right.is_some_and(|right| right == bytes) || !problems.is_empty(), "{problems:?}");
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).expect("a derived file costs no answer");
    let state = store.compare_checkpoint(&statistics).expect("as above");
    assert_ne!(state, CheckpointState::Different);
    let mut store = open();
    let receipt = trial::append(&mut store, &log.lines).expect("a derived file costs no append");
    assert_eq!((receipt.accepted, receipt.duplicates), (0, log.lines.len() as u64));
    assert_eq!(store.top(9, &Question::default()).expect("as above"), top);
}

fn mend_checkpoint(bytes: &mut [u8]) {
    if bytes.len() < HEADER + 4 {
        return;
    }
    let start = usize::try_from(u64_at(bytes, SECTIONS)).unwrap_or(usize::MAX);
    if let Some(blocks) = bytes.get(start..) {
        let crcs = blocks.chunks(4096).flat_map(|block| crc32fast::hash(block).to_le_bytes());
        let crcs: Vec<u8> = crcs.collect();
        let end = HEADER + 4 + crcs.len();
        if end <= start {
            crate::frame::put(bytes, HEADER + 4, &crcs);
            crate::frame::put(bytes, BLOCKS, &crc32fast::hash(&crcs).to_le_bytes());
        }
    }
    mend::sum(bytes, 0, HEADER);
}

fn mend_sidecar(bytes: &mut [u8]) {
    if bytes.len() < 64 {
        return;
    }
    // Everything behind the header is one checksum and one block, as in all small sidecars.
    if bytes.len() > 68 {
        let crc = crc32fast::hash(&bytes[68..]);
        crate::frame::put(bytes, 64, &crc.to_le_bytes());
        let crcs: [u8; 4] = bytes_at(bytes, 64);
        crate::frame::put(bytes, 48, &crc32fast::hash(&crcs).to_le_bytes());
    }
    mend::sum(bytes, 0, 60);
}
