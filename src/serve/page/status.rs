//! `GET /v1/status`: how far the server is, in one line that is cheap to ask for again and again.

use axum::extract::State as Of;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::serve::problem::Problem;
use crate::serve::state::Shared;
use crate::serve::tell;
use crate::wire::{PartitionJson, line};

#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
struct StatusJson {
    /// Told of a part of a partitioned log: answers are of its customers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<PartitionJson>,
    /// The sequence of the next event.
    end: u64,
    /// All events below are on the disk.
    synced_end: u64,
    /// All events below are in every answer.
    applied_end: u64,
    /// For how long the first of the others has been there.
    lag_seconds: f64,
    /// Open streams of events or of the top X.
    followers: i64,
    customers: u64,
    /// Whether events are taken.
    writable: bool,
    /// Whether questions are answered, too.
    ready: bool,
}

/// How far the server is
///
/// `end`, `synced_end` and `applied_end` are sequences: all events below are taken, on the disk, in
/// the answers.
#[utoipa::path(
    get, path = "/v1/status", tag = "health",
    responses((status = 200, body = StatusJson, description = "Ends, lag, and whether it takes and answers", content_type = "application/json"))
)]
pub(in crate::serve) async fn status(Of(state): Of<Shared>) -> Result<Response, Problem> {
    let text = state.aside(|state| {
        let (applied_end, customers) = match state.live.fold() {
            Ok(fold) => (fold.statistics.end(), fold.statistics.customers().len() as u64),
            Err(_not_yet) => (0, 0),
        };
        let synced_end = *state.synced.borrow();
        let writable = state.metrics.is_writable();
        Ok(line(&StatusJson {
            partition: PartitionJson::of(state.partition),
            end: state.metrics.end().max(synced_end),
            synced_end,
            applied_end,
            lag_seconds: (state.live.behind().as_secs_f64() * 1e3).round() / 1e3,
            followers: state.metrics.followers.get(),
            customers,
            writable,
            ready: writable && state.live.is_ready() && !*state.stop.borrow(),
        }))
    });
    Ok(tell::json(text.await?))
}
