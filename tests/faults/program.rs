//! Who appends: the real program, or the same library with segments small enough to roll.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use serde_json::{Value, json};

use crate::appender;

/// A call of `append --ack`, and how it is made.
#[derive(Clone, Copy)]
pub struct Append {
    /// None: the real program, whose segments are as large as they always are.
    pub segment_bytes: Option<u64>,
    /// Events after which held ones are given up and everything is synced: small batches.
    pub hold: Option<u64>,
    /// What `--sync` says.
    pub sync: &'static str,
    pub strict: bool,
    /// So many events a call, in one process whose saved keys are put together on threads; where
    /// segments are small.
    pub calls: Option<u64>,
}

impl Default for Append {
    fn default() -> Append {
        Append { segment_bytes: None, hold: None, sync: "batch", strict: false, calls: None }
    }
}

impl Append {
    /// The program about to append a file, or its standard input. `wrap` is what runs it.
    pub fn command(&self, wrap: &[String], log: &Path, input: Option<&Path>) -> Command {
        let mut command = match self.segment_bytes {
            None => wrapped(wrap, Path::new(env!("CARGO_BIN_EXE_ltvlog"))),
            Some(_) => wrapped(wrap, &std::env::current_exe().unwrap()),
        };
        if let Some(segment_bytes) = self.segment_bytes {
            command.args(appender::ARGS);
            let task = json!({
                "log": log, "input": input, "segment_bytes": segment_bytes,
                "hold": self.hold, "sync": self.sync, "calls": self.calls,
            });
            command.env(appender::TASK, task.to_string());
        } else {
            command.args(["append", "--ack", "--format=json", "--sync", self.sync, "--log"]);
            command.arg(log);
            if let Some(hold) = self.hold {
                command.args(["--hold-max", &hold.to_string()]);
            }
            if self.strict {
                command.arg("--strict");
            }
            command.args(input);
        }
        tidy(&mut command);
        command
    }
}

fn tidy(command: &mut Command) {
    command.stdin(Stdio::null());
    for name in ["LTVLOG_DIR", "NO_COLOR", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
}

fn wrapped(wrap: &[String], program: &Path) -> Command {
    let Some((first, rest)) = wrap.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// The real program, about to do something else.
pub fn ltvlog(wrap: &[String], log: &Path, args: &[&str]) -> Command {
    let mut command = wrapped(wrap, Path::new(env!("CARGO_BIN_EXE_ltvlog")));
    command.args(args).arg("--log").arg(log);
    tidy(&mut command);
    command
}

/// The real program, about to append a file whole, as anyone would; nothing at all without one.
pub fn plain_append(log: &Path, input: Option<&Path>) -> Command {
    let mut command = ltvlog(&[], log, &["append", "--format=json"]);
    if let Some(input) = input {
        command.stdin(File::open(input).unwrap());
    }
    command
}

/// What became of a run.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("what is printed is UTF-8");
        Ran { status: output.status, out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn run(mut command: Command) -> Ran {
        Ran::of(command.output().unwrap())
    }

    /// A run that must end well: with 0, or with 3 because of rejected events.
    #[track_caller]
    pub fn done(command: Command) -> Ran {
        let ran = Ran::run(command);
        assert!(ran.is_done(), "{ran:?}");
        ran
    }

    pub fn is_done(&self) -> bool {
        matches!(self.status.code(), Some(0 | 3))
    }

    /// Whether it ended as a failed command does: exit code 1 and a message, no panic or signal.
    pub fn is_clean_failure(&self) -> bool {
        let said = self.err.lines().any(|line| line.starts_with("error: "));
        self.status.code() == Some(1) && said && !self.err.contains("panicked")
    }

    /// The lines of JSON on standard output.
    pub fn lines(&self) -> impl Iterator<Item = Value> + '_ {
        // A line that a kill cut is none.
        self.out.lines().filter_map(|line| serde_json::from_str(line).ok())
    }

    /// The greatest end that was said to be on the disk.
    pub fn acknowledged(&self) -> u64 {
        self.lines().filter_map(|line| acknowledged(&line)).max().unwrap_or(0)
    }

    pub fn receipt(&self) -> Option<Receipt> {
        self.lines().find_map(|line| {
            let number = |name: &str| line[name].as_u64();
            Some(Receipt {
                accepted: number("accepted")?,
                duplicates: number("duplicates")?,
                rejected: number("rejected")?,
                end: number("end")?,
                synced: line["synced"].as_bool()?,
            })
        })
    }
}

/// The end that a line of output says is on the disk.
pub fn acknowledged(line: &Value) -> Option<u64> {
    let receipt = line["end"].as_u64().filter(|_| line["synced"] == true);
    line["synced_end"].as_u64().or(receipt)
}

/// What the last line of `append` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub accepted: u64,
    pub duplicates: u64,
    pub rejected: u64,
    pub end: u64,
    pub synced: bool,
}
