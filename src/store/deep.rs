//! What the parts of a log say of each other, beyond what each says of itself.
//!
//! Every event in order, with each order's state and the hash of every key and update in memory:
//! with the tables' slack up to 80 bytes for an order and 40 for any other event.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::entries::entries_of;
use super::index::Entry;
use super::sidecar::{self, Cover, Form, Sidecar};
use super::sidecars::{cover, sidecar_path};
use super::types::Verification;
use super::{READERS, Store, check, files, runs};
use crate::admission;
use crate::codec::{Batch, Row, RowKind, Superseded};
use crate::log::{Env, View};
use crate::{Error, Fault};

impl Store {
    /// As [`Store::verify`], and also what the parts of the log say of each other: docs/repair.md
    /// lists it. Memory grows with the number of keys.
    ///
    /// # Errors
    ///
    /// As [`Store::verify`].
    pub fn verify_deep(&self) -> Result<Verification, Error> {
        check::verify(&self.env, self.dir()?, true)
    }
}

/// What is known of the events before a place of the log.
#[derive(Default)]
pub(super) struct Walk {
    /// By the sequence of each ORDER NEW.
    orders: HashMap<u64, Superseded>,
    /// 128-bit hashes of what no two events share, so that chance is out of the question.
    identities: HashSet<u128>,
}

impl Walk {
    /// Checks a batch that follows the ones before it.
    pub(super) fn batch(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        for (row, sequence) in batch.rows()?.iter().zip(batch.first_seq()..) {
            self.key(&row)?;
            self.order(&row, sequence)?;
        }
        Ok(())
    }

    fn key(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        match admission::identity(row) {
            Some(hash) if !self.identities.insert(hash) => {
                Err(Fault::Corrupt("an event has the key, or is the update, of an earlier one"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What an update says of the order must be what the events before it say.
    fn order(&mut self, row: &Row<'_>, sequence: u64) -> Result<(), Fault> {
        let state = Superseded { customer: row.customer, cents: row.cents, at_us: row.at_us };
        if row.kind == Some(RowKind::OrderNew) {
            self.orders.insert(sequence, state);
        }
        let Some(order_seq) = row.order_seq else { return Ok(()) };
        let Some(known) = self.orders.get_mut(&order_seq) else {
            return Err(Fault::Corrupt("an order update is about an order that is not there"));
        };
        if (row.kind == Some(RowKind::OrderStale)) != (row.at_us < known.at_us) {
            return Err(Fault::Corrupt("an order update takes effect, or not, against its time"));
        }
        if row.kind == Some(RowKind::OrderUpdate) {
            if row.superseded != Some(*known) {
                return Err(Fault::Corrupt("an order update does not supersede the order's state"));
            }
            *known = state;
        }
        Ok(())
    }
}

/// Compares each sidecar with the keys of its segment, in both directions: it must be, byte for
/// byte, what is made of them.
pub(super) fn check_sidecars(env: &Env, dir: &Path, found: &mut Verification) -> Result<(), Error> {
    let Ok(view) = View::open(env, dir, READERS, 0) else { return Ok(()) };
    let log_id = view.meta().log_id;
    // What is damaged there was told at its own place.
    let segments = check::unless_damaged(view.segments())?.unwrap_or_default();
    for segment in segments.into_iter().filter(|segment| segment.sealed) {
        let path = sidecar_path(dir, segment.first_seq);
        let told = found.problems.iter().any(|problem| problem.path == path);
        let Some(map) = files::map(env, &path)?.filter(|_| !told) else { continue };
        let covers = cover(log_id, &segment);
        let bytes = map.all().to_vec();
        if !Sidecar::open(Form::Segment, map).is_ok_and(|sidecar| sidecar.cover() == covers) {
            continue;
        }
        let entries = entries_of(&view, log_id, segment.first_seq..segment.end_seq);
        let Some(entries) = check::unless_damaged(entries)? else { continue };
        if let Some(reason) = sidecar::differs(&bytes, &covers, entries) {
            found.problems.push(check::derived(path, reason));
        }
    }
    Ok(())
}

/// Compares each run of the active segment with the keys of its events: all of them must be found
/// where they are looked for, newest first, and no others be there.
pub(super) fn check_runs(env: &Env, dir: &Path, found: &mut Verification) -> Result<(), Error> {
    // The names first: a writer that goes on writes runs that end behind this view.
    let paths = runs::paths(env, dir)?;
    let Ok(view) = View::open(env, dir, READERS, 0) else { return Ok(()) };
    let log_id = view.meta().log_id;
    let sealed = view.sealed_segments().last().map_or(0, |last| last.end_seq);
    for path in paths {
        let told = found.problems.iter().any(|problem| problem.path == path);
        let Some(map) = files::map(env, &path)?.filter(|_| !told) else { continue };
        let Ok(run) = Sidecar::open(Form::Run, map) else { continue };
        let Cover { first, end, .. } = run.cover();
        // Those of sealed segments are left over, and those that end behind the view are of it.
        if first < sealed || end > view.end() || first >= end {
            continue;
        }
        let Some(begins) = check::unless_damaged(view.chain_at(first))? else { continue };
        if begins.is_none() {
            found.problems.push(check::derived(path, "it does not begin where a batch does"));
            continue;
        }
        let entries = entries_of(&view, log_id, first..end);
        let Some(entries) = check::unless_damaged(entries)? else { continue };
        if let Some(reason) = run_differs(&run, entries) {
            found.problems.push(check::derived(path, reason));
        }
    }
    Ok(())
}

/// How a run differs from what its events make, if it does, whatever its entries look like.
fn run_differs(run: &Sidecar, mut made: Vec<Entry>) -> Option<&'static str> {
    match run.len().cmp(&(made.len() as u64)) {
        Ordering::Less => return Some("it lacks keys of its events"),
        Ordering::Greater => return Some("it has keys that its events do not have"),
        Ordering::Equal => {}
    }
    made.sort_unstable_by_key(|entry| (entry.hash, !entry.row));
    let mut there = Vec::new();
    let is_found = |same: &[Entry]| {
        there.clear();
        let asked = same.first().map(|entry| run.candidates(entry.hash, &mut there));
        let (first, mut there) = (run.cover().first, there.iter());
        let mut made = same.iter().map(|entry| first + u64::from(entry.row));
        asked.is_some_and(|asked| asked.is_ok())
            && made.all(|made| there.any(|there| *there == made))
    };
    let all_found = made.chunk_by(|a, b| a.hash == b.hash).all(is_found);
    (!all_found).then_some("its keys are not those of its events")
}
