//! The one error type of the crate: a variant for each thing that a caller does about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong, one variant for each way to react.
///
/// `Display` gives one lower-case clause without its source; walk [`std::error::Error::source`]
/// for the rest. A bug of this crate is a panic, never an `Error`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: look at the path, the disk and the permissions.
    Io {
        /// What was attempted, as a verb with its object: `"sync"`, `"read the head of"`.
        action: &'static str,
        /// The file or directory that it was attempted on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process is writing to this log: wait, or find it.
    Locked {
        /// The directory that is locked.
        path: PathBuf,
    },
    /// The bytes are well formed but of a version or kind that this build does not know: upgrade.
    Format {
        /// The file that holds them.
        path: PathBuf,
        /// What is not known.
        reason: String,
    },
    /// The bytes are damaged. Nothing was changed; `verify` lists everything that is wrong.
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where the damage was noticed, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there, and which events it touches.
        reason: String,
    },
    /// A strict append met events that it would have rejected; nothing was written.
    Rejected {
        /// How many.
        count: u64,
    },
    /// An earlier write or sync failed, so what is on disk is unknown: open the log again.
    Poisoned {
        /// The failure that poisoned the writer.
        reason: String,
    },
    /// As many events as may wait to be appended do so already: try again later.
    Full,
    /// The appender was closed: stop.
    Closed,
    /// There is no log in this directory.
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// What was asked for does not fit this log or this machine: change the request.
    Options {
        /// What does not fit, and what would.
        reason: String,
    },
}

impl Error {
    /// What it says, and what it stems from.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// An adapter for `map_err`: names what was attempted and on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { action, path, .. } => write!(out, "cannot {action} {}", path.display()),
            Error::Locked { path } => {
                write!(out, "another process is writing to {}", path.display())
            }
            Error::Format { path, reason } => {
                write!(out, "{} needs a newer ltvlog: {reason}", path.display())
            }
            Error::Corrupt { path, offset, reason } => {
                write!(out, "{} is damaged at byte {offset}: {reason}", path.display())
            }
            Error::Rejected { count } => {
                let events = if *count == 1 { "event" } else { "events" };
                write!(out, "{count} {events} would be rejected, so nothing was written")
            }
            Error::Poisoned { reason } => {
                write!(out, "the log must be opened again after a failed write: {reason}")
            }
            Error::Full => out.write_str("too much waits to be appended"),
            Error::Closed => out.write_str("the appender was closed"),
            Error::Missing { path } => write!(out, "there is no log in {}", path.display()),
            Error::Options { reason } => out.write_str(reason),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Error::Io { source, .. } = self { Some(source) } else { None }
    }
}

/// Why bytes could not be decoded. Whoever knows their file and place makes an [`Error`] of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They break a rule of the format.
    Corrupt(&'static str),
    /// They are of a later version of the format.
    Unknown(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Corrupt(reason) => out.write_str(reason),
            Fault::Unknown(reason) => write!(out, "of a later version: {reason}"),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// The error for bytes at `offset` of the file at `path`.
    pub(crate) fn at(self, path: &Path, offset: u64) -> Error {
        let path = path.to_path_buf();
        match self {
            Fault::Corrupt(reason) => Error::Corrupt { path, offset, reason: reason.to_owned() },
            Fault::Unknown(reason) => Error::Format { path, reason: reason.to_owned() },
        }
    }
}
