//! The random event files meet every rule, often: counted by the oracle.

use std::collections::BTreeMap;

use crate::model::Model;
use crate::model::statistics::{Frame, Query};
use crate::random::{Scenario, each_seed};

/// Counts of what happened, by name.
#[derive(Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, name: impl Into<String>, count: u64) {
        *self.0.entry(name.into()).or_default() += count;
    }
}

#[test]
fn random_files_meet_every_rule() {
    let mut counts = Counts::default();
    each_seed("coverage::random_files_meet_every_rule", 0, 300, |seed| {
        let scenario = Scenario::new(seed);
        let mut model = Model::new(scenario.terms);
        for call in &scenario.calls {
            if call.strict {
                let name = if model.strict_call(&call.texts).is_ok() { "taken" } else { "refused" };
                counts.add(format!("strict {name}"), 1);
                continue;
            }
            let outcome = model.call(&call.texts);
            for (reason, count) in &outcome.reasons {
                counts.add(*reason, *count);
            }
            counts.add("duplicate", outcome.duplicates);
            counts.add("held", outcome.held);
            counts.add("held and admitted", outcome.held_admitted);
            counts.add("three passes", u64::from(outcome.passes > 2));
        }
        count_log(&model, &mut counts);
        count_answers(&model, &mut counts);
    });
    if std::env::var_os("LTVLOG_SEED").is_some() {
        return;
    }
    for (name, least) in LEAST {
        let count = counts.0.get(name).copied().unwrap_or(0);
        assert!(count >= least, "{name}: {count} of at least {least}; all: {:#?}", counts.0);
    }
}

fn count_log(model: &Model, counts: &mut Counts) {
    for fact in &model.log {
        counts.add(format!("{} {}", fact.kind, fact.verb), 1);
        counts.add("before 1970", u64::from(fact.at_us < 0));
        counts.add("cut to a µs", u64::from(fact.at_us % 1_000 != 0));
    }
    for order in model.orders() {
        let events: Vec<_> = model.with_key("ORDER", &order.key).collect();
        counts.add("order updated", u64::from(events.len() > 1));
        counts.add("order moved", u64::from(events[0].customer != order.customer));
        counts.add("refund", u64::from(order.cents < 0));
        let stale = |fact: &&&_| !std::ptr::eq::<crate::model::event::Fact>(**fact, order);
        counts.add("order events outdone", events.iter().filter(stale).count() as u64);
        let tied = events.iter().filter(|fact| fact.at_us == order.at_us).count() > 1;
        counts.add("order tied in time", u64::from(tied));
        let last = events[events.len() - 1];
        counts.add("last update is stale", u64::from(!std::ptr::eq(last, order)));
    }
}

fn count_answers(model: &Model, counts: &mut Counts) {
    counts.add("empty log", u64::from(model.log.is_empty()));
    for (frame, lifespan_millis) in [(Frame::Dataset, 10_000), (Frame::Customer, 500)] {
        let all = model.ranking(&Query { frame, lifespan_millis, monday: false });
        for (place, one) in all.iter().enumerate() {
            let half = 2 * one.ltv.0.rem_euclid(one.ltv.1) == one.ltv.1;
            counts.add("LTV half way between cents", u64::from(half));
            counts.add("negative LTV", u64::from(one.ltv.0 < 0));
            counts.add("no visits", u64::from(one.visits == 0));
            counts.add("no orders", u64::from(one.orders == 0));
            counts.add("several weeks", u64::from(one.weeks > 1));
            let tied = place > 0 && all[place - 1].ltv.compare(one.ltv).is_eq();
            counts.add("tied LTV", u64::from(tied && one.ltv.0 != 0));
            counts.add(
                "empty field",
                u64::from(one.fields.iter().any(|it| it.as_deref() == Some(""))),
            );
            let updates = model.with_key("CUSTOMER", &one.id).skip(1);
            let given = updates.filter(|fact| fact.text("last_name").is_some()).count();
            counts.add("name updated", given as u64);
        }
    }
}

/// What 300 files must have met at least: about a third of what they do meet.
const LEAST: [(&str, u64); 42] = [
    ("CUSTOMER NEW", 300),
    ("CUSTOMER UPDATE", 800),
    ("IMAGE UPLOAD", 500),
    ("LTV half way between cents", 7),
    ("ORDER NEW", 800),
    ("ORDER UPDATE", 1100),
    ("SITE_VISIT NEW", 1100),
    ("before 1970", 300),
    ("conflicting_key", 1800),
    ("cut to a µs", 3200),
    ("duplicate", 1300),
    ("empty field", 200),
    ("empty log", 10),
    ("held", 2900),
    ("held and admitted", 800),
    ("invalid_amount", 30),
    ("invalid_field", 100),
    ("invalid_time", 80),
    ("last update is stale", 200),
    ("malformed_json", 200),
    ("missing_field", 100),
    ("name updated", 1000),
    ("negative LTV", 100),
    ("no orders", 200),
    ("no visits", 100),
    ("not_an_object", 30),
    ("order events outdone", 1100),
    ("order moved", 200),
    ("order tied in time", 100),
    ("order updated", 400),
    ("refund", 200),
    ("several weeks", 500),
    ("strict refused", 20),
    ("strict taken", 2),
    ("three passes", 6),
    ("tied LTV", 20),
    ("too_large", 30),
    ("unknown_customer", 1200),
    ("unknown_order", 500),
    ("unknown_type", 90),
    ("unknown_verb", 80),
    ("wrong_currency", 6),
];
