//! The leaderboard as it is told: the best customers, and why each is where it is.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::fold::Fold;
use super::problem::Problem;
use crate::wire::schema::EventJson;
use crate::{Error, Question, Store, Top};

/// How many are kept at hand.
pub(super) const KEPT: usize = 100;

/// The best customers at some end of the log.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) top: Top,
    /// By customer id, the event that last changed what the customer is worth.
    causes: HashMap<String, Arc<Known>>,
}

/// An event and where it stands.
#[derive(Debug)]
struct Known {
    sequence: u64,
    event: Option<Box<RawValue>>,
}

/// The event that last changed what a customer is worth.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Cause)]
pub(super) struct Cause<'a> {
    sequence: u64,
    #[schema(value_type = Option<EventJson>, required = true)]
    event: Option<&'a RawValue>,
}

/// Somebody's way from one place to another; a place that is not shown is none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Move)]
pub(super) struct Move<'a> {
    pub(super) customer_id: &'a str,
    #[schema(required = true)]
    pub(super) from: Option<usize>,
    #[schema(required = true)]
    pub(super) to: Option<usize>,
    /// The event that last changed what the customer is worth, if that is known here.
    #[schema(required = true)]
    sequence: Option<u64>,
    #[schema(value_type = Option<EventJson>, required = true)]
    event: Option<&'a RawValue>,
}

impl Board {
    /// Ranks what is folded; whatever the board before has at hand is taken over.
    pub(super) fn new(store: &Store, fold: &Fold, before: Option<&Board>) -> Result<Board, Error> {
        let top = store.top_of(&fold.statistics, KEPT, &Question::default())?;
        let mut causes = HashMap::new();
        for customer in &top.customers {
            let id = &customer.customer_id;
            let ordinal = fold.ordinal(id);
            let Some(sequence) = ordinal.and_then(|one| fold.last_order(one)) else { continue };
            let known = before.and_then(|before| before.causes.get(id));
            let cause = match known.filter(|cause| cause.sequence == sequence) {
                Some(cause) => Arc::clone(cause),
                None => Arc::new(Known { sequence, event: event(store, sequence)? }),
            };
            causes.insert(id.clone(), cause);
        }
        Ok(Board { top, causes })
    }

    /// The first `x` of it, if it has so many.
    pub(super) fn first(&self, x: usize) -> Option<Top> {
        let is_all = self.top.customers.len() < KEPT;
        (x <= KEPT || is_all).then(|| {
            let customers = self.top.customers.iter().take(x).cloned().collect();
            Top { customers, ..self.top.clone() }
        })
    }

    /// Who moved among the first `x`, since they stood as `before` says.
    pub(super) fn moves<'a>(&'a self, x: usize, before: &'a [String]) -> Vec<Move<'a>> {
        let now = || self.top.customers.iter().take(x).map(|one| &*one.customer_id);
        let places: HashMap<&str, usize> = now().zip(1..).collect();
        let places_before: HashMap<&str, usize> =
            before.iter().map(String::as_str).zip(1..).collect();
        let gone = before.iter().map(String::as_str).filter(|id| !places.contains_key(id));
        now()
            .chain(gone)
            .map(|id| {
                let (from, to) = (places_before.get(id).copied(), places.get(id).copied());
                let cause = self.cause(id);
                Move {
                    customer_id: id,
                    from,
                    to,
                    sequence: cause.map(|cause| cause.sequence),
                    event: cause.and_then(|cause| cause.event),
                }
            })
            .filter(|one| one.from != one.to)
            .collect()
    }

    /// The event that last changed what somebody on the board is worth.
    pub(super) fn cause(&self, id: &str) -> Option<Cause<'_>> {
        let known = self.causes.get(id)?;
        Some(Cause { sequence: known.sequence, event: known.event.as_deref() })
    }
}

/// An event as JSON.
fn event(store: &Store, sequence: u64) -> Result<Option<Box<RawValue>>, Error> {
    let currency = store.rules().currency;
    let mut text = None;
    store.records(sequence, &mut |record| {
        let mut json = String::new();
        record.event.to_json(currency, &mut json);
        text = Some(json);
        Ok(false)
    })?;
    Ok(text.and_then(|text| RawValue::from_string(text).ok()))
}

/// The log is still being read.
pub(super) fn not_yet() -> Problem {
    Problem::busy("the log is still being read from its first event: ask again in a while")
}
