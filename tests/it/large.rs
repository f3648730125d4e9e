//! What only large logs meet, against the oracle: checkpoints, many segments, thousands of customers
//! looked up in a log just opened, more held events than stay in memory, sums near their limit.

use std::path::Path;

use ltvlog::{CheckpointState, Options, Statistics, Store, Sync};

use crate::differential::live;
use crate::model::event::Terms;
use crate::model::statistics::{Frame, Query};
use crate::model::{CENTS_ABS_END, Model};
use crate::product::{assert_call, call, customer, digest, options, question};
use crate::random::draft::{MOST_CENTS, World, hex};
use crate::random::{Random, Scenario, each_seed};

/// One log of more events than lie between two checkpoints, opened again for every call.
#[test]
fn log_with_a_checkpoint() {
    each_seed("large::log_with_a_checkpoint", 0, 1, |seed| {
        let terms = Terms::default();
        let mut world = World::new(Random::new(seed), terms.clone(), 100);
        world.customers = (0..4_000).map(|_| hex(&mut world.random)).collect();
        let mut texts = world.calm(276_000);
        texts.truncate(280_000);
        let mut random = world.random.clone();
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options { segment_bytes_max: 1 << 20, sync: Sync::Call, ..options(&terms) };
        let open = || Store::open(dir.path(), options.clone()).expect("open");
        let mut model = Model::new(terms.clone());
        for (number, part) in texts.chunks_mut(70_000).enumerate() {
            match number {
                // The customers come last, so nearly all others are held.
                0 => part.reverse(),
                1 => random.shuffle(part),
                _ => {}
            }
            let mut store = open();
            let outcome = model.call(part);
            assert!(number > 0 || outcome.held_admitted > 50_000, "{}", outcome.held_admitted);
            assert_call(call(&mut store, part, false, 0), &outcome, &model);
            if number % 2 == 0 {
                store.close().expect("close");
            }
        }
        let store = open();
        assert_eq!(checkpoint(&store), CheckpointState::Equal, "events enough for one");
        assert_tops(&store, &model);
        assert_eq!(digest(&store), model.digest());
        drop(store);
        for _ in 0..6 {
            let texts = (0..40).map(|_| world.text()).collect();
            let mut scenario = Scenario::cut(terms.clone(), texts, world.random.clone());
            let mut store = open();
            live(&mut store, &mut model, &mut scenario);
        }
        let store = open();
        assert_tops(&store, &model);
        assert_eq!(checkpoint(&store), CheckpointState::Equal);
        let found = store.verify_deep().expect("verify");
        assert!(found.problems.is_empty(), "{:?}", found.problems);
    });
}

/// The best few, over each kind of frame.
fn assert_tops(store: &Store, model: &Model) {
    for frame in [Frame::Dataset, Frame::Customer, Frame::Window(10_000, 20_000)] {
        let query = Query { frame, ..Query::default() };
        let top = store.top(100, &question(&query)).expect("top").customers;
        let wanted: Vec<_> = model.ranking(&query).iter().take(100).map(customer).collect();
        assert_eq!(top, wanted, "{query:?}");
    }
}

fn checkpoint(store: &Store) -> CheckpointState {
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).expect("replay");
    store.compare_checkpoint(&statistics).expect("compare")
}

/// Logs whose orders have all but used up what a log's amounts may come to.
#[test]
fn nearly_full_logs() {
    let terms = Terms::default();
    let order = |key: usize| {
        format!(
            r#"{{"type":"ORDER","verb":"NEW","key":"full {key}","event_time":"2020-01-01T00:00:00Z","customer_id":"full","total_amount":"999999999999.99 USD"}}"#
        )
    };
    let customer =
        r#"{"type":"CUSTOMER","verb":"NEW","key":"full","event_time":"2020-01-01T00:00:00Z"}"#;
    let mut texts = vec![customer.as_bytes().to_vec()];
    texts.extend((0..46_116).map(|key| order(key).into_bytes()));
    let full = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(full.path(), options(&terms)).expect("open");
    let mut full_model = Model::new(terms.clone());
    let outcome = full_model.call(&texts);
    assert_eq!(outcome.accepted, 46_117);
    assert_call(call(&mut store, &texts, false, 0), &outcome, &full_model);
    store.close().expect("close");
    let room = i64::try_from(CENTS_ABS_END - full_model.cents_abs()).expect("below 2^62");
    assert!(room < MOST_CENTS);

    each_seed("large::nearly_full_logs", 0, 40, |seed| {
        let dir = tempfile::tempdir().expect("a directory");
        copy(full.path(), dir.path());
        let mut model = full_model.clone();
        let mut world = World::new(Random::new(seed), terms.clone(), 60);
        world.amounts = vec![room, room - 1, room / 2, -room / 2, room / 3, 1, 0, MOST_CENTS];
        let mut texts = if seed % 2 == 0 { world.calm(60) } else { Vec::new() };
        texts.extend((0..60).map(|_| world.text()));
        let mut scenario = Scenario::cut(terms.clone(), texts, world.random);
        let mut store = Store::open(dir.path(), options(&terms)).expect("open");
        live(&mut store, &mut model, &mut scenario);
        assert!(model.cents_abs() < CENTS_ABS_END);
        assert_eq!(digest(&store), model.digest());
    });
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&to).expect("a new directory");
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}
