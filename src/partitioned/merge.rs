//! Answers of partitions, put together.

use std::cmp::Reverse;
use std::num::NonZeroU16;

use crate::error::Error;
use crate::partition::Partition;
use crate::projection::ltv::Measure;
use crate::projection::{Frame, TimeFrame};
use crate::store::{Customer, Question, Span, Store, Top};
use crate::top::TopX;

/// How many partitions the log has that these, sorted by number, are all of.
pub(super) fn check_complete(stores: &[Store]) -> Result<NonZeroU16, Error> {
    let of = Partition::check_complete(stores.iter().map(Store::partition))?;
    let unlike = stores.iter().zip(stores.iter().skip(1)).find(|(a, b)| a.rules() != b.rules());
    if let Some((one, other)) = unlike {
        let (one, other) = (one.partition(), other.partition());
        let reason = format!(
            "partitions {one} and {other} have different currencies or time ranges: they are not of \
             one log"
        );
        return Err(Error::Options { reason });
    }
    Ok(of)
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
        if parts.iter().any(|part| part.currency != currency) {
            return refuse("the logs have different currencies".to_owned());
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
        // Who stands twice has the same value and stands side by side, or is a different customer.
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
