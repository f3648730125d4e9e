//! A dataset read back: whether every file is there that a manifest names, and is what it says.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use sha2::{Digest, Sha256};

use super::Dataset;
use super::chain::{Chain, read_about, read_manifest};
use super::manifest::{DATASET, FileEntry, Manifest, hex};
use super::place::Place;
use crate::{Error, Problem};

/// So many bytes are read at once.
const PIECE: usize = 1 << 18;

/// What was found in a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Partitions that have increments.
    pub partitions: u64,
    /// Partitions of the dataset that have none: never exported to it, or their manifests are gone.
    pub absent_partitions: u64,
    /// Increments, one for each manifest.
    pub increments: u64,
    /// Files that manifests name.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Events that are in no row, as only a later version than the one that exported can tell them.
    pub skipped: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Parquet files that no manifest names: of an export that is under way, or was cut off.
    pub unnamed_files: u64,
    /// All that is wrong.
    pub problems: Vec<Problem>,
}

impl Dataset {
    /// Reads and checks every byte of every file that a manifest names; damage is in the answer,
    /// not an error. `on_progress` is told how many bytes were read, and stops the check by false.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without a dataset; what the disk, or the place, says.
    pub fn check(&self, on_progress: &mut dyn FnMut(u64) -> bool) -> Result<Checked, Error> {
        let place = &*self.place;
        let mut found = Checked::default();
        let about = match read_about(place) {
            Ok(Some(about)) => Some(about),
            Ok(None) if place.list("manifest/")?.is_empty() => {
                return Err(Error::Missing { path: place.shown(DATASET) });
            }
            Ok(None) => found.note(place, DATASET, "it is not there, and manifests are".to_owned()),
            Err(error) => found.note(place, DATASET, of_one_file(error)?),
        };
        let mut chains = BTreeMap::<_, Chain>::new();
        let mut named = HashSet::new();
        for name in place.find("manifest/", &|name| name.ends_with(".json"))? {
            let manifest = match read_manifest(place, &name) {
                Err(error) => {
                    found.note::<()>(place, &name, of_one_file(error)?);
                    continue;
                }
                Ok(manifest) => manifest,
            };
            let chain = chains.entry((manifest.partition, manifest.partitions)).or_default();
            let of_another = about.as_ref().and_then(|about| about.differs(&manifest));
            for reason in [of_another, chain.differs(&manifest)].into_iter().flatten() {
                found.note::<()>(place, &name, reason);
            }
            found.increments += 1;
            found.skipped = found.skipped.saturating_add(manifest.skipped());
            for file in &manifest.files {
                found.file(place, &manifest, file)?;
                named.insert(file.name.clone());
                if !on_progress(found.bytes) {
                    return Ok(found);
                }
            }
            chain.push(manifest);
        }
        let unnamed = place.find("events/", &|name| !named.contains(name))?;
        found.unnamed_files = u64::try_from(unnamed.len()).unwrap_or(u64::MAX);
        found.partitions = u64::try_from(chains.len()).unwrap_or(u64::MAX);
        let of = about.map_or(0, |about| about.partitions);
        let absent = (0..of).filter(|number| !chains.contains_key(&(*number, of)));
        found.absent_partitions = u64::try_from(absent.count()).unwrap_or(u64::MAX);
        Ok(found)
    }
}

impl Checked {
    /// Adds what is wrong with a file, of which there is nothing then.
    fn note<T>(&mut self, place: &dyn Place, name: &str, reason: String) -> Option<T> {
        self.problems.push(Problem { path: place.shown(name), offset: 0, reason, events: None });
        None
    }

    fn file(
        &mut self,
        place: &dyn Place,
        manifest: &Manifest,
        entry: &FileEntry,
    ) -> Result<(), Error> {
        self.files += 1;
        let path = place.shown(&entry.name);
        let reason = match place.fetch(&entry.name) {
            Ok(None) => Some("it is not there, although a manifest names it".to_owned()),
            Ok(Some(file)) => match differs(file, entry).map_err(Error::io("read", &path)) {
                Ok(reason) => reason,
                Err(error) => Some(of_one_file(error)?),
            },
            Err(error) => Some(of_one_file(error)?),
        };
        match reason {
            None => {
                self.rows += entry.rows;
                self.bytes += entry.bytes;
            }
            Some(reason) => {
                let events = Some(entry.first.max(manifest.first)..entry.end);
                self.problems.push(Problem { path, offset: 0, reason, events });
            }
        }
        Ok(())
    }
}

/// What is wrong with a file that cannot be read; but a store that does not answer has no damage.
fn of_one_file(error: Error) -> Result<String, Error> {
    match error {
        Error::Io { ref source, .. } if source.kind() == io::ErrorKind::Other => Err(error),
        Error::Io { action, source, .. } => Ok(format!("cannot {action} it: {source}")),
        Error::Format { reason, .. } => Ok(format!("it needs a newer ltvlog: {reason}")),
        Error::Corrupt { reason, .. } => Ok(reason),
        Error::Locked { .. }
        | Error::Rejected { .. }
        | Error::Poisoned { .. }
        | Error::Full
        | Error::Closed
        | Error::Missing { .. }
        | Error::Options { .. } => Err(error),
    }
}

/// Why a file is not what its manifest says.
fn differs(mut file: File, entry: &FileEntry) -> io::Result<Option<String>> {
    file.seek(SeekFrom::Start(0))?;
    let (mut sha256, mut bytes, mut piece) = (Sha256::new(), 0_u64, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece)?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
        sha256.update(read);
        bytes += u64::try_from(read.len()).unwrap_or(u64::MAX);
    }
    if bytes != entry.bytes {
        return Ok(Some(format!("it has {bytes} bytes, and not {} as written", entry.bytes)));
    }
    if hex(&sha256.finalize()) != entry.sha256 {
        return Ok(Some("its SHA-256 is not the one that was written".to_owned()));
    }
    let rows = match SerializedFileReader::new(file) {
        Ok(reader) => reader.metadata().file_metadata().num_rows(),
        Err(error) => return Ok(Some(format!("it is no Parquet file: {error}"))),
    };
    let same = u64::try_from(rows).is_ok_and(|rows| rows == entry.rows);
    Ok((!same).then(|| format!("it has {rows} rows, and not {} as its manifest says", entry.rows)))
}
