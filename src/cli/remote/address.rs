//! A server's address, and the addresses of what it tells.

use std::fmt::Write;
use std::net::IpAddr;

use ureq::http::Uri;

use crate::wire::frame_name;
use crate::{Question, WeekStart};

/// Where a server is: `http://127.0.0.1:7878`, or a path on a server that has others, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without a slash at its end.
    text: String,
    host: String,
    is_tls: bool,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Address, String> {
        let wrong = |what: &str| {
            let example = "http://127.0.0.1:7878";
            format!("the address of a server is like {example}, and {text:?} {what}")
        };
        let uri: Uri = text.parse().map_err(|error| wrong(&format!("is none: {error}")))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("does not begin with http:// or https://")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("names no host"))?.to_owned();
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            let reason = "the address of a server has no name or password in it: \
                 LTVLOG_TOKEN or `--token-file FILE` gives a token";
            return Err(reason.to_owned());
        }
        if text.contains(['?', '#']) {
            return Err(wrong("has more than a path behind its host"));
        }
        Ok(Address { text: text.trim_end_matches('/').to_owned(), host, is_tls })
    }

    /// As messages name it.
    pub(super) fn name(&self) -> &str {
        &self.text
    }

    /// The address of something there.
    pub(super) fn of(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Whether what is said there is hidden by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether others on the way there can read what is said.
    pub(super) fn is_open(&self) -> bool {
        !self.is_tls && !self.is_here()
    }

    /// Whether it is this machine, which no proxy knows.
    pub(super) fn is_here(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The path of one customer's statistics.
pub(super) fn customer(id: &str, question: &Question) -> String {
    format!("/v1/customers/{}?{}", escaped(id), query(question))
}

/// The path of the best `x` customers.
pub(super) fn top(x: usize, question: &Question) -> String {
    format!("/v1/top?x={x}&{}", query(question))
}

fn query(question: &Question) -> String {
    let week_start = match question.week_start {
        WeekStart::Sunday => "sunday",
        WeekStart::Monday => "monday",
    };
    let (frame, years) = (frame_name(question.frame), question.lifespan);
    format!("frame={frame}&week_start={week_start}&lifespan_years={years}")
}

/// A text as one part of a path: no slash and no step upwards.
fn escaped(text: &str) -> String {
    let is_step = text == "." || text == "..";
    let mut out = String::new();
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
        if is_plain && !is_step {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_path() {
        for (text, of) in [
            ("http://127.0.0.1:7878", "http://127.0.0.1:7878/v1"),
            ("https://logs.example.com/shop/", "https://logs.example.com/shop/v1"),
            ("http://[::1]:80", "http://[::1]:80/v1"),
        ] {
            assert_eq!(Address::parse(text).unwrap().of("/v1"), of);
        }
        for text in [
            "",
            "localhost:7878",
            "127.0.0.1:7878",
            "ftp://host",
            "http://",
            "http://user:secret@host",
            "http://host?x=1",
            "http://host/#a",
            "http://ho st",
            "/v1",
        ] {
            let refused = Address::parse(text).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (text, is_here) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.0.1", true),
            ("https://[::1]:1", true),
            ("http://localhost", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.is_here(), is_here, "{text}");
            assert_eq!(address.is_open(), !is_here, "{text}");
        }
    }

    #[test]
    fn tls_is_told_by_the_scheme() {
        for (text, is_tls) in [("https://10.0.0.1", true), ("HTTP://10.0.0.1", false)] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.is_tls(), address.is_open()), (is_tls, !is_tls), "{text}");
        }
    }

    #[test]
    fn an_id_is_one_part_of_a_path() {
        for (id, part) in [
            ("96f5-_~.x", "96f5-_~.x"),
            ("a/b?c#d%e f+&", "a%2Fb%3Fc%23d%25e%20f%2B%26"),
            ("é", "%C3%A9"),
            ("..", "%2E%2E"),
            (".", "%2E"),
        ] {
            assert_eq!(escaped(id), part);
        }
        let asked = customer("a b", &Question::default());
        let all = "frame=dataset&week_start=sunday&lifespan_years=10";
        assert_eq!(asked, format!("/v1/customers/a%20b?{all}"));
        let window = "2017-01-01..2017-12-31".parse().unwrap();
        let question =
            Question { frame: window, week_start: WeekStart::Monday, ..Question::default() };
        let asked = top(usize::MAX, &question);
        let all = "frame=2017-01-01..2017-12-31&week_start=monday&lifespan_years=10";
        assert_eq!(asked, format!("/v1/top?x=18446744073709551615&{all}"));
    }
}
