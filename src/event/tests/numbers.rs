//! The normal form of numbers, held against exact arithmetic.

use super::super::*;
use super::Random;

/// The normal form of a visit whose tags are such an array.
fn form(tags: &str) -> Vec<u8> {
    let mut texts: [Option<std::borrow::Cow<'_, str>>; FIELD_COUNT] = Default::default();
    texts[Field::Tags as usize] = Some(tags.into());
    let event = Event {
        kind: Kind::SiteVisitNew,
        key: "k".into(),
        customer_id: "c".into(),
        at_us: 0,
        amount_cents: 0,
        texts,
    };
    let mut out = Vec::new();
    event.normal_form(&mut out);
    out
}

#[test]
fn numbers_are_the_same_exactly_if_their_values_are() {
    let mut spelled = Vec::new();
    for sign in ["", "-"] {
        for units in ["0", "1", "10", "100", "12", "120", "1200"] {
            for fraction in ["", ".0", ".1", ".10", ".01", ".012", ".100", ".000"] {
                for (exponent, power) in [
                    ("", 0),
                    ("e0", 0),
                    ("e1", 1),
                    ("E+2", 2),
                    ("e-1", -1),
                    ("e-2", -2),
                    ("E00", 0),
                    ("e-02", -2),
                    ("e+003", 3),
                    ("e-0", 0),
                ] {
                    // In units of 10^-6, exactly.
                    let digits = fraction.strip_prefix('.').unwrap_or_default();
                    let number: i64 = format!("{units}{digits}").parse().expect("digits");
                    let scale = 6 + power - digits.len() as i32;
                    let value = number * 10_i64.pow(u32::try_from(scale).expect("positive"));
                    let value = if sign == "-" { -value } else { value };
                    let text = format!("{sign}{units}{fraction}{exponent}");
                    spelled.push((form(&format!("[{text}]")), value, text));
                }
            }
        }
    }
    for (one_form, one, one_text) in &spelled {
        for (form, value, text) in &spelled {
            assert_eq!(one_form == form, one == value, "{one_text} and {text}");
        }
    }
}

#[test]
fn exponents_of_any_size_count_exactly() {
    let seed = 20_170_106;
    let mut random = Random(seed);
    let mut spelled = Vec::new();
    for _ in 0..1500 {
        // 10^(exponent), spelled with a few zeros on either side of the point.
        let around = *random.pick(&[0, 10_i128.pow(17), 10_i128.pow(18), 10_i128.pow(30)]);
        let around = *random.pick(&[around, -around]);
        let exponent = around + random.below(5) as i128 - 2;
        let shift = random.below(30) as i128;
        let zeros = "0".repeat(shift as usize);
        let leading = "0".repeat(random.below(3) * 10);
        let (mantissa, written) = match random.below(3) {
            0 => ("1".to_owned(), exponent),
            1 => (format!("1{zeros}"), exponent - shift),
            _ => (format!("0.{zeros}1"), exponent + shift + 1),
        };
        let sign = if written < 0 { "-" } else { *random.pick(&["", "+"]) };
        let text = format!("{mantissa}e{sign}{leading}{}", written.unsigned_abs());
        spelled.push((form(&format!("[{text}]")), exponent, text));
    }
    for (one_form, one, one_text) in &spelled {
        for (form, exponent, text) in &spelled {
            assert_eq!(one_form == form, one == exponent, "{one_text} and {text}, seed {seed}");
        }
    }
    assert_ne!(form("[1e400]"), form("[1e401]"));
    assert_eq!(form("[0e99999999999999999999999]"), form("[-0.000]"));
}

#[test]
fn a_number_of_a_million_digits_takes_no_quadratic_time() {
    let digits = "9".repeat(1_000_000);
    let start = std::time::Instant::now();
    assert_eq!(form(&format!("[1{digits}e{digits}]")), form(&format!("[1{digits}.0e+0{digits}]")));
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn the_bytes_are_pinned_because_hashes_of_them_are_stored() {
    let bytes = form(r#"{"b":[1.50,-0,true,null],"a":"A"}"#);
    let expected = [
        &b"s\x0a\0\0\0\0\0\0\0SITE_VISITs\x03\0\0\0\0\0\0\0NEW"[..],
        b"s\x01\0\0\0\0\0\0\0ks\x01\0\0\0\0\0\0\0c",
        &[0; 16],
        b"---{s\x01\0\0\0\0\0\0\0as\x01\0\0\0\0\0\0\0A",
        b"s\x01\0\0\0\0\0\0\0b[d+15e-1]d]wtwn]]---",
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn what_is_no_json_is_compared_as_it_stands() {
    for texts in [["[1", "[1 "], ["tru", "[tru]"], ["", "[]"], ["[1]]", "[1]"], ["{\"a\"}", "{}"]] {
        assert_ne!(form(texts[0]), form(texts[1]), "{texts:?}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(form(&deep), form(&deep));
}
