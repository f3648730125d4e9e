//! Sources that break, fail, or have no end: what each costs, and that memory stays bounded.

use std::io::{self, BufReader, Read};

use ltvlog::{Flow, ReadError, Reason, read_events};

use crate::events::{RULES, SAMPLE};
use crate::reading::{event, pretty, try_read};

/// Gives a text, then an error.
struct Breaking<'a>(&'a [u8], Option<io::Error>);

impl Read for Breaking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => self.1.take().map_or(Ok(0), Err),
            length => Ok(length),
        }
    }
}

#[test]
fn a_broken_archive_costs_what_follows_the_break() {
    let (a, b) = (event("a"), event("b"));
    for (text, line, rest) in [
        (format!("{a}\n{b}"), 2, b.as_str()),
        (format!("{a}\n"), 2, ""),
        (format!("[{a},\n{}", &b[..9]), 2, &b[..9]),
        (format!("[{a}\n"), 2, ""),
        (format!("{}\n{}", pretty("a"), "{\n\"x\":1"), 7, "{\n\"x\":1"),
    ] {
        for kind in [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::InvalidData,
            io::ErrorKind::InvalidInput,
            io::ErrorKind::Other,
        ] {
            let source = Breaking(text.as_bytes(), Some(io::Error::new(kind, "no more")));
            let mut found = Vec::new();
            let flow = read_events(&mut BufReader::new(source), &RULES, &mut |incoming| {
                let text = String::from_utf8_lossy(incoming.text).into_owned();
                found.push((
                    incoming.line,
                    incoming.event.map(|event| event.key.to_string()),
                    text,
                ));
                Ok(Flow::Continue)
            });
            assert_eq!(flow.expect("no error"), Flow::Continue);
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(found[0].1, Ok("a".to_owned()));
            let rejection = found[1].1.as_ref().expect_err("the break");
            assert_eq!(rejection.reason, Reason::MalformedJson);
            assert!(rejection.detail.contains("no more"), "{}", rejection.detail);
            assert!(rejection.detail.contains("what follows is lost"), "{}", rejection.detail);
            assert_eq!((found[1].0, found[1].2.as_str()), (line, rest));
        }
    }
}

#[test]
fn an_error_of_the_system_is_an_error_and_an_interruption_none() {
    let a = event("a");
    for error in [
        io::Error::from_raw_os_error(5),
        io::Error::from_raw_os_error(22),
        io::ErrorKind::PermissionDenied.into(),
    ] {
        let kind = error.kind();
        let source = Breaking(a.as_bytes(), Some(error));
        match try_read(&mut BufReader::new(source)) {
            Err(ReadError::Source(error)) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
    }
    let source = Breaking(a.as_bytes(), Some(io::ErrorKind::Interrupted.into()));
    assert_eq!(try_read(&mut BufReader::new(source)).expect("no error").len(), 1);
}

#[test]
fn whoever_receives_events_may_stop_or_fail() {
    for text in [
        SAMPLE.join("\n"),
        format!("[{}]", SAMPLE.join(",")),
        format!("{}\n{}", pretty("a"), pretty("b")),
    ] {
        let mut count = 0;
        let flow = read_events(&mut text.as_bytes(), &RULES, &mut |_| {
            count += 1;
            Ok(if count == 2 { Flow::Stop } else { Flow::Continue })
        });
        assert_eq!((flow.expect("no error"), count), (Flow::Stop, 2));
        let failure = || ltvlog::Error::Rejected { count: 1 };
        let result = read_events(&mut text.as_bytes(), &RULES, &mut |_| Err(failure()));
        assert!(matches!(result, Err(ReadError::Receiver(ltvlog::Error::Rejected { count: 1 }))));
    }
}

/// What is much too large is kept in part, counted whole, and costs nothing else.
#[test]
fn a_text_of_any_size_is_read_in_bounded_memory() {
    const HUGE: u64 = 40 << 20;
    let a = event("a");
    let huge = || io::repeat(b'x').take(HUGE);
    let mut sources: Vec<(Box<dyn Read>, u64)> = vec![
        // A first line is counted with its end, as it might be one of several.
        (Box::new(huge().chain(&b"\n"[..]).chain(a.as_bytes())), HUGE + 1),
        (Box::new(a.as_bytes().chain(&b"\n"[..]).chain(huge())), HUGE),
        (
            Box::new(b"[\"".chain(huge()).chain(&b"\","[..]).chain(a.as_bytes()).chain(&b"]"[..])),
            HUGE + 2,
        ),
        (Box::new(b"{\n\"".chain(huge()).chain(&b"\"}\n"[..]).chain(a.as_bytes())), HUGE + 5),
    ];
    for (source, bytes) in &mut sources {
        let mut large = Vec::new();
        let mut events = 0;
        read_events(&mut BufReader::new(source), &RULES, &mut |incoming| {
            match incoming.event {
                Ok(_) => events += 1,
                Err(rejection) => large.push((rejection, incoming.text.len())),
            }
            Ok(Flow::Continue)
        })
        .expect("memory can be read");
        assert_eq!(events, 1);
        let [(rejection, kept)] = &large[..] else { panic!("{large:?}") };
        assert_eq!(rejection.reason, Reason::TooLarge);
        assert!(rejection.detail.contains(&bytes.to_string()), "{}", rejection.detail);
        assert_eq!(*kept, 16 << 20);
    }
}
