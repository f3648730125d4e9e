//! What is kept of an event: it is written and read back as the same one, and two spellings of
//! one event have the same normal form.

use ltvlog::{EVENT_BYTES_MAX, Event, Field, Reason};

use crate::events::{RULES, SAMPLE, order_of, valid, visit_with};

fn normal_form(event: &Event<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    event.normal_form(&mut out);
    out
}

fn written(event: &Event<'_>) -> String {
    let mut out = String::new();
    event.to_json(*b"USD", &mut out);
    out
}

#[test]
fn an_event_is_written_on_one_line_with_nothing_between() {
    let order = valid(SAMPLE[3]);
    assert_eq!(
        written(&order),
        r#"{"type":"ORDER","verb":"NEW","key":"68d84e5d1a43","event_time":"2017-01-06T12:55:55.555Z","customer_id":"96f55c7d8f42","total_amount":"12.34 USD"}"#
    );
}

#[test]
fn what_the_type_does_not_name_is_kept_as_it_came() {
    let text = visit_with(
        r#","last_name":"L","n":12345678901234567890123,"gone":null,"o":{"x":null, "y":1.50e0},"\u0061\n":"\/""#,
    );
    let event = valid(&text);
    assert_eq!(
        event.text(Field::Other),
        Some(
            r#"{"last_name":"L","n":12345678901234567890123,"o":{"x":null, "y":1.50e0},"a\n":"\/"}"#
        )
    );
    assert_eq!(event.text(Field::LastName), None);
    assert_eq!(valid(&written(&event)), event);
    // A customer's own id has nobody else's beside it: that name is as unknown as any.
    let text = SAMPLE[0].replace("\"last_name\"", "\"customer_id\": 5, \"last_name\"");
    assert_eq!(valid(&text).text(Field::Other), Some(r#"{"customer_id":5}"#));
    let text = order_of("\"1 USD\"").replace("\"key\"", "\"tags\":\"none\",\"key\"");
    assert_eq!(valid(&text).text(Field::Other), Some(r#"{"tags":"none"}"#));
    assert_eq!(valid(&visit_with(r#","a":null,"b":null"#)).text(Field::Other), None);
}

#[test]
fn an_event_over_several_lines_is_written_on_one() {
    let text =
        visit_with(",\r\n \"tags\": [\n  { \"a b\" :\t\"c\\nd\" },\r\n  1\n ], \"x\":\n{\n}")
            .replace(',', ",\n");
    let event = valid(&text);
    assert_eq!(event.text(Field::Tags), Some(r#"[{"a b":"c\nd"},1]"#));
    assert_eq!(event.text(Field::Other), Some(r#"{"x":{}}"#));
    assert!(!written(&event).contains('\n'));
    assert_eq!(valid(&written(&event)), event);
}

#[test]
fn every_character_is_written_so_that_it_is_read_back() {
    let every: Vec<char> = (0..=0x10FFFF).filter_map(char::from_u32).collect();
    // As many as fit into an id.
    for some in every.chunks(255 / 4) {
        let mut event = valid(SAMPLE[0]).into_owned();
        event.key = some.iter().collect::<String>().into();
        assert_eq!(valid(&written(&event)), event, "{some:?}");
    }
}

#[test]
fn what_an_event_is_written_as_is_never_too_large_to_be_read_back() {
    for amount in ["1 USD", "-1 USD", "1.5 USD", "12.34 USD", "0 USD", "-0 USD"] {
        let empty = order_of(&format!("\"{amount}\",\"x\":\"\""));
        for spare in 0..5 {
            let pad = "x".repeat(EVENT_BYTES_MAX - empty.len() - spare);
            let text = order_of(&format!("\"{amount}\",\"x\":\"{pad}\""));
            let event = valid(&text);
            assert_eq!(valid(&written(&event)), event, "{amount} {spare}");
        }
    }
    assert!(written(&valid(&order_of("\"1 USD\""))).contains("\"1.00 USD\""));
}

#[test]
fn an_event_put_together_by_hand_is_checked() {
    for text in SAMPLE {
        assert_eq!(valid(text).check(&RULES), Ok(()));
    }
    let reason = |change: &dyn Fn(&mut Event<'_>)| {
        let mut event = valid(SAMPLE[1]);
        change(&mut event);
        event.check(&RULES).map_err(|rejection| rejection.reason)
    };
    assert_eq!(reason(&|_| {}), Ok(()));
    assert_eq!(reason(&|event| event.key = "".into()), Err(Reason::InvalidField));
    assert_eq!(reason(&|event| event.at_us = -1), Err(Reason::InvalidTime));
    assert_eq!(reason(&|event| event.at_us = i64::MAX), Err(Reason::InvalidTime));
    assert_eq!(reason(&|event| event.amount_cents = 1), Err(Reason::InvalidField));
    assert_eq!(reason(&|event| event.texts[0] = Some("x".into())), Err(Reason::InvalidField));
    assert_eq!(reason(&|event| event.texts[3] = Some("[1".into())), Err(Reason::MalformedJson));
    assert_eq!(reason(&|event| event.texts[3] = Some("[\n1]".into())), Err(Reason::InvalidField));
    assert_eq!(reason(&|event| event.texts[6] = Some("{}".into())), Err(Reason::InvalidField));
    assert_eq!(reason(&|event| event.texts[6] = Some("{\"a\":1}".into())), Ok(()));
}

/// Two spellings that are the same event, and one that differs a little.
#[test]
fn the_same_event_has_the_same_normal_form_however_it_is_spelled() {
    let visit = |tags: &str| visit_with(&format!(r#","tags":{tags}"#));
    for (one, same, other) in [
        (visit("[1]"), visit("[ 10e-1 ]"), visit("[\"1\"]")),
        (visit("[0]"), visit("[-0.0]"), visit("[false]")),
        (visit("[null]"), visit("[null ]"), visit("[]")),
        (
            visit("{\"a\":1,\"b\":2}"),
            visit("{\"b\":2.0,\"\\u0061\":1}"),
            visit("{\"a\":2,\"b\":1}"),
        ),
        (visit("[\"é\"]"), visit("[\"\\u00e9\"]"), visit("[\"e\u{301}\"]")),
        (visit("[1,2]"), visit("[1, 2]"), visit("[2,1]")),
        (visit("[[1],2]"), visit("[[1],2]"), visit("[[1,2]]")),
        (visit("[]"), visit("[ ]"), visit("{}")),
        (visit("[\"1\",\"2\"]"), visit("[\"1\" ,\"2\"]"), visit("[\"1,2\"]")),
        (
            visit_with(r#","x":{"m":1,"n":[2]},"y":null"#),
            visit_with(r#","x":{"n":[2e0],"m":1}"#),
            visit_with(r#","x":{"n":[2e0],"m":1,"y":null}"#),
        ),
        (order_of("\"1 USD\""), order_of("\"001.00 USD\""), order_of("\"1.01 USD\"")),
        (order_of("\"0 USD\""), order_of("\"-0.00 USD\""), order_of("\"-0.01 USD\"")),
        (
            visit_with("").replace("12:45:52Z", "12:45:52.000000999Z"),
            visit_with("").replace("12:45:52Z", "14:45:52+02:00"),
            visit_with("").replace("12:45:52Z", "12:45:52.000001Z"),
        ),
        (
            visit_with(""),
            visit_with("").replace("\"p\"", "\"\\u0070\""),
            visit_with(r#","tags":[]"#),
        ),
        (SAMPLE[0].to_owned(), SAMPLE[0].replace(": ", ":"), SAMPLE[0].replace("NEW", "UPDATE")),
        (SAMPLE[0].to_owned(), SAMPLE[0].replace(", ", " , "), SAMPLE[0].replace("AK", "")),
    ] {
        let form = normal_form(&valid(&one));
        assert_eq!(form, normal_form(&valid(&same)), "{one} and {same}");
        assert_ne!(form, normal_form(&valid(&other)), "{one} and {other}");
        assert_eq!(form, normal_form(&valid(&written(&valid(&one)))), "{one} written");
    }
}
