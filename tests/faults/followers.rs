//! Readers along while writers are killed, recover and roll.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use ltvlog::{Options, Store};

use crate::dice::Dice;
use crate::events::{in_order, text};
use crate::feed::Feed;
use crate::program::{Append, Ran, ltvlog, plain_append};
use crate::read::look;
use crate::tier::{Cases, Count, each_case, is_quick};

/// Events that a log has before anyone follows it.
const FIRST: u64 = 5;
const LIVES: u64 = 20;
const LIVES_QUICK: u64 = 6;
/// Only a follower that hangs is slower than this.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

#[test]
fn followers_see_each_event_once_whatever_becomes_of_writers() {
    let cases = Cases { quick: 1, ci: 14 };
    let counts = [Count("kills", 1), Count("events followed", 1)];
    each_case("followers", &cases, counts, |seed| {
        let mut dice = Dice::new(seed);
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let log = path("log");
        fs::write(path("first"), text(&in_order("first", &mut dice, FIRST, 10))).unwrap();
        Ran::done(plain_append(&log, Some(&path("first"))));
        let mut tail = Tail::start(&log);
        let is_over = AtomicBool::new(false);
        let (kills, lines, followed) = thread::scope(|scope| {
            let follower = scope.spawn(|| follow(&log, &is_over));
            let over = Over(&is_over);
            let kills = kill_writers(&log, &mut dice);
            let lines = look(&log, "in the end").lines;
            tail.wait_for(lines.len());
            drop(over);
            (kills, lines, follower.join().unwrap())
        });
        check("tail --follow", &tail.end(), &lines);
        check("the library's follower", &followed, &lines);
        [kills, lines.len() as u64 - FIRST]
    });
}

/// Writers that append different events each, so that one which was seen and then lost cannot be
/// taken for the one that has its place afterwards.
fn kill_writers(log: &Path, dice: &mut Dice) -> u64 {
    let mut kills = 0;
    for life in 0..if is_quick() { LIVES_QUICK } else { LIVES } {
        let segment_bytes = dice.one_of(&[None, Some(2 << 10), Some(20 << 10)]);
        let sync = dice.one_of(&["batch", "batch", "none"]);
        let append =
            Append { segment_bytes, hold: Some(5 + dice.below(50)), sync, ..Append::default() };
        let lines = in_order(&format!("l{life}"), dice, 2_000, 500);
        let mut feed = Feed::start(append.command(&[], log, None), text(&lines));
        feed.wait_for_chance(dice);
        kills += u64::from(!feed.kill().is_done());
        if dice.once_in(2) {
            Ran::done(plain_append(log, None));
        }
    }
    Ran::done(plain_append(log, None));
    kills
}

/// Ends the follower, also when something panics meanwhile.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the library's follower gives, as `tail --sequence` prints it.
fn follow(log: &Path, is_over: &AtomicBool) -> Vec<String> {
    let store = Store::open(log, Options::default()).unwrap();
    let mut follower = store.follow(0).unwrap();
    let mut lines = Vec::new();
    loop {
        let is_last = is_over.load(Ordering::SeqCst);
        follower
            .catch_up(&mut |record| {
                let mut line = String::new();
                record.event.to_json(*b"USD", &mut line);
                lines.push(numbered(record.sequence, &line));
                Ok(true)
            })
            .unwrap();
        if is_last {
            return lines;
        }
        follower.wait(PAUSE).unwrap();
    }
}

fn numbered(sequence: u64, line: &str) -> String {
    format!("{{\"sequence\": {sequence}, \"event\": {line}}}")
}

#[track_caller]
fn check(who: &str, followed: &[String], lines: &[String]) {
    for (sequence, (seen, line)) in (0..).zip(followed.iter().zip(lines)) {
        assert_eq!(*seen, numbered(sequence, line), "{who}");
    }
    assert_eq!(followed.len(), lines.len(), "{who} gives each event once");
}

/// `tail --follow` at work.
struct Tail {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Tail {
    fn start(log: &Path) -> Tail {
        let mut command = ltvlog(&[], log, &["tail", "--follow", "--sequence"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in out.lines() {
                // Whoever has failed listens no more.
                drop(sender.send(line.unwrap()));
            }
        });
        Tail { child, lines, seen: Vec::new() }
    }

    /// Waits until it has printed so many lines. What it says on standard error is shown.
    fn wait_for(&mut self, count: usize) {
        while self.seen.len() < count {
            let line = self.lines.recv_timeout(PATIENCE);
            let seen = self.seen.len();
            self.seen.push(line.unwrap_or_else(|error| panic!("tail --follow at {seen}: {error}")));
        }
    }

    /// Ends it, and gives all that it has printed.
    fn end(mut self) -> Vec<String> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        self.seen.extend(self.lines.iter());
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
