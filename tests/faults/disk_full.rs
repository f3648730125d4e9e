//! Disks that are full at any point: appending fails cleanly, reading needs no room, and once there
//! is room all goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Append, Ran, ltvlog};
use crate::read::files;
use crate::scene::Scene;
use crate::scenes::filling;
use crate::tier::{Cases, Count, each_case, is_quick};
use crate::tools::{is_root, quiet, skip};

/// Bytes that a file system hands out at once.
const PAGE_BYTES: u64 = 4096;
/// Sizes in a case.
const SIZES: u64 = 50;
const SIZES_QUICK: u64 = 10;
/// What is counted.
const COUNTS: [Count; 2] = [Count("sizes", 1), Count("of them too small", 1)];

/// A size for each part of what is to be written.
fn sizes(all: u64, seed: u64) -> impl Iterator<Item = u64> {
    let most = if is_quick() { SIZES_QUICK } else { SIZES };
    let step = all.div_ceil(most).max(1);
    (seed % step..=all).step_by(step as usize)
}

#[test]
fn a_file_that_may_not_grow_is_a_clean_error_and_can_be_read() {
    let cases = Cases { quick: 1, ci: 5 };
    each_case("disk_full::a_file", &cases, COUNTS, |seed| {
        let scene = filling(seed);
        scene.run(&[]);
        let largest = bytes(&scene.log()).into_iter().max().unwrap_or(0);
        let mut counts = [0; 2];
        for size in sizes(largest, seed) {
            // Like a disk that is full, a limit must be an error and not a signal.
            let script = format!("trap '' XFSZ; exec prlimit --fsize={size} -- \"$0\" \"$@\"");
            let wrap = ["sh".to_owned(), "-c".to_owned(), script];
            let context = format!("files of at most {size} bytes");
            let (ran, acknowledged) = fill(&scene, &wrap, &context);
            scene.check(acknowledged, &context);
            counts[0] += 1;
            counts[1] += u64::from(!ran.is_done());
        }
        counts
    });
}

#[test]
fn a_full_disk_is_a_clean_error_and_can_be_read() {
    const NAME: &str = "disk_full::a_full_disk";
    if !is_root(NAME)
        || (Disk::mount(&tempfile::tempdir().unwrap().path().join("disk"), 4096).is_none()
            && !skip(NAME, "this root may not mount a tmpfs"))
    {
        return;
    }
    let cases = Cases { quick: 1, ci: 10 };
    each_case(NAME, &cases, COUNTS, |seed| {
        let mut scene = filling(seed);
        scene.run(&[]);
        let pages = bytes(&scene.log()).iter().map(|bytes| bytes.div_ceil(PAGE_BYTES)).sum();
        let at = scene.path("disk");
        scene.move_to(at.join("log"));
        let mut counts = [0; 2];
        for size in sizes(pages, seed) {
            // A size of 0 would be no limit.
            let disk = Disk::mount(&at, (size + 1) * PAGE_BYTES).expect("as before");
            let context = format!("a disk of {size} pages of {PAGE_BYTES} bytes");
            let (ran, acknowledged) = fill(&scene, &[], &context);
            disk.grow();
            scene.check(acknowledged, &context);
            counts[0] += 1;
            counts[1] += u64::from(!ran.is_done());
        }
        counts
    });
}

/// Appends until there is no room, and looks at the log while there is none.
fn fill(scene: &Scene, wrap: &[String], context: &str) -> (Ran, u64) {
    let log = scene.log();
    let names_a_file = |ran: &Ran| ran.err.contains(log.to_str().unwrap());
    let ran = scene.run(wrap);
    let is_clean = ran.is_done() || (ran.is_clean_failure() && names_a_file(&ran));
    assert!(is_clean, "{ran:?}\n{context}");
    let mut acknowledged = scene.acknowledged(&ran);
    read_all(wrap, &log, acknowledged, context);
    for input in [Path::new("/dev/null"), &scene.path("input")] {
        let again = Ran::run(Append { segment_bytes: None, ..scene.append }.command(
            wrap,
            &log,
            Some(input),
        ));
        let is_clean = again.is_done() || (again.is_clean_failure() && names_a_file(&again));
        assert!(is_clean, "{again:?}\n{context}");
        acknowledged = acknowledged.max(again.acknowledged());
        read_all(wrap, &log, acknowledged, context);
    }
    (ran, acknowledged)
}

/// Reads the log in all ways, all of which must find what was acknowledged.
fn read_all(wrap: &[String], log: &Path, acknowledged: u64, context: &str) {
    for args in [&["verify"][..], &["export"], &["top", "3"], &["info"], &["stats", "ac0"]] {
        let read = Ran::run(ltvlog(wrap, log, args));
        let context = format!("{args:?} {read:?}\n{context}");
        if read.is_done() {
            let is_export = args == ["export"];
            let lines = read.out.lines().count() as u64;
            assert!(!is_export || lines >= acknowledged, "{acknowledged} acknowledged\n{context}");
            continue;
        }
        // Before anything was acknowledged there may be no log, or one without a customer.
        let is_empty = ["there is no log in", "the log knows no customer"]
            .iter()
            .any(|said| read.err.contains(&format!("error: {said} ")));
        assert!(acknowledged == 0 && read.is_clean_failure() && is_empty, "{context}");
    }
}

/// The sizes of all files below a directory.
fn bytes(dir: &Path) -> Vec<u64> {
    let below = |path: PathBuf| {
        if path.is_dir() { bytes(&path) } else { vec![fs::metadata(&path).unwrap().len()] }
    };
    files(dir).into_iter().flat_map(below).collect()
}

/// A disk in memory.
struct Disk<'a>(&'a Path);

impl Disk<'_> {
    fn mount(at: &Path, bytes: u64) -> Option<Disk<'_>> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={bytes}");
        quiet(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at))
            .then_some(Disk(at))
    }

    fn grow(&self) {
        let grown = quiet(Command::new("mount").args(["-o", "remount,size=64m"]).arg(self.0));
        assert!(grown, "a tmpfs can grow");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        quiet(Command::new("umount").arg("-l").arg(self.0));
    }
}
