//! Standard output for results, standard error for everything else.
//!
//! A result is buffered and its every write checked, so that a full disk is a failure and a closed
//! pipe is none. What goes to standard error is for people: if nobody takes it, nothing is lost.

use std::io::{self, StdoutLock, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::args::Format;
use super::failure::Failure;
use crate::wire;

/// Standard output, and how results are printed on it.
pub(crate) struct Out {
    format: Option<Format>,
    inner: io::BufWriter<StdoutLock<'static>>,
}

impl Out {
    pub(crate) fn new(format: Option<Format>) -> Out {
        Out { format, inner: io::BufWriter::with_capacity(1 << 16, io::stdout().lock()) }
    }

    /// How results are printed: tables, unless something else was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format.unwrap_or(Format::Table)
    }

    /// What was asked for, if anything.
    pub(crate) fn asked(&self) -> Option<Format> {
        self.format
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.inner.write_all(bytes).map_err(Failure::output)
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// One line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = wire::line(value);
        line.push('\n');
        self.text(&line)
    }

    /// Rows of comma-separated values.
    pub(crate) fn csv(&mut self, rows: &[Vec<Option<String>>]) -> Result<(), Failure> {
        let mut text = String::new();
        for row in rows {
            super::csv::row(row.iter().map(Option::as_deref), &mut text);
        }
        self.text(&text)
    }

    /// Fails if nobody reads standard output any more, which a write would tell; but whoever waits
    /// for something to print does not write.
    pub(crate) fn is_read(&self) -> Result<(), Failure> {
        let stdout = io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Where it cannot be told, the next write tells.
        let told = poll(&mut asked, Some(&at_once)).is_ok();
        let gone = PollFlags::ERR | PollFlags::HUP;
        if told && asked.iter().any(|one| one.revents().intersects(gone)) {
            return Err(Failure::Closed);
        }
        Ok(())
    }

    /// Hands what was printed to whoever reads it. To be called once at the end, too.
    pub(crate) fn done(&mut self) -> Result<(), Failure> {
        self.inner.flush().map_err(Failure::output)
    }
}

/// Standard error.
pub(crate) mod say {
    use std::io::{self, IsTerminal, Write};

    /// One line. A standard error that is closed or full is nobody's failure.
    pub(crate) fn line(text: &str) {
        writeln!(io::stderr(), "{text}").ok();
    }

    /// A failure, in the words of which `error:` is one that clap uses too.
    pub(crate) fn error(text: &str) {
        labelled("\u{1b}[1;31m", "error", text);
    }

    /// Something a user would want to know, although all is well.
    pub(crate) fn note(text: &str) {
        labelled("\u{1b}[1m", "note", text);
    }

    /// Something that is done all the same, and should not be.
    #[cfg(feature = "remote")]
    pub(crate) fn warning(text: &str) {
        labelled("\u{1b}[1;33m", "warning", text);
    }

    /// What to do about a failure.
    pub(crate) fn help(text: &str) {
        labelled("\u{1b}[1m", "help", text);
    }

    fn labelled(colour: &str, label: &str, text: &str) {
        if coloured() {
            line(&format!("{colour}{label}:\u{1b}[0m {text}"));
        } else {
            line(&format!("{label}: {text}"));
        }
    }

    /// Colour is for terminals whose user did not say no.
    fn coloured() -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        io::stderr().is_terminal()
            && !set("NO_COLOR")
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }
}
