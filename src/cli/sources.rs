//! What a command reads events from: files and standard input, one after the other.
//!
//! What is wrong with a name is found out before anything is written: a file that is not there, a
//! directory, standard input given twice. Decompression is `input`'s part.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::out::say;
use crate::Error;

/// Time between two looks at the note of signals while standard input has nothing.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A place to read events from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard input.
    Input,
    /// A file.
    File(PathBuf),
}

impl Place {
    /// As messages and rejects name it.
    pub(crate) fn name(&self) -> String {
        match self {
            Place::Input => "-".to_owned(),
            Place::File(path) => path.display().to_string(),
        }
    }
}

/// All places of one command.
pub(crate) struct Sources {
    pub(crate) places: Vec<Place>,
    /// Bytes in all of them, if none is a pipe.
    pub(crate) total_bytes: Option<u64>,
    /// Bytes read so far, before decompression.
    pub(crate) read_bytes: Arc<AtomicU64>,
    given_up: Arc<AtomicBool>,
}

impl Sources {
    /// Looks at each place; none at all is standard input. None may be the file `written`, which
    /// would never end.
    pub(crate) fn new(files: &[PathBuf], written: Option<&File>) -> Result<Sources, Failure> {
        let mut places: Vec<Place> = files
            .iter()
            .map(|path| match path.as_os_str() == "-" {
                true => Place::Input,
                false => Place::File(path.clone()),
            })
            .collect();
        if places.is_empty() {
            places.push(Place::Input);
        }
        if places.iter().filter(|place| **place == Place::Input).count() > 1 {
            return Err(Failure::Usage("standard input (`-`) can be read only once".to_owned()));
        }
        let written = written.and_then(|file| file.metadata().ok());
        let mut total_bytes = Some(0_u64);
        for place in &places {
            let metadata = look_at(place)?;
            if let (Some(written), Some(read)) = (&written, &metadata) {
                check_distinct(written, read, place)?;
            }
            let bytes = metadata.filter(Metadata::is_file).map(|metadata| metadata.len());
            total_bytes = total_bytes.zip(bytes).map(|(total, bytes)| total.saturating_add(bytes));
        }
        Ok(Sources { places, total_bytes, read_bytes: Arc::default(), given_up: Arc::default() })
    }

    /// Opens one place for reading its bytes as they are.
    pub(crate) fn open(
        &self,
        place: &Place,
        interrupt: &Interrupt,
    ) -> Result<Box<dyn Read + Send>, Failure> {
        let count = Arc::clone(&self.read_bytes);
        match place {
            Place::File(path) => {
                let file = File::open(path).map_err(Error::io("open", path))?;
                if file.metadata().map_err(Error::io("read", path))?.is_file() {
                    return Ok(Box::new(Counted { inner: file, count }));
                }
                // A pipe with a name makes whoever reads wait as standard input does.
                Ok(Box::new(Counted { inner: self.patient(file, interrupt), count }))
            }
            Place::Input => {
                let input = io::stdin();
                if input.is_terminal() {
                    say::note("reading events from the terminal; Ctrl-D ends them");
                }
                // Not through the buffer that the standard library keeps before it: what lies in
                // there is nothing that can be waited for.
                let input = input.as_fd().try_clone_to_owned().map(File::from);
                let input = input.map_err(|error| failed(place, error))?;
                Ok(Box::new(Counted { inner: self.patient(input, interrupt), count }))
            }
        }
    }

    fn patient(&self, inner: File, interrupt: &Interrupt) -> Patient {
        Patient { inner, interrupt: interrupt.clone(), given_up: Arc::clone(&self.given_up) }
    }

    /// Ends the wait for what nobody will take: its reader may be another thread than the one
    /// that failed.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// What the system knows of a place; nothing of standard input that is closed.
fn look_at(place: &Place) -> Result<Option<Metadata>, Failure> {
    match place {
        Place::File(path) => {
            let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
            if metadata.is_dir() {
                let reason = format!("{} is a directory, not a file of events", path.display());
                return Err(Failure::Other(reason));
            }
            Ok(Some(metadata))
        }
        Place::Input => {
            let copy = io::stdin().as_fd().try_clone_to_owned();
            Ok(copy.ok().and_then(|copy| File::from(copy).metadata().ok()))
        }
    }
}

fn check_distinct(written: &Metadata, read: &Metadata, place: &Place) -> Result<(), Failure> {
    let same = written.is_file() && (written.dev(), written.ino()) == (read.dev(), read.ino());
    if !same {
        return Ok(());
    }
    let name = if *place == Place::Input { "standard input".to_owned() } else { place.name() };
    Err(Failure::Usage(format!("{name} is the file that rejected events go to: name another")))
}

/// Counts bytes as they are read.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(read)
    }
}

/// Standard input, or a pipe, that keeps neither a signal nor a failure waiting while nobody types.
struct Patient {
    inner: File,
    interrupt: Interrupt,
    given_up: Arc<AtomicBool>,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.interrupt.came() || self.given_up.load(Ordering::Relaxed) {
                // A kind that no decoder gives, and that nobody takes for the end.
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            let mut waited = [PollFd::new(&self.inner, PollFlags::IN)];
            match poll(&mut waited, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // What cannot be waited for can be read at once, or tells its error when read.
                Ok(_) | Err(_) => return self.inner.read(buffer),
            }
        }
    }
}

/// The error of a place that failed while it was read.
pub(crate) fn failed(place: &Place, source: io::Error) -> Failure {
    let path = match place {
        Place::Input => Path::new("standard input"),
        Place::File(path) => path,
    };
    Failure::Log(Error::io("read", path)(source))
}
