//! The built program as others use it: what it prints, how it exits, what it leaves behind.
//!
//! What each command prints for people is shown, and run, in `tests/cli/*.md`.

mod contract;
mod damage;
mod dump;
mod rejects;
#[cfg(feature = "remote")]
mod remote;
mod signals;
mod streams;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The sample event of each type.
pub(super) const SAMPLE: &str = include_str!("../../data/events.ndjson");

/// A directory of one test, with `events.ndjson` in it.
struct Home(TempDir);

/// What a run of the program gave.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    exit: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("what is printed is UTF-8");
        let exit = output.status.code().unwrap_or(-1);
        Ran { exit, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its only line, which is JSON.
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.write("events.ndjson", SAMPLE);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program, about to run here.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ltvlog"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["LTVLOG_DIR", "LTVLOG_SERVER", "LTVLOG_TOKEN", "NO_COLOR", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs with these bytes on standard input.
    fn feed(&self, args: &[&str], input: &[u8]) -> Ran {
        self.write(".input", input);
        let input = fs::File::open(self.path(".input")).unwrap();
        Ran::of(self.command(args).stdin(input).output().unwrap())
    }

    /// As `run`, of which nothing but success is expected.
    #[track_caller]
    fn done(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!((ran.exit, &*ran.err), (0, ""), "{ran:?}");
        ran
    }
}

/// All files below a directory, with their bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}
