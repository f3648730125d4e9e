//! A checkpoint with an overlay of the batches behind it answers as all batches folded do.

use super::facts::{Dice, Encoded, Fact, What, batches};
use super::saved::{LOG_ID, ask, encoded};
use crate::error::Fault;
use crate::projection::figures::Figures;
use crate::projection::overlay::Overlay;
use crate::projection::saved::Saved;
use crate::projection::{Projection, Statistics};

fn apply(projection: &mut dyn Projection, batches: &[Encoded]) -> Result<(), Fault> {
    batches.iter().try_for_each(|encoded| projection.apply(&encoded.batch()))
}

/// Saves after `saved` batches, lays the others over, and compares every answer.
fn compare(batches: &[Encoded], saved: usize, case: &str) {
    let (before, behind) = batches.split_at(saved);
    let mut whole = Statistics::new();
    apply(&mut whole, before).expect("good batches");
    let bytes = encoded(&whole);
    apply(&mut whole, behind).expect("good batches");
    let saved = Saved::open(&bytes, LOG_ID).expect("just encoded");
    let mut overlay = Overlay::new(&saved);
    apply(&mut overlay, behind).expect("good batches");
    let customers = whole.customer_count();
    assert_eq!(ask(&overlay, customers), ask(&whole, customers), "{case}");
    for chunk in 0..customers.div_ceil(512) {
        let of = chunk * 512..customers.min((chunk + 1) * 512);
        let greatest = of.map(|one| whole.customer(one).expect("there").revenue_cents).max();
        let at_most = overlay.revenue_at_most(chunk).expect("there");
        assert!(Some(at_most) >= greatest, "{case}: chunk {chunk}");
    }
    assert!(overlay.customer(customers).is_err());
    assert!(overlay.values(0..customers + 1, 1, &mut Vec::new()).is_err());
}

#[test]
fn answers_are_those_of_everything_folded() {
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed);
        let facts = dice.facts(60);
        let size = usize::try_from(1 + dice.roll(9)).expect("few");
        let batches = batches(&facts, size);
        let saved = dice.roll(u64::try_from(batches.len()).expect("few") + 1);
        let saved = usize::try_from(saved).expect("few");
        compare(&batches, saved, &format!("seed {seed} size {size} saved {saved}: {facts:?}"));
    }
}

/// Blocks of customers of whom some are named, some new, and most neither.
#[test]
fn answers_about_many_customers_are_right_too() {
    let mut dice = Dice::new(3);
    let mut facts = Vec::new();
    let mut fact = |customer, what| {
        facts.push(Fact { customer, at_us: dice.roll(99).cast_signed(), what });
    };
    for customer in 0..3_000 {
        fact(customer, What::New);
        fact(customer, What::Order { order: customer, cents: i64::from(customer * 7 % 1_000) });
        fact(customer, What::Update { fields: 1 << (customer % 3) });
    }
    for customer in (0..3_000).rev().step_by(171) {
        fact(customer, What::OrderUpdate { order: (customer + 9) % 3_000, cents: 5_000 });
        fact(customer, What::Update { fields: 1 });
    }
    for customer in 3_000..3_700 {
        fact(customer, What::New);
        fact(customer, What::Order { order: customer, cents: i64::from(customer) });
    }
    for size in [50, 1_000] {
        let batches = batches(&facts, size);
        for saved in [0, 9_000 / size, 9_200 / size, batches.len()] {
            compare(&batches, saved, &format!("size {size} saved {saved}"));
        }
    }
}

/// What is no continuation of the checkpoint, or names somebody who is not there, is refused as
/// it is of statistics in memory.
#[test]
fn batches_that_do_not_fit_are_refused() {
    let facts = [What::New, What::Visit, What::New, What::Visit, What::New, What::Visit];
    let facts =
        facts.iter().zip(0_u32..).map(|(what, n)| Fact { customer: n / 2, at_us: 0, what: *what });
    let facts: Vec<Fact> = facts.collect();
    let good = batches(&facts, 2);
    let mut elsewhere = facts.clone();
    // A customer of the checkpoint is nobody's business here; one that is still to come is.
    elsewhere[3].customer = 2;
    let naming_the_unborn = batches(&elsewhere, 2);
    let mut whole = Statistics::new();
    apply(&mut whole, &good[..1]).expect("a good batch");
    let bytes = encoded(&whole);
    let saved = Saved::open(&bytes, LOG_ID).expect("just encoded");
    for wrong in [&good[..1], &good[2..], &naming_the_unborn[1..2]] {
        let expected = apply(&mut whole.clone(), wrong);
        assert!(expected.is_err());
        assert_eq!(apply(&mut Overlay::new(&saved), wrong), expected);
    }
}

/// Damage is met where a customer is taken out of the checkpoint.
#[test]
fn damage_of_the_checkpoint_is_met() {
    let visit = |customer| Fact { customer, at_us: 1, what: What::Visit };
    let mut facts = vec![Fact { customer: 0, at_us: 0, what: What::New }];
    facts.push(visit(0));
    let batches = batches(&facts, 1);
    let mut whole = Statistics::new();
    apply(&mut whole, &batches[..1]).expect("a good batch");
    let mut bytes = encoded(&whole);
    let end = bytes.len();
    bytes[end - 1] ^= 1;
    let saved = Saved::open(&bytes, LOG_ID).expect("the header is as it was");
    assert!(apply(&mut Overlay::new(&saved), &batches[1..]).is_err());
}
