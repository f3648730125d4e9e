//! The server killed, or told to stop, while many append: what was acknowledged is there, once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Connection, Stream};
use super::process::{run, run_json};
use super::{Home, Server, customer, is_long};
use crate::random::Random;

const CLIENTS: usize = 4;

/// One who appends until the server is gone.
struct Client {
    name: usize,
    random: Random,
    /// How many keys were sent, and which of them were acknowledged.
    sent: u64,
    acknowledged: Vec<u64>,
}

impl Client {
    fn event(&self, number: u64) -> String {
        customer(&format!("client {} {number}", self.name))
    }

    /// Appends one event or a few, now and then some of before.
    fn append(&mut self, connection: &mut Connection) -> Option<()> {
        let count = if self.random.percent(70) { 1 } else { 2 + self.random.next() % 20 };
        let new: Vec<u64> = (self.sent..self.sent + count).collect();
        let old = self.acknowledged.len();
        let old = if old > 0 && self.random.percent(20) {
            Some(self.acknowledged[self.random.below(old)])
        } else {
            None
        };
        self.sent += count;
        let text: Vec<String> = new.iter().chain(&old).map(|one| self.event(*one)).collect();
        let body = text.join("\n");
        let answer = connection.ask("POST /v1/events", &[], body.as_bytes()).ok()?;
        let receipt = answer.good();
        assert_eq!(receipt["synced"], true, "{receipt}");
        assert_eq!(receipt["accepted"], count, "{receipt}");
        assert_eq!(receipt["duplicates"], old.iter().count(), "{receipt}");
        self.acknowledged.extend(new);
        Some(())
    }

    fn append_until_gone(&mut self, server: &Server, acknowledged: &AtomicU64) {
        let Ok(mut connection) = Connection::open(&server.address) else { return };
        while self.append(&mut connection).is_some() {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything acknowledged is a duplicate now.
    fn repeat(&self, server: &Server) {
        let mut connection = server.open();
        for part in self.acknowledged.chunks(1_000) {
            let text: Vec<String> = part.iter().map(|one| self.event(*one)).collect();
            let body = text.join("\n");
            let receipt = connection.ask("POST /v1/events", &[], body.as_bytes());
            let receipt = receipt.expect("an answer").good();
            assert_eq!(receipt["duplicates"], part.len(), "{receipt}");
        }
    }
}

fn clients(seed: u64) -> Vec<Client> {
    let client = |name| Client {
        name,
        random: Random::new(seed + name as u64),
        sent: 0,
        acknowledged: Vec::new(),
    };
    (0..CLIENTS).map(client).collect()
}

/// Runs the clients until `end` has ended the server.
fn load(clients: &mut [Client], server: &Server, end: impl FnOnce(&AtomicU64)) {
    let acknowledged = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in clients {
            let acknowledged = &acknowledged;
            scope.spawn(move || client.append_until_gone(server, acknowledged));
        }
        end(&acknowledged);
    });
    assert!(acknowledged.into_inner() > 0, "nothing was acknowledged, so nothing is shown");
}

/// How often each key is in the log.
fn keys(stdout: &[u8]) -> HashMap<String, u64> {
    let mut keys = HashMap::new();
    for line in String::from_utf8_lossy(stdout).lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event");
        *keys.entry(event["key"].as_str().expect("a key").to_owned()).or_default() += 1;
    }
    keys
}

#[track_caller]
fn assert_kept(clients: &[Client], home: &Home) {
    let log = home.path().join("log");
    let keys = keys(&run(&["export"], &log).stdout);
    for client in clients {
        for number in &client.acknowledged {
            let key = format!("client {} {number}", client.name);
            assert_eq!(keys.get(&key), Some(&1), "{key} was acknowledged");
        }
    }
    assert!(keys.values().all(|count| *count == 1), "an event is in the log twice");
    assert_eq!(run_json(&["verify", "--deep", "--format", "json"], &log)["ok"], true);
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let home = Home::new();
    let mut random = Random::new(90_000);
    let mut clients = clients(90_001);
    for _ in 0..if is_long() { 60 } else { 8 } {
        let mut server = home.serve(&[]);
        for client in &clients {
            client.repeat(&server);
        }
        load(&mut clients, &server, |acknowledged| {
            while acknowledged.load(Ordering::Relaxed) < 5 {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(random.next() % 150_000));
            server.signal("-KILL");
        });
        server.kill();
        assert_kept(&clients, &home);
    }
    let total: usize = clients.iter().map(|client| client.acknowledged.len()).sum();
    println!("{total} events were acknowledged and are in the log");
}

#[test]
fn a_stop_loses_nothing_and_ends_everything() {
    for (round, name) in ["-TERM", "-INT", "-TERM"].into_iter().enumerate() {
        let home = Home::new();
        let mut server = home.serve(&[]);
        let file = home.path().join("log/server");
        let told = std::fs::read_to_string(&file).expect("the file of the server");
        assert_eq!(told, format!("{}\n", server.url));
        let mut follower = server.stream("/v1/events?follow=true", &[]);
        let sent = [server.sent("/v1/events?follow=true", &[]), server.sent("/v1/top/live", &[])];
        // Between two requests, in the middle of one, and before anything.
        let (mut idle, mut half) = (server.open(), server.open());
        idle.ask("GET /healthz", &[], b"").expect("an answer");
        let headers = ["Accept: application/x-ndjson", "Transfer-Encoding: chunked"];
        half.begin("POST /v1/events", &headers).expect("a request");
        half.piece(format!("{}\n", customer("half")).as_bytes()).expect("it is taken");
        let head = half.head().expect("a head");
        let writer = half.writer();
        let mut receipts = half.stream(&head);
        assert_eq!(receipts.json()["accepted"], 1);
        let silent = server.open();
        let mut clients = clients(91_000 + round as u64);
        let began = Instant::now();
        load(&mut clients, &server, |acknowledged| {
            while acknowledged.load(Ordering::Relaxed) < 50 {
                thread::sleep(Duration::from_millis(1));
            }
            server.signal(name);
        });
        let status = server.wait(Duration::from_secs(8));
        assert_eq!(status.code(), Some(0), "{name}: {}", server.told());
        let took = began.elapsed();
        assert!(took < Duration::from_secs(6), "{name}: it took {took:?} to stop");
        assert!(!file.exists(), "{name}: the file of the server stays");
        assert_ended(&mut follower);
        for mut stream in sent {
            while stream.sent().expect("an end that is none of an accident").is_some() {}
        }
        let last = receipts.json();
        assert_eq!(last["error"]["status"], 503, "{last}");
        assert_eq!(receipts.line().expect("an end"), None);
        drop((idle, silent, writer));
        assert_kept(&clients, &home);
    }
}

/// To its end, which is no broken connection.
#[track_caller]
fn assert_ended(stream: &mut Stream) {
    while stream.line().expect("an end that is none of an accident").is_some() {}
}
