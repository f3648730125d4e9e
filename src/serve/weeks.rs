//! What happened in each calendar week: revenue, visits and orders.
//!
//! An order counts once, in the week of its latest event: an update takes the amount out of the
//! week where it stood before. Weeks begin on Sunday, in UTC, as those of lifetime values do unless
//! something else is asked for.

use std::collections::BTreeMap;

use super::columns::{Columns, Step};
use crate::{Batch, Fault, Projection};

const DAY_US: i64 = 86_400_000_000;
/// 1970-01-01 was a Thursday.
const DAYS_BEFORE_THURSDAY: i64 = 4;

/// The sums of one week.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Week {
    pub(super) revenue_cents: i128,
    pub(super) visits: i64,
    pub(super) orders: i64,
}

/// Weeks by their number; neighbours have neighbouring numbers. One where nothing happened, or
/// nothing is left of what did, may be absent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Weeks {
    by_number: BTreeMap<i64, Week>,
}

/// The number of the week of an instant.
fn number_of(at_us: i64) -> i64 {
    (at_us.div_euclid(DAY_US) + DAYS_BEFORE_THURSDAY).div_euclid(7)
}

/// The day on which a week begins, `2017-01-01`.
pub(super) fn first_day(number: i64) -> String {
    let days = number.saturating_mul(7).saturating_sub(DAYS_BEFORE_THURSDAY);
    let text = crate::wire::instant(days.saturating_mul(DAY_US));
    text.split_once('T').map_or_else(|| text.clone(), |(day, _)| day.to_owned())
}

impl Weeks {
    /// Adds one step.
    pub(super) fn add(&mut self, at_us: i64, step: Step) {
        let week = self.by_number.entry(number_of(at_us)).or_default();
        match step {
            Step::Visit => week.visits += 1,
            Step::Order(cents) => {
                week.revenue_cents += i128::from(cents);
                week.orders += 1;
            }
            Step::OrderGone(cents) => {
                week.revenue_cents -= i128::from(cents);
                week.orders -= 1;
            }
        }
    }

    /// The last so many weeks in which anything happened, oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<(i64, Week)> {
        let some = self.by_number.iter().rev().filter(|(_, week)| **week != Week::default());
        let mut weeks: Vec<_> = some.take(count).map(|(number, week)| (*number, *week)).collect();
        weeks.reverse();
        weeks
    }
}

/// One customer's weeks, folded when they are asked for.
pub(super) struct OfCustomer {
    ordinal: u32,
    columns: Columns,
    pub(super) weeks: Weeks,
}

impl OfCustomer {
    pub(super) fn new(ordinal: u32) -> OfCustomer {
        OfCustomer { ordinal, columns: Columns::default(), weeks: Weeks::default() }
    }
}

impl Projection for OfCustomer {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let OfCustomer { ordinal, columns, weeks } = self;
        columns.read(batch)?;
        columns.steps(&mut |_, customer, at_us, step| {
            if customer == *ordinal {
                weeks.add(at_us, step);
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::fold::Fold;
    use super::*;
    use crate::{Event, Kind, Options, Store};

    /// Every event as it stands in the log, and each order's latest state, counted by hand.
    fn recount(store: &Store, of: Option<&str>) -> Vec<(i64, Week)> {
        let mut orders: HashMap<String, (String, i64, i64)> = HashMap::new();
        let mut weeks: BTreeMap<i64, Week> = BTreeMap::new();
        let mut each = |record: &crate::Record<'_>| {
            let event = &record.event;
            let who = event.customer_id.to_string();
            let state = (who.clone(), event.at_us, event.amount_cents);
            match event.kind {
                Kind::SiteVisitNew if of.is_none_or(|id| id == who) => {
                    weeks.entry(number_of(event.at_us)).or_default().visits += 1;
                }
                Kind::OrderNew => drop(orders.insert(event.key.to_string(), state)),
                Kind::OrderUpdate if orders[&*event.key].1 <= event.at_us => {
                    drop(orders.insert(event.key.to_string(), state));
                }
                _ => {}
            }
            Ok(true)
        };
        store.records(0, &mut each).unwrap();
        for (who, at_us, cents) in orders.into_values() {
            if of.is_none_or(|id| id == who) {
                let week = weeks.entry(number_of(at_us)).or_default();
                week.orders += 1;
                week.revenue_cents += i128::from(cents);
            }
        }
        weeks.into_iter().filter(|(_, week)| *week != Week::default()).collect()
    }

    /// A log of orders that are changed, given away and changed too late.
    fn log() -> Store {
        let mut lines = Vec::new();
        for customer in 0..3 {
            lines.push(format!(
                r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{customer}","event_time":"2017-01-01T00:00:00Z"}}"#
            ));
        }
        for n in 0..120_u32 {
            let (day, customer) = (n * 7 % 28 + 1, n % 3);
            lines.push(format!(
                r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v{n}","event_time":"2017-0{}-{day:02}T10:00:00Z","customer_id":"c{customer}"}}"#,
                n % 9 + 1
            ));
            lines.push(format!(
                r#"{{"type":"ORDER","verb":"NEW","key":"o{n}","event_time":"2017-03-{day:02}T10:00:00Z","customer_id":"c{customer}","total_amount":"{n}.50 USD"}}"#
            ));
            if n % 2 == 0 {
                let (month, other) = (if n % 4 == 0 { 2 } else { 5 }, (n / 2) % 3);
                lines.push(format!(
                    r#"{{"type":"ORDER","verb":"UPDATE","key":"o{n}","event_time":"2017-0{month}-{day:02}T10:00:00Z","customer_id":"c{other}","total_amount":"-{n}.25 USD"}}"#
                ));
            }
        }
        let mut store = Store::scratch(Options::default()).unwrap();
        let rules = store.rules().clone();
        // Several batches, so that updates meet orders of earlier ones.
        for lines in lines.chunks(37) {
            let events = lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules));
            let receipt = store.append(events.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
            assert_eq!(receipt.rejected(), 0);
        }
        store
    }

    #[test]
    fn weeks_are_those_of_a_recount_of_all_events() {
        let store = log();
        let mut fold = Fold::new();
        store.replay(&mut fold).unwrap();
        let weeks = fold.weeks.last(usize::MAX);
        assert!(weeks.len() > 20, "{weeks:?}");
        assert_eq!(weeks, recount(&store, None));
        assert_eq!(fold.weeks.last(3), weeks[weeks.len() - 3..]);
    }

    #[test]
    fn a_customers_weeks_are_those_of_a_recount_and_add_up() {
        let store = log();
        let mut sum: BTreeMap<i64, Week> = BTreeMap::new();
        for id in ["c0", "c1", "c2"] {
            let mut one = OfCustomer::new(store.ordinal(id).unwrap().unwrap());
            store.replay(&mut one).unwrap();
            let weeks = one.weeks.last(usize::MAX);
            assert_eq!(weeks, recount(&store, Some(id)), "{id}");
            for (number, week) in weeks {
                let all = sum.entry(number).or_default();
                all.revenue_cents += week.revenue_cents;
                all.visits += week.visits;
                all.orders += week.orders;
            }
        }
        let sum: Vec<_> = sum.into_iter().filter(|(_, week)| *week != Week::default()).collect();
        assert_eq!(sum, recount(&store, None));
    }

    #[test]
    fn weeks_begin_on_sunday() {
        let at = |text: &str| number_of(crate::parse_time(text).unwrap());
        for (instant, day) in [
            ("2017-01-01T00:00:00Z", "2017-01-01"),
            ("2017-01-07T23:59:59.999999Z", "2017-01-01"),
            ("2017-01-08T00:00:00Z", "2017-01-08"),
            ("1970-01-01T00:00:00Z", "1969-12-28"),
            ("1969-12-27T23:00:00Z", "1969-12-21"),
        ] {
            assert_eq!(first_day(at(instant)), day, "{instant}");
        }
    }
}
