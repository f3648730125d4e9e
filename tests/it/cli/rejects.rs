//! Rejected events: shown, kept, and read back.

use serde_json::Value;

use super::{Home, SAMPLE};

/// One input for each way in which text can be no event, or one that must wait.
const ORPHAN: &str = r#"{"type": "SITE_VISIT", "verb": "NEW", "key": "v", "event_time": "2017-01-07T09:00:00Z", "customer_id": "c"}"#;
const CUSTOMER: &str =
    r#"{"type": "CUSTOMER", "verb": "NEW", "key": "c", "event_time": "2017-01-07T08:00:00Z"}"#;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_first_ten_and_the_last_are_shown_and_the_rest_counted() {
    let home = Home::new();
    let input = "junk\n".repeat(25);
    let ran = home.feed(&["append", "--format", "json"], input.as_bytes());
    assert_eq!(ran.exit, 3);
    assert_eq!(ran.json()["reasons"]["malformed_json"], 25);
    assert_eq!(ran.err.lines().filter(|line| line.starts_with("-:")).count(), 11, "{}", ran.err);
    assert!(ran.err.contains("-:10: malformed_json: ") && !ran.err.contains("-:11:"));
    assert!(
        ran.err.contains("-:25: malformed_json: "),
        "it says how the source ended: {}",
        ran.err
    );
    assert!(ran.err.contains("25 events were rejected, 14 of them not shown"), "{}", ran.err);
}

#[test]
fn a_rejects_file_is_input_once_the_cause_is_mended() {
    let home = Home::new();
    home.write("orphan.json", format!("[{}]", ORPHAN.replace(", \"", ",\n  \"")));
    let ran = home.run(&["append", "--rejects", "rejects", "orphan.json"]);
    assert_eq!(ran.exit, 3);
    let kept = lines(&home.read("rejects"));
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["file"], "orphan.json");
    assert_eq!(kept[0]["line"], 1);
    assert_eq!(kept[0]["reason"], "unknown_customer");
    assert!(kept[0]["detail"].is_string());
    assert_eq!(kept[0]["event"], serde_json::from_str::<Value>(ORPHAN).unwrap());
    home.write("customer.json", CUSTOMER);
    // The customer comes after it in the same call.
    let receipt = home.done(&["append", "--format", "json", "rejects", "customer.json"]).json();
    assert_eq!((&receipt["accepted"], &receipt["end"]), (&2.into(), &2.into()));
}

#[test]
fn reading_rejects_back_rejects_the_same_again() {
    let home = Home::new();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let large = format!("{{\"type\": \"{}\"}}", "x".repeat(1 << 20));
    let mut input = Vec::new();
    let texts = [
        "junk".as_bytes(),
        b"\"\xff\xfe\"",
        b"null",
        b"5",
        b"{\"type\": \"ORDER\", \"type\": \"ORDER\"}",
        b"{\"type\": \"\\ud800\"}",
        b"\"a text\"",
        deep.as_bytes(),
        large.as_bytes(),
        b"{\"file\": \"f\", \"line\": 1, \"reason\": \"x\", \"detail\": \"y\"}",
    ];
    // An NDJSON file's first line is complete JSON.
    for text in [b"0" as &[u8]].iter().chain(&texts) {
        input.extend_from_slice(text);
        input.push(b'\n');
    }
    let args = |name| ["append", "--format", "json", "--rejects", name];
    let first = home.feed(&args("first"), &input);
    assert_eq!(first.exit, 3);
    assert_eq!(first.json()["rejected"], texts.len() + 1);
    let kept = lines(&home.read("first"));
    assert_eq!(kept[1]["event"], "junk");
    assert_eq!((&kept[2]["event"], &kept[2]["encoding"]), (&"Iv/+Ig==".into(), &"base64".into()));
    assert_eq!(kept[3]["event"], Value::Null);
    let second = home.feed(&args("second"), home.read("first").as_bytes());
    assert_eq!(second.json(), first.json());
    let events = |name: &str| {
        let kept = lines(&home.read(name)).into_iter();
        kept.map(|line| [line["reason"].clone(), line["event"].clone()]).collect::<Vec<_>>()
    };
    assert_eq!(events("second"), events("first"));
}

#[test]
fn rejects_of_an_earlier_call_stay() {
    let home = Home::new();
    for name in ["one", "two"] {
        home.write(name, "0\n");
        assert_eq!(home.run(&["append", "--rejects", "rejects", name]).exit, 3);
    }
    let files: Vec<Value> =
        lines(&home.read("rejects")).into_iter().map(|line| line["file"].clone()).collect();
    assert_eq!(files, ["one", "two"]);
}

#[test]
fn a_rejects_file_that_cannot_be_written_is_found_out_first() {
    let home = Home::new();
    let ran = home.run(&["append", "--rejects", "no/such/dir", "events.ndjson"]);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.starts_with("error: cannot open no/such/dir: "), "{}", ran.err);
    assert!(!home.path("ltvlog-data").exists());
}

#[test]
fn the_file_of_rejects_is_not_read_while_it_grows() {
    let home = Home::new();
    home.write("rejects", "junk\n");
    for files in [&["rejects"][..], &["./rejects"], &["events.ndjson", "rejects"]] {
        let args: Vec<&str> =
            ["append", "--rejects", "rejects"].iter().chain(files).copied().collect();
        assert_eq!(home.run(&args).exit, 2, "{files:?}");
    }
    let mut command = home.command(&["append", "--rejects", "rejects"]);
    let input = std::fs::File::open(home.path("rejects")).unwrap();
    assert_eq!(command.stdin(input).output().unwrap().status.code(), Some(2));
    assert_eq!(home.read("rejects"), "junk\n");
    assert!(!home.path("ltvlog-data").exists());
}

/// Among a log's files it would be cut off as no part of the log, or taken for damage.
#[test]
fn the_file_of_rejects_is_none_of_the_logs() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    home.write("orphan.json", ORPHAN);
    std::os::unix::fs::symlink("ltvlog-data/head", home.path("link")).unwrap();
    let segment = "ltvlog-data/segments/00000000000000000000.seg";
    let before = std::fs::read(home.path(segment)).unwrap();
    for name in [segment, "ltvlog-data/segments/new", "./ltvlog-data/segments/../head", "link"] {
        let ran = home.run(&["append", "--rejects", name, "orphan.json"]);
        assert_eq!(ran.exit, 2, "{name}");
        assert!(ran.err.contains(&format!("{name} lies in the log's directory")), "{}", ran.err);
    }
    assert_eq!(std::fs::read(home.path(segment)).unwrap(), before);
    assert!(!home.path("ltvlog-data/segments/new").exists());
    assert_eq!(home.run(&["append", "--rejects", "beside", "orphan.json"]).exit, 3);
}

#[test]
fn strict_writes_all_or_nothing() {
    let home = Home::new();
    home.write("mixed.ndjson", format!("{SAMPLE}{ORPHAN}\n"));
    let ran = home.run(&["append", "--strict", "mixed.ndjson", "--rejects", "rejects"]);
    assert_eq!((ran.exit, &*ran.out), (1, ""));
    let told = "note: 1 event would be rejected, and was added to rejects";
    assert!(ran.err.contains(told), "{}", ran.err);
    assert_eq!(lines(&home.read("rejects")).len(), 1);
    let end = |home: &Home| match home.run(&["info", "--format", "json"]) {
        ran if ran.exit == 0 => ran.json()["end"].as_u64().unwrap(),
        _ => 0,
    };
    assert_eq!(end(&home), 0);
    assert!(!home.path("ltvlog-data").exists(), "no log was there, and none is");
    // The same events and the customer that was missing, in one call.
    home.write("customer.json", CUSTOMER);
    let args = ["append", "--strict", "--format", "json", "mixed.ndjson", "customer.json"];
    assert_eq!(home.done(&args).json()["accepted"], 6);
    // Duplicates are no rejections.
    assert_eq!(home.done(&args).json()["duplicates"], 6);
    assert_eq!(end(&home), 6);
}

#[test]
fn top_of_files_tells_what_was_rejected() {
    let home = Home::new();
    home.write("mixed.ndjson", format!("{SAMPLE}{ORPHAN}\n"));
    let ran = home.run(&["top", "5", "mixed.ndjson", "--format", "json"]);
    assert_eq!(ran.exit, 3);
    assert_eq!(ran.json()["customers"][0]["ltv"], "6416.80");
    assert!(ran.err.contains("mixed.ndjson:5: unknown_customer: "), "{}", ran.err);
    assert!(!home.path("ltvlog-data").exists());
}

#[test]
fn one_is_one_and_no_text_is_no_line() {
    let home = Home::new();
    let ran = home.feed(&["append", "--strict"], b"[");
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("error: 1 event would be rejected, so nothing"), "{}", ran.err);
    assert!(ran.err.lines().all(|line| !line.trim().is_empty()), "{:?}", ran.err);
}
