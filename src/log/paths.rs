//! Where a log's files are, and the directories made for them.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::segment::segment_name;
use crate::error::Error;
use crate::planted::planted;

/// The suffix of files that are renamed once they are whole; a leftover is no damage.
pub(crate) const TMP: &str = ".tmp";

/// The suffix of a backup's segment that its manifest still speaks of.
pub(crate) const BEFORE: &str = ".before";

/// The files and directories of one log.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// The log's directory; writers lock it.
    pub(crate) dir: PathBuf,
    /// The head's file.
    pub(crate) head: PathBuf,
    /// The segments' directory; locked by a writer while it may append.
    pub(crate) segments: PathBuf,
    /// Where the partitions of a partitioned log are, which has no segments of its own.
    pub(crate) partitions: PathBuf,
    /// Where recovery keeps what it cut off.
    pub(crate) quarantine: PathBuf,
}

impl Paths {
    pub(crate) fn of(dir: &Path) -> Paths {
        Paths {
            dir: dir.to_path_buf(),
            head: dir.join("head"),
            segments: dir.join("segments"),
            partitions: dir.join("partitions"),
            quarantine: dir.join("quarantine"),
        }
    }

    /// The segment that starts at `first_seq`.
    pub(crate) fn segment(&self, first_seq: u64) -> PathBuf {
        self.segments.join(segment_name(first_seq))
    }

    /// A backup's segment as its manifest knows it, while a rewritten one has its name.
    pub(crate) fn segment_before(&self, first_seq: u64) -> PathBuf {
        self.segments.join(format!("{}{BEFORE}", segment_name(first_seq)))
    }

    /// The head while it is created.
    pub(crate) fn head_tmp(&self) -> PathBuf {
        self.dir.join(format!("head{TMP}"))
    }

    /// Refuses a directory that has logs as its partitions, and is none itself. Whoever makes them holds
    /// the lock that a writer has when it asks.
    pub(crate) fn refuse_partitioned(&self, disk: &dyn Disk) -> Result<(), Error> {
        if names(disk, &self.partitions)?.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "the log in {0} has partitions: append to all of them, or to one, as {0}/partitions/00000",
            self.dir.display()
        );
        Err(Error::Options { reason })
    }

    /// Refuses a file system whose locks and syncs cannot be trusted.
    pub(crate) fn refuse_remote(&self, disk: &dyn Disk) -> Result<(), Error> {
        match disk.is_remote(&self.dir) {
            Ok(false) => Ok(()),
            Ok(true) => Err(Error::Options {
                reason: format!(
                    "{} lies on a network file system, whose locks and syncs cannot be trusted",
                    self.dir.display()
                ),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::Missing { path: self.dir.clone() })
            }
            Err(error) => Err(Error::io("find the file system of", &self.dir)(error)),
        }
    }
}

/// The names in a directory, none if there is no such directory.
pub(crate) fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, Error> {
    match disk.list(dir) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(_) if planted("files that cannot be listed taken for none") => Ok(Vec::new()),
        Err(error) => Err(Error::io("list", dir)(error)),
    }
}

/// Makes a directory and those above it that are missing, each durable in its parent.
pub(crate) fn make_dirs(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    if dir.parent().is_none() {
        return Ok(());
    }
    let parent = parent_of(dir);
    match disk.make_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_dirs(disk, parent)?;
            disk.make_dir(dir).map_err(Error::io("make the directory", dir))?;
        }
        done => done.map_err(Error::io("make the directory", dir))?,
    }
    disk.sync_dir(parent).map_err(Error::io("sync the directory", parent))
}

/// Makes durable the names of the directories above the one that `dir` is in: whoever made them
/// may not have lived to do so. One that may not be read was not made by us.
pub(super) fn sync_above(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let mut above = parent_of(dir);
    while parent_of(above) != above {
        above = parent_of(above);
        match disk.sync_dir(above) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            done => done.map_err(Error::io("sync the directory", above))?,
        }
    }
    Ok(())
}

/// The directory that a path is in; the root is in itself.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Whether one of two directories, there or not, is the other or lies in it.
pub(crate) fn nested(disk: &dyn Disk, one: &Path, other: &Path) -> Result<bool, Error> {
    let (one, other) = (resolve(disk, one)?, resolve(disk, other)?);
    Ok(one.starts_with(&other) || other.starts_with(&one))
}

/// The partitioned log in whose `partitions` a directory lies.
pub(crate) struct Among {
    /// The partitioned log's directory.
    log: PathBuf,
    /// The directory's path within `partitions`.
    pub(crate) below: PathBuf,
    /// One of the partitions that are there.
    pub(crate) fellow: PathBuf,
}

impl Among {
    /// Looks where a directory lies that is there or not; none if it lies among no partitions.
    pub(crate) fn find(disk: &dyn Disk, dir: &Path) -> Result<Option<Among>, Error> {
        let found = resolve(disk, dir)?;
        for (up, place) in found.ancestors().enumerate() {
            if !place.ends_with("partitions") {
                continue;
            }
            for name in names(disk, place)? {
                let is_number = name.len() == 5 && name.bytes().all(|byte| byte.is_ascii_digit());
                let fellow = place.join(name);
                if !is_number || names(disk, &Paths::of(&fellow).segments)?.is_empty() {
                    continue;
                }
                // As it was named, if the name goes that far.
                let named = dir.ancestors().nth(up + 1).filter(|log| !log.as_os_str().is_empty());
                let log = named.unwrap_or(parent_of(place)).to_path_buf();
                let below = found.strip_prefix(place).unwrap_or(Path::new("")).to_path_buf();
                return Ok(Some(Among { log, below, fellow }));
            }
        }
        Ok(None)
    }

    /// A log made in that directory would stand in the way of them.
    pub(crate) fn refuse<T>(&self, dir: &Path) -> Result<T, Error> {
        let reason = format!(
            "{} lies among the partitions of the log in {log}, and is none of them: name {log}, or make \
             a log elsewhere",
            dir.display(),
            log = self.log.display()
        );
        Err(Error::Options { reason })
    }
}

/// The path without links, as far as it is there.
fn resolve(disk: &dyn Disk, path: &Path) -> Result<PathBuf, Error> {
    match (disk.canonical(path), path.file_name()) {
        (Ok(found), _) => Ok(found),
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(resolve(disk, parent_of(path))?.join(name))
        }
        (Err(error), _) => Err(Error::io("find", path)(error)),
    }
}
