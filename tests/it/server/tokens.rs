//! Who may do what, over TLS too, and what is said to whoever finds the log locked.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Answer;
use super::process::{ltvlog, run};
use super::{Home, Server, customer};

const READ: &str = "read-read-read-read";
const APPEND: &str = "append-append-append";
const ADMIN: &str = "admin-admin-admin-admin";

fn ask(server: &Server, request: &str, token: Option<&str>) -> Answer {
    let header = token.map(|token| format!("Authorization: Bearer {token}"));
    let headers: Vec<&str> = header.iter().map(String::as_str).collect();
    let body = if request.starts_with("POST") { customer("c") } else { String::new() };
    server.ask(request, &headers, body.as_bytes())
}

#[test]
fn a_token_opens_what_its_scope_says() {
    let home = Home::new();
    let tokens = home.path().join("tokens");
    fs::write(&tokens, format!("read {READ}\nappend {APPEND}\nadmin {ADMIN}\n")).expect("a file");
    let server = home.serve(&["--tokens", tokens.to_str().expect("a path")]);
    let append = "POST /v1/events";
    assert_eq!(ask(&server, append, Some(APPEND)).good()["accepted"], 1);
    assert_eq!(ask(&server, append, Some(ADMIN)).good()["duplicates"], 1);
    ask(&server, append, Some(READ)).problem(403);
    let questions = [
        "GET /v1/top",
        "GET /v1/customers/c",
        "GET /v1/customers/c/events",
        "GET /v1/events",
        "GET /v1/info",
        "GET /v1/openapi.json",
        "GET /metrics",
    ];
    for question in questions {
        for good in [READ, ADMIN] {
            assert_eq!(ask(&server, question, Some(good)).status(), 200, "{question}");
        }
        ask(&server, question, Some(APPEND)).problem(403);
    }
    for request in questions.into_iter().chain([append, "GET /v1/top/live"]) {
        for token in
            [None, Some(""), Some("read"), Some("read-read-read-reaD"), Some(&*READ.repeat(9))]
        {
            let answer = ask(&server, request, token);
            answer.problem(401);
            assert_eq!(answer.head.header("www-authenticate"), Some("Bearer"), "{request}");
        }
        let basic = format!("Authorization: Basic {ADMIN}");
        server.ask(request, &[&basic], b"").problem(401);
    }
    // Whoever looks after the process needs none, and a page of others is stopped by its lack.
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).status(), 200);
    }
    let bearer = format!("Authorization: Bearer {READ}");
    server.ask("GET /v1/top", &["Host: ltvlog.example", &bearer], b"").good();
    let told = server.told();
    assert!(!told.contains(READ) && !told.contains(ADMIN), "{told}");
    let turned_away = |told: &str, status| {
        told.lines()
            .filter(|line| line.contains("turned away") && line.contains(status))
            .any(|line| line.contains("WARN") && line.contains("path=\"/v1/"))
    };
    assert!(turned_away(&told, "status=403"), "{told}");
    // At most once a second; those between are counted.
    assert!(told.matches("turned away").count() < 5, "{told}");
    thread::sleep(Duration::from_millis(1_100));
    ask(&server, append, None).problem(401);
    let told = server.told();
    assert!(turned_away(&told, "status=401"), "{told}");
    let counted = told.lines().filter_map(|line| line.split_once("untold=")?.1.parse::<u64>().ok());
    assert!(counted.sum::<u64>() > 20, "{told}");
}

#[test]
fn tokens_are_rotated_while_it_runs() {
    let home = Home::new();
    let tokens = home.path().join("tokens");
    fs::write(&tokens, format!("read {READ}\n")).expect("a file");
    let server = home.serve(&["--tokens", tokens.to_str().expect("a path")]);
    ask(&server, "GET /v1/top", Some(READ)).good();
    fs::write(&tokens, format!("read {ADMIN}\n")).expect("a file");
    let began = Instant::now();
    while ask(&server, "GET /v1/top", Some(ADMIN)).status() != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "the new token is not known");
        thread::sleep(Duration::from_millis(50));
    }
    ask(&server, "GET /v1/top", Some(READ)).problem(401);
    fs::write(&tokens, "nonsense\n").expect("a file");
    server.signal("-HUP");
    while !server.told().contains("stay as they were") {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", server.told());
        thread::sleep(Duration::from_millis(20));
    }
    ask(&server, "GET /v1/top", Some(ADMIN)).good();
}

/// A server that does not start; what it says.
#[track_caller]
fn refused(home: &Home, args: &[&str]) -> String {
    let log = home.path().join("log");
    let mut command = ltvlog();
    command.arg("serve").args(args).arg("--log").arg(log);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    let began = Instant::now();
    while child.try_wait().expect("a status").is_none() {
        if began.elapsed() > Duration::from_secs(10) {
            child.kill().expect("it can be killed");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_server_does_not_start_half_guarded() {
    let home = Home::new();
    for address in ["0.0.0.0:0", "[::]:0", "10.1.2.3:0"] {
        let said = refused(&home, &["--listen", address]);
        assert!(said.contains("--tokens"), "{said}");
    }
    let tokens = home.path().join("tokens");
    let args = ["--listen", "0.0.0.0:0", "--tokens", tokens.to_str().expect("a path")];
    for wrong in [None, Some(""), Some("read short\n"), Some("write 0123456789abcdef\n")] {
        if let Some(text) = wrong {
            fs::write(&tokens, text).expect("a file");
        }
        let said = refused(&home, &args);
        assert!(said.contains("tokens"), "{said}");
    }
    let files = ["--tls-cert", "no-such-file", "--tls-key", "no-such-file"];
    let said = refused(&home, &[&["--listen", "127.0.0.1:0"][..], &files].concat());
    assert!(said.contains("no-such-file"), "{said}");
    assert!(!home.path().join("log/server").exists());
}

#[test]
fn an_address_may_leave_out_what_is_usual() {
    for address in [":0", "localhost:0"] {
        let home = Home::new();
        let mut command = ltvlog();
        command.args(["serve", "--listen", address, "--format=json", "--log"]);
        command.arg(home.path().join("log")).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary");
        let mut told = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut told).expect("a line");
        child.kill().and_then(|()| child.wait()).expect("it can be killed");
        assert!(told.contains("\"http://127.0.0.1:"), "{address}: {told}");
    }
}

#[test]
fn whoever_finds_the_log_locked_is_told_of_the_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.post(customer("c")).good();
    let output = run(&["append", "/dev/null"], &server.log);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&server.url) && said.contains("--server"), "{said}");
    let second = refused(&home, &["--listen", "127.0.0.1:0"]);
    assert!(second.contains(&server.url), "{second}");
    let file = fs::read_to_string(server.log.join("server")).expect("it is still there");
    assert_eq!(file.trim(), server.url);
    // Reading takes no lock.
    assert!(run(&["top", "1"], &server.log).status.success());
}

/// Runs a tool that may not be there.
fn tool(name: &str, args: &[&str]) -> Option<Output> {
    match Command::new(name).args(args).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("left out: {name}: {error}");
            None
        }
    }
}

/// A certificate for this machine, signed by itself.
fn certify(dir: &Path, name: &str) -> Option<(String, String)> {
    let path = |end: &str| dir.join(format!("{name}.{end}")).to_str().expect("a path").to_owned();
    let (certificate, key) = (path("cert"), path("key"));
    let args =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let names = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    let files = ["-keyout", &key, "-out", &certificate];
    let output = tool("openssl", &[&args[..], &names, &files].concat())?;
    assert!(output.status.success(), "{output:?}");
    Some((certificate, key))
}

#[test]
fn tls_hides_everything() {
    let home = Home::new();
    let Some((certificate, key)) = certify(home.path(), "one") else { return };
    let args = ["--tls-cert", &certificate, "--tls-key", &key, "--header-time", "1", "--verbose"];
    let server = home.serve(&args);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let curl = |authority: &str, path: &str, more: &[&str]| {
        let url = format!("{}{path}", server.url);
        let args = ["--silent", "--show-error", "--max-time", "10", "--cacert", authority, &url];
        tool("curl", &[&args[..], more].concat())
    };
    let Some(receipt) = curl(&certificate, "/v1/events", &["--data-binary", &customer("c")]) else {
        return;
    };
    let json = |output: Output| -> serde_json::Value {
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    assert_eq!(json(receipt)["accepted"], 1);
    for version in ["--http1.1", "--http2", "--tlsv1.3"] {
        let top = curl(&certificate, "/v1/top?min_end=1", &[version]).expect("as before");
        assert_eq!(json(top)["customers"][0]["customer_id"], "c", "{version}");
    }
    // Requests are told of, and not every frame of their connections.
    let told = server.told();
    let is_ours = |line: &str| line.contains("answered") || !line.contains("DEBUG");
    assert!(told.contains("answered") && told.lines().all(is_ours), "{told}");
    let lines = curl(&certificate, "/v1/events?follow=true&limit=1", &[]).expect("as before");
    assert_eq!(json(lines)["sequence"], 0);
    // Another's certificate is none, and neither is a request in the clear.
    let (other, other_key) = certify(home.path(), "other").expect("as before");
    assert!(!curl(&other, "/v1/top", &[]).expect("as before").status.success());
    let mut clear = server.open();
    clear.begin("GET /v1/top", &[]).expect("it is taken");
    assert!(clear.head().is_err(), "an answer in the clear");
    // One who never says hello is let go, and holds nobody up.
    let silent = server.open();
    silent.set_patience(Duration::from_secs(5));
    let end = silent.into_inner().read(&mut [0]).map_err(|error| error.kind());
    assert_ne!(end, Err(ErrorKind::WouldBlock), "it is not let go");
    // The certificate is renewed.
    fs::copy(&other, &certificate).and_then(|_| fs::copy(&other_key, &key)).expect("a file");
    server.signal("-HUP");
    let began = Instant::now();
    while !curl(&other, "/v1/top", &[]).expect("as before").status.success() {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", server.told());
        thread::sleep(Duration::from_millis(50));
    }
}
