//! Answers of partitions, put together.

use std::cmp::Reverse;
use std::num::NonZeroU16;

use super::Partitions;
use crate::error::Error;
use crate::event::{Rules, write_time_shortest};
use crate::partition::Partition;
use crate::projection::ltv::Measure;
use crate::projection::{Frame, TimeFrame};
use crate::store::{Customer, Question, Span, Top};
use crate::top::TopX;

impl Partitions {
    /// How many partitions the log has that these are all of, each with its rules and what it is
    /// called. What nothing tells is whether partitions of the same number, currency and time range
    /// were made for one log.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] unless they are all partitions of one log, each once, with the same
    /// currency and time range.
    pub fn check_complete<'r>(
        named: impl IntoIterator<Item = (Partition, &'r Rules, String)>,
    ) -> Result<NonZeroU16, Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        let mut named: Vec<_> = named.into_iter().collect();
        let Some((first, rules, name)) = named.first() else {
            return refuse("no log was named".to_owned());
        };
        let of = first.of();
        let is_other = |part: Partition, has: &Rules| part.of() != of || has != *rules;
        if let Some((part, has, other)) = named.iter().find(|(part, has, _)| is_other(*part, has)) {
            let unlike = if part.of() == of { unlike(rules, has) } else { None };
            let (one, two) = unlike.unwrap_or_else(|| (what(*first), what(*part)));
            return refuse(format!("{name} {one}, and {other} {two}: they are not of one log"));
        }
        named.sort_by_key(|(part, ..)| part.number());
        for ((a, _, one), (b, _, other)) in named.iter().zip(named.iter().skip(1)) {
            if a != b {
                continue;
            }
            return refuse(if one == other {
                format!("{one} was named twice")
            } else if of == NonZeroU16::MIN {
                format!(
                    "{one} and {other} are logs of their own, and not partitions of one: name one"
                )
            } else {
                format!("{one} and {other} are both partition {a}: one of them is too many")
            });
        }
        match (0..of.get()).zip(named.iter().map(|(part, ..)| part.number())).find(|(a, b)| a != b)
        {
            None if named.len() == usize::from(of.get()) => Ok(of),
            gap => {
                let missing = gap.map_or(named.len(), |(number, _)| usize::from(number));
                refuse(format!(
                    "partition {missing}/{of} was not named: an answer needs all of them"
                ))
            }
        }
    }
}

/// What a log is, of those that should be partitions of one.
fn what(partition: Partition) -> String {
    match partition {
        Partition::WHOLE => "is a log of its own".to_owned(),
        part => format!("is partition {part}"),
    }
}

/// How the rules of two logs differ, if they do.
fn unlike(one: &Rules, other: &Rules) -> Option<(String, String)> {
    let told = |rules: &Rules| {
        if one.currency != other.currency {
            return format!("is in {}", String::from_utf8_lossy(&rules.currency));
        }
        let mut text = "takes times from ".to_owned();
        write_time_shortest(rules.time_range_us.start, &mut text);
        text.push_str(" to ");
        write_time_shortest(rules.time_range_us.end, &mut text);
        text
    };
    (one != other).then(|| (told(one), told(other)))
}

impl Top {
    /// The top `x` of several parts, of which each tells its own top `x`. Customers are measured
    /// again over the frame of all, which changes no part's order: it is the same for all
    /// customers, or, where each has its own, stays that. O(n log x) time for n customers, O(x)
    /// memory beyond them.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the parts have different currencies, or a customer in common.
    pub fn merged(parts: Vec<Top>, x: usize, question: &Question) -> Result<Top, Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        let spans = parts.iter().filter_map(|part| part.span);
        let span = spans.reduce(|a, b| union(a, b, question));
        let currency = parts.first().map_or(*b"USD", |part| part.currency);
        if let Some(other) = parts.iter().find(|part| part.currency != currency) {
            let [one, other] = [currency, other.currency]
                .map(|letters| String::from_utf8_lossy(&letters).into_owned());
            return refuse(format!("one log is in {one}, and another in {other}"));
        }
        let end = parts.iter().map(|part| part.end).sum();
        let mut top = TopX::new(x);
        for customer in parts.into_iter().flat_map(|part| part.customers) {
            let value = measure(&customer, span, question).value();
            top.push((value, Reverse(ById(customer))));
        }
        let customers: Vec<Customer> = top
            .into_sorted()
            .into_iter()
            .map(|(_, Reverse(ById(customer)))| customer.measured(span, question))
            .collect();
        // One who is in two parts is seen here if both places are among the top x of all.
        let mut ids: Vec<&str> = customers.iter().map(|one| &*one.customer_id).collect();
        ids.sort_unstable();
        if let Some(id) = ids.chunk_by(|a, b| a == b).find(|same| same.len() > 1) {
            let id = id.first().copied().unwrap_or_default();
            return refuse(format!(
                "customer {id:?} is in two of the logs: they are no partitions of one"
            ));
        }
        Ok(Top { currency, span, end, customers })
    }
}

impl Customer {
    /// The same customer over the frame of a whole of which its log is a part; none leaves each
    /// customer its own.
    #[must_use]
    pub fn measured(self, span: Option<Span>, question: &Question) -> Customer {
        let measure = measure(&self, span, question);
        Customer {
            ltv_cents: measure.ltv_cents(question.lifespan),
            visits_per_week_hundredths: measure.visits_per_week_hundredths(),
            ..self
        }
    }
}

fn union(a: Span, b: Span, question: &Question) -> Span {
    let frame = Frame { first_us: a.first_us.min(b.first_us), last_us: a.last_us.max(b.last_us) };
    let weeks = frame.weeks(question.week_start);
    Span { first_us: frame.first_us, last_us: frame.last_us, weeks }
}

fn measure(customer: &Customer, span: Option<Span>, question: &Question) -> Measure {
    let own = Frame { first_us: customer.first_us, last_us: customer.last_us };
    let weeks = match (question.frame, span) {
        (TimeFrame::Dataset | TimeFrame::Window { .. }, Some(span)) => span.weeks,
        (TimeFrame::Customer, _) | (_, None) => own.weeks(question.week_start),
    };
    let Customer { revenue_cents, visits, orders, .. } = *customer;
    Measure { revenue_cents, visits, orders, weeks }
}

/// A customer, in the order of ids.
struct ById(Customer);

impl PartialEq for ById {
    fn eq(&self, other: &ById) -> bool {
        self.0.customer_id == other.0.customer_id
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &ById) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &ById) -> std::cmp::Ordering {
        self.0.customer_id.cmp(&other.0.customer_id)
    }
}
