//! Marks and given-up calls: a mark speaks of events that the log has, or that were rejected.

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

fn push(call: &mut Call<'_>, line: &str, rules: &Rules) {
    let event = Event::from_json(line.as_bytes(), rules).unwrap();
    call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
}

#[test]
fn a_mark_waits_for_the_events_that_are_held_before_it() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 64 << 20).unwrap();
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions::default()).unwrap();
    push(&mut call, &customer(1), &rules);
    assert!(call.set_mark(b"topic", b"1"));
    push(&mut call, &visit(0, 0), &rules);
    assert!(call.set_mark(b"topic", b"2"));
    assert!(!call.set_mark(b"topic", &[0; 256]));
    // What is held is neither in the log nor rejected: who goes on must read it again.
    assert_eq!(call.interrupt().unwrap().accepted, 1);
    assert_eq!(store.mark(b"topic").unwrap().as_deref(), Some(&b"1"[..]));
    let mut call = store.call(CallOptions::default()).unwrap();
    push(&mut call, &visit(0, 0), &rules);
    assert!(call.set_mark(b"topic", b"2"));
    push(&mut call, &customer(0), &rules);
    assert_eq!(call.finish().unwrap().accepted, 2);
    assert_eq!(store.mark(b"topic").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn an_event_put_together_wrongly_is_rejected() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk), Path::new(DIR), 1, 64 << 20).unwrap();
    let text = customer(0);
    let good = Event::from_json(text.as_bytes(), store.rules()).unwrap();
    let long = Event { key: "k".repeat(256).into(), ..good.clone() };
    let late = Event { at_us: i64::MAX, ..good };
    let receipt = store.append([long, late]).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected()), (0, 2));
}

#[test]
fn a_given_up_call_leaves_nothing_in_a_scratch_store() {
    let mut store = Store::scratch(Options::default()).unwrap();
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions::default()).unwrap();
    push(&mut call, &customer(0), &rules);
    drop(call);
    let receipt = append(&mut store, &[customer(1)]).unwrap();
    assert_eq!((receipt.accepted, receipt.end), (1, 1));
}

#[test]
fn a_mark_after_a_checkpoint_does_not_make_it_wrong() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk), Path::new(DIR), 1, 64 << 20).unwrap();
    append(&mut store, &[customer(0)]).unwrap();
    save(&store);
    for position in [b"1", b"2"] {
        let mut call = store.call(CallOptions::default()).unwrap();
        assert!(call.set_mark(b"topic", position));
        call.finish().unwrap();
        let mut statistics = Statistics::new();
        store.replay(&mut statistics).unwrap();
        assert_eq!(store.compare_checkpoint(&statistics).unwrap(), CheckpointState::Equal);
        assert_eq!(store.verify().unwrap().problems, []);
        save(&store);
    }
}

/// Its segment is sealed behind a batch of marks alone, which the seal then carries on from.
#[test]
fn a_mark_before_a_seal_does_not_make_a_checkpoint_wrong() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk), Path::new(DIR), 1, 1 << 10).unwrap();
    append(&mut store, &[customer(0)]).unwrap();
    save(&store);
    for position in 0_u8..20 {
        let mut call = store.call(CallOptions::default()).unwrap();
        assert!(call.set_mark(b"topic", &[position]));
        call.finish().unwrap();
    }
    append(&mut store, &[customer(1)]).unwrap();
    assert_eq!(store.info().unwrap().segments.len(), 2);
    assert_eq!(store.info().unwrap().checkpoint_end, Some(1));
    assert_eq!(store.verify().unwrap().problems, []);
}

/// Saves a checkpoint that is not due.
fn save(store: &Store) {
    let source = store.source().unwrap();
    let mut statistics = Statistics::new();
    checkpoints::catch_up(&source, &mut statistics, 0).unwrap();
    let chain = source.chain_at(statistics.end()).unwrap().unwrap();
    let mut bytes = Vec::new();
    crate::projection::checkpoint::encode(&statistics, source.log_id(), chain, &mut bytes);
    let name = format!("{:020}.ckpt", statistics.end());
    let path = Path::new(DIR).join(checkpoints::CHECKPOINTS).join(name);
    files::replace(&store.env, &path, &bytes).unwrap();
}
