//! A disk in memory that can lose power: for tests of what is promised under faults.
//!
//! Every file has what processes see and what is on the disk; between them lie, sector by sector,
//! all versions written since the last sync. A crash takes any of them, any of the lengths the
//! file had, and any of the names that were not synced. A sync can fail and leave its pages clean,
//! as Linux does: then no later sync writes them.

mod door;
mod file;
mod inode;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inode::Inode;

/// Chooses one of so many possibilities, the first being the oldest.
pub(crate) type Pick<'a> = &'a mut dyn FnMut(usize) -> usize;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimFault {
    /// The call fails with this number of the operating system and has done nothing.
    Error(i32),
    /// A sync fails, and the kernel takes its pages for clean; anything else fails with EIO.
    SyncLost,
    /// A write writes up to the end of its first sector; anything else fails with EIO.
    Short,
    /// The machine stops; only [`SimDisk::crash`] and [`SimDisk::kill`] go on from there.
    PowerOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Dir,
    File(usize),
}

/// A change of names; durable once its directory is synced.
#[derive(Clone, Debug)]
enum NameChange {
    Put(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Clone, Debug, Default)]
struct State {
    live: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    unsynced: Vec<NameChange>,
    inodes: Vec<Inode>,
    locked_alone: BTreeSet<PathBuf>,
    locked_shared: BTreeMap<PathBuf, usize>,
    changes: u64,
    fault: Option<(u64, SimFault, bool)>,
    looks: u64,
    look_fault: Option<(u64, i32, bool)>,
    /// The most bytes that all files together may have.
    room_bytes: Option<u64>,
    is_remote: bool,
    off: bool,
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            NameChange::Put(path, _) | NameChange::Rename(path, _) | NameChange::Remove(path) => {
                path.parent()
            }
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Put(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameChange::Rename(from, to) => {
                // A directory takes along what is in it.
                for (path, node) in std::mem::take(names) {
                    let moved = path.strip_prefix(from).map(|rest| to.join(rest));
                    names.insert(moved.map_or(path.clone(), |to| to.components().collect()), node);
                }
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl State {
    /// Counts a change of the disk and plays the fault that is due; `None` lets it happen.
    fn change(&mut self) -> io::Result<Option<SimFault>> {
        if self.off {
            return Err(io::Error::from_raw_os_error(5));
        }
        let number = self.changes;
        self.changes += 1;
        let due =
            self.fault.filter(|(at, _, for_ever)| number == *at || (*for_ever && number > *at));
        match due.map(|(_, fault, _)| fault) {
            Some(SimFault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(SimFault::PowerOff) => {
                self.off = true;
                Err(io::Error::from_raw_os_error(5))
            }
            other => Ok(other),
        }
    }

    /// As [`State::change`], for calls that can only happen or not.
    fn whole_change(&mut self) -> io::Result<()> {
        match self.change()? {
            None => Ok(()),
            Some(_) => Err(io::Error::from_raw_os_error(5)),
        }
    }

    /// Counts a call that changes nothing and plays the fault that is due.
    fn look(&mut self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::from_raw_os_error(5));
        }
        let number = self.looks;
        self.looks += 1;
        match self.look_fault {
            Some((at, error, for_ever)) if number == at || (for_ever && number > at) => {
                Err(io::Error::from_raw_os_error(error))
            }
            _ => Ok(()),
        }
    }

    /// How many of `more` bytes still find room.
    fn fitting(&self, more: usize) -> usize {
        let Some(room) = self.room_bytes else { return more };
        // A file with two names takes its room once.
        let files: BTreeSet<usize> = self.live.values().filter_map(|node| node.file()).collect();
        let inodes = files.into_iter().filter_map(|file| self.inodes.get(file));
        let used: usize = inodes.map(|inode| inode.bytes().len()).sum();
        more.min(usize::try_from(room).unwrap_or(usize::MAX).saturating_sub(used))
    }

    fn rename_names(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.live.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn inode(&mut self, inode: usize) -> &mut Inode {
        self.inodes.get_mut(inode).expect("files are never forgotten")
    }

    fn is_empty(&self, dir: &Path) -> bool {
        !self.live.keys().any(|path| path != dir && path.starts_with(dir))
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none_or(|parent| parent.as_os_str().is_empty())
            || matches!(self.live.get(path), Some(Node::Dir))
    }
}

impl Default for SimDisk {
    fn default() -> SimDisk {
        SimDisk::with(State::default())
    }
}

impl SimDisk {
    fn with(state: State) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the `at`-th change from the beginning go wrong, once or from then on.
    pub(crate) fn fail(&self, at: u64, fault: SimFault, for_ever: bool) {
        self.state().fault = Some((at, fault, for_ever));
    }

    /// How many changes were asked for so far.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The disk after the process was killed: all that was written is there, no lock is held.
    pub(crate) fn kill(&self) -> SimDisk {
        let copy = self.copy();
        self.state().off = true;
        copy
    }

    /// As [`SimDisk::kill`], but who uses this one lives on.
    pub(crate) fn copy(&self) -> SimDisk {
        let old = self.state();
        let state = State {
            locked_alone: BTreeSet::new(),
            locked_shared: BTreeMap::new(),
            fault: None,
            changes: 0,
            look_fault: None,
            looks: 0,
            off: false,
            ..old.clone()
        };
        SimDisk::with(state)
    }

    /// The disk after a power cut: of all that was not synced, what `pick` chooses. `garbage`
    /// fills what is inside a file's length and was never written, instead of zeros.
    pub(crate) fn crash(&self, pick: Pick<'_>, garbage: bool) -> SimDisk {
        let mut old = self.state();
        let mut names = old.durable.clone();
        for change in &old.unsynced {
            if pick(2) == 1 {
                change.apply(&mut names);
            }
        }
        let parents = names.clone();
        names.retain(|path, _| {
            path.ancestors().skip(1).all(|parent| {
                parent.parent().is_none_or(|above| above.as_os_str().is_empty())
                    || parents.get(parent) == Some(&Node::Dir)
            })
        });
        let kept: BTreeSet<usize> = names.values().filter_map(|node| node.file()).collect();
        let inodes = old.inodes.iter().enumerate().map(|(number, inode)| {
            if kept.contains(&number) { inode.crash(pick, garbage) } else { Inode::default() }
        });
        let inodes = inodes.collect();
        let state = State { live: names.clone(), durable: names, inodes, ..State::default() };
        old.off = true;
        SimDisk::with(state)
    }

    /// Drops pages that a failed sync left clean: what is read then comes from the disk.
    pub(crate) fn evict(&self) {
        self.state().inodes.iter_mut().for_each(Inode::evict);
    }

    /// All that a process would see: every file's path and bytes.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let files = state.live.iter().filter_map(|(path, node)| {
            let inode = state.inodes.get(node.file()?)?;
            Some((path.clone(), inode.bytes().to_vec()))
        });
        files.collect()
    }

    /// A disk that holds these files and nothing else, all of it durable.
    pub(crate) fn of_files(files: &BTreeMap<PathBuf, Vec<u8>>) -> SimDisk {
        let mut state = State::default();
        for (path, bytes) in files {
            for dir in path.ancestors().skip(1) {
                state.live.insert(dir.to_path_buf(), Node::Dir);
            }
            state.live.insert(path.clone(), Node::File(state.inodes.len()));
            state.inodes.push(Inode::durable(bytes.clone()));
        }
        state.durable = state.live.clone();
        SimDisk::with(state)
    }
}

/// What only the tests ask for.
#[cfg(test)]
impl SimDisk {
    /// Lets the `at`-th call that changes nothing fail with a number of the operating system.
    pub(crate) fn fail_look(&self, at: u64, error: i32, for_ever: bool) {
        self.state().look_fault = Some((at, error, for_ever));
    }

    /// How many calls that change nothing were asked for so far.
    pub(crate) fn looks(&self) -> u64 {
        self.state().looks
    }

    /// Gives all files together room for so many bytes.
    pub(crate) fn limit(&self, room_bytes: Option<u64>) {
        self.state().room_bytes = room_bytes;
    }

    /// Lets it be another machine's.
    pub(crate) fn move_away(&self) {
        self.state().is_remote = true;
    }

    /// As [`SimDisk::kill`], for who goes on from there: what is to go wrong still does.
    pub(crate) fn restart(&self) -> SimDisk {
        let mut old = self.state();
        let state =
            State { locked_alone: BTreeSet::new(), locked_shared: BTreeMap::new(), ..old.clone() };
        old.off = true;
        SimDisk::with(state)
    }
}

impl Node {
    fn file(&self) -> Option<usize> {
        match self {
            Node::Dir => None,
            Node::File(inode) => Some(*inode),
        }
    }
}
