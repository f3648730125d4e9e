//! Folding a whole log from the page cache into every customer's statistics, checksums included.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ltvlog::{Event, Options, Statistics, Store, Sync};

fn benches(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { sync: Sync::None, ..Options::default() };
    let mut store = Store::open(dir.path().join("log"), options).expect("a new log");
    let (text, rules) = (common::ndjson(), store.rules().clone());
    let events = text.lines().map(|line| Event::from_json(line.as_bytes(), &rules).expect("valid"));
    assert_eq!(store.append(events).expect("the disk works").accepted, common::EVENTS);
    store.close().expect("the disk works");

    let store = Store::open(dir.path().join("log"), Options::default()).expect("it was closed");
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(common::EVENTS));
    group.bench_function("statistics", |bencher| {
        bencher.iter(|| {
            let mut statistics = Statistics::new();
            assert_eq!(store.replay(&mut statistics).expect("the log is whole"), common::EVENTS);
            statistics
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
