//! Calls that leave what they hold to the next one.

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

fn push(call: &mut Call<'_>, at: u64, text: &str) {
    let rules = crate::Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };
    let event = Event::from_json(text.as_bytes(), &rules).expect("valid");
    call.push(&event, text.as_bytes(), Origin { source: 0, line: at }).expect("a sound disk");
}

#[test]
fn what_is_held_goes_over_into_the_next_call() {
    let mut store = open(Arc::new(SimDisk::default()), Path::new(DIR), 1, 1 << 20).unwrap();
    let mut call = store.call(CallOptions::default()).unwrap();
    assert_eq!(call.first_held(), None);
    for (at, text) in [(1, customer(1)), (2, visit(2, 8)), (3, visit(3, 1)), (4, visit(4, 9))] {
        push(&mut call, at, &text);
    }
    assert_eq!((call.first_held(), call.held()), (Some(2), 2));
    let (receipt, held) = call.leave(Some((b"topic", b"1"))).unwrap();
    // What is not held is in the log, with the mark, though something is held.
    assert_eq!((receipt.accepted, receipt.rejected(), receipt.end), (2, 0, 2));
    assert!(receipt.synced);
    assert_eq!(store.mark(b"topic").unwrap().as_deref(), Some(b"1".as_slice()));

    let mut gone = Vec::new();
    let mut on_reject = |rejected: &Rejected<'_>| {
        gone.push(rejected.origin.line);
        Ok(())
    };
    let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
    let mut call = store.call(options).unwrap();
    call.take_over(held);
    push(&mut call, 5, &customer(9));
    push(&mut call, 6, &visit(6, 7));
    assert_eq!(call.first_held(), Some(2));
    // None before the second is given up; one finds its customer, and those after it wait on.
    call.give_up_before(2).unwrap();
    assert_eq!((call.first_held(), call.held()), (Some(2), 2));
    call.give_up_before(3).unwrap();
    assert_eq!((call.first_held(), call.held()), (Some(6), 1));
    let (receipt, held) = call.leave(None).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected()), (2, 1));
    assert_eq!(held.count(), 1);
    assert_eq!(store.mark(b"topic").unwrap().as_deref(), Some(b"1".as_slice()));
    assert_eq!(gone, [2]);

    let mut call = store.call(CallOptions::default()).unwrap();
    call.take_over(held);
    call.give_up_before(u64::MAX).unwrap();
    assert_eq!((call.first_held(), call.rejected()), (None, 1));
    call.leave(None).unwrap();
    assert_eq!(export(&store).unwrap().len(), 4);
}
