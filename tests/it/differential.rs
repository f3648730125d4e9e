//! The product against the oracle, on random event files: receipts, rejects, every statistic, every
//! ranking, the digest and the log's own order.

use std::fs;
use std::path::Path;

use ltvlog::{CheckpointState, Error, Options, Statistics, Store};

use crate::model::Model;
use crate::product::{assert_answers, assert_call, call, options};
use crate::random::{Call, Random, Scenario, each_seed};

/// Whole lives of logs that never touch a disk.
#[test]
fn scratch_stores() {
    each_seed("differential::scratch_stores", 0, 2_000, |seed| {
        let mut scenario = Scenario::new(seed);
        scenario.calls.iter_mut().for_each(|call| call.strict = false);
        let mut store = Store::scratch(options(&scenario.terms)).expect("a scratch store");
        let mut model = Model::new(scenario.terms.clone());
        live(&mut store, &mut model, &mut scenario);
        assert_answers(&store, &model, &mut scenario.random);
    });
}

/// The same on disk, with small segments, opened again between the calls.
#[test]
fn stores_on_disk() {
    each_seed("differential::stores_on_disk", 10_000, 150, |seed| {
        let mut scenario = Scenario::new(seed);
        let dir = tempfile::tempdir().expect("a directory");
        let segment_bytes_max = scenario.random.pick(&[1 << 10, 1 << 10, 4 << 10, 64 << 20]);
        let options = Options { segment_bytes_max, ..options(&scenario.terms) };
        let open = || Store::open(dir.path(), options.clone()).expect("open");
        let mut model = Model::new(scenario.terms.clone());
        let calls = shorter(&mut scenario);
        if calls.is_empty() {
            call(&mut open(), &[], false, 0).expect("an empty call");
        }
        let mut random = scenario.random.clone();
        for one in calls {
            scenario.calls = vec![one];
            let mut store = open();
            live(&mut store, &mut model, &mut scenario);
            if random.percent(20) {
                assert_answers(&store, &model, &mut random);
            }
            if random.percent(70) {
                store.close().expect("close");
            } else {
                drop(store);
            }
            lose_derived(dir.path(), &mut random);
        }
        let store = open();
        assert_answers(&store, &model, &mut random);
        let found = store.verify_deep().expect("verify");
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        assert_eq!(found.events, model.log.len() as u64);
        let mut statistics = Statistics::new();
        store.replay(&mut statistics).expect("replay");
        let state = store.compare_checkpoint(&statistics).expect("compare");
        assert_ne!(state, CheckpointState::Different);
    });
}

/// The scenario's calls in pieces, so that many segments are sealed.
fn shorter(scenario: &mut Scenario) -> Vec<Call> {
    let mut calls = Vec::new();
    for call in std::mem::take(&mut scenario.calls) {
        let size = 5 + call.texts.len() / (1 + scenario.random.below(8));
        calls.extend(
            call.texts
                .chunks(size)
                .map(|texts| Call { texts: texts.to_vec(), strict: call.strict }),
        );
    }
    calls
}

/// Deletes some of what can be made again from the segments.
pub fn lose_derived(dir: &Path, random: &mut Random) {
    for name in ["keys", "checkpoints"] {
        if random.percent(15) && dir.join(name).exists() {
            fs::remove_dir_all(dir.join(name)).expect("a directory to delete");
        }
    }
    if random.percent(10) && dir.join("head").exists() {
        fs::remove_file(dir.join("head")).expect("a file to delete");
    }
}

/// Plays a scenario's calls to both.
pub fn live(store: &mut Store, model: &mut Model, scenario: &mut Scenario) {
    for one in &scenario.calls {
        let count = one.texts.len();
        if one.strict {
            let came = call(store, &one.texts, true, 0);
            match model.strict_call(&one.texts) {
                Ok(mut outcome) => {
                    outcome.rejected.clear();
                    assert_call(came, &outcome, model);
                }
                Err(outcome) => match came {
                    Err(Error::Rejected { count }) => {
                        assert_eq!(count, outcome.rejected.len() as u64, "strict rejects");
                    }
                    other => panic!("a strict call with rejects gave {other:?}"),
                },
            }
        } else if scenario.random.percent(15) && count > 0 {
            let middle = 1 + scenario.random.below(count);
            let came = call(store, &one.texts, false, middle);
            let mut outcome = model.call(&one.texts[..middle]);
            let rest = model.call(&one.texts[middle..]);
            outcome.accepted += rest.accepted;
            outcome.duplicates += rest.duplicates;
            outcome
                .rejected
                .extend(rest.rejected.iter().map(|(at, reason)| (at + middle, *reason)));
            for (reason, count) in rest.reasons {
                *outcome.reasons.entry(reason).or_default() += count;
            }
            assert_call(came, &outcome, model);
        } else {
            let came = call(store, &one.texts, false, 0);
            assert_call(came, &model.call(&one.texts), model);
        }
    }
    // A strict call that writes nothing makes no log, which could not be asked.
    if scenario.calls.is_empty() || !store.exists() {
        assert_call(call(store, &[], false, 0), &Default::default(), model);
    }
}
