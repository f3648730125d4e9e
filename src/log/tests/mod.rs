//! Tests of the log by trivial bodies: the codec's are its own business.

mod bytes;
mod clean;
mod corners;
mod crash;
mod damage;
mod faults;
mod hostile;
mod interleaved;
mod race;
mod table;
mod whole;
mod workload;
mod writing;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::os::OsDisk;
use super::verify::{Problem, Report};
use super::writer::Recovered;
use super::*;

/// A body as the log sees it: customers before, customers in it, cents, time, and then anything.
pub(super) struct Body {
    pub(super) customers: u32,
    pub(super) cents: u64,
    pub(super) filler: Vec<u8>,
}

impl Body {
    pub(super) fn new(customers: u32, cents: u64, filler: Vec<u8>) -> Body {
        Body { customers, cents, filler }
    }

    pub(super) fn encode(&self, before: &Tally) -> (Vec<u8>, Tally) {
        let after = Tally {
            customers: before.customers + self.customers,
            cents_abs: before.cents_abs + self.cents,
            appended_at_us: before.appended_at_us + 1,
        };
        let mut out = Vec::new();
        out.extend_from_slice(&before.customers.to_le_bytes());
        out.extend_from_slice(&self.customers.to_le_bytes());
        out.extend_from_slice(&self.cents.to_le_bytes());
        out.extend_from_slice(&after.appended_at_us.to_le_bytes());
        out.extend_from_slice(&self.filler);
        (out, after)
    }
}

pub(super) fn readers() -> BodyReader {
    fn customers_before(body: &[u8]) -> Result<u32, Fault> {
        let bytes = body.first_chunk().ok_or(Fault::Corrupt("short"))?;
        Ok(u32::from_le_bytes(*bytes))
    }
    fn tally(body: &[u8], _: u32, before: &Tally) -> Result<Tally, Fault> {
        let body: &[u8; 24] = body.first_chunk().ok_or(Fault::Corrupt("short"))?;
        Ok(Tally {
            customers: before.customers + crate::frame::u32_at(body, 4),
            cents_abs: before.cents_abs + crate::frame::u64_at(body, 8),
            appended_at_us: crate::frame::i64_at(body, 16),
        })
    }
    BodyReader { customers_before, tally }
}

pub(super) fn settings(segment_bytes_max: u64) -> LogSettings {
    let meta = LogMeta {
        log_id: 0,
        currency: *b"USD",
        partition: 0,
        partitions: 1,
        time_range_us: 0..4_102_444_800_000_000,
    };
    LogSettings { segment_bytes_max, ..LogSettings::new(meta) }
}

/// A deterministic world: time goes a millisecond a look, random numbers are counted.
pub(super) fn env(disk: Arc<dyn Disk>, seed: u64) -> Env {
    let now = AtomicI64::new(1_000_000);
    let random = AtomicU64::new(seed);
    Env {
        disk,
        now_us: Arc::new(move || now.fetch_add(1_000, Ordering::Relaxed)),
        random_u64: Arc::new(move || splitmix(&random)),
        pause_us: Arc::new(|us| std::thread::park_timeout(std::time::Duration::from_micros(us))),
        threads: false,
    }
}

fn splitmix(state: &AtomicU64) -> u64 {
    let state = state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Appends a batch of `events` events with a body of its own.
pub(super) fn append(writer: &mut Writer, events: u32, customers: u32, filler: usize) -> Vec<u8> {
    let mark = u8::try_from(writer.end() % 251).unwrap() + 1;
    let body = Body::new(customers, 7, vec![mark; filler]);
    let (bytes, after) = body.encode(&writer.tally());
    writer.append(&bytes, events, after).unwrap();
    bytes
}

/// All batches of a view: first sequence, events, body.
pub(super) fn batches(view: &View, from: u64) -> Result<Vec<(u64, u32, Vec<u8>)>, Error> {
    view.frames(from)
        .map(|frame| frame.map(|frame| (frame.first_seq, frame.events, frame.body.to_vec())))
        .collect()
}

pub(super) fn open(env: &Env, dir: &Path, bytes_max: u64) -> Result<(Writer, Recovered), Error> {
    Writer::open(env, dir, &settings(bytes_max), readers(), 0)
}
