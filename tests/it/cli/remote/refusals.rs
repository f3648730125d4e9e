//! What is said of a server that does not answer as it should, and when it is asked again.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::*;

/// A run that fails with these words.
#[track_caller]
fn fails(home: &Home, server: &Server, args: &[&str], words: &[&str]) {
    let ran = home.run(&[args, &["--server", &server.url]].concat());
    assert_eq!((ran.exit, &*ran.out), (1, ""), "{ran:?}");
    for word in [&*server.url].iter().chain(words) {
        assert!(ran.err.contains(word), "{word} in {ran:?}");
    }
}

#[test]
fn a_server_that_is_not_there() {
    let home = Home::new();
    // A port that nobody has, since this had it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let started = Instant::now();
    for args in [&["top", "3"][..], &["append", "events.ndjson"], &["tail", "--follow"]] {
        let ran = home.run(&[args, &["--server", &url]].concat());
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.err.contains(&format!("error: cannot reach {url}: ")), "{ran:?}");
        assert!(ran.err.contains("help: `ltvlog serve --log DIR` starts a server"), "{ran:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "nothing was waited for");
    assert!(!home.path("ltvlog-data").exists());
}

#[test]
fn every_refusal_says_what_to_do() {
    let home = Home::new();
    let top = &["top", "3"][..];
    let of = |answer: Answer| Server::script([answer]);
    let denied = of(Answer::problem(401, "Unauthorized", "this server asks for a token"));
    fails(
        &home,
        &denied,
        top,
        &["401 Unauthorized: this server asks", "LTVLOG_TOKEN", "--token-file"],
    );
    let denied = of(Answer::problem(403, "Forbidden", "this token may not read\u{1b}[2J"));
    fails(&home, &denied, top, &["403 Forbidden: this token may not read\\u{1b}", "LTVLOG_TOKEN"]);
    let other = of(Answer::new(404, "content-type: text/html\r\n", "<h1>nothing</h1>"));
    for args in [top, &["stats", "c1"]] {
        fails(&home, &other, args, &["404 Not Found", "ltvlog serve"]);
    }
    let wrong = of(Answer::problem(400, "Bad Request", "x is too large"));
    fails(&home, &wrong, top, &["400 Bad Request: x is too large"]);
    let moved = of(Answer::new(301, "location: http://127.0.0.1:1/\r\n", ""));
    fails(&home, &moved, top, &["301", "--server URL"]);
    let garbage = of(Answer::json("{\"currency\": \"USD\", "));
    fails(&home, &garbage, top, &["cannot read", "EOF"]);
    let garbage = of(Answer::json("[1, 2]"));
    fails(&home, &garbage, top, &["cannot read"]);
    for server in [denied, other, wrong, moved, garbage] {
        let asked = server.requests().len();
        assert!(asked <= 2, "asked {asked} times for what does not change");
    }
    let noise = of(Answer { bytes: b"SSH-2.0-x\r\n\r\n".to_vec(), ..Answer::json("") });
    fails(&home, &noise, top, &["ltvlog serve"]);
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_so() {
    let home = home();
    let top = home.done(&["top", "1", "--format=json"]).out;
    for status in [429, 503] {
        let server = Server::script([Answer::busy(status, "1"), Answer::json(&top)]);
        let started = Instant::now();
        let ran = home.done(&["top", "1", "--format=json", "--server", &server.url]);
        assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
        assert_eq!(ran.out, top);
    }
    let server = Server::script([Answer::busy(503, "soon"), Answer::json(&top)]);
    assert_eq!(home.done(&["top", "1", "--format=json", "--server", &server.url]).out, top);
}

#[test]
fn a_server_is_given_up_in_the_end() {
    let home = Home::new();
    let busy = Server::script([Answer::busy(503, "0")]);
    fails(&home, &busy, &["info"], &["503 Busy: too much at once", "try again later"]);
    assert_eq!(busy.requests().len(), 8);
    let long = Server::script([Answer::busy(429, "3600")]);
    fails(&home, &long, &["info"], &["429 Busy"]);
    assert_eq!(long.requests().len(), 1);
}

#[test]
fn an_answer_that_was_cut_is_asked_for_again() {
    let home = home();
    let top = home.done(&["top", "1", "--format=json"]).out;
    let whole = Answer::json(&top);
    let mid = Answer::lines(&top, false);
    for cut in [whole.clone().cut(5), mid.cut(9)] {
        let server = Server::script([cut, whole.clone()]);
        assert_eq!(home.done(&["top", "1", "--format=json", "--server", &server.url]).out, top);
        assert_eq!(server.requests().len(), 3);
    }
}
