//! `append` to a server that has a store, as `serve` does.

use std::io::{BufRead, BufReader, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use ltvlog::{CallOptions, Flow, Options, Origin, Receipt, Store, read_events};
use serde_json::{Value, json};

use super::*;

/// A store in `there`, and answers to what is appended to it.
fn of_store(home: &Home) -> impl Fn(&Request) -> Answer + Send + use<> {
    let mut store = Store::open(home.path("there"), Options::default()).unwrap();
    store.append([]).unwrap();
    let store = Arc::new(Mutex::new(store));
    move |request| {
        let mut store = store.lock().unwrap();
        if request.target == "/v1/info" {
            return Answer::json(&info(&store));
        }
        assert_eq!((&*request.method, &*request.target), ("POST", "/v1/events"));
        let (receipt, rejected) = append(&mut store, &request.body);
        Answer::json(&told(&receipt, &rejected).to_string())
    }
}

fn info(store: &Store) -> String {
    let end = store.end().unwrap();
    json!({
        "log_id": "00000000000000ab", "currency": "USD",
        "time_range": {"from": "1970-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"},
        "end": end, "synced_end": end, "customers": 0, "frame": null, "writer": true,
        "torn_bytes": 0, "bytes": {"segments": 0, "keys": 0, "checkpoints": 0}, "segments": [],
    })
    .to_string()
}

fn append(store: &mut Store, body: &[u8]) -> (Receipt, Vec<Value>) {
    let rules = store.rules().clone();
    let mut rejected = Vec::new();
    let mut on_reject = |one: &ltvlog::Rejected<'_>| {
        let index = one.origin.line;
        let (reason, detail) = (one.rejection.reason.name(), &one.rejection.detail);
        rejected.push(json!({"index": index, "reason": reason, "detail": detail}));
        Ok(())
    };
    let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
    let mut call = store.call(options).unwrap();
    let mut index = 0;
    read_events(&mut &*body, &rules, &mut |incoming| {
        let event = incoming.event.expect("what is no event is not sent");
        call.push(&event, incoming.text, Origin { source: 0, line: index })?;
        index += 1;
        Ok(Flow::Continue)
    })
    .unwrap();
    assert_eq!(body.split(|byte| *byte == b'\n').count() as u64, index + 1, "a line each");
    (call.finish().unwrap(), rejected)
}

fn told(receipt: &Receipt, rejected: &[Value]) -> Value {
    let reasons: serde_json::Map<String, Value> = receipt
        .reasons
        .iter()
        .map(|(reason, count)| (reason.name().to_owned(), (*count).into()))
        .collect();
    json!({
        "accepted": receipt.accepted, "duplicates": receipt.duplicates,
        "rejected": receipt.rejected(), "reasons": reasons, "end": receipt.end,
        "synced": receipt.synced, "rejected_events": rejected,
    })
}

/// Files with everything that can be rejected, here and there, on one line and on several.
fn files(home: &Home) -> [&'static str; 4] {
    home.write(
        "bad.ndjson",
        r#"{"type":"ORDER","verb":"NEW","key":"o7","event_time":"2017-01-06T12:55:55Z","customer_id":"nobody","total_amount":"1.00 USD"}
nonsense
{"type":"CUSTOMER","verb":"NEW","key":"c7","event_time":"2017-01-06T12:46:46Z"}

{"type":"CUSTOMER","verb":"NEW","key":"c7","event_time":"2018-01-06T12:46:46Z"}
[1]
{"type":"ORDER","verb":"NEW","key":"o8","event_time":"2017-01-06T12:55:55Z","customer_id":"c7","total_amount":"1.00 EUR"}
"#,
    );
    home.write(
        "pretty.json",
        "[\n  {\n    \"type\": \"SITE_VISIT\", \"verb\": \"NEW\", \"key\": \"v7\",\r\n    \
         \"event_time\": \"2017-01-06T12:55:55Z\", \"customer_id\": \"c7\",\n    \
         \"tags\": [1,\n  {\"a  b\": 2}], \"extra\": {\"x\" :\n 1.50}\n  },\n  {\n    \
         \"type\": \"ORDER\", \"verb\": \"UPDATE\", \"key\": \"gone\",\n    \
         \"event_time\": \"2017-01-06T12:55:55Z\", \"customer_id\": \"c7\", \"total_amount\": \"1 USD\"\n  },\n  7\n]\n",
    );
    home.write("cut.json", "[{\"type\": \"CUSTOMER\"}, {\"ty");
    ["events.ndjson", "bad.ndjson", "pretty.json", "cut.json"]
}

#[test]
fn the_same_as_on_a_directory() {
    let home = Home::new();
    let files = files(&home);
    let server = Server::new(of_store(&home));
    for (format, round) in ["table", "json", "csv"].into_iter().zip(0..) {
        let format = format!("--format={format}");
        let mut args = vec!["append", &*format];
        args.extend(files);
        let here = home.run(&[&args[..], &["--log=here"]].concat());
        let there = home.run(&[&args[..], &["--server", &server.url]].concat());
        // What is told in the order of decisions here is told in that of the source there.
        let sorted = |ran: &Ran| {
            let mut lines: Vec<String> = ran.err.lines().map(str::to_owned).collect();
            lines.sort();
            (ran.exit, ran.out.clone(), lines)
        };
        assert_eq!(sorted(&there), sorted(&here), "round {round}");
        assert_eq!(here.exit, 3);
        assert!(there.err.contains("bad.ndjson:1: unknown_customer: "), "{there:?}");
        assert!(there.err.contains("bad.ndjson:5: conflicting_key: "), "{there:?}");
        assert!(there.err.contains("pretty.json:9: unknown_order: "), "{there:?}");
    }
    let export = |log: &str| home.done(&["export", "--log", log]).out;
    assert_eq!(export("there"), export("here"));
    assert!(export("here").contains("\"tags\":[1,{\"a  b\":2}]"));
}

#[test]
fn rejects_are_kept_as_they_came() {
    let home = Home::new();
    let files = files(&home);
    let server = Server::new(of_store(&home));
    let args = [&["append", "--format=json"][..], &files].concat();
    let here = home.run(&[&args[..], &["--log=here", "--rejects=rejects-here"]].concat());
    let to = ["--server", &server.url, "--rejects=rejects-there"];
    let there = home.run(&[&args[..], &to].concat());
    assert_eq!((there.exit, &there.out), (3, &here.out));
    let lines = |name: &str| {
        let mut lines: Vec<String> = home.read(name).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines("rejects-there"), lines("rejects-here"));
    assert!(there.err.contains("9 events were rejected and added to rejects-there"), "{there:?}");
    // They are input, once what they lacked is there.
    let again = home.run(&["append", "rejects-there", "--server", &server.url, "--format=json"]);
    assert_eq!(again.json()["rejected"], 9, "{again:?}");
}

#[test]
fn archives_and_standard_input_are_read_here() {
    let home = Home::new();
    let server = Server::new(of_store(&home));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(super::super::SAMPLE.as_bytes()).unwrap();
    let args = ["append", "--format=json", "--server", &server.url];
    let ran = home.feed(&args, &packed.finish().unwrap());
    assert_eq!((ran.exit, &ran.json()["accepted"]), (0, &4.into()), "{ran:?}");
    // Nothing at all is a receipt, too, and no request.
    let ran = home.feed(&args, b"");
    let nothing = "{\"accepted\": 0, \"duplicates\": 0, \"rejected\": 0, \"reasons\": {}, \"end\": 4, \
         \"synced\": true}\n";
    assert_eq!((ran.exit, &*ran.out, &*ran.err), (0, nothing, ""));
    let missing = home.run(&["append", "events.ndjson", "gone", "--server", &server.url]);
    assert_eq!(missing.exit, 1);
    assert_eq!(server.targets(), ["/v1/info", "/v1/events", "/v1/info"]);
}

#[test]
fn a_long_file_goes_in_parcels() {
    let home = Home::new();
    let server = Server::new(of_store(&home));
    let generate = ["generate", "--events=150000", "--customers=2000", "--seed=7"];
    let text = home.done(&generate).out;
    // A line that no customer has, here and there, and some that are no events.
    let mut spoiled = String::new();
    for (number, line) in text.lines().enumerate() {
        if number % 30_000 == 29_999 {
            let key = number.to_string();
            let event = json!({"type": "SITE_VISIT", "verb": "NEW", "key": key,
                "event_time": "2017-01-06T12:55:55Z", "customer_id": "nobody"});
            spoiled.push_str(&format!("{event}\nno event {number}\n"));
        }
        spoiled.push_str(line);
        spoiled.push('\n');
    }
    home.write("long.ndjson", &spoiled);
    let args = ["append", "--format=json", "long.ndjson"];
    let here = home.run(&[&args[..], &["--log=here", "--rejects=rejects-here"]].concat());
    let to = ["--server", &server.url, "--rejects=rejects-there", "--ack"];
    let there = home.run(&[&args[..], &to].concat());
    let lines = |name: &str| {
        let mut lines: Vec<String> = home.read(name).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines("rejects-there"), lines("rejects-here"));
    assert_eq!(lines("rejects-there").len(), 10);
    let acknowledged: Vec<Value> =
        there.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (receipt, ends) = acknowledged.split_last().unwrap();
    assert_eq!(*receipt, here.json());
    let ends: Vec<u64> = ends.iter().map(|line| line["synced_end"].as_u64().unwrap()).collect();
    let parcels = server.requests().split_off(1);
    assert!(parcels.len() > 2 && parcels.len() == ends.len(), "{ends:?}");
    assert!(ends.is_sorted() && ends.last() == receipt["end"].as_u64().as_ref());
    for parcel in &parcels {
        let events = parcel.body.iter().filter(|byte| **byte == b'\n').count();
        assert!(parcel.body.len() <= 9 << 20 && events <= 65_536, "{events} events");
    }
}

#[test]
fn what_a_pipe_gives_is_not_kept_back() {
    let home = Home::new();
    let server = Server::new(of_store(&home));
    let args = ["append", "--ack", "--format=json", "--server", &server.url];
    let mut child =
        home.command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut input = child.stdin.take().unwrap();
    for (line, end) in super::super::SAMPLE.lines().zip(1..) {
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        let told = lines.next().unwrap().unwrap();
        assert_eq!(told, format!("{{\"synced_end\": {end}}}"));
    }
    // A signal ends the wait for more, with a receipt.
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let receipt: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&receipt["accepted"], &receipt["end"]), (&4.into(), &4.into()));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_parcel_is_sent_again_where_that_helps() {
    let busy: fn(&Answer) -> Answer = |_| Answer::busy(503, "0");
    let cut: fn(&Answer) -> Answer = |answer| answer.clone().cut(3);
    let none: fn(&Answer) -> Answer = |answer| answer.clone().cut(answer.bytes.len());
    for (spoil, is_done, duplicates) in [(busy, false, 0), (cut, true, 4), (none, true, 4)] {
        let home = Home::new();
        let answer = of_store(&home);
        let tries = Mutex::new(0);
        let server = Server::new(move |request| {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            if *tries == 2 {
                let answer = if is_done { answer(request) } else { Answer::json("") };
                return spoil(&answer);
            }
            answer(request)
        });
        let ran = home.run(&["append", "--format=json", "events.ndjson", "--server", &server.url]);
        let receipt = ran.json();
        assert_eq!((ran.exit, receipt["end"].as_u64()), (0, Some(4)), "{ran:?}");
        assert_eq!(receipt["duplicates"], duplicates, "{ran:?}");
        assert_eq!(server.targets(), ["/v1/info", "/v1/events", "/v1/events"]);
        let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
        assert_eq!(bodies[1], bodies[2]);
    }
}

#[test]
fn a_large_body_is_not_sent_to_a_server_that_does_not_want_it() {
    let home = Home::new();
    let long = home.done(&["generate", "--events=5000", "--customers=9", "--seed=1"]).out;
    home.write("long.ndjson", long);
    let answer = of_store(&home);
    let tries = Mutex::new(0);
    let server = Server::start(
        move |request| {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            if *tries == 2 {
                Answer::busy(429, "0")
            } else if request.body.is_empty() && request.method == "POST" {
                Answer::json("")
            } else {
                answer(request)
            }
        },
        true,
    );
    let ran = home.run(&["append", "--format=json", "long.ndjson", "--server", &server.url]);
    assert_eq!(ran.json()["accepted"], 5000, "{ran:?}");
    let sizes: Vec<usize> = server.requests().iter().map(|request| request.body.len()).collect();
    assert!(sizes[1] == 0 && sizes.last().unwrap() > &500_000, "{sizes:?}");
}

#[test]
fn a_receipt_for_something_else_is_no_receipt() {
    let receipt = |accepted: u64, index: Value| {
        json!({"accepted": accepted, "duplicates": 0, "rejected": 1, "reasons": {"invalid_time": 1},
            "end": 3, "synced": true, "rejected_events": index})
    };
    let one = |index: i64| json!([{"index": index, "reason": "invalid_time", "detail": ""}]);
    for (answer, words) in [
        (receipt(7, one(0)), "for other events"),
        (receipt(3, one(4)), "not those of the receipt"),
        (receipt(3, json!([])), "not those of the receipt"),
        (receipt(3, json!([one(1)[0], one(1)[0]])), "not those of the receipt"),
        (receipt(3, one(-1)), "invalid value"),
        (json!({"accepted": 4}), "missing field"),
    ] {
        let home = Home::new();
        let info = Answer::json(&info(&Store::scratch(Options::default()).unwrap()));
        let server = Server::script([info, Answer::json(&answer.to_string())]);
        let ran = home.run(&["append", "events.ndjson", "--server", &server.url]);
        assert_eq!((ran.exit, &*ran.out), (1, ""), "{ran:?}");
        assert!(ran.err.contains(words), "{words} in {ran:?}");
    }
}

#[test]
fn a_failure_is_told_while_the_producer_is_silent() {
    let home = Home::new();
    let info = Answer::json(&info(&Store::scratch(Options::default()).unwrap()));
    let denied = Answer::problem(403, "Forbidden", "this token reads only");
    let server = Server::script([info, denied]);
    let args = ["append", "--server", &server.url];
    let mut child =
        home.command(&args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(super::super::SAMPLE.as_bytes()).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("403 Forbidden: this token reads only"), "{ran:?}");
    drop(input);
}
