//! Which text is malformed, held against a parser that decodes everything; and what is told of
//! text without parsing it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::raw::{self, State, Token, Tokens};
use super::super::scan::Scan;
use super::super::{EVENT_LEVELS_MAX, Event, Reason, Rules};
use super::{Random, every_text};

/// Whether a text is taken apart with no flaw, whatever its members are; else the flaw.
fn judge(text: &str) -> Result<(), Reason> {
    const RULES: Rules = Rules { currency: *b"USD", time_range_us: 0..i64::MAX };
    match Event::from_json(text.as_bytes(), &RULES) {
        Err(rejection) if rejection.reason < Reason::NotAnObject => Err(rejection.reason),
        _ => Ok(()),
    }
}

/// Any JSON value with no name twice in an object, as `serde_json` reads it.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Strict, D::Error> {
        json.deserialize_any(Strict)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Strict;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        while seq.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Strict)) = map.next_entry::<String, Strict>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("twice"));
            }
        }
        Ok(Strict)
    }
}

/// Checks that a text is judged as `serde_json` judges it; where its numbers have a limit, none.
fn check(text: &str) {
    match serde_json::from_str::<Strict>(text) {
        Ok(_) => assert_eq!(judge(text), Ok(()), "{text:?}"),
        Err(error) if error.to_string().contains("out of range") => {}
        Err(_) => assert_eq!(judge(text), Err(Reason::MalformedJson), "{text:?}"),
    }
}

fn raw_trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

#[test]
fn every_short_text_is_judged_as_if_it_were_decoded() {
    every_text(b"{}[]\",:\\01-.eEa +\n", 5, &mut check);
    every_text(b"01-+.eE", 7, &mut check);
    every_text(b"[]1, ", 8, &mut check);
    every_text(b"{}:1,\"", 8, &mut check);
    for word in ["null", "true", "false", "nul", "nulll", "True", "NaN", "Infinity", "\u{a0}1"] {
        check(word);
    }
}

#[test]
fn every_escape_and_pair_of_escapes_is_judged_as_if_it_were_decoded() {
    for code in 0..=0xFFFF_u32 {
        check(&format!("\"\\u{code:04x}\""));
        check(&format!("[\"\\u{code:04X}x\"]"));
    }
    let codes = ["0041", "d7ff", "D800", "dbff", "dC00", "dfff", "e000"];
    for one in codes {
        for between in ["", "x", "\\", "\\n", "\\u", "u", "\\ud83d"] {
            for next in codes {
                for prefix in ["\\u", "\\", ""] {
                    check(&format!("\"\\u{one}{between}{prefix}{next}\""));
                    check(&format!("{{\"\\u{one}{between}{prefix}{next}\":1}}"));
                }
            }
        }
    }
    for byte in 0..=127_u8 {
        check(&format!("\"\\{}\"", char::from(byte)));
        check(&format!("\"{}\"", char::from(byte)));
        check(&format!("\"\\u00{}0\"", char::from(byte)));
    }
}

/// Texts that touch every rule; others are made of them by small changes.
const SEEDS: [&str; 6] = [
    r#"{"type":"SITE_VISIT","verb":"NEW","tags":[{"some key":"some value"},[],{}],"n":-1.5e+3}"#,
    r#"[{"a":1,"b":{"a":1,"a ":[true,false,null]}},"\u0041\ud83d\ude00é\\\"\/\b",0,-0.0,1E5]"#,
    r#"{"a":{"b":{"c":{"d":[[[[{"e":"f"}]]]]}}},"b":"c","\u0061b":"ab","":""}"#,
    " { \"x\" : [ 1 , 2 , 3 ] ,\r\n\t\"y\" : { } } ",
    r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}"#,
    r#"["😀","\ud83d\ude00","x\"y","\\","\u0000"]"#,
];

#[test]
fn texts_with_small_changes_are_judged_as_if_they_were_decoded() {
    let seed = 1;
    let mut random = Random(seed);
    println!("seed {seed}");
    for _ in 0..300_000 {
        let mut text: Vec<char> = random.pick(&SEEDS).chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            let other = text[random.below(text.len())];
            match random.below(4) {
                0 => text[at] = other,
                1 => text.insert(at, other),
                2 => drop(text.remove(at)),
                _ => {
                    // A piece of the text once more: names twice, brackets too many.
                    let end = (at + random.below(12)).min(text.len());
                    let piece = text[at..end].to_vec();
                    let to = random.below(text.len());
                    text.splice(to..to, piece);
                }
            }
        }
        check(&text.iter().collect::<String>());
    }
}

#[test]
fn levels_are_counted_to_the_limit_and_no_further() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(judge(&nested(EVENT_LEVELS_MAX)).is_ok());
        assert!(!raw::is_deeper_than(EVENT_LEVELS_MAX, nested(EVENT_LEVELS_MAX).as_bytes()));
        assert_eq!(judge(&nested(EVENT_LEVELS_MAX + 1)), Err(Reason::TooLarge));
        assert!(raw::is_deeper_than(EVENT_LEVELS_MAX, nested(EVENT_LEVELS_MAX + 1).as_bytes()));
        assert_eq!(judge(&open.repeat(1_000_000)), Err(Reason::TooLarge));
    }
    assert!(!raw::is_deeper_than(1, br#"["[[[[\"[[[[",[]]"#.get(..14).expect("14 bytes")));
    assert!(!raw::is_deeper_than(1, b"[][][]"));
    assert!(raw::is_deeper_than(1, b"]]]][\"\\\"[\"["));
}

#[test]
fn a_hundred_thousand_names_take_no_quadratic_time() {
    let names: Vec<String> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
    let start = std::time::Instant::now();
    assert!(judge(&format!("{{{}}}", names.join(","))).is_ok());
    assert!(judge(&format!("{{{},\"77\":0}}", names.join(","))).is_err());
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn a_value_ends_at_the_same_byte_however_its_text_is_cut() {
    let mut values: Vec<&str> = SEEDS.map(raw_trim).to_vec();
    values.extend(["1", "-1.5e3", "true", "\"\"", "\"a\\\"b\"", "[]", "{}", "\"\\\\\""]);
    for value in values {
        for behind in ["", ",", "]", " ", "\n[", ",{\"a\""] {
            let text = format!("{value}{behind}");
            // At the end of a source a number may be over or not: only what follows it tells.
            let is_open = behind.is_empty() && !value.ends_with(['"', ']', '}']);
            let expected = (!is_open).then_some(value.len());
            for one in 0..=text.len() {
                for next in one..=text.len() {
                    let mut scan = Scan::default();
                    let mut found = None;
                    let mut before = 0;
                    for piece in [0..one, one..next, next..text.len()] {
                        if found.is_none() {
                            found = scan.feed(&text.as_bytes()[piece.clone()]);
                            found = found.map(|length| before + length);
                        }
                        before = piece.end;
                    }
                    assert_eq!(found, expected, "{text:?} cut at {one} and {next}");
                }
            }
        }
    }
}

#[test]
fn compact_json_has_the_same_tokens_on_one_line() {
    for text in SEEDS {
        let wide = text.replace("\":", "\" \t:\r\n ").replace(",\"", " ,\n \"");
        let compact = raw::one_line(&wide);
        assert!(!compact.contains('\n'));
        assert!(Tokens::new(&compact).eq(Tokens::new(&wide)), "{compact}");
        assert_eq!(raw::state_of(compact.as_bytes()), State::Whole);
    }
    assert_eq!(raw::one_line("[ 1,\n\" a b \" ]"), "[1,\" a b \"]");
    assert_eq!(raw::one_line("[ 1, 2 ]"), "[ 1, 2 ]");
}

#[test]
fn tokens_end_on_any_text() {
    every_text(b"{[\"\\,:a1\xc3", 5, &mut |text| {
        assert!(Tokens::new(text).count() <= text.len());
        assert!(Tokens::new(text).all(|token| token != Token::Scalar("")));
    });
}
