//! Top X of 500,000 customers: the bounded min-heap beside a full sort and a selection.
//!
//! All three see the same values and must give the same answer. The heap reads its input once, as
//! a stream, and keeps X values; the other two need a copy of all of them.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

// The crate keeps its heap to itself; as a leaf it can be compiled alone.
#[path = "../src/top.rs"]
#[allow(dead_code, reason = "the bench does not use all of it")]
mod top;

use top::TopX;

const CUSTOMERS: u32 = 500_000;

/// A customer's revenue in cents and number: what a ranking compares. Ties are common, and the
/// number decides them.
type Customer = (i64, u32);

/// Revenues from a fixed xorshift sequence, in no order.
fn customers() -> Vec<Customer> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..CUSTOMERS).map(|number| ((next() % 1_000_000).cast_signed(), number)).collect()
}

fn by_heap(customers: &[Customer], x: usize) -> Vec<Customer> {
    let mut top = TopX::new(x);
    customers.iter().for_each(|customer| top.push(*customer));
    top.into_sorted()
}

fn by_sort(mut customers: Vec<Customer>, x: usize) -> Vec<Customer> {
    customers.sort_unstable_by(|a, b| b.cmp(a));
    customers.truncate(x);
    customers
}

fn by_selection(mut customers: Vec<Customer>, x: usize) -> Vec<Customer> {
    if x < customers.len() {
        customers.select_nth_unstable_by(x, |a, b| b.cmp(a));
        customers.truncate(x);
    }
    customers.sort_unstable_by(|a, b| b.cmp(a));
    customers
}

fn top_x(criterion: &mut Criterion) {
    let customers = customers();
    for x in [10, 1_000] {
        let expected = by_sort(customers.clone(), x);
        assert_eq!(by_heap(&customers, x), expected);
        assert_eq!(by_selection(customers.clone(), x), expected);

        let mut group = criterion.benchmark_group(format!("top {x} of {CUSTOMERS} in memory"));
        group.bench_function("heap", |bench| bench.iter(|| by_heap(black_box(&customers), x)));
        group.bench_function("sort", |bench| {
            bench.iter_batched(
                || customers.clone(),
                |customers| by_sort(customers, x),
                BatchSize::LargeInput,
            );
        });
        group.bench_function("select_nth", |bench| {
            bench.iter_batched(
                || customers.clone(),
                |customers| by_selection(customers, x),
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = top_x
}
criterion_main!(benches);
