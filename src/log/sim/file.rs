//! Handles of the simulated disk: its open files and its locks.

use std::io;
use std::path::PathBuf;

use super::inode::Inode;
use super::{SimDisk, SimFault};
use crate::log::disk::{File, Lock};
use crate::log::map::Map;

/// ENOSPC.
const NO_SPACE: i32 = 28;

#[derive(Debug)]
pub(super) struct SimLock {
    pub(super) disk: SimDisk,
    pub(super) dir: PathBuf,
    pub(super) shared: bool,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if !self.shared {
            state.locked_alone.remove(&self.dir);
        } else if let Some(count) = state.locked_shared.get_mut(&self.dir) {
            *count = count.saturating_sub(1);
        }
    }
}

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) inode: usize,
    pub(super) writes: bool,
}

impl SimFile {
    fn change(
        &self,
        act: impl FnOnce(&mut Inode, Option<SimFault>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.grow(0, |inode, fault, _| act(inode, fault))
    }

    /// A change that is to make the file `size` bytes long, if it is not yet; told how long it
    /// may become.
    fn grow(
        &self,
        size: usize,
        act: impl FnOnce(&mut Inode, Option<SimFault>, usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.writes {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.disk.state();
        let fault = state.change()?;
        let have = state.inode(self.inode).bytes().len();
        let size_max = have + state.fitting(size.saturating_sub(have));
        act(state.inode(self.inode), fault, size_max)
    }
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look()?;
        Ok(state.inode(self.inode).bytes().len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.look()?;
        let from = state.inode(self.inode).bytes();
        let from = usize::try_from(offset).ok().and_then(|at| from.get(at..)).unwrap_or(&[]);
        let count = from.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at =
            usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.grow(at.saturating_add(bytes.len()), |inode, fault, size_max| {
            let count = match fault {
                None => bytes.len(),
                Some(SimFault::Short) => (512 - at % 512).min(bytes.len()),
                Some(_) => return Err(io::Error::from_raw_os_error(5)),
            };
            let count = count.min(size_max.saturating_sub(at));
            if count == 0 && !bytes.is_empty() {
                return Err(io::Error::from_raw_os_error(NO_SPACE));
            }
            inode.write(at, bytes.get(..count).unwrap_or(&[]));
            Ok(count)
        })
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let size =
            usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.grow(size, |inode, fault, size_max| match fault {
            None if size_max < size => Err(io::Error::from_raw_os_error(NO_SPACE)),
            None if inode.bytes().len() < size => Ok(inode.resize(size)),
            None => Ok(0),
            Some(_) => Err(io::Error::from_raw_os_error(NO_SPACE)),
        })?;
        Ok(())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let size =
            usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.change(|inode, fault| match fault {
            None => Ok(inode.resize(size)),
            Some(_) => Err(io::Error::from_raw_os_error(5)),
        })?;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.change(|inode, fault| match fault {
            None => Ok(inode.sync()),
            Some(SimFault::SyncLost) => {
                inode.lose();
                Err(io::Error::from_raw_os_error(5))
            }
            Some(_) => Err(io::Error::from_raw_os_error(5)),
        })?;
        Ok(())
    }

    fn map(&self, size: u64) -> io::Result<Map> {
        let mut state = self.disk.state();
        state.look()?;
        let bytes = state.inode(self.inode).bytes();
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Map::owned(bytes.get(..size).unwrap_or(&[]).to_vec()))
    }
}
