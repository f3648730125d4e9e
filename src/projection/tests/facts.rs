//! Facts about customers as tests write them down, the batches they make, and a naive model.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::codec::{Batch, BatchBuilder, Placement, RowKind, Superseded};
use crate::event::{Event, FIELD_COUNT, Field, Kind};
use crate::projection::statistics::{CustomerStatistics, Statistics};
use crate::projection::{Projection, TimeFrame};

/// What happened; customers and orders are numbers, and customers exist in the order of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    New,
    /// Gives the fields whose bits are set.
    Update {
        fields: u8,
    },
    Visit,
    Image,
    Order {
        order: u32,
        cents: i64,
    },
    OrderUpdate {
        order: u32,
        cents: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) customer: u32,
    pub(super) at_us: i64,
    pub(super) what: What,
}

/// Where an order stands, as admission would know it.
#[derive(Clone, Copy)]
struct OrderState {
    state: Superseded,
    new_seq: u64,
}

/// The facts as events with their placements, the way admission resolves them.
fn placed(facts: &[Fact]) -> Vec<(Event<'static>, Placement)> {
    let mut orders: BTreeMap<u32, OrderState> = BTreeMap::new();
    let mut placed = Vec::new();
    for (seq, fact) in facts.iter().enumerate() {
        let seq = u64::try_from(seq).expect("few facts");
        let now = |cents| Superseded { customer: fact.customer, cents, at_us: fact.at_us };
        let (mut superseded, mut order_seq, mut amount_cents, mut fields) = (None, None, 0, 0);
        let (kind, row, key) = match fact.what {
            What::New => (Kind::CustomerNew, RowKind::CustomerNew, fact.customer),
            What::Update { fields: some } => {
                fields = some;
                (Kind::CustomerUpdate, RowKind::CustomerUpdate, fact.customer)
            }
            What::Visit => (Kind::SiteVisitNew, RowKind::Visit, 0),
            What::Image => (Kind::ImageUpload, RowKind::Image, 0),
            What::Order { order, cents } => {
                amount_cents = cents;
                orders.insert(order, OrderState { state: now(cents), new_seq: seq });
                (Kind::OrderNew, RowKind::OrderNew, order)
            }
            What::OrderUpdate { order, cents } => {
                amount_cents = cents;
                let before = orders.get_mut(&order).expect("orders are updated once they exist");
                order_seq = Some(before.new_seq);
                if fact.at_us >= before.state.at_us {
                    superseded = Some(before.state);
                    before.state = now(cents);
                    (Kind::OrderUpdate, RowKind::OrderUpdate, order)
                } else {
                    (Kind::OrderUpdate, RowKind::OrderStale, order)
                }
            }
        };
        let texts: [_; FIELD_COUNT] =
            std::array::from_fn(|bit| (fields >> bit & 1 == 1).then_some(Cow::Borrowed("text")));
        let key = Cow::Owned(key.to_string());
        let customer_id = Cow::Borrowed("");
        let event = Event { kind, key, customer_id, at_us: fact.at_us, amount_cents, texts };
        placed.push((event, Placement { row, customer: fact.customer, superseded, order_seq }));
    }
    placed
}

/// A batch's bytes and what its frame says of it.
pub(super) struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) first_seq: u64,
    pub(super) events: u32,
    pub(super) customers_before: u32,
}

impl Encoded {
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch::decode(&self.body, self.first_seq, self.events).expect("just encoded")
    }
}

/// The facts in batches of `size`.
pub(super) fn batches(facts: &[Fact], size: usize) -> Vec<Encoded> {
    let mut builder = BatchBuilder::new();
    let (mut first_seq, mut customers_before) = (0, 0);
    let mut encoded = Vec::new();
    for rows in placed(facts).chunks(size) {
        builder.clear();
        rows.iter().for_each(|(event, placement)| builder.push(event, placement));
        let mut body = Vec::new();
        builder.encode(customers_before, 0, &mut body);
        let events = u32::try_from(rows.len()).expect("few rows");
        encoded.push(Encoded { body, first_seq, events, customers_before });
        first_seq += u64::from(events);
        let is_new = |row: &&(Event<'_>, Placement)| row.1.row == RowKind::CustomerNew;
        customers_before += u32::try_from(rows.iter().filter(is_new).count()).expect("few rows");
    }
    encoded
}

/// Folds the facts in batches of `size`, and shows the statistics after each.
pub(super) fn fold(
    facts: &[Fact],
    size: usize,
    over: TimeFrame,
    mut each: impl FnMut(&Statistics),
) {
    let mut statistics = Statistics::over(over);
    for encoded in batches(facts, size) {
        statistics.apply(&encoded.batch()).expect("a good batch");
        each(&statistics);
    }
}

/// The statistics after all the facts.
pub(super) fn folded(facts: &[Fact], size: usize, over: TimeFrame) -> Statistics {
    let mut last = Statistics::over(over);
    fold(facts, size, over, |statistics| last = statistics.clone());
    last
}

/// What the specification says of these facts: everything recomputed from all of them, counting
/// what lies in `window`.
pub(super) fn naive(facts: &[Fact], window_us: Range<i64>) -> Vec<CustomerStatistics> {
    let mut customers: Vec<CustomerStatistics> = Vec::new();
    let mut orders: BTreeMap<u32, Vec<(i64, usize)>> = BTreeMap::new();
    for (seq, fact) in facts.iter().enumerate() {
        let at_us = fact.at_us;
        if fact.what == What::New {
            customers.push(CustomerStatistics {
                revenue_cents: 0,
                first_us: at_us,
                last_us: at_us,
                visits: 0,
                orders: 0,
            });
        }
        let customer = &mut customers[fact.customer as usize];
        customer.first_us = customer.first_us.min(at_us);
        customer.last_us = customer.last_us.max(at_us);
        match fact.what {
            What::New | What::Update { .. } | What::Image => {}
            What::Visit => customer.visits += u32::from(window_us.contains(&at_us)),
            What::Order { order, .. } | What::OrderUpdate { order, .. } => {
                orders.entry(order).or_default().push((at_us, seq));
            }
        }
    }
    for states in orders.values() {
        let (at_us, seq) = states.iter().max().expect("an order has a state");
        if let What::Order { cents, .. } | What::OrderUpdate { cents, .. } = facts[*seq].what
            && window_us.contains(at_us)
        {
            let customer = &mut customers[facts[*seq].customer as usize];
            customer.orders += 1;
            customer.revenue_cents += cents;
        }
    }
    customers
}

/// The sequence of the update that gives a customer's field its value by the specification, if
/// the customer was made by an event that gives no fields.
pub(super) fn naive_update(facts: &[Fact], customer: u32, field: Field) -> Option<(i64, u64)> {
    let gives = |fact: &Fact| match fact.what {
        What::Update { fields } => fact.customer == customer && fields >> field as u8 & 1 == 1,
        _ => false,
    };
    let updates = (0..).zip(facts).filter(|(_, fact)| gives(fact));
    updates.map(|(seq, fact)| (fact.at_us, seq)).max()
}

/// A repeatable source of small numbers.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    /// A history in which everything collides: few customers, orders and instants.
    pub(super) fn facts(&mut self, count: u64) -> Vec<Fact> {
        let (mut customers, mut orders) = (0_u32, 0_u32);
        let mut facts = Vec::new();
        for _ in 0..count {
            let cents = self.roll(9).cast_signed() - 3;
            let what = match self.roll(10) {
                _ if customers == 0 => What::New,
                0 if customers < 5 => What::New,
                0 | 1 => What::Update { fields: u8::try_from(self.roll(8)).expect("below 8") },
                2 | 3 => What::Visit,
                4 => What::Image,
                5 | 6 => {
                    orders += 1;
                    What::Order { order: orders - 1, cents }
                }
                _ if orders == 0 => What::Visit,
                _ => {
                    let order = u32::try_from(self.roll(u64::from(orders))).expect("few orders");
                    What::OrderUpdate { order, cents }
                }
            };
            let customer = if what == What::New {
                customers += 1;
                customers - 1
            } else {
                u32::try_from(self.roll(u64::from(customers))).expect("few customers")
            };
            facts.push(Fact { customer, at_us: self.roll(8).cast_signed() - 2, what });
        }
        facts
    }
}
