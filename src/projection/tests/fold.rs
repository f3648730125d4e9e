//! Folding agrees with the specification on random histories: with ties in time, orders moved
//! between customers, stale updates and refunds, at every prefix, in batches of any size.

use super::facts::{Dice, Fact, What, fold, folded, naive, naive_update};
use crate::projection::figures::{Figures, Measures};
use crate::projection::rank::Values;
use crate::projection::updates::{CUSTOMER_FIELDS, FieldUpdate};
use crate::projection::weeks::DAY_US;
use crate::projection::{TimeFrame, WeekStart};

const HISTORIES: u64 = 1_500;

#[test]
fn statistics_are_those_of_the_specification_at_every_prefix() {
    for seed in 0..HISTORIES {
        let facts = Dice::new(seed).facts(40);
        fold(&facts, 1, TimeFrame::Dataset, |statistics| {
            let so_far = &facts[..usize::try_from(statistics.end()).expect("few")];
            let expected = naive(so_far, i64::MIN..i64::MAX);
            assert_eq!(statistics.customers(), expected, "seed {seed}: {so_far:?}");

            let times = || so_far.iter().map(|fact| fact.at_us);
            let frame = statistics.frame().expect("there are events");
            assert_eq!(Some(frame.first_us), times().min(), "seed {seed}");
            assert_eq!(Some(frame.last_us), times().max(), "seed {seed}");
            for customer in 0..u32::try_from(expected.len()).expect("few") {
                for field in CUSTOMER_FIELDS {
                    let update = statistics.field_update(customer, field).expect("in memory");
                    let found = update.map(|update| (update.at_us, update.seq));
                    assert_eq!(found, naive_update(so_far, customer, field), "seed {seed}");
                }
            }
        });
    }
}

#[test]
fn windows_are_those_of_the_specification() {
    for seed in 0..HISTORIES {
        let facts = Dice::new(seed).facts(40);
        for from_us in -2..5 {
            for until_us in from_us + 1..7 {
                let over = TimeFrame::Window { from_us, until_us };
                let expected = naive(&facts, from_us..until_us);
                let found = folded(&facts, 40, over);
                assert_eq!(found.customers(), expected, "seed {seed} {over:?}: {facts:?}");
            }
        }
    }
}

#[test]
fn batching_does_not_matter() {
    for seed in 0..100 {
        let facts = Dice::new(seed).facts(300);
        let one_by_one = folded(&facts, 1, TimeFrame::Dataset);
        for size in [2, 3, 63, 64, 65, 128, 299, 300] {
            assert_eq!(folded(&facts, size, TimeFrame::Dataset), one_by_one, "seed {seed} {size}");
        }
        let amount = |fact: &Fact| match fact.what {
            What::Order { cents, .. } | What::OrderUpdate { cents, .. } => cents.unsigned_abs(),
            _ => 0,
        };
        assert_eq!(one_by_one.cents_abs(), facts.iter().map(amount).sum::<u64>());
        assert_eq!(one_by_one.events(), 300);
    }
}

#[test]
fn statistics_differ_where_anything_differs() {
    let facts = Dice::new(7).facts(60);
    let whole = folded(&facts, 60, TimeFrame::Dataset);
    assert_ne!(whole, folded(&facts[..59], 60, TimeFrame::Dataset));
    let mut changed = whole.clone();
    changed.marks.insert(b"source".to_vec(), b"5".to_vec());
    assert_ne!(whole, changed);
    let mut changed = whole.clone();
    changed.updates.offer(0, CUSTOMER_FIELDS[0], FieldUpdate { at_us: 100, seq: 59 });
    assert_ne!(whole, changed);
}

/// The three time frames of one small history, by hand.
#[test]
fn measures_follow_the_time_frame() {
    let day = |day: i64| day * DAY_US;
    let fact = |customer, at_us, what| Fact { customer, at_us, what };
    // 1970-01-01 was a Thursday, so by Sundays weeks end with days 2, 9 and 16.
    let facts = [
        fact(0, day(0), What::New),
        fact(0, day(1), What::Order { order: 0, cents: 1_000 }),
        fact(1, day(3), What::New),
        fact(1, day(4), What::Visit),
        fact(1, day(5), What::Order { order: 1, cents: 900 }),
        fact(1, day(16), What::OrderUpdate { order: 0, cents: 100 }),
    ];
    let measure = |over, start| {
        let statistics = folded(&facts, 6, over);
        let span = statistics.span(over, start).expect("there are events");
        let measures = Measures::new(&statistics, over, start);
        assert_eq!(measures.customers(), 2);
        assert!(measures.of(2).is_err());
        let rows = [0, 1].map(|ordinal| {
            let measure = measures.of(ordinal).expect("two customers");
            (measure.revenue_cents, measure.visits, measure.orders, measure.weeks)
        });
        (span.0.first_us, span.0.last_us, span.1, rows)
    };
    assert_eq!(
        measure(TimeFrame::Dataset, WeekStart::Sunday),
        (0, day(16), 3, [(0, 0, 0, 3), (1_000, 1, 2, 3)])
    );
    assert_eq!(measure(TimeFrame::Dataset, WeekStart::Monday).2, 3);
    assert_eq!(
        measure(TimeFrame::Customer, WeekStart::Sunday),
        (0, day(16), 3, [(0, 0, 0, 1), (1_000, 1, 2, 2)])
    );
    // By Mondays day 3 is the last of its week.
    assert_eq!(measure(TimeFrame::Customer, WeekStart::Monday).3, [(0, 0, 0, 1), (1_000, 1, 2, 3)]);
    // Days 4 to 12: the moved order's latest event lies outside, so it counts for nobody.
    let window = TimeFrame::Window { from_us: day(4), until_us: day(13) };
    assert_eq!(
        measure(window, WeekStart::Sunday),
        (day(4), day(13) - 1, 2, [(0, 0, 0, 2), (900, 1, 1, 2)])
    );
    assert_eq!(folded(&[], 1, window).span(window, WeekStart::Sunday), None);
}
