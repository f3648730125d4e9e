//! Texts that break a rule, or several at once, or none after all.

use super::Random;
use super::draft::Draft;
use super::spell;
use crate::model::event::{EVENT_BYTES_MAX, LEVELS_MAX, Terms};
use crate::model::json::Json;

const TIMES: [&str; 26] = [
    "",
    "2017-02-29T00:00:00Z",
    "2017-00-01T00:00:00Z",
    "2017-13-01T00:00:00Z",
    "2017-01-32T00:00:00Z",
    "2017-01-00T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2017-01-01 00:00:00Z",
    "2017-01-01T24:00:00Z",
    "2017-01-01T00:60:00Z",
    "2016-12-31T23:59:60Z",
    "2017-01-01T00:00:00",
    "2017-01-01T00:00:00.Z",
    "2017-01-01T00:00:00,5Z",
    "2017-01-01T00:00:00+24:00",
    "2017-01-01T00:00:00+00:60",
    "2017-01-01T00:00:00+0000",
    "2017-01-01T00:00:00+00",
    "2017-01-01T00:00Z",
    "2017-01-01",
    "-2017-01-01T00:00:00Z",
    "12017-01-01T00:00:00Z",
    "2017-01-01T00:00:00Z ",
    "2017-01-01T00:00:00 Z",
    "2017-01-01T00:00:00\u{2212}01:00",
    "\u{ff12}017-01-01T00:00:00Z",
];

const AMOUNTS: [&str; 22] = [
    "",
    "12.34",
    "12.34 ",
    " 12.34 USD",
    "12.34 USD ",
    "12.34  USD",
    "12.345 USD",
    "12. USD",
    ".5 USD",
    "+1 USD",
    "1 US",
    "1 USDX",
    "1234567890123 USD",
    "0000000000001 USD",
    "1,00 USD",
    "1\tUSD",
    "1e2 USD",
    "--1 USD",
    "- 1 USD",
    "USD 1",
    "\u{663} USD",
    "1.2.3 USD",
];

/// A text that is hardly an event.
pub fn junk(random: &mut Random, terms: &Terms, draft: &Draft) -> Vec<u8> {
    let mut members = spell::members(random, terms, draft);
    let faults = random.pick(&[0, 1, 1, 1, 2, 2, 3]);
    for _ in 0..faults {
        spoil(random, terms, &mut members);
    }
    let mut text = spell::json(random, &Json::Object(members));
    if faults == 0 || random.percent(15) {
        text = break_text(random, text);
    }
    text.retain(|byte| *byte != b'\n');
    if text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
        text = b"x".to_vec();
    }
    text
}

/// Gives one member a value that it may not have.
fn spoil(random: &mut Random, terms: &Terms, members: &mut Vec<(String, Json)>) {
    let wrong = |random: &mut Random| match random.below(6) {
        0 => Json::Number("5".to_owned()),
        1 => Json::Bool(true),
        2 => Json::Array(vec![Json::text("a")]),
        3 => Json::Object(vec![]),
        4 => Json::Text(String::new()),
        _ => spell::value(random, 2),
    };
    let (name, value) = match random.below(15) {
        0 | 1 => {
            let place = random.below(members.len());
            members.remove(place);
            return;
        }
        2 => (members[random.below(members.len())].0.clone(), Json::Null),
        3 => {
            let kind = ["customer", "ORDERS", "", " ORDER", "SITE VISIT", "IMAGE\0"];
            ("type".to_owned(), Json::text(random.pick(&kind)))
        }
        4 => {
            let kind = ["CUSTOMER", "SITE_VISIT", "IMAGE", "ORDER"];
            ("type".to_owned(), Json::text(random.pick(&kind)))
        }
        5 => {
            let verb = ["UPLOAD", "new", "DELETE", "", "UPDATE", "NEW"];
            ("verb".to_owned(), Json::text(random.pick(&verb)))
        }
        6 | 7 => {
            let id = match random.below(4) {
                0 => Json::Text("x".repeat(256)),
                1 => Json::Text("é".repeat(128)),
                2 => Json::Text(String::new()),
                _ => wrong(random),
            };
            ((random.pick(&["key", "customer_id"])).to_owned(), id)
        }
        8 => {
            let name =
                ["last_name", "adr_city", "adr_state", "tags", "camera_make", "camera_model"];
            ((random.pick(&name)).to_owned(), wrong(random))
        }
        9 => ("event_time".to_owned(), Json::text(random.pick(&TIMES))),
        10 => {
            let (from, to) = terms.time_range_us;
            let at_us = random.pick(&[from - 1, to, from, to - 1]);
            ("event_time".to_owned(), Json::Text(spell::time(random, at_us)))
        }
        11 => ("total_amount".to_owned(), Json::text(random.pick(&AMOUNTS))),
        12 => {
            let amount = ["1 EUR", "-2.5 AAA", "1 usd", "1.00 UsD", "1 USD", "12 ZZZ", "0 U5D"];
            ("total_amount".to_owned(), Json::text(random.pick(&amount)))
        }
        13 => {
            let levels = LEVELS_MAX - 3 + random.below(4);
            (random.pick(&["tags", "note"]).to_string(), tower(random, levels))
        }
        _ => {
            let name = ["type", "verb", "event_time", "total_amount", "key", "customer_id"];
            ((random.pick(&name)).to_owned(), wrong(random))
        }
    };
    match members.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => members.push((name, value)),
    }
}

/// Brackets this many levels deep.
fn tower(random: &mut Random, levels: usize) -> Json {
    (0..levels).fold(Json::Null, |inner, _| {
        if random.percent(50) {
            Json::Array(vec![inner])
        } else {
            Json::Object(vec![("[".to_owned(), inner)])
        }
    })
}

/// Breaks the text itself.
fn break_text(random: &mut Random, mut text: Vec<u8>) -> Vec<u8> {
    match random.below(16) {
        0 | 1 => {
            text.truncate(1 + random.below(text.len() - 1));
            text
        }
        2 | 3 => {
            let place = random.below(text.len());
            text[place] = random.pick(b"\"\\{}[]:,0- eu\0\x7f\xff\xc3");
            text
        }
        4 | 5 => with_member(
            text,
            random.pick(&[
                &br#""key":"other""#[..],
                br#""k\u0065y":null"#,
                br#""x":{"a":1,"\u0061":2}"#,
                br#""x":[{"":1,"":1}]"#,
                br#""x":{"\/":1,"/":1}"#,
                br#""x":{"A":1,"a":2}"#,
            ]),
        ),
        6 | 7 => with_member(
            text,
            random.pick(&[
                &br#""x":"\ud83d""#[..],
                br#""x":"\ude00""#,
                br#""x":"\ud83d\u0041""#,
                br#""x":"\ud83d\ud83d\ude00""#,
                br#""\ud83d":1"#,
                br#""x":[{"\udfff":1}]"#,
                br#""x":"\\ud83d""#,
                br#""x":"\uD83D\uDE00""#,
                b"\"x\":\"\xff\"",
                b"\"x\":\"\xed\xa0\xbd\"",
                b"\"x\":\"\xc0\x80\"",
                b"\"\xe2\x82\":1",
            ]),
        ),
        8 | 9 => with_member(
            text,
            random.pick(&[
                &br#""x":01"#[..],
                br#""x":1."#,
                br#""x":.5"#,
                br#""x":+1"#,
                br#""x":NaN"#,
                br#""x":1e"#,
                br#""x":-"#,
                br#""x":True"#,
                br#""x":"\x""#,
                br#""x":"\u12g4""#,
                b"\"x\":\"\t\"",
                br#""x":"#,
                br#""x""#,
                br#"x:1"#,
                br#"'x':1"#,
                br#""x":1,"#,
                br#""x":0x10"#,
                br#""x":-01"#,
                b"\"x\":\"\x00\"",
            ]),
        ),
        10 => {
            text.extend_from_slice(random.pick(&[
                &b" x"[..],
                b"{}",
                b",",
                b"]",
                b" null",
                b"\0",
                b"\x0c",
            ]));
            text
        }
        11 => [b"[", text.as_slice(), b"]"].concat(),
        12 => {
            let depth = LEVELS_MAX - 1 + random.below(5);
            b"[".repeat(depth)
        }
        13 if random.percent(4) => {
            // Too long by a byte, or by none.
            let frame = br#""pad":"""#.len() + 1;
            let most = EVENT_BYTES_MAX + random.below(2);
            let pad = "p".repeat(most.saturating_sub(text.len() + frame));
            with_member(text, format!(r#""pad":"{pad}""#).as_bytes())
        }
        14 => [b"\xef\xbb\xbf", text.as_slice()].concat(),
        _ => random
            .pick(&[
                &b"null"[..],
                b"5",
                b"-0.5e3",
                b"\"text\"",
                b"true",
                b"[]",
                b"{}",
                b"nul",
                b"{",
                b"}",
                b"'a'",
                b"{\"type\":null}",
                b"{\"type\":{}}",
                b"[null]",
                b"\xff\xfe",
                b"\"\\ud800\"",
                b"\x0b",
                b"//",
            ])
            .to_vec(),
    }
}

/// The object with one more member, written as it stands.
fn with_member(mut text: Vec<u8>, member: &[u8]) -> Vec<u8> {
    while text.pop().is_some_and(|byte| byte != b'}') {}
    text.push(b',');
    text.extend_from_slice(member);
    text.push(b'}');
    text
}
