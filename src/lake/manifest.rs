//! Manifests: what a dataset consists of, one small file of JSON for each increment.
//!
//! An increment is there when its manifest is. The manifest's name tells its partition and first
//! sequence and nothing else, so that of two that begin at the same place only one can be made.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::columns::{names_of_type, names_of_verb};
use super::schema::SCHEMA_VERSION;
use crate::{Fault, Kind, Partition, Record, write_time};

/// The file that says what all partitions of a dataset have in common.
pub(super) const DATASET: &str = "dataset.json";
/// A longer file of JSON is not read: room for 256 files many times over.
pub(super) const JSON_BYTES_MAX: u64 = 1 << 20;
/// So many files can be open at once, whatever else is.
pub(super) const BUCKETS_MAX: u16 = 256;

/// What all partitions of a dataset have in common.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) schema_version: u32,
    pub(super) buckets: u16,
    pub(super) partitions: u16,
    pub(super) currency: String,
}

/// What one increment consists of.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    pub(super) log_id: String,
    pub(super) partition: u16,
    pub(super) partitions: u16,
    pub(super) buckets: u16,
    /// Random: tells apart who exported.
    pub(super) run: String,
    /// Its first sequence.
    pub(super) first: u64,
    /// The sequence after its last: where the next increment begins.
    pub(super) end: u64,
    pub(super) rows: u64,
    /// Its last event, by which a log that went another way is told.
    pub(super) last: LastEvent,
    pub(super) files: Vec<FileEntry>,
    /// SHA-256 of this text with nothing between these quotes.
    pub(super) check: String,
}

/// One file of an increment.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    /// From the dataset's root.
    pub(super) name: String,
    pub(super) bucket: u16,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The first sequence in it.
    pub(super) first: u64,
    /// The one after the last in it.
    pub(super) end: u64,
}

/// Enough of an event to know it again.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastEvent {
    pub(super) sequence: u64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) verb: String,
    pub(super) key: String,
    pub(super) event_time: String,
}

/// Enough of any version to tell which it is.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

impl LastEvent {
    pub(super) fn new(sequence: u64, kind: Kind, key: &str, at_us: i64) -> LastEvent {
        let mut event_time = String::new();
        write_time(at_us, &mut event_time);
        LastEvent {
            sequence,
            kind: names_of_type(kind).to_owned(),
            verb: names_of_verb(kind).to_owned(),
            key: key.to_owned(),
            event_time,
        }
    }

    pub(super) fn of(record: &Record<'_>) -> LastEvent {
        let event = &record.event;
        LastEvent::new(record.sequence, event.kind, &event.key, event.at_us)
    }
}

impl About {
    pub(super) fn encode(&self) -> Vec<u8> {
        json(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<About, Fault> {
        known_version(bytes)?;
        let about: Option<About> = serde_json::from_slice(bytes).ok();
        let is_sound = |about: &About| (1..=BUCKETS_MAX).contains(&about.buckets);
        about.filter(is_sound).ok_or(Fault::Corrupt("it does not say what a dataset has in common"))
    }

    /// Into how many buckets customers are divided.
    pub(super) fn buckets(&self) -> NonZeroU16 {
        NonZeroU16::new(self.buckets).expect("a dataset with no bucket is not read")
    }

    /// Why a manifest is not of this dataset, if it is not.
    pub(super) fn differs(&self, manifest: &Manifest) -> Option<String> {
        let ours = (self.buckets, self.partitions);
        let theirs = (manifest.buckets, manifest.partitions);
        (ours != theirs).then(|| {
            format!(
                "it has {} buckets of {} partitions, and {DATASET} has {} of {}",
                theirs.0, theirs.1, ours.0, ours.1
            )
        })
    }
}

impl Manifest {
    /// The same with its checksum.
    pub(super) fn checked(mut self) -> Manifest {
        self.check.clear();
        self.check = hex(&Sha256::digest(json(&self)));
        self
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        json(self)
    }

    /// Reads one that has this name.
    pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Manifest, Fault> {
        known_version(bytes)?;
        let manifest: Option<Manifest> = serde_json::from_slice(bytes).ok();
        let manifest = manifest.ok_or(Fault::Corrupt("it is no manifest of an increment"))?;
        // It is written in one way only, so every byte of it is covered by the check.
        if manifest.clone().checked().encode() != bytes {
            return Err(Fault::Corrupt("the manifest does not match its own checksum"));
        }
        let is_sound = Partition::new(manifest.partition, manifest.partitions)
            .is_ok_and(|partition| manifest.is_sound(partition, name));
        is_sound.then_some(manifest).ok_or(Fault::Corrupt("the manifest contradicts itself"))
    }

    /// Sequences that are no rows: events that only a later version can tell.
    pub(super) fn skipped(&self) -> u64 {
        (self.end - self.first).saturating_sub(self.rows)
    }

    /// The checksum has no key, so that whoever edits a manifest can make it anew: what follows
    /// trusts the numbers.
    fn is_sound(&self, partition: Partition, name: &str) -> bool {
        let rows = self.files.iter().try_fold(0_u64, |rows, file| rows.checked_add(file.rows));
        let last = self.files.iter().map(|file| file.end).max();
        manifest_name(partition, self.first) == name
            && is_id(&self.log_id)
            && is_id(&self.run)
            && (1..=BUCKETS_MAX).contains(&self.buckets)
            && (self.first..self.end).contains(&self.last.sequence)
            && rows == Some(self.rows)
            && self.rows <= self.end - self.first
            // So no file is named twice.
            && self.files.is_sorted_by(|one, next| one.bucket < next.bucket)
            && self.files.iter().all(|file| file.is_sound(self, partition))
            && last == self.last.sequence.checked_add(1)
    }
}

impl FileEntry {
    fn is_sound(&self, manifest: &Manifest, partition: Partition) -> bool {
        self.name == file_name(partition, manifest.first, &manifest.run, self.bucket)
            && self.bucket < manifest.buckets
            && manifest.first <= self.first
            && self.first < self.end
            && self.end <= manifest.end
            && self.rows <= self.end - self.first
    }
}

/// Whether it is a number as [`hex`] writes those of logs and of exports.
fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 16 && text.bytes().all(is_digit)
}

/// The directory of a partition's manifests.
pub(super) fn manifest_dir(partition: Partition) -> String {
    format!("manifest/{}-of-{}/", partition.number(), partition.of())
}

/// The manifest of the increment that begins here.
pub(super) fn manifest_name(partition: Partition, first: u64) -> String {
    format!("{}{first:020}.json", manifest_dir(partition))
}

/// A file of the increment that begins here, from the dataset's root.
pub(super) fn file_name(partition: Partition, first: u64, run: &str, bucket: u16) -> String {
    let prefix = file_prefix(partition);
    format!("events/bucket={bucket}/{prefix}{first:020}-{run}-{bucket}.parquet")
}

/// How the names of all files of a partition begin.
pub(super) fn file_prefix(partition: Partition) -> String {
    format!("{}-of-{}-", partition.number(), partition.of())
}

/// Where the increment begins that a file, or a draft, was made for, and by whom, if its name says
/// that it is one of this partition.
pub(super) fn maker_of_file(name: &str, partition: Partition) -> Option<(u64, &str)> {
    let base = name.rsplit('/').next()?.strip_prefix(&file_prefix(partition))?;
    let (first, rest) = base.split_once('-')?;
    let is_ours = first.len() == 20 && (rest.ends_with(".parquet") || rest.ends_with(".json"));
    let run = rest.split_once('-').map_or(rest, |(run, _)| run);
    first.parse().ok().filter(|_| is_ours).map(|first| (first, run))
}

fn known_version(bytes: &[u8]) -> Result<(), Fault> {
    let version: Option<Version> = serde_json::from_slice(bytes).ok();
    match version {
        None => Err(Fault::Corrupt("it is no JSON of this program")),
        Some(version) if version.schema_version != SCHEMA_VERSION => {
            Err(Fault::Unknown("a dataset of another version"))
        }
        Some(_) => Ok(()),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("texts and numbers become JSON");
    text.push(b'\n');
    text
}

/// Bytes as lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
