//! What the parts of a log say of each other, beyond what each says of itself.
//!
//! Every event in order, with each order's state and the hash of every key and update in memory:
//! with the tables' slack up to 80 bytes for an order and 40 for any other event.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::entries::entries_of;
use super::sidecar::{self, Form, Sidecar};
use super::sidecars::{cover, sidecar_path};
use super::types::Verification;
use super::{READERS, Store, check, files};
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
