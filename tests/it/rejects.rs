//! Rejects files: written so that any program can read them, and read as what was rejected.

use ltvlog::{EVENT_BYTES_MAX, Flow, Reason, Rejection, read_events, write_reject};

use crate::events::RULES;
use crate::reading::{assert_read, event, read};

/// Reads a source and writes what was rejected as `append --rejects` does.
pub fn rejects_of(text: impl AsRef<[u8]>) -> String {
    let mut out = String::new();
    read_events(&mut text.as_ref(), &RULES, &mut |incoming| {
        if let Err(rejection) = incoming.event {
            write_reject("a \"file\"", incoming.line, &rejection, incoming.text, &mut out);
        }
        Ok(Flow::Continue)
    })
    .expect("memory can be read");
    out
}

#[test]
fn rejects_are_one_line_of_json_each() {
    let rejects = rejects_of("{\"x\":\n1}\n{\n");
    assert_eq!(
        rejects,
        concat!(
            r#"{"file":"a \"file\"","line":1,"reason":"missing_field","detail":"type is missing","event":{"x":1}}"#,
            "\n",
            r#"{"file":"a \"file\"","line":3,"reason":"malformed_json","detail":"EOF while parsing an object at line 1 column 1 of the event","event":"{"}"#,
            "\n",
        )
    );
    let rejects = rejects_of(b"\xff\n");
    assert!(rejects.ends_with("\"event\":\"/w==\",\"encoding\":\"base64\"}\n"), "{rejects}");
}

#[test]
fn a_text_that_is_no_json_stands_as_text_whatever_the_reason() {
    for text in ["", "x", "{} {}"] {
        let mut line = String::new();
        let rejection = Rejection::new(Reason::UnknownOrder, "");
        write_reject("f", 1, &rejection, text.as_bytes(), &mut line);
        assert!(line.ends_with(&format!("\"event\":\"{text}\"}}\n")), "{line}");
    }
}

/// What a rejects file tells of is read as if it came from its source: rejected again for the
/// same reasons with the same texts, and accepted once the cause is gone.
#[test]
fn a_rejects_file_is_read_as_what_was_rejected() {
    let a = event("a");
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let deeper = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let inner = format!(r#"{{"file":"f","line":1,"reason":"r","detail":"d","event":{a}}}"#);
    let texts: Vec<Vec<u8>> = vec![
        b"17".to_vec(),
        b"\"a string\"".to_vec(),
        b"null".to_vec(),
        b"{\"x\":1,\"x\":2}".to_vec(),
        b"{\"x\":\"\\ud800\"}".to_vec(),
        b"\"\\ud800\"".to_vec(),
        b"broken \\ \" \x7f \x01".to_vec(),
        b"\xff\xfe{".to_vec(),
        deep.into_bytes(),
        deeper.into_bytes(),
        format!("\"{}\"", "x".repeat(EVENT_BYTES_MAX)).into_bytes(),
        "[".repeat(2 * EVENT_BYTES_MAX).into_bytes(),
        a.replace("NEW", "OLD").into_bytes(),
        a.replace("2017", "2117").into_bytes(),
        a.replace("CUSTOMER", "\u{e9}").into_bytes(),
        // A rejects file is unwrapped once: what is in it is no rejects file.
        inner.replace(&a, &inner).into_bytes(),
    ];
    let rejected = |source: &[u8]| {
        let mut found = Vec::new();
        read_events(&mut &*source, &RULES, &mut |incoming| {
            let rejection = incoming.event.expect_err("nothing here is an event");
            found.push((rejection.reason, incoming.text.to_vec()));
            Ok(Flow::Continue)
        })
        .expect("memory can be read");
        found
    };
    let source = [&b"0\n"[..], &texts.join(&b'\n')].concat();
    let once = rejected(&source);
    assert_eq!(once.len(), texts.len() + 1);
    let rejects = rejects_of(&source);
    assert_eq!(rejects.lines().count(), once.len());
    for line in rejects.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!(value["file"], "a \"file\"");
        assert!(value["line"].is_u64() && value["reason"].is_string());
    }
    assert_eq!(rejected(rejects.as_bytes()), once);
    let mended = rejects_of(a.replace("NEW", "OLD")).replace("OLD", "NEW");
    assert_read(&mended, &[(1, "a")]);
    // Members in another order, blanks: still the same line. Another member: no such line.
    assert_read(
        &format!(
            r#" {{ "event": {a}, "detail": "", "reason": "unknown_customer", "line": 7, "file": "-" }}"#
        ),
        &[(1, "a")],
    );
    assert_read(&inner.replace("\"line\":1", "\"line\":1,\"x\":1"), &[(1, "!missing_field")]);
    assert_read(&inner.replace("\"line\":1,", ""), &[(1, "!missing_field")]);
    assert_read(&inner, &[(1, "a")]);
    assert_read(&format!("[{inner},{inner}]"), &[(1, "a"), (1, "a")]);
}

/// An event of the greatest size and depth stands in a rejects file with more around it.
#[test]
fn the_largest_event_can_be_rejected_and_read_again() {
    let nested = format!("{}{}", "[".repeat(63), "]".repeat(63));
    let pad = EVENT_BYTES_MAX - event("a").len() - nested.len() - 12;
    let largest =
        event("a").replace('}', &format!(",\"x\":{nested},\"y\":\"{}\"}}", "y".repeat(pad)));
    assert_eq!(largest.len(), EVENT_BYTES_MAX);
    let mut line = String::new();
    let rejection = Rejection::new(Reason::UnknownCustomer, "later");
    write_reject("f", 1, &rejection, largest.as_bytes(), &mut line);
    assert_eq!(read(line), [(1, Ok("a".to_owned()))]);
}

/// The greatest line that is read as one item.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Of a text that no line has room for, the line has the beginning and tells the whole length; read
/// back it is rejected for that length, and written again as it was.
#[test]
fn what_is_too_large_for_a_line_is_cut_and_says_so() {
    const MIB: usize = 1 << 20;
    let with_end = |mut text: Vec<u8>| {
        text.push(b'!');
        text
    };
    let numbers = format!("[{}1]", "1,".repeat(8 * MIB - 8));
    let texts: Vec<(Vec<u8>, usize)> = vec![
        (with_end(vec![b'x'; 20 * MIB]), 15 * MIB),
        // Whole when it is read, and too large for a line only with its escapes.
        (with_end(vec![b'"'; 9 * MIB]), 7 * MIB),
        (with_end(vec![1; 17 * MIB]), 2 * MIB),
        (with_end(vec![0xff; 17 * MIB]), 11 * MIB),
        (with_end([b"x".to_vec(), "\u{e9}".repeat(9 * MIB).into_bytes()].concat()), 15 * MIB),
        (numbers.into_bytes(), 15 * MIB),
    ];
    for (text, kept_min) in texts {
        let source = [b"0\n", &*text, b"\n"].concat();
        let once = rejects_of(&source);
        let [_, line] = once.lines().collect::<Vec<_>>()[..] else { panic!("two lines") };
        assert!(line.len() <= LINE_BYTES_MAX, "{} bytes", line.len());
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!(
            (&value["reason"], &value["cut_from"]),
            (&"too_large".into(), &text.len().into())
        );
        let kept = value["event"].as_str().expect("what is cut is text");
        if value["encoding"].is_null() {
            assert!(text.starts_with(kept.as_bytes()) && kept.len() >= kept_min, "{}", kept.len());
        } else {
            assert!(kept.starts_with("////") && kept.len() >= kept_min, "{}", kept.len());
        }
        // Its place is that of the file it was read from, all else stays.
        let twice = rejects_of(&once);
        assert!(twice == once, "{} bytes became {}", once.len(), twice.len());
        let elsewhere = rejects_of(&*once.replace("a \\\"file\\\"", &"far/".repeat(1_000)));
        assert!(elsewhere == once, "{} bytes became {}", once.len(), elsewhere.len());
    }
}

/// A line that says that it was cut where no event could have been is no such line.
#[test]
fn a_whole_event_is_not_taken_for_a_cut_one() {
    let line = |cut_from: usize| {
        let a = event("a");
        format!(
            r#"{{"file":"f","line":1,"reason":"r","detail":"d","event":{a},"cut_from":{cut_from}}}"#
        )
    };
    assert_read(&line(EVENT_BYTES_MAX), &[(1, "!missing_field")]);
    assert_read(&line(EVENT_BYTES_MAX + 1), &[(1, "!too_large")]);
}
