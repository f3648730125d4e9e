//! Hold windows: they end in every partition, also in one that nothing comes for.

use super::*;
use crate::store::{HoldMax, Origin, Rejected};
use crate::{Event, partition_of};

/// A customer of partition 0 and a visit of one that never comes, then many customers of the other.
fn quiet() -> Vec<String> {
    let ids = |number| {
        let of = move |id: &String| partition_of(id, count(2)) == number;
        (0..).map(|n: u32| format!("c{n}")).filter(of)
    };
    let customer = |id: String| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"{id}","event_time":"2017-01-01T00:00:00Z"}}"#
        )
    };
    let mut few = ids(0);
    let first = customer(few.next().unwrap());
    let orphan = format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v","event_time":"2017-01-01T00:00:00Z","customer_id":"{}"}}"#,
        few.next().unwrap()
    );
    [first, orphan].into_iter().chain(ids(1).take(500).map(customer)).collect()
}

/// Gives them one by one, or in blocks, and cuts the power before the call is finished: how many
/// events of each partition are left, and how many were rejected by then.
fn left(hold: HoldMax, in_blocks: bool) -> (Vec<u64>, u64) {
    let disk = SimDisk::default();
    let mut parts = made(&disk, 2);
    let rules = parts.rules().clone();
    let mut rejected = 0;
    let mut on_reject = |_: &Rejected<'_>| {
        rejected += 1;
        Ok(())
    };
    let options = CallOptions {
        hold_max: Some(hold),
        on_reject: Some(&mut on_reject),
        ..CallOptions::default()
    };
    let cut = parts.call(options, |mut call| {
        for (text, line) in quiet().iter().zip(1..) {
            if in_blocks {
                let read = read_blocks(&mut text.as_bytes(), &rules, 1, &mut |block| {
                    call.push_block(block, 0).map(|()| Flow::Continue)
                });
                read.expect("nothing fails here");
            } else {
                let event = Event::from_json(text.as_bytes(), &rules).unwrap();
                call.push(&event, text.as_bytes(), Origin { source: 0, line })?;
            }
        }
        Ok::<_, Error>(disk.crash(&mut |_| 0, false))
    });
    let parts = opened(&cut.unwrap()).unwrap();
    (parts.stores().iter().map(|store| store.end().unwrap()).collect(), rejected)
}

#[test]
fn a_quiet_partition_ends_its_windows_too() {
    // The clock steps by a millisecond whenever it is asked.
    let by_time = HoldMax { events: u64::MAX, us: 50_000 };
    let by_events = HoldMax { events: 100, us: u64::MAX };
    for (hold, in_blocks) in
        [by_time, by_events].into_iter().flat_map(|one| [(one, true), (one, false)])
    {
        let (ends, rejected) = left(hold, in_blocks);
        let context = format!("{hold:?}, {in_blocks}: {ends:?}");
        assert!(ends[0] == 1 && ends[1] >= 300, "{context}");
        assert_eq!(rejected, 1, "{context}");
    }
    // Where no window ends, the end of the call alone makes them durable.
    let never = HoldMax { events: u64::MAX, us: u64::MAX };
    assert_eq!(left(never, true), (vec![0, 0], 0));
}
