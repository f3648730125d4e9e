//! Hundredths as decimal strings, `"-1234.56"`, for `serde(with)`.
//!
//! What is read is what is written: an optional minus, digits, a point and two more. Any number of
//! hundredths that the field's type has comes back as it was.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::write_cents;

/// Cents as 1234.56, the same in tables and for programs: what is read off can be pasted.
pub(crate) fn amount(cents: impl Into<i128>) -> String {
    let mut text = String::new();
    write_cents(cents.into(), &mut text);
    text
}

pub(super) fn serialize<T: Into<i128> + Copy, S: Serializer>(
    cents: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&amount(*cents))
}

pub(super) fn deserialize<'de, T: TryFrom<i128>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    read(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// The same of what can be absent.
pub(super) mod or_null {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{amount, read};

    pub(in crate::wire) fn serialize<T: Into<i128> + Copy, S: Serializer>(
        cents: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        cents.map(amount).serialize(to)
    }

    pub(in crate::wire) fn deserialize<'de, T: TryFrom<i128>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| read(&text)).transpose().map_err(D::Error::custom)
    }
}

fn read<T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    let cents = hundredths(text).ok_or_else(|| {
        format!("{text:?} is no amount: digits, a point and two more are one, as in \"-1234.56\"")
    })?;
    T::try_from(cents).ok().ok_or_else(|| format!("the amount {text:?} is too large"))
}

fn hundredths(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, part) = digits.split_once('.')?;
    let all_digits = whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() != 2 || !all_digits {
        return None;
    }
    // With its sign, since the least number has no positive.
    format!("{sign}{whole}{part}").parse().ok()
}
