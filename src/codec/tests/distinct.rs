//! Texts that many rows have: written once, chosen by each row, and what is wrong with a choice.

use std::borrow::Cow;

use super::column;
use crate::codec::{Batch, BatchBuilder, Placement, RowKind};
use crate::error::Fault;
use crate::event::{Event, Field, Kind};

/// A batch of visits with these tags.
fn visits<'t>(tags: impl Iterator<Item = &'t str>) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    let (row, superseded, order_seq) = (RowKind::Visit, None, None);
    for (number, text) in tags.enumerate() {
        let mut event = Event {
            kind: Kind::SiteVisitNew,
            key: format!("{number:012x}").into(),
            customer_id: "".into(),
            at_us: 0,
            amount_cents: 0,
            texts: Default::default(),
        };
        event.texts[Field::Tags as usize] = Some(Cow::Borrowed(text));
        builder.push(&event, &Placement { row, customer: 0, superseded, order_seq });
    }
    builder
}

fn has_choices(body: &[u8]) -> bool {
    let mut found = false;
    crate::codec::columns(body, &mut |text| found |= text.name == "text_choices").unwrap();
    found
}

#[test]
fn texts_are_chosen_where_at_most_half_of_them_are_distinct() {
    let all: Vec<String> = (0..600).map(|number| format!("[{{\"tag\":{number}}}]")).collect();
    for events in [255, 256, 512, 600] {
        for distinct in [1, 2, events / 2 - 1, events / 2, events / 2 + 1, events] {
            let tags: Vec<&str> =
                (0..events).map(|number| all[number % distinct].as_str()).collect();
            let mut body = Vec::new();
            let mut builder = visits(tags.iter().copied());
            builder.encode(1, 0, &mut body);
            let chosen = events >= 256 && distinct <= events / 2;
            assert_eq!(has_choices(&body), chosen, "{distinct} of {events}");
            let batch = Batch::decode(&body, 0, events as u32).unwrap();
            batch.check().unwrap();
            batch.check_encoded_again().unwrap();
            let rows = batch.rows().unwrap();
            let read: Vec<&str> = rows.iter().map(|row| row.texts[3].unwrap()).collect();
            assert_eq!(read, tags, "{distinct} of {events}");
        }
    }
}

#[test]
fn a_text_that_is_chosen_takes_a_byte_or_two() {
    let text = "[{\"search term\": \"a magnet for the door of a fridge\"}]";
    let mut body = Vec::new();
    visits(std::iter::repeat_n(text, 4_096)).encode(1, 0, &mut body);
    // The keys take 6 bytes each.
    assert!(body.len() < 4_096 * 6 + 200, "{}", body.len());
}

/// Two visits and an image, with the texts `a`, `b`, `a`, `b`: `a` is the tags and the make.
fn body(lengths: &[u8], texts: &[u8], choices: &[u8]) -> Vec<u8> {
    [
        column(1, 0, 1, 1, &[]),
        column(2, 0, 0, 1, &[]),
        column(3, 1, 3, 1, &[0, 0, 1]),
        column(4, 0, 0, 1, &[]),
        column(5, 0, 0, 1, &[]),
        column(11, 0, 1, 1, &[]),
        column(12, 64, 0, 1, b"xyz"),
        column(13, 1, 8, 1, &[0, 0, 40]),
        if lengths.is_empty() { column(14, 0, 2, 1, &[]) } else { column(14, 1, 2, 1, lengths) },
        column(15, 64, 0, 1, texts),
        column(17, 1, 0, 1, choices),
    ]
    .concat()
}

fn check(body: &[u8]) -> Result<(), Fault> {
    let batch = Batch::decode(body, 0, 3)?;
    let checked = batch.check();
    // What a reader may not know it must at least survive.
    assert!(batch.rows().is_ok() || checked.is_err());
    checked
}

#[test]
fn choices_have_one_way_to_be_written() {
    assert_eq!(check(&body(&[0, 1], b"[][1]", &[0, 1, 0, 1])), Ok(()));
    let order = "the distinct texts of a batch are not in the order in which they first come";
    for choices in [[1, 0, 1, 0], [0, 2, 0, 1], [0, 1, 3, 2]] {
        let wrong = check(&body(&[0, 1], b"[][1]", &choices));
        assert_eq!(wrong, Err(Fault::Corrupt(order)), "{choices:?}");
    }
    let twice = check(&body(&[], b"[][]", &[0, 1, 0, 1]));
    assert_eq!(twice, Err(Fault::Corrupt("a text that many rows have is written twice")));
    let rows =
        Err(Fault::Corrupt("a column of integers has another number of rows than it should"));
    assert_eq!(check(&body(&[0, 1], b"[][1]", &[0, 1, 0])), rows);
    // Two texts are there, three are chosen from; and the other way round.
    assert_eq!(check(&body(&[0, 1], b"[][1]", &[0, 1, 2, 1])), rows);
    assert_eq!(check(&body(&[0, 1, 0], b"[][1]{}", &[0, 1, 0, 1])), rows);
    let base = [body(&[0, 1], b"[][1]", &[0, 1, 0, 1]), column(18, 0, 0, 1, &[])].concat();
    assert!(matches!(check(&base), Err(Fault::Unknown(_))));
}

#[test]
fn a_choice_inside_a_character_is_a_fault() {
    let wrong = body(&[], "[é]".as_bytes(), &[0, 1, 0, 1]);
    let cut = Err(Fault::Corrupt("the columns of a batch do not fit together"));
    let batch = Batch::decode(&wrong, 0, 3).unwrap();
    assert_eq!(batch.rows().map(|_| ()), cut);
}

/// A text of a megabyte that 2^20 rows choose would be a terabyte.
#[test]
fn a_text_may_not_be_chosen_beyond_what_a_batch_can_hold() {
    for events in [3_u32, 17, 1 << 20] {
        let body = [
            column(1, 0, 1, 1, &[]),
            column(2, 0, 0, 1, &[]),
            column(3, 0, 3, 1, &[]),
            column(4, 0, 0, 1, &[]),
            column(5, 0, 0, 1, &[]),
            column(11, 0, 0, 1, &[]),
            column(12, 64, 0, 1, &[]),
            column(13, 0, 64, 1, &[]),
            column(14, 0, 1 << 20, 1, &[]),
            column(15, 64, 0, 1, &vec![b'x'; 1 << 20]),
            column(17, 0, 0, 1, &[]),
        ]
        .concat();
        let rows = Batch::decode(&body, 0, events).unwrap().rows();
        assert_eq!(rows.is_ok(), events <= 16, "{events}");
    }
}
