//! What many clients together, or one that does not read, may take of the server: no more than there
//! is, and it comes back.

use std::io::Read;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Answer, Connection, PATIENCE};
use super::process::ltvlog;
use super::{Home, Server, customer, order};

/// Tries until it is so.
#[track_caller]
fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}, and never is");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A number of the server's metrics.
fn counted(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |number| number.parse().expect("a number"))
}

/// It is refused for now, and told when to come again.
#[track_caller]
fn assert_busy(answer: &Answer) -> String {
    let detail = answer.problem(503);
    assert_eq!(answer.head.header("retry-after"), Some("1"), "{answer:?}");
    detail
}

/// Events of two bytes take a hundred times that.
#[test]
fn each_event_takes_room_however_short_it_is() {
    let home = Home::new();
    let server = home.serve(&["--waiting-max", "1000000"]);
    for many in [65_536, 5_000] {
        let detail = assert_busy(&server.post("{}\n".repeat(many)));
        assert!(detail.contains("too much waits"), "{detail}");
    }
    let long = customer("c").replace('}', &format!(",\"last_name\":\"{}\"}}", "x".repeat(9_000)));
    for _ in 0..3 {
        assert_eq!(server.post([long.as_str(); 50].join("\n")).good()["rejected"], 0);
        assert_eq!(server.post("{}\n".repeat(2_000)).good()["rejected"], 2_000);
    }
}

#[test]
fn a_receipt_has_its_room_until_it_is_sent() {
    let home = Home::new();
    let server = home.serve(&["--waiting-max", "25000000"]);
    // An id in the receipt is as long as in the event, so that no buffer of the system has room for it.
    let unknown = |n: u32| customer(&format!("{n:0200}")).replace("NEW", "UPDATE") + "\n";
    let body: String = (0..30_000).map(unknown).collect();
    let mut unread = server.open();
    let length = format!("Content-Length: {}", body.len());
    unread.begin("POST /v1/events", &[&length]).expect("a request");
    unread.raw(body.as_bytes()).expect("it is taken");
    let head = unread.head().expect("the beginning of an answer");
    assert_busy(&server.post(&body));
    assert_eq!(server.post(customer("little")).good()["accepted"], 1);
    assert_eq!(unread.stream(&head).json()["rejected"], 30_000);
    soon("the room comes back", || server.post(&body).status() == 200);
}

/// A stream has room for its batches; what waits in it for a customer takes more, which comes back.
#[test]
fn what_a_stream_holds_takes_room() {
    let home = Home::new();
    let server = home.serve(&["--waiting-max", "6000000"]);
    let mut stream = server.open();
    let headers = ["Accept: application/x-ndjson", "Transfer-Encoding: chunked"];
    stream.begin("POST /v1/events", &headers).expect("a request");
    let mut writer = stream.writer();
    let piece = |from: u32| -> String {
        (from..from + 1_000).map(|n| order(&format!("o{n}"), "nobody", "1") + "\n").collect()
    };
    let writes = thread::spawn(move || {
        for from in (0..12_000).step_by(1_000) {
            writer.piece(piece(from).as_bytes()).expect("it is taken");
        }
        writer
    });
    let head = stream.head().expect("a head");
    let mut receipts = stream.stream(&head);
    let mut rejected = 0;
    // What there is no room for is given up.
    while rejected == 0 {
        rejected += receipts.json()["rejected"].as_u64().expect("a number");
    }
    assert_busy(&server.post(customer("c")));
    writes.join().expect("no panic").end().expect("it is taken");
    while let Some(line) = receipts.line().expect("a line in time") {
        let receipt: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        rejected += receipt["rejected"].as_u64().expect("a number");
    }
    assert_eq!(rejected, 12_000);
    soon("the room comes back", || server.post("{}\n".repeat(15_000)).status() == 200);
}

#[test]
fn streams_have_bounds() {
    let home = Home::new();
    let server = home.serve(&[]);
    let headers = ["Accept: application/x-ndjson", "Transfer-Encoding: chunked"];
    let mut streams: Vec<Connection> = Vec::new();
    for n in 0..32 {
        let mut stream = server.open();
        stream.begin("POST /v1/events", &headers).expect("a request");
        stream.piece(customer(&format!("c{n}")).as_bytes()).expect("it is taken");
        assert_eq!(stream.head().expect("a head").status, 200);
        streams.push(stream);
    }
    let one_more = || server.ask("POST /v1/events", &headers[..1], customer("more").as_bytes());
    let detail = assert_busy(&one_more());
    assert!(detail.contains("bodies of any length"), "{detail}");
    server.post(customer("call")).good();
    drop(streams.pop());
    soon("a stream is let in", || one_more().status() == 200);
}

#[test]
fn followers_have_bounds() {
    let home = Home::new();
    let server = home.serve(&["--followers-max", "2"]);
    server.post(customer("c")).good();
    let events = server.stream("/v1/events?follow=true", &[]);
    let mut live = server.sent("/v1/top/live", &[]);
    assert_eq!(live.next_sent().name, "top");
    for path in ["/v1/events?follow=true", "/v1/events", "/v1/top/live"] {
        let detail = assert_busy(&server.get(path));
        assert!(detail.contains("follow"), "{detail}");
    }
    server.get("/v1/top").good();
    assert_eq!(counted(&server, "ltvlog_followers"), 2);
    drop(events);
    soon("a place is free", || server.get("/v1/events").status() == 200);
}

/// It is the whole body that has to come in time, and not only the next byte of it.
#[test]
fn a_body_that_trickles_is_let_go() {
    let home = Home::new();
    let server = home.serve(&["--body-time", "1"]);
    let mut connection = server.open();
    connection.begin("POST /v1/events", &["Content-Length: 1000"]).expect("a request");
    let mut writer = connection.writer();
    let drip = thread::spawn(move || {
        while writer.raw(b" ").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let began = Instant::now();
    let detail = connection.answer().expect("an answer").problem(408);
    assert!(detail.contains("too slowly"), "{detail}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(connection);
    drip.join().expect("no panic");
}

/// Whoever takes nothing of its answer is let go; who has nothing to take is not.
#[test]
fn who_does_not_read_is_let_go() {
    let home = Home::new();
    let server = home.serve(&["--answer-time", "1"]);
    let name = "x".repeat(5_000);
    for round in 0..2 {
        let many: Vec<String> = (0..2_000)
            .map(|n| {
                customer(&format!("{round} {n}"))
                    .replace('}', &format!(",\"last_name\":\"{name}\"}}"))
            })
            .collect();
        assert_eq!(server.post(many.join("\n")).good()["accepted"], 2_000);
    }
    let mut idle = server.stream("/v1/events?follow=true&from=4000", &[]);
    assert_eq!(idle.json(), json!({"caught_up": 4_000}));
    let mut stuck = Vec::new();
    for headers in [&[][..], &["Accept: text/event-stream"]] {
        let mut connection = server.open();
        connection.begin("GET /v1/events?follow=true", headers).expect("a request");
        stuck.push(connection);
    }
    soon("they follow", || counted(&server, "ltvlog_followers") == 3);
    soon("they are let go", || counted(&server, "ltvlog_followers") == 1);
    for connection in stuck {
        // What the system had for them is all that they get.
        let mut stream = connection.into_inner();
        let mut got = Vec::new();
        let ended = stream.read_to_end(&mut got);
        assert!(got.len() < 20_000_000, "{ended:?}: {} bytes", got.len());
    }
    thread::sleep(Duration::from_secs(2));
    server.post(customer("at last")).good();
    assert_eq!(idle.json()["sequence"], 4_000);
}

/// A frame of zstd that looks back so far, a power of two, and has one block that is not packed.
fn frame(window: u32, text: &[u8]) -> Vec<u8> {
    let exponent = u8::try_from(window.ilog2() - 10).expect("a few bits");
    let block = u32::try_from(text.len()).expect("a short text") << 3 | 1;
    let head = [0x28, 0xB5, 0x2F, 0xFD, 0, exponent << 3];
    [&head, &block.to_le_bytes()[..3], text].concat()
}

#[test]
fn archives_look_back_no_further_than_there_is_memory() {
    let home = Home::new();
    let server = home.serve(&[]);
    let streamed = ["Accept: application/x-ndjson"];
    let (near, far) = (frame(8 << 20, customer("a").as_bytes()), frame(16 << 20, b"{}"));
    assert_eq!(server.post(&near).good()["accepted"], 1);
    let lines = server.ask("POST /v1/events", &streamed, &near).lines();
    assert_eq!(lines[0]["duplicates"], 1, "{lines:?}");
    let detail = server.post(&far).problem(400);
    assert!(detail.contains("8 MiB"), "{detail}");
    let lines = server.ask("POST /v1/events", &streamed, &far).lines();
    let last = lines.last().expect("a line");
    assert_eq!(last["error"]["status"], 400, "{lines:?}");
    assert!(last["error"]["detail"].as_str().expect("a detail").contains("8 MiB"), "{lines:?}");
    assert_eq!(server.get("/v1/info").good()["end"], 1);
}

/// A log that takes nothing any more says so wherever it is asked, and answers what it can.
#[test]
fn a_write_that_failed_is_told() {
    let home = Home::new();
    let log = home.path().join("log");
    let mut program = Command::new("sh");
    // A file may have so many blocks of 512 bytes; what is beyond is an error, and no signal.
    program.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$@\"", "sh"]);
    program.arg(ltvlog().get_program()).env_remove("LTVLOG_TOKEN");
    let server = Server::command(&log, &[], program);
    let many = |round: u32| -> String {
        (0..5_000).map(|n| customer(&format!("{round:04} {n:08} {}", n * 7_919)) + "\n").collect()
    };
    let mut refused = None;
    for round in 0..200 {
        let answer = server.post(many(round));
        if answer.status() != 200 {
            refused = Some(answer);
            break;
        }
    }
    let detail = refused.expect("the file is full some time").problem(503);
    assert!(detail.contains("a write to the log failed"), "{detail}");
    let detail = server.get("/readyz").problem(503);
    assert!(detail.contains("a write failed"), "{detail}");
    server.post(customer("more")).problem(503);
    assert_eq!(counted(&server, "ltvlog_writable"), 0);
    assert_eq!(server.get("/v1/status").good()["writable"], false);
    assert_eq!(server.get("/v1/top?x=1").good()["customers"].as_array().map(Vec::len), Some(1));
}
