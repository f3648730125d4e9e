//! The smallest client that can say everything to a server, and read whatever it answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes; a test that waits for more has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that is kept for several requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

/// Status and headers.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// The type of the content, without its parameters.
    pub fn media(&self) -> &str {
        let media = self.header("content-type").unwrap_or_default();
        media.split(';').next().unwrap_or_default().trim()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a body that is JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a success.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert_eq!(self.status(), 200, "{}", self.text());
        self.json()
    }

    /// What a problem says, which is one with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status(), status, "{}", self.text());
        assert_eq!(self.head.media(), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        problem["detail"].as_str().expect("a detail").to_owned()
    }

    /// Each line of the body, which is JSON.
    pub fn lines(&self) -> Vec<Value> {
        let lines = self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
    }
}

impl Connection {
    pub fn open(address: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream), host: address.to_owned() })
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The line and the headers of a request; a host is added where none is given.
    pub fn begin(&mut self, request: &str, headers: &[&str]) -> io::Result<()> {
        let mut head = format!("{request} HTTP/1.1\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            head += &format!("Host: {}\r\n", self.host);
        }
        for header in headers {
            head += header;
            head += "\r\n";
        }
        head += "\r\n";
        self.raw(head.as_bytes())
    }

    pub fn ask(&mut self, request: &str, headers: &[&str], body: &[u8]) -> io::Result<Answer> {
        let length = format!("Content-Length: {}", body.len());
        let mut headers = headers.to_vec();
        if !body.is_empty() || request.starts_with("POST") {
            headers.push(&length);
        }
        self.begin(request, &headers)?;
        self.raw(body)?;
        self.answer()
    }

    /// A piece of a body that is sent in pieces.
    pub fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut piece = format!("{:x}\r\n", bytes.len()).into_bytes();
        piece.extend_from_slice(bytes);
        piece.extend_from_slice(b"\r\n");
        self.raw(&piece)
    }

    /// The end of such a body.
    pub fn end(&mut self) -> io::Result<()> {
        self.raw(b"0\r\n\r\n")
    }

    pub fn head(&mut self) -> io::Result<Head> {
        let mut line = || {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            Ok(line.trim_end().to_owned())
        };
        let first = line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status: {first}")))?;
        let mut headers = Vec::new();
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Head { status, headers })
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let body = self.body(&head)?;
        Ok(Answer { head, body })
    }

    /// What comes after a head, which has an end.
    pub fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        let mut left = Left::of(head);
        Body { stream: &mut self.stream, left: &mut left }.read_to_end(&mut body)?;
        Ok(body)
    }

    /// What comes after a head, for as long as it comes.
    pub fn stream(self, head: &Head) -> Stream {
        let left = Left::of(head);
        Stream { lines: BufReader::new(Owned { stream: self.stream, left }) }
    }

    /// The same stream again, to write on while somebody else reads.
    pub fn writer(&self) -> Connection {
        let stream = self.stream.get_ref().try_clone().expect("a descriptor");
        Connection { stream: BufReader::new(stream), host: self.host.clone() }
    }

    /// The socket itself, of whose answer nothing was read.
    pub fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }

    pub fn set_patience(&self, patience: Duration) {
        self.stream.get_ref().set_read_timeout(Some(patience)).expect("a timeout");
    }
}

/// How much of a body is left.
enum Left {
    Bytes(u64),
    /// Bytes of the chunk that has begun.
    Chunk(u64),
    FirstChunk,
    UntilClosed,
}

impl Left {
    fn of(head: &Head) -> Left {
        if head.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return Left::FirstChunk;
        }
        match head.header("content-length").map(str::parse) {
            Some(Ok(bytes)) => Left::Bytes(bytes),
            _ if head.status == 204 => Left::Bytes(0),
            _ => Left::UntilClosed,
        }
    }
}

struct Body<'a> {
    stream: &'a mut BufReader<TcpStream>,
    left: &'a mut Left,
}

impl Body<'_> {
    fn next_chunk(&mut self, is_first: bool) -> io::Result<()> {
        let mut line = String::new();
        if !is_first {
            self.stream.read_line(&mut line)?;
            line.clear();
        }
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        *self.left = Left::Chunk(bytes);
        if bytes == 0 {
            self.stream.read_line(&mut line)?;
            *self.left = Left::Bytes(0);
        }
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.left {
            Left::FirstChunk => self.next_chunk(true)?,
            Left::Chunk(0) => self.next_chunk(false)?,
            Left::Bytes(_) | Left::Chunk(_) | Left::UntilClosed => {}
        }
        let most = match self.left {
            Left::Bytes(0) => return Ok(0),
            Left::Bytes(left) | Left::Chunk(left) => *left,
            Left::FirstChunk | Left::UntilClosed => u64::MAX,
        };
        let most = buffer.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let count = self.stream.read(&mut buffer[..most])?;
        if let Left::Bytes(left) | Left::Chunk(left) = self.left {
            if count == 0 && most > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            *left -= count as u64;
        }
        Ok(count)
    }
}

struct Owned {
    stream: BufReader<TcpStream>,
    left: Left,
}

impl Read for Owned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Body { stream: &mut self.stream, left: &mut self.left }.read(buffer)
    }
}

/// An answer that goes on.
pub struct Stream {
    lines: BufReader<Owned>,
}

/// An event of a stream of server-sent events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
}

impl Sent {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("data that is JSON")
    }
}

impl Stream {
    /// The next line, none at the end.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let count = self.lines.read_line(&mut line)?;
        line.truncate(line.trim_end_matches('\n').len());
        Ok((count > 0).then_some(line))
    }

    /// The next line, which is there and is JSON.
    #[track_caller]
    pub fn json(&mut self) -> Value {
        let line = self.line().expect("a line in time").expect("another line");
        serde_json::from_str(&line).expect("a line of JSON")
    }

    /// The next event, none at the end; comments are passed over.
    pub fn sent(&mut self) -> io::Result<Option<Sent>> {
        let mut sent = Sent::default();
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if sent != Sent::default() {
                    return Ok(Some(sent));
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "event" => sent.name = value,
                "id" => sent.id = Some(value),
                "data" if sent.data.is_empty() => sent.data = value,
                "data" => sent.data = sent.data + "\n" + &value,
                _ => {}
            }
        }
        Ok(None)
    }

    #[track_caller]
    pub fn next_sent(&mut self) -> Sent {
        self.sent().expect("an event in time").expect("another event")
    }
}
