//! Partitioned logs beside one log that was given the same events.

mod crash;
mod places;
mod windows;

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::event::{Event, Flow, Reason};
use crate::log::{Disk, SimDisk};
use crate::store::trial::env;
use crate::store::{CallOptions, Origin, Receipt};
use crate::{Digest, Partition, TimeFrame, WeekStart, read_blocks};

const DIR: &str = "/log";

fn sim(disk: &SimDisk) -> Env {
    env(Arc::new(disk.clone()), 1)
}

fn count(of: u16) -> NonZeroU16 {
    NonZeroU16::new(of).unwrap()
}

fn made(disk: &SimDisk, of: u16) -> Partitions {
    Partitions::create_in(&sim(disk), Path::new(DIR), count(of), &Options::default()).unwrap()
}

fn opened(disk: &SimDisk) -> Option<Partitions> {
    Partitions::open_in(&sim(disk), Path::new(DIR), &Options::default()).unwrap()
}

fn one(disk: &SimDisk) -> Store {
    Store::open_in(sim(disk), "/one".into(), Options::default()).unwrap()
}

/// Gives lines of JSON as one call to all partitions.
fn append(partitions: &mut Partitions, lines: &[String], strict: bool) -> Result<Receipt, Error> {
    acknowledged(partitions, lines, strict, &mut Vec::new())
}

/// The same, with all that is said to be synced.
fn acknowledged(
    partitions: &mut Partitions,
    lines: &[String],
    strict: bool,
    synced: &mut Vec<u64>,
) -> Result<Receipt, Error> {
    let (rules, text) = (partitions.rules().clone(), lines.join("\n"));
    let mut on_synced = |end| {
        synced.push(end);
        Ok(())
    };
    let options = CallOptions { strict, on_synced: Some(&mut on_synced), ..CallOptions::default() };
    partitions.call(options, |mut call| {
        let one = NonZeroUsize::MIN.get();
        let read = read_blocks(&mut text.as_bytes(), &rules, one, &mut |block| {
            call.push_block(block, 0).map(|()| Flow::Continue)
        });
        read.expect("nothing fails here");
        call.finish()
    })
}

fn append_to_one(store: &mut Store, lines: &[String]) -> Receipt {
    let (rules, text) = (store.rules().clone(), lines.join("\n"));
    let mut call = store.call(CallOptions::default()).unwrap();
    let read = read_blocks(&mut text.as_bytes(), &rules, 1, &mut |block| {
        call.push_block(block, 0).map(|()| Flow::Continue)
    });
    read.unwrap();
    call.finish().unwrap()
}

fn digest(stores: &[Store]) -> Digest {
    let mut whole = Digest::default();
    for store in stores {
        let statistics = store.replay_statistics(TimeFrame::Dataset, &mut |_| {}).unwrap();
        whole += store.digest(&statistics).unwrap();
    }
    whole
}

fn questions() -> Vec<Question> {
    let window = "2017-01-05..2017-02-20".parse().unwrap();
    let frames = [TimeFrame::Dataset, TimeFrame::Customer, window];
    let both = frames.into_iter().flat_map(|frame| {
        [WeekStart::Sunday, WeekStart::Monday].map(|week_start| Question {
            frame,
            week_start,
            ..Question::default()
        })
    });
    both.collect()
}

/// A source of numbers that is the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Lines at random of few customers, orders and instants, so that they meet, in no order: with
/// duplicates, conflicts, stale updates, unknown customers and what is no event. With `crossing`
/// orders also move between any two customers, and keys are used by any two.
fn lines(seed: u64, crossing: bool) -> Vec<String> {
    let mut dice = Dice(seed);
    let customers = 1 + dice.below(30);
    let mut lines = Vec::new();
    for _ in 0..200 + dice.below(200) {
        let customer = dice.below(customers);
        let (day, second, n) = (1 + dice.below(28), dice.below(60), dice.below(60));
        let at = format!("2017-0{}-{day:02}T10:11:{second:02}Z", 1 + dice.below(3));
        // A key is one customer's alone, unless it may cross.
        let key = if crossing { format!("{n}") } else { format!("{customer}-{}", n % 6) };
        let cents = dice.below(400);
        let kind = match dice.below(12) {
            0..3 => format!(
                r#""type":"CUSTOMER","verb":"NEW","key":"c{customer}","last_name":"N{}""#,
                n % 2
            ),
            3 => {
                format!(r#""type":"CUSTOMER","verb":"UPDATE","key":"c{customer}","adr_city":"{n}""#)
            }
            4 | 5 => format!(
                r#""type":"SITE_VISIT","verb":"NEW","key":"v{key}","customer_id":"c{customer}""#
            ),
            6 => format!(
                r#""type":"IMAGE","verb":"UPLOAD","key":"i{key}","customer_id":"c{customer}""#
            ),
            7..9 => format!(
                r#""type":"ORDER","verb":"NEW","key":"o{key}","customer_id":"c{customer}","total_amount":"{}.{:02} USD""#,
                cents / 100,
                cents % 100
            ),
            9 | 10 => format!(
                r#""type":"ORDER","verb":"UPDATE","key":"o{key}","customer_id":"c{customer}","total_amount":"{}.{:02} USD""#,
                cents / 100,
                cents % 100
            ),
            _ => r#""type":"NONE""#.to_owned(),
        };
        lines.push(format!("{{{kind},\"event_time\":\"{at}\"}}"));
        if dice.below(9) == 0 {
            let again = usize::try_from(dice.below(lines.len() as u64)).unwrap();
            lines.push(lines[again].clone());
        }
    }
    lines
}

#[test]
fn partitions_answer_as_one_log_does() {
    for (seed, of) in (1..=10).flat_map(|seed| [1, 2, 7, 64].map(|of| (seed, of))) {
        let (disk, lines) = (SimDisk::default(), lines(seed, false));
        let (mut parts, mut one) = (made(&disk, of), one(&disk));
        let (first, expected) =
            (append(&mut parts, &lines, false), append_to_one(&mut one, &lines));
        assert_eq!(first.unwrap(), expected, "{seed} {of}");
        assert_eq!(digest(parts.stores()), digest(&[one_again(&disk)]), "{seed} {of}");
        let ids: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
        for question in questions() {
            for x in [1, 3, 10, 1_000] {
                let top = one.top(x, &question).unwrap();
                assert_eq!(parts.top(x, &question).unwrap(), top, "{seed} {of} {x} {question:?}");
            }
            let stats = one.stats(&ids, &question).unwrap();
            assert_eq!(parts.stats(&ids, &question).unwrap(), stats, "{seed} {of} {question:?}");
        }
        assert_eq!(parts.shared_keys().unwrap(), SharedKeys::default(), "{seed} {of}");
        // Again, all is known.
        let again = append(&mut parts, &lines, false).unwrap();
        assert_eq!((again.accepted, again.duplicates), (0, first_seen(&expected)), "{seed} {of}");
        parts.close().unwrap();
        assert_eq!(opened(&disk).unwrap().end().unwrap(), expected.end);
    }
}

fn one_again(disk: &SimDisk) -> Store {
    one(disk)
}

fn first_seen(receipt: &Receipt) -> u64 {
    receipt.accepted + receipt.duplicates
}

/// What reaches across partitions makes a difference that is told: an event more that is rejected,
/// or a key that is found.
#[test]
fn nothing_that_crosses_partitions_goes_unnoticed() {
    let (mut moved, mut shared, mut equal) = (0, 0, 0);
    for (seed, of) in (1..=40).flat_map(|seed| [2, 7].map(|of| (seed, of))) {
        let (disk, lines) = (SimDisk::default(), lines(seed, true));
        let (mut parts, mut one) = (made(&disk, of), one(&disk));
        let got = append(&mut parts, &lines, false).unwrap();
        let expected = append_to_one(&mut one, &lines);
        let unknown = |receipt: &Receipt| {
            receipt.reasons.get(&Reason::UnknownOrder).copied().unwrap_or_default()
        };
        let keys = parts.shared_keys().unwrap();
        assert_eq!(keys, parts.shared_keys_in(7).unwrap(), "read in slices");
        let is_told = unknown(&got) > unknown(&expected) || !keys.problems.is_empty();
        let is_equal = digest(parts.stores()) == digest(&[one_again(&disk)]);
        assert!(is_equal || is_told, "{seed} {of}: {got:?} {expected:?}");
        moved += u64::from(unknown(&got) > unknown(&expected));
        shared += u64::from(!keys.problems.is_empty());
        equal += u64::from(is_equal);
        check_named(&parts, &keys);
    }
    assert!(moved > 20 && shared > 20 && equal < 60, "{moved} {shared} {equal}");
}

/// Every key in two partitions is named, and none else.
fn check_named(parts: &Partitions, keys: &SharedKeys) {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for store in parts.stores() {
        let mut own = BTreeSet::new();
        let read = store.records(0, &mut |record| {
            let event = &record.event;
            use crate::Kind::{ImageUpload, OrderNew, SiteVisitNew};
            if matches!(event.kind, SiteVisitNew | ImageUpload | OrderNew) {
                own.insert(event.key.to_string());
            }
            Ok(true)
        });
        read.unwrap();
        twice.extend(own.intersection(&seen).cloned());
        seen.extend(own);
    }
    let named = keys
        .problems
        .iter()
        .map(|problem| problem.reason.split('"').nth(1).expect("a key in quotes").to_owned());
    assert_eq!(named.collect::<BTreeSet<_>>(), twice);
    assert!(keys.problems.iter().all(|problem| problem.path.ends_with("00000000000000000000.seg")));
}

#[test]
fn a_strict_call_writes_all_partitions_or_none() {
    let disk = SimDisk::default();
    let mut parts = made(&disk, 4);
    let customer = |n: u64| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-01T00:00:00Z"}}"#
        )
    };
    let mut lines: Vec<String> = (0..20).map(customer).collect();
    lines.push(r#"{"type":"NONE"}"#.to_owned());
    let refused = append(&mut parts, &lines, true);
    assert!(matches!(refused, Err(Error::Rejected { count: 1 })), "{refused:?}");
    assert_eq!(parts.end().unwrap(), 0);
    lines.pop();
    assert_eq!(append(&mut parts, &lines, true).unwrap().accepted, 20);
    assert_eq!(parts.end().unwrap(), 20);
}

#[test]
fn synced_ends_add_up() {
    let disk = SimDisk::default();
    let mut parts = made(&disk, 3);
    let (rules, text) = (parts.rules().clone(), lines(5, false).join("\n"));
    for _ in 0..2 {
        let before = parts.end().unwrap();
        let mut told = vec![before];
        let mut on_synced = |end| {
            told.push(end);
            Ok(())
        };
        let options = CallOptions { on_synced: Some(&mut on_synced), ..CallOptions::default() };
        let receipt = parts.call(options, |mut call| {
            let read = read_blocks(&mut text.as_bytes(), &rules, 1, &mut |block| {
                call.push_block(block, 0).map(|()| Flow::Continue)
            });
            read.expect("nothing fails here");
            call.finish()
        });
        let end = receipt.unwrap().end;
        assert!(told.is_sorted() && told.last() == Some(&end), "{told:?} {end}");
        assert_eq!(told.len() > 2, before == 0, "{told:?}");
    }
}

#[test]
fn a_damaged_partition_is_told_by_verify() {
    let disk = SimDisk::default();
    let mut parts = made(&disk, 3);
    append(&mut parts, &lines(5, false), false).unwrap();
    parts.close().unwrap();
    for number in 0..3 {
        let mut files = disk.files();
        let segment = format!("/log/partitions/{number:05}/segments/00000000000000000000.seg");
        files.get_mut(Path::new(&segment)).unwrap()[30] ^= 1;
        let parts = opened(&SimDisk::of_files(&files)).unwrap();
        let damaged = |store: &Store| !store.verify().unwrap().problems.is_empty();
        let found: Vec<_> = parts.stores().iter().map(damaged).collect();
        assert_eq!(found, [0, 1, 2].map(|other| other == number));
        assert_eq!(parts.shared_keys().unwrap(), SharedKeys::default());
        assert!(parts.top(1, &Question::default()).is_err());
    }
    // Even where none tells which it is.
    let mut files = disk.files();
    let segments = files.iter_mut().filter(|(path, _)| path.ends_with("00000000000000000000.seg"));
    segments.for_each(|(_, bytes)| bytes[30] ^= 1);
    let parts = opened(&SimDisk::of_files(&files)).unwrap();
    assert!(parts.stores().iter().all(|store| !store.verify().unwrap().problems.is_empty()));
}
