//! How far a dataset has come, by its manifests, and whether a log goes on there.

use std::collections::HashSet;
use std::num::NonZeroU16;
use std::path::PathBuf;

use super::manifest::{
    About, BUCKETS_MAX, DATASET, JSON_BYTES_MAX, LastEvent, Manifest, first_of_file, manifest_dir,
};
use super::place::{DRAFTS, Place};
use super::schema::SCHEMA_VERSION;
use crate::{Error, Fault, Partition, Store};

/// Buckets of a new dataset.
const BUCKETS: u16 = 16;

/// The increments of one partition, one after the other from its first event on.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) manifests: Vec<Manifest>,
}

impl Chain {
    /// Reads all manifests of a partition.
    pub(super) fn read(place: &dyn Place, partition: Partition) -> Result<Chain, Error> {
        let mut chain = Chain::default();
        for name in place.list(&manifest_dir(partition))? {
            // Whatever somebody else put there is none.
            if !name.ends_with(".json") {
                continue;
            }
            let manifest = read_manifest(place, &name)?;
            if manifest.first != chain.end() {
                return Err(chain.gap(&manifest, place.shown(&name)));
            }
            chain.manifests.push(manifest);
        }
        Ok(chain)
    }

    /// Where the next increment begins.
    pub(super) fn end(&self) -> u64 {
        self.manifests.last().map_or(0, |manifest| manifest.end)
    }

    fn gap(&self, next: &Manifest, path: PathBuf) -> Error {
        let reason = format!(
            "it begins at sequence {}, and the manifests before it end at {}",
            next.first,
            self.end()
        );
        Error::Corrupt { path, offset: 0, reason }
    }

    /// Makes sure that the log is the one that the dataset was made of.
    pub(super) fn continues(
        &self,
        place: &dyn Place,
        store: &Store,
        id: &str,
    ) -> Result<(), Error> {
        let Some(manifest) = self.manifests.last() else { return Ok(()) };
        let (dataset, partition) = (place.shown(""), store.partition());
        let other = |what: String| {
            let dataset = dataset.display();
            let reason = format!("{dataset} {what}: export to another directory or prefix");
            Err(Error::Options { reason })
        };
        if manifest.log_id != id {
            let theirs = &manifest.log_id;
            return other(format!(
                "has partition {partition} of another log, of id {theirs} and not {id}"
            ));
        }
        let mut found = None;
        store.records(manifest.last.sequence, &mut |record| {
            found = Some(LastEvent::of(record));
            Ok(false)
        })?;
        match found {
            Some(found) if found == manifest.last => Ok(()),
            Some(_) => other(format!(
                "has another event than the log at sequence {}, so that one of them is of a copy \
                 that went its own way",
                manifest.last.sequence
            )),
            None => other(format!(
                "has events up to sequence {}, which the log lost, or never had",
                manifest.end
            )),
        }
    }

    /// Removes files that belong to no increment: what an export left that was killed, or was not
    /// the quickest. None that begins before the end of the chain can still become part of it.
    pub(super) fn tidy(&self, place: &dyn Place, partition: Partition) -> Result<(), Error> {
        let names = self.manifests.iter().flat_map(|manifest| &manifest.files);
        let names: HashSet<&str> = names.map(|file| &*file.name).collect();
        for dir in ["events/", DRAFTS] {
            for name in place.list(dir)? {
                let first = first_of_file(&name, partition);
                let is_past = first.is_some_and(|first| first < self.end())
                    || name.starts_with("drafts/dataset-");
                if is_past && !names.contains(&*name) {
                    place.remove(&name)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a manifest that is there.
pub(super) fn read_manifest(place: &dyn Place, name: &str) -> Result<Manifest, Error> {
    let bytes = read_json(place, name)?.ok_or_else(|| {
        let reason = "it was there a moment ago".to_owned();
        Error::Corrupt { path: place.shown(name), offset: 0, reason }
    })?;
    Manifest::decode(name, &bytes).map_err(|fault| fault.at(&place.shown(name), 0))
}

fn read_json(place: &dyn Place, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let bytes = place.read(name)?;
    let is_long = |bytes: &Vec<u8>| bytes.len() as u64 > JSON_BYTES_MAX;
    if bytes.as_ref().is_some_and(is_long) {
        return Err(Fault::Corrupt("it is longer than any manifest").at(&place.shown(name), 0));
    }
    Ok(bytes)
}

/// What the partitions of the dataset have in common, if there is a dataset.
pub(super) fn read_about(place: &dyn Place) -> Result<Option<About>, Error> {
    let bytes = read_json(place, DATASET)?;
    let about = bytes.map(|bytes| About::decode(&bytes)).transpose();
    about.map_err(|fault| fault.at(&place.shown(DATASET), 0))
}

/// The number of buckets of the dataset, which is made if there is none.
pub(super) fn agree(
    place: &dyn Place,
    store: &Store,
    asked: Option<NonZeroU16>,
) -> Result<NonZeroU16, Error> {
    if let Some(asked) = asked.filter(|asked| asked.get() > BUCKETS_MAX) {
        let reason = format!("a dataset has at most {BUCKETS_MAX} buckets, and not {asked}");
        return Err(Error::Options { reason });
    }
    let new = About {
        schema_version: SCHEMA_VERSION,
        buckets: asked.map_or(BUCKETS, NonZeroU16::get),
        partitions: store.partition().of().get(),
        currency: String::from_utf8_lossy(&store.rules().currency).into_owned(),
    };
    let mut about = read_about(place)?;
    if about.is_none() && !place.create(DATASET, &new.encode())? {
        about = read_about(place)?;
    }
    let about = about.unwrap_or_else(|| new.clone());
    let differs = |what: &str, theirs: &dyn std::fmt::Display, ours: &dyn std::fmt::Display| {
        let dataset = place.shown("");
        let reason = format!(
            "the dataset in {} has {what} {theirs}, and not {ours}: keep to that, or export to \
             another directory or prefix",
            dataset.display()
        );
        Err(Error::Options { reason })
    };
    if asked.is_some() && about.buckets != new.buckets {
        return differs("a number of buckets of", &about.buckets, &new.buckets);
    }
    if about.partitions != new.partitions {
        return differs("a number of partitions of", &about.partitions, &new.partitions);
    }
    if about.currency != new.currency {
        return differs("the currency", &about.currency, &new.currency);
    }
    Ok(NonZeroU16::new(about.buckets).expect("a dataset with no bucket is not read"))
}
