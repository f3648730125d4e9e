//! From NDJSON in memory to a log: parsing, admission, encoding, writing, and the sync it names.

mod common;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ltvlog::{CallOptions, Flow, Options, Origin, Receipt, Store, Sync, read_events};

fn append(text: &str, store: &mut Store) -> Receipt {
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions::default()).expect("a fresh log");
    let mut source = text.as_bytes();
    read_events(&mut source, &rules, &mut |incoming| {
        let event = incoming.event.expect("every made-up event is valid");
        let at = Origin { source: 0, line: incoming.line };
        call.push(&event, incoming.text, at)?;
        Ok(Flow::Continue)
    })
    .expect("the text is in memory");
    call.finish().expect("the disk works")
}

fn benches(criterion: &mut Criterion) {
    let text = common::ndjson();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(common::EVENTS)).sample_size(10);
    for (name, sync) in
        [("sync_call", Sync::Call), ("sync_batch", Sync::Batch), ("sync_none", Sync::None)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || tempfile::tempdir().expect("a temporary directory"),
                |dir| {
                    let options = Options { sync, ..Options::default() };
                    let mut store =
                        Store::open(dir.path().join("log"), options).expect("a new log");
                    let receipt = append(&text, &mut store);
                    assert_eq!((receipt.accepted, receipt.rejected()), (common::EVENTS, 0));
                    assert_eq!(receipt.synced, sync != Sync::None);
                    (black_box(store), dir)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("scratch", |bencher| {
        bencher.iter_with_large_drop(|| {
            let mut store = Store::scratch(Options::default()).expect("no disk is needed");
            assert_eq!(append(&text, &mut store).accepted, common::EVENTS);
            store
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
