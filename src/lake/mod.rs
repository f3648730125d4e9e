//! A log as Parquet files, for engines that compute elsewhere: DuckDB, Spark and the like.
//!
//! A dataset takes the events of a log, or of all partitions of one, in increments. Each is a file
//! for each bucket of customers, and a manifest that is written last and makes them part of the
//! dataset; docs/lake.md has the layout. What is exported again adds what is new. Nothing here
//! changes or removes what a manifest names, and nothing here reads events back: that is what the
//! engines are for.

mod chain;
mod check;
mod columns;
mod file;
mod increment;
mod manifest;
#[cfg(feature = "s3")]
mod objects;
mod place;
mod schema;
#[cfg(test)]
mod tests;

pub use check::Checked;

use std::num::{NonZeroU16, NonZeroU64};
use std::path::Path;

use self::chain::Chain;
use self::increment::{Common, Increment};
use self::manifest::hex;
use self::place::{Directory, Place};
use crate::{Error, Partition, Record, Store};

/// A dataset of Parquet files, or where one is to be.
///
/// ```
/// use ltvlog::{Dataset, ExportOptions, Options, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (dir, lake) = (dir.path().join("log"), dir.path().join("lake"));
/// let mut store = Store::open(&dir, Options::default())?;
/// # let text = br#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46Z"}"#;
/// # store.append([ltvlog::Event::from_json(text, &store.rules().clone())?])?;
/// let dataset = Dataset::open(lake.as_os_str())?;
/// let options = ExportOptions { all: true, ..ExportOptions::default() };
/// let exported = dataset.export(&store, &options, &mut |_, _| true)?;
/// assert_eq!((exported.first, exported.end, exported.rows), (0, 1, 1));
/// assert_eq!(dataset.export(&store, &options, &mut |_, _| true)?.rows, 0);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// A dataset in an object store waits for its requests in a runtime of its own, so its calls panic
/// within another one: from asynchronous code use `tokio::task::spawn_blocking`.
pub struct Dataset {
    place: Box<dyn Place>,
}

/// What is exported, and how.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// Into how many buckets customers are divided by [`partition_of`](crate::partition_of), at
    /// most 256; `None` takes an existing dataset's, and 16 for a new one.
    pub buckets: Option<NonZeroU16>,
    /// Everything that is on the disk, and not the sealed segments alone.
    pub all: bool,
    /// After so many events an increment is complete, and stays if the export is cut off.
    pub increment_events_max: NonZeroU64,
}

impl Default for ExportOptions {
    fn default() -> ExportOptions {
        let increment_events_max = NonZeroU64::new(1 << 24).expect("2^24 is not 0");
        ExportOptions { buckets: None, all: false, increment_events_max }
    }
}

/// What an export added to a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Of which partition.
    pub partition: Partition,
    /// The first sequence that was not in the dataset.
    pub first: u64,
    /// All below is in the dataset now.
    pub end: u64,
    /// Events added.
    pub rows: u64,
    /// Events below `end` that were left out for good: only a later version can tell them.
    pub skipped: u64,
    /// Increments added.
    pub increments: u64,
    /// Files added.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events that the log has beyond: they are not in sealed segments, not synced, or came since.
    pub left: u64,
    /// Whether the export went to its end, and was not told to stop.
    pub complete: bool,
}

impl Dataset {
    /// Names a dataset: a directory, or, with the feature `s3`, `s3://BUCKET/PREFIX`. Nothing is
    /// read or written yet.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] for a place that this build cannot write to.
    pub fn open(dest: impl AsRef<Path>) -> Result<Dataset, Error> {
        let dest = dest.as_ref();
        match dest.to_str().filter(|dest| dest.contains("://")) {
            Some(url) => Ok(Dataset { place: elsewhere(url)? }),
            None => Ok(Dataset { place: Box::new(Directory(dest.to_path_buf())) }),
        }
    }

    /// Adds what the dataset does not have of a log, one increment after the other. `on_progress`
    /// is told which sequence is next and where the export ends; once it says no, the increment at
    /// hand is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the dataset is another log's, has other buckets, another export was
    /// quicker, or the store has no conditional puts; damage met on the way; what the disk, or the place, says. Increments that are
    /// complete stay in each case.
    pub fn export(
        &self,
        store: &Store,
        options: &ExportOptions,
        on_progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Exported, Error> {
        let place = &*self.place;
        let info = store.info()?;
        let sealed = info.segments.iter().filter(|segment| segment.sealed);
        let sealed_end = sealed.map(|segment| segment.end).max().unwrap_or(0);
        let end = if options.all { info.synced_end } else { sealed_end.min(info.synced_end) };
        let about = chain::agree(place, store, options.buckets)?;
        let common = Common {
            log_id: format!("{:016x}", info.log_id),
            partition: store.partition(),
            buckets: about.buckets(),
            currency: info.rules.currency,
            run: run()?,
        };
        let mut chain = Chain::read(place, common.partition, &about)?;
        chain.continues(place, store, &common.log_id)?;
        let mut done = Exported {
            partition: common.partition,
            first: chain.end(),
            end: chain.end(),
            rows: 0,
            skipped: 0,
            increments: 0,
            files: 0,
            bytes: 0,
            left: 0,
            complete: true,
        };
        if done.end < end {
            chain::excludes(place, &about)?;
            let most = options.increment_events_max.get();
            let (done, chain) = (&mut done, &mut chain);
            let run = Run { place, common: &common, end, most, done, chain, open: None };
            run.all(store, on_progress)?;
        }
        chain.tidy(place, common.partition)?;
        done.left = info.end.saturating_sub(done.end);
        Ok(done)
    }
}

/// One export under way.
struct Run<'a> {
    place: &'a dyn Place,
    common: &'a Common,
    /// Where it ends.
    end: u64,
    /// Sequences of an increment, at most.
    most: u64,
    done: &'a mut Exported,
    chain: &'a mut Chain,
    open: Option<Increment>,
}

impl Run<'_> {
    /// Reads all that is new, and makes increments of it.
    fn all(
        mut self,
        store: &Store,
        on_progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), Error> {
        store.records(self.done.end, &mut |record| {
            if record.sequence >= self.end {
                return Ok(false);
            }
            self.take(record)?;
            self.done.complete = on_progress(record.sequence + 1, self.end);
            Ok(self.done.complete)
        })?;
        match self.open.take() {
            Some(increment) if self.done.complete => self.commit(increment),
            Some(_) | None => Ok(()),
        }
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        // Sequences of events that only a later version can tell are in increments, but no rows.
        if self.open.as_ref().is_some_and(|open| record.sequence >= open.end())
            && let Some(increment) = self.open.take()
        {
            self.commit(increment)?;
        }
        let first = self.done.end;
        let end = first.max(record.sequence).saturating_add(self.most).min(self.end);
        let (place, common) = (self.place, self.common);
        let open = self.open.get_or_insert_with(|| Increment::begin(first..end, common));
        open.push(place, common, record)
    }

    fn commit(&mut self, increment: Increment) -> Result<(), Error> {
        let manifest = increment.commit(self.place, self.common)?;
        self.done.end = manifest.end;
        self.done.increments += 1;
        self.done.rows += manifest.rows;
        self.done.skipped += manifest.skipped();
        self.done.files += u64::try_from(manifest.files.len()).unwrap_or(u64::MAX);
        self.done.bytes += manifest.files.iter().map(|file| file.bytes).sum::<u64>();
        self.chain.push(manifest);
        Ok(())
    }
}

/// A name for this export that no other has.
fn run() -> Result<String, Error> {
    let number = getrandom::u64().map_err(|error| Error::Options {
        reason: format!("the system has no random numbers to name files with: {error}"),
    })?;
    Ok(hex(&number.to_le_bytes()))
}

#[cfg(feature = "s3")]
fn elsewhere(url: &str) -> Result<Box<dyn Place>, Error> {
    Ok(Box::new(objects::Objects::open(url)?))
}

#[cfg(not(feature = "s3"))]
fn elsewhere(url: &str) -> Result<Box<dyn Place>, Error> {
    let reason = format!("{url}: this build of ltvlog writes to directories only (feature s3)");
    Err(Error::Options { reason })
}
