//! Lifetime value and its parts, as exact rational numbers.
//!
//! The formula is the simple LTV of the customer-analytics textbooks, as the "Shutterfly code
//! challenge" states it: 52 × a × t, where a is the value of a customer's week (revenue per visit
//! × visits per week) and t the lifespan in years. Visits cancel, so a customer without visits has
//! one too: LTV = 52 × lifespan × revenue / weeks. Values are compared as fractions and rounded,
//! half to even, only when they are printed.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::error::Error;

/// Weeks in a year, by the formula.
const WEEKS_PER_YEAR: i128 = 52;

/// The longest lifespan: far past sense, and far below where the arithmetic would overflow.
const LIFESPAN_YEARS_MAX: u32 = 1_000_000;

/// How long a customer stays, in years: positive, exact to 3 decimals, 10 unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifespan {
    thousandths: NonZeroU32,
}

impl Default for Lifespan {
    fn default() -> Lifespan {
        Lifespan { thousandths: NonZeroU32::new(10_000).expect("10 years are not 0") }
    }
}

impl FromStr for Lifespan {
    type Err = Error;

    /// Reads `10`, `2.5` or `0.125`: digits, optionally a point and 1 to 3 more, nothing else.
    fn from_str(text: &str) -> Result<Lifespan, Error> {
        parse_thousandths(text).map(|thousandths| Lifespan { thousandths }).ok_or_else(|| {
            Error::Options {
                reason: format!(
                    "a lifespan is a number of years above 0 and at most {LIFESPAN_YEARS_MAX}, \
                     with at most 3 decimals, not {text:?}"
                ),
            }
        })
    }
}

fn parse_thousandths(text: &str) -> Option<NonZeroU32> {
    let (years, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((years, decimals)) => (years, decimals),
        None => (text, ""),
    };
    let all_digits = years.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
    if years.is_empty() || decimals.len() > 3 || !all_digits {
        return None;
    }
    let years: u32 = years.parse().ok()?;
    let thousandths: u32 = format!("{decimals:0<3}").parse().ok()?;
    let thousandths = years.checked_mul(1_000)?.checked_add(thousandths)?;
    NonZeroU32::new(thousandths).filter(|some| some.get() <= LIFESPAN_YEARS_MAX * 1_000)
}

impl fmt::Display for Lifespan {
    /// With the fewest digits, so that a whole number of years is a whole number.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (years, decimals) = (self.thousandths.get() / 1_000, self.thousandths.get() % 1_000);
        if decimals == 0 {
            return write!(out, "{years}");
        }
        write!(out, "{years}.{}", format!("{decimals:03}").trim_end_matches('0'))
    }
}

/// What a ranking and its table need to know of one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Sum of the customer's orders in hundredths of the currency.
    pub revenue_cents: i64,
    /// Visits counted.
    pub visits: u32,
    /// Orders counted.
    pub orders: u32,
    /// Calendar weeks of the frame; a 0 counts as 1.
    pub weeks: u32,
}

impl Measure {
    /// The lifetime value up to a factor that all customers share: what rankings compare.
    pub(crate) fn value(&self) -> Value {
        Value { revenue_cents: self.revenue_cents, weeks: self.weeks.max(1) }
    }

    /// LTV in hundredths of the currency, rounded half to even.
    pub(crate) fn ltv_cents(&self, lifespan: Lifespan) -> i128 {
        // At most 6 + 30 + 63 bits: an i128 is never full.
        let thousandths = i128::from(lifespan.thousandths.get());
        let over = WEEKS_PER_YEAR * thousandths * i128::from(self.revenue_cents);
        round_half_even(over, 1_000 * i128::from(self.weeks.max(1)))
    }

    /// Revenue per visit in hundredths of the currency, rounded half to even; none without visits.
    pub(crate) fn revenue_per_visit_cents(&self) -> Option<i64> {
        let visits = NonZeroU32::new(self.visits)?;
        let cents = round_half_even(self.revenue_cents.into(), visits.get().into());
        Some(i64::try_from(cents).expect("a part is no larger than the whole"))
    }

    /// Visits in an average week, in hundredths, rounded half to even.
    pub(crate) fn visits_per_week_hundredths(&self) -> i64 {
        let hundredths = 100 * i128::from(self.visits);
        let per_week = round_half_even(hundredths, self.weeks.max(1).into());
        i64::try_from(per_week).expect("100 × 2^32 fits")
    }
}

/// Revenue per week as a fraction. LTV is this times 52 times the lifespan, which is positive and
/// the same for all, so it orders customers as LTV does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    revenue_cents: i64,
    /// At least 1.
    weeks: u32,
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        if self.weeks == other.weeks {
            // One frame for all customers is the usual case, and needs no products.
            return self.revenue_cents.cmp(&other.revenue_cents);
        }
        // 63 + 32 bits: exact.
        let ours = i128::from(self.revenue_cents) * i128::from(other.weeks);
        let theirs = i128::from(other.revenue_cents) * i128::from(self.weeks);
        ours.cmp(&theirs)
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    /// Equal fractions are equal however they are written: 1/2 = 2/4.
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

/// The integer nearest to `over / under`, the even one of two; `under` is positive and both are
/// below 2^120.
fn round_half_even(over: i128, under: i128) -> i128 {
    let (floor, rest) = (over.div_euclid(under), over.rem_euclid(under));
    match (2 * rest).cmp(&under) {
        Ordering::Less => floor,
        Ordering::Greater => floor + 1,
        Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Lifespan, Measure, Value, round_half_even};

    fn measure(revenue_cents: i64, visits: u32, weeks: u32) -> Measure {
        Measure { revenue_cents, visits, orders: 1, weeks }
    }

    #[test]
    fn the_sample_of_the_specification() {
        let sample = measure(1_234, 1, 1);
        assert_eq!(sample.ltv_cents(Lifespan::default()), 641_680);
        assert_eq!(sample.revenue_per_visit_cents(), Some(1_234));
        assert_eq!(sample.visits_per_week_hundredths(), 100);
    }

    /// The answers known for the CDNOW sample: 79 weeks, the three best customers.
    #[test]
    fn the_best_of_cdnow() {
        for (revenue_cents, ltv_cents) in
            [(655_270, 4_313_170), (194_358, 1_279_318), (174_758, 1_150_306)]
        {
            assert_eq!(measure(revenue_cents, 1, 79).ltv_cents(Lifespan::default()), ltv_cents);
        }
    }

    #[test]
    fn values_compare_as_fractions() {
        let value = |revenue_cents, weeks| Value { revenue_cents, weeks };
        // Every pair of small fractions, against integers that need no cross-multiplication:
        // 60 is a common multiple of the weeks.
        let weeks = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60];
        for ours in -7..=7 {
            for theirs in -7..=7 {
                for our_weeks in weeks {
                    for their_weeks in weeks {
                        let expected = (ours * i64::from(60 / our_weeks))
                            .cmp(&(theirs * i64::from(60 / their_weeks)));
                        let (a, b) = (value(ours, our_weeks), value(theirs, their_weeks));
                        assert_eq!(a.cmp(&b), expected, "{a:?} {b:?}");
                        assert_eq!(a == b, expected == Ordering::Equal);
                    }
                }
            }
        }
        // Where an f64 would see no difference, and at the edges.
        assert!(value(4_611_686_018_427_387_903, 3) > value(4_611_686_018_427_387_902, 3));
        assert!(value(i64::MAX, u32::MAX) > value(i64::MAX - 1, u32::MAX));
        assert!(value(i64::MAX, u32::MAX - 1) > value(i64::MAX, u32::MAX));
        assert!(value(i64::MIN, 1) < value(i64::MIN, u32::MAX));
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for under in 1..=12_i128 {
            for over in -60..=60_i128 {
                let rounded = round_half_even(over, under);
                let off = (over - rounded * under).abs() * 2;
                assert!(off <= under, "{over}/{under}");
                assert!(off < under || rounded % 2 == 0, "{over}/{under}");
            }
        }
    }

    #[test]
    fn small_parts_are_rounded_to_the_even_cent() {
        let lifespan = Lifespan::default();
        // 52 × 10 × -0.01 / 1000 = -0.0052, and half of it.
        assert_eq!(measure(-1, 3, 1_000).ltv_cents(lifespan), -1);
        assert_eq!(measure(-1, 3, 2_000).ltv_cents(lifespan), 0);
        // 520 / 1040 is half a cent.
        assert_eq!(measure(1, 3, 1_040).ltv_cents(lifespan), 0);
        assert_eq!(measure(3, 3, 1_040).ltv_cents(lifespan), 2);
        assert_eq!(measure(-3, 3, 1_040).ltv_cents(lifespan), -2);
        assert_eq!(measure(-1, 2, 1).revenue_per_visit_cents(), Some(0));
        assert_eq!(measure(-3, 2, 1).revenue_per_visit_cents(), Some(-2));
        assert_eq!(measure(500, 1, 8).visits_per_week_hundredths(), 12);
        assert_eq!(measure(500, 3, 8).visits_per_week_hundredths(), 38);
    }

    #[test]
    fn parts_without_a_divisor() {
        assert_eq!(measure(500, 0, 1).revenue_per_visit_cents(), None);
        assert_eq!(measure(500, 0, 1).visits_per_week_hundredths(), 0);
        assert_eq!(measure(500, 3, 0).visits_per_week_hundredths(), 300);
        assert_eq!(measure(500, 3, 0).ltv_cents(Lifespan::default()), 260_000);
    }

    #[test]
    fn nothing_overflows_at_the_edges() {
        let longest: Lifespan = "1000000".parse().expect("the longest");
        for revenue_cents in [i64::MIN, i64::MAX] {
            let exact = 52 * 1_000_000 * i128::from(revenue_cents);
            assert_eq!(measure(revenue_cents, u32::MAX, 1).ltv_cents(longest), exact);
            let widest = measure(revenue_cents, u32::MAX, u32::MAX);
            assert_eq!(widest.ltv_cents(longest), exact.signum() * 111_669_149_722_000_000);
            assert_eq!(widest.visits_per_week_hundredths(), 100);
            assert_eq!(measure(revenue_cents, 1, 1).revenue_per_visit_cents(), Some(revenue_cents));
        }
    }

    #[test]
    fn lifespans_are_exact() {
        for (text, shown) in [
            ("10", "10"),
            ("1", "1"),
            ("2.5", "2.5"),
            ("2.50", "2.5"),
            ("0.125", "0.125"),
            ("0.001", "0.001"),
            ("007", "7"),
            ("1000000", "1000000"),
            ("1.000", "1"),
        ] {
            let lifespan: Lifespan = text.parse().expect(text);
            assert_eq!(lifespan.to_string(), shown);
        }
        for text in [
            "",
            "0",
            "0.000",
            "-1",
            "+1",
            "1.",
            ".5",
            "1.2345",
            "1e3",
            " 1",
            "1 ",
            "1,5",
            "inf",
            "NaN",
            "1000000.001",
            "4294968",
            "99999999999999999999",
            "１",
            "1.5.",
            "0x10",
        ] {
            assert!(text.parse::<Lifespan>().is_err(), "{text:?}");
        }
        assert_eq!(Lifespan::default().to_string(), "10");
        let third: Lifespan = "3.333".parse().expect("three decimals");
        // 52 × 3.333 × 1.00 / 1 = 173.316
        assert_eq!(measure(100, 1, 1).ltv_cents(third), 17_332);
    }
}
