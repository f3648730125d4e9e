//! Folding a whole log from the page cache into every customer's statistics, checksums included,
//! on one thread and on two; and a bare loop over the same columns, decoded beforehand and checked
//! by nobody, which is the least that such a fold could take.
//!
//! `LTVLOG_BENCH_LOG` names a log to be folded instead of a small one of made-up events.

mod common;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ltvlog::{
    Batch, CustomerStatistics, Event, Fault, Options, Projection, RowKind, Statistics, Store, Sync,
    TimeFrame,
};

/// The columns of a log that statistics are made of.
#[derive(Default)]
struct Columns {
    kinds: Vec<u8>,
    customers: Vec<u32>,
    times_us: Vec<i64>,
    cents: Vec<i64>,
    superseded: Vec<(u32, i64)>,
}

impl Projection for Columns {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let (mut kinds, mut customers, mut wide) = (Vec::new(), Vec::new(), Vec::new());
        let counts = batch.kinds(&mut kinds)?;
        self.kinds.extend(&kinds);
        batch.customers(&mut customers)?;
        self.customers.extend(&customers);
        batch.times(&mut wide)?;
        self.times_us.extend(&wide);
        batch.cents(&counts, &mut wide)?;
        self.cents.extend(&wide);
        batch.superseded_customers(&counts, &mut customers)?;
        batch.superseded_cents(&counts, &mut wide)?;
        self.superseded.extend(customers.iter().copied().zip(wide));
        Ok(())
    }
}

/// What every row does to its customer, and no more.
fn bare(columns: &Columns, customers: usize) -> Vec<CustomerStatistics> {
    const NEW: u8 = RowKind::OrderNew as u8;
    const UPDATE: u8 = RowKind::OrderUpdate as u8;
    const STALE: u8 = RowKind::OrderStale as u8;
    let nothing = CustomerStatistics {
        revenue_cents: 0,
        first_us: i64::MAX,
        last_us: i64::MIN,
        visits: 0,
        orders: 0,
    };
    let mut all = vec![nothing; customers];
    let mut cents = columns.cents.iter();
    let mut superseded = columns.superseded.iter();
    let rows = columns.kinds.iter().zip(&columns.customers).zip(&columns.times_us);
    for ((kind, customer), at_us) in rows {
        let Some(one) = all.get_mut(*customer as usize) else { continue };
        one.first_us = one.first_us.min(*at_us);
        one.last_us = one.last_us.max(*at_us);
        one.visits += u32::from(*kind == RowKind::Visit as u8);
        match *kind {
            NEW | UPDATE => {
                one.orders += 1;
                one.revenue_cents += cents.next().copied().unwrap_or_default();
            }
            STALE => {
                cents.next();
            }
            _ => {}
        }
        if *kind == UPDATE {
            let (customer, cents) = superseded.next().copied().unwrap_or_default();
            if let Some(one) = all.get_mut(customer as usize) {
                one.orders -= 1;
                one.revenue_cents -= cents;
            }
        }
    }
    all
}

/// Makes the small log.
fn write_log(dir: &Path) {
    let options = Options { sync: Sync::None, ..Options::default() };
    let mut store = Store::open(dir, options).expect("a new log");
    let (text, rules) = (common::ndjson(), store.rules().clone());
    let events = text.lines().map(|line| Event::from_json(line.as_bytes(), &rules).expect("valid"));
    assert_eq!(store.append(events).expect("the disk works").accepted, common::EVENTS);
    store.close().expect("the disk works");
}

fn benches(criterion: &mut Criterion) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = std::env::var_os("LTVLOG_BENCH_LOG").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| {
        let dir = temporary.path().join("log");
        write_log(&dir);
        dir
    });
    let open = |threads| {
        let threads = NonZeroUsize::new(threads).expect("some");
        let options = Options { threads, ..Options::default() };
        Store::open(&dir, options).expect("a log")
    };
    let fold = |store: &Store| {
        store.replay_statistics(TimeFrame::Dataset, &mut |_| {}).expect("the log is whole")
    };
    let (one, two) = (open(1), open(2));
    let mut columns = Columns::default();
    one.replay(&mut columns).expect("the log is whole");
    let expected: Statistics = fold(&one);
    let customers = expected.customers().len();
    assert_eq!(bare(&columns, customers), expected.customers());
    assert_eq!(fold(&two), expected);

    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(expected.events()));
    group.bench_function("statistics", |bencher| bencher.iter(|| fold(&one)));
    group.bench_function("statistics, two threads", |bencher| bencher.iter(|| fold(&two)));
    group.bench_function("bare loop over decoded columns", |bencher| {
        bencher.iter(|| bare(&columns, customers));
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
