//! The oracle against answers that were worked out elsewhere or by hand.

use std::io::Read;

use super::Model;
use super::event::{self, Terms};
use super::instant::{self, DAY_US};
use super::json;
use super::statistics::{Fraction, Frame, Query, decimal};

/// The specification's sample event of each type.
pub const SAMPLE: [&str; 4] = [
    r#"{"type": "CUSTOMER", "verb": "NEW", "key": "96f55c7d8f42", "event_time": "2017-01-06T12:46:46.384Z", "last_name": "Smith", "adr_city": "Middletown", "adr_state": "AK"}"#,
    r#"{"type": "SITE_VISIT", "verb": "NEW", "key": "ac05e815502f", "event_time": "2017-01-06T12:45:52.041Z", "customer_id": "96f55c7d8f42", "tags": [{"some key": "some value"}]}"#,
    r#"{"type": "IMAGE", "verb": "UPLOAD", "key": "d8ede43b1d9f", "event_time": "2017-01-06T12:47:12.344Z", "customer_id": "96f55c7d8f42", "camera_make": "Canon", "camera_model": "EOS 80D"}"#,
    r#"{"type": "ORDER", "verb": "NEW", "key": "68d84e5d1a43", "event_time": "2017-01-06T12:55:55.555Z", "customer_id": "96f55c7d8f42", "total_amount": "12.34 USD"}"#,
];

/// The lines of the CDNOW sample.
pub fn cdnow() -> Vec<String> {
    let packed: &[u8] = include_bytes!("../../data/cdnow_sample.ndjson.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn sample_has_the_published_answer() {
    for texts in [SAMPLE.to_vec(), SAMPLE.into_iter().rev().collect()] {
        let mut model = Model::new(Terms::default());
        let outcome = model.call(&texts);
        assert_eq!((outcome.accepted, outcome.duplicates, outcome.reasons.len()), (4, 0, 0));
        let all = model.ranking(&Query::default());
        assert_eq!(decimal(all[0].ltv_cents), "6416.80");
        assert_eq!(model.digest(), "f82f6fc060a196980aa6db40457bf009");
        let (first, last) = model.span().unwrap();
        assert_eq!(instant::write_shortest(first), "2017-01-06T12:45:52.041Z");
        assert_eq!(instant::write_shortest(last), "2017-01-06T12:55:55.555Z");
        let again = model.call(&texts);
        assert_eq!((again.accepted, again.duplicates), (0, 4));
    }
}

#[test]
fn cdnow_has_the_published_answer() {
    let mut model = Model::new(Terms::default());
    let outcome = model.call(&cdnow());
    assert_eq!((outcome.accepted, outcome.duplicates, outcome.reasons.len()), (16_195, 0, 0));
    let all = model.ranking(&Query::default());
    assert_eq!(all.len(), 2_357);
    let best: Vec<_> = all[..3]
        .iter()
        .map(|one| (one.id.as_str(), decimal(one.revenue_cents.into()), decimal(one.ltv_cents)))
        .collect();
    let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    for (have, (id, (revenue, ltv))) in best.iter().zip([
        ("19339", text("6552.70", "43131.70")),
        ("05420", text("1943.58", "12793.18")),
        ("20111", text("1747.58", "11503.06")),
    ]) {
        assert_eq!(*have, (id, revenue, ltv));
    }
    assert_eq!(all[0].weeks, 79);
    assert_eq!(model.digest(), "a4e008fb983cc4e2fe84762df237e48f");
}

#[test]
fn instants_follow_the_grammar() {
    let parse = instant::parse;
    assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(parse("2000-03-01T00:00:00z"), Some(951_868_800_000_000));
    assert_eq!(parse("2017-01-06t12:46:46.3849999Z"), parse("2017-01-06T13:46:46.384999+01:00"));
    assert_eq!(parse("1969-12-31T23:59:59.9999999-00:00"), Some(-1));
    for wrong in [
        "",
        "2017-02-29T00:00:00Z",
        "2017-00-01T00:00:00Z",
        "2017-13-01T00:00:00Z",
        "2017-01-00T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2017-01-01 00:00:00Z",
        "2017-01-01T24:00:00Z",
        "2017-01-01T00:60:00Z",
        "2017-01-01T00:00:60Z",
        "2017-01-01T00:00:00",
        "2017-01-01T00:00:00.Z",
        "2017-01-01T00:00:00+24:00",
        "2017-01-01T00:00:00+00:60",
        "2017-01-01T00:00:00+0000",
        "2017-01-01T00:00:00+00",
        "2017-01-01T00:00Z",
        "17-01-01T00:00:00Z",
        "2017-01-01T00:00:00ZZ",
        " 2017-01-01T00:00:00Z",
        "2017-1-1T00:00:00Z",
        "+2017-01-01T00:00:00Z",
        "2017-01-01T00:00:00+00:00Z",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
    for day in [-800_000, -719_528, -1, 0, 1, 58, 59, 60, 11_016, 47_540, 2_932_896] {
        let (year, month, date) = instant::date(day);
        assert_eq!(instant::day_number(year, month, date), Some(day));
    }
}

#[test]
fn weeks_are_calendar_weeks() {
    let at = |text| instant::parse(text).unwrap();
    let (saturday, sunday) = (at("2017-01-07T23:59:59.999999Z"), at("2017-01-08T00:00:00Z"));
    assert_eq!(instant::weeks(saturday, saturday, false), 1);
    assert_eq!(instant::weeks(saturday, sunday, false), 2);
    assert_eq!(instant::weeks(saturday, sunday, true), 1);
    assert_eq!(instant::weeks(sunday, sunday + DAY_US - 1, true), 1);
    assert_eq!(instant::weeks(sunday, sunday + DAY_US, true), 2);
    assert_eq!(instant::weeks(at("1969-12-27T00:00:00Z"), at("1970-01-04T00:00:00Z"), false), 3);
}

#[test]
fn amounts_follow_the_grammar() {
    let amount = event::amount;
    assert_eq!(amount("12.34 USD"), Some((1_234, "USD")));
    assert_eq!(amount("-0.5 EUR"), Some((-50, "EUR")));
    assert_eq!(amount("999999999999.99 USD"), Some((99_999_999_999_999, "USD")));
    assert_eq!(amount("007 USD"), Some((700, "USD")));
    for wrong in [
        "",
        "12.34",
        "12.34 usd",
        "12.34  USD",
        "12.345 USD",
        "12. USD",
        ".5 USD",
        "+1 USD",
        "1 US",
        "1234567890123 USD",
        "1 USDX",
        " 1 USD",
        "1 USD ",
        "- 1 USD",
        "--1 USD",
        "1,00 USD",
        "1\tUSD",
        "1e2 USD",
        "-.5 USD",
        "0x1 USD",
        "\u{661} USD",
        "1.-5 USD",
    ] {
        assert_eq!(amount(wrong), None, "{wrong}");
    }
}

#[test]
fn numbers_are_compared_by_value() {
    let same =
        [["1", "1.0"], ["10e-1", "1"], ["0", "-0.00e7"], ["1e400", "10e399"], ["1E+2", "100"]];
    for [a, b] in same {
        assert_eq!(json::normal_number(a), json::normal_number(b), "{a} {b}");
    }
    let other =
        [["1", "-1"], ["1e400", "1e401"], ["12345678901234567890123", "12345678901234567890124"]];
    for [a, b] in other {
        assert_ne!(json::normal_number(a), json::normal_number(b), "{a} {b}");
    }
}

#[test]
fn json_is_taken_strictly() {
    let good = [
        "0",
        "-0.0e+1",
        "\"\\ud83d\\ude00\"",
        " [ 1 , {\"\":{}} ]\r\n",
        "\"\u{7f}\"",
        "1e999999999999",
    ];
    for text in good {
        assert!(json::parse(text.as_bytes()).is_some(), "{text}");
    }
    let bad: [&[u8]; 20] = [
        b"",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"1e",
        b"-",
        b"nul",
        b"[1,]",
        b"{\"a\":1,}",
        b"{\"a\" 1}",
        b"\"\\ud83d\"",
        b"\"\\ude00\"",
        b"\"\\ud83d\\u0041\"",
        b"{\"a\":1,\"\\u0061\":2}",
        b"\"\t\"",
        b"\"\\x\"",
        b"\"\xff\"",
        b"1 2",
        b"\x0c1",
    ];
    for text in bad {
        assert!(json::parse(text).is_none(), "{}", String::from_utf8_lossy(text));
    }
    assert_eq!(json::levels(br#"{"a":["[[[",{"b\"[":1}],"c":[]}"#), 3);
}

#[test]
fn rounding_is_half_to_even() {
    let rounded = |top, bottom| Fraction(top, bottom).rounded();
    assert_eq!([rounded(1, 2), rounded(3, 2), rounded(5, 2), rounded(7, 2)], [0, 2, 2, 4]);
    assert_eq!([rounded(-1, 2), rounded(-3, 2), rounded(-5, 2), rounded(-7, 3)], [0, -2, -2, -2]);
    assert_eq!(
        [decimal(0), decimal(-5), decimal(-1_234), decimal(7)],
        ["0.00", "-0.05", "-12.34", "0.07"]
    );
}

#[test]
fn rules_between_events() {
    let customer = |key: &str, verb: &str, time: &str, name: &str| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"{verb}","key":"{key}","event_time":"2020-01-{time}T00:00:00Z","last_name":"{name}"}}"#
        )
    };
    let order = |key: &str, verb: &str, day: &str, id: &str, amount: &str| {
        format!(
            r#"{{"type":"ORDER","verb":"{verb}","key":"{key}","event_time":"2020-01-{day}T00:00:00Z","customer_id":"{id}","total_amount":"{amount} USD"}}"#
        )
    };
    let mut model = Model::new(Terms::default());
    let outcome = model.call(&[
        order("o", "UPDATE", "09", "b", "7"), // held, and admitted once its order is
        order("o", "NEW", "08", "b", "5"),    // held, and too late: line nine takes the key
        customer("b", "UPDATE", "07", "late"), // held; at the same time, but later in the log
        customer("a", "NEW", "01", "first"),
        customer("b", "NEW", "07", "early"),
        order("o", "UPDATE", "09", "a", "9"), // held for its order; ties with the first line
        order("x", "UPDATE", "09", "a", "9"),
        order("x", "UPDATE", "09", "z", "9"), // neither is known: the customer comes first
        order("o", "NEW", "08", "b", "6"),    // admitted at once
        order("o", "NEW", "08", "b", "5.0"),
    ]);
    assert_eq!((outcome.accepted, outcome.duplicates), (6, 0));
    let reasons: Vec<_> = outcome.rejected;
    assert_eq!(
        reasons,
        [
            (1, "conflicting_key"),
            (6, "unknown_order"),
            (7, "unknown_customer"),
            (9, "conflicting_key")
        ]
    );
    let all = model.ranking(&Query::default());
    // Both updates carry the 9th; held events keep their order, so line six is the later one.
    assert_eq!((all[0].id.as_str(), all[0].revenue_cents, all[0].orders), ("a", 900, 1));
    assert_eq!((all[1].id.as_str(), all[1].revenue_cents, all[1].orders), ("b", 0, 0));
    assert_eq!(all[1].fields[0].as_deref(), Some("late"));
    assert_eq!((all[1].first_us, all[1].last_us), (1_578_355_200_000_000, 1_578_528_000_000_000));
    let window = |from, to| Query { frame: Frame::Window(from, to), ..Query::default() };
    let ninth = instant::day_number(2020, 1, 9).unwrap();
    assert_eq!(model.ranking(&window(ninth, ninth))[0].revenue_cents, 900);
    assert_eq!(model.ranking(&window(ninth - 3, ninth - 1))[0].revenue_cents, 0);
}
