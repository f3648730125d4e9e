//! The digest of the statistics: 16 bytes that are equal where every customer's numbers are.
//!
//! For each customer SHA-256 of the id's length (u8), the id, then visits, orders, revenue in
//! cents, first and last event in µs (each i64, little-endian); its first 16 bytes are two
//! little-endian u64, each summed over the customers, wrapping. So it depends on no order, batch
//! or machine, and the digests of partitions add up to the digest of the whole.

use std::fmt;
use std::ops::AddAssign;

use sha2::{Digest as _, Sha256};

use super::statistics::CustomerStatistics;

/// The digest of some customers' statistics; of none at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest {
    sums: [u64; 2],
}

impl Digest {
    /// Adds a customer, named by an id of at most 255 bytes. Each customer is added once.
    pub(crate) fn add(&mut self, id: &str, statistics: &CustomerStatistics) {
        let id_bytes = u8::try_from(id.len()).expect("ids have at most 255 bytes");
        let numbers = [
            i64::from(statistics.visits),
            i64::from(statistics.orders),
            statistics.revenue_cents,
            statistics.first_us,
            statistics.last_us,
        ];
        let mut hash = Sha256::new();
        hash.update([id_bytes]);
        hash.update(id.as_bytes());
        hash.update(numbers.map(i64::to_le_bytes).as_flattened());
        let bytes: [u8; 32] = hash.finalize().into();
        let (words, _) = bytes.as_chunks::<8>();
        for (sum, word) in self.sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
}

impl AddAssign for Digest {
    /// The digest of two disjoint sets of customers together.
    fn add_assign(&mut self, other: Digest) {
        for (sum, word) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.wrapping_add(word);
        }
    }
}

impl fmt::Display for Digest {
    /// 32 lower-case hex digits.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sums
            .iter()
            .flat_map(|sum| sum.to_le_bytes())
            .try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerStatistics, Digest};

    fn customer(seed: i64) -> CustomerStatistics {
        CustomerStatistics {
            revenue_cents: -seed,
            first_us: seed,
            last_us: seed + 1,
            visits: 3,
            orders: 4,
        }
    }

    fn digest_of(ids: &[&str]) -> Digest {
        let mut digest = Digest::default();
        ids.iter()
            .for_each(|id| digest.add(id, &customer(i64::try_from(id.len()).expect("short"))));
        digest
    }

    #[test]
    fn order_and_partition_do_not_matter() {
        let whole = digest_of(&["a", "bb", "ccc", ""]);
        assert_eq!(whole, digest_of(&["ccc", "", "bb", "a"]));
        let mut parts = digest_of(&["bb", ""]);
        parts += digest_of(&["ccc", "a"]);
        assert_eq!(whole, parts);
        assert_eq!(Digest::default().to_string(), "0".repeat(32));
    }

    /// Recomputed with Python's hashlib from the definition in the module's first lines.
    #[test]
    fn is_what_the_definition_says() {
        let mut digest = Digest::default();
        let statistics = CustomerStatistics {
            revenue_cents: 1_234,
            first_us: 1_483_706_752_041_000,
            last_us: 1_483_707_355_555_000,
            visits: 1,
            orders: 1,
        };
        digest.add("96f55c7d8f42", &statistics);
        assert_eq!(digest.to_string(), "f82f6fc060a196980aa6db40457bf009");
    }

    #[test]
    fn every_number_matters() {
        let base = digest_of(&["a"]);
        let one = customer(1);
        for changed in [
            CustomerStatistics { revenue_cents: one.revenue_cents + 1, ..one },
            CustomerStatistics { first_us: one.first_us + 1, ..one },
            CustomerStatistics { last_us: one.last_us + 1, ..one },
            CustomerStatistics { visits: one.visits + 1, ..one },
            CustomerStatistics { orders: one.orders + 1, ..one },
        ] {
            let mut digest = Digest::default();
            digest.add("a", &changed);
            assert_ne!(digest, base);
        }
    }
}
