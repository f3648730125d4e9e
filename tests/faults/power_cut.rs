//! Power cuts of real file systems: ext4 and XFS on a loop device are shut down in the midst of
//! appending, without another byte of theirs reaching the disk, and mounted again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::dice::Dice;
use crate::events::{in_order, text};
use crate::feed::Feed;
use crate::program::{Append, Ran, plain_append};
use crate::scene::Truth;
use crate::tier::{Cases, Count, each_case, is_quick};
use crate::tools::{has_tool, is_root, quiet, skip};

const EVENTS: u64 = 6_000;
/// XFS takes no less than 300 MB. The file has holes.
const DISK_BYTES: u64 = 320 << 20;
/// Cuts of a disk.
const CUTS: u64 = 10;

#[test]
fn a_power_cut_of_ext4_takes_nothing_that_was_acknowledged() {
    cut("power_cut::a_power_cut_of_ext4", "ext4", "e2fsprogs");
}

#[test]
fn a_power_cut_of_xfs_takes_nothing_that_was_acknowledged() {
    cut("power_cut::a_power_cut_of_xfs", "xfs", "xfsprogs");
}

fn cut(name: &str, kind: &'static str, package: &str) {
    if is_quick() {
        skip(name, "power cuts need LTVLOG_TIER=ci, root, and a minute");
        return;
    }
    if !is_root(name)
        || !has_tool(name, &format!("mkfs.{kind}"), package)
        || !has_tool(name, "xfs_io", "xfsprogs")
    {
        return;
    }
    if Disk::new(kind).is_none() {
        skip(name, &format!("this root or this kernel may not mount {kind} from a loop device"));
        return;
    }
    let cases = Cases { quick: 0, ci: 4 };
    let counts = [Count("cuts", 1), Count("of a writer at work", 1), Count("events kept", 1)];
    each_case(name, &cases, counts, |seed| cut_disk(kind, &mut Dice::new(seed)));
}

fn cut_disk(kind: &'static str, dice: &mut Dice) -> [u64; 3] {
    let disk = Disk::new(kind).expect("as before");
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let lines = in_order("a", dice, EVENTS, 1_000);
    fs::write(path("everything"), text(&lines)).unwrap();
    Ran::done(plain_append(&path("whole"), Some(&path("everything"))));
    let truth = Truth::of(&path("whole"), &path("everything"));
    let log = disk.at().join("log");
    let (mut at_work, mut kept) = (0, 0);
    for turn in 0..CUTS {
        let segment_bytes = dice.one_of(&[None, Some(20 << 10), Some(200 << 10)]);
        let sync = dice.one_of(&["batch", "batch", "call"]);
        let hold = Some(10 + dice.below(60));
        let calls = segment_bytes.and(dice.one_of(&[None, Some(12)]));
        let append = Append { segment_bytes, hold, sync, calls, ..Append::default() };
        if dice.once_in(2) {
            // What a killed writer did not sync, the next one finds, and must not take for safe.
            let unsynced = Append { sync: "none", ..append };
            let some = &lines[kept as usize..(kept as usize + 300).min(lines.len())];
            let mut feed = Feed::start(unsynced.command(&[], &log, None), text(some));
            feed.wait_for_moment(dice);
            feed.kill();
        }
        let mut feed = Feed::start(append.command(&[], &log, None), text(&lines[kept as usize..]));
        feed.wait_for_chance(dice);
        let was_at_work = feed.is_at_work();
        disk.shut_down();
        let fed = feed.kill();
        assert!(!fed.err.contains("panicked"), "{fed:?}");
        assert!(was_at_work || fed.is_done(), "it failed before the cut: {fed:?}");
        at_work += u64::from(was_at_work && !fed.is_done());
        disk.unmount();
        assert!(disk.mount(), "{kind} mounts again after a power cut");
        let context = format!("{kind}, cut {turn}, {fed:?}");
        kept = truth.check_recovery(&log, kept.max(fed.acknowledged), &context);
    }
    truth.check_going_on(&log, kept, &path("everything"), "in the end");
    [CUTS, at_work, kept]
}

/// A file system of its own in a file.
struct Disk {
    home: TempDir,
    kind: &'static str,
}

impl Disk {
    /// None where this is not allowed.
    fn new(kind: &'static str) -> Option<Disk> {
        let disk = Disk { home: tempfile::tempdir().unwrap(), kind };
        File::create(disk.image()).unwrap().set_len(DISK_BYTES).unwrap();
        fs::create_dir(disk.at()).unwrap();
        let made = quiet(Command::new(format!("mkfs.{kind}")).arg("-q").arg(disk.image()));
        (made && disk.mount()).then_some(disk)
    }

    fn image(&self) -> PathBuf {
        self.home.path().join("image")
    }

    /// Where it is mounted.
    fn at(&self) -> PathBuf {
        self.home.path().join("disk")
    }

    fn mount(&self) -> bool {
        let loops = Command::new("mount")
            .args(["-t", self.kind, "-o", "loop"])
            .args([self.image(), self.at()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        loops.is_ok_and(|status| status.success())
    }

    /// From now on nothing reaches the disk, not even the file system's own journal.
    fn shut_down(&self) {
        assert!(quiet(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.at())));
    }

    fn unmount(&self) {
        // Something else may look at it for a moment.
        let unmounted = (0..1_000).any(|_| quiet(Command::new("umount").arg(self.at())));
        assert!(unmounted, "{} is still in use", self.at().display());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, for a test that panics may have files open. The loop device goes with it.
        quiet(Command::new("umount").arg("-l").arg(self.at()));
    }
}
