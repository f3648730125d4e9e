//! The binary against the oracle: files in every form in, JSON, rejects and exports out.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::model::event::{self, Terms};
use crate::model::instant::{self, DAY_US};
use crate::model::json::{Json, parse, parse_loosely};
use crate::model::statistics::{Figures, Frame, Query, decimal};
use crate::model::{Model, Outcome};
use crate::product::queries;
use crate::random::file::File;
use crate::random::{Random, Scenario, each_seed};

#[test]
fn random_calls() {
    each_seed("binary::random_calls", 40_000, 25, |seed| {
        let scenario = Scenario::new(seed);
        if scenario.terms.time_range_us.0 % DAY_US != 0 || scenario.terms.time_range_us.0 < 0 {
            return; // The command line takes dates from year 0 to 9999.
        }
        let dir = tempfile::tempdir().expect("a directory");
        let mut bench =
            Bench { dir: dir.path(), model: Model::new(scenario.terms), random: scenario.random };
        for call in &scenario.calls {
            bench.append(&call.texts, call.strict);
        }
        bench.append(&[], false);
        bench.answers();
        bench.export();
    });
}

/// A log in a directory, its oracle, and what goes wrong between them.
struct Bench<'a> {
    dir: &'a Path,
    model: Model,
    random: Random,
}

/// The files of a call.
#[derive(Default)]
struct Input {
    names: Vec<String>,
    stdin: Option<Vec<u8>>,
    /// What is in them, and the name and line of each.
    items: Vec<Vec<u8>>,
    places: Vec<(String, u64)>,
    is_broken: bool,
}

impl Bench<'_> {
    fn run(&self, args: &[&str], input: Option<&[u8]>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ltvlog"));
        command
            .current_dir(self.dir)
            .env_remove("LTVLOG_DIR")
            .env_remove("LTVLOG_SERVER")
            .args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.unwrap_or_default().to_vec();
        let feeder = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("its end");
        drop(feeder.join());
        output
    }

    /// Runs a command that prints one JSON value.
    fn json(&self, args: &[&str], input: Option<&[u8]>, code: i32) -> Json {
        let output = self.run(args, input);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        parse(&output.stdout).unwrap_or_else(|| panic!("{args:?} printed {out}{err}"))
    }

    /// Texts as one to three files, of which standard input may be one.
    fn write(&mut self, texts: &[Vec<u8>]) -> Input {
        let mut input = Input::default();
        let count = 1 + self.random.below(3);
        for (number, part) in texts.chunks(texts.len() / count + 1).enumerate() {
            let file = File::new(&mut self.random, part);
            let is_stdin = input.stdin.is_none() && self.random.percent(20);
            let name = if is_stdin { "-".to_owned() } else { format!("in {number}") };
            for (line, text) in file.items {
                input.items.push(text);
                input.places.push((name.clone(), line));
            }
            if file.is_broken {
                // What stands for the lost part: the oracle rejects it for the same reason.
                input.items.push(b"lost".to_vec());
                input.places.push((name.clone(), 0));
                input.is_broken = true;
            }
            let bytes = packed(&mut self.random, file.bytes);
            if is_stdin {
                input.stdin = Some(bytes);
            } else {
                fs::write(self.dir.join(&name), bytes).expect("a file");
            }
            input.names.push(name);
        }
        input
    }

    /// One call.
    fn append(&mut self, texts: &[Vec<u8>], strict: bool) {
        let input = self.write(texts);
        let mut args: Vec<String> =
            ["append", "--format", "json", "--log", "log"].map(str::to_owned).to_vec();
        args.extend(terms_args(&self.model.terms));
        args.extend(input.names.iter().cloned());
        if strict {
            args.push("--strict".to_owned());
        } else {
            drop(fs::remove_file(self.dir.join("rejects")));
            args.extend(["--rejects".to_owned(), "rejects".to_owned()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if !strict {
            let outcome = self.model.call(&input.items);
            self.receipt(&args, input.stdin.as_deref(), &outcome);
            return self.rejects(&input, &outcome);
        }
        match self.model.strict_call(&input.items) {
            Ok(outcome) => self.receipt(&args, input.stdin.as_deref(), &outcome),
            Err(_) => {
                let output = self.run(&args, input.stdin.as_deref());
                assert_eq!(output.status.code(), Some(1), "a strict call with rejects");
            }
        }
    }

    /// The rejects file says what was rejected, why and where, and is as good as its sources.
    fn rejects(&mut self, input: &Input, outcome: &Outcome) {
        let text = fs::read(self.dir.join("rejects")).unwrap_or_default();
        let lines: Vec<_> =
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let wanted = outcome.rejected.iter().map(|(at, reason)| {
            let (file, line) = &input.places[*at];
            (file.clone(), *line, (*reason).to_owned())
        });
        let found = lines.iter().map(|line| {
            let reject = reject_of(line);
            let text = |name| match reject.get(name) {
                Some(Json::Text(text) | Json::Number(text)) => text.clone(),
                other => panic!("{name} is {other:?}"),
            };
            (text("file"), text("line").parse().expect("a line"), text("reason"))
        });
        let (mut wanted, mut found): (Vec<_>, Vec<_>) = (wanted.collect(), found.collect());
        if input.is_broken {
            // Where a break is noticed is not said anywhere.
            for (_, line, _) in wanted.iter_mut().chain(&mut found) {
                *line = 0;
            }
        }
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
        if !input.is_broken && self.random.percent(50) {
            // The rejects as input are the same events, in the order in which they were rejected.
            let again: Vec<_> = lines.iter().map(|line| original(line)).collect();
            let outcome = self.model.call(&again);
            let args = ["append", "--format", "json", "--log", "log", "rejects"];
            self.receipt(&args, None, &outcome);
        }
    }

    fn receipt(&self, args: &[&str], input: Option<&[u8]>, outcome: &Outcome) {
        let receipt = self.json(args, input, if outcome.rejected.is_empty() { 0 } else { 3 });
        let number = |count: u64| Json::Number(count.to_string());
        let reasons =
            outcome.reasons.iter().map(|(name, count)| ((*name).to_owned(), number(*count)));
        let wanted = Json::Object(vec![
            ("accepted".to_owned(), number(outcome.accepted)),
            ("duplicates".to_owned(), number(outcome.duplicates)),
            ("rejected".to_owned(), number(outcome.rejected.len() as u64)),
            ("reasons".to_owned(), Json::Object(reasons.collect())),
            ("end".to_owned(), number(self.model.log.len() as u64)),
            ("synced".to_owned(), Json::Bool(true)),
        ]);
        assert_eq!(receipt.normal(), wanted.normal(), "{args:?}");
    }

    fn answers(&mut self) {
        let mut random = self.random.clone();
        for query in queries(&mut random, &self.model) {
            let ranking = self.model.ranking(&query);
            let x = 1 + random.below(ranking.len() + 2);
            let options = query_args(&query);
            let options = options.iter().map(String::as_str);
            let x_text = x.to_string();
            let mut args = vec!["top", &x_text, "--log", "log", "--format", "json"];
            args.extend(options.clone());
            let top = self.json(&args, None, 0);
            let best = ranking.iter().take(x).enumerate();
            let best = best.map(|(at, one)| customer(one, Some(at + 1))).collect();
            let wanted = top_object(&self.model, &query, top.get("frame"), best);
            assert_eq!(top.normal(), wanted, "{args:?}");
            if let Some(one) = ranking.first().filter(|one| !one.id.contains('\0')) {
                let mut args = vec!["stats", "--log", "log", "--format", "json"];
                args.extend(options);
                args.extend(["--", &one.id]);
                let found = self.json(&args, None, 0);
                assert_eq!(found.normal(), Json::Array(vec![customer(one, None)]), "{args:?}");
            }
        }
        let replay = self.json(&["replay", "--log", "log", "--format", "json"], None, 0);
        assert_eq!(replay.get("digest"), Some(&Json::Text(self.model.digest())));
        let verify = self.json(&["--format", "json", "verify", "--log", "log"], None, 0);
        assert_eq!(verify.get("ok"), Some(&Json::Bool(true)));
    }

    /// The export is the log, a duplicate of its source, and as good as a log to ask.
    fn export(&self) {
        let output = self.run(&["export", "--log", "log"], None);
        assert_eq!(output.status.code(), Some(0));
        let lines: Vec<_> =
            output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), self.model.log.len());
        for (line, fact) in lines.iter().zip(&self.model.log) {
            let read = event::read(line, &self.model.terms);
            assert_eq!(read.as_ref(), Ok(fact), "{}", String::from_utf8_lossy(line));
        }
        let count = Json::Number(lines.len().to_string());
        let again =
            self.json(&["append", "--log", "log", "--format", "json"], Some(&output.stdout), 0);
        assert_eq!(again.get("duplicates"), Some(&count));
        let mut args = vec!["top", "1000000", "-", "--format", "json"];
        let terms = terms_args(&self.model.terms);
        args.extend(terms.iter().map(String::as_str));
        let top = self.json(&args, Some(&output.stdout), 0);
        let ranking = self.model.ranking(&Query::default());
        let wanted = ranking.iter().enumerate().map(|(at, one)| customer(one, Some(at + 1)));
        let Some(Json::Array(found)) = top.get("customers") else { panic!("{top:?}") };
        assert_eq!(found.iter().map(Json::normal).collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    }
}

/// A line of a rejects file; names may be repeated in it where they were in the event.
fn reject_of(line: &[u8]) -> Json {
    parse_loosely(line).unwrap_or_else(|| panic!("no JSON: {}", String::from_utf8_lossy(line)))
}

/// The text that a line of a rejects file was made of.
fn original(line: &[u8]) -> Vec<u8> {
    let reject = reject_of(line);
    let plain = |value: &Json| {
        let mut out = String::new();
        crate::random::spell::plain(value, &mut out);
        out.into_bytes()
    };
    match (reject.get("event").expect("an event"), reject.get("encoding")) {
        (_, Some(_)) => b"\xff".to_vec(),
        // A text that was no JSON, or JSON that was a text: rejected for the reason it had.
        (Json::Text(text), None) => match reject.get("reason") {
            Some(Json::Text(reason)) if reason == "not_an_object" => plain(&Json::text(text)),
            _ => text.clone().into_bytes(),
        },
        (value, None) => plain(value),
    }
}

/// Plain, or packed in one of the ways that are told by content.
fn packed(random: &mut Random, bytes: Vec<u8>) -> Vec<u8> {
    match random.below(4) {
        0 => {
            // Two members, as `cat a.gz b.gz` makes them.
            let (head, tail) = bytes.split_at(random.below(bytes.len() + 1));
            let pack = |part: &[u8]| {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(part).and_then(|()| encoder.finish()).expect("memory takes all")
            };
            [pack(head), pack(tail)].concat()
        }
        1 => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(bytes.as_slice(), level)
        }
        _ => bytes,
    }
}

fn terms_args(terms: &Terms) -> Vec<String> {
    let mut args = Vec::new();
    if terms.currency != "USD" {
        args.extend(["--currency".to_owned(), terms.currency.clone()]);
    }
    let (from, to) = terms.time_range_us;
    if terms.time_range_us != Terms::default().time_range_us {
        args.push(format!("--time-range={}..{}", day(from / DAY_US), day(to / DAY_US)));
    }
    args
}

fn day(days: i64) -> String {
    let (year, month, day) = instant::date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn query_args(query: &Query) -> Vec<String> {
    let frame = match query.frame {
        Frame::Dataset => "dataset".to_owned(),
        Frame::Customer => "customer".to_owned(),
        Frame::Window(from, to) => format!("{}..{}", day(from), day(to)),
    };
    let millis = query.lifespan_millis;
    vec![
        format!("--frame={frame}"),
        format!("--week-start={}", if query.monday { "monday" } else { "sunday" }),
        format!("--lifespan-years={}.{:03}", millis / 1_000, millis % 1_000),
    ]
}

/// What `top` prints. Each customer's own frame is no frame of all: there what it says is taken.
fn top_object(model: &Model, query: &Query, said: Option<&Json>, customers: Vec<Json>) -> Json {
    let span = match query.frame {
        _ if model.log.is_empty() => None,
        Frame::Window(from, to) => Some((from * DAY_US, (to + 1) * DAY_US - 1)),
        Frame::Dataset | Frame::Customer => model.span(),
    };
    let frame = span.map_or(Json::Null, |(first_us, last_us)| {
        let weeks = instant::weeks(first_us, last_us, query.monday);
        object([
            ("first", Json::Text(instant::write_shortest(first_us))),
            ("last", Json::Text(instant::write_shortest(last_us))),
            ("weeks", Json::Number(weeks.to_string())),
        ])
    });
    let frame = match (query.frame, said) {
        (Frame::Customer, Some(said)) => said.clone(),
        _ => frame,
    };
    let years = format!("{}.{:03}", query.lifespan_millis / 1_000, query.lifespan_millis % 1_000);
    object([
        ("currency", Json::text(&model.terms.currency)),
        ("lifespan_years", Json::Number(years)),
        ("frame", frame),
        ("end", Json::Number(model.log.len().to_string())),
        ("customers", Json::Array(customers)),
    ])
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into()).normal()
}

/// A customer object of `top`, or with no rank of `stats`.
fn customer(one: &Figures, rank: Option<usize>) -> Json {
    let text = |text: &Option<String>| text.as_deref().map_or(Json::Null, Json::text);
    let number = |number: i64| Json::Number(number.to_string());
    let mut members = vec![
        ("customer_id", Json::text(&one.id)),
        ("last_name", text(&one.fields[0])),
        ("ltv", Json::Text(decimal(one.ltv_cents))),
        ("revenue", Json::Text(decimal(one.revenue_cents.into()))),
        ("visits", number(one.visits)),
        ("orders", number(one.orders)),
        (
            "revenue_per_visit",
            one.per_visit_cents.map_or(Json::Null, |cents| Json::Text(decimal(cents))),
        ),
        ("visits_per_week", Json::Text(decimal(one.visits_per_week_hundredths))),
    ];
    match rank {
        Some(rank) => members.push(("rank", number(rank as i64))),
        None => members.extend([
            ("first_event", Json::Text(instant::write_shortest(one.first_us))),
            ("last_event", Json::Text(instant::write_shortest(one.last_us))),
            ("adr_city", text(&one.fields[1])),
            ("adr_state", text(&one.fields[2])),
        ]),
    }
    let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
    Json::Object(members.collect()).normal()
}
