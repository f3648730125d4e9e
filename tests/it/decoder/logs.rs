//! Logs for the second reader: known ones and random ones, closed and not.

use std::fs;
use std::path::{Path, PathBuf};

use ltvlog::{CallOptions, Error, Options, Store, Sync};

use crate::differential::lose_derived;
use crate::large;
use crate::model::event::{EVENT_BYTES_MAX, Terms};
use crate::product::{call, options};
use crate::random::draft::World;
use crate::random::{Random, Scenario};

/// Tries again while the log is locked: a process that another test starts shares all that is open
/// here, locks too, until it runs its own program.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    let mut tries = 100;
    loop {
        tries -= 1;
        match attempt() {
            Err(Error::Locked { .. }) if tries > 0 => {}
            outcome => return outcome.expect("the call"),
        }
    }
}

/// A copy of the log that is never written again.
pub fn golden(dir: &Path) -> PathBuf {
    fs::create_dir(dir).expect("a new directory");
    large::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1"), dir);
    dir.to_path_buf()
}

/// A closed log of these lines, appended in one call.
pub fn of(dir: &Path, lines: &[Vec<u8>], segment_bytes_max: u64) -> PathBuf {
    let options = Options { segment_bytes_max, ..Options::default() };
    let mut store = Store::open(dir, options).expect("open");
    let receipt = patiently(|| call(&mut store, lines, false, 0)).0;
    assert_eq!((receipt.accepted, receipt.rejected()), (lines.len() as u64, 0));
    store.close().expect("close");
    dir.to_path_buf()
}

/// A customer and an order as long as an event can be, its amount without decimals.
pub fn longest() -> Vec<Vec<u8>> {
    let customer =
        r#"{"type":"CUSTOMER","verb":"NEW","key":"c","event_time":"2020-01-01T00:00:00Z"}"#;
    let order = r#"{"type":"ORDER","verb":"NEW","key":"o","event_time":"2020-01-01T00:00:00Z","customer_id":"c","total_amount":"-20 USD","x":""#;
    let pad = "x".repeat(EVENT_BYTES_MAX - order.len() - 2);
    vec![customer.as_bytes().to_vec(), format!("{order}{pad}\"}}").into_bytes()]
}

/// What `ltvlog generate` prints.
#[cfg(feature = "cli")]
pub fn generated(count: u32) -> Vec<u8> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ltvlog"))
        .args(["generate", "--customers", "300", "--seed", "7", "--updates", "20"])
        .args(["--events", &count.to_string()])
        .output()
        .expect("the program runs");
    assert!(output.status.success());
    output.stdout
}

/// A closed log of two segments, whose columns are LZ4 blocks where that can be.
pub fn packed(dir: &Path) -> PathBuf {
    let mut world = World::new(Random::new(1), Terms::default(), 300);
    let texts = world.calm(300);
    let options = Options { segment_bytes_max: 8 << 10, ..options(&Terms::default()) };
    for texts in texts.chunks(300) {
        let mut store = Store::open(dir, options.clone()).expect("open");
        patiently(|| call(&mut store, texts, false, 0));
        store.close().expect("close");
    }
    dir.to_path_buf()
}

/// A random log: calls and marks in segments of some size, opened again for each call; closed or
/// left as a killed writer leaves it.
pub fn random(home: &Path, seed: u64) -> PathBuf {
    let dir = home.join(seed.to_string());
    let mut scenario = Scenario::new(seed);
    let large = seed.is_multiple_of(5);
    if large {
        // Only batches of many events are compressed.
        let mut world = World::new(scenario.random.clone(), scenario.terms.clone(), 900);
        let texts = world.calm(900);
        scenario = Scenario::cut(scenario.terms, texts, world.random);
    }
    let segment_bytes_max = scenario.random.pick(&[1 << 10, 1 << 10, 1 << 10, 4 << 10, 32 << 10]);
    let sync = scenario.random.pick(&[Sync::Call, Sync::Batch, Sync::None]);
    let options = Options { segment_bytes_max, sync, ..options(&scenario.terms) };
    let open = || Store::open(&dir, options.clone()).expect("open");
    patiently(|| call(&mut open(), &[], false, 0));
    let random = &mut scenario.random;
    let size = if large { 300 } else { 4 + random.below(20) };
    for texts in scenario.calls.iter().flat_map(|call| call.texts.chunks(size)) {
        lose_derived(&dir, random);
        let mut store = open();
        patiently(|| call(&mut store, texts, false, 0));
        if random.percent(20) {
            mark(&mut store, random);
        }
        if random.percent(50) {
            store.close().expect("close");
        }
    }
    dir
}

/// A call that brings nothing but how far a source was read.
fn mark(store: &mut Store, random: &mut Random) {
    let mut call = store.call(CallOptions::default()).expect("a call");
    let position = random.next().to_string();
    assert!(call.set_mark(random.pick(&["a", "b", ""]).as_bytes(), position.as_bytes()));
    call.finish().expect("the call");
}

/// The length of all segments, reserved zeros included.
pub fn segment_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir.join("segments")).expect("segments");
    entries.map(|entry| entry.expect("an entry").metadata().expect("its length").len()).sum()
}
