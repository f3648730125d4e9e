//! Those who follow the log: nothing missed, nothing twice, and nobody waits for the slow.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::client::{Connection, Stream};
use super::process::ltvlog;
use super::{Home, Server, customer, is_long, order};

/// The sequences of the next events of a stream of lines, and the markers between them.
fn take(stream: &mut Stream, count: usize) -> Vec<u64> {
    let mut sequences = Vec::new();
    while sequences.len() < count {
        let line = stream.json();
        assert!(line["error"].is_null(), "{line}");
        sequences.extend(line["sequence"].as_u64());
    }
    sequences
}

#[test]
fn a_follower_catches_up_and_goes_on() {
    let home = Home::new();
    let server = home.serve(&[]);
    let text: Vec<String> = (0..3).map(|n| customer(&format!("c{n}"))).collect();
    server.post(text.join("\n")).good();
    let mut lines = server.stream("/v1/events?follow=true", &[]);
    assert_eq!(take(&mut lines, 3), [0, 1, 2]);
    assert_eq!(lines.json(), json!({"caught_up": 3}));
    let mut sent = server.sent("/v1/events?follow=true&from=2", &[]);
    let first = sent.next_sent();
    assert_eq!((&*first.name, first.id.as_deref()), ("event", Some("2")));
    assert_eq!(first.json()["key"], "c2");
    let marker = sent.next_sent();
    assert_eq!((&*marker.name, marker.id, &*marker.data), ("caught_up", None, r#"{"end": 3}"#));
    // The first event that anybody hears, the next, and several at once.
    for turn in 3..6 {
        server.post(customer(&format!("c{turn}"))).good();
        let line = lines.json();
        assert_eq!(
            (&line["sequence"], &line["event"]["key"]),
            (&json!(turn), &json!(format!("c{turn}")))
        );
        let event = sent.next_sent();
        assert_eq!((&event.id, event.json()), (&Some(turn.to_string()), line["event"].clone()));
    }
    let many: Vec<String> = (6..3_000).map(|n| customer(&format!("c{n}"))).collect();
    server.post(many.join("\n")).good();
    assert_eq!(take(&mut lines, 2_994), (6..3_000).collect::<Vec<_>>());
    for turn in 6..3_000 {
        assert_eq!(sent.next_sent().id, Some(turn.to_string()));
    }
    drop((lines, sent));
    // Nobody listened to these.
    server.post(customer("silent")).good();
    let mut late = server.stream("/v1/events?follow=true&from=3000", &[]);
    assert_eq!(take(&mut late, 1), [3_000]);
    assert_eq!(late.json(), json!({"caught_up": 3_001}));
    server.post(customer("heard")).good();
    assert_eq!(take(&mut late, 1), [3_001]);
}

#[test]
fn a_limit_ends_a_stream_and_a_sequence_to_come_is_waited_for() {
    let home = Home::new();
    let server = home.serve(&[]);
    let text: Vec<String> = (0..5).map(|n| customer(&format!("c{n}"))).collect();
    server.post(text.join("\n")).good();
    let sequences = |path: &str| -> Vec<Value> {
        server.get(path).lines().into_iter().map(|line| line["sequence"].clone()).collect()
    };
    assert_eq!(sequences("/v1/events?limit=2"), [0, 1]);
    assert_eq!(sequences("/v1/events?limit=2&from=1&follow=true"), [1, 2]);
    let mut ahead = server.stream("/v1/events?from=7&follow=true&limit=1", &[]);
    assert_eq!(ahead.json(), json!({"caught_up": 7}));
    for n in 5..9 {
        server.post(customer(&format!("c{n}"))).good();
    }
    assert_eq!(take(&mut ahead, 1), [7]);
    assert_eq!(ahead.line().expect("an end"), None);
}

/// What a follower has seen so far, over all its connections.
struct Seen {
    position: u64,
    is_sent: bool,
}

impl Seen {
    /// Follows until the server is gone; each event must be the next one.
    fn follow(&mut self, server: &Server) {
        let mut connection = server.open();
        let last = self.position.checked_sub(1).map(|last| format!("Last-Event-ID: {last}"));
        let path = format!("/v1/events?follow=true&from={}", self.position);
        let begun = if self.is_sent {
            let mut headers = vec!["Accept: text/event-stream"];
            headers.extend(last.as_deref());
            connection.begin("GET /v1/events?follow=true", &headers)
        } else {
            connection.begin(&format!("GET {path}"), &[])
        };
        if begun.is_err() {
            return;
        }
        let Ok(head) = connection.head() else { return };
        assert_eq!(head.status, 200);
        let mut stream = connection.stream(&head);
        loop {
            let sequence = if self.is_sent {
                let Ok(Some(sent)) = stream.sent() else { return };
                sent.id.map(|id| id.parse().expect("a sequence"))
            } else {
                let Ok(Some(line)) = stream.line() else { return };
                // A line that the kill cut in two is none.
                let Ok(line) = serde_json::from_str::<Value>(&line) else { return };
                line["sequence"].as_u64()
            };
            if let Some(sequence) = sequence {
                assert_eq!(sequence, self.position, "missed, or told twice");
                self.position += 1;
            }
        }
    }
}

#[test]
fn followers_go_on_where_they_were_when_the_server_comes_back() {
    let home = Home::new();
    let mut seen = [false, true].map(|is_sent| Seen { position: 0, is_sent });
    let mut next = 0;
    for round in 0..if is_long() { 40 } else { 6 } {
        let mut server = home.serve(&[]);
        let known = server.get("/v1/info").good()["end"].as_u64().expect("an end");
        assert!(seen.iter().all(|one| one.position <= known), "told before it was safe");
        thread::scope(|scope| {
            let shared = &server;
            let followers = seen.iter_mut().map(|one| scope.spawn(move || one.follow(shared)));
            let followers: Vec<_> = followers.collect();
            for _ in 0..40 {
                next += 1;
                server.post(customer(&format!("c{next}"))).good();
            }
            thread::sleep(Duration::from_millis(round * 3));
            server.signal("-KILL");
            for follower in followers {
                follower.join().expect("a follower");
            }
        });
        server.kill();
    }
    let server = home.serve(&[]);
    let end = server.get("/v1/info").good()["end"].as_u64().expect("an end");
    assert_eq!(end, next);
    for one in &mut seen {
        assert!(one.position > end / 2, "{} of {end} were seen before", one.position);
        let rest = server.get(&format!("/v1/events?from={}", one.position)).lines();
        let rest = rest.iter().filter_map(|line| line["sequence"].as_u64());
        assert_eq!(rest.collect::<Vec<_>>(), (one.position..end).collect::<Vec<_>>());
    }
}

#[test]
fn the_leaderboard_tells_who_moved_and_why() {
    let home = Home::new();
    let server = home.serve(&[]);
    let text = [customer("a"), customer("b"), customer("c"), order("o1", "a", "10")];
    server.post(text.join("\n")).good();
    server.get("/v1/top?min_end=4").good();
    let mut live = server.sent("/v1/top/live?x=2", &[]);
    let first = live.next_sent();
    assert_eq!((&*first.name, first.id.as_deref()), ("top", Some("4")));
    let first = first.json();
    assert_eq!((&first["moves"], &first["top"]), (&json!([]), &server.get("/v1/top?x=2").good()));
    // One that was not shown comes in over the others.
    let event = order("o2", "c", "20");
    server.post(&event).good();
    let second = live.next_sent();
    assert_eq!(second.id.as_deref(), Some("5"));
    let second = second.json();
    let ids = |told: &Value| -> Vec<Value> {
        let customers = told["top"]["customers"].as_array().expect("customers").iter();
        customers.map(|one| one["customer_id"].clone()).collect()
    };
    assert_eq!(ids(&second), ["c", "a"]);
    let moves = second["moves"].as_array().expect("moves");
    let of = |id: &str| moves.iter().find(|one| one["customer_id"] == id).expect(id);
    assert_eq!(moves.len(), 3, "{second}");
    assert_eq!(
        (&of("c")["from"], &of("c")["to"], &of("c")["sequence"]),
        (&Value::Null, &1.into(), &4.into())
    );
    assert_eq!(
        (&of("c")["event"]["key"], &of("c")["event"]["type"]),
        (&json!("o2"), &json!("ORDER"))
    );
    assert_eq!(
        (&of("a")["from"], &of("a")["to"], &of("a")["sequence"]),
        (&1.into(), &2.into(), &3.into())
    );
    assert_eq!((&of("b")["from"], &of("b")["to"]), (&2.into(), &Value::Null));
    // What changes nothing that is shown is not told; an amount is, though nobody moves.
    server.post(customer("d")).good();
    server.get("/v1/top?min_end=6").good();
    server.post(order("o3", "c", "1")).good();
    let third = live.next_sent();
    assert_eq!((third.id.as_deref(), &third.json()["moves"]), (Some("7"), &json!([])));
    assert_eq!(third.json()["top"]["customers"][0]["revenue"], "21.00");
}

/// One that never reads, beside one that does: events go in and out as if it were not there.
#[test]
fn nobody_waits_for_a_follower_that_does_not_read() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut stalled: Vec<Connection> = Vec::new();
    for media in ["Accept: */*", "Accept: text/event-stream"] {
        let mut connection = server.open();
        connection.begin("GET /v1/events?follow=true", &[media]).expect("a request");
        stalled.push(connection);
    }
    let mut live = server.stream("/v1/events?follow=true", &[]);
    let before = server.status("VmRSS");
    let filler = "x".repeat(2_000);
    let began = Instant::now();
    let rounds = if is_long() { 200 } else { 20 };
    for round in 0..rounds {
        let text: Vec<String> = (0..1_000)
            .map(|n| {
                customer(&format!("{round} {n}"))
                    .replace('}', &format!(",\"last_name\":\"{filler}\"}}"))
            })
            .collect();
        assert_eq!(server.post(text.join("\n")).good()["accepted"], 1_000);
        let from = round * 1_000;
        assert_eq!(take(&mut live, 1_000), (from..from + 1_000).collect::<Vec<_>>());
    }
    println!("{rounds} times 2 MB went past those who do not read, {:?}", began.elapsed());
    let grown = server.status("VmRSS").saturating_sub(before) >> 10;
    assert!(grown < 400, "{grown} MiB more are in memory");
    // They were not forgotten: whoever reads again has everything.
    for (mut connection, is_sent) in stalled.into_iter().zip([false, true]) {
        let head = connection.head().expect("a head");
        let mut stream = connection.stream(&head);
        let count = usize::try_from(rounds).expect("few") * 1_000;
        if is_sent {
            let ids = std::iter::from_fn(|| Some(stream.next_sent().id)).flatten().take(count);
            assert!(ids.eq((0..count).map(|n| n.to_string())));
        } else {
            assert!(take(&mut stream, count).into_iter().eq(0..count as u64));
        }
    }
}

/// Sets how many files may be open, as far as that goes; whether it is enough.
fn raise_files(wanted: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(limit.current) {
        return true;
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    enough(limit.maximum) && setrlimit(Resource::Nofile, raised).is_ok()
}

#[test]
fn a_thousand_follow_at_once() {
    const COUNT: usize = 1_000;
    if !raise_files(4 * COUNT as u64) {
        println!("left out: so many files may not be open here");
        return;
    }
    let home = Home::new();
    let server = Server::command(&home.path().join("log"), &[], ltvlog());
    server.post(customer("first")).good();
    let before = (server.status("VmRSS"), server.descriptors());
    let mut followers: Vec<TcpStream> = Vec::new();
    for _ in 0..COUNT {
        let mut connection = server.open();
        connection.begin("GET /v1/events?follow=true", &[]).expect("a request");
        followers.push(connection.into_inner());
    }
    let began = Instant::now();
    for n in 0..20 {
        server.post(customer(&format!("c{n}"))).good();
    }
    for follower in &mut followers {
        let (mut text, mut sequences) = (String::new(), BTreeSet::new());
        let mut piece = [0; 4096];
        while sequences.len() < 21 {
            let count = follower.read(&mut piece).expect("more in time");
            assert!(count > 0, "the stream ends after {text}");
            text += std::str::from_utf8(&piece[..count]).expect("text");
            let told = text.split("\"sequence\": ").skip(1);
            let told = told.filter_map(|rest| rest.split_once(',')?.0.parse::<u64>().ok());
            let told: Vec<_> = told.collect();
            sequences = told.iter().copied().collect();
            assert_eq!(sequences.len(), told.len(), "told twice");
        }
        assert!(sequences.into_iter().eq(0..21));
    }
    println!("20 events went to {COUNT} followers, {:?}", began.elapsed());
    let after = (server.status("VmRSS"), server.descriptors());
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains(&format!("\nltvlog_followers {COUNT}\n")), "{metrics}");
    let (grown, opened) = ((after.0 - before.0) >> 10, after.1 - before.1);
    assert!(grown < 200, "{grown} MiB for {COUNT} followers");
    assert!(opened < COUNT + 50, "{opened} descriptors for {COUNT} followers");
    drop(followers);
    let began = Instant::now();
    while !server.get("/metrics").text().contains("\nltvlog_followers 0\n") {
        assert!(began.elapsed() < Duration::from_secs(10), "they are gone, and still counted");
        thread::sleep(Duration::from_millis(20));
    }
}
