//! Round trips of whole batches.

use std::borrow::Cow;

use super::Random;
use crate::codec::{
    Batch, BatchBuilder, Placement, Row, RowKind, Superseded, customers_before, tally,
};
use crate::event::{Event, FIELD_COUNT, Kind};
use crate::log::Tally;

/// An event and its placement, both owning what they have.
pub(super) type Admitted = (Event<'static>, Placement);

/// A batch that keeps every rule: `events` rows after `first_seq` events with `customers` known.
pub(super) fn random_batch(
    random: &mut Random,
    events: usize,
    first_seq: u64,
    customers: u32,
) -> Vec<Admitted> {
    let mut known = customers;
    let mut orders = Vec::new();
    let mut admitted = Vec::new();
    for seq in (first_seq..).take(events) {
        let kinds: &[RowKind] = match (known, orders.is_empty()) {
            (0, _) => &[RowKind::CustomerNew],
            (_, true) => &ALL[..5],
            (_, false) => &ALL,
        };
        let row = kinds[random.below(kinds.len() as u64) as usize];
        let at_us = 1_480_000_000_000_000 + random.below(1 << 36) as i64 * 1_000;
        let customer =
            if row == RowKind::CustomerNew { known } else { random.below(u64::from(known)) as u32 };
        known += u32::from(row == RowKind::CustomerNew);
        let mut order_seq = None;
        let mut superseded = None;
        if matches!(row, RowKind::OrderUpdate | RowKind::OrderStale) {
            order_seq = Some(orders[random.below(orders.len() as u64) as usize]);
        }
        if row == RowKind::OrderUpdate {
            superseded = Some(Superseded {
                customer: random.below(u64::from(known)) as u32,
                cents: random.below(1 << 20) as i64 - 500_000,
                at_us: at_us - random.below(1 << 30) as i64,
            });
        }
        if row == RowKind::OrderNew {
            orders.push(seq);
        }
        let key = match random.below(8) {
            0 => "é".repeat(1 + random.below(127) as usize),
            1 => format!("{}", random.next()),
            _ => format!("{:012x}", random.next() >> 16),
        };
        let amount_cents = match row {
            RowKind::OrderNew | RowKind::OrderUpdate | RowKind::OrderStale => {
                random.below(1 << 20) as i64 - 9_999
            }
            _ => 0,
        };
        let event = Event {
            kind: kind_of(row),
            key: Cow::Owned(key),
            customer_id: Cow::Borrowed(""),
            at_us,
            amount_cents,
            texts: random_texts(random, row),
        };
        admitted.push((event, Placement { row, customer, superseded, order_seq }));
    }
    admitted
}

const ALL: [RowKind; 7] = [
    RowKind::CustomerNew,
    RowKind::CustomerUpdate,
    RowKind::Visit,
    RowKind::Image,
    RowKind::OrderNew,
    RowKind::OrderUpdate,
    RowKind::OrderStale,
];

fn kind_of(row: RowKind) -> Kind {
    match row {
        RowKind::CustomerNew => Kind::CustomerNew,
        RowKind::CustomerUpdate => Kind::CustomerUpdate,
        RowKind::Visit => Kind::SiteVisitNew,
        RowKind::Image => Kind::ImageUpload,
        RowKind::OrderNew => Kind::OrderNew,
        RowKind::OrderUpdate | RowKind::OrderStale => Kind::OrderUpdate,
    }
}

fn random_texts(random: &mut Random, row: RowKind) -> [Option<Cow<'static, str>>; FIELD_COUNT] {
    let mut texts = [const { None }; FIELD_COUNT];
    let bits: &[usize] = match row {
        RowKind::CustomerNew | RowKind::CustomerUpdate => &[0, 1, 2, 6],
        RowKind::Visit => &[3, 6],
        RowKind::Image => &[4, 5, 6],
        RowKind::OrderNew | RowKind::OrderUpdate | RowKind::OrderStale => &[6],
    };
    for bit in bits {
        if random.below(2) == 0 {
            continue;
        }
        texts[*bit] = Some(Cow::Owned(match bit {
            3 => format!("[{{\"key {}\":\"value {}\"}}]", random.below(20), random.below(50)),
            6 => format!("{{\"more\":{}}}", random.below(3)),
            _ => ["", "Smith", "Åse", "Middletown"][random.below(4) as usize].to_owned(),
        }));
    }
    texts
}

pub(super) fn build(admitted: &[Admitted]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for (event, placement) in admitted {
        builder.push(event, placement);
    }
    builder
}

fn assert_same(row: &Row<'_>, (event, placement): &Admitted) {
    assert_eq!(row.kind, Some(placement.row));
    assert_eq!(row.customer, placement.customer);
    assert_eq!(row.superseded, placement.superseded);
    assert_eq!(row.order_seq, placement.order_seq);
    let (key, customer_id) = match event.kind {
        Kind::CustomerNew | Kind::CustomerUpdate => ("", &*event.key),
        _ => (row.key.unwrap(), &*event.customer_id),
    };
    assert_eq!(row.key.is_none(), placement.row == RowKind::CustomerUpdate);
    assert!(row.key.is_none_or(|key| key == event.key));
    assert_eq!(row.to_event(key, customer_id).as_ref(), Some(event));
}

#[test]
fn batches_come_back_as_they_were_pushed() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let events = match seed % 4 {
            0 => random.below(4),
            1 => random.below(40),
            2 => 255 + random.below(3),
            _ => random.below(1_000),
        } as usize;
        let (first_seq, customers) = (random.below(1 << 40), random.below(1 << 20) as u32);
        let admitted = random_batch(&mut random, events, first_seq, customers);
        let mut builder = build(&admitted);
        let mut body = Vec::new();
        builder.encode(customers, 77, &mut body);
        assert!(body.len() <= builder.bytes(), "seed {seed}: {} {}", body.len(), builder.bytes());

        let batch = Batch::decode(&body, first_seq, events as u32).unwrap();
        assert_eq!(batch.customers_before(), customers);
        assert_eq!(batch.appended_at_us(), 77);
        let rows = batch.rows().unwrap();
        assert_eq!(rows.len(), events, "seed {seed}");
        let mut key = String::new();
        for (index, pushed) in admitted.iter().enumerate() {
            let row = rows.get(index).unwrap();
            assert_same(&row, pushed);
            assert_eq!(builder.row(index), Some(row), "seed {seed}, row {index}");
            if index % 7 != 0 {
                continue;
            }
            assert_eq!(batch.key_at(index, &mut key), Ok(row.kind.filter(|_| row.key.is_some())));
            assert_eq!(key, row.key.unwrap_or(""), "seed {seed}, row {index}");
            let order = batch.order_at(index).unwrap();
            assert_eq!(
                order.is_some(),
                matches!(pushed.0.kind, Kind::OrderNew | Kind::OrderUpdate)
            );
            if let Some(order) = order {
                let expected = (row.customer, row.cents, row.at_us);
                assert_eq!((order.customer, order.cents, order.at_us), expected);
                let own = first_seq + index as u64;
                assert_eq!(order.order_seq, pushed.1.order_seq.unwrap_or(own));
            }
        }
        let before = Tally { customers, cents_abs: 5, appended_at_us: 76 };
        let newcomers = admitted.iter().filter(|(event, _)| event.kind == Kind::CustomerNew);
        let customers_new = newcomers.count() as u32;
        let cents_abs: u64 =
            admitted.iter().map(|(event, _)| event.amount_cents.unsigned_abs()).sum();
        let after = tally(&body, events as u32, &before).unwrap();
        assert_eq!(after.customers, customers + customers_new);
        assert_eq!(after.cents_abs, 5 + cents_abs);
        assert_eq!(after.appended_at_us, 77);
        assert_eq!(customers_before(&body), Ok(customers));

        let mut again = Vec::new();
        builder.encode(customers, 77, &mut again);
        assert_eq!(again, body, "seed {seed}: encoding depends on what was encoded before");
    }
}

#[test]
fn a_cleared_builder_is_a_new_one() {
    let mut random = Random(5);
    let mut used = build(&random_batch(&mut random, 500, 0, 9));
    assert!(used.set_mark(b"source", b"1"));
    assert!(!used.is_empty());
    used.clear();
    let admitted = random_batch(&mut random, 300, 0, 9);
    for (event, placement) in &admitted {
        used.push(event, placement);
    }
    let mut fresh = build(&admitted);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    used.encode(9, 1, &mut one);
    fresh.encode(9, 1, &mut other);
    assert!(one == other);
    let counts = (fresh.len(), fresh.bytes());
    assert_eq!((used.len(), used.bytes()), counts);
}

#[test]
fn marks_come_back_and_the_latest_of_a_source_counts() {
    let mut builder = BatchBuilder::new();
    // Marks whose bytes, their lengths too, are all hex digits, and an odd number of them.
    let digits = (vec![b'0'; 48], vec![b'1'; 49]);
    assert!(builder.set_mark(&digits.0, &digits.1));
    let mut body = Vec::new();
    builder.encode(0, 0, &mut body);
    assert_eq!(Batch::decode(&body, 0, 0).unwrap().marks(), Ok(vec![digits.clone()]));

    assert!(builder.set_mark(b"a", b"1"));
    assert!(builder.set_mark(b"b", &[7; 255]));
    assert!(builder.set_mark(b"a", b""));
    assert!(!builder.set_mark(b"a", &[7; 256]));
    assert!(!builder.set_mark(&[7; 256], b"1"));
    body.clear();
    builder.encode(0, 0, &mut body);
    let batch = Batch::decode(&body, 0, 0).unwrap();
    let b = (b"b".to_vec(), vec![7; 255]);
    assert_eq!(batch.marks(), Ok(vec![digits, b, (b"a".to_vec(), vec![])]));
    assert_eq!(batch.check(), Ok(()));
}
