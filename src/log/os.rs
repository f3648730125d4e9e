//! The real disk: files of the operating system.
//!
//! Linux and macOS. Network file systems are told apart, because their locks and syncs cannot be
//! trusted; whether to refuse them is decided when the disk is made.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, File, Lock, uninterrupted};
use super::map::Map;

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OsDisk {
    remote_allowed: bool,
}

impl OsDisk {
    /// A disk that takes network file systems for local ones: at the caller's own risk.
    pub(crate) fn with_remote_allowed() -> OsDisk {
        OsDisk { remote_allowed: true }
    }
}

#[derive(Debug)]
struct OsFile(fs::File);

/// Held for its lock, which the system lets go when the handle closes.
#[derive(Debug)]
struct OsLock {
    _dir: fs::File,
}

impl Lock for OsLock {}

impl Disk for OsDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match access {
            Access::Read => {}
            Access::Write => {
                options.write(true);
            }
            Access::Create => {
                options.write(true).create_new(true).mode(0o600);
            }
        }
        let file = options.open(path)?;
        // One that is only read would open, too.
        if access == Access::Read && file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(OsFile(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is not UTF-8 is none of ours, and stays one after this.
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            done => done,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, dir: &Path, shared: bool) -> io::Result<Option<Box<dyn Lock>>> {
        let dir = fs::File::open(dir)?;
        let taken = if shared { dir.try_lock_shared() } else { dir.try_lock() };
        match taken {
            Ok(()) => Ok(Some(Box::new(OsLock { _dir: dir }))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_remote(&self, dir: &Path) -> io::Result<bool> {
        if self.remote_allowed { Ok(false) } else { lies_elsewhere(dir) }
    }
}

impl File for OsFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let have = self.size()?;
        if have >= size {
            return Ok(());
        }
        let flags = rustix::fs::FallocateFlags::empty();
        let reserved =
            uninterrupted(|| Ok(rustix::fs::fallocate(&self.0, flags, have, size - have)?));
        match reserved {
            // This file system reserves nothing: a longer file is all we can have.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.0.set_len(size),
            done => done,
        }
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        // Content and length, without the times; std makes it the full sync on macOS.
        self.0.sync_data()
    }

    fn map(&self, size: u64) -> io::Result<Map> {
        let size = usize::try_from(size)
            .map_err(|error| io::Error::new(io::ErrorKind::FileTooLarge, error))?;
        Map::of(&self.0, size)
    }
}

/// Whether another machine holds the files of `dir`, by the type of its file system.
#[cfg(target_os = "linux")]
fn lies_elsewhere(dir: &Path) -> io::Result<bool> {
    // NFS, SMB 1, CIFS, SMB 2, AFS, Ceph, Lustre, 9P, Coda, GFS2, OCFS2: <linux/magic.h>.
    const REMOTE: [i128; 11] = [
        0x6969,
        0x517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x5346_414F,
        0x00C3_6400,
        0x0BD0_0BD0,
        0x0102_1997,
        0x7375_7245,
        0x0116_1970,
        0x7461_636F,
    ];
    // The field is a word, signed on most machines, where a magic may read as negative.
    let kind = i128::from(uninterrupted(|| Ok(rustix::fs::statfs(dir)?))?.f_type);
    Ok(REMOTE.iter().any(|magic| kind == *magic || kind == *magic - (1 << 32)))
}

/// Whether another machine holds the files of `dir`: macOS marks the local ones.
#[cfg(not(target_os = "linux"))]
fn lies_elsewhere(dir: &Path) -> io::Result<bool> {
    const MNT_LOCAL: u64 = 0x1000;
    let found = uninterrupted(|| Ok(rustix::fs::statfs(dir)?))?;
    Ok(u64::from(found.f_flags) & MNT_LOCAL == 0)
}
