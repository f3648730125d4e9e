//! A program fed through a pipe, by a supervisor that keeps its acknowledgements.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::program::acknowledged;

/// A program at work.
pub struct Feed {
    child: Child,
    feeder: JoinHandle<()>,
    errors: JoinHandle<String>,
    ends: Receiver<u64>,
    acknowledged: u64,
}

/// What became of it.
#[derive(Debug)]
pub struct Fed {
    pub acknowledged: u64,
    pub status: ExitStatus,
    /// What it said on standard error.
    pub err: String,
}

impl Fed {
    /// Whether the program came to the end of its input.
    pub fn is_done(&self) -> bool {
        self.status.success()
    }
}

impl Feed {
    pub fn start(mut command: Command, text: String) -> Feed {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // It is killed in the midst of it, more often than not.
        let feeder = thread::spawn(move || drop(input.write_all(text.as_bytes())));
        let mut err = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, ends) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).ok();
                if let Some(end) = line.as_ref().and_then(acknowledged)
                    && sender.send(end).is_err()
                {
                    break;
                }
            }
        });
        Feed { child, feeder, errors, ends, acknowledged: 0 }
    }

    /// Waits for so many acknowledgements, or until there are no more.
    pub fn wait_for(&mut self, count: u64) {
        for end in self.ends.iter().take(count as usize) {
            self.acknowledged = self.acknowledged.max(end);
        }
    }

    /// Waits for a moment of chance: some acknowledgements, some time, or both.
    pub fn wait_for_chance(&mut self, dice: &mut Dice) {
        match dice.below(3) {
            0 => self.wait_for_moment(dice),
            1 => self.wait_for(dice.below(12)),
            _ => {
                self.wait_for(dice.below(6));
                self.wait_at_most(dice.below(1_500));
            }
        }
    }

    /// Waits for some time, whatever is acknowledged meanwhile.
    pub fn wait_for_moment(&mut self, dice: &mut Dice) {
        self.wait_at_most(dice.below(12_000));
    }

    /// Waits for so long, or until the program ends.
    fn wait_at_most(&mut self, us: u64) {
        let until = Instant::now() + Duration::from_micros(us);
        let left = || until.saturating_duration_since(Instant::now());
        while let Ok(end) = self.ends.recv_timeout(left()) {
            self.acknowledged = self.acknowledged.max(end);
        }
    }

    /// Whether it has not ended yet.
    pub fn is_at_work(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills it, and takes what it had acknowledged by then.
    pub fn kill(mut self) -> Fed {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        self.feeder.join().unwrap();
        // The pipe still holds what was printed before the kill.
        let acknowledged = self.ends.iter().fold(self.acknowledged, u64::max);
        Fed { acknowledged, status, err: self.errors.join().unwrap() }
    }
}
