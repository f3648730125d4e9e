//! Why a server did not do what it was asked for: `application/problem+json`, RFC 9457.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What stands in the answer, or in the last line of one that was cut short.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Problem))]
pub(crate) struct ProblemJson<'a> {
    /// The status code of HTTP.
    #[cfg_attr(feature = "serve", schema(value_type = u64, minimum = 400, maximum = 599))]
    pub(crate) status: u16,
    /// What the status is called.
    pub(crate) title: Cow<'a, str>,
    /// What, where, and what to do.
    #[serde(default)]
    #[cfg_attr(feature = "serve", schema(required = true))]
    pub(crate) detail: Cow<'a, str>,
}
