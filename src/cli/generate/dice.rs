//! The generator's arithmetic: dice, keys and even spreading, all in integers.
//!
//! Its results are part of what `generate` promises: nothing here may change.

use rand_core::Rng;
use rand_pcg::Pcg64;

/// Any odd number with well mixed bits: seeds that are neighbours must not look it.
const SEED_FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
/// The stream that all seeds use.
const STREAM: u128 = 0x6c74_766c_6f67;
/// Keys have 48 bits: 12 hex digits.
const KEY_MASK: u64 = (1 << 48) - 1;

/// A stream of random numbers.
pub(super) struct Dice(Pcg64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        let state = (u128::from(seed) + 1).wrapping_mul(SEED_FACTOR);
        Dice(Pcg64::new(state, STREAM))
    }

    /// A number below `limit`, which is not 0. The bias is below limit / 2^64.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(limit);
        u64::try_from(product >> 64).expect("the upper half of 128 bits has 64")
    }

    fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A permutation of the 48-bit numbers that looks random: different numbers, different keys.
pub(super) struct Keys {
    add: u64,
    multiply: [u64; 2],
}

impl Keys {
    pub(super) fn new(dice: &mut Dice) -> Keys {
        let add = dice.bits();
        // Odd factors and shifted exclusive-ors can be undone, which makes it a permutation.
        Keys { add, multiply: [dice.bits() | 1, dice.bits() | 1] }
    }

    pub(super) fn key(&self, number: u64) -> u64 {
        let mut key = number.wrapping_add(self.add) & KEY_MASK;
        for factor in self.multiply {
            key ^= key >> 23;
            key = key.wrapping_mul(factor) & KEY_MASK;
        }
        key ^ (key >> 25)
    }
}

/// Walks from 0 to `total` in `steps` steps that differ by at most one.
pub(super) struct Spread {
    whole: u64,
    rest: u64,
    steps: u64,
    position: u64,
    carry: u64,
}

impl Spread {
    pub(super) fn new(total: u64, steps: u64) -> Spread {
        let steps = steps.max(1);
        Spread { whole: total / steps, rest: total % steps, steps, position: 0, carry: 0 }
    }

    /// The same walk, taking the larger steps as early as it can.
    pub(super) fn ahead(mut self) -> Spread {
        self.carry = self.steps - self.rest.max(1);
        self
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Walks on; by how much.
    pub(super) fn step(&mut self) -> u64 {
        let mut by = self.whole;
        self.carry += self.rest;
        if self.carry >= self.steps {
            self.carry -= self.steps;
            by += 1;
        }
        self.position += by;
        by
    }
}
