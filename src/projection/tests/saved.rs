//! What is asked of a checkpoint where it lies is what it gives when it is loaded, or a fault.

use super::facts::{Dice, Fact, What, folded};
use crate::error::Fault;
use crate::projection::checkpoint::encode;
use crate::projection::figures::{Figures, Measures};
use crate::projection::ltv::Value;
use crate::projection::rank::{Ranked, rank};
use crate::projection::saved::Saved;
use crate::projection::updates::CUSTOMER_FIELDS;
use crate::projection::{CustomerStatistics, Frame, Statistics, TimeFrame, WeekStart};

pub(super) const LOG_ID: u64 = 7;

pub(super) fn encoded(statistics: &Statistics) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(statistics, LOG_ID, 77, &mut bytes);
    bytes
}

/// As many customers as fill several blocks, each with an update, a visit and an order.
fn many(customers: u32) -> Statistics {
    let mut dice = Dice::new(11);
    let mut facts = Vec::new();
    for customer in 0..customers {
        for what in [
            What::New,
            What::Visit,
            What::Order { order: customer, cents: dice.roll(900).cast_signed() },
            What::Update { fields: 1 << (customer % 3) },
        ] {
            facts.push(Fact { customer, at_us: dice.roll(99).cast_signed(), what });
        }
    }
    folded(&facts, 64, TimeFrame::Dataset)
}

/// All that can be asked, one answer after the other.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Numbers(u64, Option<Frame>, u32),
    Customer(CustomerStatistics),
    Values(Vec<Value>),
    Update(Option<(i64, u64)>),
    Top(Vec<Ranked>),
}

pub(super) fn ask(figures: &dyn Figures, customers: u32) -> Vec<Result<Answer, Fault>> {
    let mut answers =
        vec![Ok(Answer::Numbers(figures.end(), Figures::frame(figures), figures.customer_count()))];
    let measures = Measures::new(figures, TimeFrame::Dataset, WeekStart::Sunday);
    answers.push(rank(3, &measures, &mut |of| Ok(of.to_string())).map(Answer::Top));
    for ordinal in 0..customers {
        answers.push(figures.customer(ordinal).map(Answer::Customer));
        for field in CUSTOMER_FIELDS {
            let update = figures.field_update(ordinal, field);
            answers.push(update.map(|it| Answer::Update(it.map(|it| (it.at_us, it.seq)))));
        }
    }
    for from in (0..customers).step_by(100) {
        let mut values = Vec::new();
        let read = figures.values(from..customers.min(from + 512), 3, &mut values);
        answers.push(read.map(|()| Answer::Values(values)));
    }
    answers
}

#[test]
fn answers_are_those_of_what_was_saved() {
    let small = (0..100).map(|seed| folded(&Dice::new(seed).facts(seed), 7, TimeFrame::Dataset));
    for statistics in small.chain([many(1_500)]) {
        let bytes = encoded(&statistics);
        let saved = Saved::open(&bytes, LOG_ID).expect("unchanged");
        let customers = statistics.customer_count();
        assert_eq!(ask(&saved, customers), ask(&statistics, customers));
        let chunks = customers.div_ceil(512);
        for chunk in 0..chunks {
            assert_eq!(saved.revenue_at_most(chunk), statistics.revenue_at_most(chunk));
        }
        assert!(saved.revenue_at_most(chunks).is_err());
        assert!(saved.customer(customers).is_err());
        assert!(saved.values(0..customers + 1, 1, &mut Vec::new()).is_err());
    }
}

/// No answer is another one than it would have been; and the damage is met, if it is anywhere.
#[test]
fn no_changed_bit_changes_an_answer() {
    let statistics = many(400);
    let customers = statistics.customer_count();
    let expected = ask(&statistics, customers);
    let bytes = encoded(&statistics);
    assert!(bytes.len() > 4 * 4_096, "several blocks");
    let mut met = 0;
    for bit in (0..bytes.len() * 8).step_by(131) {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(saved) = Saved::open(&changed, LOG_ID) else {
            met += 1;
            continue;
        };
        let answers = ask(&saved, customers);
        let wrong = answers.iter().zip(&expected).filter(|(now, due)| now.is_ok() && now != due);
        assert_eq!(wrong.count(), 0, "bit {bit}");
        met += u32::from(answers.iter().any(Result::is_err));
        assert!(saved.all().is_err(), "bit {bit}");
    }
    assert!(met > 700, "{met}");
}

/// What is not asked for is not read: a top X meets the damage of the greatest revenues, and of the
/// chunks of revenues in which its customers are.
#[test]
fn only_what_is_asked_for_is_read() {
    let statistics = many(2_000);
    let bytes = encoded(&statistics);
    let ranked = |changed: &[u8]| {
        let saved = Saved::open(changed, LOG_ID).expect("the header is as it was");
        let measures = Measures::new(&saved, TimeFrame::Dataset, WeekStart::Sunday);
        rank(3, &measures, &mut |of| Ok::<_, Fault>(of.to_string()))
    };
    let expected = ranked(&bytes).expect("unchanged");
    let start = usize::from(u16::from_le_bytes([bytes[72], bytes[73]]));
    let spoil = |at: usize| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        ranked(&changed)
    };
    let last = expected.iter().map(|one| one.ordinal / 512).max();
    assert_eq!(last, Some(2), "the fourth chunk has none of them");
    assert!(spoil(start).is_err());
    assert!(spoil(start + 2 * 4_096).is_err());
    assert!(spoil(bytes.len() - 1).is_err());
    // The last customer's revenue shares its block with the first visits.
    for place in [start + 3 * 4_096, start + 4 * 4_096] {
        assert_eq!(spoil(place), Ok(expected.clone()));
    }
}
