//! A server of HTTP/1.1 that answers what a closure says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    /// Whether the connection is cut behind it.
    pub(super) is_cut: bool,
    /// Whether the connection stays as it is behind it, until the other side leaves.
    pub(super) stays: bool,
}

impl Answer {
    pub(super) fn new(status: u16, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n");
        Answer { bytes: [head.as_bytes(), body.as_bytes()].concat(), is_cut: false, stays: false }
    }

    pub(super) fn json(body: &str) -> Answer {
        Answer::new(200, "content-type: application/json\r\n", body)
    }

    pub(super) fn problem(status: u16, title: &str, detail: &str) -> Answer {
        let body = serde_json::json!({"status": status, "title": title, "detail": detail});
        Answer::new(status, "content-type: application/problem+json\r\n", &body.to_string())
    }

    /// Busy for so many seconds.
    pub(super) fn busy(status: u16, after: &str) -> Answer {
        let headers = format!("content-type: application/problem+json\r\nretry-after: {after}\r\n");
        let body = r#"{"status": 503, "title": "Busy", "detail": "too much at once"}"#;
        Answer::new(status, &headers, body)
    }

    /// A body in chunks, each line one, that does not end unless `whole`.
    pub(super) fn lines(lines: &str, whole: bool) -> Answer {
        let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\
            transfer-encoding: chunked\r\n\r\n"
            .to_vec();
        for line in lines.split_inclusive('\n') {
            bytes.extend(format!("{:x}\r\n{line}\r\n", line.len()).bytes());
        }
        if whole {
            bytes.extend(b"0\r\n\r\n");
        }
        Answer { bytes, is_cut: !whole, stays: false }
    }

    /// Only its first bytes, and then no connection.
    pub(super) fn cut(mut self, left_out: usize) -> Answer {
        self.bytes.truncate(self.bytes.len() - left_out);
        self.is_cut = true;
        self
    }
}

/// A server for one test.
pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers every request by what the closure says.
    pub(super) fn new(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Server {
        Server::start(answer, false)
    }

    /// Answers each request by the next answer; the last one goes for all that follow.
    pub(super) fn script(answers: impl IntoIterator<Item = Answer>) -> Server {
        let answers = Mutex::new(answers.into_iter().collect::<std::collections::VecDeque<_>>());
        Server::new(move |_| {
            let mut answers = answers.lock().unwrap();
            match answers.len() {
                1 => answers[0].clone(),
                _ => answers.pop_front().expect("an answer"),
            }
        })
    }

    /// With `early`, whoever asks whether a body is wanted is answered at once.
    pub(super) fn start(
        answer: impl Fn(&Request) -> Answer + Send + 'static,
        early: bool,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(Mutex::new(answer)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                let answer = move |request: &Request| {
                    seen.lock().unwrap().push(request.clone());
                    answer.lock().unwrap()(request)
                };
                thread::spawn(move || serve(stream.unwrap(), &answer, early));
            }
        });
        Server { url, requests }
    }

    /// What was asked so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The targets of what was asked so far.
    pub(super) fn targets(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.target).collect()
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Request) -> Answer, early: bool) {
    let mut out = stream.try_clone().unwrap();
    let mut input = BufReader::new(stream);
    while let Some(answer) = one(&mut input, &mut out, answer, early) {
        if out.write_all(&answer.bytes).is_err() {
            return;
        }
        if answer.stays {
            drop(input.fill_buf());
        }
        if answer.is_cut || answer.stays {
            return;
        }
    }
}

/// Reads a request and gives the answer to it; nothing at the end of the connection.
pub(super) fn one(
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    answer: &dyn Fn(&Request) -> Answer,
    early: bool,
) -> Option<Answer> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut words = head[0].split(' ').map(str::to_owned);
    let headers = head[1..].iter().filter_map(|line| line.split_once(": "));
    let mut request = Request {
        method: words.next()?,
        target: words.next()?,
        headers: headers.map(|(of, value)| (of.to_lowercase(), value.to_owned())).collect(),
        body: Vec::new(),
    };
    if request.header("expect") == Some("100-continue") {
        if early {
            let answer = answer(&request);
            if !answer.bytes.starts_with(b"HTTP/1.1 200") {
                // A client that sent the body all the same would be found out.
                return Some(Answer { is_cut: true, ..answer });
            }
        }
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    request.body = body;
    Some(answer(&request))
}
