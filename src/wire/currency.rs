//! A currency as its three letters, for `serde(with)`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(currency: &[u8; 3], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(currency))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 3], D::Error> {
    let text = String::deserialize(from)?;
    let code = <[u8; 3]>::try_from(text.as_bytes()).ok();
    code.filter(|code| code.iter().all(u8::is_ascii_uppercase)).ok_or_else(|| {
        D::Error::custom(format!("{text:?} is no currency: three capital letters are one"))
    })
}
