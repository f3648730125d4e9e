//! The oracle: what the specification says, worked out the slow and obvious way.
//!
//! It reads JSON lines with its own parser, admits them against a plain list of accepted events,
//! and answers every question by walking that list. It shares no code with the product and does
//! not read files: whoever calls it has cut the input into single texts.

#[cfg(test)]
mod checks;
pub mod event;
pub mod instant;
pub mod json;
pub mod statistics;

use std::collections::{BTreeMap, HashMap};

use event::{Fact, Terms};

#[cfg(test)]
pub use checks::{SAMPLE, cdnow};

/// The sum of all orders' absolute cents stays below this.
pub const CENTS_ABS_END: u128 = 1 << 62;

/// What became of the texts of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub accepted: u64,
    pub duplicates: u64,
    pub reasons: BTreeMap<&'static str, u64>,
    /// Place in the call and reason of each rejected text, in the order of the places.
    pub rejected: Vec<(usize, &'static str)>,
    /// How many were held, and how many of those were admitted in the end.
    pub held: u64,
    pub held_admitted: u64,
    /// Passes over the held events, the last one in vain.
    pub passes: u64,
}

/// A log as a list.
#[derive(Clone)]
pub struct Model {
    pub terms: Terms,
    pub log: Vec<Fact>,
    /// Places in `log` by type and key.
    places: HashMap<(&'static str, String), Vec<usize>>,
    cents_abs: u128,
}

enum Verdict {
    Admit,
    Duplicate,
    Hold(&'static str),
    Reject(&'static str),
}

impl Model {
    pub fn new(terms: Terms) -> Model {
        Model { terms, log: Vec::new(), places: HashMap::new(), cents_abs: 0 }
    }

    /// One append call.
    pub fn call<T: AsRef<[u8]>>(&mut self, texts: &[T]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut held: Vec<(usize, Fact)> = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            match event::read(text.as_ref(), &self.terms) {
                Err(reason) => outcome.rejected.push((place, reason)),
                Ok(fact) => match self.judge(&fact) {
                    Verdict::Hold(_) => held.push((place, fact)),
                    verdict => self.settle(place, fact, verdict, &mut outcome),
                },
            }
        }
        outcome.held = held.len() as u64;
        let accepted_before = outcome.accepted;
        loop {
            let before = outcome.accepted;
            outcome.passes += u64::from(!held.is_empty());
            let mut left = Vec::new();
            for (place, fact) in held {
                match self.judge(&fact) {
                    Verdict::Hold(_) => left.push((place, fact)),
                    verdict => self.settle(place, fact, verdict, &mut outcome),
                }
            }
            held = left;
            if outcome.accepted == before {
                break;
            }
        }
        outcome.held_admitted = outcome.accepted - accepted_before;
        for (place, fact) in held {
            if let Verdict::Hold(reason) = self.judge(&fact) {
                outcome.rejected.push((place, reason));
            }
        }
        outcome.rejected.sort_unstable();
        for (_, reason) in &outcome.rejected {
            *outcome.reasons.entry(reason).or_default() += 1;
        }
        outcome
    }

    /// A call that writes nothing if anything would be rejected.
    pub fn strict_call<T: AsRef<[u8]>>(&mut self, texts: &[T]) -> Result<Outcome, Outcome> {
        let mut trial = self.clone();
        let outcome = trial.call(texts);
        if outcome.rejected.is_empty() {
            *self = trial;
            Ok(outcome)
        } else {
            Err(outcome)
        }
    }

    /// The events of the log that have this type and key, in the order of the log.
    pub fn with_key(&self, kind: &'static str, key: &str) -> impl Iterator<Item = &Fact> {
        let places = self.places.get(&(kind, key.to_owned()));
        places.into_iter().flatten().map(|place| &self.log[*place])
    }

    /// The sum of the absolute cents of all orders.
    pub fn cents_abs(&self) -> u128 {
        self.cents_abs
    }

    fn judge(&self, fact: &Fact) -> Verdict {
        let known = self.with_key(fact.kind, &fact.key).next().is_some();
        if self.with_key(fact.kind, &fact.key).any(|other| other.normal == fact.normal) {
            return Verdict::Duplicate;
        }
        if self.cents_abs + u128::from(fact.cents.unsigned_abs()) >= CENTS_ABS_END
            && fact.kind == "ORDER"
        {
            return Verdict::Reject("invalid_amount");
        }
        if fact.verb != "UPDATE" && known {
            return Verdict::Reject("conflicting_key");
        }
        let begins_customer = fact.kind == "CUSTOMER" && fact.verb == "NEW";
        if !begins_customer && self.with_key("CUSTOMER", &fact.customer).next().is_none() {
            return Verdict::Hold("unknown_customer");
        }
        if fact.kind == "ORDER" && fact.verb == "UPDATE" && !known {
            return Verdict::Hold("unknown_order");
        }
        Verdict::Admit
    }

    fn settle(&mut self, place: usize, fact: Fact, verdict: Verdict, outcome: &mut Outcome) {
        match verdict {
            Verdict::Admit => {
                outcome.accepted += 1;
                self.cents_abs += u128::from(fact.cents.unsigned_abs());
                self.places.entry((fact.kind, fact.key.clone())).or_default().push(self.log.len());
                self.log.push(fact);
            }
            Verdict::Duplicate => outcome.duplicates += 1,
            Verdict::Reject(reason) | Verdict::Hold(reason) => {
                outcome.rejected.push((place, reason));
            }
        }
    }
}
