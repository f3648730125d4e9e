//! Any bytes as the body of a batch, and any batch as bytes.

use super::Input;
use crate::codec::trial::{Random, again, assert_same, build, random_batch, read_all};
use crate::codec::{Batch, NOT_IN_THIS_LOG, RowKind, Rows, columns as each_column, tally};
use crate::log::Tally;
use crate::projection::Projection;
use crate::{CustomerStatistics, Statistics};

/// The first byte chooses: a batch by number, written, read and then spoiled by the bytes that
/// follow (bit 0), or a body as it comes; the next two say how many events it has.
pub fn columns(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let events = input.word() % 700;
    if how & 1 == 0 {
        return body(input.take(64 << 10), u32::from(events));
    }
    let mut random = Random(u64::from(input.word()));
    let admitted = random_batch(&mut random, usize::from(events), 0, 0);
    let mut bytes = Vec::new();
    build(&admitted).encode(0, 77, &mut bytes);
    let batch = Batch::decode(&bytes, 0, events.into()).expect("what is written is read");
    if events > 0 {
        batch.check().expect("what is written keeps every rule");
    }
    let rows = batch.rows().expect("what is written is read");
    assert_eq!(rows.len(), admitted.len());
    for (row, pushed) in rows.iter().zip(&admitted) {
        assert_same(&row, pushed);
    }
    while !input.rest.is_empty() && !bytes.is_empty() {
        let (at, byte) = (input.below(bytes.len()), input.byte());
        bytes[at] ^= byte;
    }
    body(&bytes, events.into());
}

/// All ways to read a body agree, or refuse.
fn body(bytes: &[u8], events: u32) {
    each_column(bytes, &mut |column| assert!(column.range.end <= bytes.len())).ok();
    let mut rows = Rows::default();
    let is_sound = read_all(bytes, 0, events, &mut rows);
    let Ok(batch) = Batch::decode(bytes, 0, events) else { return };
    let before = Tally {
        customers: batch.customers_before(),
        cents_abs: 0,
        appended_at_us: batch.appended_at_us(),
    };
    let after = tally(bytes, events, &before);
    let cents: u128 = rows.iter().map(|row| u128::from(row.cents.unsigned_abs())).sum();
    if is_sound {
        let written = again(&batch, &rows);
        let is_small = events < 256 && written.as_ref().is_some_and(|it| it.len() == bytes.len());
        assert!(!is_small || written.as_deref() == Some(bytes), "there is one way to write it");
        assert_eq!(after.is_ok(), cents < 1 << 62, "{after:?}");
    }
    let mut statistics = Statistics::new();
    if statistics.apply(&batch).is_err() {
        return;
    }
    // Statistics do without keys and texts; if those can be read too, it is the same batch.
    assert!(after.is_ok_and(|after| after.customers as usize == statistics.customers().len()));
    if rows.len() == events as usize && batch.read_rows(&mut rows).is_ok() {
        assert_eq!(statistics.customers(), naive(&rows), "folded otherwise than row by row");
    }
}

/// The statistics of customers, row by row.
fn naive(rows: &Rows) -> Vec<CustomerStatistics> {
    let mut all: Vec<CustomerStatistics> = Vec::new();
    for row in rows.iter() {
        let at_us = row.at_us;
        if row.kind == Some(RowKind::CustomerNew) {
            let (first_us, last_us) = (at_us, at_us);
            all.push(CustomerStatistics {
                revenue_cents: 0,
                first_us,
                last_us,
                visits: 0,
                orders: 0,
            });
        }
        if let Some(old) = row.superseded.filter(|old| old.customer != NOT_IN_THIS_LOG) {
            let customer = &mut all[old.customer as usize];
            customer.orders -= 1;
            customer.revenue_cents -= old.cents;
        }
        if row.customer == NOT_IN_THIS_LOG {
            continue;
        }
        let customer = &mut all[row.customer as usize];
        customer.first_us = customer.first_us.min(at_us);
        customer.last_us = customer.last_us.max(at_us);
        customer.visits += u32::from(row.kind == Some(RowKind::Visit));
        if matches!(row.kind, Some(RowKind::OrderNew | RowKind::OrderUpdate)) {
            customer.orders += 1;
            customer.revenue_cents += row.cents;
        }
    }
    all
}
