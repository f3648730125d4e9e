//! A customer as `top` and as `stats` tell of one.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

#[cfg(feature = "serve")]
use super::schema;
use super::{amount, instant};
use crate::Customer;

/// A customer with a rank, as `top` has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = RankedCustomer))]
pub(crate) struct RankedJson<'a> {
    rank: u64,
    #[serde(flatten)]
    figures: FiguresJson<'a>,
}

/// A customer as `stats` has it: with all that the log knows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Customer))]
pub(crate) struct KnownJson<'a> {
    #[serde(flatten)]
    figures: FiguresJson<'a>,
    #[serde(rename = "first_event", with = "instant")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Instant))]
    first_us: i64,
    #[serde(rename = "last_event", with = "instant")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Instant))]
    last_us: i64,
    #[cfg_attr(feature = "serve", schema(required = true))]
    adr_city: Option<Cow<'a, str>>,
    #[cfg_attr(feature = "serve", schema(required = true))]
    adr_state: Option<Cow<'a, str>>,
}

/// What `top` and `stats` tell of a customer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Figures))]
struct FiguresJson<'a> {
    customer_id: Cow<'a, str>,
    #[cfg_attr(feature = "serve", schema(required = true))]
    last_name: Option<Cow<'a, str>>,
    #[serde(rename = "ltv", with = "amount")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Amount))]
    ltv_cents: i128,
    #[serde(rename = "revenue", with = "amount")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Amount))]
    revenue_cents: i64,
    #[cfg_attr(feature = "serve", schema(value_type = u64))]
    visits: u32,
    #[cfg_attr(feature = "serve", schema(value_type = u64))]
    orders: u32,
    #[serde(rename = "revenue_per_visit", with = "amount::or_null", default)]
    #[cfg_attr(feature = "serve", schema(value_type = Option<schema::Amount>, required = true))]
    revenue_per_visit_cents: Option<i64>,
    #[serde(rename = "visits_per_week", with = "amount")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Amount))]
    visits_per_week_hundredths: i64,
}

impl<'a> RankedJson<'a> {
    pub(crate) fn new(rank: u64, customer: &'a Customer) -> RankedJson<'a> {
        RankedJson { rank, figures: FiguresJson::new(customer) }
    }
}

impl<'a> KnownJson<'a> {
    pub(crate) fn new(customer: &'a Customer) -> KnownJson<'a> {
        KnownJson {
            figures: FiguresJson::new(customer),
            first_us: customer.first_us,
            last_us: customer.last_us,
            adr_city: customer.adr_city.as_deref().map(Cow::Borrowed),
            adr_state: customer.adr_state.as_deref().map(Cow::Borrowed),
        }
    }
}

impl<'a> FiguresJson<'a> {
    fn new(customer: &'a Customer) -> FiguresJson<'a> {
        FiguresJson {
            customer_id: Cow::Borrowed(&customer.customer_id),
            last_name: customer.last_name.as_deref().map(Cow::Borrowed),
            ltv_cents: customer.ltv_cents,
            revenue_cents: customer.revenue_cents,
            visits: customer.visits,
            orders: customer.orders,
            revenue_per_visit_cents: customer.revenue_per_visit_cents,
            visits_per_week_hundredths: customer.visits_per_week_hundredths,
        }
    }
}

impl From<FiguresJson<'_>> for Customer {
    fn from(json: FiguresJson<'_>) -> Customer {
        Customer {
            customer_id: json.customer_id.into_owned(),
            last_name: json.last_name.map(Cow::into_owned),
            adr_city: None,
            adr_state: None,
            ltv_cents: json.ltv_cents,
            revenue_cents: json.revenue_cents,
            visits: json.visits,
            orders: json.orders,
            revenue_per_visit_cents: json.revenue_per_visit_cents,
            visits_per_week_hundredths: json.visits_per_week_hundredths,
            first_us: 0,
            last_us: 0,
        }
    }
}

impl From<RankedJson<'_>> for Customer {
    /// What `top` does not tell is absent, and 1970 for both instants.
    fn from(json: RankedJson<'_>) -> Customer {
        json.figures.into()
    }
}

impl From<KnownJson<'_>> for Customer {
    fn from(json: KnownJson<'_>) -> Customer {
        Customer {
            first_us: json.first_us,
            last_us: json.last_us,
            adr_city: json.adr_city.map(Cow::into_owned),
            adr_state: json.adr_state.map(Cow::into_owned),
            ..json.figures.into()
        }
    }
}
