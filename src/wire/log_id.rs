//! A log's id as 16 hex digits, for `serde(with)`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(log_id: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{log_id:016x}"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let log_id = u64::from_str_radix(&text, 16).ok().filter(|_| is_hex);
    log_id.ok_or_else(|| D::Error::custom(format!("{text:?} is no log id: 16 hex digits are one")))
}
