//! Batches folded apart, in any division, merge into what folding them in order gives.

use std::num::NonZeroUsize;

use super::facts::{Dice, Encoded, Fact, What, batches};
use crate::codec::BatchBuilder;
use crate::error::Fault;
use crate::event::Field;
use crate::projection::figures::Figures;
use crate::projection::part::{Part, Piece};
use crate::projection::updates::FieldUpdate;
use crate::projection::{Projection, Statistics, TimeFrame};

fn whole(batches: &[Encoded], over: TimeFrame) -> Statistics {
    let mut statistics = Statistics::over(over);
    for encoded in batches {
        statistics.apply(&encoded.batch()).expect("a good batch");
    }
    statistics
}

/// Gives a part the batches of a run.
fn give(part: &mut Part, run: u64, batches: &[Encoded]) {
    let Some(first) = batches.first() else { return };
    part.begin(run, first.first_seq, first.customers_before).expect("runs rise");
    for encoded in batches {
        part.apply(&encoded.batch()).expect("a good batch");
    }
}

/// Merges in three pieces, one after the other.
fn merge(statistics: &mut Statistics, parts: Vec<Part>) -> Result<(), Fault> {
    let pieces = NonZeroUsize::new(3).expect("some");
    statistics.merge(parts, pieces, &mut |pieces| pieces.into_iter().try_for_each(Piece::add))
}

/// The first batches folded in order, as a checkpoint has them, and runs of the others dealt out.
fn divided(batches: &[Encoded], over: TimeFrame, dice: &mut Dice) -> Statistics {
    let size = |count: usize| u64::try_from(count).expect("few");
    let place = |roll: u64| usize::try_from(roll).expect("few");
    let (saved, mut rest) = batches.split_at(place(dice.roll(size(batches.len()) + 1)));
    let mut statistics = whole(saved, over);
    let mut parts: Vec<Part> = (0..=dice.roll(4)).map(|_| statistics.part()).collect();
    for run in 1.. {
        let (now, later) = rest.split_at(place(dice.roll(size(rest.len()) + 1)));
        let part = place(dice.roll(size(parts.len())));
        give(&mut parts[part], run, now);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    merge(&mut statistics, parts).expect("they make up the whole");
    statistics
}

#[test]
fn any_division_merges_into_the_whole() {
    for seed in 0..3_000 {
        let mut dice = Dice::new(seed);
        let facts = dice.facts(60);
        let size = usize::try_from(1 + dice.roll(9)).expect("few");
        let over = match dice.roll(2) {
            0 => TimeFrame::Dataset,
            _ => {
                let from_us = dice.roll(7).cast_signed() - 2;
                let until_us = from_us + 1 + dice.roll(5).cast_signed();
                TimeFrame::Window { from_us, until_us }
            }
        };
        let batches = batches(&facts, size);
        let divided = divided(&batches, over, &mut dice);
        assert_eq!(divided, whole(&batches, over), "seed {seed} size {size} {over:?}: {facts:?}");
        assert_eq!(divided.orders_zero, 0);
    }
}

/// More customers than are merged at a time.
#[test]
fn many_customers_merge_too() {
    let mut dice = Dice::new(5);
    let news = (0..5_000).map(|customer| (customer, What::New));
    let visits = (0..5_000).rev().step_by(3).map(|customer| (customer, What::Visit));
    let facts = news.chain(visits).map(|(customer, what)| {
        let at_us = dice.roll(99).cast_signed();
        Fact { customer, at_us, what }
    });
    let batches = batches(&facts.collect::<Vec<_>>(), 700);
    for seed in 0..20 {
        let divided = divided(&batches, TimeFrame::Dataset, &mut Dice::new(seed));
        assert_eq!(divided, whole(&batches, TimeFrame::Dataset), "seed {seed}");
    }
}

/// Batches that only carry marks have the sequence of the next one: the last run decides.
#[test]
fn the_last_mark_stays_whoever_has_it() {
    let marked = |position: &[u8]| {
        let mut builder = BatchBuilder::new();
        assert!(builder.set_mark(b"source", position));
        let mut body = Vec::new();
        builder.encode(0, 0, &mut body);
        Encoded { body, first_seq: 0, events: 0, customers_before: 0 }
    };
    let runs: Vec<_> = [b"1", b"2", b"3", b"4"].map(|position| vec![marked(position)]).into();
    for code in 0..81_usize {
        let mut statistics = Statistics::new();
        statistics.marks.insert(b"source".to_vec(), b"0".to_vec());
        let mut parts: Vec<_> = (0..3).map(|_| statistics.part()).collect();
        for (place, (number, run)) in (0..).zip((1..).zip(&runs)) {
            give(&mut parts[code / 3_usize.pow(place) % 3], number, run);
        }
        merge(&mut statistics, parts).expect("they make up the whole");
        assert_eq!(statistics.mark(b"source"), Some(b"4".as_slice()), "{code}");
    }
}

/// Of updates with the same time the later one wins, in whichever part it is.
#[test]
fn the_latest_update_wins_across_parts() {
    let fact = |at_us, what| Fact { customer: 0, at_us, what };
    let update = |at_us| fact(at_us, What::Update { fields: 1 });
    let facts = [fact(0, What::New), update(5), update(5), update(4)];
    let batches = batches(&facts, 1);
    for code in 0..16 {
        let mut statistics = Statistics::new();
        let mut parts = vec![statistics.part(), statistics.part()];
        for (place, batch) in batches.chunks(1).enumerate() {
            give(&mut parts[code >> place & 1], 1 + place as u64, batch);
        }
        merge(&mut statistics, parts).expect("they make up the whole");
        let found = statistics.field_update(0, Field::LastName);
        assert_eq!(found, Ok(Some(FieldUpdate { at_us: 5, seq: 2 })), "{code}");
    }
}

#[test]
fn what_is_no_whole_is_refused() {
    let mut dice = Dice::new(3);
    let batches = batches(&dice.facts(60), 5);
    let merged = |runs: &[std::ops::Range<usize>]| {
        let mut statistics = Statistics::new();
        let mut parts = Vec::new();
        for (number, run) in (1..).zip(runs) {
            let mut part = statistics.part();
            give(&mut part, number, &batches[run.clone()]);
            parts.push(part);
        }
        merge(&mut statistics, parts)
    };
    assert_eq!(merged(&[0..4, 4..12]), Ok(()));
    assert!(merged(&[0..4, 5..12]).is_err(), "a batch is missing");
    assert!(merged(&[0..5, 4..12]).is_err(), "a batch is there twice");
    let mut part = Statistics::new().part();
    give(&mut part, 4, &batches[3..5]);
    assert!(part.begin(5, batches[4].first_seq, batches[4].customers_before).is_err(), "before");
    assert!(part.begin(3, batches[5].first_seq, batches[5].customers_before).is_err(), "runs rise");
    assert!(part.begin(5, batches[5].first_seq, 0).is_err(), "customers do not go");
}

/// An order that nobody counted is not one less, and amounts do not pass the bound together.
#[test]
fn what_does_not_add_up_is_refused() {
    let fact = |customer, what| Fact { customer, at_us: 0, what };
    let order = |cents| fact(0, What::Order { order: 0, cents });
    let update = |cents| fact(1, What::OrderUpdate { order: 0, cents });
    // Every batch is a part.
    let merged = |batches: &[&Encoded]| {
        let mut statistics = Statistics::new();
        let parts = (1..).zip(batches).map(|(run, encoded)| {
            let mut part = statistics.part();
            part.begin(run, encoded.first_seq, encoded.customers_before).expect("the first");
            part.apply(&encoded.batch()).expect("a good batch");
            part
        });
        let parts = parts.collect();
        merge(&mut statistics, parts)
    };
    let moved =
        |cents| batches(&[fact(0, What::New), fact(1, What::New), order(cents), update(-cents)], 1);
    let (good, much, visited) = (moved(5), moved(1 << 61), [0, 1, 0]);
    let visited: Vec<_> = (0..)
        .zip(visited)
        .map(|(at, customer)| fact(customer, if at < 2 { What::New } else { What::Visit }))
        .collect();
    let visited = batches(&visited, 1);
    let [a, b, c, d] = &good[..] else { panic!("four batches") };
    assert_eq!(merged(&[a, b, c, d]), Ok(()));
    assert!(merged(&[a, b, &visited[2], d]).is_err(), "an order is taken away that is not there");
    assert!(merged(&much.iter().collect::<Vec<_>>()).is_err(), "2^62 cents");
}
