//! Many threads on one log against the oracle: a receipt is that of the same call made alone, at its
//! place in the order of the log.

use std::sync::Mutex;

use ltvlog::{Appended, Appender, AppenderOptions, Event, Options, Store, Sync};

use crate::model::Model;
use crate::product::{assert_answers, assert_call, options};
use crate::random::{Call, Random, Scenario, each_seed};

const THREADS: usize = 5;

#[test]
fn receipts_are_those_of_the_calls_one_by_one() {
    each_seed("threads::receipts_are_those_of_the_calls_one_by_one", 30_000, 25, |seed| {
        let Scenario { terms, calls, mut random } = Scenario::new(seed);
        let dir = tempfile::tempdir().expect("a directory");
        let segment_bytes_max = random.pick(&[1 << 10, 4 << 10, 64 << 20]);
        let options = Options { segment_bytes_max, sync: Sync::Call, ..options(&terms) };
        let store = Store::open(dir.path(), options).expect("open");
        let waiting_events_max = random.pick(&[12, 40, 65_536]);
        let options = AppenderOptions { waiting_events_max, ..AppenderOptions::default() };
        let appender = Appender::new(store, options).expect("open for append");

        let calls = pieces(&appender, calls, &mut random);
        let mut done = append_all(&appender, calls);
        // Of those that end at the same place the one that brought the last event was there first.
        done.sort_by_key(|(_, done)| (done.receipt.end, done.receipt.accepted == 0));
        let mut model = Model::new(terms);
        for (texts, done) in done {
            let rejected = done.rejected.iter();
            let rejected =
                rejected.map(|one| (one.index as usize, one.rejection.reason.name())).collect();
            assert!(done.receipt.synced && done.receipt.end <= appender.synced_end());
            let outcome = model.call(&texts);
            assert_call(Ok((done.receipt, rejected)), &outcome, &model);
        }
        let reader = appender.reader().expect("a reader");
        assert_answers(&reader, &model, &mut random);
        appender.close().expect("close");
        let found = reader.verify_deep().expect("verify");
        assert!(found.problems.is_empty(), "{:?}", found.problems);
    });
}

/// The events of the scenario in short calls, in no order between them. What is no event by itself
/// needs no log to be turned down.
fn pieces(appender: &Appender, calls: Vec<Call>, random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let is_event = |text: &Vec<u8>| Event::from_json(text, appender.rules()).is_ok();
    let texts: Vec<_> = calls.into_iter().flat_map(|call| call.texts).filter(is_event).collect();
    let size = 1 + random.below(10);
    texts.chunks(size).map(<[Vec<u8>]>::to_vec).rev().collect()
}

/// Appends the calls from several threads: each with what became of it.
fn append_all(appender: &Appender, calls: Vec<Vec<Vec<u8>>>) -> Vec<(Vec<Vec<u8>>, Appended)> {
    let (calls, done) = (Mutex::new(calls), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (calls, done) = (&calls, &done);
            scope.spawn(move || {
                while let Some(texts) = { calls.lock().unwrap().pop() } {
                    let appended = if thread % 2 == 0 {
                        appender.append_json(&mut texts.join(&b'\n').as_slice())
                    } else {
                        let events = texts.iter();
                        appender.append(
                            events.map(|text| Event::from_json(text, appender.rules()).unwrap()),
                        )
                    };
                    done.lock().unwrap().push((texts, appended.expect("append")));
                }
            });
        }
    });
    done.into_inner().unwrap()
}
