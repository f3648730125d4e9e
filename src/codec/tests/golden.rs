//! Bytes that must never change: each form of a column, and the body of a batch.
//!
//! Compressed blocks are pinned for reading only; another compressor may write other ones.

use std::borrow::Cow;

use super::{column, hex};
use crate::codec::bytes::{BytesColumn, write_bytes};
use crate::codec::column::Columns;
use crate::codec::ints::{IntColumn, IntWriter};
use crate::codec::{Batch, BatchBuilder, Placement, RowKind, Superseded};
use crate::event::{Event, FIELD_COUNT, Field, Kind};

/// The page that specifies these bytes; its worked example is read from it.
const FORMAT: &str = include_str!("../../../docs/format.md");

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn columns_of_integers_are_these_bytes() {
    for (values, bytes) in [
        (&[3, 3, 3][..], "05 00 06 01 00"),
        (&[-1], "05 00 01 01 00"),
        (&[250], "05 00 fbf401 01 00"),
        (&[1, 3, 2], "05 01 02 01 03 00 02 01"),
        (&[-3, 252], "05 01 05 01 02 00 ff"),
        (&[0, 256, 1], "05 02 00 01 06 0000 0001 0100"),
        (&[65_536, 0], "05 03 00 01 06 000001 000000"),
        (&[0, 1 << 24], "05 04 00 01 08 00000000 00000001"),
        (&[0, 1 << 32], "05 05 00 01 0a 0000000000 0000000001"),
        (&[0, 1 << 40], "05 06 00 01 0c 000000000000 000000000001"),
        (&[0, 1 << 48], "05 07 00 01 0e 00000000000000 00000000000001"),
        (&[0, 1 << 56], "05 08 00 01 10 0000000000000000 0000000000000001"),
        (&[i64::MIN, i64::MAX], "05 08 fdffffffffffffffff 01 10 0000000000000000 ffffffffffffffff"),
        (&[5_000, 7_000], "05 01 fb1027 fbe803 02 00 02"),
        (&[0, 3_000_000], "05 01 00 fc40420f00 02 00 03"),
        (
            &[1_483_706_786_384_000, 1_483_706_752_041_000],
            "05 02 fd5000d0cbd88a0a00 fbe803 04 2786 0000",
        ),
    ] {
        let mut written = Vec::new();
        IntWriter::new().write(5, values, None, &mut written);
        assert_eq!(hex(&written), hex(&unhex(bytes)), "{values:?}");
        let read = Columns::new(&written).next().unwrap().unwrap();
        let mut back = Vec::new();
        IntColumn::new(read).unwrap().read::<i64>(values.len(), &mut back).unwrap();
        assert_eq!(back, values);
    }
}

#[test]
fn columns_of_bytes_are_these_bytes() {
    for (raw, bytes) in [
        ("", "0c 40 00 01 00"),
        ("Smith", "0c 40 00 01 05 536d697468"),
        ("96f55c7d8f42", "0c 41 00 01 06 96f55c7d8f42"),
        ("a1b", "0c 41 00 01 02 a1b0"),
    ] {
        let mut written = Vec::new();
        write_bytes(12, raw.as_bytes(), Some(&mut Vec::new()), None, &mut written);
        assert_eq!(hex(&written), hex(&unhex(bytes)), "{raw}");
    }
}

/// 2 literals, a match of 25 bytes 2 back, 5 literals: 01 02 sixteen times.
const BLOCK: &str = "2f 01 02 02 00 06 50 02 01 02 01 02";

#[test]
fn compressed_columns_are_read_from_these_bytes() {
    for (form, rows) in [(9, 32), (10, 16), (12, 8), (16, 4)] {
        let bytes = column(5, form, 10, 1, &unhex(BLOCK));
        assert_eq!(hex(&bytes), format!("05{form:02x}14010c{}", hex(&unhex(BLOCK))));
        let ints = IntColumn::new(Columns::new(&bytes).next().unwrap().unwrap()).unwrap();
        let mut back = Vec::new();
        ints.read::<i64>(rows, &mut back).unwrap();
        let value = match form {
            9 => [11, 12],
            10 => [0x201 + 10; 2],
            12 => [0x0201_0201 + 10; 2],
            _ => [0x0201_0201_0201_0201 + 10; 2],
        };
        assert_eq!(back, value.repeat(rows / 2), "form {form}");
        assert!(ints.read::<i64>(rows + 1, &mut back).is_err());
        assert!(ints.read::<i64>(rows - 1, &mut back).is_err());
    }
    let bytes = column(15, 66, 32, 1, &unhex(BLOCK));
    assert_eq!(hex(&bytes), format!("0f4240010c{}", hex(&unhex(BLOCK))));
    let text = BytesColumn::new(Columns::new(&bytes).next().unwrap().unwrap()).unwrap();
    let mut back = Vec::new();
    text.read(32, &mut back).unwrap();
    assert_eq!(back, [1, 2].repeat(16));
}

/// The sample events, and an update that raises the order to 15.00 a second later.
fn example() -> BatchBuilder {
    let texts = |some: &[(Field, &'static str)]| {
        let mut texts = [const { None }; FIELD_COUNT];
        for (field, text) in some {
            texts[*field as usize] = Some(Cow::Borrowed(*text));
        }
        texts
    };
    let event = |kind, key, at_ms: i64, amount_cents, texts| Event {
        kind,
        key: Cow::Borrowed(key),
        customer_id: Cow::Borrowed("96f55c7d8f42"),
        at_us: 1_483_706_000_000_000 + at_ms * 1_000,
        amount_cents,
        texts,
    };
    let place = |row| Placement { row, customer: 0, superseded: None, order_seq: None };
    let mut builder = BatchBuilder::new();
    let name =
        [(Field::LastName, "Smith"), (Field::AdrCity, "Middletown"), (Field::AdrState, "AK")];
    let customer = event(Kind::CustomerNew, "96f55c7d8f42", 806_384, 0, texts(&name));
    builder.push(&customer, &place(RowKind::CustomerNew));
    let tags = [(Field::Tags, r#"[{"some key": "some value"}]"#)];
    let visit = event(Kind::SiteVisitNew, "ac05e815502f", 752_041, 0, texts(&tags));
    builder.push(&visit, &place(RowKind::Visit));
    let camera = [(Field::CameraMake, "Canon"), (Field::CameraModel, "EOS 80D")];
    let image = event(Kind::ImageUpload, "d8ede43b1d9f", 832_344, 0, texts(&camera));
    builder.push(&image, &place(RowKind::Image));
    let order = event(Kind::OrderNew, "68d84e5d1a43", 1_355_555, 1_234, texts(&[]));
    builder.push(&order, &place(RowKind::OrderNew));
    let update = event(Kind::OrderUpdate, "68d84e5d1a43", 1_356_555, 1_500, texts(&[]));
    let superseded = Superseded { customer: 0, cents: 1_234, at_us: order.at_us };
    let effective = Placement {
        row: RowKind::OrderUpdate,
        customer: 0,
        superseded: Some(superseded),
        order_seq: Some(3),
    };
    builder.push(&update, &effective);
    assert!(builder.set_mark(b"day1", b"\x2a"));
    builder
}

#[test]
fn the_body_in_the_format_page_is_what_is_written_and_read() {
    let (_, after) = FORMAT.split_once("```hex\n").expect("the page has a worked example");
    let (block, _) = after.split_once("```").expect("the example ends");
    let lines = block.lines().map(|line| line.split_once(';').map_or(line, |parts| parts.0));
    let page: Vec<u8> = lines.flat_map(unhex).collect();
    let mut written = Vec::new();
    let mut builder = example();
    builder.encode(0, 1_760_000_000_000_000, &mut written);
    assert_eq!(hex(&written), hex(&page));

    let batch = Batch::decode(&page, 0, 5).unwrap();
    assert_eq!(batch.check(), Ok(()));
    assert_eq!(batch.marks(), Ok(vec![(b"day1".to_vec(), b"\x2a".to_vec())]));
    let rows = batch.rows().unwrap();
    assert_eq!(rows.len(), 5);
    assert!((0..5).all(|row| rows.get(row) == builder.row(row)));
}
