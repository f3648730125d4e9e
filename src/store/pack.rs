//! Sealed segments of many small batches, written again in as few as their events need.
//!
//! Who appends one event at a time writes a frame for each: most of such a segment is headers, and
//! nothing in it is compressed. It is packed when no receipt is waited for, a little at a time, and
//! below a checkpoint alone, so that nobody has to fold it meanwhile. Batches are joined, never cut: where
//! a batch ends now, one ended before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::checkpoints;
use super::source::Source;
use crate::codec::{BATCH_EVENTS_MAX, Batch, BatchBuilder, Rows};
use crate::log::{Env, Frame, Position, Rewriting, SegmentInfo, Writer};
use crate::planted::planted;
use crate::{Error, Fault};

/// A segment is packed if it has more than so many times the batches that it needs.
const BATCHES_RATIO: u64 = 2;
/// Batches of so many bytes are large enough, however few events they have.
const BATCH_BYTES_MANY: u64 = 16 << 10;
/// So many batches are read at a time, some milliseconds' worth.
const STEP_BATCHES: u64 = 4_096;
/// And so many events.
const STEP_EVENTS: u64 = 32_768;

const DIFFERENT: Fault = Fault::Corrupt("a packed batch is not what it was made of");

/// What a writer packs.
pub(super) struct Packer {
    under_way: Option<Packing>,
    /// First sequences of segments that are left as they are.
    left: BTreeSet<u64>,
    /// Whether there may be something to begin.
    look: bool,
}

/// A segment while it is packed.
struct Packing {
    segment: SegmentInfo,
    rewriting: Rewriting,
    pending: Pending,
    phase: Phase,
}

/// Batches on their way into one.
struct Pending {
    builder: BatchBuilder,
    appended_at_us: i64,
    body: Vec<u8>,
}

/// A batch, read.
#[derive(Default)]
struct Read {
    rows: Rows,
    marks: BTreeMap<Vec<u8>, Vec<u8>>,
    appended_at_us: i64,
}

enum Phase {
    /// The old segment is read up to here.
    Writing(Option<Position>),
    /// Both are read up to here.
    Comparing(Option<Position>, Option<Position>),
    /// The new segment is as good as the old one.
    Compared,
}

/// How much of a step is left.
struct Budget {
    batches: u64,
    events: u64,
}

impl Budget {
    fn take(&mut self, frame: &Frame<'_>) {
        self.batches = self.batches.saturating_sub(1);
        self.events = self.events.saturating_sub(u64::from(frame.events));
    }

    fn is_spent(&self) -> bool {
        self.batches == 0 || self.events == 0
    }
}

impl Packer {
    pub(super) fn new() -> Packer {
        Packer { under_way: None, left: BTreeSet::new(), look: true }
    }

    /// Has the next step look for a segment: there is a new checkpoint.
    pub(super) fn look_again(&mut self) {
        self.look = true;
    }

    /// Does a little of what there is to do; whether the log's files changed. Whatever fails, the
    /// segment is left as it was.
    pub(super) fn step(&mut self, env: &Env, dir: &Path, writer: &mut Writer) -> bool {
        let Some(mut packing) = self.under_way.take().or_else(|| self.begin(env, dir, writer))
        else {
            return false;
        };
        let first = packing.segment.first_seq;
        match packing.step() {
            Ok(false) => {
                self.under_way = Some(packing);
                false
            }
            Ok(true) => {
                self.look = true;
                let put = put(env, dir, writer, packing);
                if put.is_err() {
                    self.left.insert(first);
                }
                true
            }
            Err(_) => {
                self.left.insert(first);
                self.look = true;
                false
            }
        }
    }

    /// Ends what is under way, or packs one segment as a whole: the writer is to be closed.
    pub(super) fn finish(&mut self, env: &Env, dir: &Path, writer: &mut Writer) -> bool {
        let mut changed = self.step(env, dir, writer);
        while self.under_way.is_some() {
            changed |= self.step(env, dir, writer);
        }
        changed
    }

    fn begin(&mut self, env: &Env, dir: &Path, writer: &mut Writer) -> Option<Packing> {
        if !std::mem::take(&mut self.look) {
            return None;
        }
        let is_wanted =
            |segment: &SegmentInfo| is_worth(segment) && !self.left.contains(&segment.first_seq);
        let wanted: Vec<_> = writer.sealed_segments().filter(is_wanted).collect();
        wanted.first()?;
        let view = writer.view().ok()?;
        let saved_end = checkpoints::newest_end(env, dir, &Source::Own(&view)).ok()?;
        let segment = wanted.into_iter().find(|segment| segment.end_seq < saved_end)?;
        let rewriting = writer.rewrite(segment.first_seq).ok()??;
        let pending = Pending { builder: BatchBuilder::new(), appended_at_us: 0, body: Vec::new() };
        Some(Packing { segment, rewriting, pending, phase: Phase::Writing(None) })
    }
}

/// Whether a segment has many more batches than its events need, by what its seal says.
fn is_worth(segment: &SegmentInfo) -> bool {
    let events = segment.end_seq.saturating_sub(segment.first_seq);
    let needed = events.div_ceil(BATCH_EVENTS_MAX as u64).max(1);
    segment.frames > BATCHES_RATIO * needed
        && segment.bytes / segment.frames.max(1) < BATCH_BYTES_MANY
}

/// Gives the packed segment its name. Checkpoints that end inside it go first: no batch ends there
/// any more.
fn put(env: &Env, dir: &Path, writer: &mut Writer, packing: Packing) -> Result<(), Error> {
    let Packing { segment, rewriting, .. } = packing;
    if !planted("checkpoint inside a packed segment kept") {
        checkpoints::remove_within(env, dir, segment.first_seq..segment.end_seq)?;
    }
    writer.put_rewritten(rewriting)
}

impl Packing {
    /// One step; true once the new segment is whole and compared.
    fn step(&mut self) -> Result<bool, Error> {
        let mut budget = Budget { batches: STEP_BATCHES, events: STEP_EVENTS };
        while !budget.is_spent() {
            self.phase = match self.phase {
                Phase::Writing(from) => self.write(from, &mut budget)?,
                Phase::Comparing(old, new) => self.compare(old, new, &mut budget)?,
                Phase::Compared => return Ok(true),
            };
        }
        Ok(matches!(self.phase, Phase::Compared))
    }

    fn write(&mut self, from: Option<Position>, budget: &mut Budget) -> Result<Phase, Error> {
        let (mut place, mut read) = (from, Read::default());
        while !budget.is_spent() {
            let mut batches = self.rewriting.old_batches(place)?;
            let Some(frame) = batches.next()? else { return self.seal() };
            budget.take(&frame);
            place = Some(batches.place());
            read.batch(&frame)?;
            if !self.pending.builder.has_room(&read.rows) {
                self.pending.flush(&mut self.rewriting)?;
            }
            self.pending.join(&read).map_err(|fault| fault.at(&self.segment.path, 0))?;
        }
        Ok(Phase::Writing(place))
    }

    fn seal(&mut self) -> Result<Phase, Error> {
        self.pending.flush(&mut self.rewriting)?;
        if self.rewriting.batch_count() * BATCHES_RATIO > self.segment.frames {
            let fault = Fault::Unknown("a segment whose events need so many batches");
            return Err(fault.at(&self.segment.path, 0));
        }
        self.rewriting.seal()?;
        Ok(Phase::Comparing(None, None))
    }

    /// Compares event by event, and the marks at the end of each new batch.
    fn compare(
        &self,
        old_from: Option<Position>,
        new_from: Option<Position>,
        budget: &mut Budget,
    ) -> Result<Phase, Error> {
        let (mut old, mut new) =
            (self.rewriting.old_batches(old_from)?, self.rewriting.new_batches(new_from)?);
        let (mut joined, mut read) = (Read::default(), Read::default());
        while !budget.is_spent() {
            let Some(frame) = new.next()? else {
                return match old.next()? {
                    None => Ok(Phase::Compared),
                    Some(frame) => Err(DIFFERENT.at(frame.path, frame.offset)),
                };
            };
            budget.take(&frame);
            joined.batch(&frame)?;
            let different = || DIFFERENT.at(frame.path, frame.offset);
            let (mut met, mut marks) = (0, BTreeMap::new());
            loop {
                let before = old.place();
                let Some(part) = old.next()? else { break };
                if met == joined.rows.len() && part.events > 0 {
                    old = self.rewriting.old_batches(Some(before))?;
                    break;
                }
                budget.take(&part);
                read.batch(&part)?;
                let mut rows = (met..).zip(read.rows.iter());
                if !rows.all(|(row, old)| joined.rows.get(row) == Some(old)) {
                    return Err(different());
                }
                met += read.rows.len();
                marks.append(&mut read.marks);
            }
            let same_marks = marks == joined.marks || planted("marks lost in packing");
            if met != joined.rows.len() || !same_marks {
                return Err(different());
            }
        }
        Ok(Phase::Comparing(Some(old.place()), Some(new.place())))
    }
}

impl Pending {
    /// Adds a batch, which there is room for.
    fn join(&mut self, read: &Read) -> Result<(), Fault> {
        const TOO_MUCH: Fault = Fault::Unknown("a batch that this version cannot write again");
        self.appended_at_us = read.appended_at_us;
        if !read.rows.iter().all(|row| self.builder.push_row(&row)) {
            return Err(TOO_MUCH);
        }
        for (source, position) in &read.marks {
            if !planted("marks lost in packing") && !self.builder.set_mark(source, position) {
                return Err(TOO_MUCH);
            }
        }
        // One that was not written by this version may be as long as any frame.
        if self.builder.fits_frame() { Ok(()) } else { Err(TOO_MUCH) }
    }

    fn flush(&mut self, rewriting: &mut Rewriting) -> Result<(), Error> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let events = u32::try_from(self.builder.len()).expect("a batch is at most 4,096 events");
        self.body.clear();
        let customers_before = rewriting.tally().customers;
        self.builder.encode(customers_before, self.appended_at_us, &mut self.body);
        self.builder.clear();
        rewriting.push(&self.body, events)
    }
}

impl Read {
    fn batch(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        let mut read = || {
            let batch = Batch::decode(&frame.body, frame.first_seq, frame.events)?;
            if !batch.is_known()? {
                return Err(Fault::Unknown("a batch that only a later version can write again"));
            }
            batch.read_rows(&mut self.rows)?;
            self.marks = batch.marks()?.into_iter().collect();
            self.appended_at_us = batch.appended_at_us();
            Ok(())
        };
        read().map_err(|fault| fault.at(frame.path, frame.offset))
    }
}
