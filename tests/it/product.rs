//! The product as the differential tests drive it: texts in, its answers compared with the oracle's.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::str::FromStr as _;

use ltvlog::{
    CallOptions, Customer, Error, Event, Lifespan, Options, Origin, Question, Receipt, Rejected,
    Span, Statistics, Store, Sync, TimeFrame, WeekStart,
};

use crate::model::event::{self, Terms};
use crate::model::instant::{self, DAY_US};
use crate::model::statistics::{Figures, Frame, Query};
use crate::model::{Model, Outcome};
use crate::random::Random;

/// The options of a log on these terms that nobody needs after the test.
pub fn options(terms: &Terms) -> Options {
    Options {
        currency: Some(terms.currency.as_bytes().try_into().unwrap()),
        time_range_us: Some(terms.time_range_us.0..terms.time_range_us.1),
        sync: Sync::None,
        // Small enough for checkpoints and runs of keys.
        checkpoint_events_min: 64,
        threads: NonZeroUsize::new(2).unwrap(),
        ..Options::default()
    }
}

/// What a call came to: its receipt and every rejected place with its reason.
pub type Came = Result<(Receipt, Vec<(usize, &'static str)>), Error>;

/// The place of a rejected event among the texts of its call, and why it was rejected.
pub fn place_of(one: &Rejected<'_>, texts: &[Vec<u8>]) -> (usize, &'static str) {
    let place = usize::try_from(one.origin.line).unwrap() - 1;
    assert!(one.text == texts[place], "the text of reject {place} is not what came");
    (place, one.rejection.reason.name())
}

/// One append call. Where `settle_after` says so, the hold window ends inside it.
pub fn call(store: &mut Store, texts: &[Vec<u8>], strict: bool, settle_after: usize) -> Came {
    let rules = store.rules().clone();
    let mut rejected = Vec::new();
    let mut on_reject = |one: &Rejected<'_>| {
        rejected.push(place_of(one, texts));
        Ok(())
    };
    let mut call_options = CallOptions { strict, ..CallOptions::default() };
    if !strict {
        call_options.on_reject = Some(&mut on_reject);
    }
    let mut call = store.call(call_options)?;
    for (place, text) in texts.iter().enumerate() {
        let at = Origin { source: 0, line: place as u64 + 1 };
        match Event::from_json(text, &rules) {
            Ok(event) => call.push(&event, text, at)?,
            Err(rejection) => call.reject(&rejection, text, at)?,
        }
        if place + 1 == settle_after {
            call.settle()?;
        }
    }
    let receipt = call.finish()?;
    rejected.sort_unstable();
    Ok((receipt, rejected))
}

/// The receipt that the oracle expects.
pub fn assert_call(came: Came, outcome: &Outcome, model: &Model) {
    let (receipt, rejected) = came.expect("the call");
    assert_eq!(rejected, outcome.rejected, "rejected places and reasons");
    let mut reasons = BTreeMap::new();
    for (reason, count) in &receipt.reasons {
        reasons.insert(reason.name(), *count);
    }
    assert_eq!(reasons, outcome.reasons);
    assert_eq!((receipt.accepted, receipt.duplicates), (outcome.accepted, outcome.duplicates));
    assert_eq!(receipt.end, model.log.len() as u64);
}

pub fn question(query: &Query) -> Question {
    let frame = match query.frame {
        Frame::Dataset => TimeFrame::Dataset,
        Frame::Customer => TimeFrame::Customer,
        Frame::Window(from, to) => {
            TimeFrame::Window { from_us: from * DAY_US, until_us: (to + 1) * DAY_US }
        }
    };
    let millis = query.lifespan_millis;
    let years = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    Question {
        frame,
        week_start: if query.monday { WeekStart::Monday } else { WeekStart::Sunday },
        lifespan: Lifespan::from_str(&years).expect("a lifespan"),
    }
}

/// What the store must say of a customer.
pub fn customer(figures: &Figures) -> Customer {
    let [last_name, adr_city, adr_state] = figures.fields.clone();
    Customer {
        customer_id: figures.id.clone(),
        last_name,
        adr_city,
        adr_state,
        ltv_cents: figures.ltv_cents,
        revenue_cents: figures.revenue_cents,
        visits: figures.visits.try_into().unwrap(),
        orders: figures.orders.try_into().unwrap(),
        revenue_per_visit_cents: figures.per_visit_cents.map(|cents| cents.try_into().unwrap()),
        visits_per_week_hundredths: figures.visits_per_week_hundredths.try_into().unwrap(),
        first_us: figures.first_us,
        last_us: figures.last_us,
    }
}

/// Questions over all three kinds of frame, both week starts, several lifespans.
pub fn queries(random: &mut Random, model: &Model) -> Vec<Query> {
    let (first_us, last_us) = model.span().unwrap_or_default();
    let (first, last) = (instant::day_of(first_us), instant::day_of(last_us));
    let from = random.between(first - 2, last + 2);
    let days = random.pick(&[0, 1, 7, 100]);
    let window = Frame::Window(from, from + random.between(0, days));
    let lifespan = |random: &mut Random| random.pick(&[10_000, 1, 500, 999, 2_500, 100_000]);
    let mut queries = vec![Query::default()];
    for frame in [Frame::Dataset, Frame::Customer, window, Frame::Window(first, last)] {
        let (monday, lifespan_millis) = (random.percent(50), lifespan(random));
        queries.push(Query { frame, monday, lifespan_millis });
    }
    queries
}

/// Every answer of the store against the oracle's.
pub fn assert_answers(store: &Store, model: &Model, random: &mut Random) {
    for query in queries(random, model) {
        let ranking = model.ranking(&query);
        let wanted: Vec<Customer> = ranking.iter().map(customer).collect();
        let question = question(&query);
        for x in [1, 1 + random.below(wanted.len() + 1), wanted.len() + 3] {
            let top = store.top(x, &question).expect("top");
            assert_eq!(top.customers, wanted[..x.min(wanted.len())], "top {x} of {query:?}");
            assert_eq!(top.end, model.log.len() as u64);
            assert_eq!(String::from_utf8_lossy(&top.currency), model.terms.currency);
            assert_span(top.span, model, &query);
        }
        let mut ids: Vec<String> = wanted.iter().map(|one| one.customer_id.clone()).collect();
        ids.push("no such customer".to_owned());
        random.shuffle(&mut ids);
        let (span, found) = store.stats(&ids, &question).expect("stats");
        assert_span(span, model, &query);
        assert_eq!(found.len(), ids.len());
        for (id, found) in ids.iter().zip(&found) {
            let wanted = wanted.iter().find(|one| one.customer_id == *id);
            assert_eq!(found.as_ref(), wanted, "stats of {id:?} for {query:?}");
        }
    }
    assert_eq!(digest(store), model.digest());
    assert_records(store, model);
}

fn assert_span(span: Option<Span>, model: &Model, query: &Query) {
    let wanted = match query.frame {
        _ if model.log.is_empty() => None,
        Frame::Dataset => model.span(),
        Frame::Window(from, to) => Some((from * DAY_US, (to + 1) * DAY_US - 1)),
        // Each customer has its own, and none stands for all.
        Frame::Customer => None,
    };
    let wanted = wanted.map(|(first_us, last_us)| {
        let weeks = instant::weeks(first_us, last_us, query.monday);
        Span { first_us, last_us, weeks: weeks.try_into().unwrap() }
    });
    assert_eq!(span, wanted, "the frame of {query:?}");
}

/// The digest of a fold from the first event.
pub fn digest(store: &Store) -> String {
    let mut statistics = Statistics::new();
    store.replay(&mut statistics).expect("replay");
    store.digest(&statistics).expect("digest").to_string()
}

/// The whole log as the export writes it.
pub fn export(store: &Store) -> Vec<Vec<u8>> {
    let currency = store.rules().currency;
    let mut lines = Vec::new();
    let each = &mut |record: &ltvlog::Record<'_>| {
        assert_eq!(record.sequence, lines.len() as u64, "sequences are dense");
        let mut line = String::new();
        record.event.to_json(currency, &mut line);
        lines.push(line.into_bytes());
        Ok(true)
    };
    store.records(0, each).expect("records");
    lines
}

/// Every event of the log, in its order, is what was accepted.
fn assert_records(store: &Store, model: &Model) {
    let lines = export(store);
    assert_eq!(lines.len(), model.log.len());
    for (line, fact) in lines.iter().zip(&model.log) {
        let read = event::read(line, &model.terms);
        assert_eq!(read.as_ref(), Ok(fact), "{}", String::from_utf8_lossy(line));
    }
}
