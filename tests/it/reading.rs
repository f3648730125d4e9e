//! Events out of a source: how its kind is told, what a break costs, and that neither the size of
//! the pieces it comes in nor the place where it is cut makes an event that was not there.

use std::io::{BufRead, BufReader};

use ltvlog::{EVENT_BYTES_MAX, Flow, ReadError, Reason, read_events};

use crate::blocks::assert_same;
use crate::events::{RULES, SAMPLE};
use crate::rejects::rejects_of;

/// What was read: the line, and the event's key or the reason why there is none.
pub type Read1 = (u64, Result<String, Reason>);

pub fn try_read(source: &mut dyn BufRead) -> Result<Vec<Read1>, ReadError> {
    let mut found = Vec::new();
    read_events(source, &RULES, &mut |incoming| {
        let event = incoming.event.map(|event| event.key.to_string());
        found.push((incoming.line, event.map_err(|rejection| rejection.reason)));
        Ok(Flow::Continue)
    })?;
    Ok(found)
}

pub fn read(text: impl AsRef<[u8]>) -> Vec<Read1> {
    try_read(&mut text.as_ref()).expect("memory can be read")
}

fn in_pieces(text: &[u8], bytes: usize) -> Vec<Read1> {
    try_read(&mut BufReader::with_capacity(bytes, text)).expect("memory can be read")
}

/// A short event.
pub fn event(key: &str) -> String {
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"{key}","event_time":"2017-01-06T00:00:00Z"}}"#
    )
}

/// The same over several lines, as programs print it.
pub fn pretty(key: &str) -> String {
    event(key).replace('{', "{\n  ").replace(',', ",\n  ").replace('}', "\n}")
}

/// What is expected: `key` of an event or `!` and a reason, each with its line.
#[track_caller]
pub fn assert_read(text: &str, expected: &[(u64, &str)]) {
    let shown = |found: &[Read1]| -> Vec<(u64, String)> {
        let show = |event: &Result<String, Reason>| match event {
            Ok(key) => key.clone(),
            Err(reason) => format!("!{reason}"),
        };
        found.iter().map(|(line, event)| (*line, show(event))).collect()
    };
    let expected: Vec<(u64, String)> =
        expected.iter().map(|(line, event)| (*line, (*event).to_owned())).collect();
    assert_eq!(shown(&read(text)), expected, "{text:?}");
    for bytes in 1..9 {
        let found = in_pieces(text.as_bytes(), bytes);
        // Of what cannot be cut only the text depends on the pieces.
        assert_eq!(shown(&found), expected, "{text:?} in pieces of {bytes}");
    }
    assert_same(text.as_bytes(), &[1, 7, usize::MAX], None);
}

#[test]
fn ndjson_is_told_by_its_first_line() {
    let (a, b) = (event("a"), event("b"));
    let both = [(1, "a"), (2, "b")];
    assert_read(&format!("{a}\n{b}\n"), &both);
    assert_read(&format!("{a}\n{b}"), &both);
    assert_read(&format!("{a}\r\n{b}\r\n"), &both);
    assert_read(&format!("\u{feff}{a}\n{b}"), &both);
    assert_read(&format!("\n \t\r\n{a}\n\n\n  {b}  \n\n"), &[(3, "a"), (6, "b")]);
    assert_read(&a, &[(1, "a")]);
    assert_read(
        &format!("17\n{a}\nnull"),
        &[(1, "!not_an_object"), (2, "a"), (3, "!not_an_object")],
    );
    assert_read(&format!("{a}\n[{b}]\n"), &[(1, "a"), (2, "!not_an_object")]);
}

#[test]
fn nothing_is_no_events() {
    for text in ["", "\n", "\u{feff}", "\u{feff} \r\n\r\n", "[]", " [ \n ] \n", "\u{feff}[]"] {
        assert_read(text, &[]);
    }
}

#[test]
fn a_broken_line_costs_that_line() {
    let (a, b, c) = (event("a"), event("b"), event("c"));
    assert_read(&format!("{a}\n{{\n{b}\n"), &[(1, "a"), (2, "!malformed_json"), (3, "b")]);
    assert_read(
        &format!("{a}{b}\n{b}\n{a} x\n{c}\n"),
        &[(1, "!malformed_json"), (2, "b"), (3, "!malformed_json"), (4, "c")],
    );
    assert_read(
        &format!("{a}\n{}\n{b}\n{}", &c[..50], &c[..c.len() - 1]),
        &[(1, "a"), (2, "!malformed_json"), (3, "b"), (4, "!malformed_json")],
    );
    assert_eq!(
        read([a.as_bytes(), b"\n\xff\n\xef\xbb\xbf\n", b.as_bytes()].concat()),
        [
            (1, Ok("a".to_owned())),
            (2, Err(Reason::MalformedJson)),
            (3, Err(Reason::MalformedJson)),
            (4, Ok("b".to_owned()))
        ]
    );
}

#[test]
fn a_part_of_a_byte_order_mark_belongs_to_the_first_line() {
    let a = event("a");
    for text in ["[]", &a, &format!("[{a}]")] {
        for mark in [&b"\xef"[..], b"\xef\xbb", b"\xef\xef\xbb\xbf"] {
            let found = read([mark, text.as_bytes(), b"\n", a.as_bytes()].concat());
            assert_eq!(found, [(1, Err(Reason::MalformedJson)), (2, Ok("a".to_owned()))]);
        }
    }
}

/// A first line that breaks off could be the beginning of an event over several lines.
#[test]
fn a_first_line_cut_at_any_byte_costs_no_other() {
    let (a, b, c) = (event("a"), event("b"), event("c"));
    for cut in 1..a.len() {
        let text = format!("{}\n{b}\n{c}\n", &a[..cut]);
        assert_read(&text, &[(1, "!malformed_json"), (2, "b"), (3, "c")]);
        let text = format!("{}\n{b}", &a[..cut]);
        assert_read(&text, &[(1, "!malformed_json"), (2, "b")]);
        // A line that is an event but for one field is as good as one.
        let wrong = b.replace("NEW", "OLD");
        let text = format!("{}\n{wrong}\n{c}\n", &a[..cut]);
        assert_read(&text, &[(1, "!malformed_json"), (2, "!unknown_verb"), (3, "c")]);
    }
    // What the first line opened is closed again, in the middle of another.
    assert_read(
        &format!("{{\"a\":\n{b}\n,}} 17\n{c}"),
        &[(1, "!malformed_json"), (2, "b"), (3, "!malformed_json"), (4, "c")],
    );
    let many: String = (0..100).map(|_| format!("{b}\n")).collect();
    let found = read(format!("{{\"a\":\n{many}"));
    assert_eq!(found.len(), 101);
    assert_eq!(found.iter().filter(|(_, event)| event.is_ok()).count(), 100);
    // Nor any number of others, which are not gathered before that is known.
    let wide = b.replace('}', &format!(",\"pad\":\"{}\"}}\n", "x".repeat(10_000)));
    assert_eq!(read(format!("{{\"a\":\n{}", wide.repeat(2000))).len(), 2001);
}

#[test]
fn one_event_may_take_several_lines() {
    let (a, b) = (pretty("a"), pretty("b"));
    assert_read(&a, &[(1, "a")]);
    assert_read(&format!("\u{feff}\r\n\r\n{a}\r\n"), &[(3, "a")]);
    assert_read(&a.replace('\n', "\r\n"), &[(1, "a")]);
    // Several, as `jq .` prints them, are read too.
    assert_read(&format!("{a}\n{b}\n"), &[(1, "a"), (7, "b")]);
    assert_read(&format!("{a}{b}"), &[(1, "a"), (6, "b")]);
    assert_read(&format!("{a}\n{}\n{}", event("b"), event("c")), &[(1, "a"), (7, "b"), (8, "c")]);
    assert_read(&format!("{a}\n]\n{}", event("b")), &[(1, "a"), (7, "!malformed_json"), (8, "b")]);
    // One that is broken is one.
    let broken = a.replace("\"NEW\",", "\"NEW\"");
    assert_read(&broken, &[(1, "!malformed_json")]);
    assert_read(&a[..a.len() - 1], &[(1, "!malformed_json")]);
    assert_read(&a[..30], &[(1, "!malformed_json")]);
    assert_read(&format!("{{\"events\":[\n{}\n]}}", event("a")), &[(1, "!missing_field")]);
}

#[test]
fn the_elements_of_an_array_are_events() {
    let (a, b) = (event("a"), event("b"));
    let both = [(1, "a"), (2, "b")];
    assert_read(&format!("[{a},\n{b}]"), &both);
    assert_read(&format!("\u{feff}[{a} , \n\t{b} ] \r\n"), &both);
    assert_read(&format!("[{},{}]", pretty("a"), pretty("b")), &[(1, "a"), (6, "b")]);
    assert_read(
        &format!("[1,\"a,]\\\"\",null,\n[[{a}]],true,{a},-1.5e3]"),
        &[
            (1, "!not_an_object"),
            (1, "!not_an_object"),
            (1, "!not_an_object"),
            (2, "!not_an_object"),
            (2, "!not_an_object"),
            (2, "a"),
            (2, "!not_an_object"),
        ],
    );
    // What is JSON, but no event, does not break the array.
    let twice = r#"{"x":1,"x":2}"#;
    let deep = "[".repeat(65) + &"]".repeat(65);
    assert_read(
        &format!("[{twice},{deep},{a},\"\\ud800\",{b}]"),
        &[(1, "!malformed_json"), (1, "!too_large"), (1, "a"), (1, "!malformed_json"), (1, "b")],
    );
    let large = format!("\"{}\"", "x".repeat(EVENT_BYTES_MAX));
    assert_eq!(
        read(format!("[{large},{a}]")),
        [(1, Err(Reason::TooLarge)), (1, Ok("a".to_owned()))]
    );
}

#[test]
fn a_broken_array_costs_what_follows_the_break_and_says_so() {
    let (a, b) = (event("a"), event("b"));
    for (text, line) in [
        (format!("[{a}"), 1),
        (format!("[{a}\n{b}]"), 2),
        (format!("[{a},]"), 1),
        (format!("[{a},\n,{b}]"), 2),
        (format!("[{a},\n"), 2),
        (format!("[{a},\n{}", &b[..20]), 2),
        (format!("[{a}, \n tru, {b}]"), 2),
        (format!("[{a}, {{\"x\" 1}}, {b}]"), 1),
        (format!("[{a}, {{\"x\":1], {b}]"), 1),
        (format!("[{a}, 1"), 1),
        (format!("[{a}, }}, {b}]"), 1),
        (format!("[{a}]]"), 1),
        (format!("[{a}]\n{b}\n"), 2),
        (format!("[{a}]\n[{b}]\n"), 2),
        (format!("[{a}}}"), 1),
    ] {
        assert_read(&text, &[(1, "a"), (line, "!malformed_json")]);
        let mut details = Vec::new();
        read_events(&mut text.as_bytes(), &RULES, &mut |incoming| {
            details.extend(incoming.event.err().map(|rejection| rejection.detail));
            Ok(Flow::Continue)
        })
        .expect("memory can be read");
        assert!(details[0].contains("what follows") && details[0].contains("lost"), "{details:?}");
    }
    assert_read("[", &[(1, "!malformed_json")]);
    assert_read(&format!("[,{a}]"), &[(1, "!malformed_json")]);
    // Its own reason comes first, and the break besides.
    let deep = "[".repeat(65);
    assert_read(
        &format!("[{deep}{{\"x\"}}{}, {a}]", "]".repeat(65)),
        &[(1, "!too_large"), (1, "!malformed_json")],
    );
}

/// Everything that the sources of the other tests are made of.
pub fn sources() -> Vec<String> {
    let (a, b, c) = (event("a"), event("b"), pretty("c"));
    let sample = SAMPLE.join("\n");
    vec![
        sample.clone(),
        format!("[{}]", SAMPLE.join(",\n")),
        format!("\u{feff}{a}\r\n\r\n{b}\r\n"),
        format!("{c}\n{c}"),
        format!("[ {c} , {a} ]"),
        format!("{{\"a\":\n{a}\n{b}"),
        rejects_of(format!("{a}x\n17\n{}\n{b}", a.replace("NEW", "OLD"))),
    ]
}

#[test]
fn a_source_cut_at_any_byte_has_no_event_that_the_whole_has_not() {
    for text in sources() {
        let keys = |found: Vec<Read1>| -> Vec<String> {
            found.into_iter().filter_map(|(_, event)| event.ok()).collect()
        };
        let whole = keys(read(&text));
        for cut in 0..=text.len() {
            let part = keys(read(&text.as_bytes()[..cut]));
            assert!(whole.starts_with(&part), "{text:?} cut at {cut}");
            for bytes in [1, 3, 16] {
                assert_eq!(part, keys(in_pieces(&text.as_bytes()[..cut], bytes)));
            }
        }
    }
}

#[test]
fn any_bytes_can_be_read() {
    let seed = 5;
    let mut state: u64 = seed;
    let mut below = |limit: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for text in sources() {
        for _ in 0..400 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=below(4) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes[at] = b"{}[]\",:\\\n \xef\xff"[below(12)],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b"{}[]\",:\\\n \xef\xff"[below(12)]),
                }
            }
            let found = read(&bytes);
            assert_same(&bytes, &[5, 64], None);
            for size in [1, 2, 5, 64] {
                assert_eq!(
                    found,
                    in_pieces(&bytes, size),
                    "{bytes:?} in pieces of {size}, seed {seed}"
                );
            }
        }
    }
}
