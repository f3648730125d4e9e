//! How far a dataset has come, by its manifests, and whether a log goes on there.

use std::collections::HashMap;
use std::num::NonZeroU16;

use super::increment::unknown;
use super::manifest::{
    About, BUCKETS_MAX, DATASET, JSON_BYTES_MAX, LastEvent, Manifest, maker_of_file, manifest_dir,
};
use super::place::{DRAFTS, Place};
use super::schema::SCHEMA_VERSION;
use crate::{Error, Fault, Partition, Store};

/// Buckets of a new dataset.
const BUCKETS: u16 = 16;

/// The increments of one partition, one after the other from its first event on.
#[derive(Debug, Default)]
pub(super) struct Chain {
    last: Option<Manifest>,
    /// Who exported the increment that begins here: enough to tell its files by their names.
    runs: HashMap<u64, String>,
}

impl Chain {
    /// Reads all manifests of a partition, and remembers the last.
    pub(super) fn read(
        place: &dyn Place,
        partition: Partition,
        about: &About,
    ) -> Result<Chain, Error> {
        let mut chain = Chain::default();
        for name in place.list(&manifest_dir(partition))? {
            // Whatever somebody else put there is none.
            if !name.ends_with(".json") {
                continue;
            }
            let manifest = read_manifest(place, &name)?;
            if let Some(reason) = about.differs(&manifest).or_else(|| chain.differs(&manifest)) {
                return Err(Error::Corrupt { path: place.shown(&name), offset: 0, reason });
            }
            chain.push(manifest);
        }
        Ok(chain)
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, manifest: Manifest) {
        self.runs.insert(manifest.first, manifest.run.clone());
        self.last = Some(manifest);
    }

    /// Where the next increment begins.
    pub(super) fn end(&self) -> u64 {
        self.last.as_ref().map_or(0, |manifest| manifest.end)
    }

    /// Why this is not the next one, if it is not.
    pub(super) fn differs(&self, next: &Manifest) -> Option<String> {
        let (first, end) = (next.first, self.end());
        if first != end {
            return Some(format!(
                "it begins at sequence {first}, and the manifests before it end at {end}"
            ));
        }
        let last = self.last.as_ref().filter(|last| last.log_id != next.log_id)?;
        Some(format!(
            "it is of the log of id {}, and the one before it of {}",
            next.log_id, last.log_id
        ))
    }

    /// Makes sure that the log is the one that the dataset was made of.
    pub(super) fn continues(
        &self,
        place: &dyn Place,
        store: &Store,
        id: &str,
    ) -> Result<(), Error> {
        let Some(manifest) = &self.last else { return Ok(()) };
        let (dataset, partition) = (place.shown(""), store.partition());
        let other = |what: String| {
            let (dataset, dir) = (dataset.display(), manifest_dir(partition));
            let reason = format!(
                "{dataset} {what}: export to another directory or prefix, or, if this is the log to \
                 go on with, remove {dir} there, and the next export makes this partition anew"
            );
            Err(Error::Options { reason })
        };
        if manifest.log_id != id {
            let theirs = &manifest.log_id;
            return other(format!(
                "has partition {partition} of another log, of id {theirs} and not {id}"
            ));
        }
        let lost = || {
            other(format!(
                "has events up to sequence {}, which the log lost, or never had",
                manifest.end
            ))
        };
        if store.end()? < manifest.end {
            return lost();
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
            None => lost(),
        }
    }

    /// Removes files that belong to no increment: what an export left that was killed, or was not
    /// the quickest. None that begins before the end of the chain can still become part of it.
    pub(super) fn tidy(&self, place: &dyn Place, partition: Partition) -> Result<(), Error> {
        let is_left = |name: &str| {
            let maker = maker_of_file(name, partition);
            let is_past = maker.is_some_and(|(first, run)| {
                first < self.end() && self.runs.get(&first).is_none_or(|of| of != run)
            });
            is_past || name.starts_with("drafts/dataset-")
        };
        for dir in ["events/", DRAFTS] {
            for name in place.find(dir, &is_left)? {
                place.remove(&name)?;
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

/// What the dataset's partitions have in common, and this log, too. It is made if there is none.
pub(super) fn agree(
    place: &dyn Place,
    store: &Store,
    asked: Option<NonZeroU16>,
) -> Result<About, Error> {
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
    let about = match read_about(place)? {
        Some(about) => about,
        None => begin(place, &new)?,
    };
    let differs = |theirs: String, ours: String| {
        let dataset = place.shown("");
        let reason = format!(
            "the dataset in {} has {theirs}, and not {ours}: keep to that, or export to another \
             directory or prefix",
            dataset.display()
        );
        Err(Error::Options { reason })
    };
    if asked.is_some() && about.buckets != new.buckets {
        return differs(format!("{} buckets", about.buckets), new.buckets.to_string());
    }
    if about.partitions != new.partitions {
        return differs(format!("{} partitions", about.partitions), new.partitions.to_string());
    }
    if about.currency != new.currency {
        return differs(format!("amounts in {}", about.currency), new.currency);
    }
    Ok(about)
}

/// Makes what the partitions have in common.
fn begin(place: &dyn Place, new: &About) -> Result<About, Error> {
    // There are no manifests before there is this; so if there are, another export made both.
    let has_manifests = !place.find("manifest/", &|name| name.ends_with(".json"))?.is_empty();
    if !has_manifests && place.create(DATASET, &new.encode())? {
        return Ok(new.clone());
    }
    read_about(place)?.ok_or_else(|| match has_manifests {
        true => gone(place),
        false => unknown(&place.shown(DATASET)),
    })
}

/// A dataset without what says how customers are divided must not be divided in another way.
fn gone(place: &dyn Place) -> Error {
    let reason = String::from(
        "there are manifests, and this is gone, which says into how many buckets customers are \
         divided: put it back, or write it anew, with the schema_version, the buckets and the partitions \
         that the manifests have, and the currency of the log",
    );
    Error::Corrupt { path: place.shown(DATASET), offset: 0, reason }
}

/// Makes sure that two exports cannot both make the same manifest, which some stores allow.
pub(super) fn excludes(place: &dyn Place, about: &About) -> Result<(), Error> {
    if !place.create(DATASET, &about.encode())? {
        return Ok(());
    }
    let reason = format!(
        "the store of {} puts one object in place of another though it is asked not to \
         (If-None-Match: *), so that two exports at once would destroy each other's events: export \
         to a store that has conditional puts",
        place.shown("").display()
    );
    Err(Error::Options { reason })
}
