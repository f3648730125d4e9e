//! Standard streams and kinds of input: pipes that close, disks that are full, archives, colour.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Home, Ran, SAMPLE};

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    for args in [
        &["generate", "--events", "200000", "--customers", "10", "--seed", "1"][..],
        &["top", "1"],
        &["top", "1", "events.ndjson", "--format", "json"],
        &["stats", "96f55c7d8f42"],
        &["replay"],
        &["tail"],
        &["export"],
        &["info"],
        &["verify"],
        &["append", "events.ndjson", "--ack"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let mut child =
            home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn events_are_appended_although_nobody_reads_the_receipt() {
    let home = Home::new();
    home.write("mixed.ndjson", format!("{SAMPLE}0\n"));
    let mut child = home
        .command(&["append", "--ack", "mixed.ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(home.done(&["info", "--format", "json"]).json()["end"], 4);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    for args in [
        &["top", "1"][..],
        &["export"],
        &["generate", "--events", "9", "--customers", "1", "--seed", "1"],
        &["append", "events.ndjson"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = Ran::of(home.command(args).stdout(full).output().unwrap());
        assert_eq!(ran.exit, 1, "{args:?}");
        assert!(ran.err.starts_with("error: cannot write standard output: "), "{}", ran.err);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_same_events_in_every_wrapping() {
    let home = Home::new();
    let array = format!("[{}]", SAMPLE.trim_end().replace('\n', ","));
    let wrapped: &[(&str, Vec<u8>)] = &[
        ("ndjson", SAMPLE.into()),
        ("array", array.clone().into()),
        ("crlf", SAMPLE.replace('\n', "\r\n").into()),
        ("blank lines and a byte order mark", format!("\u{feff}\n\n{SAMPLE}\n\n").into()),
        ("gzip", gzip(SAMPLE.as_bytes())),
        (
            "two gzip members",
            [gzip(&SAMPLE.as_bytes()[..50]), gzip(&SAMPLE.as_bytes()[50..])].concat(),
        ),
        ("gzipped array", gzip(array.as_bytes())),
    ];
    for (name, bytes) in wrapped {
        home.write("wrapped", bytes);
        let from_file = home.done(&["append", "--log", name, "--format", "json", "wrapped"]).json();
        assert_eq!(from_file["accepted"], 4, "{name}");
        let from_pipe = home.feed(&["append", "--log", name, "--format", "json"], bytes).json();
        assert_eq!(from_pipe["duplicates"], 4, "{name}");
    }
}

#[test]
fn a_cut_archive_costs_what_follows_the_cut() {
    let home = Home::new();
    let text = home.done(&["generate", "--events", "5000", "--customers", "50", "--seed", "1"]).out;
    let bytes = gzip(text.as_bytes());
    home.write("cut.gz", &bytes[..bytes.len() / 2]);
    let ran = home.run(&["append", "--format", "json", "cut.gz"]);
    assert_eq!(ran.exit, 3);
    let receipt = ran.json();
    assert!(receipt["accepted"].as_u64().unwrap() > 1000, "{receipt}");
    assert_eq!(receipt["reasons"].to_string(), "{\"malformed_json\":1}");
}

#[test]
fn one_event_may_span_lines() {
    let home = Home::new();
    let first = SAMPLE.lines().next().unwrap().replace(", ", ",\n");
    assert_eq!(home.feed(&["append", "--format", "json"], first.as_bytes()).json()["accepted"], 1);
}

#[test]
fn standard_input_is_read_among_files() {
    let home = Home::new();
    let (first, rest) = SAMPLE.split_once('\n').unwrap();
    home.write("rest.ndjson", rest);
    let args = ["append", "--format", "json", "rest.ndjson", "-"];
    assert_eq!(home.feed(&args, first.as_bytes()).json()["accepted"], 4);
    let top = ["top", "1", "--format", "json", "-", "rest.ndjson"];
    assert_eq!(home.feed(&top, first.as_bytes()).json()["end"], 4);
}

/// Runs under a terminal of `script`'s making; nothing where there is no such program.
#[cfg(target_os = "linux")]
fn on_a_terminal(home: &Home, command: &str, variable: Option<(&str, &str)>) -> Option<String> {
    let mut script = std::process::Command::new("script");
    let program = env!("CARGO_BIN_EXE_ltvlog");
    script.args(["-qec", &format!("{program} {command}"), "/dev/null"]);
    // On a build server `CI` asks for colour whatever the terminal is.
    script.env_remove("NO_COLOR").env_remove("CI");
    script.env("TERM", "xterm").envs(variable).current_dir(home.path(".")).stdin(Stdio::null());
    let output = script.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn colour_is_for_terminals_that_want_it() {
    let home = Home::new();
    for command in ["top 1 --log nowhere", "append --nothing", "top 0"] {
        let Some(coloured) = on_a_terminal(&home, command, None) else { return };
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = on_a_terminal(&home, command, Some((name, value))).unwrap();
            assert!(!plain.contains('\u{1b}') && plain.contains("error:"), "{name} {plain:?}");
        }
        let args: Vec<&str> = command.split(' ').collect();
        assert!(!home.run(&args).err.contains('\u{1b}'));
    }
}

/// An event whose customer comes too late is given up when its window ends, not when the input
/// does, and what the window brought is acknowledged.
#[test]
fn a_hold_window_ends_after_so_many_events() {
    let home = Home::new();
    let visit = r#"{"type":"SITE_VISIT","verb":"NEW","key":"v","event_time":"2017-01-01T00:00:00Z","customer_id":"late"}"#;
    let customer = |key: &str| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"{key}","event_time":"2017-01-01T00:00:00Z"}}"#
        )
    };
    let lines = [visit.to_owned(), customer("a"), customer("b"), customer("late")].join("\n");
    home.write("in.ndjson", lines);
    let ran = home.run(&["append", "in.ndjson", "--hold-max", "3", "--ack", "--format", "json"]);
    assert_eq!(ran.exit, 3);
    let printed = ran.out;
    assert!(printed.starts_with("{\"synced_end\": 2}\n"), "{printed}");
    assert!(printed.contains("\"reasons\": {\"unknown_customer\": 1}, \"end\": 3"), "{printed}");
}

/// Who reads may be waiting for a producer that has nothing to say, while who appends has failed.
#[test]
fn a_failure_is_told_while_the_producer_is_silent() {
    let home = Home::new();
    for args in [
        &["append", "--rejects", "/dev/full"][..],
        &["append", "--rejects", "/dev/full", "/dev/stdin"],
    ] {
        let mut child =
            home.command(args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // More than a buffer of rejects.
        input.write_all("17\n".repeat(1_000).as_bytes()).unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("/dev/full"), "{args:?}: {said}");
        drop(input);
    }
}
