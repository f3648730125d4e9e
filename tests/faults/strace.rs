//! System calls of a run, and how one of them is made to kill it or to fail.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use crate::program::Ran;
use crate::scene::Scene;

/// One system call of a run: the n-th of its name, from 1.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub turn: u64,
    /// As strace shows it.
    pub line: String,
}

/// The calls of a run in which nothing goes wrong, from the first on that names the log.
pub fn calls(scene: &Scene) -> Vec<Call> {
    calls_of(scene, |wrap| scene.run(wrap))
}

/// As `calls`, of another run in the same scene.
pub fn calls_of(scene: &Scene, run: impl FnOnce(&[String]) -> Ran) -> Vec<Call> {
    let trace = scene.path("trace");
    let wrap = ["strace", "-f", "-qq", "-y", "-o", trace.to_str().unwrap()].map(str::to_owned);
    let ran = run(&wrap);
    assert!(ran.is_done(), "{ran:?}");
    let calls = calls_in(&read(&trace), scene.log().to_str().unwrap());
    assert!(calls.len() > 10, "{}: the trace shows {calls:?}", scene.name);
    calls
}

/// What strace has written: the number of the thread at the begin of each line, and the rest of it.
/// A call that another thread's was told in the middle of is one line, where it ended.
pub fn read(trace: &Path) -> Vec<(String, String)> {
    let text = fs::read(trace).unwrap();
    let text = String::from_utf8_lossy(&text);
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for (thread, line) in text.lines().filter_map(|line| line.split_once(' ')) {
        let line = line.trim_start();
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            begun.insert(thread, begin);
            continue;
        }
        let end = line.strip_prefix("<... ").and_then(|line| line.split_once(" resumed>"));
        let whole = match end {
            Some((_, end)) => begun.remove(thread).unwrap_or_default().to_owned() + end,
            None => line.to_owned(),
        };
        calls.push((thread.to_owned(), whole));
    }
    // Some never ended, since the program did.
    calls.extend(begun.into_iter().map(|(thread, begin)| (thread.to_owned(), begin.to_owned())));
    calls
}

/// The calls in a trace of the thread that works on the log, from the first on that names it.
///
/// strace counts each thread's calls by name, and injects into whichever thread is first: calls
/// that another thread made as many times cannot be told from that one's, and are left out.
fn calls_in(trace: &[(String, String)], log: &str) -> Vec<Call> {
    let mut turns: HashMap<(&str, &str), u64> = HashMap::new();
    let mut worker = None;
    let mut calls = Vec::new();
    for (thread, line) in trace {
        let name = line.split('(').next().unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            continue;
        }
        let turn = turns.entry((thread, name)).or_default();
        *turn += 1;
        // The program's own arguments name it too.
        if name != "execve" && line.contains(log) {
            worker = worker.or(Some(thread));
        }
        if worker == Some(thread) {
            calls.push(Call { name: name.to_owned(), turn: *turn, line: line.clone() });
        }
    }
    let others = |call: &Call| {
        let of_name = turns.iter().filter(|((_, name), _)| *name == call.name);
        of_name
            .filter(|((thread, _), _)| Some(*thread) != worker.map(String::as_str))
            .map(|(_, turn)| *turn)
            .max()
    };
    calls.retain(|call| others(call).is_none_or(|most| call.turn > most));
    calls
}

/// What runs a program that is killed as it enters this call.
pub fn killed_at(call: &Call) -> Vec<String> {
    let Call { name, turn, .. } = call;
    let trace = format!("trace={name}");
    let inject = format!("inject={name}:signal=KILL:when={turn}");
    let wrap = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    wrap.map(str::to_owned).to_vec()
}

/// Whether strace and what it ran were killed.
pub fn was_killed(ran: &Ran) -> bool {
    use std::os::unix::process::ExitStatusExt;
    ran.status.signal() == Some(9)
}
