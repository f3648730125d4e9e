//! What others do between two steps of a store: another process, or whoever sets the clock.

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

#[test]
fn a_log_that_another_made_meanwhile_keeps_its_own_rules() {
    let disk = SimDisk::default();
    let mut late = open(Arc::new(disk.clone()), Path::new(DIR), 1, 64 << 20).unwrap();
    let options = Options { currency: Some(*b"EUR"), ..Options::default() };
    let env = env(Arc::new(disk.clone()), 2);
    let mut first = Store::open_in(env, PathBuf::from(DIR), options).unwrap();
    append(&mut first, &[customer(0)]).unwrap();
    first.close().unwrap();
    let refused = append(&mut late, &[customer(1), order("NEW", 0, 1, 500, 1)]);
    assert!(matches!(refused, Err(Error::Options { .. })), "{refused:?}");
    let again = open(Arc::new(disk), Path::new(DIR), 3, 64 << 20).unwrap();
    assert_eq!(export(&again).unwrap().len(), 1);
}

#[test]
fn a_clock_that_is_set_back_ends_the_hold_window() {
    let clock = Arc::new(AtomicI64::new(1_483_707_600_000_000));
    let mut env = env(Arc::new(SimDisk::default()), 1);
    let now = Arc::clone(&clock);
    env.now_us = Arc::new(move || now.load(Ordering::Relaxed));
    let mut store = Store::open_in(env, PathBuf::from(DIR), Options::default()).unwrap();
    let rules = store.rules().clone();
    let mut rejected = 0;
    let mut on_reject = |_: &Rejected<'_>| {
        rejected += 1;
        Ok(())
    };
    let hold_max = Some(HoldMax { events: u64::MAX, us: 5_000_000 });
    let on_reject: Option<OnReject<'_>> = Some(&mut on_reject);
    let mut call =
        store.call(CallOptions { hold_max, on_reject, ..CallOptions::default() }).unwrap();
    for (line, back) in [(visit(0, 7), 3_600_000_000), (visit(1, 7), 0)] {
        let event = Event::from_json(line.as_bytes(), &rules).unwrap();
        call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
        clock.fetch_sub(back, Ordering::Relaxed);
    }
    drop(call);
    assert_eq!(rejected, 1, "the first visit waits for no clock to catch up");
}

#[test]
fn a_checkpoint_saved_after_a_replay_is_not_held_against_it() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 64 << 20).unwrap();
    append(&mut store, &[customer(0)]).unwrap();
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).unwrap();
    append(&mut store, &[visit(0, 0)]).unwrap();
    let source = store.source().unwrap();
    let mut later = Statistics::new();
    checkpoints::catch_up(&source, &mut later, 0).unwrap();
    let chain = source.chain_at(2).unwrap().unwrap();
    let mut bytes = Vec::new();
    crate::projection::checkpoint::encode(&later, source.log_id(), chain, &mut bytes);
    let path = Path::new(DIR).join(checkpoints::CHECKPOINTS).join("00000000000000000002.ckpt");
    files::replace(&store.env, &path, &bytes).unwrap();
    assert_eq!(store.compare_checkpoint(&later).unwrap(), CheckpointState::Equal);
    assert_eq!(store.compare_checkpoint(&statistics).unwrap(), CheckpointState::None);
}

#[test]
fn a_follower_gives_again_what_was_not_taken() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk), Path::new(DIR), 1, 64 << 20).unwrap();
    append(&mut store, &[customer(0), customer(1)]).unwrap();
    let mut follower = store.follow(0).unwrap();
    let failed = follower.catch_up(&mut |record| match record.sequence {
        0 => Ok(true),
        _ => Err(Error::Missing { path: PathBuf::new() }),
    });
    assert!(failed.is_err());
    assert_eq!(follower.position(), 1);
    assert_eq!(follower.catch_up(&mut |_| Ok(true)).unwrap(), 1);
}

/// Times of appending only order batches; a clock that jumps either way must not bring them out
/// of order, since `verify` would call that damage.
#[test]
fn a_clock_that_jumps_never_turns_the_times_of_appending_back() {
    let clock = Arc::new(AtomicI64::new(1_483_707_600_000_000));
    let disk = Arc::new(SimDisk::default());
    let now = Arc::clone(&clock);
    let world = Env { now_us: Arc::new(move || now.load(Ordering::Relaxed)), ..env(disk, 1) };
    let mut store = Store::open_in(world, PathBuf::from(DIR), Options::default()).unwrap();
    let mut last = None;
    for (n, jump_us) in [0, -3_600_000_000, 7_200_000_000, 0, i64::MIN / 2].into_iter().enumerate()
    {
        clock.fetch_add(jump_us, Ordering::Relaxed);
        append(&mut store, &[customer(n as u64)]).unwrap();
        let appended_at_us = store.info().unwrap().appended_at_us;
        assert!(appended_at_us >= last, "{appended_at_us:?} after {last:?}");
        last = appended_at_us;
    }
    assert_eq!(store.verify().unwrap().problems, []);
}
