//! Signals, and reading along while another process appends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::Home;

struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(home: &Home, args: &[&str]) -> Running {
        let mut command = home.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("another line").unwrap()).unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn exit(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn an_interrupted_append_keeps_what_it_accepted() {
    for signal in ["-INT", "-TERM"] {
        let home = Home::new();
        let text =
            home.done(&["generate", "--events", "5000", "--customers", "50", "--seed", "1"]).out;
        // One event waits for its customer, who may come later in what was not read.
        let (first, rest) = text.split_once('\n').unwrap();
        let orphan = first.replace("\"NEW\", \"key\": \"", "\"UPDATE\", \"key\": \"x");
        let text = format!("{orphan}\n{first}\n{rest}");
        let mut running =
            Running::start(&home, &["append", "--sync=batch", "--ack", "--format=json"]);
        // Standard input stays open: without the signal the program would wait for ever.
        running.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        // The first batch is on the disk, so the signal finds the program reading.
        assert!(running.json()["synced_end"].as_u64().unwrap() > 0);
        running.signal(signal);
        let mut receipt = running.json();
        while receipt["accepted"].is_null() {
            receipt = running.json();
        }
        let accepted = receipt["accepted"].as_u64().unwrap();
        assert!(accepted > 0 && receipt["rejected"] == 0 && receipt["synced"] == true, "{receipt}");
        assert_eq!(running.exit(), Some(130));
        assert_eq!(home.done(&["info", "--format=json"]).json()["end"], accepted);
        // The whole file again is safe.
        let again = home.feed(&["append", "--format=json"], text.as_bytes()).json();
        assert_eq!((&again["end"], &again["duplicates"]), (&5000.into(), &accepted.into()));
    }
}

/// The second source is silent, so that not even its first bytes are known.
#[test]
fn an_append_that_waits_for_its_source_ends_with_a_receipt() {
    let home = Home::new();
    assert!(Command::new("mkfifo").arg(home.path("pipe")).status().unwrap().success());
    let mut running = Running::start(&home, &["append", "--format=json", "events.ndjson", "pipe"]);
    // Opening waits for the other end, which is opened once the first source was read.
    let silent = std::fs::File::options().write(true).open(home.path("pipe")).unwrap();
    running.signal("-INT");
    let receipt = running.json();
    assert_eq!((&receipt["accepted"], &receipt["rejected"]), (&4.into(), &0.into()), "{receipt}");
    assert_eq!(running.exit(), Some(130));
    assert_eq!(home.done(&["info", "--format=json"]).json()["end"], 4);
    drop(silent);
}

#[test]
fn a_follower_sees_what_another_process_appends() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    let mut running = Running::start(&home, &["tail", "--follow", "--sequence", "--from", "3"]);
    assert_eq!(running.json()["sequence"], 3);
    for turn in 0..5 {
        let event = format!(
            "{{\"type\": \"CUSTOMER\", \"verb\": \"NEW\", \"key\": \"c{turn}\", \
             \"event_time\": \"2017-01-07T08:00:00Z\"}}"
        );
        assert_eq!(home.feed(&["append"], event.as_bytes()).exit, 0);
        let record = running.json();
        assert_eq!(record["sequence"], 4 + turn);
        assert_eq!(record["event"]["key"], format!("c{turn}"));
    }
    running.signal("-INT");
    assert_eq!(running.exit(), Some(130));
}

#[test]
fn a_second_writer_is_told_of_the_first() {
    let home = Home::new();
    let mut running = Running::start(&home, &["append", "--sync=batch", "--ack", "--format=json"]);
    let text = home.done(&["generate", "--events", "5000", "--customers", "50", "--seed", "1"]).out;
    running.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    running.json();
    let ran = home.run(&["append", "events.ndjson"]);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.starts_with("error: another process is writing to "), "{}", ran.err);
    // Readers are not kept out.
    assert!(home.done(&["top", "1", "--format=json"]).json()["end"].as_u64().unwrap() > 0);
    drop(running.child.stdin.take());
    assert_eq!(running.exit(), Some(0));
    assert_eq!(home.done(&["append", "events.ndjson", "--format=json"]).json()["end"], 5004);
}
