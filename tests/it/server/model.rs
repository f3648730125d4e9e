//! Every answer of the server against the oracle's.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::client::{Answer, Connection};
use super::{Home, Server};
use crate::binary::{customer, day, object, packed, terms_args, top_object};
use crate::model::Model;
use crate::model::event::{self, Fact};
use crate::model::instant::DAY_US;
use crate::model::json::{Json, parse};
use crate::model::statistics::{Frame, Query};
use crate::product::queries;
use crate::random::file::File;
use crate::random::spell::plain;
use crate::random::{Random, Scenario, each_seed};

/// The scenario of a seed, and a server on its terms; none if the command line cannot say them.
fn begin(home: &Home, seed: u64) -> Option<(Scenario, Server)> {
    let scenario = Scenario::new(seed);
    if scenario.terms.time_range_us.0 % DAY_US != 0 || scenario.terms.time_range_us.0 < 0 {
        return None;
    }
    let terms = terms_args(&scenario.terms);
    let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
    let server = home.serve(&terms);
    Some((scenario, server))
}

#[test]
fn random_calls() {
    each_seed("server::model::random_calls", 70_000, 25, |seed| {
        let home = Home::new();
        let Some((scenario, server)) = begin(&home, seed) else { return };
        let model = Model::new(scenario.terms);
        let connection = server.open();
        let mut bench = Bench { connection, model, random: scenario.random };
        for call in &scenario.calls {
            bench.append(&call.texts);
        }
        bench.answers();
        bench.customers();
        bench.log();
    });
}

struct Bench {
    connection: Connection,
    model: Model,
    random: Random,
}

impl Bench {
    #[track_caller]
    fn get(&mut self, path: &str) -> Answer {
        self.connection.ask(&format!("GET {path}"), &[], b"").expect("an answer")
    }

    #[track_caller]
    fn get_json(&mut self, path: &str) -> Json {
        let answer = self.get(path);
        assert_eq!((answer.status(), answer.head.media()), (200, "application/json"), "{path}");
        parse(&answer.body).unwrap_or_else(|| panic!("{path}: {}", answer.text())).normal()
    }

    /// One call, in any form.
    fn append(&mut self, texts: &[Vec<u8>]) {
        let file = File::new(&mut self.random, texts);
        let mut items: Vec<_> = file.items.into_iter().map(|(_, text)| text).collect();
        if file.is_broken {
            items.push(b"lost".to_vec());
        }
        let outcome = self.model.call(&items);
        let body = packed(&mut self.random, file.bytes);
        // What it is packed with is told by the body; the header may say so, too.
        let told = match &body[..] {
            [0x1f, 0x8b, ..] => Some("Content-Encoding: gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("Content-Encoding: zstd"),
            _ => None,
        };
        let told = told.filter(|_| self.random.percent(50));
        let answer = self.connection.ask("POST /v1/events", told.as_slice(), &body);
        let answer = answer.expect("an answer");
        let receipt = answer.good();
        assert_eq!(receipt["accepted"], outcome.accepted, "{receipt}");
        assert_eq!(receipt["duplicates"], outcome.duplicates, "{receipt}");
        assert_eq!(receipt["rejected"], outcome.rejected.len(), "{receipt}");
        assert_eq!(receipt["end"], self.model.log.len(), "{receipt}");
        assert_eq!(receipt["synced"], true, "{receipt}");
        let reasons: BTreeMap<String, u64> =
            serde_json::from_value(receipt["reasons"].clone()).expect("reasons");
        let wanted = outcome.reasons.iter().map(|(name, count)| ((*name).to_owned(), *count));
        assert_eq!(reasons, wanted.collect());
        assert_eq!(rejected(&receipt), outcome.rejected.iter().map(own).collect::<Vec<_>>());
    }

    fn answers(&mut self) {
        let mut random = self.random.clone();
        let end = self.model.log.len();
        for query in queries(&mut random, &self.model) {
            let ranking = self.model.ranking(&query);
            let x = 1 + random.below(ranking.len() + 2);
            let asked = query_of(&query);
            let top = self.get_json(&format!("/v1/top?x={x}&min_end={end}&{asked}"));
            let best = ranking.iter().take(x).enumerate();
            let best = best.map(|(at, one)| customer(one, Some(at + 1))).collect();
            let wanted = top_object(&self.model, &query, top.get("frame"), best);
            assert_eq!(top, wanted, "top {x} of {asked}");
            for one in &ranking {
                let path = format!("/v1/customers/{}?{asked}", encoded(&one.id));
                assert_eq!(self.get_json(&path), customer(one, None), "{path}");
            }
            let unknown = self.get(&format!("/v1/customers/no%20such%2Fcustomer?{asked}"));
            unknown.problem(404);
        }
    }

    /// Each customer's events, page by page.
    fn customers(&mut self) {
        let ids: Vec<String> =
            self.model.ranking(&Query::default()).into_iter().map(|one| one.id).collect();
        for id in ids {
            let wanted = events_of(&self.model, &id);
            let (mut found, mut next) = (Vec::new(), Some(0));
            let limit = 1 + self.random.below(wanted.len() + 1);
            while let Some(from) = next {
                let path =
                    format!("/v1/customers/{}/events?from={from}&limit={limit}", encoded(&id));
                let page = self.get(&path);
                let page = parse(&page.body).expect("JSON");
                assert_eq!(page.get("customer_id"), Some(&Json::text(&id)), "{path}");
                let Some(Json::Array(events)) = page.get("events") else { panic!("{page:?}") };
                next = page.get("next").and_then(number);
                assert!(next.is_none() || events.len() == limit, "{path}: {page:?}");
                found.extend(events.iter().map(|record| self.sequence_of(record)));
            }
            assert_eq!(found, wanted, "the events of {id:?}");
        }
        self.get("/v1/customers/nobody%20knows/events").problem(404);
    }

    /// The sequence of a record, whose event is the log's.
    fn sequence_of(&self, record: &Json) -> u64 {
        let sequence = record.get("sequence").and_then(number).expect("a sequence");
        let mut text = String::new();
        plain(record.get("event").expect("an event"), &mut text);
        let read = event::read(text.as_bytes(), &self.model.terms);
        assert_eq!(read.as_ref(), Ok(&self.model.log[sequence as usize]));
        sequence
    }

    fn log(&mut self) {
        let from = self.random.below(self.model.log.len() + 1);
        for from in [0, from] {
            let answer = self.get(&format!("/v1/events?from={from}"));
            assert_eq!((answer.status(), answer.head.media()), (200, "application/x-ndjson"));
            let mut lines: Vec<_> =
                answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
            let last = lines.pop().and_then(parse).expect("a last line");
            let end = Json::Number(self.model.log.len().to_string());
            assert_eq!(last.get("caught_up"), Some(&end));
            assert_eq!(lines.len(), self.model.log.len() - from);
            for (line, at) in lines.into_iter().zip(from..) {
                let head = format!("{{\"sequence\": {at}, \"event\": ");
                let event = line.strip_prefix(head.as_bytes()).expect("a record");
                let event = event.strip_suffix(b"}").expect("its end");
                let read = event::read(event, &self.model.terms);
                assert_eq!(read.as_ref(), Ok(&self.model.log[at]));
            }
        }
        let info = self.get("/v1/info").good();
        assert_eq!(info["end"], self.model.log.len(), "{info}");
        assert_eq!(info["synced_end"], info["end"], "{info}");
        assert_eq!(info["customers"], self.model.ranking(&Query::default()).len(), "{info}");
        assert_eq!(info["currency"], *self.model.terms.currency, "{info}");
        assert_eq!(info["writer"], true, "{info}");
    }
}

/// The sequences of events that name a customer, or that take an order away from it.
fn events_of(model: &Model, id: &str) -> Vec<u64> {
    let mut latest: HashMap<&str, &Fact> = HashMap::new();
    let mut sequences = Vec::new();
    for (fact, sequence) in model.log.iter().zip(0..) {
        let mut is_taken = false;
        if fact.kind == "ORDER" {
            let known = latest.entry(&fact.key).or_insert(fact);
            if fact.at_us >= known.at_us {
                is_taken = known.customer == id;
                *known = fact;
            }
        }
        if is_taken || fact.customer == id {
            sequences.push(sequence);
        }
    }
    sequences
}

fn number(value: &Json) -> Option<u64> {
    match value {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

fn rejected(receipt: &Value) -> Vec<(usize, String)> {
    let rejected = receipt["rejected_events"].as_array().expect("a list").iter();
    rejected
        .map(|one| {
            assert!(one["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{one}");
            let index = one["index"].as_u64().expect("an index") as usize;
            (index, one["reason"].as_str().expect("a reason").to_owned())
        })
        .collect()
}

fn own((at, reason): &(usize, &'static str)) -> (usize, String) {
    (*at, (*reason).to_owned())
}

fn query_of(query: &Query) -> String {
    let frame = match query.frame {
        Frame::Dataset => "dataset".to_owned(),
        Frame::Customer => "customer".to_owned(),
        Frame::Window(from, to) => format!("{}..{}", day(from), day(to)),
    };
    let week_start = if query.monday { "monday" } else { "sunday" };
    let millis = query.lifespan_millis;
    let years = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    format!("frame={frame}&week_start={week_start}&lifespan_years={years}")
}

/// Every byte that could mean anything in a path, as its number.
fn encoded(id: &str) -> String {
    let mut out = String::new();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// A stream is admitted batch by batch, so what one call would have held may come into the log at
/// another place. What must be equal is what does not depend on the place.
#[test]
fn random_streams() {
    each_seed("server::model::random_streams", 80_000, 25, |seed| {
        let home = Home::new();
        let Some((scenario, server)) = begin(&home, seed) else { return };
        let mut random = scenario.random;
        let texts: Vec<_> = scenario.calls.into_iter().flat_map(|call| call.texts).collect();
        let file = File::new(&mut random, &texts);
        let mut items: Vec<_> = file.items.into_iter().map(|(_, text)| text).collect();
        if file.is_broken {
            items.push(b"lost".to_vec());
        }
        let lines = stream(&server, &mut random, packed_or_not(&file.bytes, seed));
        let mut log = Model::new(scenario.terms);
        let mut found: Vec<(usize, String)> = lines.iter().flat_map(rejected).collect();
        found.sort();
        let sum = |name: &str| lines.iter().map(|line| line[name].as_u64().unwrap()).sum::<u64>();
        let count = items.len() as u64;
        assert_eq!(sum("accepted") + sum("duplicates") + sum("rejected"), count);
        assert_eq!(sum("rejected"), found.len() as u64);
        let places: Vec<_> = found.iter().map(|(at, _)| *at).collect();
        assert!(places.windows(2).all(|two| two[0] < two[1]), "rejected twice: {places:?}");
        // The log as it came to be is one that the oracle would accept, event by event.
        let answer = server.get("/v1/events");
        for line in answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(event) = parse(line).and_then(|line| line.get("event").cloned()) {
                let mut text = String::new();
                plain(&event, &mut text);
                assert_eq!(log.call(&[text.into_bytes()]).accepted, 1, "{event:?}");
            }
        }
        assert_eq!(log.log.len() as u64, sum("accepted"));
        // After it nothing of the request is left to accept, and the same is rejected.
        let again = log.clone().call(&items);
        assert_eq!(again.accepted, 0, "{again:?}");
        assert_eq!(again.duplicates, sum("accepted") + sum("duplicates"));
        let reasons = again.rejected.iter().map(own).collect::<Vec<_>>();
        assert_eq!(found, reasons);
        let path = format!("/v1/top?x=10000&min_end={}", log.log.len());
        let top = parse(&server.get(&path).body).expect("JSON").normal();
        let best = log.ranking(&Query::default());
        let best = best.iter().enumerate().map(|(at, one)| customer(one, Some(at + 1))).collect();
        assert_eq!(top, top_object(&log, &Query::default(), None, best));
    });
}

/// Some of the seeds pack what they send.
fn packed_or_not(bytes: &[u8], seed: u64) -> Vec<u8> {
    packed(&mut Random::new(seed), bytes.to_vec())
}

/// Sends a body in pieces, and gives the lines of the answer.
fn stream(server: &Server, random: &mut Random, body: Vec<u8>) -> Vec<Value> {
    let mut connection = server.open();
    let headers = ["Accept: application/x-ndjson", "Transfer-Encoding: chunked"];
    connection.begin("POST /v1/events", &headers).expect("a request");
    let mut rest = &body[..];
    while !rest.is_empty() {
        let most = random.pick(&[3, 50, 500, 5_000, 100_000]);
        let (piece, after) = rest.split_at(rest.len().min(1 + random.below(most)));
        connection.piece(piece).expect("it is taken");
        rest = after;
        if random.percent(5) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    connection.end().expect("it is taken");
    let answer = connection.answer().expect("an answer");
    assert_eq!(answer.head.media(), "application/x-ndjson");
    let lines = answer.lines();
    for line in &lines {
        assert!(line["error"].is_null(), "{line}");
        assert_eq!(line["synced"], true);
    }
    assert!(lines.windows(2).all(|two| two[0]["end"].as_u64() <= two[1]["end"].as_u64()));
    lines
}

#[test]
fn nothing_is_a_call_too() {
    let home = Home::new();
    let server = home.serve(&[]);
    for body in ["", "[]", "\n \n"] {
        let receipt = server.post(body).good();
        assert_eq!((&receipt["accepted"], &receipt["rejected"]), (&0.into(), &0.into()), "{body}");
    }
    let top = parse(&server.get("/v1/top").body).expect("JSON").normal();
    let model = Model::new(event::Terms::default());
    assert_eq!(top, top_object(&model, &Query::default(), None, Vec::new()));
    let caught_up = object([("caught_up", Json::Number("0".to_owned()))]);
    assert_eq!(parse(&server.get("/v1/events").body).expect("JSON").normal(), caught_up);
}
