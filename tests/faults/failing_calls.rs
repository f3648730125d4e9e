//! Any call to the file system fails, once or for ever: a clean error, and no more.

use crate::program::Ran;
use crate::scene::Scene;
use crate::scenes::{ASIDE, CHECKPOINTED, KINDS, kind, most, scene};
use crate::strace::{Call, calls, read};
use crate::tier::{Cases, Count, each_case, spread};
use crate::tools::has_strace;

/// What is made to fail.
const CALLS: [&str; 16] = [
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
    "getdents64",
    "newfstatat",
    "statx",
    "statfs",
    "mmap",
];
/// What changes nothing, and so does opening a file to read it.
const READS: [&str; 6] = ["pread64", "getdents64", "newfstatat", "statx", "statfs", "mmap"];
/// What a signal may interrupt.
const INTERRUPTIBLE: [&str; 7] =
    ["openat", "pwrite64", "pread64", "fdatasync", "fsync", "ftruncate", "fallocate"];

/// How a call fails.
#[derive(Clone, Copy)]
struct Fault {
    error: &'static str,
    for_ever: bool,
}

impl Fault {
    /// Whether a call can fail so. Maps are also how memory is had, which is not to fail.
    fn suits(self, call: &Call, log: &str) -> bool {
        let is_memory = call.name == "mmap" && (self.for_ever || !call.line.contains(log));
        let is_never = self.error == "EINTR" && !INTERRUPTIBLE.contains(&&*call.name);
        CALLS.contains(&&*call.name) && !is_memory && !is_never
    }
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
    let counts = [Count("clean errors", 1), Count("faults survived", 1), Count("not met", 0)];
    each_case(NAME, &cases, counts, |seed| {
        let kind = kind(seed);
        let scene = scene(kind, seed);
        let log = scene.log();
        let faults: Vec<(Call, Fault)> = calls(&scene)
            .into_iter()
            .flat_map(|call| FAULTS.map(|fault| (call.clone(), fault)))
            .filter(|(call, fault)| fault.suits(call, log.to_str().unwrap()))
            .collect();
        let most = most(kind, (5, 20, faults.len()));
        let mut counts = [0; 3];
        for (call, fault) in spread(&faults, most, seed) {
            counts[fail(&scene, call, *fault) as usize] += 1;
        }
        let [errors, survived, not_met] = counts;
        assert!(errors + survived > not_met, "{}: most faults were not met", scene.name);
        counts
    });
}

/// What became of a fault.
#[derive(Clone, Copy)]
enum Met {
    Error,
    Survived,
    /// This run did not come to the call.
    Not,
}

/// Runs with a call that fails.
fn fail(scene: &Scene, call: &Call, fault: Fault) -> Met {
    let Call { name, turn, line } = call;
    let trace = scene.path("trace");
    let again = if fault.for_ever { "+" } else { "" };
    let inject = format!("inject={name}:error={}:when={turn}{again}", fault.error);
    let traced = format!("trace={},write", CALLS.join(","));
    let path = trace.to_str().unwrap();
    let wrap = ["strace", "-f", "-qq", "-y", "-o", path, "-e", &traced, "-e", &inject];
    let ran = scene.run(&wrap.map(str::to_owned));
    let (threads, lines): (Vec<String>, Vec<String>) = read(&trace).into_iter().unzip();
    let shown = lines[lines.len().saturating_sub(30)..].join("\n");
    let context = format!("{}, {inject}, first at {line}\n{ran:?}\n{shown}", scene.name);
    let is_injected = |line: &String| line.ends_with("(INJECTED)");
    assert!(!ran.err.contains("panicked"), "{context}");
    // Of a receipt, strace shows the begin alone.
    let is_told = |line: &String| {
        line.starts_with("write(1<")
            && ["synced_end", "accepted"].iter().any(|of| line.contains(of))
    };
    // What is read between the last event's acknowledgement and the receipt is for a checkpoint.
    let is_end = |line: &String| is_told(line) && line.contains("synced_end");
    let all_told = lines.iter().rposition(is_end).filter(|_| scene.name == CHECKPOINTED);
    let first_told = lines.iter().position(is_told).filter(|_| scene.name == ASIDE);
    let is_fatal = |(at, line): &(usize, &String)| {
        let for_checkpoint = all_told.is_some_and(|told| *at > told) && is_read(name, line);
        let of_thread = (0..lines.len()).filter(|other| threads[*other] == threads[*at]);
        let (before, since): (Vec<_>, Vec<_>) = of_thread.partition(|other| other < at);
        let call_at = |at: &usize| &lines[*at];
        let since: Vec<_> = since.iter().map(call_at).collect();
        let has_other_way = is_tried_again(&since);
        // Once something was told, what is read is for keys and checkpoints, or to be packed.
        let for_derived = first_told.is_some_and(|told| *at > told)
            && (is_read(name, line)
                || is_to_pack(before.iter().rev().take(2).map(call_at), &since));
        is_injected(line)
            && !for_checkpoint
            && !for_derived
            && !has_other_way
            && !is_tolerable(fault, line)
    };
    let fatal = lines.iter().enumerate().find(is_fatal).map(|(at, _)| at);
    if ran.is_done() {
        assert!(scene.is_whole(&ran), "{context}");
        let passed_over = fatal.map(|at| &lines[at]);
        assert_eq!(passed_over, None, "the call may not be passed over\n{context}");
    } else {
        assert!(ran.is_clean_failure(), "{context}");
        let mut injected = lines.iter().filter(|line| is_injected(line));
        assert!(injected.any(|line| names_its_file(&ran, line)), "names no file\n{context}");
        let since = &lines[fatal.unwrap_or(lines.len())..];
        assert!(!since.iter().any(is_told), "something is acknowledged after it\n{context}");
    }
    scene.check(scene.acknowledged(&ran), &context);
    match (lines.iter().any(is_injected), ran.is_done()) {
        (false, _) => Met::Not,
        (true, true) => Met::Survived,
        (true, false) => Met::Error,
    }
}

fn is_read(name: &str, line: &str) -> bool {
    READS.contains(&name) || line.contains("O_RDONLY")
}

/// Whether the program may go on: it was interrupted, or what failed is derived, or tells no more
/// than how many cores there are to parse on, or it was memory, as for a thread's stack, which this
/// run asked for where the first one mapped a file.
fn is_tolerable(fault: Fault, line: &str) -> bool {
    let is_derived = line.contains("/log/keys") || line.contains("/log/checkpoints");
    // By name, or by a handle, which says the number of the process.
    let is_of_cores = line.contains("/sys/fs/cgroup")
        || (line.contains("/proc/") && (line.contains("/cgroup") || line.contains("/mountinfo")));
    let is_memory = line.contains("MAP_ANONYMOUS");
    fault.error == "EINTR" || is_derived || is_of_cores || is_memory
}

/// Whether the first of these calls, which came after the others, was to put a segment in place of one
/// of more batches: what that wrote is removed if it fails, and both are the same events.
fn is_to_pack<'a>(mut before: impl Iterator<Item = &'a String>, since: &[&String]) -> bool {
    let is_of = |call: &str, line: &String| line.starts_with(call) && line.contains(".seg.tmp");
    let [failed, ..] = since else { return false };
    let is_sync = failed.starts_with("fsync(") && failed.contains("/log/segments>");
    let is_given_up = since.get(1).is_some_and(|line| is_of("unlink(", line));
    failed.contains(".seg.tmp")
        || (is_sync && (is_given_up || before.any(|line| is_of("rename(", line))))
}

/// Whether the first of these calls was to reserve room, and less is asked for after it: the size
/// of the file is taken once more, and room reserved behind it.
fn is_tried_again(lines: &[&String]) -> bool {
    let file = |line: &str| line.split(['<', '>']).nth(1).map(str::to_owned);
    match lines {
        [failed, size, reserved, ..] => {
            let is_same = file(failed) == file(size) && file(size) == file(reserved);
            is_same && size.starts_with("statx(") && reserved.starts_with("fallocate(")
        }
        _ => false,
    }
}

/// Whether the message names the file, or the directory, of a call.
fn names_its_file(ran: &Ran, line: &str) -> bool {
    let by_path = ["openat(", "mkdir(", "rename(", "unlink(", "statfs(", "statx(AT_FDCWD"];
    let path = if by_path.iter().any(|name| line.starts_with(name)) {
        line.split('"').nth(1)
    } else {
        line.split(['<', '>']).nth(1)
    };
    // A file that is to replace another may be called by the other's name.
    let path = path.map_or("", |path| path.trim_end_matches(".tmp"));
    !path.is_empty() && ran.err.contains(path)
}
