//! Where rejected events go: a file of JSON lines that `append` reads back, or standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::out::say;
use super::table::{count, shown};
use crate::{Error, Rejected, write_reject};

/// How many are shown on standard error where no file takes them.
const SHOWN_MAX: usize = 10;
/// How much of a shown event's text is shown, in characters.
const SHOWN_LETTERS: usize = 120;

/// Rejected events of one call.
pub(crate) struct Rejects {
    file: Option<(PathBuf, BufWriter<File>)>,
    shown: Vec<String>,
    /// The last one, which says of a damaged archive that it is one.
    last: Option<String>,
    count: u64,
    /// How many of them are on the disk, or were shown as far as they are.
    saved: u64,
    /// Memory for the line at hand.
    line: String,
}

impl Rejects {
    /// Refuses a file among those of a log: there it would be cut off as no part of the log, or taken
    /// for damage.
    pub(crate) fn refuse_inside(path: Option<&Path>, log: &Path) -> Result<(), Failure> {
        let Some(path) = path else { return Ok(()) };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let places = [path, dir.unwrap_or(Path::new("."))].map(|place| place.canonicalize().ok());
        let Ok(log) = log.canonicalize() else { return Ok(()) };
        if places.iter().flatten().any(|place| place.starts_with(&log)) {
            let (path, log) = (path.display(), log.display());
            let reason =
                format!("{path} lies in the log's directory, {log}: name another for rejects");
            return Err(Failure::Usage(reason));
        }
        Ok(())
    }

    /// Opens the file, before anything is appended. What is in it stays: rejected events of an
    /// earlier call are nowhere else.
    pub(crate) fn new(path: Option<&Path>) -> Result<Rejects, Error> {
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).mode(0o600).open(path);
            let file = file.map_err(|source| Error::Io {
                action: "open",
                path: path.to_path_buf(),
                source,
            })?;
            Ok((path.to_path_buf(), BufWriter::new(file)))
        };
        let file = path.map(open).transpose()?;
        Ok(Rejects { file, shown: Vec::new(), last: None, count: 0, saved: 0, line: String::new() })
    }

    /// The open file, to be compared with those that are read.
    pub(crate) fn file(&self) -> Option<&File> {
        self.file.as_ref().map(|(_, file)| file.get_ref())
    }

    /// Takes one that came from the source of this name.
    pub(crate) fn take(&mut self, source: &str, rejected: &Rejected<'_>) -> Result<(), Error> {
        self.count += 1;
        match &mut self.file {
            Some((path, file)) => {
                self.line.clear();
                let Rejected { origin, rejection, text } = rejected;
                write_reject(source, origin.line, rejection, text, &mut self.line);
                file.write_all(self.line.as_bytes()).map_err(|source| Error::Io {
                    action: "write",
                    path: path.clone(),
                    source,
                })
            }
            None => {
                if self.shown.len() < SHOWN_MAX {
                    self.shown.push(as_shown(source, rejected));
                } else {
                    self.last = Some(as_shown(source, rejected));
                }
                Ok(())
            }
        }
    }

    /// Hands what was taken so far to the disk; without a file, shows the first of them now: whoever goes on
    /// without an end may not come to [`Rejects::finish`].
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub(crate) fn save(&mut self) -> Result<(), Error> {
        if self.count == self.saved {
            return Ok(());
        }
        let told = self.told();
        self.saved = self.count;
        let Some((path, file)) = &mut self.file else {
            self.shown.iter().skip(told).for_each(|line| say::line(line));
            return Ok(());
        };
        save(file).map_err(|source| Error::Io { action: "write", path: path.clone(), source })
    }

    /// How many of those that are shown were shown already.
    fn told(&self) -> usize {
        usize::try_from(self.saved).map_or(SHOWN_MAX, |saved| saved.min(SHOWN_MAX))
    }

    /// Hands the file to the disk, or tells what was rejected; `strict`, what would have been.
    pub(crate) fn finish(&mut self, strict: bool) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let verb = match (strict, self.count) {
            (true, 1) => "event would be",
            (true, _) => "events would be",
            (false, 1) => "event was",
            (false, _) => "events were",
        };
        let told = format!("{} {verb} rejected", count(self.count));
        match &mut self.file {
            Some((path, file)) => {
                save(file).map_err(|source| Error::Io {
                    action: "write",
                    path: path.clone(),
                    source,
                })?;
                let added = match (strict, self.count) {
                    (true, 1) => ", and was added",
                    (true, _) => ", and were added",
                    (false, _) => " and added",
                };
                say::note(&format!("{told}{added} to {}", path.display()));
            }
            None => {
                let shown = self.shown.iter().chain(&self.last);
                let kept = u64::try_from(shown.clone().count()).unwrap_or(u64::MAX);
                shown.skip(self.told()).for_each(|line| say::line(line));
                let more = match self.count.saturating_sub(kept) {
                    0 => String::new(),
                    more => format!(", {} of them not shown", count(more)),
                };
                // A source of which something was saved has a mark, which is past it.
                let keep = match self.saved {
                    0 => "`--rejects FILE` keeps them",
                    _ => "`--from-first --rejects FILE` reads them again and keeps them",
                };
                say::note(&format!("{told}{more}; {keep}"));
            }
        }
        Ok(())
    }
}

fn save(file: &mut BufWriter<File>) -> io::Result<()> {
    file.flush()?;
    // A pipe or a device has nothing to sync.
    if file.get_ref().metadata()?.is_file() { file.get_ref().sync_data() } else { Ok(()) }
}

fn as_shown(source: &str, rejected: &Rejected<'_>) -> String {
    let rejection = rejected.rejection;
    let text = String::from_utf8_lossy(rejected.text);
    let mut letters = text.chars();
    let mut start: String = letters.by_ref().take(SHOWN_LETTERS).collect();
    if letters.next().is_some() {
        start.push('…');
    }
    let (line, reason, detail) = (rejected.origin.line, rejection.reason, shown(&rejection.detail));
    // What breaks an array can be nothing at all.
    let below = if start.is_empty() { String::new() } else { format!("\n    {}", shown(&start)) };
    format!("{source}:{line}: {reason}: {detail}{below}")
}
