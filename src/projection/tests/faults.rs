//! Batches that break a rule, and rows that only later versions write: named, never a panic and
//! never a wrapped sum.

use crate::codec::{Batch, BatchBuilder, NOT_IN_THIS_LOG};
use crate::error::Fault;
use crate::projection::Projection;
use crate::projection::columns::Columns;
use crate::projection::statistics::{CustomerStatistics, Statistics};
use crate::projection::weeks::Frame;

/// Rows of (kind, customer, time), all amounts and supersessions beside them.
#[derive(Clone, Default)]
struct Rows<'a> {
    rows: &'a [(u8, u32, i64)],
    cents: &'a [i64],
    superseded: &'a [(u32, i64, i64)],
    fields: &'a [u8],
}

impl Rows<'_> {
    fn columns(&self) -> Columns {
        Columns {
            kinds: self.rows.iter().map(|row| row.0).collect(),
            customers: self.rows.iter().map(|row| row.1).collect(),
            times_us: self.rows.iter().map(|row| row.2).collect(),
            cents: self.cents.to_vec(),
            superseded_customers: self.superseded.iter().map(|row| row.0).collect(),
            superseded_cents: self.superseded.iter().map(|row| row.1).collect(),
            superseded_times_us: self.superseded.iter().map(|row| row.2).collect(),
            fields: self.fields.to_vec(),
        }
    }
}

/// Folds rows into the statistics of one customer who has events at 10.
fn fold(rows: Rows<'_>) -> Result<Statistics, Fault> {
    let mut statistics = Statistics::new();
    statistics.fold(&Rows { rows: &[(1, 0, 10)], ..Rows::default() }.columns())?;
    statistics.fold(&rows.columns())?;
    Ok(statistics)
}

fn corrupt(rows: Rows<'_>) -> &'static str {
    match fold(rows) {
        Err(Fault::Corrupt(reason)) => reason,
        other => panic!("{other:?} is not corrupt"),
    }
}

#[test]
fn every_kind_is_known_neutral_or_refused() {
    let fold_kind = |kind| fold(Rows { rows: &[(kind, 0, 20)], ..Rows::default() });
    for kind in 0..=255 {
        let found = fold_kind(kind);
        match kind {
            64..128 => {
                let statistics = found.expect("neutral");
                let widened = CustomerStatistics {
                    revenue_cents: 0,
                    first_us: 10,
                    last_us: 20,
                    visits: 0,
                    orders: 0,
                };
                assert_eq!(statistics.customers(), [widened], "kind {kind}");
                assert_eq!(statistics.frame(), Some(Frame { first_us: 10, last_us: 20 }));
            }
            3 | 4 => assert_eq!(found.expect("plain").customers()[0].last_us, 20),
            8..64 => assert!(matches!(found, Err(Fault::Unknown(_))), "kind {kind}"),
            0 | 128.. => assert!(matches!(found, Err(Fault::Corrupt(_))), "kind {kind}"),
            // The known ones that need another column, or another ordinal.
            1 | 2 | 5..8 => assert!(matches!(found, Err(Fault::Corrupt(_))), "kind {kind}"),
        }
    }
}

#[test]
fn customers_elsewhere_count_for_the_frame_alone() {
    let away = NOT_IN_THIS_LOG;
    let statistics = fold(Rows {
        rows: &[
            (2, away, 1),
            (3, away, 2),
            (4, away, 3),
            (5, away, 4),
            (7, away, 30),
            (64, away, 5),
        ],
        cents: &[100, 7],
        fields: &[7; 6],
        ..Rows::default()
    });
    let statistics = statistics.expect("legal");
    assert_eq!(statistics.customers()[0].frame(), Frame { first_us: 10, last_us: 10 });
    assert_eq!(statistics.customers()[0].revenue_cents, 0);
    assert_eq!(statistics.frame(), Some(Frame { first_us: 1, last_us: 30 }));
    assert_eq!((statistics.events(), statistics.cents_abs()), (7, 107));
    assert!(statistics.sorted_updates().is_empty());

    // An order comes to a customer from elsewhere, and leaves for elsewhere.
    let moved = fold(Rows {
        rows: &[(6, 0, 12), (6, away, 13)],
        cents: &[500, 600],
        superseded: &[(away, 400, 11), (0, 500, 12)],
        ..Rows::default()
    });
    let customer = moved.expect("legal").customers()[0];
    assert_eq!((customer.orders, customer.revenue_cents, customer.last_us), (0, 0, 12));
}

#[test]
fn rows_that_name_nobody_are_corrupt() {
    for kind in 2..=7 {
        for superseded in [&[(0, 0, 10)], &[(1, 0, 10)]] {
            let columns = Rows {
                rows: &[(5, 0, 10), (kind, 1, 10)],
                cents: if kind >= 5 { &[0, 0] } else { &[0] },
                superseded: if kind == 6 { superseded } else { &[] },
                fields: &[0, 7],
            };
            assert_eq!(corrupt(columns), "a row names a customer that does not exist yet");
        }
    }
    for ordinal in [0, 2, NOT_IN_THIS_LOG] {
        let columns = Rows { rows: &[(1, ordinal, 10)], ..Rows::default() };
        assert_eq!(corrupt(columns), "a new customer's ordinal is not the next");
    }
}

#[test]
fn columns_must_fit_together() {
    let good = Rows {
        rows: &[(5, 0, 10), (6, 0, 10), (2, 0, 11)],
        cents: &[1, 2],
        superseded: &[(0, 1, 10)],
        fields: &[0, 0, 1],
    };
    assert!(fold(good.clone()).is_ok());
    for bad in [
        Rows { cents: &[1], ..good.clone() },
        Rows { cents: &[1, 2, 3], ..good.clone() },
        Rows { superseded: &[], ..good.clone() },
        Rows { superseded: &[(0, 1, 10), (0, 1, 10)], ..good.clone() },
        Rows { fields: &[0, 0], ..good.clone() },
    ] {
        assert_eq!(corrupt(bad), "columns of a batch have different numbers of rows");
    }
    let mut columns = good.columns();
    columns.times_us.pop();
    assert!(Statistics::new().fold(&columns).is_err());
    let mut columns = good.columns();
    columns.customers.pop();
    assert!(Statistics::new().fold(&columns).is_err());
}

#[test]
fn sums_stay_within_their_bounds() {
    let most = (1_i64 << 62) - 1;
    let orders = [(5, 0, 10), (5, 0, 10)];
    let fold_orders = |cents: &[i64]| fold(Rows { rows: &orders, cents, ..Rows::default() });
    let statistics = fold_orders(&[most - 1, -1]).expect("just below 2^62");
    assert_eq!(statistics.cents_abs(), (1 << 62) - 1);
    for cents in [[most, 1], [most, -1], [i64::MIN, 0], [i64::MAX, i64::MAX]] {
        assert!(matches!(fold_orders(&cents), Err(Fault::Corrupt(_))), "{cents:?}");
    }

    // What was superseded is not bounded by the sum of amounts.
    let replace = |cents, superseded| {
        let rows = &[(5, 0, 10), (6, 0, 10)];
        fold(Rows { rows, cents: &[cents, 0], superseded: &[(0, superseded, 10)], fields: &[] })
    };
    assert_eq!(replace(5, 5).expect("plain").customers()[0].revenue_cents, 0);
    assert!(replace(5, i64::MAX).is_ok());
    assert!(matches!(replace(0, i64::MIN), Err(Fault::Corrupt(_))));
    let rows = &[(6, 0, 10)];
    let columns = Rows { rows, cents: &[0], superseded: &[(0, 0, 10)], fields: &[] };
    assert_eq!(corrupt(columns), "an update takes away an order that was never counted");
}

#[test]
fn counts_never_wrap() {
    for kind in [3, 5, 6] {
        let mut statistics = Statistics::new();
        statistics.fold(&Rows { rows: &[(1, 0, 10)], ..Rows::default() }.columns()).expect("new");
        let customer = &mut statistics.customers[0];
        (customer.visits, customer.orders) = (u32::MAX, u32::MAX);
        let columns = Rows {
            rows: &[(kind, 0, 10)],
            cents: if kind == 3 { &[] } else { &[0] },
            superseded: if kind == 6 { &[(NOT_IN_THIS_LOG, 0, 10)] } else { &[] },
            fields: &[],
        };
        assert!(statistics.fold(&columns.columns()).is_err(), "kind {kind}");
    }
}

#[test]
fn batches_must_follow_each_other() {
    let mut body = Vec::new();
    let mut builder = BatchBuilder::new();
    assert!(builder.set_mark(b"source", b"12"));
    builder.encode(0, 0, &mut body);
    let mut statistics = Statistics::new();
    let apply = |statistics: &mut Statistics, body: &[u8], seq| {
        statistics.apply(&Batch::decode(body, seq, 0).expect("well-formed"))
    };
    // A batch of no events, with a mark, is legal.
    assert_eq!(apply(&mut statistics, &body, 0), Ok(()));
    assert_eq!(statistics.mark(b"source"), Some(b"12".as_slice()));
    assert_eq!(statistics.mark(b"other"), None);
    assert_eq!((statistics.end(), statistics.frame()), (0, None));

    assert!(matches!(apply(&mut statistics, &body, 1), Err(Fault::Corrupt(_))));
    let mut body = Vec::new();
    builder.encode(1, 0, &mut body);
    assert!(matches!(apply(&mut statistics, &body, 0), Err(Fault::Corrupt(_))));
}
