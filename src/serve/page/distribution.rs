//! How lifetime values are distributed: a histogram whose steps grow as the values do.

use crate::{Statistics, WeekStart};

/// Lifetime value is so many times a customer's revenue a week: 52 weeks of 10 years.
const WEEKS_OF_LIFE: i128 = 520;

/// Customers by lifetime value, as `top` ranks them unless something else is asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Distribution {
    /// All events below count.
    pub(super) end: u64,
    pub(super) customers: u64,
    /// Customers with a value below 0.
    pub(super) negative: u64,
    /// Those with one of 0.
    pub(super) zero: u64,
    /// All others, from the lowest step that somebody is in to the highest.
    pub(super) bins: Vec<Bin>,
}

/// A step, of 1 to 2, 2 to 5 or 5 to 10 and so on, in cents, without its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Bin {
    pub(super) from_cents: i128,
    pub(super) to_cents: i128,
    pub(super) customers: u64,
}

impl Distribution {
    pub(super) fn of(statistics: &Statistics) -> Distribution {
        let weeks = statistics.frame().map_or(1, |frame| frame.weeks(WeekStart::default()));
        let edges = edges();
        // Value grows with revenue, so that an edge of one is an edge of the other: the loop over
        // customers does not calculate.
        let least: Vec<i128> = edges.iter().map(|edge| least_revenue(*edge, weeks)).collect();
        let positive = least.first().copied().unwrap_or(1);
        let mut distribution = Distribution { end: statistics.end(), ..Distribution::default() };
        let mut counts = vec![0_u64; edges.len()];
        for customer in statistics.customers() {
            let revenue = i128::from(customer.revenue_cents);
            let above = least.partition_point(|edge| *edge <= revenue);
            match above.checked_sub(1).and_then(|bin| counts.get_mut(bin)) {
                Some(count) => *count += 1,
                None if revenue <= -positive => distribution.negative += 1,
                None => distribution.zero += 1,
            }
            distribution.customers += 1;
        }
        let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let last = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let bins = edges.iter().zip(edges.iter().skip(1)).zip(&counts);
        let bins = bins.map(|((from, to), customers)| Bin {
            from_cents: *from,
            to_cents: *to,
            customers: *customers,
        });
        distribution.bins = bins.take(last).skip(first).collect();
        distribution
    }
}

/// 1, 2, 5, 10 … up to beyond the value of any revenue.
fn edges() -> Vec<i128> {
    let tens = std::iter::successors(Some(1_i128), |ten| ten.checked_mul(10)).take(25);
    tens.flat_map(|ten| [ten, ten * 2, ten * 5]).collect()
}

/// The least revenue, in cents, of a value that rounds to `edge` or more.
fn least_revenue(edge: i128, weeks: u32) -> i128 {
    let weeks = i128::from(weeks);
    // The value is a half below the edge there, or just under that.
    let near = (2 * edge - 1).saturating_mul(weeks).div_euclid(2 * WEEKS_OF_LIFE);
    let mut revenue = near;
    while value(revenue, weeks) < edge {
        revenue += 1;
    }
    revenue
}

/// A lifetime value in cents, rounded half to even.
fn value(revenue_cents: i128, weeks: i128) -> i128 {
    let exact = revenue_cents * WEEKS_OF_LIFE;
    let (floor, rest) = (exact.div_euclid(weeks), exact.rem_euclid(weeks));
    match (2 * rest).cmp(&weeks) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Options, Question, Store};

    #[test]
    fn customers_are_counted_where_their_values_lie() {
        for last_day in ["2017-01-02", "2017-11-30", "2045-06-01", "2095-01-01"] {
            let mut lines = Vec::new();
            let amounts = [
                "0.00", "0.01", "-0.01", "0.02", "0.03", "0.05", "0.10", "1.00", "19.23", "19.24",
                "-4.00", "123.45", "5000.00", "99999.99", "0.07", "0.04", "2.00", "3.85",
            ];
            for (n, amount) in amounts.iter().enumerate() {
                lines.push(format!(
                    r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-01T00:00:00Z"}}"#
                ));
                lines.push(format!(
                    r#"{{"type":"ORDER","verb":"NEW","key":"o{n}","event_time":"{last_day}T00:00:00Z","customer_id":"c{n}","total_amount":"{amount} USD"}}"#
                ));
            }
            let mut store = Store::scratch(Options::default()).unwrap();
            let rules = store.rules().clone();
            let events = lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules));
            store.append(events.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
            let mut statistics = Statistics::new();
            store.replay(&mut statistics).unwrap();
            let found = Distribution::of(&statistics);
            let top = store.top(100, &Question::default()).unwrap();
            let values: Vec<i128> = top.customers.iter().map(|one| one.ltv_cents).collect();
            let count =
                |is: &dyn Fn(i128) -> bool| values.iter().filter(|one| is(**one)).count() as u64;
            assert_eq!(found.customers, amounts.len() as u64);
            assert_eq!(found.negative, count(&|one| one < 0), "{last_day}");
            assert_eq!(found.zero, count(&|one| one == 0), "{last_day}");
            let mut counted = found.negative + found.zero;
            for bin in &found.bins {
                let within = count(&|one| bin.from_cents <= one && one < bin.to_cents);
                assert_eq!(bin.customers, within, "{last_day} {bin:?}");
                counted += within;
            }
            assert_eq!(counted, found.customers, "{last_day}");
            assert!(found.bins.first().is_some_and(|bin| bin.customers > 0));
            assert!(found.bins.last().is_some_and(|bin| bin.customers > 0));
        }
    }

    #[test]
    fn nobody_has_no_value() {
        assert_eq!(Distribution::of(&Statistics::new()), Distribution::default());
    }

    #[test]
    fn the_greatest_and_the_least_revenue_have_a_place() {
        let edges = edges();
        for revenue in [i64::MAX, i64::MIN] {
            let value = value(i128::from(revenue), 1);
            assert!(value.abs() < *edges.last().unwrap());
        }
    }
}
