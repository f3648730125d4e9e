//! Reading in blocks, on any number of threads, gives what reading event by event gives; nobody
//! waits for what was read already; memory stays bounded.

use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use ltvlog::{
    CallOptions, Error, Event, EventBlock, Flow, Incoming, Options, ReadError, Rejected, Rejection,
    Store, read_blocks, read_events,
};

use crate::events::{RULES, SAMPLE};
use crate::reading::{event, pretty, sources};

const THREADS: [usize; 4] = [0, 1, 2, 5];

/// All that is said of one event: its line, its text, and itself or why there is none.
type Said = (u64, Vec<u8>, Result<Event<'static>, Rejection>);

/// How reading ended.
type Ended = Result<Flow, String>;

fn said(incoming: Incoming<'_>) -> Said {
    (incoming.line, incoming.text.to_vec(), incoming.event.map(Event::into_owned))
}

fn ended(outcome: Result<Flow, ReadError>) -> Ended {
    outcome.map_err(|error| format!("{error:?}"))
}

fn one_by_one(source: &mut dyn BufRead) -> (Vec<Said>, Ended) {
    let mut found = Vec::new();
    let flow = read_events(source, &RULES, &mut |incoming| {
        found.push(said(incoming));
        Ok(Flow::Continue)
    });
    (found, ended(flow))
}

fn in_blocks(source: &mut (dyn BufRead + Send), threads: usize) -> (Vec<Said>, Ended) {
    let mut found = Vec::new();
    let flow = read_blocks(source, &RULES, threads, &mut |block| {
        assert!(!block.is_empty(), "nothing is handed over");
        found.extend((0..block.len()).map(|at| said(block.get(at).expect("there are so many"))));
        assert!(block.get(block.len()).is_none() && block.names(block.len()).is_none());
        for at in 0..block.len() {
            let incoming = block.get(at).expect("there are so many");
            let names = incoming.event.as_ref().ok().map(|it| (it.kind, &*it.key, it.customer()));
            assert_eq!(block.names(at), names);
        }
        Ok(Flow::Continue)
    });
    (found, ended(flow))
}

/// Gives a text a few bytes at a time, then what `last` is.
struct Pieces<'a> {
    rest: &'a [u8],
    bytes: usize,
    last: Option<io::Error>,
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
        match self.last.take_if(|_| self.rest.is_empty()) {
            Some(error) => Err(error),
            None => Ok(&self.rest[..self.bytes.min(self.rest.len())]),
        }
    }

    fn consume(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }
}

/// Blocks give what single events give, whatever the pieces and the threads.
pub fn assert_same(text: &[u8], sizes: &[usize], error: Option<fn() -> io::Error>) {
    for bytes in sizes {
        let source = || Pieces { rest: text, bytes: *bytes, last: error.map(|error| error()) };
        let expected = one_by_one(&mut source());
        for threads in THREADS {
            let found = in_blocks(&mut source(), threads);
            let shown = String::from_utf8_lossy(text);
            assert_eq!(found, expected, "{threads} threads, pieces of {bytes}: {shown:?}");
        }
    }
}

#[test]
fn every_source_is_read_as_event_by_event() {
    for text in sources() {
        assert_same(text.as_bytes(), &[1, 2, 7, 64, 500, usize::MAX], None);
        for cut in (0..text.len()).step_by(5) {
            assert_same(&text.as_bytes()[..cut], &[1, 100, usize::MAX], None);
        }
    }
}

#[test]
fn a_source_that_fails_fails_as_event_by_event() {
    let errors: [fn() -> io::Error; 4] = [
        || io::Error::from_raw_os_error(5),
        || io::ErrorKind::TimedOut.into(),
        || io::Error::new(io::ErrorKind::InvalidData, "no archive"),
        || io::ErrorKind::UnexpectedEof.into(),
    ];
    for text in sources() {
        for error in errors {
            for cut in (0..=text.len()).step_by(9) {
                assert_same(&text.as_bytes()[..cut], &[3, usize::MAX], Some(error));
            }
        }
    }
    // Asked again, a source that was interrupted goes on.
    assert_same(SAMPLE.join("\n").as_bytes(), &[40], Some(|| io::ErrorKind::Interrupted.into()));
}

/// Lines longer than a piece, and than what is kept of one; many pieces; all kinds of lines.
#[test]
fn long_sources_and_long_lines_are_read_as_event_by_event() {
    let wide =
        |bytes: usize| event("wide").replace('}', &format!(",\"x\":\"{}\"}}", "y".repeat(bytes)));
    let mut text = String::new();
    for n in 0..12_000 {
        text.push_str(&event(&format!("k{n}")));
        text.push_str(["\n", "\r\n", " \n", "\n\n"][n % 4]);
        match n {
            1_000 | 9_000 => text.push_str(&format!("{}\n", wide(900 << 10))),
            2_000 => text.push_str(&format!("{}\n{{\n{}", wide(2 << 20), wide(2 << 20))),
            3_000 => text.push_str(&format!("[{}]\n17\n", SAMPLE[0])),
            4_000 => text.push_str(&format!("{}\n", "z".repeat(17 << 20))),
            _ => {}
        }
    }
    text.push_str(&event("last"));
    assert!(one_by_one(&mut text.as_bytes()).0.len() > 12_000);
    assert_same(text.as_bytes(), &[100_000, usize::MAX], None);
    let array = format!(
        "[{}]",
        text.lines()
            .filter(|line| line.starts_with('{') && line.ends_with('}') && line.len() < 1_000)
            .collect::<Vec<_>>()
            .join(",\n")
    );
    assert!(one_by_one(&mut array.as_bytes()).0.len() > 8_000);
    assert_same(array.as_bytes(), &[1 << 20], None);
}

#[test]
fn whoever_takes_blocks_may_stop_or_fail() {
    let lines = SAMPLE.join("\n") + "\n";
    for text in [lines.repeat(2_000), format!("[{}]", vec![SAMPLE.join(","); 2_000].join(","))] {
        for threads in THREADS {
            let mut blocks = 0;
            let mut source = Pieces { rest: text.as_bytes(), bytes: 10_000, last: None };
            let flow = read_blocks(&mut source, &RULES, threads, &mut |_| {
                blocks += 1;
                Ok(if blocks == 3 { Flow::Stop } else { Flow::Continue })
            });
            assert_eq!((flow.expect("no error"), blocks), (Flow::Stop, 3));
            let mut source = Pieces { rest: text.as_bytes(), bytes: 10_000, last: None };
            let failed = read_blocks(&mut source, &RULES, threads, &mut |_| {
                blocks += 1;
                Err(Error::Rejected { count: 1 })
            });
            assert!(matches!(failed, Err(ReadError::Receiver(Error::Rejected { count: 1 }))));
            assert_eq!(blocks, 4, "nothing is given behind a failure");
        }
    }
}

/// A source that is not read on before everything it gave was taken.
struct Patient<'a> {
    /// What each read gives, and how many events are whole by then.
    parts: Vec<(&'a str, usize)>,
    at: usize,
    place: usize,
    taken: Arc<(Mutex<usize>, Condvar)>,
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Patient<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.parts.get(self.at).is_some_and(|(text, _)| self.place == text.len()) {
            let (taken, changed) = &*self.taken;
            let wanted = self.parts[self.at].1;
            let waited = changed
                .wait_timeout_while(taken.lock().unwrap(), Duration::from_secs(20), |taken| {
                    *taken < wanted
                })
                .unwrap();
            assert!(!waited.1.timed_out(), "events are kept back: {} of {wanted}", waited.0);
            drop(waited);
            (self.at, self.place) = (self.at + 1, 0);
        }
        let part = self.parts.get(self.at).map_or("", |(text, _)| text);
        Ok(&part.as_bytes()[self.place..])
    }

    fn consume(&mut self, count: usize) {
        self.place += count;
    }
}

#[test]
fn no_event_is_kept_back_while_the_source_is_waited_for() {
    let (a, b, c) = (event("a"), event("b"), pretty("c"));
    let sources: [Vec<(String, usize)>; 4] = [
        vec![
            (format!("{a}\n"), 1),
            (format!("{b}\n{a}\n{}", &b[..9]), 3),
            (format!("{}\n", &b[9..]), 4),
        ],
        vec![
            (format!("[{a}"), 1),
            (format!(",\n{b}"), 2),
            (format!(",{a},{b},"), 4),
            ("]".into(), 4),
        ],
        vec![
            (c.clone(), 1),
            (format!("\n{c}"), 2),
            (format!("\n{a}\n"), 3),
            (format!("{b}\n{b}\n"), 5),
        ],
        vec![(format!("17\n{a}\n"), 2), ("x\n".into(), 3)],
    ];
    for parts in &sources {
        for threads in THREADS {
            let taken = Arc::new((Mutex::new(0), Condvar::new()));
            let parts = parts.iter().map(|(text, events)| (&**text, *events)).collect();
            let mut source = Patient { parts, at: 0, place: 0, taken: Arc::clone(&taken) };
            let flow = read_blocks(&mut source, &RULES, threads, &mut |block| {
                *taken.0.lock().unwrap() += block.len();
                taken.1.notify_all();
                Ok(Flow::Continue)
            });
            assert_eq!(flow.expect("no error"), Flow::Continue);
        }
    }
}

/// Counts what was read.
struct Counted<'a, R> {
    inner: R,
    count: &'a AtomicUsize,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(into)?;
        self.count.fetch_add(length, Ordering::SeqCst);
        Ok(length)
    }
}

#[test]
fn readers_wait_for_whoever_takes_the_blocks() {
    let line = SAMPLE[0].to_owned() + "\n";
    for threads in THREADS {
        let count = AtomicUsize::new(0);
        let text = line.repeat((20 << 20) / line.len());
        let counted = Counted { inner: text.as_bytes(), count: &count };
        let mut source = io::BufReader::with_capacity(256 << 10, counted);
        let (mut taken, mut most) = (0, 0);
        let flow = read_blocks(&mut source, &RULES, threads, &mut |block| {
            if taken < 4 << 20 {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            most = most.max(count.load(Ordering::SeqCst) - taken);
            taken += block.len() * line.len();
            Ok(Flow::Continue)
        });
        assert_eq!((flow.expect("no error"), taken), (Flow::Continue, text.len()));
        assert!(
            most <= (threads + 3) * (512 << 10) + (256 << 10),
            "{most} bytes ahead, {threads} threads"
        );
    }
}

/// Each line takes a hundred bytes or more as a rejection, whatever it takes in the source.
#[test]
fn a_block_has_thousands_of_short_lines_and_no_more() {
    for (line, most) in [("1\n", 8_300), ("{}\n", 8_300), ("17,18,19,20\n", 9_000)] {
        let text = line.repeat(400_000);
        for threads in THREADS {
            let (mut lines, mut largest) = (0, 0);
            read_blocks(&mut text.as_bytes(), &RULES, threads, &mut |block| {
                lines += block.len();
                largest = largest.max(block.len());
                Ok(Flow::Continue)
            })
            .unwrap();
            assert_eq!(lines, 400_000);
            assert!(largest <= most, "{largest} lines of {line:?} in a block");
        }
    }
}

#[test]
fn a_source_that_panics_keeps_nobody_waiting() {
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("as it was told to");
        }
    }
    for threads in THREADS {
        let mut source = io::BufReader::new(Panics);
        let read = || read_blocks(&mut source, &RULES, threads, &mut |_| Ok(Flow::Continue));
        assert!(catch_unwind(AssertUnwindSafe(read)).is_err());
    }
}

/// What a call came to: its receipt, what it rejected, and all that the log has.
fn appended(text: &str, threads: Option<usize>) -> (ltvlog::Receipt, Vec<Said>, Vec<String>) {
    let mut store = Store::scratch(Options::default()).unwrap();
    let rules = store.rules().clone();
    let mut rejects = Vec::new();
    let mut on_reject = |one: &Rejected<'_>| {
        assert_eq!(one.origin.source, 7);
        rejects.push((one.origin.line, one.text.to_vec(), Err(one.rejection.clone())));
        Ok(())
    };
    let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
    let mut call = store.call(options).unwrap();
    let mut source = text.as_bytes();
    match threads {
        Some(threads) => read_blocks(&mut source, &rules, threads, &mut |block: &EventBlock| {
            call.push_block(block, 7).map(|()| Flow::Continue)
        }),
        None => read_events(&mut source, &rules, &mut |incoming| {
            let at = ltvlog::Origin { source: 7, line: incoming.line };
            match &incoming.event {
                Ok(event) => call.push(event, incoming.text, at)?,
                Err(rejection) => call.reject(rejection, incoming.text, at)?,
            }
            Ok(Flow::Continue)
        }),
    }
    .unwrap();
    let receipt = call.finish().unwrap();
    let mut log = Vec::new();
    store
        .records(0, &mut |record| {
            log.push(format!("{record:?}"));
            Ok(true)
        })
        .unwrap();
    (receipt, rejects, log)
}

/// Duplicates, rejects of readers and of admission, and events that wait for their customer.
#[test]
fn a_block_is_taken_in_as_its_events_are() {
    let mut lines: Vec<String> = Vec::new();
    for n in 0..3_000 {
        let sample = SAMPLE[n % 4];
        // The customer of every fourth group comes last or never.
        let group = n / 4;
        let customer = format!("customer {}", if group % 5 == 0 { 3_000 - group } else { group });
        let text = sample
            .replace("96f55c7d8f42", &customer)
            .replace("\"key\": \"a", &format!("\"key\": \"{n}"));
        lines.push(match n % 97 {
            7 => text.replace("USD", "EUR").replace("NEW", "OLD"),
            8 => text[..text.len() - 3].to_owned(),
            9 => format!("{text}\n{text}"),
            _ => text
                .replace("\"key\": \"d8", &format!("\"key\": \"{n}"))
                .replace("\"key\": \"6", &format!("\"key\": \"{n}")),
        });
    }
    let text = lines.join("\n");
    let expected = appended(&text, None);
    assert!(
        expected.0.duplicates > 5 && expected.1.len() > 100 && expected.2.len() > 2_000,
        "{:?}",
        expected.0
    );
    for threads in THREADS {
        let found = appended(&text, Some(threads));
        assert_eq!(found.0, expected.0);
        assert!(found.1 == expected.1 && found.2 == expected.2, "other rejects or another log");
    }
}
