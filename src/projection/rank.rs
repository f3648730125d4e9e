//! The top X: customers by lifetime value, descending, then by id, ascending by bytes.
//!
//! Ids are dear (each is read back from the log), so the value alone is ranked first and the id is
//! asked for only where it decides: for the customers in the answer, and for those who tie with
//! its last.

use std::cmp::Reverse;

use super::ltv::Value;
use crate::error::Error;
use crate::top::TopX;

/// A customer in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranked {
    /// The customer's number in the log.
    pub ordinal: u32,
    /// The customer's id.
    pub id: String,
}

/// The first `x` of the customers `0..customers`, best first; all of them if `x` is more.
///
/// Two passes over the values: one finds the x-th greatest, the other asks `id_of`, in ascending
/// ordinal order, for every customer that has at least that value. O(n log x) time, O(x) memory.
///
/// # Errors
///
/// The first error of `id_of`.
pub(crate) fn rank(
    x: usize,
    customers: u32,
    value_of: &mut dyn FnMut(u32) -> Value,
    id_of: &mut dyn FnMut(u32) -> Result<String, Error>,
) -> Result<Vec<Ranked>, Error> {
    if x == 0 {
        return Ok(Vec::new());
    }
    let mut values = TopX::new(x);
    if usize::try_from(customers).is_ok_and(|customers| x < customers) {
        (0..customers).for_each(|ordinal| values.push(value_of(ordinal)));
    }
    let threshold = values.threshold();

    let mut top = TopX::new(x);
    for ordinal in 0..customers {
        let value = value_of(ordinal);
        if threshold.is_none_or(|threshold| value >= *threshold) {
            // The ordinal only orders customers without an id (erased ones), to be repeatable.
            top.push((value, Reverse((id_of(ordinal)?, ordinal))));
        }
    }
    let ranked = |(_, Reverse((id, ordinal)))| Ranked { ordinal, id };
    Ok(top.into_sorted().into_iter().map(ranked).collect())
}

#[cfg(test)]
mod tests {
    use super::rank;
    use crate::error::Error;
    use crate::projection::ltv::{Measure, Value};

    fn value(revenue_cents: i64, weeks: u32) -> Value {
        Measure { revenue_cents, visits: 0, orders: 0, weeks }.value()
    }

    /// Four ids that are not in the order of their ordinals; `B` sorts before `a` by bytes, and
    /// a prefix before what it begins.
    const IDS: [&str; 5] = ["b", "a", "B", "é", "aa"];

    /// Ranks customers with these (revenue, weeks); also says whose ids were asked for.
    fn ids(x: usize, values: &[(i64, u32)]) -> (Vec<String>, Vec<u32>) {
        let mut asked = Vec::new();
        let ranked = rank(
            x,
            u32::try_from(values.len()).expect("few"),
            &mut |ordinal| {
                let (revenue_cents, weeks) = values[ordinal as usize];
                value(revenue_cents, weeks)
            },
            &mut |ordinal| {
                asked.push(ordinal);
                Ok(IDS[ordinal as usize].to_owned())
            },
        );
        (ranked.expect("ids never fail here").into_iter().map(|one| one.id).collect(), asked)
    }

    /// All assignments of 3 revenues and 2 numbers of weeks to 5 customers, every x.
    #[test]
    fn equals_a_sort_on_all_small_inputs() {
        for code in 0..6_usize.pow(5) {
            let values: Vec<(i64, u32)> = (0..5_u32)
                .map(|place| code / 6_usize.pow(place) % 6)
                .map(|digit| ((digit as i64 % 3) - 1, 1 + digit as u32 / 3))
                .collect();
            let mut expected: Vec<usize> = (0..5).collect();
            // Two weeks halve the value: compare in halves.
            let halves = |customer: usize| values[customer].0 * (2 / i64::from(values[customer].1));
            expected.sort_by(|a, b| {
                halves(*b).cmp(&halves(*a)).then(IDS[*a].as_bytes().cmp(IDS[*b].as_bytes()))
            });
            let expected: Vec<&str> = expected.into_iter().map(|customer| IDS[customer]).collect();
            for x in 0..=6 {
                let (ranked, asked) = ids(x, &values);
                assert_eq!(ranked, expected[..x.min(5)], "{values:?} top {x}");
                assert!(asked.is_sorted());
            }
        }
    }

    #[test]
    fn ids_are_asked_for_only_where_they_decide() {
        let (ranked, asked) = ids(2, &[(5, 1), (9, 1), (3, 1), (5, 1), (1, 1)]);
        assert_eq!(ranked, ["a", "b"]);
        assert_eq!(asked, [0, 1, 3]);
        assert_eq!(ids(0, &[(5, 1), (9, 1)]), (vec![], vec![]));
        assert_eq!(ids(7, &[]), (vec![], vec![]));
    }

    #[test]
    fn customers_without_an_id_keep_their_order() {
        let erased = |x| rank(x, 4, &mut |_| value(1, 1), &mut |_| Ok(String::new()));
        let ordinals = erased(2).expect("ids never fail here").into_iter().map(|one| one.ordinal);
        assert_eq!(ordinals.collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_failing_id_is_an_error() {
        let mut fail = |_| Err(Error::Options { reason: "no id".to_owned() });
        let ranked = rank(1, 3, &mut |_| value(0, 1), &mut fail);
        assert!(matches!(ranked, Err(Error::Options { .. })));
    }
}
