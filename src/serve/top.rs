//! `GET /v1/top` and `GET /v1/top/live`: who is most valuable, now and as it changes.

use std::convert::Infallible;

use axum::extract::State as Of;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::board::{Board, Cause, Move};
use super::hub::Tells;
use super::problem::Problem;
use super::state::{Shared, State};
use super::tell;
use crate::wire::{TopJson, line};
use crate::{Picked, Question, TimeFrame, Top};

/// What a ranking may be asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct QuestionQuery {
    /// The time that counts: `dataset`, `customer`, or two dates, both included: `FROM..TO`
    #[param(default = "dataset", example = "2017-01-01..2017-03-31")]
    frame: Option<String>,
    /// The day on which weeks start: `sunday` or `monday`
    #[param(default = "sunday", pattern = "^(sunday|monday)$")]
    week_start: Option<String>,
    /// Years for which a customer stays one
    #[param(default = "10", example = "2.5")]
    lifespan_years: Option<String>,
}

impl QuestionQuery {
    pub(super) fn question(&self) -> Result<Question, Problem> {
        let wrong = |name: &str, why: &dyn std::fmt::Display| {
            Problem::bad_request(format!("{name}: {why}"))
        };
        let mut question = Question::default();
        if let Some(frame) = &self.frame {
            question.frame = frame.parse().map_err(|why| wrong("frame", &why))?;
        }
        if let Some(day) = &self.week_start {
            question.week_start = day.parse().map_err(|why| wrong("week_start", &why))?;
        }
        if let Some(years) = &self.lifespan_years {
            question.lifespan = years.parse().map_err(|why| wrong("lifespan_years", &why))?;
        }
        Ok(question)
    }
}

/// How many, and by what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TopQuery {
    /// How many customers; more than there are gives all
    #[param(default = 10, minimum = 1, maximum = 10_000)]
    x: Option<usize>,
    /// Answer only once everything below this sequence counts, as the `end` of a receipt
    #[serde(default, deserialize_with = "super::tell::number")]
    min_end: Option<u64>,
    /// The time that counts: `dataset`, `customer`, or two dates, both included: `FROM..TO`
    #[param(default = "dataset", example = "2017-01-01..2017-03-31")]
    frame: Option<String>,
    /// The day on which weeks start: `sunday` or `monday`
    #[param(default = "sunday", pattern = "^(sunday|monday)$")]
    week_start: Option<String>,
    /// Years for which a customer stays one
    #[param(default = "10", example = "2.5")]
    lifespan_years: Option<String>,
}

/// More are no answer to anything that is asked over HTTP.
const X_MAX: usize = 10_000;

/// The most valuable customers
#[utoipa::path(
    get, path = "/v1/top", tag = "answers", params(TopQuery),
    responses(
        (status = 200, body = TopJson<'static>, description = "The customers, best first", content_type = "application/json"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or too much is asked at a time", content_type = "application/problem+json"),
    )
)]
pub(super) async fn top(
    Of(state): Of<Shared>,
    Asked(query): Asked<TopQuery>,
) -> Result<Response, Problem> {
    let x = checked(query.x)?;
    let (frame, week_start, lifespan_years) = (query.frame, query.week_start, query.lifespan_years);
    let question = QuestionQuery { frame, week_start, lifespan_years }.question()?;
    wait_for(&state, query.min_end).await?;
    let told = |top: &Top| line(&TopJson::new(top, &question));
    let at_hand = state.live.board()?;
    if question == Question::default()
        && let Some(top) = at_hand.first(x)
    {
        return Ok(tell::json(told(&top)));
    }
    let asked = question.clone();
    let top = match question.frame {
        // No statistics know it: the log is folded for it.
        TimeFrame::Window { .. } => {
            state.heavy(move |state| Ok(state.reader()?.top(x, &asked)?)).await?
        }
        TimeFrame::Dataset | TimeFrame::Customer => {
            state.heavy(move |state| ranked(state, x, &asked)).await?
        }
    };
    Ok(tell::json(told(&top)))
}

fn ranked(state: &State, x: usize, question: &Question) -> Result<Top, Problem> {
    let fold = state.live.fold()?;
    let mut id_of = |ordinal| fold.id(ordinal).map(str::to_owned);
    let picked = Picked::top(&fold.statistics, x, question, &mut id_of)?;
    // Whoever folds what comes need not wait for what is read.
    drop(fold);
    Ok(state.reader()?.top_picked(&picked)?)
}

fn checked(x: Option<usize>) -> Result<usize, Problem> {
    match x.unwrap_or(10) {
        0 => Err(Problem::bad_request("x is at least 1")),
        x if x > X_MAX => Err(Problem::bad_request("x is at most 10,000")),
        x => Ok(x),
    }
}

/// Waits, within reason, until all events below a sequence count.
pub(super) async fn wait_for(state: &State, min_end: Option<u64>) -> Result<(), Problem> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
    let Some(min_end) = min_end else { return Ok(()) };
    let mut boards = state.live.boards();
    let there = boards.wait_for(|board| board.as_ref().is_some_and(|it| it.top.end >= min_end));
    match tokio::time::timeout(PATIENCE, there).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_gone)) => Err(Problem::stopping()),
        Err(_late) => {
            Err(Problem::busy("the log does not reach min_end, or it is not counted yet"))
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveQuery {
    /// How many customers
    #[param(default = 10, minimum = 1, maximum = 100)]
    x: Option<usize>,
}

/// What a stream of the leaderboard tells.
#[derive(Serialize, ToSchema)]
#[schema(as = Leaderboard)]
pub(super) struct Told<'a> {
    top: TopJson<'a>,
    /// Of each customer, in order, the order event that last changed what it is worth.
    last_orders: Vec<Option<Cause<'a>>>,
    moves: Vec<Move<'a>>,
}

/// The leaderboard, now and whenever it changes
#[utoipa::path(
    get, path = "/v1/top/live", tag = "answers", params(LiveQuery),
    responses(
        (status = 200, body = String, description = "Events of the name `top`, each with a `Leaderboard` of the schemas as its data: the top X, and who moved by which event", content_type = "text/event-stream"),
        (status = 400, description = "What was asked makes no sense", content_type = "application/problem+json"),
        (status = 503, description = "Not yet, or as many follow as there may be", content_type = "application/problem+json"),
    )
)]
pub(super) async fn live(
    Of(state): Of<Shared>,
    Asked(LiveQuery { x }): Asked<LiveQuery>,
) -> Result<Response, Problem> {
    let x = checked(x)?;
    if x > super::board::KEPT {
        return Err(Problem::bad_request("x is at most 100 in a stream"));
    }
    state.live.board()?;
    let (events, body) = Tells::begin(&state, 1)?;
    tokio::spawn(follow(state, x, events));
    Ok(Sse::new(body).keep_alive(KeepAlive::default()).into_response())
}

async fn follow(state: Shared, x: usize, events: mpsc::Sender<Result<Event, Infallible>>) {
    let mut boards = state.live.boards();
    let (mut stop, mut renewed) = (state.stop.clone(), state.renewal());
    let mut before: Option<Vec<String>> = None;
    let mut told_last = String::new();
    while !*stop.borrow() {
        let board = boards.borrow_and_update().clone();
        if let Some(board) = board {
            let (event, order, told) = event(&board, x, before.as_deref());
            // What is the same but for its end is no news.
            if told != told_last {
                if events.send(Ok(event)).await.is_err() {
                    return;
                }
                (before, told_last) = (Some(order), told);
            }
        }
        tokio::select! {
            changed = boards.changed() => if changed.is_err() { return },
            _ = stop.changed() => {}
            Ok(()) = renewed.changed() => return,
            () = events.closed() => return,
        }
    }
}

/// An event for a stream, who stands where, and what of it makes a difference.
fn event(board: &Board, x: usize, before: Option<&[String]>) -> (Event, Vec<String>, String) {
    let top = board.first(x).unwrap_or_else(|| board.top.clone());
    let moves = before.map(|before| board.moves(x, before)).unwrap_or_default();
    let order = top.customers.iter().map(|one| one.customer_id.clone()).collect();
    let last_orders = top.customers.iter().map(|one| board.cause(&one.customer_id)).collect();
    let told = Told { top: TopJson::new(&top, &Question::default()), last_orders, moves };
    let event = Event::default().event("top").id(top.end.to_string()).data(line(&told));
    let same = Top { end: 0, ..top };
    (event, order, line(&TopJson::new(&same, &Question::default())))
}
