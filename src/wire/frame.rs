//! The time that statistics were taken over.

use serde::{Deserialize, Serialize};

use super::instant;
#[cfg(feature = "serve")]
use super::schema;
use crate::Span;

/// The frame of statistics.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Frame))]
pub(crate) struct FrameJson {
    #[serde(rename = "first", with = "instant")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Instant))]
    first_us: i64,
    #[serde(rename = "last", with = "instant")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Instant))]
    last_us: i64,
    #[cfg_attr(feature = "serve", schema(value_type = u64))]
    weeks: u32,
}

impl From<Span> for FrameJson {
    fn from(span: Span) -> FrameJson {
        FrameJson { first_us: span.first_us, last_us: span.last_us, weeks: span.weeks }
    }
}

impl From<FrameJson> for Span {
    fn from(json: FrameJson) -> Span {
        Span { first_us: json.first_us, last_us: json.last_us, weeks: json.weeks }
    }
}
