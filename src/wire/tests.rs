//! Every result is the same after a way through JSON, and what is no result is refused.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    Customer, Event, Info, Kind, Question, Reason, Receipt, Record, Rejection, Rules, SegmentInfo,
    Span, TimeFrame, Top,
};

/// One with a value of its own in every field.
fn customer() -> Customer {
    Customer {
        customer_id: "96f5\"5c\u{e9}".to_owned(),
        last_name: Some("Smith".to_owned()),
        adr_city: Some(String::new()),
        adr_state: Some("AK".to_owned()),
        ltv_cents: -641_680,
        revenue_cents: -1_234,
        visits: 2,
        orders: 3,
        revenue_per_visit_cents: Some(-617),
        visits_per_week_hundredths: 205,
        first_us: 1_483_706_806_384_000,
        last_us: 1_483_706_806_384_001,
    }
}

/// With nothing where nothing can be, and with numbers as small as they can be.
fn least() -> Customer {
    Customer {
        customer_id: "c".to_owned(),
        last_name: None,
        adr_city: None,
        adr_state: None,
        ltv_cents: i128::MIN,
        revenue_cents: i64::MIN,
        visits: 0,
        orders: 0,
        revenue_per_visit_cents: None,
        visits_per_week_hundredths: i64::MIN,
        first_us: i64::MIN,
        last_us: -62_167_219_200_000_000,
    }
}

fn most() -> Customer {
    Customer {
        ltv_cents: i128::MAX,
        revenue_cents: i64::MAX,
        visits: u32::MAX,
        orders: u32::MAX,
        revenue_per_visit_cents: Some(i64::MAX),
        visits_per_week_hundredths: i64::MAX,
        first_us: 253_402_300_799_999_999,
        last_us: i64::MAX,
        ..customer()
    }
}

fn zero() -> Customer {
    Customer {
        ltv_cents: 0,
        revenue_cents: 0,
        revenue_per_visit_cents: Some(0),
        visits_per_week_hundredths: 0,
        first_us: 0,
        last_us: 0,
        ..customer()
    }
}

#[test]
fn a_customer_comes_back() {
    for customer in [customer(), least(), most(), zero()] {
        let text = line(&KnownJson::new(&customer));
        let back: KnownJson<'_> = serde_json::from_str(&text).expect(&text);
        assert_eq!(Customer::from(back), customer, "{text}");
    }
}

#[test]
fn amounts_are_exact_and_zero_has_no_sign() {
    let text = line(&KnownJson::new(&zero()));
    assert!(text.contains("\"ltv\": \"0.00\", \"revenue\": \"0.00\""), "{text}");
    let text = line(&KnownJson::new(&Customer { ltv_cents: -7, ..least() }));
    let expected = "{\"customer_id\": \"c\", \"last_name\": null, \"ltv\": \"-0.07\", \
         \"revenue\": \"-92233720368547758.08\", \"visits\": 0, \"orders\": 0, \
         \"revenue_per_visit\": null, \"visits_per_week\": \"-92233720368547758.08\", \
         \"first_event\": \"-9223372036854775808 microseconds since 1970\", \
         \"last_event\": \"0000-01-01T00:00:00Z\", \"adr_city\": null, \"adr_state\": null}";
    assert_eq!(text, expected);
}

#[test]
fn a_top_comes_back_as_far_as_it_tells() {
    let span = Span { first_us: -1, last_us: 7_000_000, weeks: u32::MAX };
    for (span, customers) in [(Some(span), vec![customer(), most(), least()]), (None, Vec::new())] {
        let top = Top { currency: *b"EUR", span, end: u64::MAX, customers };
        let question = Question { lifespan: "2.125".parse().unwrap(), ..Question::default() };
        let text = line(&TopJson::new(&top, &question));
        assert!(text.starts_with("{\"currency\": \"EUR\", \"lifespan_years\": 2.125, "), "{text}");
        let back: TopJson<'_> = serde_json::from_str(&text).expect(&text);
        assert_eq!(line(&back), text, "the question, too");
        let told = |customer: &Customer| Customer {
            adr_city: None,
            adr_state: None,
            first_us: 0,
            last_us: 0,
            ..customer.clone()
        };
        let customers = top.customers.iter().map(told).collect();
        assert_eq!(Top::from(back), Top { customers, ..top });
    }
}

fn info() -> Info {
    let segment = |file: &str, first, sealed| SegmentInfo {
        path: PathBuf::from(file),
        first,
        end: first + 7,
        batches: 2,
        bytes: 4096,
        sealed,
        generation: 3,
    };
    Info {
        log_id: 0xAB,
        partition: crate::Partition::new(2, 4).unwrap(),
        rules: Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 },
        segments: vec![segment("segments/0.seg", 0, true), segment("segments/7.seg", 7, false)],
        end: 14,
        synced_end: 13,
        customers: 5,
        span: Some(Span { first_us: 1, last_us: 2, weeks: 3 }),
        appended_at_us: Some(4),
        checkpoint_end: Some(6),
        torn_bytes: 8,
        bytes: [9, 10, 11],
        writer: true,
    }
}

#[test]
fn an_info_comes_back_with_paths_within_the_log() {
    let bare = Info {
        log_id: u64::MAX,
        rules: Rules { currency: *b"EUR", time_range_us: i64::MIN..i64::MAX },
        segments: Vec::new(),
        span: None,
        appended_at_us: None,
        checkpoint_end: None,
        bytes: [u64::MAX, 0, 0],
        writer: false,
        ..info()
    };
    for info in [info(), bare] {
        let mut here = info.clone();
        for segment in &mut here.segments {
            segment.path = Path::new("some/log").join(&segment.path);
        }
        let text = line(&InfoJson::new(&here, Path::new("some/log")));
        let back: InfoJson<'_> = serde_json::from_str(&text).expect(&text);
        assert_eq!(Info::from(back), info, "{text}");
    }
}

#[test]
fn a_receipt_comes_back_with_its_rejections() {
    let reasons = Reason::ALL.into_iter().zip(1..).collect();
    let receipt = Receipt { accepted: u64::MAX, duplicates: 7, reasons, end: 8, synced: true };
    let rejection = Rejection::new(Reason::UnknownOrder, "the order \"o\"\nis unknown");
    let bare = line(&ReceiptJson::new(&receipt));
    assert!(!bare.contains("rejected_events"), "{bare}");
    let names: Vec<_> = bare.split('"').filter(|part| part.contains('_')).collect();
    assert!(names.is_sorted(), "reasons are sorted by name: {bare}");
    let told = vec![RejectedJson::new(u64::MAX, &rejection)];
    let text = line(&ReceiptJson::with_events(&receipt, told));
    let back: ReceiptJson<'_> = serde_json::from_str(&text).expect(&text);
    assert_eq!(Receipt::try_from(&back), Ok(receipt), "{text}");
    let [told] = <[_; 1]>::try_from(back.rejected_events.unwrap()).unwrap();
    assert_eq!(told.index, u64::MAX);
    assert_eq!(Rejection::from(told), rejection);
    let none = Receipt::default();
    let back: ReceiptJson<'_> = serde_json::from_str(&line(&ReceiptJson::new(&none))).unwrap();
    assert_eq!(Receipt::try_from(&back), Ok(none));
}

#[test]
fn a_receipt_that_does_not_add_up_is_refused() {
    for reasons in
        ["{}", "{\"too_large\": 2}", "{\"too_large\": 18446744073709551615, \"invalid_time\": 2}"]
    {
        let text = format!(
            "{{\"accepted\": 0, \"duplicates\": 0, \"rejected\": 1, \"reasons\": {reasons}, \
             \"end\": 0, \"synced\": true}}"
        );
        let json: ReceiptJson<'_> = serde_json::from_str(&text).unwrap();
        assert!(Receipt::try_from(&json).is_err(), "{text}");
    }
}

#[test]
fn records_come_back_line_by_line() {
    let rules = Rules { currency: *b"USD", time_range_us: 0..i64::MAX };
    let text = br#"{"type":"ORDER","verb":"NEW","key":"o","event_time":"2017-01-06T12:55:55.555Z","customer_id":"c","total_amount":"-12.34 USD"}"#;
    let event = Event::from_json(text, &rules).unwrap();
    let mut written = String::new();
    write_record(&Record { sequence: u64::MAX, event: event.clone() }, *b"USD", &mut written);
    match RecordLine::read(written.as_bytes()).unwrap() {
        RecordLine::Record { sequence, event: told } => {
            assert_eq!(sequence, u64::MAX);
            assert_eq!(told.as_bytes(), text);
            assert_eq!(Event::from_json(told.as_bytes(), &rules).unwrap(), event);
            assert_eq!(event.kind, Kind::OrderNew);
        }
        other => panic!("{other:?}"),
    }
    written.clear();
    write_caught_up(812, &mut written);
    assert!(matches!(RecordLine::read(written.as_bytes()), Ok(RecordLine::CaughtUp(812))));
    let problem = ProblemJson { status: 503, title: "Unavailable".into(), detail: "wait".into() };
    let text = format!("{{\"error\": {}}}", line(&problem));
    match RecordLine::read(text.as_bytes()).unwrap() {
        RecordLine::Problem(told) => assert_eq!(line(&told), line(&problem)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(RecordLine::read(b"{\"news\": 1}"), Ok(RecordLine::Other)));
    assert!(RecordLine::read(b"{\"sequence\": -1}").is_err());
    assert!(RecordLine::read(b"{\"sequence\": 1").is_err());
}

#[test]
fn a_frame_is_named_as_it_is_asked_for() {
    for name in ["dataset", "customer", "2017-01-01..2017-12-31", "1969-12-31..1969-12-31"] {
        let frame: TimeFrame = name.parse().unwrap();
        assert_eq!(frame_name(frame), name);
    }
}

#[test]
fn unknown_fields_are_passed_over_and_absent_ones_are_null() {
    let text = "{\"customer_id\": \"c\", \"ltv\": \"1.00\", \"revenue\": \"1.00\", \"visits\": 0, \
         \"orders\": 1, \"visits_per_week\": \"0.00\", \"rank\": 1, \"news\": [1.5, {}], \
         \"first_event\": \"1970-01-01T00:00:00Z\", \"last_event\": \"1970-01-01T01:00:00+01:00\"}";
    let known: KnownJson<'_> = serde_json::from_str(text).unwrap();
    let expected = Customer {
        ltv_cents: 100,
        revenue_cents: 100,
        visits_per_week_hundredths: 0,
        orders: 1,
        first_us: 0,
        last_us: 0,
        ..least()
    };
    assert_eq!(Customer::from(known), expected);
    let ranked: RankedJson<'_> = serde_json::from_str(text).unwrap();
    assert_eq!(Customer::from(ranked), expected);
    let mut text = line(&InfoJson::new(&info(), Path::new("")));
    for gone in ["\"appended_at\": \"1970-01-01T00:00:00.000004Z\", ", "\"checkpoint_end\": 6, "] {
        text = text.replace(gone, "");
    }
    let back: InfoJson<'_> =
        serde_json::from_str(&text.replacen('{', "{\"news\": 1, ", 1)).unwrap();
    assert_eq!(Info::from(back), Info { appended_at_us: None, checkpoint_end: None, ..info() });
}

/// Exchanges one value of a text and asks for words of what is said of the text then.
fn refused<T: for<'a> serde::Deserialize<'a>>(text: &str, old: &str, new: &str, words: &str) {
    assert!(text.contains(old), "{text} has {old}");
    match serde_json::from_str::<T>(&text.replacen(old, new, 1)) {
        Ok(_) => panic!("{new} for {old} is taken in {text}"),
        Err(error) => assert!(error.to_string().contains(words), "{new} for {old}: {error}"),
    }
}

#[test]
fn values_that_are_not_what_their_field_says_are_refused() {
    let text = line(&KnownJson::new(&customer()));
    let bad = ["12", "12.3", "12.345", ".50", "1,000.00", "+1.00", "--1.00", "1e2.00", "", "1.00 "];
    for bad in bad {
        let bad = format!("\"{bad}\"");
        refused::<KnownJson<'_>>(&text, "\"-6416.80\"", &bad, "is no amount");
        refused::<KnownJson<'_>>(&text, "\"-6.17\"", &bad, "is no amount");
    }
    refused::<KnownJson<'_>>(&text, "\"-6416.80\"", "-6416.80", "expected a string");
    refused::<KnownJson<'_>>(&text, "\"-6416.80\"", "null", "expected a string");
    refused::<KnownJson<'_>>(&text, "\"-12.34\"", "\"92233720368547758.08\"", "is too large");
    refused::<KnownJson<'_>>(&text, "\"-6.17\"", "\"92233720368547758.08\"", "is too large");
    let beyond = "\"17014118346046923173168730371588410572.80\"".replace("572.80", "5728.00");
    refused::<KnownJson<'_>>(&text, "\"-6416.80\"", &beyond, "is no amount");
    refused::<KnownJson<'_>>(&text, "\"visits\": 2", "\"visits\": 4294967296", "u32");
    refused::<KnownJson<'_>>(&text, "2017-01-06T", "2017-01-06 ", "is no instant");
    let last = "\"2017-01-06T12:46:46.384001Z\"";
    refused::<KnownJson<'_>>(&text, last, "\"2017-02-30T00:00:00Z\"", "is no instant");
    refused::<KnownJson<'_>>(
        &text,
        last,
        "\"9223372036854775808 microseconds since 1970\"",
        "is no",
    );
    refused::<KnownJson<'_>>(&text, "\"customer_id\"", "\"id\"", "customer_id");

    let top = Top { currency: *b"USD", span: None, end: 0, customers: vec![customer()] };
    let text = line(&TopJson::new(&top, &Question::default()));
    refused::<TopJson<'_>>(&text, "\"USD\"", "\"usd\"", "is no currency");
    refused::<TopJson<'_>>(&text, "\"USD\"", "\"DOLLAR\"", "is no currency");
    refused::<TopJson<'_>>(&text, "years\": 10", "years\": 0", "a lifespan is");
    refused::<TopJson<'_>>(&text, "years\": 10", "years\": 1e1", "a lifespan is");
    refused::<TopJson<'_>>(&text, "\"end\": 0", "\"end\": 0.5", "0.5");

    let text = line(&InfoJson::new(&info(), Path::new("")));
    for bad in ["\"ab\"", "\"00000000000000ag\"", "\"+0000000000000ab\"", "171"] {
        refused::<InfoJson<'_>>(&text, "\"00000000000000ab\"", bad, "");
    }

    let rejection = Rejection::new(Reason::TooLarge, "");
    let told = vec![RejectedJson::new(0, &rejection)];
    let text = line(&ReceiptJson::with_events(&Receipt::default(), told));
    refused::<ReceiptJson<'_>>(&text, "too_large", "too_small", "is no reason");
    refused::<ReceiptJson<'_>>(&text, "{}", "{\"too_small\": 1}", "is no reason");
    refused::<ReceiptJson<'_>>(&text, "\"index\": 0", "\"index\": -1", "u64");
}
