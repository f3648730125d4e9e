//! Any call to the file system fails, once or for ever: a clean error, and no more.

use crate::program::Ran;
use crate::scene::Scene;
use crate::scenes::{CHECKPOINTED, KINDS, kind, most, scene};
use crate::strace::{Call, calls, read};
use crate::tier::{Cases, each_case, spread};
use crate::tools::has_strace;

/// What is made to fail.
const CALLS: [&str; 11] = [
    "openat",
    "mkdir",
    "pwrite64",
    "pread64",
    "fdatasync",
    "fsync",
    "rename",
    "ftruncate",
    "fallocate",
    "unlink",
    "flock",
];
/// What a signal may interrupt.
const INTERRUPTIBLE: [&str; 7] =
    ["openat", "pwrite64", "pread64", "fdatasync", "fsync", "ftruncate", "fallocate"];

/// How a call fails.
#[derive(Clone, Copy)]
struct Fault {
    error: &'static str,
    for_ever: bool,
}

/// An interrupted call is made again, and would be for ever.
const FAULTS: [Fault; 5] = [
    Fault { error: "EIO", for_ever: false },
    Fault { error: "EIO", for_ever: true },
    Fault { error: "ENOSPC", for_ever: false },
    Fault { error: "ENOSPC", for_ever: true },
    Fault { error: "EINTR", for_ever: false },
];

#[test]
fn a_failing_call_is_a_clean_error_and_nothing_is_acknowledged_after_it() {
    const NAME: &str = "failing_calls";
    if !has_strace(NAME) {
        return;
    }
    let cases = Cases { quick: KINDS - 2, ci: KINDS };
    each_case(NAME, &cases, ["clean errors", "faults survived"], |seed| {
        let kind = kind(seed);
        let scene = scene(kind, seed);
        let faults: Vec<(Call, Fault)> = calls(&scene)
            .into_iter()
            .filter(|call| CALLS.contains(&&*call.name))
            .flat_map(|call| FAULTS.map(|fault| (call.clone(), fault)))
            .filter(|(call, fault)| fault.error != "EINTR" || INTERRUPTIBLE.contains(&&*call.name))
            .collect();
        let most = most(kind, (5, 20, faults.len()));
        let mut counts = [0; 2];
        for (call, fault) in spread(&faults, most, seed) {
            let survived = fail(&scene, call, *fault);
            counts[usize::from(survived)] += 1;
        }
        counts
    });
}

/// Runs with a call that fails; whether nobody was told.
fn fail(scene: &Scene, call: &Call, fault: Fault) -> bool {
    let Call { name, turn, line } = call;
    let trace = scene.path("trace");
    let again = if fault.for_ever { "+" } else { "" };
    let inject = format!("inject={name}:error={}:when={turn}{again}", fault.error);
    let traced = format!("trace={name},write");
    let path = trace.to_str().unwrap();
    let wrap = ["strace", "-f", "-qq", "-y", "-o", path, "-e", &traced, "-e", &inject];
    let ran = scene.run(&wrap.map(str::to_owned));
    let lines: Vec<String> = read(&trace).into_iter().map(|(_, line)| line).collect();
    let shown = lines[lines.len().saturating_sub(30)..].join("\n");
    let context = format!("{}, {inject}, first at {line}\n{ran:?}\n{shown}", scene.name);
    let injected: Vec<&String> = lines.iter().filter(|line| line.ends_with("(INJECTED)")).collect();
    assert!(!ran.err.contains("panicked"), "{context}");
    let matters = |line: &&String| !is_tolerable(scene, name, fault, line);
    if ran.is_done() {
        assert!(scene.is_whole(&ran), "{context}");
        assert!(
            !injected.iter().copied().any(|line| matters(&line)),
            "the call may not be passed over\n{context}"
        );
    } else {
        assert!(ran.is_clean_failure(), "{context}");
        assert!(injected.iter().any(|line| names_its_file(&ran, line)), "names no file\n{context}");
        let fatal = |line: &&String| line.ends_with("(INJECTED)") && matters(line);
        let since = lines.iter().skip_while(|line| !fatal(line));
        let told = since.filter(|line| line.starts_with("write(1<") && line.contains("synced"));
        assert_eq!(told.count(), 0, "something is acknowledged after it\n{context}");
    }
    scene.check(scene.acknowledged(&ran), &context);
    ran.is_done()
}

/// Whether the program may go on: it was interrupted, there is another way, or what failed is
/// derived, as a checkpoint and what is read for it.
fn is_tolerable(scene: &Scene, name: &str, fault: Fault, line: &str) -> bool {
    let is_derived = line.contains("/log/keys") || line.contains("/log/checkpoints");
    let is_read = name == "pread64" || line.contains("O_RDONLY");
    let for_checkpoint = scene.name == CHECKPOINTED && is_read;
    let has_other_way = name == "fallocate" && !fault.for_ever;
    fault.error == "EINTR" || is_derived || for_checkpoint || has_other_way
}

/// Whether the message names the file, or the directory, of a call.
fn names_its_file(ran: &Ran, line: &str) -> bool {
    let by_path = ["openat(", "mkdir(", "rename(", "unlink("];
    let path = if by_path.iter().any(|name| line.starts_with(name)) {
        line.split('"').nth(1)
    } else {
        line.split(['<', '>']).nth(1)
    };
    // A file that is to replace another may be called by the other's name.
    let path = path.map_or("", |path| path.trim_end_matches(".tmp"));
    !path.is_empty() && ran.err.contains(path)
}
