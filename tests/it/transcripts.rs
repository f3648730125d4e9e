//! Runs what the README and `tests/cli/*.md` show: every ```console block is a transcript.
//!
//! A line `$ command` is given to `sh`, lines `> more` after it continue it, and what follows is
//! what the command must print on standard output and standard error. `…` stands for any text in
//! a line, or, alone on one, for any lines. A last line `[exit 3]` is the exit code where it is
//! not 0. The blocks of a file share a fresh directory that holds `events.ndjson`, the sample
//! events, and the built `ltvlog` is on the path.
//!
//! `UPDATE_TRANSCRIPTS=1 cargo test transcripts` writes down what is printed now, to be read
//! before it is committed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One command of a transcript.
#[derive(Debug, Default)]
struct Step {
    /// As it stands in the file, prompts included.
    source: Vec<String>,
    command: String,
    expected: Vec<String>,
    exit: i32,
}

/// A file, cut into what is text and what is run.
enum Part {
    Text(String),
    Step(Step),
}

#[test]
fn what_the_documentation_shows_is_what_happens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("tests/cli"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.push(root.join("README.md"));
    files.sort();
    let mut wrong = String::new();
    let mut steps = 0;
    for file in &files {
        steps += check(file, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(files.len() > 10 && steps > 50, "{} files, {steps} commands", files.len());
}

/// The page about the server shows what one says that has an empty log, at any free port.
#[test]
#[cfg(feature = "serve")]
fn what_the_page_about_the_server_shows_is_what_happens() {
    use std::io::BufRead as _;

    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl to run docs/server.md with");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_ltvlog"))
        .args(["serve", "--format", "json", "--listen", "127.0.0.1:0", "--log"])
        .arg(home.path().join("log"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split('"').nth(3).unwrap();
    let mut wrong = String::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/server.md");
    let steps = check_with(&file, home.path(), ("http://127.0.0.1:7878", url), &mut wrong);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
    assert!(steps > 10, "{steps} commands");
}

/// Runs one file's commands; adds what differs; how many there were.
fn check(file: &Path, wrong: &mut String) -> usize {
    check_with(file, tempfile::tempdir().unwrap().path(), ("", ""), wrong)
}

/// The same in a directory, with another text in place of one that the file shows.
fn check_with(file: &Path, home: &Path, (shown, meant): (&str, &str), wrong: &mut String) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/events.ndjson");
    fs::copy(sample, home.join("events.ndjson")).unwrap();
    let mut updated = String::new();
    let mut steps = 0;
    for part in parse(&text) {
        let step = match part {
            Part::Text(line) => {
                updated.push_str(&line);
                continue;
            }
            Part::Step(step) => step,
        };
        steps += 1;
        let command = if shown.is_empty() {
            step.command.clone()
        } else {
            step.command.replace(shown, meant)
        };
        let (mut printed, exit) = run(home, &command);
        if !meant.is_empty() {
            printed.iter_mut().for_each(|line| *line = line.replace(meant, shown));
        }
        let right = matches(&step.expected, &printed) && exit == step.exit;
        let lines = if right { &step.expected } else { &printed };
        let code = (exit != 0).then(|| format!("[exit {exit}]"));
        for line in step.source.iter().chain(lines).chain(&code) {
            writeln!(updated, "{line}").unwrap();
        }
        if !right {
            let expected = step.expected.join("\n");
            writeln!(
                wrong,
                "{}\n$ {}\nexpected [exit {}]\n{expected}\nprinted [exit {exit}]\n{}\n",
                file.display(),
                step.command,
                step.exit,
                printed.join("\n"),
            )
            .unwrap();
        }
    }
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() && updated != text {
        fs::write(file, updated).unwrap();
    }
    steps
}

fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open: Option<Step> = None;
    let mut in_block = false;
    for line in text.lines() {
        let starts = line.strip_prefix("$ ").filter(|_| in_block);
        if let Some(command) = starts {
            parts.extend(open.take().map(Part::Step));
            open = Some(Step {
                source: vec![line.to_owned()],
                command: command.to_owned(),
                ..Step::default()
            });
            continue;
        }
        let Some(step) = open.as_mut().filter(|_| line != "```") else {
            parts.extend(open.take().map(Part::Step));
            in_block = line == "```console";
            parts.push(Part::Text(format!("{line}\n")));
            continue;
        };
        let exit = line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']'));
        if let Some(more) = line.strip_prefix("> ").filter(|_| step.expected.is_empty()) {
            step.source.push(line.to_owned());
            write!(step.command, "\n{more}").unwrap();
        } else if let Some(exit) = exit {
            step.exit = exit.parse().unwrap();
        } else {
            step.expected.push(line.to_owned());
        }
    }
    assert!(!in_block || open.is_none(), "a block is not closed");
    parts
}

fn run(home: &Path, command: &str) -> (Vec<String>, i32) {
    let binary = Path::new(env!("CARGO_BIN_EXE_ltvlog"));
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("exec 2>&1\n{command}"))
        .current_dir(home)
        .env("PATH", format!("{}:{path}", binary.parent().unwrap().display()))
        .env("COLUMNS", "100")
        .env_remove("LTVLOG_DIR")
        .env_remove("LTVLOG_SERVER")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), output.status.code().unwrap_or(-1))
}

/// Whether lines are the expected ones.
fn matches(expected: &[String], printed: &[String]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((first, rest)), _) if first == "…" => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, more))) => {
            line_matches(first, line) && matches(rest, more)
        }
        (Some(_), None) => false,
    }
}

/// Whether a line is the expected one.
fn line_matches(expected: &str, line: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else { return expected == line };
    let Some(after) = line.strip_prefix(start) else { return false };
    after
        .char_indices()
        .map(|(at, _)| at)
        .chain([after.len()])
        .any(|at| line_matches(rest, &after[at..]))
}

#[test]
fn the_runner_tells_right_from_wrong() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\nb…d\n…\nz"), &lines("a\nbcd\nx\ny\nz")));
    assert!(matches(&lines("a\n…"), &lines("a")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
    assert!(!matches(&lines("a\nb"), &lines("a")));
    assert!(!matches(&lines("a…c"), &lines("a b")));
    let parts = parse("x\n```console\n$ a \\\n> b\n> c\nd\n[exit 3]\n$ e\n```\ny\n");
    let steps: Vec<Step> = parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Step(step) => Some(step),
            Part::Text(_) => None,
        })
        .collect();
    assert_eq!(steps.len(), 2);
    assert_eq!((&*steps[0].command, &*steps[0].expected), ("a \\\nb\nc", &lines("d")[..]));
    assert_eq!((steps[0].exit, &*steps[1].command, steps[1].exit), (3, "e", 0));
}
