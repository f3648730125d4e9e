//! Calls that failed half way: they take nothing more and answer nothing, and the next call goes on
//! from what is on the disk.

use super::*;
use crate::log::{SimDisk, SimFault};

const DIR: &str = "/log";

fn push(call: &mut Call<'_>, line: &str) -> Result<(), Error> {
    let rules = crate::Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };
    let event = Event::from_json(line.as_bytes(), &rules).expect("valid");
    call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })
}

#[test]
fn after_a_failure_a_call_neither_takes_nor_answers() {
    let mut store = open(Arc::new(SimDisk::default()), Path::new(DIR), 1, 1 << 20).unwrap();
    append(&mut store, &[customer(1)]).unwrap();
    let mut full = |_: &Rejected<'_>| Err(Error::Options { reason: "no room".to_owned() });
    let options = CallOptions { on_reject: Some(&mut full), ..CallOptions::default() };
    let mut call = store.call(options).unwrap();
    push(&mut call, &visit(1, 1)).unwrap();
    push(&mut call, &visit(2, 7)).unwrap();
    push(&mut call, &visit(3, 8)).unwrap();
    // Two are held; the receiver of the first fails, and the second was never told of.
    assert!(matches!(call.settle(), Err(Error::Options { .. })));
    let poisoned = |done: Result<(), Error>| matches!(done, Err(Error::Poisoned { .. }));
    assert!(poisoned(push(&mut call, &visit(4, 1))));
    assert!(poisoned(call.settle()));
    assert!(poisoned(call.finish().map(|_| ())));
    // Nothing of it was committed, and the same events can be given again.
    let receipt = append(&mut store, &[visit(1, 1), visit(4, 1)]).unwrap();
    assert_eq!((receipt.accepted, receipt.duplicates), (2, 0));
    assert_eq!(export(&store).unwrap().len(), 3);
}

#[test]
fn a_head_that_cannot_be_synced_later_fails_one_call_alone() {
    let disk = SimDisk::default();
    // Every look at the clock is two seconds later, so that head is always due.
    let now = AtomicI64::new(1_600_000_000_000_000);
    let clock = move || now.fetch_add(2_000_000, Ordering::Relaxed);
    let env = Env { now_us: Arc::new(clock), ..env(Arc::new(disk.clone()), 1) };
    let mut store = Store::open_in(env, PathBuf::from(DIR), Options::default()).unwrap();
    append(&mut store, &[customer(1)]).unwrap();
    append(&mut store, &[visit(1, 1)]).unwrap();
    disk.fail(disk.changes(), SimFault::Error(5), false);
    assert!(matches!(append(&mut store, &[visit(2, 1)]), Err(Error::Io { .. })));
    let receipt = append(&mut store, &[visit(2, 1)]).unwrap();
    assert_eq!((receipt.accepted, receipt.synced), (1, true));
    assert_eq!(export(&store).unwrap().len(), 3);
}

#[test]
fn an_event_that_no_reader_gives_is_rejected() {
    let mut store = open(Arc::new(SimDisk::default()), Path::new(DIR), 1, 1 << 20).unwrap();
    let line = customer(1);
    let mut event = Event::from_json(line.as_bytes(), store.rules()).unwrap();
    event.key = "k".repeat(256).into();
    let mut call = store.call(CallOptions::default()).unwrap();
    call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
    let receipt = call.finish().unwrap();
    assert_eq!((receipt.accepted, receipt.rejected()), (0, 1));
}
