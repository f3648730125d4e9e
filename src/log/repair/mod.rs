//! What of a damaged log can be kept, what can still be read behind the damage, and the order of
//! writes that makes the log whole again.
//!
//! The log stays an exact dense prefix: everything before the first damaged frame. Nothing behind
//! it is thrown away: `survey` finds what is there, `apply` moves it to quarantine.

mod apply;
mod behind;
mod candidate;
mod survey;

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::disk::Lock;
use super::open::lock_retrying;
use super::paths::Paths;
use super::{Env, LogMeta};
use crate::error::Error;

pub(crate) use super::quarantine::put_file;
pub(crate) use apply::Steps;
pub(crate) use candidate::{identify, meta};
pub(crate) use survey::survey;

/// What a derived file says of the segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Witness {
    /// The log that it is of.
    pub(crate) log_id: u64,
    /// The segment that it was made of.
    pub(crate) covers: Option<Covers>,
}

/// A sealed segment, as its sidecar has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covers {
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// The chain of the segment that follows.
    pub(crate) chain: u32,
}

/// A file that leaves the log without having been read: it is of another log or history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) path: PathBuf,
    pub(crate) events: Range<u64>,
    /// Whether it is of a copy of this log that went its own way.
    pub(crate) same_log: bool,
}

/// A segment that is cut: what is behind `offset` goes to quarantine first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) path: PathBuf,
    pub(crate) first_seq: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// What the segments still hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// What the log is.
    pub(crate) meta: Option<LogMeta>,
    /// All events below it are kept.
    pub(crate) kept_end: u64,
    /// First sequences and ends of the sealed segments that are kept whole, and their chains out.
    pub(crate) sealed: Vec<(u64, u64, u32)>,
    /// Segments that keep their beginning.
    pub(crate) cuts: Vec<Cut>,
    /// Segments of which nothing is kept, and files that only look like segments.
    pub(crate) moved: Vec<PathBuf>,
    /// No first segment is left, so that an empty one must be made.
    pub(crate) fresh: bool,
    /// Something that can be read says that all sequences below it were given to events.
    pub(crate) known_end: u64,
    /// Bytes at the log's end cannot be told, and nothing says how many events they were.
    pub(crate) open_end: bool,
    /// Files of other logs and histories.
    pub(crate) foreign: Vec<Foreign>,
    /// First sequences by which segments are named.
    pub(crate) firsts: Vec<u64>,
}

/// The lock of a writer on the directory: whoever holds it changes the log alone.
pub(crate) fn lock(env: &Env, dir: &Path) -> Result<Box<dyn Lock>, Error> {
    let lock = match lock_retrying(env, dir) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Err(Error::Missing { path: dir.to_path_buf() });
        }
        done => done?,
    };
    Paths::of(dir).refuse_remote(&*env.disk)?;
    lock.ok_or_else(|| Error::Locked { path: dir.to_path_buf() })
}

/// The lock that keeps readers out, who would see half a repair; none without a directory.
pub(crate) fn lock_readers(env: &Env, dir: &Path) -> Result<Option<Box<dyn Lock>>, Error> {
    let path = Paths::of(dir).segments;
    match lock_retrying(env, &path) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Ok(None) => Err(Error::Locked { path }),
        done => done,
    }
}
