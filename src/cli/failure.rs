//! How a command ends: its exit code, and what it says on standard error when it failed.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use rustix::io::Errno;

use super::out::say;
use crate::Error;

/// How a command that was carried out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All is well.
    Done,
    /// What was asked was found not to be so: damage, an unknown id; it was said already.
    Failed,
    /// Done, but some events were rejected.
    Rejected,
    /// A signal came; the batch at hand was finished.
    Interrupted,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library says so.
    Log(Error),
    /// The arguments make no sense together.
    Usage(String),
    /// Something else failed, told in one sentence.
    Other(String),
    /// The same, and there is something to do about it.
    #[cfg(feature = "remote")]
    Advised {
        /// What failed.
        text: String,
        /// What to do.
        help: String,
    },
    /// Standard output cannot be written.
    Output(io::Error),
    /// Nobody reads standard output any more, which is no failure.
    Closed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Log(error)
    }
}

impl Failure {
    /// Standard output could not be written.
    pub(crate) fn output(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::Closed
        } else {
            Failure::Output(error)
        }
    }

    /// What failed, without what to do about it.
    #[cfg(feature = "remote")]
    pub(crate) fn text(&self) -> String {
        match self {
            Failure::Log(error) => error.in_full(),
            Failure::Usage(text) | Failure::Other(text) | Failure::Advised { text, .. } => {
                text.clone()
            }
            Failure::Output(error) => format!("cannot write standard output: {error}"),
            Failure::Closed => "standard output is closed".to_owned(),
        }
    }
}

/// Says what went wrong, if anything, and gives the exit code.
pub(crate) fn exit(result: Result<Ending, Failure>) -> ExitCode {
    match result {
        Ok(Ending::Done) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Ok(Ending::Rejected) => ExitCode::from(3),
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(Failure::Usage(text)) => {
            say::error(&text);
            say::line("\nFor more information, try '--help'.");
            ExitCode::from(2)
        }
        Err(Failure::Other(text)) => {
            say::error(&text);
            ExitCode::from(1)
        }
        #[cfg(feature = "remote")]
        Err(Failure::Advised { text, help }) => {
            say::error(&text);
            say::help(&help);
            ExitCode::from(1)
        }
        Err(Failure::Output(error)) => {
            say::error(&format!("cannot write standard output: {error}"));
            ExitCode::from(1)
        }
        Err(Failure::Log(error)) => {
            say::error(&error.in_full());
            if let Some(url) = server_of(&error) {
                say::help(&format!("a server has it, at {url}: `--server {url}` asks it"));
            } else if let Some(advice) = advice(&error) {
                say::help(advice);
            }
            ExitCode::from(1)
        }
    }
}

/// What to do about a damaged backup, which is neither restored nor brought up to its log.
pub(crate) const BACKUP_ADVICE: &str = "nothing was changed; `ltvlog backup` to a new directory \
     makes another one, and without its backup.json this one is a log that `ltvlog repair` can mend";

/// The file in a log's directory that has the URL of the server that has the log.
pub(crate) const SERVER_FILE: &str = "server";

/// Whether a directory is a backup.
pub(crate) fn is_backup(dir: &Path) -> bool {
    dir.join("backup.json").exists()
}

/// The URL of the server that has a log which is locked, if one has.
fn server_of(error: &Error) -> Option<String> {
    const BYTES_MAX: u64 = 300;
    let Error::Locked { path } = error else { return None };
    let mut text = String::new();
    let file = std::fs::File::open(path.join(SERVER_FILE)).ok()?;
    std::io::Read::read_to_string(&mut std::io::Read::take(file, BYTES_MAX), &mut text).ok()?;
    let url = text.lines().next()?;
    // It is shown on a terminal, whoever wrote it.
    let is_plain = url.starts_with("http") && url.bytes().all(|byte| byte.is_ascii_graphic());
    // One that was killed left its URL behind.
    let patience = std::time::Duration::from_millis(300);
    let address = url.split_once("://")?.1.parse().ok()?;
    let answers = std::net::TcpStream::connect_timeout(&address, patience).is_ok();
    (is_plain && answers).then(|| url.to_owned())
}

/// What to do about it.
fn advice(error: &Error) -> Option<&'static str> {
    match error {
        Error::Locked { .. } => Some("wait for the other process, or stop it"),
        Error::Format { .. } => Some("use the version of ltvlog that wrote it, or a newer one"),
        // A file of a backup lies beside its manifest, or in a directory beside it.
        Error::Corrupt { path, .. } if path.ancestors().skip(1).take(2).any(is_backup) => {
            Some(BACKUP_ADVICE)
        }
        Error::Corrupt { .. } => {
            Some("nothing was changed; `ltvlog verify` lists all damage and the events it touches")
        }
        Error::Rejected { .. } => {
            Some("mend or leave out these events; without `--strict` all others are accepted")
        }
        Error::Poisoned { .. } => {
            Some("look after the disk, then repeat the call: what it wrote already is a duplicate")
        }
        Error::Missing { .. } => {
            Some("`ltvlog append FILE` begins one; `--log DIR` or LTVLOG_DIR names another")
        }
        Error::Io { source, .. } => io_advice(source),
        // The command line appends alone.
        Error::Options { .. } | Error::Full | Error::Closed => None,
    }
}

fn io_advice(error: &io::Error) -> Option<&'static str> {
    if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) {
        return Some(
            "`ulimit -n 8192` lets what the shell starts have more files open; a partition that is \
             appended to takes 4",
        );
    }
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    is_full.then_some("make room on the disk, then repeat the call; reading needs no room")
}
