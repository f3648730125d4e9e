//! Any text as a source of events: by the product, and by the oracle from the specification.

use std::io::{self, BufRead, Read};

use super::Input;
use super::oracle::model::event::{self, Fact, Terms};
use super::oracle::model::json::is_grammatical;
use crate::codec::{Batch, BatchBuilder, Placement, RowKind};
use crate::{Event, Flow, Kind, Reason, Rules, read_blocks, read_events, write_reject};

const RULES: Rules = Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };
const EVENT: &str =
    r#"{"type":"CUSTOMER","verb":"NEW","key":"k","event_time":"2017-01-06T00:00:00Z"}"#;

/// What a source had: the line, and the event or the reason why there is none.
type Found = Vec<(u64, Result<Event<'static>, Reason>)>;

/// The first byte chooses the pieces in which the text comes; all others are the text.
pub fn json(data: &[u8]) {
    let mut input = Input::new(data);
    let pieces = input.byte();
    let text = input.take(64 << 10);
    let whole = read(&mut &*text);
    assert_eq!(read(&mut Pieces::new(text, pieces)), whole, "pieces make a difference");
    assert_eq!(in_blocks(&mut Pieces::new(text, pieces)), whole, "blocks make a difference");
    let mut line = text.to_vec();
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    if !line.trim_ascii().is_empty() {
        wherever_it_stands(&line);
        alone(&line);
        after_its_like(&line);
    }
}

/// Reads a source; what is said of each item is what the oracle says of its text.
fn read(source: &mut dyn BufRead) -> Found {
    let terms = Terms::default();
    let mut found = Found::new();
    let flow = read_events(source, &RULES, &mut |incoming| {
        let is_cut = matches!(&incoming.event, Err(reject) if reject.detail.ends_with(" lost"));
        if !is_cut {
            let said = incoming.event.as_ref().map_err(|reject| reject.reason.name());
            let oracle = event::read(incoming.text, &terms);
            assert_eq!(said.err(), oracle.err(), "{:?}", String::from_utf8_lossy(incoming.text));
            // What was read by the shape of an event before it is what its text alone gives.
            assert_eq!(incoming.event, Event::from_json(incoming.text, &RULES));
        }
        let event = incoming.event.map(Event::into_owned).map_err(|reject| reject.reason);
        found.push((incoming.line, event));
        Ok(Flow::Continue)
    });
    assert!(matches!(flow, Ok(Flow::Continue)), "memory can be read");
    found
}

/// As `read`, in blocks.
fn in_blocks(source: &mut (dyn BufRead + Send)) -> Found {
    let mut found = Found::new();
    let flow = read_blocks(source, &RULES, 1, &mut |block| {
        for incoming in (0..block.len()).map_while(|at| block.get(at)) {
            let event = incoming.event.map(Event::into_owned).map_err(|reject| reject.reason);
            found.push((incoming.line, event));
        }
        Ok(Flow::Continue)
    });
    assert!(matches!(flow, Ok(Flow::Continue)), "memory can be read");
    found
}

/// The verdict on a text, alone in its line, as a line among others, in an array, over several
/// lines.
fn wherever_it_stands(line: &[u8]) {
    let join = |parts: &[&[u8]]| read(&mut &*parts.concat());
    let event = EVENT.as_bytes();
    let among = join(&[event, b"\n", line, b"\n", event]);
    let [_, (2, verdict), (3, _)] = &among[..] else { panic!("three lines, not {among:?}") };
    if line.trim_ascii_start().first() != Some(&b'[') && !line.starts_with(b"\xEF") {
        assert_eq!(join(&[line, b"\n", event])[0], (1, verdict.clone()));
    }
    if is_grammatical(line) {
        let array = join(&[b" [", event, b",", line, b" , ", line, b"]\n"]);
        assert_eq!(array.len(), 3, "{array:?}");
        assert!(array[1..].iter().all(|(_, found)| found == verdict), "{array:?}");
    }
    if verdict.is_ok() && Event::from_json(line, &RULES).is_ok() {
        let found = read(&mut &*over_lines(line));
        let [(1, Ok(spread))] = &found[..] else { panic!("one event, not {found:?}") };
        assert_eq!(Some(normal(spread)), verdict.as_ref().ok().map(normal));
    }
}

/// A line, and then ones that are nearly the same, so that they are held against its shape.
fn after_its_like(line: &[u8]) {
    let mut lines = [EVENT.as_bytes(), line].join(&b"\n"[..]);
    for at in (0..line.len()).step_by(1 + line.len() / 16) {
        let (before, after) = line.split_at(at);
        let byte = b"\"\\ x0,}]"[(line.len() + at) % 8];
        let after_next = after.get(1..).unwrap_or_default();
        for like in
            [[before, &[byte], after], [before, &[byte], after_next], [before, &[], after_next]]
        {
            lines.push(b'\n');
            lines.extend(like.concat());
        }
    }
    let found = read(&mut &*lines);
    assert_eq!(found, in_blocks(&mut &*lines));
}

/// Breaks lines between tokens.
fn over_lines(text: &[u8]) -> Vec<u8> {
    let (mut out, mut in_string, mut escaped) = (Vec::new(), false, false);
    for byte in text.trim_ascii() {
        out.push(*byte);
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b',' | b':' if !in_string => out.push(b'\n'),
            _ => {}
        }
    }
    out
}

fn normal(event: &Event<'_>) -> Vec<u8> {
    let mut form = Vec::new();
    event.normal_form(&mut form);
    form
}

/// One text: an event comes back from JSON and from a batch; a reject from a rejects file.
fn alone(text: &[u8]) {
    let fact = event::read(text, &Terms::default());
    match Event::from_json(text, &RULES) {
        Ok(event) => comes_back(&event, &fact.expect("the oracle says so too")),
        Err(rejection) => {
            assert_eq!(Some(rejection.reason.name()), fact.err());
            assert!(!rejection.detail.is_empty());
            let mut line = String::new();
            write_reject("a file", 7, &rejection, trim_blanks(text), &mut line);
            assert_eq!(line.bytes().filter(|byte| *byte == b'\n').count(), 1, "{line}");
            assert_eq!(read(&mut line.as_bytes()), [(1, Err(rejection.reason))], "{line}");
        }
    }
}

/// Without the blanks of JSON around it; a form feed is none.
fn trim_blanks(text: &[u8]) -> &[u8] {
    let is_ink = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let end = text.iter().rposition(is_ink).map_or(0, |last| last + 1);
    let start = text.iter().position(is_ink).unwrap_or(end);
    &text[start..end]
}

fn comes_back(event: &Event<'_>, fact: &Fact) {
    let mut line = String::new();
    event.to_json(RULES.currency, &mut line);
    let value: serde_json::Result<serde_json::Value> = serde_json::from_str(&line);
    let is_number = |error: &serde_json::Error| error.to_string().contains("out of range");
    assert!(value.as_ref().err().is_none_or(is_number), "{line}");
    assert_eq!(Event::from_json(line.as_bytes(), &RULES).as_ref(), Ok(event), "{line}");
    assert_eq!(event::read(line.as_bytes(), &Terms::default()).as_ref(), Ok(fact), "{line}");
    let row = match event.kind {
        Kind::CustomerNew => RowKind::CustomerNew,
        Kind::CustomerUpdate => RowKind::CustomerUpdate,
        Kind::SiteVisitNew => RowKind::Visit,
        Kind::ImageUpload => RowKind::Image,
        Kind::OrderNew => RowKind::OrderNew,
        Kind::OrderUpdate => RowKind::OrderStale,
    };
    let is_update = event.kind == Kind::OrderUpdate;
    let order_seq = is_update.then_some(3);
    let customer = if event.kind == Kind::CustomerNew { 5 } else { 4 };
    let mut builder = BatchBuilder::new();
    builder.push(event, &Placement { row, customer, superseded: None, order_seq });
    let mut body = Vec::new();
    builder.encode(5, 1, &mut body);
    let batch = Batch::decode(&body, 9, 1).expect("what is written is read");
    batch.check().expect("what is written keeps every rule");
    let rows = batch.rows().expect("what is written is read");
    let row = rows.get(0).expect("one row was written");
    let customer = if event.kind.is_customer() { &event.key } else { &event.customer_id };
    assert_eq!(row.to_event(row.key.unwrap_or(""), customer).as_ref(), Some(event));
}

/// A source that gives a few bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    /// The next piece has so many bytes.
    bytes: usize,
    most: u8,
}

impl<'a> Pieces<'a> {
    fn new(rest: &'a [u8], most: u8) -> Pieces<'a> {
        Pieces { rest, bytes: 1, most: most.max(1) }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.rest[..self.bytes.min(self.rest.len())])
    }

    fn consume(&mut self, count: usize) {
        self.rest = &self.rest[count..];
        self.bytes -= count;
        if self.bytes == 0 {
            // Lengths that repeat only after a while.
            self.bytes = 1 + (self.rest.len() * 7 + 3) % usize::from(self.most);
        }
    }
}
