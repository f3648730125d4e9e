//! What is asked of one customer, and of the log.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{self, Asked};
use super::metrics::Ends;
use super::problem::Problem;
use super::state::{Shared, State};
use super::tell;
use super::top::QuestionQuery;
use crate::wire::schema::RecordJson;
use crate::wire::{InfoJson, KnownJson, line, write_record};
use crate::{Error, Picked, Question, Record, TimeFrame};

pub(super) fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the log knows no customer with this id")
}

/// One customer's statistics
#[utoipa::path(
    get, path = "/v1/customers/{id}", tag = "answers",
    params(("id" = String, Path, description = "The customer's id, percent-encoded"), QuestionQuery),
    responses(
        (status = 200, body = KnownJson<'static>, description = "The statistics, and what the log knows of the customer", content_type = "application/json"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 404, description = "No such customer", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(super) async fn customer(
    Of(state): Of<Shared>,
    id: Result<Path<String>, PathRejection>,
    Asked(query): Asked<QuestionQuery>,
) -> Result<Response, Problem> {
    let id = asked::id(id)?;
    let question = query.question()?;
    let text = match question.frame {
        TimeFrame::Window { .. } => {
            state.heavy(move |state| windowed(state, id, &question)).await?
        }
        TimeFrame::Dataset | TimeFrame::Customer => {
            state.aside(move |state| known(state, &id, &question)).await?
        }
    };
    Ok(tell::json(text))
}

fn known(state: &State, id: &str, question: &Question) -> Result<String, Problem> {
    let fold = state.live.fold()?;
    let ordinal = fold.ordinal(id).ok_or_else(unknown)?;
    let picked = Picked::of(&fold.statistics, &[ordinal], question)?;
    drop(fold);
    let found = state.reader()?.top_picked(&picked)?.customers;
    found.first().map(|customer| line(&KnownJson::new(customer))).ok_or_else(unknown)
}

/// Over dates, which no statistics know.
fn windowed(state: &State, id: String, question: &Question) -> Result<String, Problem> {
    let (_, found) = state.reader()?.stats(&[id], question)?;
    let found = found.into_iter().flatten().next();
    found.map(|customer| line(&KnownJson::new(&customer))).ok_or_else(unknown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// First sequence to look at
    #[param(default = 0)]
    #[serde(default, deserialize_with = "super::tell::number")]
    from: Option<u64>,
    /// So many events at most
    #[param(default = 100, minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
}

/// Events of one customer.
#[derive(ToSchema)]
#[schema(as = CustomerEvents)]
#[expect(dead_code, reason = "it is there for the document: events are written as they are read")]
struct CustomerEventsJson {
    customer_id: String,
    events: Vec<RecordJson>,
    /// The sequence to go on from
    #[schema(required = true)]
    next: Option<u64>,
}

/// More events would be a stream.
const PAGE_MAX: usize = 1_000;

/// One customer's events
///
/// Those that name the customer, and each update that gave an order of the customer's to another, in
/// the order of the log; `next` is where to go on, null at the end.
#[utoipa::path(
    get, path = "/v1/customers/{id}/events", tag = "answers",
    params(("id" = String, Path, description = "The customer's id, percent-encoded"), PageQuery),
    responses(
        (status = 200, body = CustomerEventsJson, description = "The events", content_type = "application/json"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 404, description = "No such customer", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(super) async fn customer_events(
    Of(state): Of<Shared>,
    id: Result<Path<String>, PathRejection>,
    Asked(query): Asked<PageQuery>,
) -> Result<Response, Problem> {
    let id = asked::id(id)?;
    let limit = query.limit.unwrap_or(100);
    if limit == 0 || limit > PAGE_MAX {
        return Err(Problem::bad_request("limit is at least 1 and at most 1,000"));
    }
    let from = query.from.unwrap_or(0);
    let text = state.heavy(move |state| page(state, &id, from, limit)).await?;
    Ok(tell::json(text))
}

fn page(state: &State, id: &str, from: u64, limit: usize) -> Result<String, Problem> {
    let ordinal = state.live.fold()?.ordinal(id).ok_or_else(unknown)?;
    let currency = state.appender.rules().currency;
    let mut text = format!("{{\"customer_id\": {}, \"events\": [", line(&id));
    let (mut count, mut next) = (0, None);
    let mut each = |record: &Record<'_>| -> Result<bool, Error> {
        if count == limit {
            next = Some(record.sequence);
            return Ok(false);
        }
        if count > 0 {
            text.push_str(", ");
        }
        write_record(record, currency, &mut text);
        count += 1;
        Ok(true)
    };
    state.reader()?.records_of(ordinal, from, &mut each)?;
    text.push_str(&format!("], \"next\": {}}}", line(&next)));
    Ok(text)
}

/// What the log consists of
#[utoipa::path(
    get, path = "/v1/info", tag = "log",
    responses(
        (status = 200, body = InfoJson<'static>, description = "Segments, counts, times, bytes, and what is synced", content_type = "application/json"),
        (status = 503, description = "Too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(super) async fn info(Of(state): Of<Shared>) -> Result<Response, Problem> {
    let text = state.heavy(|state| {
        let info = state.reader()?.info()?;
        Ok(line(&InfoJson::new(&info, &state.log)))
    });
    Ok(tell::json(text.await?))
}

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = String, description = "It does", content_type = "text/plain")))]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether events are taken and questions answered
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, body = String, description = "Both", content_type = "text/plain"),
        (status = 503, description = "Not both, and why", content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(Of(state): Of<Shared>) -> Result<&'static str, Problem> {
    if *state.stop.borrow() {
        return Err(Problem::stopping());
    }
    if !state.metrics.is_writable() {
        return Err(Problem::broken(
            "no event is taken since a write failed: look after the disk, then restart the server",
        ));
    }
    if !state.live.is_ready() {
        return Err(super::board::not_yet());
    }
    let log = state.log.clone();
    state.aside(move |_| room_on_disk(&log)).await?;
    Ok("ready\n")
}

/// Below this the next segment may not fit.
const ROOM_BYTES_MIN: u64 = 128 << 20;

fn room_on_disk(log: &std::path::Path) -> Result<(), Problem> {
    let Ok(disk) = rustix::fs::statvfs(log) else { return Ok(()) };
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    if left < ROOM_BYTES_MIN {
        return Err(Problem::busy(format!("{left} bytes are left on the disk: make room")));
    }
    Ok(())
}

/// What the server counts
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, description = "Prometheus's text format", content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(Of(state): Of<Shared>) -> Result<Response, Problem> {
    let ends = state.aside(|state| {
        let (applied, customers) = match state.live.fold() {
            Ok(fold) => (fold.statistics.end(), fold.statistics.customers().len() as u64),
            Err(_not_yet) => (0, 0),
        };
        let bytes = segment_bytes(state);
        let (synced, behind) = (*state.synced.borrow(), state.live.behind());
        Ok(Ends { synced, applied, behind, customers, bytes })
    });
    let text = state.metrics.text(&ends.await?);
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, media)], text).into_response())
}

/// Bytes of all segments, by their directory.
fn segment_bytes(state: &State) -> u64 {
    let Ok(files) = std::fs::read_dir(state.log.join("segments")) else { return 0 };
    files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
