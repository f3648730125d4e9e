//! Instants as texts in UTC with the fewest digits that say them exactly, for `serde(with)`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::{parse_time, write_time_shortest};

/// What follows the number of an instant that no year of four digits has.
const SINCE: &str = " microseconds since 1970";

/// An instant in UTC, with the fewest digits that say it exactly.
pub(crate) fn instant(at_us: i64) -> String {
    let mut text = String::new();
    write_time_shortest(at_us, &mut text);
    text
}

pub(super) fn serialize<S: Serializer>(at_us: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&instant(*at_us))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    read(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// The same of what can be absent.
pub(super) mod or_null {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{instant, read};

    pub(in crate::wire) fn serialize<S: Serializer>(
        at_us: &Option<i64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at_us.map(instant).serialize(to)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| read(&text)).transpose().map_err(D::Error::custom)
    }
}

fn read(text: &str) -> Result<i64, String> {
    parse_time(text)
        .or_else(|| text.strip_suffix(SINCE)?.parse().ok())
        .ok_or_else(|| format!("{text:?} is no instant such as \"2017-01-06T12:46:46.384Z\""))
}
