//! Batches at random, and every way to read a body: what tests and fuzzing try the codec with.

use std::borrow::Cow;

use super::rows::{Row, Rows};
use super::{Batch, BatchBuilder, Placement, RowKind, Superseded, tally};
use crate::event::{Event, FIELD_COUNT, Kind};
use crate::log::Tally;

/// A small generator of numbers: the same for the same seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// An event and its placement, both owning what they have.
pub(crate) type Admitted = (Event<'static>, Placement);

/// A batch that keeps every rule: `events` rows after `first_seq` events with `customers` known.
pub(crate) fn random_batch(
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

pub(crate) fn build(admitted: &[Admitted]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for (event, placement) in admitted {
        builder.push(event, placement);
    }
    builder
}

pub(crate) fn assert_same(row: &Row<'_>, (event, placement): &Admitted) {
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

/// Reads a body in every way there is; gives its rows if it is sound.
pub(crate) fn read_all(body: &[u8], first_seq: u64, events: u32, rows: &mut Rows) -> bool {
    let _verdict = tally(body, events, &Tally::default());
    let Ok(batch) = Batch::decode(body, first_seq, events) else { return false };
    let read = batch.read_rows(rows);
    let mut key = String::new();
    for row in [0, 1, batch.events() / 2, batch.events(), usize::MAX] {
        let by_key = batch.key_at(row, &mut key);
        let by_order = batch.order_at(row);
        let (texts, at_us) = (batch.texts_at(row), batch.time_at(row));
        if read.is_ok() && row < rows.len() {
            assert_eq!(by_key.map(|_| key.as_str()), Ok(rows.get(row).unwrap().key.unwrap_or("")));
            assert!(by_order.is_ok());
            let row = rows.get(row).unwrap();
            assert_eq!(texts.unwrap().each_ref().map(Option::as_deref), row.texts);
            assert_eq!(at_us, Ok(row.at_us));
        }
    }
    let marks = batch.marks();
    let sound = batch.check().is_ok();
    assert!(!sound || (read.is_ok() && marks.is_ok() && rows.len() == batch.events()));
    assert!(read.is_ok() || rows.is_empty());
    assert!(read.is_err() || (0..rows.len()).all(|row| rows.get(row).is_some()));
    sound
}

/// The body that a sound batch comes from, if this build writes all of it.
pub(crate) fn again(batch: &Batch<'_>, rows: &Rows) -> Option<Vec<u8>> {
    let mut builder = BatchBuilder::new();
    for row in rows.iter() {
        let event = row.to_event(row.key.unwrap_or(""), row.key.unwrap_or(""))?;
        let placement = Placement {
            row: row.kind?,
            customer: row.customer,
            superseded: row.superseded,
            order_seq: row.order_seq,
        };
        builder.push(&event, &placement);
    }
    for (source, position) in batch.marks().unwrap() {
        assert!(builder.set_mark(&source, &position));
    }
    let mut body = Vec::new();
    builder.encode(batch.customers_before(), batch.appended_at_us(), &mut body);
    Some(body)
}
