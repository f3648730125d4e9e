//! Which part of a partitioned log a customer belongs to.
//!
//! The number of the part is the first 4 bytes of SHA-256 (FIPS 180-4) of the id, as a big-endian
//! number, modulo the number of parts. It is told by the id alone, so that whoever sends events,
//! keeps them or reads them elsewhere comes to the same one; docs/lake.md has it in SQL and Python.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::Error;

/// The number, from 0, of the part that a customer belongs to.
///
/// ```
/// use std::num::NonZeroU16;
///
/// let four = NonZeroU16::new(4).expect("4 is not 0");
/// // SHA-256 of this id begins with the bytes 9f 80 26 02.
/// assert_eq!(ltvlog::partition_of("96f55c7d8f42", four), (0x9f80_2602_u32 % 4) as u16);
/// ```
pub fn partition_of(customer_id: &str, partitions: NonZeroU16) -> u16 {
    let hash = Sha256::digest(customer_id.as_bytes());
    let first = hash.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    u16::try_from(first % u32::from(partitions.get()))
        .expect("a remainder is less than its divisor")
}

/// One part of a partitioned log: the customers whose ids [`partition_of`] gives its number, and
/// all their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    number: u16,
    of: NonZeroU16,
}

impl Partition {
    /// The only part of a log that is not partitioned.
    pub const WHOLE: Partition = Partition { number: 0, of: NonZeroU16::MIN };

    /// Part `number`, from 0, of so many.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] unless the number is less than that of the parts.
    pub fn new(number: u16, of: u16) -> Result<Partition, Error> {
        let partition = NonZeroU16::new(of).map(|of| Partition { number, of });
        partition.filter(|_| number < of).ok_or_else(|| {
            let reason =
                format!("there is no partition {number} of {of}: they are numbered from 0");
            Error::Options { reason }
        })
    }

    /// Its number, from 0.
    pub fn number(self) -> u16 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> NonZeroU16 {
        self.of
    }

    /// Whether a customer belongs to it.
    pub fn has(self, customer_id: &str) -> bool {
        self.of == NonZeroU16::MIN || partition_of(customer_id, self.of) == self.number
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Partition {
    type Err = Error;

    /// Reads `2/4`: part 2, from 0, of 4.
    fn from_str(text: &str) -> Result<Partition, Error> {
        let parts = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let (number, of) = parts.ok_or_else(|| {
            let reason = format!("a partition is NUMBER/OF, such as 0/4, and not {text:?}");
            Error::Options { reason }
        })?;
        Partition::new(number, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `int.from_bytes(hashlib.sha256(id.encode()).digest()[:4], "big") % n`.
    const GOLDEN: [(&str, u32, [u16; 5]); 6] = [
        ("96f55c7d8f42", 0x9f802602, [0, 0, 2, 2, 50562]),
        ("c1", 0xd0f631ca, [0, 0, 6, 10, 705]),
        ("", 0xe3b0c442, [0, 0, 1, 2, 42995]),
        ("é", 0x4a99557e, [0, 0, 6, 62, 40983]),
        ("customer-18446744073709551615", 0x10c59ad8, [0, 0, 3, 24, 43933]),
        (
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            0xa8ae6e6e,
            [0, 0, 2, 46, 5917],
        ),
    ];

    #[test]
    fn customers_stay_where_they_are() {
        for (id, hash, parts) in GOLDEN {
            for (of, part) in [1, 2, 7, 64, 65_535].into_iter().zip(parts) {
                let of = NonZeroU16::new(of).expect("none is 0");
                assert_eq!(u32::from(part), hash % u32::from(of.get()), "{id:?}: a golden value");
                assert_eq!(partition_of(id, of), part, "{id:?} of {of}");
                let own = Partition::new(part, of.get()).expect("it is one of them");
                assert!(own.has(id));
                let other = Partition::new((part + 1) % of, of.get()).expect("so is this");
                assert_eq!(other.has(id), of.get() == 1, "{id:?} of {of}");
            }
        }
    }

    #[test]
    fn a_partition_is_read_as_it_is_written() {
        for text in ["0/1", "2/4", "65534/65535"] {
            assert_eq!(text.parse::<Partition>().expect(text).to_string(), text);
        }
        assert_eq!("0/1".parse::<Partition>().expect("one"), Partition::WHOLE);
        for text in ["", "1", "1/1", "0/0", "4/4", "-1/2", "1/65536", "1/2/3", "a/b", "/", " 0/1"] {
            assert!(text.parse::<Partition>().is_err(), "{text:?}");
        }
    }
}
