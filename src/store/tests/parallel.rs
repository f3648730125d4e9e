//! A fold on several threads gives what one thread gives, and nothing where anything is wrong.

use std::num::NonZeroUsize;

use super::*;
use crate::codec::{BatchBuilder, Placement, RowKind};
use crate::log::{LogMeta, LogSettings, SimDisk, View, Writer};
use crate::store::parallel::{RunLength, catch_up, each_customer};
use crate::store::{READERS, checkpoints, names};

const DIR: &str = "/log";

/// A log of many calls, whose segments are short: events, marks alone, or both.
fn log() -> SimDisk {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap();
    let mut lines = Vec::new();
    for n in 0..120_u64 {
        let customer_of = |n: u64| n / 6 * n % 7 % (n / 6 + 1);
        lines.push(match n % 6 {
            0 => customer(n / 6),
            1 => order("NEW", n, customer_of(n), 100 + n, n % 60),
            2 => order("UPDATE", n - 1, customer_of(n), 90 + n, (n * 7) % 60),
            3 => format!(
                r#"{{"type":"CUSTOMER","verb":"UPDATE","key":"c{}","event_time":"2017-01-1{}T00:00:00Z","adr_city":"City{n}"}}"#,
                customer_of(n),
                n % 9
            ),
            _ => visit(n, customer_of(n)),
        });
        if n % 5 == 3 || n % 7 == 1 {
            append(&mut store, &lines).unwrap();
            lines.clear();
        }
        if n % 11 == 0 {
            let mut call = store.call(CallOptions::default()).unwrap();
            assert!(call.set_mark(b"topic", n.to_string().as_bytes()));
            call.finish().unwrap();
        }
    }
    store.close().unwrap();
    disk
}

fn view(disk: &SimDisk) -> Result<View, Error> {
    View::open(&env(Arc::new(disk.clone()), 2), Path::new(DIR), READERS, 0)
}

/// One thread's answer; it and several threads' over a part of the log or all of it.
fn serial(view: &View, mut statistics: Statistics) -> Result<Statistics, Error> {
    let from = statistics.end();
    checkpoints::catch_up(&Source::Own(view), &mut statistics, from)?;
    Ok(statistics)
}

fn parallel(
    view: &View,
    statistics: Statistics,
    threads: usize,
    events: u64,
) -> Option<Statistics> {
    let (threads, mut told) = (NonZeroUsize::new(threads).unwrap(), statistics.end());
    let length = RunLength { events, batches: 3 };
    let found = catch_up(view, statistics, threads, length, &mut |end| {
        assert!(end >= told, "{end} after {told}");
        told = end;
    });
    assert!(found.is_none() || told == view.end());
    found
}

#[test]
fn any_number_of_threads_gives_what_one_gives() {
    let view = view(&log()).unwrap();
    let window =
        TimeFrame::Window { from_us: 1_485_907_200_000_000, until_us: 1_488_589_570_000_000 };
    for frame in [TimeFrame::Dataset, window] {
        let expected = serial(&view, Statistics::over(frame)).unwrap();
        assert_eq!((expected.end(), expected.customers().len()), (view.end(), 20));
        assert!(expected.mark(b"topic").is_some());
        for threads in 1..5 {
            for events in [1, 2, 7, 1_000] {
                let found = parallel(&view, Statistics::over(frame), threads, events);
                assert_eq!(found.as_ref(), Some(&expected), "{threads} threads, {events} a run");
            }
        }
    }
}

type Named = Vec<(u32, String)>;

/// All customers, by ordinal, as one thread finds them and as several do.
fn named(view: &View) -> Result<Named, Error> {
    let mut named = Vec::new();
    names::each_customer(&Source::Own(view), &mut |id, of| named.push((of, id.to_owned())))?;
    Ok(named)
}

fn named_by(view: &View, threads: usize, events: u64) -> Option<Named> {
    let (threads, length) = (NonZeroUsize::new(threads).unwrap(), RunLength { events, batches: 3 });
    let find = |named: &mut Named, id: &str, of| named.push((of, id.to_owned()));
    let found = each_customer(view, threads, length, Vec::new, find)?;
    assert_eq!(found.len(), threads.get());
    let mut named: Named = found.into_iter().flatten().collect();
    named.sort_unstable();
    Some(named)
}

#[test]
fn any_number_of_threads_finds_each_customer_once() {
    let view = view(&log()).unwrap();
    let expected = named(&view).unwrap();
    let all: Named = (0..20).map(|n| (n, format!("c{n}"))).collect();
    assert_eq!(expected, all);
    for threads in 1..5 {
        for events in [1, 2, 7, 1_000] {
            let found = named_by(&view, threads, events);
            assert_eq!(found.as_ref(), Some(&all), "{threads} threads, {events} a run");
        }
    }
}

/// A log so long that several threads read it: every answer that they give together.
#[test]
fn a_long_log_gives_the_same_digest_and_customers_on_any_number_of_threads() {
    const VISITS: u64 = 1 << 16;
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 20).unwrap();
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions::default()).unwrap();
    for n in 0..VISITS {
        // One customer after the other appears, in most batches.
        let new = (n % 64 == 0).then(|| customer(n / 64));
        for line in new.into_iter().chain([visit(n, n % (n / 64 + 1))]) {
            let event = Event::from_json(line.as_bytes(), &rules).unwrap();
            call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
        }
    }
    call.finish().unwrap();
    store.close().unwrap();
    let ids = ["c1023", "nobody", "c0", "c511", "c0", ""].map(str::to_owned);
    let answers = |threads| {
        let options =
            Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
        let store = Store::open_in(env(Arc::new(disk.clone()), 2), DIR.into(), options).unwrap();
        let statistics = store.replay_statistics(TimeFrame::Dataset, &mut |_| {}).unwrap();
        let digest = store.digest(&statistics).unwrap();
        (digest, statistics, store.stats(&ids, &Question::default()).unwrap())
    };
    let alone = answers(1);
    let mut expected = Digest::default();
    for (of, one) in (0..).zip(alone.1.customers()) {
        expected.add(&format!("c{of}"), one);
    }
    assert_eq!((alone.0, alone.1.customers().len()), (expected, 1_024));
    let known: Vec<_> = alone.2.1.iter().map(|one| Some(&*one.as_ref()?.customer_id)).collect();
    assert_eq!(known, [Some("c1023"), None, Some("c0"), Some("c511"), Some("c0"), None]);
    for threads in 2..5 {
        assert!(answers(threads) == alone, "{threads} threads");
    }
}

#[test]
fn saved_statistics_are_continued() {
    let view = view(&log()).unwrap();
    let expected = serial(&view, Statistics::new()).unwrap();
    let ends: Vec<u64> = view.frames(0).map(|frame| frame.unwrap().end_seq()).collect();
    for end in ends {
        let mut saved = Statistics::new();
        checkpoints::fold_to(&Source::Own(&view), &mut saved, end).unwrap();
        assert_eq!(saved.end(), end);
        assert_eq!(parallel(&view, saved, 2, 5).as_ref(), Some(&expected), "from {end}");
    }
}

/// What one thread tells of, several give nothing for.
#[test]
fn no_damage_goes_unnoticed() {
    let disk = log();
    let expected = serial(&view(&disk).unwrap(), Statistics::new()).unwrap();
    let files = disk.files();
    let mut damaged = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".seg")) {
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let Ok(view) = view(&SimDisk::of_files(&changed)) else { continue };
            assert_eq!(named_by(&view, 2, 3), named(&view).ok(), "byte {at} of {path:?}");
            let alone = serial(&view, Statistics::new());
            let several = parallel(&view, Statistics::new(), 2, 3);
            match alone {
                Ok(alone) => assert_eq!(several, Some(alone), "byte {at} of {path:?}"),
                Err(_) => {
                    assert_eq!(several, None, "byte {at} of {path:?}");
                    damaged += 1;
                }
            }
        }
    }
    assert!(damaged > 300, "{damaged}");
    assert_eq!(serial(&view(&disk).unwrap(), Statistics::new()).unwrap(), expected);
}

/// Batches without fault, of customers that are not there: no checksum tells.
#[test]
fn batches_that_count_other_customers_are_refused() {
    let meta = LogMeta {
        log_id: 0,
        currency: *b"USD",
        partition: 0,
        partitions: 1,
        time_range_us: 0..4_102_444_800_000_000,
    };
    let rules = Rules { currency: *b"USD", time_range_us: meta.time_range_us.clone() };
    // Customers that each batch says are before it; each makes one more, of the ordinal it says,
    // who visits at once.
    let refused = |before: &[u32]| {
        let disk = SimDisk::default();
        let world = env(Arc::new(disk.clone()), 1);
        let settings = LogSettings::new(meta.clone());
        let (mut writer, _) = Writer::open(&world, Path::new(DIR), &settings, READERS, 0).unwrap();
        for (n, before) in (0..).zip(before) {
            let mut builder = BatchBuilder::new();
            for (text, row) in [(customer(n), RowKind::CustomerNew), (visit(n, n), RowKind::Visit)]
            {
                let event = Event::from_json(text.as_bytes(), &rules).unwrap();
                let place = Placement { row, customer: *before, superseded: None, order_seq: None };
                builder.push(&event, &place);
            }
            let mut body = Vec::new();
            builder.encode(*before, 1_000, &mut body);
            let after = writer.tally();
            writer.append(&body, 2, after).unwrap();
        }
        writer.close().unwrap();
        let view = view(&disk).unwrap();
        let told = (1..4).map(|events| parallel(&view, Statistics::new(), 2, events).is_none());
        let told: Vec<bool> = told.chain([serial(&view, Statistics::new()).is_err()]).collect();
        assert!(told.iter().all(|one| *one == told[0]), "{before:?}: {told:?}");
        told[0]
    };
    assert!(!refused(&[0, 1, 2, 3]));
    assert!(refused(&[1]));
    assert!(refused(&[0, 0]));
    assert!(refused(&[0, 2, 3]));
    assert!(refused(&[0, 1, 4_000_000_000]));
    assert!(refused(&[0, 1, 1, 3]));
    assert!(refused(&[0, 1, 2, 2]));
}
