//! The most valuable customers, as `top` tells of them.

use serde::{Deserialize, Serialize};

#[cfg(feature = "serve")]
use super::schema;
use super::{FrameJson, RankedJson, currency, lifespan};
use crate::{Lifespan, Question, Span, Top};

/// A top X and what of its question the answer names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Top))]
pub(crate) struct TopJson<'a> {
    #[serde(with = "currency")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Currency))]
    currency: [u8; 3],
    #[serde(rename = "lifespan_years", with = "lifespan")]
    #[cfg_attr(feature = "serve", schema(value_type = f64))]
    lifespan: Lifespan,
    #[cfg_attr(feature = "serve", schema(required = true))]
    frame: Option<FrameJson>,
    end: u64,
    customers: Vec<RankedJson<'a>>,
}

impl<'a> TopJson<'a> {
    pub(crate) fn new(top: &'a Top, question: &Question) -> TopJson<'a> {
        TopJson {
            currency: top.currency,
            lifespan: question.lifespan,
            frame: top.span.map(FrameJson::from),
            end: top.end,
            customers: (1..)
                .zip(&top.customers)
                .map(|(rank, customer)| RankedJson::new(rank, customer))
                .collect(),
        }
    }
}

impl From<TopJson<'_>> for Top {
    fn from(json: TopJson<'_>) -> Top {
        Top {
            currency: json.currency,
            span: json.frame.map(Span::from),
            end: json.end,
            customers: json.customers.into_iter().map(Into::into).collect(),
        }
    }
}
