//! The parent: one child after another until every flip has its verdict.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::image::{Flip, Image};
use crate::peer::text;
use crate::verdict::Verdict;

/// A child that says nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What came of some flips.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By verdict, in the order of [`Verdict::ALL`].
    pub verdicts: [u64; 6],
    /// Not reported, and then looked at by the store's own check command.
    pub checked: u64,
    /// Found by it.
    pub found: u64,
    /// Silent loss and wrong data during which the store logged a warning.
    pub logged: u64,
}

impl Counts {
    /// All flips.
    pub fn flips(&self) -> u64 {
        self.verdicts.iter().sum()
    }

    /// The flips with this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict as usize]
    }

    fn add(&mut self, other: &Counts) {
        for (sum, count) in self.verdicts.iter_mut().zip(other.verdicts) {
            *sum += count;
        }
        self.checked += other.checked;
        self.found += other.found;
        self.logged += other.logged;
    }
}

/// One store, left one way.
pub struct Row {
    /// Why the store could not be read, without any flip; nothing was flipped then.
    pub refused: Option<String>,
    /// Counts by file.
    pub files: Vec<(String, Counts)>,
    /// Bits there are, of which all or some were flipped.
    pub bits: usize,
    /// Bytes of zeros at the ends of files that were left out.
    pub zeros_left_out: u64,
}

impl Row {
    /// The counts of all files together.
    pub fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        self.files.iter().for_each(|(_, counts)| sum.add(counts));
        sum
    }
}

/// Lets a child make the store in `dir`.
pub fn write(peer: usize, dir: &Path) -> Result<(), String> {
    let mut child = spawn(&["write".into(), peer.to_string(), dir.display().to_string()], true)?;
    let ended = child.wait().map_err(text)?;
    ended.success().then_some(()).ok_or(format!("writing ended with {ended}"))
}

/// Flips the bits of one directory.
pub struct Run<'a> {
    /// Number of the store, as the child knows it.
    peer: usize,
    /// Flips at most.
    most: usize,
    /// Whether each flip is told on standard error.
    each: bool,
    image: &'a Image,
    flips: Vec<Flip>,
    paths: Vec<String>,
    /// By file.
    counts: Vec<Counts>,
    /// The flip that is tried.
    next: usize,
    /// Whether the check of the flip before is still to come.
    checking: bool,
    /// What the child said last that was no verdict.
    said: String,
    refused: Option<String>,
}

impl<'a> Run<'a> {
    pub fn new(peer: usize, image: &'a Image, most: usize, each: bool) -> Run<'a> {
        let (flips, paths) = (image.flips(most), image.paths());
        let counts = vec![Counts::default(); paths.len()];
        let (next, checking, said) = (0, false, String::new());
        Run { peer, most, each, image, flips, paths, counts, next, checking, said, refused: None }
    }

    /// One child after another, until every flip has its verdict.
    pub fn all(mut self, dir: &Path, work: &Path) -> Result<Row, String> {
        while self.next < self.flips.len() && self.refused.is_none() {
            let numbers = [self.peer, self.next, self.most].map(|number| number.to_string());
            let [peer, from, most] = numbers;
            let [dir, work] = [dir, work].map(|path| path.display().to_string());
            let mut child = spawn(&["flip".into(), peer, dir, work, from, most], self.each)?;
            let lines = listen(&mut child)?;
            self.said.clear();
            let ended = loop {
                match lines.recv_timeout(SILENCE_MAX) {
                    Ok(line) if line == "done" => break None,
                    Ok(line) => self.hear(&line)?,
                    Err(RecvTimeoutError::Timeout) => break Some(Verdict::Hang),
                    Err(RecvTimeoutError::Disconnected) => break Some(Verdict::Abort),
                }
            };
            child.kill().and_then(|()| child.wait()).map_err(text)?;
            if let Some(verdict) = ended {
                self.died(verdict)?;
            }
        }
        let (bits, zeros_left_out) = (self.image.bits(), self.image.zeros_left_out());
        let files = self.paths.into_iter().zip(self.counts).collect();
        Ok(Row { refused: self.refused, files, bits, zeros_left_out })
    }

    fn hear(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            ["verdict", name, logged, checks, detail] => {
                let verdict = Verdict::named(name).ok_or(format!("no verdict: {name}"))?;
                self.checking = checks == "checks";
                self.judge(verdict, logged == "logged", detail);
            }
            ["failed", error] => return Err(error.to_owned()),
            ["refused", error] => self.refused = Some(error.to_owned()),
            ["check", found] => self.checked(found == "found"),
            _ => line.clone_into(&mut self.said),
        }
        Ok(())
    }

    /// The child is gone: by the flip it said nothing of, or by the check of the one before.
    fn died(&mut self, verdict: Verdict) -> Result<(), String> {
        if self.said.is_empty() {
            return Err("it cannot be read without a flip".to_owned());
        }
        if self.checking {
            self.checked(false);
        } else {
            let said = std::mem::take(&mut self.said);
            self.judge(verdict, false, &said);
        }
        Ok(())
    }

    fn judge(&mut self, verdict: Verdict, logged: bool, detail: &str) {
        let flip = self.flips[self.next];
        let counts = &mut self.counts[flip.file];
        counts.verdicts[verdict as usize] += 1;
        if matches!(verdict, Verdict::SilentLoss | Verdict::WrongData) {
            counts.logged += u64::from(logged);
        }
        if self.each {
            let path = &self.paths[flip.file];
            eprintln!("{path}\t{}\t{}\t{}\t{detail}", flip.offset, flip.bit, verdict.name());
        }
        self.next += 1;
    }

    fn checked(&mut self, found: bool) {
        let file = self.flips[self.next - 1].file;
        let counts = &mut self.counts[file];
        counts.checked += 1;
        counts.found += u64::from(found);
        self.checking = false;
    }
}

/// This program again, as a child; heard, its standard error is this one's.
fn spawn(words: &[String], heard: bool) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(text)?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    if !heard {
        command.stderr(Stdio::null());
    }
    command.spawn().map_err(text)
}

/// What the child says, line by line.
fn listen(child: &mut Child) -> Result<Receiver<String>, String> {
    let out = child.stdout.take().ok_or("a child without standard output")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let told = BufReader::new(out).lines().map_while(Result::ok);
        told.map_while(|line| sender.send(line).ok()).for_each(drop);
    });
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run over a file of one byte that hears these lines; a word `died` is the child's end.
    fn after(lines: &[&str]) -> Counts {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("file"), [1]).expect("written");
        let image = Image::load(dir.path()).expect("read");
        let mut run = Run::new(0, &image, 8, false);
        for line in lines {
            let heard = match *line {
                "died" => run.died(Verdict::Abort),
                line => run.hear(line),
            };
            heard.expect("a line that is understood");
        }
        run.counts[0].clone()
    }

    #[test]
    fn a_child_that_ends_before_its_first_flip_is_no_verdict() {
        let image = Image::load(Path::new("src")).expect("read");
        let mut run = Run::new(0, &image, 8, false);
        assert!(run.died(Verdict::Abort).is_err());
        assert!(run.hear("failed\tno space").is_err());
        assert_eq!(run.next, 0);
    }

    #[test]
    fn the_end_of_a_child_is_the_verdict_of_the_flip_it_was_at() {
        let silent = "verdict\tunharmed\t\tchecks\t20 records";
        let lost = "verdict\tsilent loss\tlogged\t\t19 records";
        let counts = after(&["ready", silent, "check\tfound", lost, "panic\toh", "died"]);
        assert_eq!((counts.verdicts, counts.flips()), ([0, 1, 1, 0, 1, 0], 3));
        assert_eq!((counts.checked, counts.found, counts.logged), (1, 1, 1));
        // The check ended it: the flip before has its verdict already.
        let counts = after(&["ready", silent, "died"]);
        assert_eq!((counts.verdicts, counts.checked, counts.found), ([0, 1, 0, 0, 0, 0], 1, 0));
    }
}
