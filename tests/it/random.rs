//! Random event files that lean on every rule: few keys, shuffled arrival, ties in time, other
//! spellings of the same event, and junk for every reason.
//!
//! The same seed gives the same texts. What becomes of them is for the oracle to say: nothing here
//! knows a rule, it only makes it likely that one is met.

pub mod draft;
pub mod file;
pub mod junk;
pub mod spell;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::model::event::Terms;
use crate::model::instant::{self, DAY_US};
use draft::World;

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From `first` to `last`, both included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let count = (last as i128 - first as i128 + 1) as u128;
        (first as i128 + (u128::from(self.next()) % count) as i128) as i64
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub fn choose<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// One log's life: its rules and its append calls.
pub struct Scenario {
    pub terms: Terms,
    pub calls: Vec<Call>,
    /// For choices of the test itself.
    pub random: Random,
}

/// The texts of one append call; none of them is blank or holds a line feed.
pub struct Call {
    pub texts: Vec<Vec<u8>>,
    pub strict: bool,
}

impl Scenario {
    pub fn new(seed: u64) -> Scenario {
        let mut random = Random::new(seed);
        let terms = terms(&mut random);
        let count = match random.below(100) {
            0..5 => random.below(3),
            5..10 => 300 + random.below(1_200),
            _ => 3 + random.below(120),
        };
        let mut world = World::new(random.clone(), terms.clone(), count);
        let texts = match world.random.below(8) {
            0 => world.calm(count),
            _ => (0..count).map(|_| world.text()).collect(),
        };
        let random = world.random;
        Scenario::cut(terms, texts, random)
    }

    /// Cuts texts into calls, and changes the order of arrival within each.
    pub fn cut(terms: Terms, texts: Vec<Vec<u8>>, mut random: Random) -> Scenario {
        let mut calls = Vec::new();
        let mut rest = texts.as_slice();
        let share = 1 + random.below(4);
        while !rest.is_empty() {
            let count = (texts.len() / share + 1).min(rest.len());
            let mut texts = rest[..count].to_vec();
            rest = &rest[count..];
            match random.below(5) {
                0 => texts.reverse(),
                1 | 2 => random.shuffle(&mut texts),
                _ => {}
            }
            calls.push(Call { texts, strict: random.percent(10) });
        }
        if random.percent(30) && !calls.is_empty() {
            // The producer was not sure, and sends a call again.
            let again = random.below(calls.len());
            calls.push(Call { texts: calls[again].texts.clone(), strict: false });
        }
        Scenario { terms, calls, random }
    }
}

fn terms(random: &mut Random) -> Terms {
    let mut terms = Terms::default();
    if random.percent(10) {
        terms.currency = random.pick(&["EUR", "AAA", "ZZZ"]).to_owned();
    }
    match random.below(20) {
        0 => {
            let year = |year| instant::day_number(year, 1, 1).unwrap() * DAY_US;
            terms.time_range_us = (year(0), year(10_000));
        }
        1 => {
            let from = random.between(-20_000, 40_000) * DAY_US;
            terms.time_range_us = (from, from + random.between(1, 40) * DAY_US);
        }
        2 => {
            let from = random.between(-2_000_000, 2_000_000);
            terms.time_range_us = (from, from + random.between(1, 5_000_000));
        }
        _ => {}
    }
    terms
}

/// Runs a check for seeds from `first` on; on failure it says how to run that seed alone.
///
/// `LTVLOG_SEED` picks one seed, `LTVLOG_SEEDS` another count of them.
pub fn each_seed(test: &str, first: u64, count: u64, mut check: impl FnMut(u64)) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (first, count) = match number("LTVLOG_SEED") {
        Some(seed) => (seed, 1),
        None => (first, number("LTVLOG_SEEDS").unwrap_or(count)),
    };
    for seed in first..first + count {
        if let Err(failure) = catch_unwind(AssertUnwindSafe(|| check(seed))) {
            eprintln!("to repeat it: LTVLOG_SEED={seed} cargo test --test it {test} -- --exact");
            resume_unwind(failure);
        }
    }
}
