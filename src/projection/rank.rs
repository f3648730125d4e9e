//! The top X: customers by lifetime value, descending, then by id, ascending by bytes.
//!
//! Ids are dear (each is read back from the log), so the value alone is ranked first and the id is
//! asked for only where it decides: for the customers in the answer, and for those who tie with
//! its last.

use std::cmp::Reverse;
use std::ops::Range;

use super::ltv::Value;
use crate::error::Fault;
use crate::top::TopX;

/// Customers whose values are read at a time: as many revenues as a block of a checkpoint has.
pub(super) const CHUNK_CUSTOMERS: u32 = 512;

/// The ordinals of the n-th chunk of so many customers.
pub(super) fn chunk_of(chunk: u32, customers: u32) -> Range<u32> {
    let start = chunk.saturating_mul(CHUNK_CUSTOMERS);
    start..customers.min(start.saturating_add(CHUNK_CUSTOMERS))
}

/// The values that are ranked.
pub(crate) trait Values {
    /// How many there are.
    fn customers(&self) -> u32;

    /// A value that none of a chunk of customers exceeds: the n-th 512.
    fn at_most(&self, chunk: u32) -> Result<Value, Fault>;

    /// Appends those of some customers.
    fn read(&self, ordinals: Range<u32>, out: &mut Vec<Value>) -> Result<(), Fault>;
}

/// A customer in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranked {
    /// The customer's number in the log.
    pub ordinal: u32,
    /// The customer's id.
    pub id: String,
}

/// The first `x` of all customers, best first; all of them if `x` is more.
///
/// Chunks are looked into by what their values are at most, the greatest first, until none can
/// change which the x-th value is. Then `id_of` is asked, in ascending ordinal order, for every
/// customer that has at least that value, among the chunks that may have one. O(n log x) time, and
/// O(n / 512 + x log x) where few chunks have great values; O(x + n / 512) memory.
///
/// # Errors
///
/// The first error of `id_of`, or of the values.
pub(crate) fn rank<E: From<Fault>>(
    x: usize,
    values: &dyn Values,
    id_of: &mut dyn FnMut(u32) -> Result<String, E>,
) -> Result<Vec<Ranked>, E> {
    if x == 0 {
        return Ok(Vec::new());
    }
    let customers = values.customers();
    let mut chunks = Vec::new();
    for chunk in 0..customers.div_ceil(CHUNK_CUSTOMERS) {
        chunks.push((values.at_most(chunk)?, chunk));
    }
    let mut read = Vec::new();
    let mut heap = TopX::new(x);
    if usize::try_from(customers).is_ok_and(|customers| x < customers) {
        chunks.sort_unstable_by(|a, b| b.cmp(a));
        for (at_most, chunk) in &chunks {
            // So is what follows.
            if heap.threshold().is_some_and(|threshold| at_most <= threshold) {
                break;
            }
            read.clear();
            values.read(chunk_of(*chunk, customers), &mut read)?;
            read.iter().for_each(|value| heap.push(*value));
        }
    }
    let threshold = heap.threshold();
    let reaches = |value: &Value| threshold.is_none_or(|threshold| value >= threshold);

    let mut top = TopX::new(x);
    chunks.retain(|(at_most, _)| reaches(at_most));
    chunks.sort_unstable_by_key(|(_, chunk)| *chunk);
    for (_, chunk) in chunks {
        let ordinals = chunk_of(chunk, customers);
        read.clear();
        values.read(ordinals.clone(), &mut read)?;
        for (ordinal, value) in ordinals.zip(&read).filter(|(_, value)| reaches(value)) {
            // The ordinal only orders customers without an id (erased ones), to be repeatable.
            top.push((*value, Reverse((id_of(ordinal)?, ordinal))));
        }
    }
    let ranked = |(_, Reverse((id, ordinal)))| Ranked { ordinal, id };
    Ok(top.into_sorted().into_iter().map(ranked).collect())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{CHUNK_CUSTOMERS, Values, chunk_of, rank};
    use crate::error::Fault;
    use crate::projection::ltv::{Measure, Value};

    impl Values for Vec<Value> {
        fn customers(&self) -> u32 {
            u32::try_from(self.len()).expect("few")
        }

        fn at_most(&self, chunk: u32) -> Result<Value, Fault> {
            // No less than 1, though: nobody promises that a customer has that much.
            let of = chunk_of(chunk, self.customers());
            let greatest = self[of.start as usize..of.end as usize].iter().max();
            Ok(greatest.expect("none is empty").max(&value(3, 3)).to_owned())
        }

        fn read(&self, ordinals: Range<u32>, out: &mut Vec<Value>) -> Result<(), Fault> {
            out.extend(&self[ordinals.start as usize..ordinals.end as usize]);
            Ok(())
        }
    }

    fn value(revenue_cents: i64, weeks: u32) -> Value {
        Measure { revenue_cents, visits: 0, orders: 0, weeks }.value()
    }

    /// Four ids that are not in the order of their ordinals; `B` sorts before `a` by bytes, and
    /// a prefix before what it begins.
    const IDS: [&str; 5] = ["b", "a", "B", "é", "aa"];

    /// Ranks customers with these (revenue, weeks); also says whose ids were asked for.
    fn ids(x: usize, values: &[(i64, u32)]) -> (Vec<String>, Vec<u32>) {
        let mut asked = Vec::new();
        let values: Vec<Value> =
            values.iter().map(|(cents, weeks)| value(*cents, *weeks)).collect();
        let ranked = rank(x, &values, &mut |ordinal| {
            asked.push(ordinal);
            Ok::<_, Fault>(IDS[ordinal as usize].to_owned())
        });
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
        let values = vec![value(1, 1); 4];
        let erased = |x| rank(x, &values, &mut |_| Ok::<_, Fault>(String::new()));
        let ordinals = erased(2).expect("ids never fail here").into_iter().map(|one| one.ordinal);
        assert_eq!(ordinals.collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_failing_id_is_an_error() {
        let fail = Fault::Corrupt("no id");
        let ranked = rank(1, &vec![value(0, 1); 3], &mut |_| Err(fail));
        assert_eq!(ranked, Err(fail));
    }

    /// More customers than are read at a time, with ties across.
    #[test]
    fn equals_a_sort_over_many_chunks() {
        let id = |ordinal: u32| format!("{:04}", ordinal * 7919 % 5003);
        for customers in [CHUNK_CUSTOMERS - 1, CHUNK_CUSTOMERS, CHUNK_CUSTOMERS + 1, 5000] {
            for kinds in [1, 7, 900] {
                let revenue = |ordinal: u32| i64::from(ordinal.wrapping_mul(2_654_435_761) % kinds);
                let values: Vec<_> = (0..customers).map(|of| value(revenue(of), 3)).collect();
                let mut expected: Vec<u32> = (0..customers).collect();
                expected.sort_by_key(|ordinal| (-revenue(*ordinal), id(*ordinal)));
                for x in [1, 10, 600, 4_999, 5_000] {
                    let ranked = rank(x, &values, &mut |ordinal| Ok::<_, Fault>(id(ordinal)));
                    let ranked = ranked.expect("ids never fail here").into_iter();
                    let ranked: Vec<u32> = ranked.map(|one| one.ordinal).collect();
                    let count = x.min(expected.len());
                    assert_eq!(ranked, expected[..count], "{x} of {customers}, {kinds} values");
                }
            }
        }
    }
}
