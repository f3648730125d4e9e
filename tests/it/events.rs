//! One event by itself: which JSON is an event, and which reason is told if not.

use ltvlog::{EVENT_BYTES_MAX, Event, Field, Kind, Reason, Rejection, Rules};

/// The rules of a log that was created without options.
pub const RULES: Rules = Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };

/// The sample events of the specification.
pub const SAMPLE: [&str; 4] = [
    r#"{"type": "CUSTOMER", "verb": "NEW", "key": "96f55c7d8f42", "event_time": "2017-01-06T12:46:46.384Z", "last_name": "Smith", "adr_city": "Middletown", "adr_state": "AK"}"#,
    r#"{"type": "SITE_VISIT", "verb": "NEW", "key": "ac05e815502f", "event_time": "2017-01-06T12:45:52.041Z", "customer_id": "96f55c7d8f42", "tags": [{"some key": "some value"}]}"#,
    r#"{"type": "IMAGE", "verb": "UPLOAD", "key": "d8ede43b1d9f", "event_time": "2017-01-06T12:47:12.344Z", "customer_id": "96f55c7d8f42", "camera_make": "Canon", "camera_model": "EOS 80D"}"#,
    r#"{"type": "ORDER", "verb": "NEW", "key": "68d84e5d1a43", "event_time": "2017-01-06T12:55:55.555Z", "customer_id": "96f55c7d8f42", "total_amount": "12.34 USD"}"#,
];

fn read(text: &str) -> Result<Event<'_>, Rejection> {
    Event::from_json(text.as_bytes(), &RULES)
}

pub fn valid(text: &str) -> Event<'_> {
    read(text).unwrap_or_else(|rejection| panic!("{text}: {rejection:?}"))
}

#[track_caller]
fn assert_reason(text: &str, reason: Reason) {
    match read(text) {
        Ok(_) => panic!("{text} is an event, not {reason}"),
        Err(rejection) => assert_eq!(rejection.reason, reason, "{text}: {}", rejection.detail),
    }
}

/// A valid visit with more members.
pub fn visit_with(members: &str) -> String {
    format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"p","event_time":"2017-01-06T12:45:52Z","customer_id":"c"{members}}}"#
    )
}

/// A valid order with such an amount.
pub fn order_of(amount: &str) -> String {
    format!(
        r#"{{"type":"ORDER","verb":"NEW","key":"o","event_time":"2017-01-06T12:45:52Z","customer_id":"c","total_amount":{amount}}}"#
    )
}

#[test]
fn the_sample_events_have_their_fields() {
    let [customer, visit, image, order] = SAMPLE.map(valid);
    assert_eq!(customer.kind, Kind::CustomerNew);
    assert_eq!((&*customer.key, &*customer.customer_id), ("96f55c7d8f42", ""));
    assert_eq!(customer.customer(), "96f55c7d8f42");
    assert_eq!(customer.at_us, 1_483_706_806_384_000);
    assert_eq!(customer.text(Field::LastName), Some("Smith"));
    assert_eq!(customer.text(Field::AdrCity), Some("Middletown"));
    assert_eq!(customer.text(Field::AdrState), Some("AK"));
    assert_eq!(customer.text(Field::Other), None);
    assert_eq!(visit.kind, Kind::SiteVisitNew);
    assert_eq!(visit.customer(), "96f55c7d8f42");
    assert_eq!(visit.text(Field::Tags), Some(r#"[{"some key": "some value"}]"#));
    assert_eq!(image.kind, Kind::ImageUpload);
    assert_eq!(image.text(Field::CameraMake), Some("Canon"));
    assert_eq!(image.text(Field::CameraModel), Some("EOS 80D"));
    assert_eq!(order.kind, Kind::OrderNew);
    assert_eq!(order.amount_cents, 1234);
}

/// Each step of the order in which reasons apply, and an event with every subset of the flaws.
#[test]
fn of_all_flaws_an_event_has_the_first_is_told() {
    const STEPS: [Reason; 12] = [
        Reason::TooLarge,
        Reason::MalformedJson,
        Reason::NotAnObject,
        Reason::MissingField,
        Reason::UnknownType,
        Reason::MissingField,
        Reason::UnknownVerb,
        Reason::MissingField,
        Reason::InvalidField,
        Reason::InvalidTime,
        Reason::InvalidAmount,
        Reason::WrongCurrency,
    ];
    for flaws in 0..1_u32 << STEPS.len() {
        let has = |step: u32| flaws & 1 << step != 0;
        let mut members = Vec::new();
        if !has(3) {
            members.push(if has(4) { r#""type":"BASKET""# } else { r#""type":"ORDER""# });
        }
        if !has(5) {
            members.push(if has(6) { r#""verb":"UPLOAD""# } else { r#""verb":"NEW""# });
        }
        if !has(7) {
            members.push(r#""key":"o""#);
        }
        members.push(if has(8) { r#""customer_id":17"# } else { r#""customer_id":"c""# });
        members.push(match has(9) {
            true => r#""event_time":"2017-01-06""#,
            false => r#""event_time":"2017-01-06T12:45:52Z""#,
        });
        members.push(match (has(10), has(11)) {
            (true, _) => r#""total_amount":"1,00 USD""#,
            (_, true) => r#""total_amount":"1.00 EUR""#,
            _ => r#""total_amount":"1.00 USD""#,
        });
        let deep = format!(r#""deep":{}{}"#, "[".repeat(64), "]".repeat(64));
        if has(0) {
            members.push(&deep);
        }
        if has(1) {
            members.push(r#""one":1,"one":1"#);
        }
        let object = format!("{{{}}}", members.join(","));
        let text = if has(2) { format!("[{object}]") } else { object };
        match STEPS.iter().zip(0..).find(|(_, step)| has(*step)) {
            Some((reason, _)) => assert_reason(&text, *reason),
            None => drop(valid(&text)),
        }
    }
}

#[test]
fn every_type_has_its_verbs_and_what_it_needs() {
    let verbs = ["NEW", "UPDATE", "UPLOAD", "new", "", "DELETE"];
    let needs = ["key", "event_time", "customer_id", "total_amount"];
    for (type_name, known_verbs, needed) in [
        ("CUSTOMER", &["NEW", "UPDATE"][..], &needs[..2]),
        ("SITE_VISIT", &["NEW"], &needs[..3]),
        ("IMAGE", &["UPLOAD"], &needs[..3]),
        ("ORDER", &["NEW", "UPDATE"], &needs[..4]),
    ] {
        for verb in verbs {
            let members = |without: &str| {
                let all = [
                    ("key", r#""k""#),
                    ("event_time", r#""2017-01-06T12:45:52Z""#),
                    ("customer_id", r#""c""#),
                    ("total_amount", r#""1 USD""#),
                ];
                let given =
                    all.iter().filter(|(name, _)| *name != without && needed.contains(name));
                given.map(|(name, value)| format!(r#","{name}":{value}"#)).collect::<String>()
            };
            let text = |without| {
                format!(r#"{{"type":"{type_name}","verb":"{verb}"{}}}"#, members(without))
            };
            if !known_verbs.contains(&verb) {
                assert_reason(&text(""), Reason::UnknownVerb);
                continue;
            }
            let whole = text("");
            let event = valid(&whole);
            assert_eq!((event.kind.type_name(), event.kind.verb()), (type_name, verb));
            for name in needed {
                assert_reason(&text(name), Reason::MissingField);
                assert!(read(&text(name)).unwrap_err().detail.contains(name));
                // A null is absent.
                let null = text(name).replacen('{', &format!(r#"{{"{name}":null,"#), 1);
                assert_reason(&null, Reason::MissingField);
            }
        }
    }
    for type_name in ["\"customer\"", "\"\"", "17", "{}", "[\"ORDER\"]", "true"] {
        assert_reason(&format!(r#"{{"type":{type_name},"verb":5}}"#), Reason::UnknownType);
        assert_reason(&format!(r#"{{"type":"ORDER","verb":{type_name}}}"#), Reason::UnknownVerb);
    }
    assert_reason(r#"{"verb":"NEW"}"#, Reason::MissingField);
    assert_reason(r#"{"type":null,"verb":"NEW"}"#, Reason::MissingField);
    assert_reason(r#"{"type":"ORDER","verb":null}"#, Reason::MissingField);
    assert_reason("{}", Reason::MissingField);
}

#[test]
fn what_is_no_object_is_told_so_and_what_is_no_json_is_malformed() {
    for text in ["null", "[]", "17", "\"text\"", "true", " [ {} ] ", "1e999"] {
        assert_reason(text, Reason::NotAnObject);
    }
    for text in [
        "",
        " ",
        "{",
        "{]",
        "nul",
        "{} {}",
        "{}x",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[1,]",
        "01",
        "\u{feff}{}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "NaN",
        "// c",
        "{\"\\udc00\":1}",
        "[\"\\ud83d\\u0041\"]",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "{\"a\":}",
    ] {
        assert_reason(text, Reason::MalformedJson);
    }
    for bytes in [&b"{\"a\":\"\xff\"}"[..], b"\xc3", b"{\"a\":\"\xed\xa0\x80\"}"] {
        let rejection = Event::from_json(bytes, &RULES).unwrap_err();
        assert_eq!(rejection.reason, Reason::MalformedJson);
    }
}

#[test]
fn a_name_twice_in_one_object_is_malformed_wherever_it_stands() {
    for members in [
        r#","key":"p""#,
        r#","k\u0065y":"p""#,
        r#","x":null,"x":null"#,
        r#","x":1,"\u0078":1"#,
        r#","tags":[{"a":1,"b":2,"a":3}]"#,
        r#","x":{"y":[[{"":0,"":0}]]}"#,
        r#","tags":[{"\ud83d\ude00":1,"😀":1}]"#,
    ] {
        assert_reason(&visit_with(members), Reason::MalformedJson);
    }
    // The same names in different objects are different names.
    valid(&visit_with(r#","tags":[{"a":1},{"a":{"a":1}}],"a":{"tags":1},"A":1"#));
}

#[test]
fn ids_have_1_to_255_bytes() {
    for (id, is_valid) in [
        (String::new(), false),
        ("x".to_owned(), true),
        (" ".to_owned(), true),
        ("x".repeat(255), true),
        ("x".repeat(256), false),
        ("é".repeat(127) + "x", true),
        ("é".repeat(128), false),
        ("\\u00e9".repeat(127), true),
        ("\\u00e9".repeat(128), false),
        ("\\n\\u0000".to_owned(), true),
    ] {
        for name in ["key", "customer_id"] {
            let text = visit_with("").replace(
                &format!(r#""{name}":"{}""#, if name == "key" { "p" } else { "c" }),
                &format!(r#""{name}":"{id}""#),
            );
            match is_valid {
                true => drop(valid(&text)),
                false => assert_reason(&text, Reason::InvalidField),
            }
        }
    }
    for id in ["17", "true", "[]", "{}", "1.5"] {
        assert_reason(&visit_with("").replace("\"p\"", id), Reason::InvalidField);
        assert_reason(&visit_with("").replace("\"c\"", id), Reason::InvalidField);
    }
}

#[test]
fn optional_fields_are_strings_and_tags_an_array_or_an_object() {
    for value in ["[]", "{}", "[1,{\"a\":null}]"] {
        let text = visit_with(&format!(r#","tags":{value}"#));
        assert_eq!(valid(&text).text(Field::Tags), Some(value));
    }
    for value in ["\"a\"", "1", "true"] {
        assert_reason(&visit_with(&format!(r#","tags":{value}"#)), Reason::InvalidField);
    }
    assert_eq!(valid(&visit_with(r#","tags":null"#)).text(Field::Tags), None);
    for (event, name, field) in [
        (SAMPLE[0], "last_name", Field::LastName),
        (SAMPLE[0], "adr_city", Field::AdrCity),
        (SAMPLE[0], "adr_state", Field::AdrState),
        (SAMPLE[2], "camera_make", Field::CameraMake),
        (SAMPLE[2], "camera_model", Field::CameraModel),
    ] {
        let (before, after) = event.split_once(&format!("\"{name}\": \"")).expect("it has it");
        let (_, after) = after.split_once('"').expect("a string ends");
        let with = |value: &str| format!("{before}\"{name}\":{value}{after}");
        assert_eq!(valid(&with("\"\"")).text(field), Some(""));
        assert_eq!(valid(&with("\"a\\n\\u00e9😀\"")).text(field), Some("a\né😀"));
        assert_eq!(valid(&with("null")).text(field), None);
        for value in ["1", "[]", "{\"a\":\"b\"}", "false"] {
            assert_reason(&with(value), Reason::InvalidField);
        }
    }
}

#[test]
fn times_lie_in_the_range_of_the_log() {
    let at = |time: &str| visit_with("").replace("2017-01-06T12:45:52Z", time);
    for time in
        ["1970-01-01T00:00:00Z", "2099-12-31T23:59:59.9999999Z", "1969-12-31t23:59:59-00:01"]
    {
        valid(&at(time));
    }
    for time in [
        "1969-12-31T23:59:59.999999Z",
        "2100-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "2017-02-29T00:00:00Z",
        "2017-01-06T12:45:52",
        "2017-01-06T12:45:60Z",
        "",
    ] {
        assert_reason(&at(time), Reason::InvalidTime);
    }
    for value in ["1483706752", "true", "[]", "{}"] {
        let text = visit_with("").replace("\"2017-01-06T12:45:52Z\"", value);
        assert_reason(&text, Reason::InvalidTime);
    }
    valid(&at("2017\\u002d01-06T12:45:52Z"));
}

#[test]
fn amounts_are_in_the_currency_of_the_log() {
    for (amount, cents) in [
        ("\"12.34 USD\"", 1234),
        ("\"-0.5 USD\"", -50),
        ("\"7 USD\"", 700),
        ("\"7\\u0020US\\u0044\"", 700),
        ("\"999999999999.99 USD\"", 99_999_999_999_999),
    ] {
        assert_eq!(valid(&order_of(amount)).amount_cents, cents, "{amount}");
    }
    for amount in ["12.34", "\"12.34\"", "\"12.345 USD\"", "\"usd\"", "\"1 usd\"", "true", "[]"] {
        assert_reason(&order_of(amount), Reason::InvalidAmount);
    }
    for amount in ["\"12.34 EUR\"", "\"0 AAA\""] {
        assert_reason(&order_of(amount), Reason::WrongCurrency);
    }
    let euros = Rules { currency: *b"EUR", ..RULES };
    assert!(Event::from_json(order_of("\"1 EUR\"").as_bytes(), &euros).is_ok());
}

#[test]
fn an_event_has_a_mebibyte_at_most_blanks_around_it_not_counted() {
    let sized = |bytes: usize| {
        let empty = visit_with(r#","pad":"""#);
        visit_with(&format!(r#","pad":"{}""#, "x".repeat(bytes - empty.len())))
    };
    let largest = sized(EVENT_BYTES_MAX);
    assert_eq!(largest.len(), 1 << 20);
    valid(&largest);
    valid(&format!(" \r\n\t{largest}\r\n"));
    assert_reason(&sized(EVENT_BYTES_MAX + 1), Reason::TooLarge);
    assert_reason(&"x".repeat(EVENT_BYTES_MAX + 1), Reason::TooLarge);
    assert_reason(&"x".repeat(EVENT_BYTES_MAX), Reason::MalformedJson);
}

#[test]
fn an_event_has_64_levels_at_most_its_own_being_the_first() {
    let deep = |levels: usize| {
        visit_with(&format!(r#","x":{}{}"#, "[".repeat(levels - 1), "]".repeat(levels - 1)))
    };
    let deepest = deep(64);
    valid(&deepest);
    assert_reason(&deep(65), Reason::TooLarge);
    // Too deep is told before malformed, wherever the text breaks.
    assert_reason(&"[".repeat(65), Reason::TooLarge);
    assert_reason(&"{\"a\":".repeat(65), Reason::TooLarge);
    assert_reason(&format!("x{}", "[".repeat(65)), Reason::TooLarge);
    assert_reason(&"[".repeat(64), Reason::MalformedJson);
    assert_reason(&format!("[\"{}\"", "[".repeat(65)), Reason::MalformedJson);
    assert_reason(&"[".repeat(EVENT_BYTES_MAX), Reason::TooLarge);
}
