//! Requests that are broken, slow, huge or not meant for here: each is refused for what it is, and
//! the server goes on.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::client::{Answer, Connection};
use super::{Home, Server, customer};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes all")
}

/// It answers, and takes events.
#[track_caller]
fn assert_well(server: &Server) {
    assert_eq!(server.get("/healthz").status(), 200);
    assert_eq!(server.get("/readyz").status(), 200);
    let receipt = server.post(customer("the one who is always there")).good();
    assert_eq!((&receipt["rejected"], &receipt["synced"]), (&json!(0), &json!(true)), "{receipt}");
}

/// The connection is closed within the time, whatever is said before.
#[track_caller]
fn assert_closed(connection: Connection, within: Duration) {
    let began = Instant::now();
    let mut stream = connection.into_inner();
    let mut said = Vec::new();
    let ended = stream.read_to_end(&mut said);
    let timed_out = ended.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    assert!(!timed_out && began.elapsed() < within, "{:?}", String::from_utf8_lossy(&said));
}

#[test]
fn who_is_too_slow_is_let_go() {
    let home = Home::new();
    let server = home.serve(&["--header-time", "1", "--body-time", "1"]);
    let most = Duration::from_secs(5);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A header that comes byte by byte, and never ends.
            let mut connection = server.open();
            connection.raw(b"GET /v1/top HTTP/1.1\r\nX: ").expect("it is taken");
            let mut writer = connection.writer();
            let drip = thread::spawn(move || {
                while writer.raw(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
            });
            assert_closed(connection, most);
            drip.join().expect("no panic");
        });
        scope.spawn(|| assert_closed(server.open(), most));
        for (name, begin) in
            [("Content-Length: 100", &b"[{"[..]), ("Transfer-Encoding: chunked", b"2\r\n[{")]
        {
            scope.spawn(|| {
                let mut connection = server.open();
                connection.begin("POST /v1/events", &[name]).expect("a request");
                connection.raw(begin).expect("it is taken");
                connection.answer().expect("an answer").problem(408);
            });
        }
        scope.spawn(|| {
            // A stream of receipts has begun when its body stalls: its last line says so.
            let mut connection = server.open();
            let headers = ["Accept: application/x-ndjson", "Transfer-Encoding: chunked"];
            connection.begin("POST /v1/events", &headers).expect("a request");
            connection.piece(format!("{}\n", customer("c")).as_bytes()).expect("it is taken");
            let lines = connection.answer().expect("an answer").lines();
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!((&lines[0]["accepted"], &lines[0]["synced"]), (&json!(1), &json!(true)));
            assert_eq!(lines[1]["error"]["status"], 408, "{lines:?}");
        });
    });
    assert_well(&server);
}

/// What a POST is answered, even where the server does not read it to its end.
fn post_long(server: &Server, headers: &[&str], body: &[u8]) -> Answer {
    let mut connection = server.open();
    let length = format!("Content-Length: {}", body.len());
    connection.begin("POST /v1/events", &[headers, &[&length]].concat()).expect("a request");
    let mut writer = connection.writer();
    thread::scope(|scope| {
        scope.spawn(move || drop(writer.raw(body)));
        connection.answer().expect("an answer")
    })
}

#[test]
fn what_is_too_large_is_refused() {
    let home = Home::new();
    let server = home.serve(&["--body-max", "1MB"]);
    let long: Vec<String> = (0..20_000).map(|n| customer(&format!("{n:020}"))).collect();
    let long = long.join("\n");
    let bomb = gzip(&vec![b' '; 200_000_000]);
    let zstd = ruzstd::encoding::compress_to_vec(
        &vec![b'\n'; 20_000_000][..],
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    assert!(bomb.len() < 1_000_000 && zstd.len() < 1_000_000);
    for body in [long.as_bytes(), &gzip(long.as_bytes()), &bomb, &zstd] {
        let detail = post_long(&server, &[], body).problem(413);
        assert!(detail.contains("1000000 bytes"), "{detail}");
        assert!(detail.contains("Accept: application/x-ndjson"), "{detail}");
    }
    // Who asks first need not send it.
    let mut connection = server.open();
    let headers = ["Content-Length: 1000001", "Expect: 100-continue"];
    connection.begin("POST /v1/events", &headers).expect("a request");
    connection.answer().expect("an answer").problem(413);
    assert_eq!(server.get("/v1/info").good()["end"], 0);
    // As a stream it has no bounds.
    for body in [long.as_bytes(), &gzip(long.as_bytes())] {
        let answer = server.ask("POST /v1/events", &["Accept: application/x-ndjson"], body);
        let end = answer.lines().last().expect("a line")["end"].clone();
        assert_eq!(end, 20_000);
    }
    assert_well(&server);

    let server = Home::new().serve(&[]);
    let many = "{}\n".repeat(65_537);
    let detail = server.post(&many).problem(413);
    assert!(detail.contains("65,536 events"), "{detail}");
    assert_eq!(server.post(&many[3..]).good()["rejected"], 65_536);
    assert_well(&server);
}

#[test]
fn headers_have_bounds() {
    let home = Home::new();
    let server = home.serve(&[]);
    let long = format!("X: {}", "x".repeat(100_000));
    let many: Vec<String> = (0..200).map(|n| format!("X{n}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for headers in [&[&*long][..], &many] {
        let mut connection = server.open();
        // It may be closed while this is still written.
        drop(connection.begin("GET /v1/top", headers));
        assert_eq!(connection.head().expect("an answer").status, 431);
    }
    let mut connection = server.open();
    drop(connection.begin(&format!("GET /v1/customers/{}", "x".repeat(100_000)), &[]));
    let status = connection.head().expect("an answer").status;
    assert!(status == 414 || status == 431, "{status}");
    assert_well(&server);
}

#[test]
fn connections_have_bounds() {
    let home = Home::new();
    let server = home.serve(&["--connections-max", "4"]);
    let answered = || {
        let mut connection = Connection::open(&server.address).ok()?;
        let answer = connection.ask("GET /healthz", &[], b"").ok()?;
        (answer.status() == 200).then_some(connection)
    };
    // One that was closed may still be counted for a moment.
    let soon = || {
        let began = Instant::now();
        loop {
            if let Some(connection) = answered() {
                return connection;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "there is room, and none is given");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let mut held: Vec<Connection> = (0..4).map(|_| soon()).collect();
    for _ in 0..10 {
        assert_closed(server.open(), Duration::from_secs(5));
    }
    for connection in &mut held {
        assert_eq!(connection.ask("GET /healthz", &[], b"").expect("an answer").status(), 200);
    }
    drop(held);
    drop(soon());
    assert_well(&server);
}

#[test]
fn bodies_that_are_no_events_are_told_so() {
    let home = Home::new();
    let server = home.serve(&[]);
    let reason = |body: &[u8]| {
        let receipt = server.post(body).good();
        assert_eq!(
            (&receipt["accepted"], &receipt["rejected"]),
            (&json!(0), &json!(1)),
            "{receipt}"
        );
        receipt["rejected_events"][0]["reason"].as_str().expect("a reason").to_owned()
    };
    let deep =
        |open: &str| customer("deep").replace('}', &format!(",\"x\":{}", open.repeat(500_000)));
    for open in ["[", "{\"a\":"] {
        let reason = reason(deep(open).as_bytes());
        assert!(reason == "too_large" || reason == "malformed_json", "{reason}");
    }
    assert_eq!(reason(b"no JSON"), "malformed_json");
    assert_eq!(reason(b"\xff\xfe\x00"), "malformed_json");
    let whole = gzip(customer("packed").as_bytes());
    for broken in [&whole[..whole.len() / 2], &[&whole[..whole.len() - 3], b"xxx"].concat()] {
        server.post(broken).problem(400);
        server.ask("POST /v1/events", &["Content-Encoding: gzip"], broken).problem(400);
    }
    // It says what it is, and is not.
    let plain = customer("plain");
    for name in ["gzip", "zstd", "x-gzip"] {
        let header = format!("Content-Encoding: {name}");
        server.ask("POST /v1/events", &[&header], plain.as_bytes()).problem(400);
    }
    for name in ["br", "deflate", "gzip, gzip", "GZIP!"] {
        let header = format!("Content-Encoding: {name}");
        let detail = server.ask("POST /v1/events", &[&header], plain.as_bytes()).problem(415);
        assert!(detail.contains("gzip"), "{detail}");
    }
    assert_eq!(server.get("/v1/info").good()["end"], 0);
    let upper = server.ask("POST /v1/events", &["Content-Encoding: GZIP"], &whole).good();
    assert_eq!(upper["accepted"], 1);
    let mut cut = server.open();
    cut.begin("POST /v1/events", &["Content-Length: 1000"]).expect("a request");
    cut.raw(plain.as_bytes()).expect("it is taken");
    drop(cut);
    assert_well(&server);
    assert_eq!(server.get("/v1/info").good()["end"], 2, "half a body is no call");
}

/// curl names the kind of a form by itself: the body decides. A form of parts is none.
#[test]
fn a_form_is_told_from_events() {
    let home = Home::new();
    let server = home.serve(&[]);
    let body = customer("of a form");
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream"] {
        let header = format!("Content-Type: {kind}");
        let receipt = server.ask("POST /v1/events", &[&header], body.as_bytes()).good();
        assert_eq!(receipt["rejected"], 0, "{kind}: {receipt}");
    }
    let parts = "--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{}\r\n--x--\r\n";
    for accept in ["Accept: */*", "Accept: application/x-ndjson"] {
        let headers = ["Content-Type: multipart/form-data; boundary=x", accept];
        let detail = server.ask("POST /v1/events", &headers, parts.as_bytes()).problem(415);
        assert!(detail.contains("--data-binary"), "{detail}");
    }
    assert_eq!(server.get("/v1/info").good()["end"], 1);
}

#[test]
fn questions_that_make_no_sense_are_told_so() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.post(customer("c")).good();
    let wrong = [
        ("/v1/top?", "x", "0"),
        ("/v1/top?", "x", "-1"),
        ("/v1/top?", "x", "ten"),
        ("/v1/top?", "x", "99999999999999999999"),
        ("/v1/top?", "x", "1000001"),
        ("/v1/top?", "frame", "yesterday"),
        ("/v1/top?", "frame", "2017-02-01..2017-01-01"),
        ("/v1/top?", "week_start", "friday"),
        ("/v1/top?", "lifespan_years", "-3"),
        ("/v1/top?", "min_end", "soon"),
        ("/v1/top?", "fraem", "dataset"),
        ("/v1/customers/c?", "frame", "x"),
        ("/v1/customers/c?", "lifespan_years", "1e9"),
        ("/v1/customers/c?", "x", "1"),
        ("/v1/customers/c/events?", "limit", "0"),
        ("/v1/customers/c/events?", "limit", "1001"),
        ("/v1/customers/c/events?", "from", "a"),
        ("/v1/events?", "from", "-1"),
        ("/v1/events?", "follow", "maybe"),
        ("/v1/events?", "limit", "x"),
        ("/v1/events?", "limit", "0"),
        ("/v1/events?", "form", "1"),
        ("/v1/top/live?", "x", "101"),
        ("/v1/top/live?", "x", "0"),
        ("/v1/top/live?", "y", "1"),
    ];
    for (path, name, value) in wrong {
        let detail = server.get(&format!("{path}{name}={value}")).problem(400);
        assert!(detail.contains(name), "{path}{name}={value}: {detail}");
        for word in ["deserialize", "expected", "field", "invalid digit"] {
            assert!(!detail.contains(word), "{path}{name}={value}: {detail}");
        }
    }
    for header in ["Last-Event-ID: x", "Last-Event-ID: -1", "Last-Event-ID: 18446744073709551615"] {
        let detail = server.ask("GET /v1/events", &[header], b"").problem(400);
        assert!(detail.contains("Last-Event-ID"), "{detail}");
    }
    for path in ["/v1/customers/%FF", "/v1/customers/%FF/events", "/v1/customers/%FF/weeks"] {
        let detail = server.get(path).problem(400);
        assert!(detail.contains("UTF-8") && !detail.contains("Invalid"), "{detail}");
    }
    for path in ["/v1", "/v2/top", "/v1/top/", "/v1/customers/", "//v1/top", "/v1/customers/a/b"] {
        server.get(path).problem(404);
    }
    for request in ["DELETE /v1/events", "POST /v1/top", "PUT /v1/customers/c", "BREW /healthz"] {
        let answer = server.ask(request, &[], b"");
        let detail = answer.problem(405);
        let allowed = answer.head.header("allow").expect("the methods there are");
        for method in allowed.split(',') {
            assert!(detail.contains(method), "{request}: {detail}");
        }
    }
    assert_well(&server);
}

#[test]
fn pages_of_others_are_refused() {
    let home = Home::new();
    let server = home.serve(&[]);
    let body = customer("theirs");
    let host = format!("Host: {}", server.address);
    for headers in [
        &["Host: evil.example"][..],
        &["Host: evil.example:80", "Origin: http://evil.example:80"],
        &[&host, "Origin: http://evil.example"],
        &[&host, "Origin: null"],
    ] {
        server.ask("POST /v1/events", headers, body.as_bytes()).problem(403);
        for path in ["/v1/top", "/v1/events", "/v1/info", "/v1/customers/c", "/metrics"] {
            let answer = server.ask(&format!("GET {path}"), headers, b"");
            answer.problem(403);
            assert!(answer.head.header("access-control-allow-origin").is_none(), "{answer:?}");
        }
    }
    let own = format!("Origin: {}", server.url);
    server.ask("GET /v1/top", &[&host, &own], b"").good();
    assert_eq!(server.get("/v1/info").good()["end"], 0);
    assert_well(&server);
}

#[test]
fn what_is_no_http_is_no_harm() {
    let home = Home::new();
    let server = home.serve(&["--header-time", "1"]);
    let junk: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/top HTTP/9.9\r\n\r\n",
        b"GET /v1/top HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    thread::scope(|scope| {
        for bytes in junk {
            scope.spawn(|| {
                let mut connection = server.open();
                connection.raw(bytes).expect("it is taken");
                assert_closed(connection, Duration::from_secs(10));
            });
        }
    });
    assert_eq!(server.get("/v1/info").good()["end"], 0);
    assert_well(&server);
}

/// Many streams of receipts that say nothing, or send what nobody knows: others are served.
#[test]
fn streams_leave_room_for_others() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut connection = server.open();
        let headers = ["Accept: application/x-ndjson", "Transfer-Encoding: chunked"];
        connection.begin("POST /v1/events", &headers).expect("a request");
        connection.piece(b"\n").expect("it is taken");
        idle.push(connection);
    }
    thread::sleep(Duration::from_millis(200));
    assert_well(&server);
    let body = gzip(customer("packed").as_bytes());
    for path in ["/v1/customers/packed", "/v1/customers/packed/events", "/v1/events", "/v1/info"] {
        assert_eq!(server.post(&body).good()["rejected"], 0);
        server.get("/v1/top?min_end=2").good();
        assert_eq!(server.get(path).status(), 200);
    }
    drop(idle);
    let orphans: Vec<String> =
        (0..70_000).map(|n| customer(&format!("o{n}")).replace("NEW", "UPDATE")).collect();
    let answer = server.ask(
        "POST /v1/events",
        &["Accept: application/x-ndjson"],
        orphans.join("\n").as_bytes(),
    );
    let lines = answer.lines();
    assert!(lines.iter().all(|line| line["error"].is_null()), "{:?}", lines.last());
    let rejected = lines.iter().map(|line| line["rejected"].as_u64().expect("a number"));
    assert_eq!(rejected.sum::<u64>(), 70_000);
    assert_well(&server);
}

/// Small archives of many clients at a time fit, all of them.
#[test]
fn archives_take_the_room_that_they_need() {
    let home = Home::new();
    let server = home.serve(&[]);
    thread::scope(|scope| {
        for client in 0..16 {
            let server = &server;
            scope.spawn(move || {
                let mut connection = server.open();
                for turn in 0..20 {
                    let body = gzip(customer(&format!("{client} {turn}")).as_bytes());
                    let answer = connection.ask("POST /v1/events", &[], &body);
                    assert_eq!(answer.expect("an answer").good()["accepted"], 1);
                }
            });
        }
    });
    assert_well(&server);
}
