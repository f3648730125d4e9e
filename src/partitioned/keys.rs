//! Keys that are used in two partitions, and customers who are in another one than theirs.
//!
//! Each partition knows its own keys alone, under hashes seeded by its own id. All keys are read
//! again here, and hashed alike; what two partitions have in common is then read once more and
//! compared by itself.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Partitions;
use crate::codec::{Batch, Row, RowKind};
use crate::error::{Error, Fault};
use crate::projection::Projection;
use crate::store::{Problem, Store};

/// Hashes that are held in memory at a time; for more keys the logs are read several times.
const HASHES_MAX: u64 = 1 << 24;
/// Keys that are named; further ones are counted.
const NAMED_MAX: usize = 1_000;

/// What was found to be in two partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedKeys {
    /// Each of them at its second place, up to a thousand.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub unnamed: u64,
}

impl Partitions {
    /// Looks for visits, images and orders whose keys are in two partitions, and for customers who
    /// are not in the partition that their id says. In one log the second event with a key would
    /// have been a duplicate or a conflict. Takes 8 bytes for each key up to 128 MiB, and reads all
    /// keys once for each 16,777,216 events.
    ///
    /// # Errors
    ///
    /// What the disk says. A partition that is damaged is read as far as that goes:
    /// [`Store::verify`] tells of it.
    pub fn shared_keys(&self) -> Result<SharedKeys, Error> {
        self.shared_keys_in(HASHES_MAX)
    }

    pub(super) fn shared_keys_in(&self, hashes_max: u64) -> Result<SharedKeys, Error> {
        let mut found = SharedKeys::default();
        let ends = self.stores.iter().map(|store| unless_damaged(store.end()));
        let events = ends.sum::<Result<u64, _>>()?;
        let slices = events.div_ceil(hashes_max).max(1);
        let mut shared = HashSet::new();
        for slice in 0..slices {
            for hash in self.hashes_in_two(slices, slice)? {
                if shared.len() < NAMED_MAX {
                    shared.insert(hash);
                } else {
                    found.unnamed += 1;
                }
            }
        }
        let mut first: HashMap<(RowKind, String), (u16, u64)> = HashMap::new();
        for store in &self.stores {
            let number = store.partition().number();
            let named = found.problems.len();
            let mut each = |row: &Row<'_>, sequence: u64| {
                let Some((kind, key, hash)) = hashed(row) else { return };
                if let Some(reason) = stray(store, kind, key) {
                    found.add(sequence, reason);
                }
                if !shared.contains(&hash) {
                    return;
                }
                match first.get(&(kind, key.to_owned())) {
                    Some((other, at)) if *other != number => {
                        let reason = format!(
                            "the {} {key:?} is event {at} of partition {other}, too: in one log the \
                             later one would not have been accepted",
                            name(kind)
                        );
                        found.add(sequence, reason);
                    }
                    Some(_) => {}
                    None => {
                        first.insert((kind, key.to_owned()), (number, sequence));
                    }
                }
            };
            read(store, &mut each)?;
            for problem in found.problems.iter_mut().skip(named) {
                let sequence = problem.events.as_ref().map_or(0, |events| events.start);
                (problem.path, problem.offset) = store.place_of(sequence)?;
            }
        }
        Ok(found)
    }

    /// Hashes of one slice of all that occur in two partitions, each once.
    fn hashes_in_two(&self, slices: u64, slice: u64) -> Result<Vec<u64>, Error> {
        let mut all = Vec::new();
        for store in &self.stores {
            read(store, &mut |row, _| {
                // Customers cannot be in two, unless one of them strays.
                let hash = hashed(row).filter(|(kind, ..)| *kind != RowKind::CustomerNew);
                all.extend(hash.map(|(.., hash)| hash).filter(|hash| hash % slices == slice));
            })?;
        }
        all.sort_unstable();
        let same = all.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
        Ok(same.filter_map(|same| same.first().copied()).collect())
    }
}

impl SharedKeys {
    /// Adds one that is to be placed.
    fn add(&mut self, sequence: u64, reason: String) {
        if self.problems.len() >= NAMED_MAX {
            self.unnamed += 1;
            return;
        }
        let (path, events) = (PathBuf::new(), Some(sequence..sequence + 1));
        self.problems.push(Problem { path, offset: 0, reason, events });
    }
}

/// The first event with a key: its kind, its key, and a hash of both.
fn hashed<'a>(row: &Row<'a>) -> Option<(RowKind, &'a str, u64)> {
    let kind = row.kind?;
    let is_first = match kind {
        RowKind::CustomerNew | RowKind::Visit | RowKind::Image | RowKind::OrderNew => true,
        RowKind::CustomerUpdate | RowKind::OrderUpdate | RowKind::OrderStale => false,
    };
    // An erased key is empty.
    let key = row.key.filter(|key| is_first && !key.is_empty())?;
    Some((kind, key, xxh3_64_with_seed(key.as_bytes(), kind as u64)))
}

/// Why a customer should not be here, if so.
fn stray(store: &Store, kind: RowKind, key: &str) -> Option<String> {
    let here = store.partition();
    let strays = kind == RowKind::CustomerNew && !here.has(key);
    strays.then(|| {
        let there = crate::partition_of(key, here.of());
        format!("customer {key:?} belongs to partition {there}, and this log is {here}")
    })
}

fn name(kind: RowKind) -> &'static str {
    match kind {
        RowKind::CustomerNew | RowKind::CustomerUpdate => "customer",
        RowKind::Visit => "visit",
        RowKind::Image => "image",
        RowKind::OrderNew | RowKind::OrderUpdate | RowKind::OrderStale => "order",
    }
}

/// Gives all rows of a log, up to where it is damaged.
fn read(store: &Store, each: &mut dyn FnMut(&Row<'_>, u64)) -> Result<(), Error> {
    struct Each<'e>(&'e mut dyn FnMut(&Row<'_>, u64));
    impl Projection for Each<'_> {
        fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
            let rows = batch.rows()?;
            rows.iter().zip(batch.first_seq()..).for_each(|(row, at)| (self.0)(&row, at));
            Ok(())
        }
    }
    unless_damaged(store.replay(&mut Each(each))).map(|_end| ())
}

/// What a log that is damaged cannot tell is nothing.
fn unless_damaged(told: Result<u64, Error>) -> Result<u64, Error> {
    match told {
        Err(Error::Corrupt { .. }) => Ok(0),
        told => told,
    }
}
