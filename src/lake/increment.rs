//! An increment in the making: the events of a range of sequences, a file for each bucket.
//!
//! Memory is bounded whatever the number of buckets: when all of them together hold too much, the
//! fullest is written as a row group.

use std::num::NonZeroU16;
use std::ops::Range;
use std::path::Path;

use super::columns::{Columns, Same, customer_of};
use super::file::Writing;
use super::manifest::{FileEntry, LastEvent, Manifest, file_name, manifest_name};
use super::place::{Draft, Place};
use super::schema::SCHEMA_VERSION;
use crate::{Error, Kind, Partition, Record, partition_of};

/// Rows of a row group, at most: what DuckDB writes, and what engines divide work by.
const GROUP_ROWS_MAX: usize = 122_880;
/// What all buckets together hold in memory, at most, and one event.
const HELD_BYTES_MAX: usize = 64 << 20;

/// What all increments of an export have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) log_id: String,
    pub(super) partition: Partition,
    pub(super) buckets: NonZeroU16,
    pub(super) currency: [u8; 3],
    pub(super) run: String,
}

/// An increment in the making.
pub(super) struct Increment {
    range: Range<u64>,
    buckets: Vec<Bucket>,
    /// Bytes that all buckets hold in memory.
    held: usize,
    rows: u64,
    last: Last,
}

#[derive(Default)]
struct Bucket {
    columns: Columns,
    writing: Option<Writing>,
}

/// The last event, in memory that is used again.
struct Last {
    sequence: u64,
    kind: Kind,
    at_us: i64,
    key: String,
}

impl Increment {
    /// Begins one of these sequences.
    pub(super) fn begin(range: Range<u64>, common: &Common) -> Increment {
        let buckets = (0..common.buckets.get()).map(|_| Bucket::default()).collect();
        let last = Last { sequence: 0, kind: Kind::CustomerNew, at_us: 0, key: String::new() };
        Increment { range, buckets, held: 0, rows: 0, last }
    }

    /// The sequence after its last.
    pub(super) fn end(&self) -> u64 {
        self.range.end
    }

    /// Adds the next event.
    pub(super) fn push(
        &mut self,
        place: &dyn Place,
        common: &Common,
        record: &Record<'_>,
    ) -> Result<(), Error> {
        let number = partition_of(customer_of(record), common.buckets);
        let bucket = self.buckets.get_mut(usize::from(number));
        let bucket = bucket.expect("a bucket's number is less than that of the buckets");
        let before = bucket.columns.bytes();
        bucket.columns.push(record);
        self.held += bucket.columns.bytes() - before;
        self.rows += 1;
        self.last.set(record);
        if bucket.columns.rows() >= GROUP_ROWS_MAX {
            self.write(place, common, number)?;
        } else if self.held >= HELD_BYTES_MAX {
            let held = |(_, bucket): &(u16, &Bucket)| bucket.columns.bytes();
            let fullest = (0_u16..).zip(&self.buckets).max_by_key(held);
            let (fullest, _) = fullest.expect("there is a bucket");
            self.write(place, common, fullest)?;
        }
        Ok(())
    }

    /// Writes what a bucket holds as a row group.
    fn write(&mut self, place: &dyn Place, common: &Common, number: u16) -> Result<(), Error> {
        let Some(bucket) = self.buckets.get_mut(usize::from(number)) else { return Ok(()) };
        self.held -= bucket.columns.bytes();
        let writing = match &mut bucket.writing {
            Some(writing) => writing,
            none => {
                let name = file_name(common.partition, self.range.start, &common.run, number);
                none.insert(Writing::begin(place.draft(&name)?, name, number)?)
            }
        };
        let partition = common.partition.number();
        writing.write(Same { partition, currency: common.currency }, &mut bucket.columns)
    }

    /// Makes it part of the dataset: all files first, then the manifest that names them.
    pub(super) fn commit(mut self, place: &dyn Place, common: &Common) -> Result<Manifest, Error> {
        for number in 0..common.buckets.get() {
            let holds = self.buckets.get(usize::from(number));
            if holds.is_some_and(|bucket| bucket.columns.rows() > 0) {
                self.write(place, common, number)?;
            }
        }
        let about = [
            ("schema_version", SCHEMA_VERSION.to_string()),
            ("log_id", common.log_id.clone()),
            ("partition", common.partition.to_string()),
        ];
        let writings = self.buckets.iter_mut().filter_map(|bucket| bucket.writing.take());
        let finished = writings.map(|writing| writing.finish(&about));
        let (drafts, files) = finished.collect::<Result<(Vec<Draft>, Vec<FileEntry>), Error>>()?;
        let name = manifest_name(common.partition, self.range.start);
        if let Err(error) = publish(place, drafts, &files) {
            // What cannot be removed now is removed by the next export.
            remove(place, &files).ok();
            // Whoever was quicker may have tidied up already.
            let is_overtaken = matches!(place.read(&name), Ok(Some(_)));
            return Err(if is_overtaken { overtaken(place, common) } else { error });
        }
        let manifest = self.manifest(common, files);
        let bytes = manifest.encode();
        // A failure here does not tell whether the manifest is there, so the files must stay.
        if place.create(&name, &bytes)? {
            return Ok(manifest);
        }
        match place.read(&name)? {
            // It was made at the first of several tries, whose answer was lost.
            Some(theirs) if theirs == bytes => Ok(manifest),
            Some(_) => {
                remove(place, &manifest.files).ok();
                Err(overtaken(place, common))
            }
            // A store that is still busy with the first try refuses the next one, too.
            None => Err(unknown(&place.shown(&name))),
        }
    }

    fn manifest(&self, common: &Common, files: Vec<FileEntry>) -> Manifest {
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            log_id: common.log_id.clone(),
            partition: common.partition.number(),
            partitions: common.partition.of().get(),
            buckets: common.buckets.get(),
            run: common.run.clone(),
            first: self.range.start,
            end: self.range.end,
            rows: self.rows,
            last: self.last.event(),
            files,
            check: String::new(),
        };
        manifest.checked()
    }
}

impl Last {
    fn set(&mut self, record: &Record<'_>) {
        self.sequence = record.sequence;
        self.kind = record.event.kind;
        self.at_us = record.event.at_us;
        self.key.clear();
        self.key.push_str(&record.event.key);
    }

    fn event(&self) -> LastEvent {
        LastEvent::new(self.sequence, self.kind, &self.key, self.at_us)
    }
}

fn publish(place: &dyn Place, drafts: Vec<Draft>, files: &[FileEntry]) -> Result<(), Error> {
    drafts.into_iter().zip(files).try_for_each(|(draft, file)| place.publish(draft, &file.name))
}

fn remove(place: &dyn Place, files: &[FileEntry]) -> Result<(), Error> {
    files.iter().try_for_each(|file| place.remove(&file.name))
}

fn overtaken(place: &dyn Place, common: &Common) -> Error {
    let reason = format!(
        "another export of partition {} to {} was quicker, and what this one began counts for \
         nothing: let one end before the next one begins; run it again to add what is still new",
        common.partition,
        place.shown("").display()
    );
    Error::Options { reason }
}

/// The store says that there is a file, and that there is none.
pub(super) fn unknown(path: &Path) -> Error {
    let reason = format!(
        "the store refused to make {} because it is there, and then did not find it, so whether it \
         will be there is not known: run the export again in a minute",
        path.display()
    );
    Error::Options { reason }
}
