//! A lifespan as a JSON number whose digits are those of its text, for `serde(with)`: a float
//! would not carry them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Lifespan;

pub(super) fn serialize<S: Serializer>(lifespan: &Lifespan, to: S) -> Result<S::Ok, S::Error> {
    let digits = RawValue::from_string(lifespan.to_string()).expect("a lifespan is a number");
    digits.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Lifespan, D::Error> {
    let digits = Box::<RawValue>::deserialize(from)?;
    digits.get().parse().map_err(D::Error::custom)
}
