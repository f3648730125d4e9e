//! The one door to files for the writer, recovery and readers: small enough to be played by an
//! in-memory disk that loses power.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::map::Map;
use crate::planted::planted;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A file that must not exist yet, for its owner alone (0600), to read and write.
    Create,
}

/// A lock on a directory, let go when dropped.
pub(crate) trait Lock: Send + Sync + fmt::Debug {}

/// A disk: directories of files. Every path is absolute or relative to the process.
pub(crate) trait Disk: Send + Sync + fmt::Debug {
    /// Opens or creates a file; `IsADirectory` for what is a directory.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>>;
    /// The names of the files and directories in `dir`, sorted; `NotFound` if there is no `dir`.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory (0700); one that exists is no error.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file over whatever has the new name, or a directory over none or an empty one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must be free. Not every file system can.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory, which must be empty.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// The absolute path, without links, of something that is there.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Tries to lock a directory, shared or alone; `None` while another handle's lock forbids it.
    fn lock(&self, dir: &Path, shared: bool) -> io::Result<Option<Box<dyn Lock>>>;
    /// Whether `dir` lies on a network file system, where locks and syncs cannot be trusted.
    fn is_remote(&self, dir: &Path) -> io::Result<bool>;
}

/// An open file. Reads and writes may be short or interrupted; the helpers below go on.
pub(crate) trait File: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads at `offset`; 0 at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Grows the file to `size` bytes, the new ones zero, with their space reserved where the
    /// file system can. A file that is that long already stays as it is.
    fn allocate(&self, size: u64) -> io::Result<()>;
    /// Cuts or grows the file to `size` bytes.
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// Forces the file's content and length to the disk (macOS: the full sync).
    fn sync(&self) -> io::Result<()>;
    /// The first `size` bytes to read; those past the file's end must not be touched.
    fn map(&self, size: u64) -> io::Result<Map>;
}

/// Reads at `offset` until `bytes` is full or the file ends; says how many were read.
pub(crate) fn read_full(file: &dyn File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `bytes` at `offset`, going on after short and interrupted writes.
pub(crate) fn write_full(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) if planted("short write taken for a whole one") => return Ok(()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if planted("full disk taken for a whole write") => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Repeats a call that a signal interrupted before it did anything.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
