//! One log directory: append, statistics, top X, follow.
//!
//! The store joins the rooms: admission over the log for writing, projections over the log for
//! answers. It owns what is derived (key sidecars, checkpoints) and decides when it is written.
//! It does not know JSON sources, terminals or networks.

mod ahead;
mod answers;
mod aside;
mod backup;
mod call;
mod check;
mod checkpoints;
mod cut;
mod deep;
mod entries;
mod evidence;
mod explain;
mod fellows;
mod files;
mod filter;
mod fold;
mod follower;
mod held;
mod index;
mod ingest;
mod live;
mod names;
mod pack;
mod parallel;
mod picked;
mod place;
mod records;
mod repair;
mod rules;
mod runs;
mod salvage;
mod saved;
mod sealing;
mod shelf;
mod sidecar;
mod sidecars;
mod source;
mod stage;
mod table;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod trial;
mod types;
#[cfg(any(feature = "kafka", feature = "nats", test))]
mod waiting;

pub use crate::log::{Copying, OnCopying, explain::Part};
pub use backup::{Backup, RestoreOptions, Restored};
pub use call::Call;
pub use explain::explain;
pub use follower::Follower;
#[cfg(any(feature = "kafka", feature = "nats"))]
pub(crate) use held::Held;
pub use picked::Picked;
pub use types::{
    CallOptions, Change, ChangeKind, CheckpointState, Customer, HoldMax, Info, Lost, OnReject,
    Options, Origin, Problem, Question, Receipt, Record, Rejected, Repair, SegmentInfo, Span, Sync,
    Top, Unread, Verification,
};

use std::marker;
use std::path::{Path, PathBuf};

use crate::event::Rules;
use crate::log::{BodyReader, Env};
use crate::projection::figures::Figures;
use crate::projection::{Digest, Projection, Statistics, TimeFrame};
use crate::{Error, Partition, codec};
use answers::Answers;
use ingest::Ingest;
use names::Names;
use rules::{agreed_partition, agreed_rules};
use source::Source;

/// How the log reads what it needs of a batch.
const READERS: BodyReader =
    BodyReader { customers_before: codec::customers_before, tally: codec::tally };

/// One log directory, to append to and to ask.
///
/// Asking takes no lock and writes nothing; the first append locks the directory for writing,
/// recovers the log if its last writer was killed, and keeps the lock until the store is closed
/// or dropped.
pub struct Store {
    env: Env,
    /// None for a scratch store.
    dir: Option<PathBuf>,
    options: Options,
    rules: Rules,
    partition: Partition,
    exists: bool,
    ingest: Option<Ingest>,
}

impl Store {
    /// Opens the log in `dir`, or, with no log there, what the first append will make one.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the log has another currency or time range than the options ask for,
    /// or lies on a network file system; else what reading its first header says.
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Store, Error> {
        Store::open_in(Env::real(options.allow_remote), dir.into(), options)
    }

    /// As [`Store::open`], on a disk, clock and randomness that are given.
    pub(crate) fn open_in(env: Env, dir: PathBuf, options: Options) -> Result<Store, Error> {
        let (meta, exists) = match crate::log::read_meta(&env, &dir) {
            // What a log left behind must be told of as one that lost its segments.
            Ok(None) => (None, evidence::is_left(&env, &dir)?),
            Ok(meta) => (meta, true),
            // Whoever reads on will be told again; `verify` must be able to tell it all.
            Err(Error::Corrupt { .. }) => (None, true),
            Err(error) => return Err(error),
        };
        let rules = agreed_rules(&dir, meta.as_ref(), &options)?;
        let partition = agreed_partition(&dir, meta.as_ref(), &options)?;
        Ok(Store { env, dir: Some(dir), options, rules, partition, exists, ingest: None })
    }

    /// A log of its own in memory and temporary files, gone when dropped. It syncs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] for options that no log can have.
    pub fn scratch(options: Options) -> Result<Store, Error> {
        let env = Env::real(options.allow_remote);
        let rules = agreed_rules(Path::new("(temporary)"), None, &options)?;
        let partition = options.partition.unwrap_or(Partition::WHOLE);
        let ingest = Some(Ingest::scratch(env.clone(), partition));
        Ok(Store { env, dir: None, options, rules, partition, exists: true, ingest })
    }

    /// The log's directory; none of a scratch store.
    pub fn path(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Whether there is a log; the first append makes one.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// The next sequence to be written, of what can be read now.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn end(&self) -> Result<u64, Error> {
        Ok(self.source()?.end())
    }

    /// What every event must keep to.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Which part of a partitioned log it is; [`Partition::WHOLE`] if it is not partitioned.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The top `x` customers by lifetime value, best first; ties by id, ascending.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without a log; damage met on the way; what the disk says.
    pub fn top(&self, x: usize, question: &Question) -> Result<Top, Error> {
        let source = self.source()?;
        let top = |figures: &dyn Figures| {
            Answers::new(&source, figures, question).top(x, self.rules.currency)
        };
        // A frame of each customer's own needs all that a checkpoint has: it is better loaded.
        let is_asked = question.frame == TimeFrame::Dataset;
        self.answer(&source, question.frame, is_asked, top)
    }

    /// Customers by id, `None` for an id that the log does not know; and the time the statistics
    /// were taken over, none on an empty log.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn stats(
        &self,
        ids: &[String],
        question: &Question,
    ) -> Result<(Option<Span>, Vec<Option<Customer>>), Error> {
        let source = self.source()?;
        let ordinals = self.ordinals(&source, ids)?;
        let known: Vec<u32> = ordinals.iter().copied().flatten().collect();
        let is_asked = !matches!(question.frame, TimeFrame::Window { .. });
        self.answer(&source, question.frame, is_asked, |figures| {
            let answers = Answers::new(&source, figures, question);
            let mut customers = answers.customers(&known, &mut Names::new(&source))?.into_iter();
            let found = ordinals.iter().map(|ordinal| ordinal.and_then(|_| customers.next()));
            Ok((answers.span(), found.collect()))
        })
    }

    /// Up to which position a source has been read, by the last mark that was appended.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn mark(&self, source: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let statistics = self.statistics_in(&self.source()?, TimeFrame::Dataset)?;
        Ok(statistics.mark(source).map(<[u8]>::to_vec))
    }

    /// Folds the whole log into a projection, from the first event; returns its end.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn replay(&self, projection: &mut dyn Projection) -> Result<u64, Error> {
        let source = self.source()?;
        checkpoints::catch_up(&source, projection, 0)?;
        Ok(source.end())
    }

    /// Folds the whole log into statistics over a time frame, from the first event, on as many
    /// threads as the options say. `on_progress` is told up to which sequence events were read;
    /// it begins again from the first one if something is wrong, to find out what.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn replay_statistics(
        &self,
        frame: TimeFrame,
        on_progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Statistics, Error> {
        self.continued(&self.source()?, None, frame, on_progress)
    }

    /// The digest of statistics that were folded from this log, taken on as many threads as the
    /// options say.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn digest(&self, statistics: &Statistics) -> Result<Digest, Error> {
        let add = |digest: &mut Digest, id: &str, ordinal| {
            let at = usize::try_from(ordinal).ok();
            if let Some(customer) = at.and_then(|at| statistics.customers().get(at)) {
                digest.add(id, customer);
            }
        };
        let mut whole = Digest::default();
        for part in self.each_customer(&self.source()?, Digest::default, add)? {
            whole += part;
        }
        Ok(whole)
    }

    /// Whether the newest checkpoint, continued to the same end, gives the same statistics.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn compare_checkpoint(&self, statistics: &Statistics) -> Result<CheckpointState, Error> {
        let (Some(dir), source) = (&self.dir, self.source()?) else {
            return Ok(CheckpointState::None);
        };
        // A writer may have gone on, and saved more than was folded.
        let until = statistics.end();
        let Some(mut saved) = checkpoints::newest_until(&self.env, dir, &source, until)? else {
            return Ok(CheckpointState::None);
        };
        checkpoints::fold_to(&source, &mut saved, until)?;
        if saved.end() != until {
            // Its segment was packed meanwhile: no batch ends there any more.
            return Ok(CheckpointState::None);
        }
        Ok(if saved == *statistics { CheckpointState::Equal } else { CheckpointState::Different })
    }

    /// Gives the records from a sequence on, until `each` returns false; returns the log's end.
    ///
    /// # Errors
    ///
    /// As [`Store::top`], and errors of `each`.
    pub fn records(
        &self,
        from: u64,
        each: &mut dyn FnMut(&Record<'_>) -> Result<bool, Error>,
    ) -> Result<u64, Error> {
        let source = self.source()?;
        records::read_records(&source, None, from, each)?;
        Ok(source.end())
    }

    /// Follows the log from a sequence on, while this or another process appends to it.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn follow(&self, from: u64) -> Result<Follower, Error> {
        let view = evidence::view(&self.env, self.dir()?)?;
        Ok(Follower::new(view, self.rules.clone(), from))
    }

    /// Segments, counts, times, bytes, and what is synced.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn info(&self) -> Result<Info, Error> {
        let source = self.source()?;
        let statistics = self.statistics_in(&source, TimeFrame::Dataset)?;
        check::info(&self.env, self.dir()?, &source, &statistics, &self.rules)
    }

    /// Reads and checks every byte of every file; damage is in the answer, not an error.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without a log; what the disk says.
    pub fn verify(&self) -> Result<Verification, Error> {
        check::verify(&self.env, self.dir()?, false)
    }

    /// Syncs, cuts what was preallocated, and lets go of the log.
    ///
    /// # Errors
    ///
    /// What the disk says; everything acknowledged is safe all the same.
    pub fn close(mut self) -> Result<(), Error> {
        self.ingest.take().map_or(Ok(()), Ingest::close)
    }

    /// Opens stores on the same log, each to be asked by itself.
    pub(crate) fn opener(
        &self,
    ) -> impl Fn() -> Result<Store, Error> + Send + marker::Sync + 'static {
        let (env, dir, options) = (self.env.clone(), self.dir.clone(), self.options.clone());
        move || match &dir {
            Some(dir) => Store::open_in(env.clone(), dir.clone(), options.clone()),
            None => Err(no_directory()),
        }
    }

    fn dir(&self) -> Result<&Path, Error> {
        match &self.dir {
            Some(dir) if self.exists => Ok(dir),
            Some(dir) => Err(Error::Missing { path: dir.clone() }),
            None => Err(no_directory()),
        }
    }

    /// The batches to answer from: this store's own, synced or not, or another writer's.
    fn source(&self) -> Result<Source<'_>, Error> {
        match &self.ingest {
            Some(Ingest { view: Some(view), .. }) => Ok(Source::Own(view)),
            Some(Ingest { shelf, .. }) if self.dir.is_none() => {
                Ok(Source::Stage(shelf.stage.as_ref().expect("a scratch store has a stage")))
            }
            Some(_) | None => {
                let view = evidence::view(&self.env, self.dir()?)?;
                Ok(Source::View(Box::new(view)))
            }
        }
    }
}

fn no_directory() -> Error {
    Error::Options { reason: "a scratch store has no directory".to_owned() }
}
