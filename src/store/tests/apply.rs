//! Projections that a follower keeps up to date, whatever becomes of the batches meanwhile.

use super::pack::{idle_store, in_small_calls_told, pack_all, store, unpacked_log};
use super::*;
use crate::log::SimDisk;
use crate::{Batch, Fault, RowKind};

/// All of a log, folded from its first event.
fn folded(store: &Store) -> Statistics {
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).unwrap();
    statistics
}

/// The statistics up to a sequence where a batch ends, without what stands alone there.
fn folded_to(store: &Store, end: u64) -> Statistics {
    let (source, mut statistics) = (store.source().unwrap(), Statistics::new());
    let folded = source.batches(0, &mut |batch| {
        if statistics.end() < end {
            statistics.apply(batch)?;
        }
        Ok(true)
    });
    folded.unwrap();
    assert_eq!(statistics.end(), end);
    statistics
}

/// No event and no mark is lost, and no event is counted twice, though the batches that a follower
/// has had were joined with others since.
#[test]
fn a_projection_goes_on_inside_batches_that_were_packed() {
    let disk = unpacked_log(60);
    let end = store(&disk).end().unwrap();
    let (mut inside, packed) = (0, disk.copy());
    pack_all(&packed);
    for from in 0..=end {
        let before = folded_to(&store(&disk), from);
        // One that looked at the log before it was packed, and one that did not.
        let (disk, mut early) = (disk.copy(), before.clone());
        let mut follower = store(&disk).follow(from).unwrap();
        pack_all(&disk);
        assert_eq!(follower.apply(&mut early).unwrap(), end - from);
        assert!(early == folded(&store(&disk)), "from event {from} on, opened before");

        let (reader, mut late) = (store(&packed), before);
        assert_eq!(reader.top_of(&late, 3, &Question::default()).unwrap().end, from);
        let mut follower = reader.follow(from).unwrap();
        assert_eq!(follower.apply(&mut late).unwrap(), end - from);
        assert!(late == folded(&reader), "from event {from} on, opened after");
        assert_eq!((follower.position(), follower.apply(&mut late).unwrap()), (end, 0));
        let source = reader.source().unwrap();
        source
            .batch_of(from, &mut |batch| {
                inside += u32::from(batch.first_seq() < from);
                Ok(true)
            })
            .unwrap();
    }
    assert!(inside > 40, "{inside} positions inside of batches");
}

/// Writers come and go and pack; followers look now and then.
#[test]
fn a_projection_is_what_a_replay_gives_whenever_its_follower_looks() {
    for pause in [1, 2, 3, 7, 20] {
        let disk = SimDisk::default();
        let mut writer = store(&disk);
        append(&mut writer, &[customer(999)]).unwrap();
        let reader = store(&disk);
        let mut statistics = reader.statistics(TimeFrame::Dataset).unwrap();
        let mut follower = reader.follow(statistics.end()).unwrap();
        in_small_calls_told(&mut writer, 120, &mut |n| {
            if n % pause == 0 {
                let from = statistics.end();
                let events = follower.apply(&mut statistics).unwrap();
                assert_eq!((from + events, follower.position()), (n + 2, n + 2));
                assert!(statistics == folded(&reader), "every {pause}, after event {n}");
            }
        });
        writer.close().unwrap();
        let infos = reader.info().unwrap().segments;
        assert!(infos.iter().filter(|segment| segment.generation > 0).count() > 2);
        follower.apply(&mut statistics).unwrap();
        assert!(statistics == folded(&reader) && statistics.mark(b"once").is_some());
    }
}

/// Marks alone that came after the last event, and were packed into its batch.
#[test]
fn marks_that_are_packed_into_what_was_applied_are_not_lost() {
    let disk = SimDisk::default();
    let mut writer = idle_store(&disk);
    // As many as packing joins, so that the mark is in a batch with events of before alone.
    for n in 0..8 {
        append(&mut writer, &[customer(n)]).unwrap();
    }
    let mut statistics = store(&disk).statistics(TimeFrame::Dataset).unwrap();
    let mut follower = store(&disk).follow(8).unwrap();
    let mut call = writer.call(CallOptions::default()).unwrap();
    assert!(call.set_mark(b"alone", b"7"));
    call.finish().unwrap();
    for n in 8..60 {
        append(&mut writer, &[customer(n)]).unwrap();
    }
    writer.close().unwrap();
    pack_all(&disk);
    assert_eq!(follower.apply(&mut statistics).unwrap(), 52);
    assert_eq!(statistics.mark(b"alone"), Some(&b"7"[..]));
    assert!(statistics == folded(&store(&disk)));
}

/// Events that are read one by one, and what comes after them, make up the whole.
#[test]
fn a_follower_that_stopped_inside_a_batch_applies_the_rest_of_it() {
    struct Times(Vec<i64>, Vec<u32>);
    impl Projection for Times {
        fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
            let (mut times, mut kinds) = (Vec::new(), Vec::new());
            batch.times(&mut times)?;
            batch.kinds(&mut kinds)?;
            let mut customers = batch.customers_before();
            for kind in kinds {
                self.1.push(customers);
                customers += u32::from(kind == RowKind::CustomerNew.value());
            }
            self.0.extend(times);
            Ok(())
        }
    }
    let disk = SimDisk::default();
    let mut writer = store(&disk);
    let lines: Vec<String> =
        (0..20).map(|n| if n % 2 == 0 { customer(n / 2) } else { visit(n, n / 2) }).collect();
    append(&mut writer, &lines).unwrap();
    let mut whole = Times(Vec::new(), Vec::new());
    assert_eq!(store(&disk).replay(&mut whole).unwrap(), 20);
    for from in 0..=20 {
        let mut follower = store(&disk).follow(0).unwrap();
        let mut left = from;
        follower
            .catch_up(&mut |_| {
                left -= 1;
                Ok(left > 0)
            })
            .ok();
        let at = follower.position();
        let mut rest = Times(Vec::new(), Vec::new());
        assert_eq!(follower.apply(&mut rest).unwrap(), 20 - at);
        assert_eq!((&rest.0[..], &rest.1[..]), (&whole.0[at as usize..], &whole.1[at as usize..]));
    }
}

#[test]
fn a_projection_that_stands_elsewhere_is_refused_and_not_called_damage() {
    let disk = unpacked_log(10);
    let mut statistics = store(&disk).statistics(TimeFrame::Dataset).unwrap();
    let whole = statistics.clone();
    for from in [0, statistics.end() - 1, statistics.end() + 1] {
        let mut follower = store(&disk).follow(from).unwrap();
        let refused = follower.apply(&mut statistics).unwrap_err();
        assert!(matches!(refused, Error::Options { .. }), "{refused}");
        assert!(statistics == whole && follower.position() == from);
    }
}

/// One that fails is not told of what comes after, and the follower stays where it was.
#[test]
fn a_projection_that_fails_leaves_its_follower_where_it_was() {
    struct Three(u32);
    impl Projection for Three {
        fn apply(&mut self, _batch: &Batch<'_>) -> Result<(), Fault> {
            self.0 += 1;
            if self.0 > 3 { Err(Fault::Unknown("enough")) } else { Ok(()) }
        }
    }
    let disk = SimDisk::default();
    let mut writer = store(&disk);
    for n in 0..6 {
        append(&mut writer, &[customer(n)]).unwrap();
    }
    let mut follower = store(&disk).follow(1).unwrap();
    assert!(follower.apply(&mut Three(0)).is_err());
    assert_eq!(follower.position(), 4);
    assert_eq!(follower.apply(&mut Three(1)).unwrap(), 2);
}
