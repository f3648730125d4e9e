//! What the server counts, and what it keeps to while tokens and servers come and go.

use std::fs;
use std::time::Duration;

use super::{Home, customer, order};

/// An event that waits in a stream for its customer is not rejected, however often it is tried.
#[test]
fn what_is_held_counts_once_in_the_metrics() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut connection = server.open();
    let headers = ["Transfer-Encoding: chunked", "Accept: application/x-ndjson"];
    connection.begin("POST /v1/events", &headers).expect("a request");
    let mut writer = connection.writer();
    writer.piece((order("o", "late", "10") + "\n").as_bytes()).expect("it is taken");
    let head = connection.head().expect("a head");
    let mut receipts = connection.stream(&head);
    assert_eq!(receipts.json()["accepted"], 0);
    for n in 0..3 {
        writer.piece((customer(&format!("other {n}")) + "\n").as_bytes()).expect("it is taken");
        assert_eq!(receipts.json()["accepted"], 1);
    }
    writer.piece((customer("late") + "\n").as_bytes()).expect("it is taken");
    writer.end().expect("it is taken");
    while receipts.line().expect("a line").is_some() {}
    let text = server.get("/metrics").text();
    let counted = |result: &str| {
        let name = format!("ltvlog_events_total{{result=\"{result}\"}} ");
        let line = text.lines().find(|line| line.starts_with(&name)).expect("a count");
        line[name.len()..].parse::<u64>().expect("a number")
    };
    assert_eq!(["accepted", "duplicate", "rejected"].map(counted), [5, 0, 0]);
}

/// Nobody goes on hearing events with a token that is gone; and a fault in the file is said.
#[test]
fn streams_end_when_the_tokens_are_renewed() {
    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";
    let home = Home::new();
    let tokens = home.path().join("tokens");
    fs::write(&tokens, format!("admin {OLD}\n")).expect("a file");
    let server = home.serve(&["--tokens", tokens.to_str().expect("a path")]);
    let old = format!("Authorization: Bearer {OLD}");
    let mut follower = server.stream("/v1/events?follow=true", &[&old]);
    assert_eq!(follower.json()["caught_up"], 0);
    fs::write(&tokens, "nonsense\n").expect("a file");
    let said = || server.told().contains("begins with no scope");
    while !said() {
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::write(&tokens, format!("admin {NEW}\n")).expect("a file");
    assert_eq!(follower.line().expect("an end"), None);
    server.ask("GET /v1/info", &[&old], b"").problem(401);
    let new = format!("Authorization: Bearer {NEW}");
    server.ask("GET /v1/info", &[&new], b"").good();
}

/// A page of another site says so, even where it names no origin.
#[test]
fn what_another_site_has_a_browser_ask_is_refused() {
    let home = Home::new();
    let server = home.serve(&[]);
    for site in ["cross-site", "same-site"] {
        let site = format!("Sec-Fetch-Site: {site}");
        server.ask("GET /v1/customers/c/weeks.svg", &[&site], b"").problem(403);
    }
    server.ask("GET /v1/top", &["Sec-Fetch-Site: same-origin"], b"").good();
}
