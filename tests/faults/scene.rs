//! A log, what is appended to it while something goes wrong, and what must come of it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::events::text;
use crate::program::{Append, Ran, Receipt, plain_append};
use crate::read::{Look, copy, digest, export, is_in_quarantine, last_segment, look};

/// The scene of one fault after another.
pub struct Scene {
    pub name: &'static str,
    home: TempDir,
    log: PathBuf,
    pub append: Append,
    /// What was acknowledged before.
    acknowledged: u64,
    truth: Truth,
}

/// What comes of it when nothing goes wrong.
pub struct Truth {
    /// The log, event by event.
    pub lines: Vec<String>,
    pub digest: String,
    /// What is said to whoever gives everything once more.
    pub again: Receipt,
}

/// What goes into a scene.
pub struct Script {
    pub name: &'static str,
    pub append: Append,
    /// Given before; the log that it left is in `template` of the scene's directory.
    pub before: Vec<String>,
    /// So many of those were acknowledged.
    pub acknowledged: u64,
    /// Given while something goes wrong.
    pub input: Vec<String>,
}

impl Truth {
    /// Of a log where nothing went wrong, and the file of everything that was ever given to it.
    pub fn of(log: &Path, everything: &Path) -> Truth {
        let lines = export(log);
        let again = Ran::done(plain_append(log, Some(everything))).receipt().unwrap();
        assert_eq!((again.accepted, again.end), (0, lines.len() as u64), "all of it is there");
        Truth { digest: digest(log), lines, again }
    }

    /// What was recovered must be the first of these events, with all that was acknowledged.
    #[track_caller]
    fn check_prefix(&self, found: &Look, at_least: u64, context: &str) {
        let count = found.lines.len();
        assert!(
            count as u64 >= at_least,
            "{count} events are there, but {at_least} were acknowledged\n{context}"
        );
        let same = found.lines.iter().zip(&self.lines).take_while(|(a, b)| a == b).count();
        assert!(
            same == count,
            "event {same} of {count} is {:?}, not {:?}\n{context}",
            found.lines.get(same),
            self.lines.get(same)
        );
    }

    /// After a fault: what is there is a prefix with all that was acknowledged; opening for append
    /// keeps all that readers saw, and keeps what it cuts. Returns the recovered end.
    #[track_caller]
    pub fn check_recovery(&self, log: &Path, acknowledged: u64, context: &str) -> u64 {
        let seen = look(log, context);
        self.check_prefix(&seen, acknowledged, context);
        let segment = last_segment(log);
        let ran = Ran::run(plain_append(log, None));
        let receipt = ran.receipt().filter(|_| ran.status.success());
        let receipt = receipt.unwrap_or_else(|| panic!("recovery: {ran:?}\n{context}"));
        let recovered = look(log, context);
        assert_eq!(recovered.torn_bytes, 0, "recovery cuts\n{context}");
        assert_eq!(
            (receipt.end, receipt.synced),
            (recovered.lines.len() as u64, true),
            "{context}"
        );
        self.check_prefix(&recovered, seen.lines.len() as u64, context);
        if seen.torn_bytes > 0 {
            let (_, segment) = segment.expect("what is torn has a file");
            let kept = is_in_quarantine(log, &segment, seen.torn_bytes);
            assert!(kept, "{} torn bytes are in no file of quarantine\n{context}", seen.torn_bytes);
        }
        receipt.end
    }

    /// Then everything is given again, and in the end it is as if nothing had gone wrong.
    #[track_caller]
    pub fn check_going_on(&self, log: &Path, recovered: u64, everything: &Path, context: &str) {
        let ran = Ran::run(plain_append(log, Some(everything)));
        let receipt = ran.receipt().filter(|_| ran.is_done());
        let receipt = receipt.unwrap_or_else(|| panic!("going on: {ran:?}\n{context}"));
        let missing = self.again.end - recovered;
        let expected = Receipt {
            accepted: missing,
            duplicates: self.again.duplicates - missing,
            ..self.again
        };
        assert_eq!(receipt, expected, "{context}");
        let mut found = look(log, context).lines;
        let mut lines = self.lines.clone();
        // An event that had to wait for its customer need not wait in the second run.
        found.sort_unstable();
        lines.sort_unstable();
        assert!(found == lines, "the log has other events in the end\n{context}");
        assert_eq!(digest(log), self.digest, "{context}");
    }
}

impl Scene {
    /// Sets the scene: `template` makes the log that is there before, in a directory whose name it
    /// is told, if there is to be one.
    pub fn new(script: Script, template: impl FnOnce(&Path)) -> Scene {
        let Script { name, append, before, acknowledged, input } = script;
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        template(&path("template"));
        fs::write(path("input"), text(&input)).unwrap();
        fs::write(path("everything"), text(&before) + &text(&input)).unwrap();
        copy(&path("template"), &path("log"));
        Ran::done(append.command(&[], &path("log"), Some(&path("input"))));
        let truth = Truth::of(&path("log"), &path("everything"));
        let log = path("log");
        Scene { name, home, log, append, acknowledged, truth }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.log.clone()
    }

    /// From now on the log is elsewhere.
    pub fn move_to(&mut self, log: PathBuf) {
        self.log = log;
    }

    /// Puts the log back to what it was.
    pub fn reset(&self) {
        copy(&self.path("template"), &self.log());
    }

    /// Runs the append from the log's first state. `wrap` is what brings the fault about.
    pub fn run(&self, wrap: &[String]) -> Ran {
        self.reset();
        Ran::run(self.append.command(wrap, &self.log(), Some(&self.path("input"))))
    }

    /// Opens the log as it is for append, and gives it nothing.
    pub fn recover(&self, wrap: &[String]) -> Ran {
        let nothing = Path::new("/dev/null");
        Ran::run(Append::default().command(wrap, &self.log(), Some(nothing)))
    }

    /// How many events this run, or what was before, has acknowledged.
    pub fn acknowledged(&self, ran: &Ran) -> u64 {
        self.acknowledged.max(ran.acknowledged())
    }

    /// Whether a run did all there was to do.
    pub fn is_whole(&self, ran: &Ran) -> bool {
        ran.is_done() && ran.receipt().is_some_and(|receipt| receipt.end == self.truth.again.end)
    }

    /// Holds what a fault has left against what must be.
    #[track_caller]
    pub fn check(&self, acknowledged: u64, context: &str) {
        let log = self.log();
        let recovered = self.truth.check_recovery(&log, acknowledged, context);
        self.truth.check_going_on(&log, recovered, &self.path("everything"), context);
    }
}
