//! A reader and a writer whose calls of the disk are interleaved in every way with a few switches
//! between them: what chance shows once in a thousand runs is shown here in each.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::workload::DIR;
use super::*;
use crate::log::disk::{File, Lock};
use crate::log::map::Map;

const READER: usize = 0;
const WRITER: usize = 1;
/// So many calls that no one makes them.
const NEVER: u64 = u64::MAX;

/// Whose turn it is to call the disk, and for how many calls more.
#[derive(Debug)]
struct Turns {
    state: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Debug)]
struct Turn {
    whose: usize,
    left: u64,
    plan: VecDeque<u64>,
    over: [bool; 2],
}

impl Turns {
    /// The reader makes the first number of calls, the writer the second, and so on in turn.
    fn new(plan: &[u64]) -> Turns {
        let mut plan: VecDeque<_> = plan.iter().copied().collect();
        let left = plan.pop_front().unwrap_or(NEVER);
        let turn = Turn { whose: READER, left, plan, over: [false; 2] };
        Turns { state: Mutex::new(turn), changed: Condvar::new() }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until `me` may make a call.
    fn await_turn(&self, me: usize) {
        let other = 1 - me;
        let mut turn = self.turn();
        loop {
            while turn.whose != me && !turn.over[other] {
                turn = self.changed.wait(turn).unwrap();
            }
            if turn.left > 0 || turn.over[other] {
                turn.left = turn.left.saturating_sub(1);
                return;
            }
            turn.whose = other;
            turn.left = turn.plan.pop_front().unwrap_or(NEVER);
            self.changed.notify_all();
        }
    }

    /// Who pauses lets the other go on.
    fn pause(&self) {
        self.turn().left = 0;
    }

    fn over(&self, me: usize) {
        self.turn().over[me] = true;
        self.changed.notify_all();
    }
}

/// Ends a side's turns even when it panics.
struct Side<'a>(&'a Turns, usize);

impl Drop for Side<'_> {
    fn drop(&mut self) {
        self.0.over(self.1);
    }
}

/// A disk on which each call waits for its turn.
#[derive(Debug)]
struct InTurn {
    disk: SimDisk,
    turns: Arc<Turns>,
    me: usize,
}

#[derive(Debug)]
struct FileInTurn {
    file: Box<dyn File>,
    turns: Arc<Turns>,
    me: usize,
}

impl InTurn {
    fn go(&self) -> &SimDisk {
        self.turns.await_turn(self.me);
        &self.disk
    }
}

impl FileInTurn {
    fn go(&self) -> &dyn File {
        self.turns.await_turn(self.me);
        &*self.file
    }
}

impl Disk for InTurn {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let file = self.go().open(path, access)?;
        Ok(Box::new(FileInTurn { file, turns: Arc::clone(&self.turns), me: self.me }))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.go().list(dir)
    }
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.go().make_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.go().rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.go().link(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.go().remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.go().sync_dir(dir)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.go().remove_dir(dir)
    }
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.go().canonical(path)
    }
    fn lock(&self, dir: &Path, shared: bool) -> io::Result<Option<Box<dyn Lock>>> {
        self.go().lock(dir, shared)
    }
    fn is_remote(&self, dir: &Path) -> io::Result<bool> {
        self.disk.is_remote(dir)
    }
}

impl File for FileInTurn {
    fn size(&self) -> io::Result<u64> {
        self.go().size()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.go().read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.go().write_at(bytes, offset)
    }
    fn allocate(&self, size: u64) -> io::Result<()> {
        self.go().allocate(size)
    }
    fn truncate(&self, size: u64) -> io::Result<()> {
        self.go().truncate(size)
    }
    fn sync(&self) -> io::Result<()> {
        self.go().sync()
    }
    fn map(&self, size: u64) -> io::Result<Map> {
        self.go().map(size)
    }
}

/// What the writer does while it is read beside it.
#[derive(Clone, Copy, Debug)]
enum Script {
    /// Opens, appends, syncs, appends without syncing, and dies.
    Dies,
    /// The same with a new segment between, and closes.
    RollsAndCloses,
}

fn write(env: &Env, script: Script, lives: &AtomicBool) {
    let (mut writer, _) = open(env, Path::new(DIR), 1200).unwrap();
    lives.store(true, Ordering::SeqCst);
    append(&mut writer, 4, 1, 60);
    writer.sync().unwrap();
    let filler = if matches!(script, Script::RollsAndCloses) { 800 } else { 20 };
    append(&mut writer, 2, 0, filler);
    writer.view().unwrap();
    lives.store(false, Ordering::SeqCst);
    if matches!(script, Script::RollsAndCloses) {
        writer.close().unwrap();
    }
}

/// What a reader is shown must survive a power cut as long as the writer may go on, and must not
/// go back.
fn read(env: &Env, disk: &SimDisk, lives: &AtomicBool, hint: &str) {
    let mut view = None;
    for _ in 0..3 {
        match &mut view {
            None => view = Some(View::open(env, Path::new(DIR), readers(), 0).expect(hint)),
            Some(view) => {
                view.refresh().unwrap_or_else(|error| panic!("{hint}: {error}"));
            }
        }
        let view = view.as_ref().expect("opened above");
        if lives.load(Ordering::SeqCst) {
            let left = disk.copy().crash(&mut |_| 0, false);
            let left = View::open(&super::env(Arc::new(left), 3), Path::new(DIR), readers(), 0)
                .expect(hint);
            assert!(view.end() <= left.end(), "{hint}: shown {}, kept {}", view.end(), left.end());
        }
        let seen = batches(view, 0).unwrap_or_else(|error| panic!("{hint}: {error}"));
        let end = seen.last().map_or(0, |(first, events, _)| first + u64::from(*events));
        assert_eq!(end, view.end(), "{hint}");
    }
}

/// A log as a killed writer leaves it: with a batch behind the head.
fn killed() -> SimDisk {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&env(Arc::new(disk.clone()), 1), Path::new(DIR), 1200).unwrap();
    append(&mut writer, 3, 1, 30);
    writer.sync().unwrap();
    append(&mut writer, 1, 0, 30);
    writer.view().unwrap();
    disk.kill()
}

fn played(script: Script, plan: &[u64]) {
    let disk = killed();
    let turns = Arc::new(Turns::new(plan));
    let lives = AtomicBool::new(false);
    let side = |me| {
        let disk = InTurn { disk: disk.clone(), turns: Arc::clone(&turns), me };
        let mut env = env(Arc::new(disk), me as u64 + 7);
        let turns = Arc::clone(&turns);
        env.pause_us = Arc::new(move |_| turns.pause());
        env
    };
    let hint = format!("{script:?}, calls in turn {plan:?}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _side = Side(&turns, WRITER);
            write(&side(WRITER), script, &lives);
        });
        let _side = Side(&turns, READER);
        read(&side(READER), &disk, &lives, &hint);
    });
}

#[test]
fn no_interleaving_shows_a_reader_what_could_still_disappear() {
    let mut count = 0;
    for script in [Script::Dies, Script::RollsAndCloses] {
        // The writer begins, the reader looks, the writer goes on.
        for (begins, looks, goes_on) in
            (0..30).flat_map(|a| (1..12).flat_map(move |b| (1..24).map(move |c| (a, b, c))))
        {
            played(script, &[0, begins, looks, goes_on, NEVER]);
            count += 1;
        }
    }
    println!("{count} interleavings");
}
