//! Round trips of whole batches.

use super::Random;
use crate::codec::trial::{assert_same, build, random_batch};
use crate::codec::{Batch, BatchBuilder, customers_before, tally};
use crate::event::Kind;
use crate::log::Tally;

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
            assert_eq!(batch.time_at(index), Ok(row.at_us));
            let texts = batch.texts_at(index).unwrap();
            assert_eq!(texts.each_ref().map(Option::as_deref), row.texts, "seed {seed}");
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
        let is_new =
            |row: &usize| rows.get(*row).unwrap().kind == Some(crate::codec::RowKind::CustomerNew);
        let mut news = (0..events).filter(is_new);
        for place in 0..=customers_new as usize {
            assert_eq!(batch.newcomer_at(place), Ok(news.next()), "seed {seed}");
        }
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
