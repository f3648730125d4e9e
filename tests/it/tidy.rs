//! The house rules that a compiler does not know: who may lean on whom, sizes, links, promises.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// The rooms of `src/` and the rooms that each may name: the arrows of docs/architecture.md.
const ARROWS: [(&str, &[&str]); 21] = [
    ("error", &[]),
    ("top", &[]),
    ("planted", &[]),
    ("partition", &["error"]),
    ("event", &["error"]),
    ("parallel", &["error", "event"]),
    ("frame", &["error"]),
    ("codec", &["error", "event", "log"]),
    ("log", &["error", "frame"]),
    ("admission", &["error", "event", "codec", "log"]),
    ("projection", &["error", "event", "codec", "top"]),
    ("store", &["error", "event", "codec", "log", "admission", "projection"]),
    ("group", &["error", "event", "store"]),
    ("partitioned", &["error", "event", "codec", "log", "partition", "projection", "store", "top"]),
    ("unpack", &[]),
    ("wire", &[]),
    ("lake", &[]),
    ("serve", &["unpack", "wire"]),
    ("broker", &[]),
    ("cli", &["broker", "lake", "serve", "unpack", "wire"]),
    ("fuzzing", &["error", "event", "frame", "codec", "log", "projection", "store"]),
];

/// Words that no file of `src/` may hold, but for the one file named.
const WORDS: [(&str, Option<&str>); 9] = [
    ("bincode::", Some("src/codec/column.rs")),
    ("unsafe {", Some("src/log/map.rs")),
    ("todo!(", None),
    ("TODO", None),
    ("FIXME", None),
    ("unimplemented!(", None),
    ("dbg!(", None),
    ("SystemTime::now", Some("src/log/env.rs")),
    ("From<io::Error>", None),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `dir` whose names end with `end`, with their paths from the root.
fn files(dir: &str, end: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
            if path.is_dir() && !hidden && !path.ends_with("target") {
                dirs.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{dir} has files that end with {end}");
    found
}

fn sources() -> Vec<(String, String)> {
    files("src", ".rs")
}

/// The lines before the tests of a file.
fn product(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap()
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    for (name, text) in sources() {
        assert!(text.starts_with("//!"), "{name} begins with what it is");
        assert!(text.lines().count() <= LINES_MAX, "{name} is longer than {LINES_MAX} lines");
    }
}

#[test]
fn every_function_is_short() {
    for (name, text) in sources() {
        if name.contains("/tests") {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let body = line.trim_start();
            let indent = &line[..line.len() - body.len()];
            let is_function = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn "]
                .iter()
                .any(|begin| body.starts_with(begin));
            if !is_function || body.ends_with(';') {
                continue;
            }
            let close = format!("{indent}}}");
            let length = lines[start..].iter().position(|line| *line == close).unwrap_or(0);
            assert!(length <= FUNCTION_LINES_MAX, "{name}:{}: {length} lines", start + 1);
        }
    }
}

#[test]
fn rooms_lean_on_each_other_as_the_arrows_say() {
    for (name, text) in sources() {
        let room = name.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        if room == "lib" || room == "main" || name.ends_with("tests.rs") || name.contains("/tests/")
        {
            continue;
        }
        let allowed = ARROWS.iter().find(|(from, _)| *from == room);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{room} is a room of the arrows"));
        for other in ARROWS.iter().map(|(other, _)| *other) {
            let names = [format!("crate::{other}::"), format!("crate::{{{other}::")];
            let leans = names.iter().any(|name| product(&text).contains(name));
            // Every room may have a bug planted.
            let fine = other == room || other == "planted" || allowed.contains(&other);
            assert!(!leans || fine, "{name} leans on {other}");
        }
    }
}

#[test]
fn words_stay_where_they_belong() {
    for (name, text) in sources() {
        for (word, home) in WORDS {
            assert!(home == Some(&*name) || !text.contains(word), "{name} says {word}");
        }
    }
}

#[test]
fn the_map_shows_the_tree() {
    let map = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for (name, _) in sources() {
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let file = name.trim_start_matches("src/");
        assert!(map.contains(&format!("`{file}`")), "docs/architecture.md does not show {file}");
    }
    for file in map.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs")) {
        let is_there = root().join("src").join(file).exists() || root().join(file).exists();
        assert!(is_there, "docs/architecture.md shows {file}, which is not there");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for (name, text) in files("", ".md") {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let from: PathBuf = root().join(&name).parent().unwrap().join(target);
            assert!(from.exists(), "{name} links to {target}");
        }
    }
}

#[test]
fn every_test_that_the_docs_name_exists() {
    let mut code = files("src", ".rs");
    code.extend(files("tests", ".rs"));
    for (name, text) in files("docs", ".md") {
        for word in text.split('`').skip(1).step_by(2) {
            let Some((_, test)) = word.rsplit_once("::") else { continue };
            let is_test = ["it::", "faults::"].iter().any(|of| word.starts_with(of))
                || word.contains("tests::");
            let signature = format!("fn {test}()");
            let exists = code.iter().any(|(_, code)| code.contains(&signature));
            assert!(!is_test || exists, "{name} names the test {word}");
        }
    }
}

#[test]
fn the_readme_is_a_page_and_its_two_commands_stand_alone() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.lines().count() <= 100, "README.md is longer than 100 lines");
    for command in ["cargo run ", "cargo test"] {
        let lines = text.lines().filter(|line| line.starts_with(command));
        assert_eq!(lines.count(), 1, "README.md has one line that begins with {command}");
    }
}
