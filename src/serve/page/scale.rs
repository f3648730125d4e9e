//! An axis: which round numbers it names, and how far along it a value lies.

/// An axis of whole numbers that has 0 on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Scale {
    pub(super) low: i128,
    pub(super) high: i128,
    pub(super) step: i128,
}

impl Scale {
    /// One that has all values between two, and some four steps.
    pub(super) fn over(least: i128, greatest: i128) -> Scale {
        let (least, greatest) = (least.min(0), greatest.max(0));
        let step = round_step(greatest.saturating_sub(least));
        let low = least.div_euclid(step) * step;
        // The step above, unless the value is one.
        let high = greatest.saturating_neg().div_euclid(step).saturating_neg() * step;
        Scale { low, high: if high == low { step } else { high }, step }
    }

    /// The numbers that it names.
    pub(super) fn ticks(&self) -> impl Iterator<Item = i128> + use<> {
        let Scale { low, high, step } = *self;
        std::iter::successors(Some(low), move |tick| tick.checked_add(step))
            .take_while(move |tick| *tick <= high)
            .take(12)
    }

    /// From 0 for the low end to 1 for the high one.
    pub(super) fn part(&self, value: i128) -> f64 {
        (value - self.low) as f64 / (self.high - self.low) as f64
    }
}

/// A step of 1, 2 or 5 and zeros, of which some four make up the range.
fn round_step(range: i128) -> i128 {
    let wanted = (range.saturating_add(3) / 4).max(1);
    let mut ten = 1_i128;
    loop {
        for step in [ten, ten.saturating_mul(2), ten.saturating_mul(5)] {
            if step >= wanted {
                return step;
            }
        }
        ten = ten.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_and_all_values() {
        for (least, greatest, ticks) in [
            (0, 0, vec![0, 1]),
            (0, 1, vec![0, 1]),
            (0, 7, vec![0, 2, 4, 6, 8]),
            (3, 100, vec![0, 50, 100]),
            (0, 101, vec![0, 50, 100, 150]),
            (-30, 70, vec![-50, 0, 50, 100]),
            (-9, -3, vec![-10, -5, 0]),
        ] {
            let scale = Scale::over(least, greatest);
            assert_eq!(scale.ticks().collect::<Vec<_>>(), ticks, "{least}..{greatest}");
            for value in [least, greatest, 0] {
                assert!((0.0..=1.0).contains(&scale.part(value)), "{value} on {scale:?}");
            }
        }
        assert!(Scale::over(i128::from(i64::MIN), i128::from(i64::MAX)).ticks().count() <= 12);
    }
}
