//! What the charts show, as JSON and as SVG.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Of};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::charts::{self, WeeksChart};
use super::distribution::Distribution;
use crate::serve::answers::unknown;
use crate::serve::asked::{self, Asked};
use crate::serve::problem::Problem;
use crate::serve::state::{Shared, State};
use crate::serve::tell;
use crate::serve::weeks::{OfCustomer, Week, first_day};
use crate::wire::{amount, line, schema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::serve) struct WeeksQuery {
    /// The last so many weeks in which something happened
    #[param(default = 520, minimum = 1, maximum = 10_000)]
    last: Option<usize>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::serve) struct ChartQuery {
    /// The width to draw for, in pixels
    #[param(default = 720, minimum = 240, maximum = 2_000)]
    width: Option<u32>,
}

/// As many as a chart shows: ten years.
const WEEKS: usize = 520;
const WEEKS_MAX: usize = 10_000;

impl WeeksQuery {
    fn last(&self) -> Result<usize, Problem> {
        match self.last.unwrap_or(WEEKS) {
            last @ 1..=WEEKS_MAX => Ok(last),
            _ => Err(Problem::bad_request("last is at least 1 and at most 10,000")),
        }
    }
}

impl ChartQuery {
    fn width(&self) -> Result<u32, Problem> {
        match self.width.unwrap_or(720) {
            width @ 240..=2_000 => Ok(width),
            _ => Err(Problem::bad_request("width is at least 240 and at most 2,000")),
        }
    }
}

/// Weeks as they are told.
#[derive(Serialize, ToSchema)]
#[schema(as = Weeks)]
struct WeeksJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    customer_id: Option<&'a str>,
    #[schema(value_type = schema::Currency)]
    currency: &'a str,
    week_start: &'a str,
    end: u64,
    weeks: Vec<WeekJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Week)]
struct WeekJson {
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    first_day: String,
    #[schema(value_type = schema::Amount)]
    revenue: String,
    visits: i64,
    orders: i64,
}

/// Some weeks, and the end of what counts in them.
struct Found {
    weeks: Vec<(i64, Week)>,
    end: u64,
    currency: String,
}

impl Found {
    fn of_all(state: &State, last: usize) -> Result<Found, Problem> {
        let fold = state.live.fold()?;
        let (weeks, end) = (fold.weeks.last(last), fold.statistics.end());
        Ok(Found { weeks, end, currency: currency(state) })
    }

    fn of(state: &State, id: &str, last: usize) -> Result<Found, Problem> {
        let ordinal = state.live.fold()?.ordinal(id).ok_or_else(unknown)?;
        let mut one = OfCustomer::new(ordinal);
        let end = state.reader()?.replay(&mut one)?;
        Ok(Found { weeks: one.weeks.last(last), end, currency: currency(state) })
    }

    fn json(&self, customer_id: Option<&str>) -> String {
        let weeks = self.weeks.iter().map(|(number, week)| WeekJson {
            first_day: first_day(*number),
            revenue: amount(week.revenue_cents),
            visits: week.visits,
            orders: week.orders,
        });
        line(&WeeksJson {
            customer_id,
            currency: &self.currency,
            week_start: "sunday",
            end: self.end,
            weeks: weeks.collect(),
        })
    }

    fn svg(&self, customer: Option<&str>, width: u32) -> String {
        WeeksChart { customer, currency: &self.currency, weeks: &self.weeks, width }.draw()
    }
}

fn currency(state: &State) -> String {
    String::from_utf8_lossy(&state.appender.rules().currency).into_owned()
}

fn image(svg: String) -> Response {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "no-store")], svg).into_response()
}

/// Revenue, visits and orders by week
///
/// An order counts in the week of its latest event. Weeks begin on Sunday, in UTC; those in which
/// nothing happened are left out.
#[utoipa::path(
    get, path = "/v1/weeks", tag = "answers", params(WeeksQuery),
    responses(
        (status = 200, body = WeeksJson<'static>, description = "The weeks, oldest first", content_type = "application/json"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 503, description = "Not yet", content_type = "application/problem+json"),
    )
)]
pub(in crate::serve) async fn weeks(
    Of(state): Of<Shared>,
    Asked(query): Asked<WeeksQuery>,
) -> Result<Response, Problem> {
    let last = query.last()?;
    let text = state.aside(move |state| Ok(Found::of_all(state, last)?.json(None)));
    Ok(tell::json(text.await?))
}

/// The same as a chart
#[utoipa::path(
    get, path = "/v1/charts/weeks.svg", tag = "answers", params(ChartQuery),
    responses(
        (status = 200, body = String, description = "The chart", content_type = "image/svg+xml"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 503, description = "Not yet", content_type = "application/problem+json"),
    )
)]
pub(in crate::serve) async fn weeks_svg(
    Of(state): Of<Shared>,
    Asked(query): Asked<ChartQuery>,
) -> Result<Response, Problem> {
    let width = query.width()?;
    let svg = state.aside(move |state| Ok(Found::of_all(state, WEEKS)?.svg(None, width)));
    Ok(image(svg.await?))
}

/// One customer's revenue, visits and orders by week
#[utoipa::path(
    get, path = "/v1/customers/{id}/weeks", tag = "answers",
    params(("id" = String, Path, description = "The customer's id, percent-encoded"), WeeksQuery),
    responses(
        (status = 200, body = WeeksJson<'static>, description = "The weeks, oldest first", content_type = "application/json"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 404, description = "No such customer", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(in crate::serve) async fn customer_weeks(
    Of(state): Of<Shared>,
    id: Result<Path<String>, PathRejection>,
    Asked(query): Asked<WeeksQuery>,
) -> Result<Response, Problem> {
    let id = asked::id(id)?;
    let last = query.last()?;
    let text = state.heavy(move |state| Ok(Found::of(state, &id, last)?.json(Some(&id))));
    Ok(tell::json(text.await?))
}

/// The same as a chart
#[utoipa::path(
    get, path = "/v1/customers/{id}/weeks.svg", tag = "answers",
    params(("id" = String, Path, description = "The customer's id, percent-encoded"), ChartQuery),
    responses(
        (status = 200, body = String, description = "The chart", content_type = "image/svg+xml"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 404, description = "No such customer", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(in crate::serve) async fn customer_weeks_svg(
    Of(state): Of<Shared>,
    id: Result<Path<String>, PathRejection>,
    Asked(query): Asked<ChartQuery>,
) -> Result<Response, Problem> {
    let id = asked::id(id)?;
    let width = query.width()?;
    let svg = state.heavy(move |state| Ok(Found::of(state, &id, WEEKS)?.svg(Some(&id), width)));
    Ok(image(svg.await?))
}

/// A histogram as it is told.
#[derive(Serialize, ToSchema)]
#[schema(as = Distribution)]
struct DistributionJson<'a> {
    #[schema(value_type = schema::Currency)]
    currency: &'a str,
    end: u64,
    customers: u64,
    negative: u64,
    zero: u64,
    bins: Vec<BinJson>,
}

/// So many customers are worth `from` or more, and less than `to`.
#[derive(Serialize, ToSchema)]
#[schema(as = Bin)]
struct BinJson {
    #[schema(value_type = schema::Amount)]
    from: String,
    #[schema(value_type = schema::Amount)]
    to: String,
    customers: u64,
}

fn distributed(state: &State) -> Result<Distribution, Problem> {
    Ok(Distribution::of(&state.live.fold()?.statistics))
}

/// How many customers have which lifetime value
///
/// In steps of 1 to 2, 2 to 5 and 5 to 10 and so on, without their ends; those with a value of 0 or
/// below it apart.
#[utoipa::path(
    get, path = "/v1/distribution", tag = "answers",
    responses(
        (status = 200, body = DistributionJson<'static>, description = "The histogram", content_type = "application/json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(in crate::serve) async fn distribution(Of(state): Of<Shared>) -> Result<Response, Problem> {
    let text = state.heavy(|state| {
        let found = distributed(state)?;
        let bins = found.bins.iter().map(|bin| BinJson {
            from: amount(bin.from_cents),
            to: amount(bin.to_cents),
            customers: bin.customers,
        });
        Ok(line(&DistributionJson {
            currency: &currency(state),
            end: found.end,
            customers: found.customers,
            negative: found.negative,
            zero: found.zero,
            bins: bins.collect(),
        }))
    });
    Ok(tell::json(text.await?))
}

/// The same as a chart
#[utoipa::path(
    get, path = "/v1/charts/distribution.svg", tag = "answers", params(ChartQuery),
    responses(
        (status = 200, body = String, description = "The chart", content_type = "image/svg+xml"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(in crate::serve) async fn distribution_svg(
    Of(state): Of<Shared>,
    Asked(query): Asked<ChartQuery>,
) -> Result<Response, Problem> {
    let width = query.width()?;
    let svg = state.heavy(move |state| {
        Ok(charts::distribution(&distributed(state)?, &currency(state), width))
    });
    Ok(image(svg.await?))
}
