//! Partitioned logs beside one log, on random event files: the same answers, but for what reaches
//! across partitions, which is told.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use ltvlog::{
    CallOptions, Digest, Event, Kind, Options, Origin, Partitions, Reason, Receipt, Rejected,
    Rules, Statistics, Store, partition_of,
};

use crate::model::Model;
use crate::product::{call, options, place_of, queries, question};
use crate::random::{Random, Scenario, each_seed};

const COUNTS: [u16; 4] = [1, 2, 7, 64];

/// Receipt, and every rejected place with its reason.
type Came = (Receipt, Vec<(usize, &'static str)>);

/// One append call to all partitions.
fn call_parts(parts: &mut Partitions, texts: &[Vec<u8>]) -> Came {
    let rules = parts.rules().clone();
    let mut rejected = Vec::new();
    let mut on_reject = |one: &Rejected<'_>| {
        rejected.push(place_of(one, texts));
        Ok(())
    };
    let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
    let receipt = parts.call(options, |mut call| {
        for (place, text) in texts.iter().enumerate() {
            let at = Origin { source: 0, line: place as u64 + 1 };
            match Event::from_json(text, &rules) {
                Ok(event) => call.push(&event, text, at)?,
                Err(rejection) => call.reject(&rejection, text, at)?,
            }
        }
        call.finish()
    });
    rejected.sort_unstable();
    (receipt.expect("a call"), rejected)
}

/// In memory where there is such a place: many small logs are made, whose syncs are not the point.
fn directory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory")
}

fn made(dir: &std::path::Path, of: u16, options: &Options) -> Partitions {
    Partitions::create(dir, NonZeroU16::new(of).unwrap(), options).expect("partitions")
}

fn digest(stores: &[Store]) -> Digest {
    let mut whole = Digest::default();
    for store in stores {
        let mut statistics = Statistics::new();
        store.replay(&mut statistics).expect("replay");
        whole += store.digest(&statistics).expect("digest");
    }
    whole
}

/// Type and key of an event that has one, and the partition of its customer.
fn place(text: &[u8], rules: &Rules, of: u16) -> Option<((u8, String), u16)> {
    let event = Event::from_json(text, rules).ok()?;
    let (space, customer) = match event.kind {
        Kind::CustomerNew | Kind::CustomerUpdate => (0, &event.key),
        Kind::SiteVisitNew => (1, &event.customer_id),
        Kind::ImageUpload => (2, &event.customer_id),
        Kind::OrderNew | Kind::OrderUpdate => (3, &event.customer_id),
    };
    let partition = partition_of(customer, NonZeroU16::new(of).unwrap());
    Some(((space, event.key.to_string()), partition))
}

/// Keys that events of several partitions use.
fn crossing(scenario: &Scenario, rules: &Rules, of: u16) -> BTreeSet<(u8, String)> {
    let mut places: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
    for text in scenario.calls.iter().flat_map(|call| &call.texts) {
        if let Some((key, partition)) = place(text, rules, of) {
            places.entry(key).or_default().insert(partition);
        }
    }
    places.into_iter().filter(|(_, of)| of.len() > 1).map(|(key, _)| key).collect()
}

/// Every answer of the partitions against one log's.
fn assert_same(parts: &Partitions, one: &Store, random: &mut Random) {
    assert_eq!(digest(parts.stores()), digest(std::slice::from_ref(one)));
    let model = Model::new(crate::model::event::Terms::default());
    for query in queries(random, &model) {
        let question = question(&query);
        let all = one.top(usize::MAX, &question).expect("top");
        for x in [1, 1 + random.below(all.customers.len() + 1), all.customers.len() + 3] {
            let top = parts.top(x, &question).expect("top of partitions");
            assert_eq!(top, one.top(x, &question).expect("top"), "top {x} of {query:?}");
        }
        let ids = all.customers.iter().map(|customer| customer.customer_id.clone());
        let mut ids: Vec<String> = ids.chain(["no such customer".to_owned()]).collect();
        random.shuffle(&mut ids);
        let found = parts.stats(&ids, &question).expect("stats of partitions");
        assert_eq!(found, one.stats(&ids, &question).expect("stats"), "{query:?}");
    }
}

/// Without the events whose keys reach across partitions, nothing differs.
#[test]
fn partitions_are_one_log() {
    let mut crossed = 0;
    each_seed("partitions::partitions_are_one_log", 40_000, 120, |seed| {
        let of = COUNTS[seed as usize % COUNTS.len()];
        let mut scenario = Scenario::new(seed);
        let options = options(&scenario.terms);
        let mut one = Store::scratch(options.clone()).expect("a scratch store");
        let rules = one.rules().clone();
        let crossing = crossing(&scenario, &rules, of);
        assert!(of > 1 || crossing.is_empty());
        crossed += crossing.len();
        let dir = directory();
        for texts in scenario.calls.iter().map(|call| &call.texts) {
            let crosses = |text: &Vec<u8>| {
                place(text, &rules, of).is_some_and(|(key, _)| crossing.contains(&key))
            };
            let texts: Vec<_> = texts.iter().filter(|text| !crosses(text)).cloned().collect();
            // Opened again for each call, and closed or not.
            let mut parts = made(dir.path(), of, &options);
            let wanted = call(&mut one, &texts, false, 0).expect("a call");
            let (receipt, rejected) = call_parts(&mut parts, &texts);
            assert_eq!(rejected, wanted.1, "rejected places and reasons");
            assert_eq!(Receipt { synced: wanted.0.synced, ..receipt }, wanted.0);
            if scenario.random.percent(50) {
                parts.close().expect("close");
            }
        }
        // A process that another test starts may hold the locks of what was dropped for a moment: until then
        // a reader sees what is synced. What is closed is synced.
        let mut parts = made(dir.path(), of, &options);
        call_parts(&mut parts, &[]);
        parts.close().expect("close");
        let parts = made(dir.path(), of, &options);
        assert_same(&parts, &one, &mut scenario.random);
        assert_eq!(parts.shared_keys().expect("keys").problems, []);
        for store in parts.stores() {
            assert_eq!(store.verify_deep().expect("verify").problems, []);
        }
    });
    assert!(crossed > 100 || std::env::var_os("LTVLOG_SEED").is_some(), "{crossed}");
}

/// With them, what differs is told: by events more that are rejected as updates of an unknown order,
/// or by keys that are found in two partitions.
#[test]
fn what_reaches_across_partitions_is_told() {
    let (mut moved, mut shared, mut differ) = (0, 0, 0);
    each_seed("partitions::what_reaches_across_partitions_is_told", 50_000, 80, |seed| {
        let of = COUNTS[1 + seed as usize % (COUNTS.len() - 1)];
        let scenario = Scenario::new(seed);
        let options = options(&scenario.terms);
        let mut one = Store::scratch(options.clone()).expect("a scratch store");
        let dir = directory();
        let mut parts = made(dir.path(), of, &options);
        let mut unknown = [0, 0];
        for texts in scenario.calls.iter().map(|call| &call.texts) {
            let wanted = call(&mut one, texts, false, 0).expect("a call").0;
            let got = call_parts(&mut parts, texts).0;
            for (sum, receipt) in unknown.iter_mut().zip([&wanted, &got]) {
                *sum += receipt.reasons.get(&Reason::UnknownOrder).copied().unwrap_or_default();
            }
        }
        let keys = parts.shared_keys().expect("keys");
        let is_moved = unknown[1] > unknown[0];
        let is_shared = !keys.problems.is_empty();
        let differs = digest(parts.stores()) != digest(std::slice::from_ref(&one));
        assert!(!differs || is_moved || is_shared, "a difference that nobody told");
        moved += u64::from(is_moved);
        shared += u64::from(is_shared);
        differ += u64::from(differs);
    });
    let is_one = std::env::var_os("LTVLOG_SEED").is_some();
    assert!(is_one || (moved > 10 && shared > 10 && differ > 10), "{moved} {shared} {differ}");
}

/// A log that has partitions and one that has none are not made in one directory, whoever is first.
#[test]
fn only_one_kind_of_log_is_made_at_once() {
    let mut wholes = 0;
    for _ in 0..40 {
        let dir = directory();
        let start = std::sync::Barrier::new(2);
        let make = |whole: bool| {
            start.wait();
            let options = Options::default();
            if whole {
                let store = Store::open(dir.path(), options);
                return store.and_then(|mut store| store.append([])).is_ok();
            }
            Partitions::create(dir.path(), NonZeroU16::new(4).unwrap(), &options).is_ok()
        };
        let (parts, whole) = std::thread::scope(|scope| {
            let whole = scope.spawn(|| make(true));
            (make(false), whole.join().expect("it ends"))
        });
        let is_there = |name: &str| dir.path().join(name).exists();
        assert!(whole != parts, "both or none: {whole} {parts}");
        assert_eq!((is_there("segments"), is_there("partitions")), (whole, parts));
        wholes += u32::from(whole);
    }
    println!("{wholes} of 40 have no partitions");
}
