//! Every question answered by walking the list of accepted events.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::Model;
use super::event::Fact;
use super::instant::{self, DAY_US};

/// Over which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    Dataset,
    Customer,
    /// Days from 1970-01-01, both included.
    Window(i64, i64),
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub frame: Frame,
    pub monday: bool,
    /// Thousandths of a year.
    pub lifespan_millis: i64,
}

impl Default for Query {
    fn default() -> Query {
        Query { frame: Frame::Dataset, monday: false, lifespan_millis: 10_000 }
    }
}

/// A customer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub id: String,
    /// last_name, adr_city, adr_state
    pub fields: [Option<String>; 3],
    pub visits: i64,
    pub orders: i64,
    pub revenue_cents: i64,
    pub first_us: i64,
    pub last_us: i64,
    pub weeks: i64,
    pub ltv: Fraction,
    pub ltv_cents: i128,
    pub per_visit_cents: Option<i128>,
    pub visits_per_week_hundredths: i128,
}

/// An exact quotient; the divisor is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction(pub i128, pub i128);

impl Fraction {
    pub fn compare(self, other: Fraction) -> Ordering {
        (self.0 * other.1).cmp(&(other.0 * self.1))
    }

    /// The nearest integer, of two equally near the even one.
    pub fn rounded(self) -> i128 {
        let below = self.0.div_euclid(self.1);
        match (2 * self.0.rem_euclid(self.1)).cmp(&self.1) {
            Ordering::Less => below,
            Ordering::Greater => below + 1,
            Ordering::Equal => below + below.rem_euclid(2),
        }
    }
}

/// Hundredths as a decimal, zero without a sign.
pub fn decimal(hundredths: i128) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

impl Model {
    /// First and last instant of all accepted events.
    pub fn span(&self) -> Option<(i64, i64)> {
        let times = || self.log.iter().map(|fact| fact.at_us);
        Some((times().min()?, times().max()?))
    }

    /// The last event of each order, by time, then by place in the log.
    pub fn orders(&self) -> Vec<&Fact> {
        let mut latest: BTreeMap<&str, &Fact> = BTreeMap::new();
        for fact in self.log.iter().filter(|fact| fact.kind == "ORDER") {
            let known = latest.entry(&fact.key).or_insert(fact);
            if fact.at_us >= known.at_us {
                *known = fact;
            }
        }
        latest.into_values().collect()
    }

    /// All customers, best first.
    pub fn ranking(&self, query: &Query) -> Vec<Figures> {
        let dataset = self.span().unwrap_or_default();
        let mut own: BTreeMap<&str, (Vec<&Fact>, Vec<&Fact>)> = BTreeMap::new();
        for fact in &self.log {
            own.entry(&fact.customer).or_default().0.push(fact);
        }
        for order in self.orders() {
            own.entry(&order.customer).or_default().1.push(order);
        }
        let figures = |(id, (events, orders)): (&&str, &(Vec<&Fact>, Vec<&Fact>))| {
            figures(id, query, dataset, events, orders)
        };
        let mut all: Vec<Figures> = own.iter().map(figures).collect();
        all.sort_by(|a, b| b.ltv.compare(a.ltv).then_with(|| a.id.as_bytes().cmp(b.id.as_bytes())));
        all
    }

    /// The digest of the statistics over the whole log.
    pub fn digest(&self) -> String {
        let mut sums = [0_u64; 2];
        for customer in self.ranking(&Query::default()) {
            let mut hash = Sha256::new();
            hash.update([u8::try_from(customer.id.len()).unwrap()]);
            hash.update(&customer.id);
            for number in [
                customer.visits,
                customer.orders,
                customer.revenue_cents,
                customer.first_us,
                customer.last_us,
            ] {
                hash.update(number.to_le_bytes());
            }
            let hash = hash.finalize();
            for (sum, half) in sums.iter_mut().zip(hash.chunks(8)) {
                *sum = sum.wrapping_add(u64::from_le_bytes(half.try_into().unwrap()));
            }
        }
        let bytes = sums.iter().flat_map(|sum| sum.to_le_bytes());
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One customer's figures, of all events that name it and of the orders that are its own.
fn figures(
    id: &str,
    query: &Query,
    dataset: (i64, i64),
    own: &[&Fact],
    orders: &[&Fact],
) -> Figures {
    let first_us = own.iter().map(|fact| fact.at_us).min().unwrap();
    let last_us = own.iter().map(|fact| fact.at_us).max().unwrap();
    let (from_us, to_us) = match query.frame {
        Frame::Dataset => dataset,
        Frame::Customer => (first_us, last_us),
        Frame::Window(from, to) => (from * DAY_US, (to + 1) * DAY_US - 1),
    };
    let counted = |fact: &Fact| {
        !matches!(query.frame, Frame::Window(..)) || (from_us..=to_us).contains(&fact.at_us)
    };
    let visits =
        own.iter().filter(|fact| fact.kind == "SITE_VISIT" && counted(fact)).count() as i64;
    let mut revenue_cents = 0;
    let mut order_count = 0;
    for order in orders.iter().filter(|order| counted(order)) {
        order_count += 1;
        revenue_cents += order.cents;
    }
    let weeks = instant::weeks(from_us, to_us, query.monday);
    let revenue = i128::from(revenue_cents);
    let ltv = Fraction(52 * i128::from(query.lifespan_millis) * revenue, 1_000 * i128::from(weeks));
    Figures {
        id: id.to_owned(),
        fields: ["last_name", "adr_city", "adr_state"].map(|name| field(own, name)),
        visits,
        orders: order_count,
        revenue_cents,
        first_us,
        last_us,
        weeks,
        ltv,
        ltv_cents: ltv.rounded(),
        per_visit_cents: (visits > 0).then(|| Fraction(revenue, i128::from(visits)).rounded()),
        visits_per_week_hundredths: Fraction(100 * i128::from(visits), i128::from(weeks)).rounded(),
    }
}

/// The value of the latest CUSTOMER event that gives one.
fn field(own: &[&Fact], name: &str) -> Option<String> {
    let mut best: Option<(&Fact, &str)> = None;
    for fact in own.iter().filter(|fact| fact.kind == "CUSTOMER") {
        if let Some(text) = fact.text(name)
            && best.is_none_or(|(known, _)| fact.at_us >= known.at_us)
        {
            best = Some((fact, text));
        }
    }
    best.map(|(_, text)| text.to_owned())
}
