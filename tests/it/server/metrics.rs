//! What the server counts is what was done.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Home, Server, customer, order};

/// A value by its name and labels, as they stand before it.
#[track_caller]
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse().unwrap_or_else(|_| panic!("{name} {value} is no number"))
}

#[track_caller]
fn assert_values(server: &Server, values: &[(&str, u32)]) {
    let text = server.get("/metrics").text();
    for (name, expected) in values {
        assert_eq!(value(&text, name), f64::from(*expected), "{name}");
    }
}

#[test]
fn what_is_counted_is_what_was_done() {
    let home = Home::new();
    let server = home.serve(&[]);
    let none = ["accepted", "duplicate", "rejected"]
        .map(|of| (format!("ltvlog_events_total{{result=\"{of}\"}}"), 0));
    assert_values(&server, &none.each_ref().map(|(name, count)| (&**name, *count)));
    let good = [customer("c"), customer("d"), order("o", "c", "10")].join("\n");
    let bad = [
        order("o", "c", "11"),
        order("p", "nobody", "1"),
        order("q", "c", "1").replace("USD", "EUR"),
        "{}".to_owned(),
        "no JSON".to_owned(),
        "[1".to_owned(),
    ];
    for body in [&good, &good, &bad.join("\n")] {
        server.post(body).good();
    }
    server.get("/v1/top?min_end=3").good();
    server.get("/v1/top?x=0").problem(400);
    server.get("/v1/customers/c").good();
    server.get("/v1/customers/nobody").problem(404);
    server.get("/nowhere").problem(404);
    let post = "method=\"POST\",path=\"/v1/events\"";
    let top = "method=\"GET\",path=\"/v1/top\"";
    let who = "method=\"GET\",path=\"/v1/customers/{id}\"";
    assert_values(
        &server,
        &[
            ("ltvlog_events_total{result=\"accepted\"}", 3),
            ("ltvlog_events_total{result=\"duplicate\"}", 3),
            ("ltvlog_events_total{result=\"rejected\"}", 6),
            ("ltvlog_rejected_events_total{reason=\"conflicting_key\"}", 1),
            ("ltvlog_rejected_events_total{reason=\"unknown_customer\"}", 1),
            ("ltvlog_rejected_events_total{reason=\"wrong_currency\"}", 1),
            ("ltvlog_rejected_events_total{reason=\"missing_field\"}", 1),
            ("ltvlog_rejected_events_total{reason=\"malformed_json\"}", 2),
            ("ltvlog_rejected_events_total{reason=\"too_large\"}", 0),
            ("ltvlog_end", 3),
            ("ltvlog_synced_end", 3),
            ("ltvlog_applied_end", 3),
            ("ltvlog_lag_events", 0),
            ("ltvlog_customers", 2),
            ("ltvlog_followers", 0),
            ("ltvlog_writable", 1),
            ("ltvlog_commit_seconds_count", 3),
            ("ltvlog_group_calls_sum", 3),
            (&format!("ltvlog_requests_total{{{post},status=\"200\"}}"), 3),
            (&format!("ltvlog_requests_total{{{top},status=\"200\"}}"), 1),
            (&format!("ltvlog_requests_total{{{top},status=\"400\"}}"), 1),
            (&format!("ltvlog_requests_total{{{who},status=\"404\"}}"), 1),
            (&format!("ltvlog_request_seconds_count{{{post}}}"), 3),
            (&format!("ltvlog_request_seconds_count{{{top}}}"), 2),
            (&format!("ltvlog_request_seconds_bucket{{le=\"+Inf\",{who}}}"), 2),
            ("ltvlog_request_seconds_count{method=\"GET\",path=\"(none)\"}", 1),
        ],
    );
    let text = server.get("/metrics").text();
    assert!(!text.contains("nobody"), "it names no customer: {text}");
    // Three syncs take some time, and less than all of this did.
    let took = value(&text, &format!("ltvlog_request_seconds_sum{{{post}}}"));
    assert!(took > 0.0 && took < 20.0, "{took}");
    assert!(value(&text, "ltvlog_commit_seconds_sum") <= took, "{text}");
}

#[test]
fn the_process_tells_of_itself() {
    let home = Home::new();
    let server = home.serve(&[]);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs_f64();
    let text = server.get("/metrics").text();
    let age = now() - value(&text, "process_start_time_seconds");
    // The kernel's clocks agree within a second or two.
    assert!((-2.0..60.0).contains(&age), "{age}");
    let resident = value(&text, "process_resident_memory_bytes") / 1_024.0;
    let told = server.status("VmRSS") as f64;
    assert!((resident / told - 1.0).abs() < 0.5, "{resident} KiB, and not {told} KiB");
    let before = value(&text, "process_open_fds");
    let held: Vec<_> = (0..20).map(|_| server.open()).collect();
    let answered = held.into_iter().map(|mut one| {
        assert_eq!(one.ask("GET /healthz", &[], b"").expect("an answer").status(), 200);
        one
    });
    let held: Vec<_> = answered.collect();
    let after = value(&server.get("/metrics").text(), "process_open_fds");
    assert!((after - before - 20.0).abs() <= 3.0, "{before}, and with 20 connections {after}");
    drop(held);
}
