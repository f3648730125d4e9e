//! Columns by themselves.

use super::{Random, column};
use crate::codec::bytes::{BytesColumn, write_bytes};
use crate::codec::column::{Column, Columns};
use crate::codec::ints::{Int, IntColumn, IntWriter};
use crate::codec::lz4::{self, Compressor};
use crate::error::Fault;

fn read_one(bytes: &[u8]) -> Column<'_> {
    let mut columns = Columns::new(bytes);
    let column = columns.next().unwrap().unwrap();
    assert_eq!(columns.next(), Ok(None));
    column
}

fn write_ints<T: Int>(values: &[T], compress: bool) -> Vec<u8> {
    let (mut out, mut compressor) = (Vec::new(), Compressor::new());
    IntWriter::new().write(3, values, compress.then_some((&mut compressor, 16)), &mut out);
    out
}

/// Writes and reads back, by columns and by rows; gives the form.
fn round_trip<T: Int + std::fmt::Debug>(values: &[T], compress: bool) -> u8 {
    let bytes = write_ints(values, compress);
    let column = read_one(&bytes);
    let ints = IntColumn::new(column).unwrap();
    let mut read = Vec::<T>::new();
    ints.read(values.len(), &mut read).unwrap();
    assert_eq!(read, values);
    for (row, value) in values.iter().enumerate().step_by(values.len().div_ceil(50)) {
        assert_eq!(ints.get(row, values.len()), Ok(*value));
    }
    assert!(ints.get::<T>(values.len(), values.len()).is_err());
    if column.form != 0 {
        assert!(ints.read(values.len() + 1, &mut read).is_err());
        assert!(ints.read(values.len() - 1, &mut read).is_err());
    }
    column.form
}

#[test]
fn integers_of_every_width_scale_and_base_come_back() {
    for width in 1..=8_u8 {
        let most = u64::MAX >> (64 - 8 * u32::from(width));
        let least = if width == 1 { 1 } else { (most >> 8) + 1 };
        for scale in [1_u64, 1_000, 1_000_000] {
            for (base, greatest) in [
                (i64::MIN, least),
                (i64::MIN, most),
                (-1_000_000_007, least),
                (-5, most),
                (0, least),
                (0, most),
                (i64::MAX - 9, least),
                (1_483_706_786_384_000, most),
            ] {
                let top = i128::from(base) + i128::from(greatest) * i128::from(scale);
                let Ok(top) = i64::try_from(top) else { continue };
                // One step above the base keeps the scale from being any greater.
                let values = [base, top, base + scale.cast_signed()];
                assert_eq!(round_trip(&values, false), width, "{base} {greatest} {scale}");
                let many: Vec<i64> = values.iter().copied().cycle().take(900).collect();
                assert_eq!(round_trip(&many, false), width);
                assert_eq!(round_trip(&many, true), width + 8);
            }
        }
    }
}

#[test]
fn every_small_column_is_written_in_its_one_way() {
    const VALUES: [i64; 11] =
        [i64::MIN, -1_000_000, -1, 0, 1, 255, 256, 1_000, 2_000_000, 1 << 40, i64::MAX];
    let cases = VALUES.iter().flat_map(|a| VALUES.iter().map(move |b| [*a, *b]));
    for [a, b] in cases {
        for c in VALUES {
            round_trip(&[a, b, c], false);
            let bytes = write_ints(&[a, b, c], false);
            let written = read_one(&bytes);
            // The same said once more, in the words of the format.
            let base = a.min(b).min(c);
            let above = [a, b, c]
                .map(|value| u128::try_from(i128::from(value) - i128::from(base)).unwrap());
            let scale = [1_000_000, 1_000, 1]
                .into_iter()
                .find(|scale| above.iter().all(|above| above % scale == 0))
                .unwrap();
            let most = above.iter().max().unwrap() / scale;
            let width = (0..=8).find(|width| most >> (8 * width) == 0).unwrap();
            assert_eq!((written.base, written.form), (base, width));
            let scale = if width == 0 { 1 } else { scale };
            assert_eq!(u128::from(written.scale), scale, "{a} {b} {c}");
            assert_eq!(written.data.len(), usize::from(width) * 3);
        }
    }
}

#[test]
fn narrow_types_come_back_and_nothing_out_of_their_range_does() {
    let mut random = Random(1);
    for _ in 0..2_000 {
        let rows = 1 + random.below(40) as usize;
        let bits = 64 - random.below(32) as u32;
        let wide: Vec<u64> = (0..rows).map(|_| random.next() >> bits.min(63)).collect();
        round_trip(&wide.iter().map(|value| *value as u8).collect::<Vec<u8>>(), false);
        round_trip(&wide.iter().map(|value| *value as u32).collect::<Vec<u32>>(), false);
        round_trip(&wide, false);
    }
    for (base, form, data) in [
        (-1, 0, &[][..]),
        (256, 0, &[][..]),
        (-1, 1, &[1][..]),
        (0, 2, &[0, 1][..]),
        (250, 1, &[6][..]),
        (0, 8, &[0, 0, 0, 0, 0, 0, 0, 0x80][..]),
    ] {
        let ints = column(3, form, base, 1, data);
        let ints = IntColumn::new(read_one(&ints)).unwrap();
        let range = Fault::Corrupt("a column of integers has a value out of range");
        assert_eq!(ints.read::<u8>(1, &mut Vec::new()), Err(range), "{base} {form}");
        assert_eq!(ints.get::<u8>(0, 1), Err(range), "{base} {form}");
    }
    let edges = column(4, 8, i64::MAX - 1, 1_000_000, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert!(IntColumn::new(read_one(&edges)).unwrap().read::<i64>(1, &mut Vec::new()).is_err());
    let most = column(4, 8, i64::MIN, 1, &[0xFF; 8]);
    let mut read = Vec::new();
    IntColumn::new(read_one(&most)).unwrap().read::<i64>(1, &mut read).unwrap();
    assert_eq!(read, [i64::MAX]);
    let beyond = column(4, 1, 0xFFFF_FFFF, 1, &[1]);
    assert!(IntColumn::new(read_one(&beyond)).unwrap().read::<u32>(1, &mut Vec::new()).is_err());
}

fn write_text(raw: &[u8], compress: bool) -> Vec<u8> {
    let (mut out, mut packed, mut compressor) = (Vec::new(), Vec::new(), Compressor::new());
    write_bytes(12, raw, Some(&mut packed), compress.then_some(&mut compressor), &mut out);
    out
}

#[test]
fn bytes_come_back_whole_and_in_parts() {
    let long = "é".repeat(700);
    for (raw, form) in [
        ("", 64),
        ("0", 65),
        ("0f", 65),
        ("96f55c7d8f42a", 65),
        ("96f55c7d8f4G", 64),
        ("0123456789abcdef", 65),
        ("/", 64),
        (":", 64),
        ("`", 64),
        ("g", 64),
        ("A", 64),
        (&long, 66),
    ] {
        let bytes = write_text(raw.as_bytes(), true);
        let written = read_one(&bytes);
        assert_eq!(written.form, form, "{raw}");
        let text = BytesColumn::new(written).unwrap();
        let mut read = b"before".to_vec();
        text.read(raw.len(), &mut read).unwrap();
        assert_eq!(read, format!("before{raw}").as_bytes());
        assert!(text.read(raw.len() + 2, &mut read).is_err());
        assert!(raw.len() < 2 || text.read(raw.len() - 2, &mut read).is_err());
        for start in 0..=raw.len().min(20) {
            for end in start..=raw.len().min(20) {
                let mut part = vec![7];
                text.read_part(start..end, raw.len(), &mut part).unwrap();
                assert_eq!(part[0], 7);
                assert_eq!(&part[1..], &raw.as_bytes()[start..end], "{raw} {start} {end}");
            }
        }
        assert!(text.read_part(0..raw.len() + 1, raw.len(), &mut Vec::new()).is_err());
    }
}

#[test]
fn every_byte_is_told_apart_from_hex_digits() {
    for byte in 0..=255_u8 {
        let bytes = write_text(&[byte], false);
        let hex = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert_eq!(read_one(&bytes).form, if hex { 65 } else { 64 }, "{byte}");
    }
}

#[test]
fn the_half_byte_after_an_odd_number_of_digits_is_zero() {
    let bytes = column(12, 65, 0, 1, &[0xAB, 0xC1]);
    let text = BytesColumn::new(read_one(&bytes)).unwrap();
    assert!(text.read(4, &mut Vec::new()).is_ok());
    let padding = Fault::Corrupt("the half byte after the last hex digit is not zero");
    assert_eq!(text.read(3, &mut Vec::new()), Err(padding));
    assert_eq!(text.read_part(0..1, 3, &mut Vec::new()), Err(padding));
}

#[test]
fn blocks_depend_only_on_what_they_hold() {
    let mut random = Random(3);
    let mut text =
        |words: usize| (0..words).map(|_| format!("{} ", random.below(300))).collect::<String>();
    let (small, large) = (text(5_000), text(30_000));
    assert!(small.len() < 1 << 16 && large.len() > 1 << 16);
    let mut used = Compressor::new();
    for raw in [&small, &large, &small, &large, &small] {
        let fresh = Compressor::new().compress(raw.as_bytes(), 16).map(<[u8]>::to_vec);
        assert_eq!(used.compress(raw.as_bytes(), 16).map(<[u8]>::to_vec), fresh);
        assert!(fresh.is_some());
    }
    assert_eq!(used.compress(b"", 16), None);
    assert_eq!(used.compress(b"nothing repeats", 16), None);
}

#[test]
fn memory_for_a_block_follows_from_its_length() {
    let mut scratch = Vec::new();
    for (block, length) in
        [(&[0x1F, 1, 1, 0][..], 1_280), (&[], 255), (&[0; 70_000], (16 << 20) + 1)]
    {
        assert!(lz4::decompress(block, length, &mut scratch).is_err());
        assert_eq!(scratch.capacity(), 0, "{length} bytes");
    }
    assert!(lz4::decompress(&[0x1F, 1, 1, 0], 1_000, &mut scratch).is_err());
}

#[test]
fn headers_that_no_column_has_are_refused() {
    let ints = |form, scale, data: &[u8]| {
        let bytes = column(3, form, 0, scale, data);
        IntColumn::new(read_one(&bytes)).map(|_| ()).err()
    };
    assert_eq!(ints(1, 1, &[1]), None);
    assert!(matches!(ints(1, 2, &[1]), Some(Fault::Corrupt(_))));
    assert!(matches!(ints(1, 0, &[1]), Some(Fault::Corrupt(_))));
    assert!(matches!(ints(0, 1, &[1]), Some(Fault::Corrupt(_))));
    assert!(matches!(ints(0, 1_000, &[]), Some(Fault::Corrupt(_))));
    assert!(matches!(ints(64, 1, &[]), Some(Fault::Corrupt(_))));
    assert!(matches!(ints(17, 1, &[]), Some(Fault::Unknown(_))));
    assert!(matches!(ints(255, 1, &[]), Some(Fault::Unknown(_))));
    let text = |form, base, scale| {
        let bytes = column(12, form, base, scale, &[1]);
        BytesColumn::new(read_one(&bytes)).map(|_| ()).err()
    };
    assert_eq!(text(64, 0, 1), None);
    assert!(matches!(text(64, 1, 1), Some(Fault::Corrupt(_))));
    assert!(matches!(text(65, 1, 1), Some(Fault::Corrupt(_))));
    assert!(matches!(text(64, 0, 1_000), Some(Fault::Corrupt(_))));
    assert!(matches!(text(66, -1, 1), Some(Fault::Corrupt(_))));
    assert!(matches!(text(66, i64::MAX, 1), Some(Fault::Corrupt(_))));
    assert!(matches!(text(16, 0, 1), Some(Fault::Corrupt(_))));
    let digits = column(12, 65, 0, 1, &[]);
    assert!(BytesColumn::new(read_one(&digits)).is_err());
    assert!(matches!(text(67, 0, 1), Some(Fault::Unknown(_))));
}
