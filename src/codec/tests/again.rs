//! A batch that no encoder of this build would write, though it breaks no other rule.

use super::super::{Batch, BatchBuilder, Placement, RowKind};
use crate::codec::column::{Column, Columns, id};
use crate::event::{Event, Rules};

fn built() -> Vec<u8> {
    let rules = Rules { currency: *b"USD", time_range_us: 0..i64::MAX };
    let text = br#"{"type":"CUSTOMER","verb":"NEW","key":"96f55c","event_time":"2017-01-06T12:46:46Z","last_name":"S"}"#;
    let mut builder = BatchBuilder::new();
    let event = Event::from_json(text, &rules).unwrap();
    let row = RowKind::CustomerNew;
    builder.push(&event, &Placement { row, customer: 0, superseded: None, order_seq: None });
    assert!(builder.set_mark(b"s", b"1"));
    let mut body = Vec::new();
    builder.encode(0, 5, &mut body);
    body
}

#[test]
fn keys_that_should_be_packed_are_noticed() {
    let body = built();
    Batch::decode(&body, 0, 1).unwrap().check_encoded_again().unwrap();
    let mut edited = Vec::new();
    let mut columns = Columns::new(&body);
    while let Some(column) = columns.next().unwrap() {
        let raw = Column { id: id::KEY, form: 64, base: 0, scale: 1, data: b"96f55c" };
        if column.id == id::KEY { raw } else { column }.write(&mut edited);
    }
    let batch = Batch::decode(&edited, 0, 1).unwrap();
    batch.check().unwrap();
    assert!(batch.check_encoded_again().is_err());
}
