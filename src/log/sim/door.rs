//! The calls of the simulated disk: its names, directories and locks.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{SimFile, SimLock};
use super::inode::Inode;
use super::{NameChange, Node, SimDisk};
use crate::log::disk::{Access, Disk, File, Lock};

impl Disk for SimDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        state.look()?;
        let inode = if access == Access::Create {
            state.whole_change()?;
            if state.live.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if !path.parent().is_some_and(|parent| state.is_dir(parent)) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.rename_names(NameChange::Put(path.to_path_buf(), Node::File(inode)));
            inode
        } else {
            state.file(path)?
        };
        Ok(Box::new(SimFile { disk: self.clone(), inode, writes: access != Access::Read }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        if !state.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.live.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.is_dir(dir) {
            return state.look();
        }
        state.whole_change()?;
        if !dir.parent().is_some_and(|parent| state.is_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename_names(NameChange::Put(dir.to_path_buf(), Node::Dir));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.whole_change()?;
        if !state.live.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !state.is_empty(to) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (from, to) = (from.to_path_buf(), to.to_path_buf());
        match state.live.get(&from).copied() {
            Some(file @ Node::File(_)) if from.parent() != to.parent() => {
                // Two directories change, and each is durable by its own sync.
                state.rename_names(NameChange::Put(to, file));
                state.rename_names(NameChange::Remove(from));
            }
            _ => state.rename_names(NameChange::Rename(from, to)),
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.file(from)?;
        state.whole_change()?;
        if state.live.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !to.parent().is_some_and(|parent| state.is_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename_names(NameChange::Put(to.to_path_buf(), Node::File(inode)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.look()?;
        state.file(path)?;
        state.whole_change()?;
        state.rename_names(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.whole_change()?;
        if state.live.get(dir) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !state.is_empty(dir) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.rename_names(NameChange::Remove(dir.to_path_buf()));
        Ok(())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let mut state = self.state();
        state.look()?;
        let is_there = state.live.contains_key(path) || state.is_dir(path);
        if is_there { Ok(path.to_path_buf()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.whole_change()?;
        let (synced, rest): (Vec<_>, Vec<_>) =
            state.unsynced.drain(..).partition(|change| change.dir() == Some(dir));
        state.unsynced = rest;
        for change in synced {
            change.apply(&mut state.durable);
        }
        Ok(())
    }

    fn lock(&self, dir: &Path, shared: bool) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.state();
        state.look()?;
        if !state.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let others = state.locked_shared.get(dir).copied().unwrap_or(0);
        if state.locked_alone.contains(dir) || (!shared && others > 0) {
            return Ok(None);
        }
        if shared {
            state.locked_shared.insert(dir.to_path_buf(), others + 1);
        } else {
            state.locked_alone.insert(dir.to_path_buf());
        }
        Ok(Some(Box::new(SimLock { disk: self.clone(), dir: dir.to_path_buf(), shared })))
    }

    fn is_remote(&self, dir: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.look()?;
        if state.is_dir(dir) { Ok(state.is_remote) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}
