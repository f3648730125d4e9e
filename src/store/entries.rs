//! Key entries made from events: what sidecars and runs hold, and what is found instead where one
//! of them is lost.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::index::{Entry, RecentKeys};
use crate::Error;
use crate::admission;
use crate::codec::{Batch, Rows};
use crate::log::{Frame, View};
use crate::planted::planted;

/// By the sequence of an order's ORDER NEW the sequence of its newest state.
pub(super) type Newest = HashMap<u64, u64>;

/// The entries of the keys of the events in a range that begins and ends with batches.
pub(super) fn entries_of(view: &View, seed: u64, range: Range<u64>) -> Result<Vec<Entry>, Error> {
    let mut recent = RecentKeys::new(range.start);
    let end = range.end;
    enter_all(view, seed, range, &mut recent)?;
    Ok(recent.take_below(end))
}

/// Enters the keys of the events in a range that begins and ends with batches.
pub(super) fn enter_all(
    view: &View,
    seed: u64,
    range: Range<u64>,
    keys: &mut RecentKeys,
) -> Result<(), Error> {
    let mut newest = Newest::new();
    for frame in view.frames(range.start) {
        let frame = frame?;
        if frame.first_seq >= range.end {
            break;
        }
        enter(&frame, seed, &mut newest, keys)?;
    }
    keys.forget_replaced(range.end);
    Ok(())
}

/// Enters the keys of a batch. As in admission an order keeps one entry, that of its newest state.
pub(super) fn enter(
    frame: &Frame<'_>,
    seed: u64,
    newest: &mut Newest,
    keys: &mut RecentKeys,
) -> Result<(), Error> {
    Batch::decode(&frame.body, frame.first_seq, frame.events)
        .and_then(|batch| {
            admission::entries(&batch, seed, &mut |hash, row, order_seq| {
                let sequence = frame.first_seq + row;
                match order_seq {
                    Some(order) => {
                        let old = newest.insert(order, sequence).unwrap_or(order);
                        keys.supersede(hash, old, sequence);
                    }
                    None => keys.enter(hash, sequence),
                }
            })
        })
        .map_err(|fault| fault.at(frame.path, frame.offset))
}

/// Leaves one entry of each order, that of its newest state, where entries that were made of
/// several ranges are put together. Only hashes that stand there twice can be of one order, and
/// the events tell which are.
pub(super) fn drop_superseded(
    view: &View,
    seed: u64,
    first: u64,
    entries: &mut Vec<Entry>,
) -> Result<(), Error> {
    entries.sort_by_key(|entry| (entry.hash, !entry.row));
    let mut asked: Vec<Entry> = Vec::new();
    for same in entries.chunk_by(|a, b| a.hash == b.hash).filter(|same| same.len() > 1) {
        asked.extend(same);
    }
    if asked.is_empty() || planted("superseded entries kept") {
        return Ok(());
    }
    // In the order of the log, so that each batch is decoded once; newest first, so that what was
    // met before is newer.
    asked.sort_unstable_by_key(|entry| !entry.row);
    let (mut met, mut dropped) = (HashSet::new(), HashSet::new());
    let (mut rows, mut rows_first) = (Rows::default(), 0);
    for entry in asked {
        let sequence = first + u64::from(entry.row);
        let is_here = |rows: &Rows, rows_first: u64| {
            sequence >= rows_first && sequence - rows_first < rows.len() as u64
        };
        if !is_here(&rows, rows_first) {
            let Some(frame) = view.frame_of(sequence)? else { continue };
            Batch::decode(&frame.body, frame.first_seq, frame.events)
                .and_then(|batch| batch.read_rows(&mut rows))
                .map_err(|fault| fault.at(frame.path, frame.offset))?;
            rows_first = frame.first_seq;
        }
        let row = usize::try_from(sequence - rows_first).ok().and_then(|at| rows.get(at));
        let order = row.and_then(|row| admission::order_of(&row, sequence, seed, entry.hash));
        if order.is_some_and(|order| !met.insert(order)) {
            dropped.insert((entry.hash, entry.row));
        }
    }
    entries.retain(|entry| !dropped.contains(&(entry.hash, entry.row)));
    Ok(())
}
