//! Sealed segments of many small batches, written again in as few as their events need.
//!
//! Who appends one event at a time writes a frame for each: most of such a segment is headers, and
//! nothing in it is compressed. It is packed when no receipt is waited for, a little at a time, and
//! below a checkpoint alone, so that nobody has to fold it meanwhile. Batches are joined, never cut:
//! where a batch ends now, one ended before.

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
/// So many batches are read at a time, a millisecond's worth; in tests so few that every segment
/// takes many steps.
const STEP_BATCHES: u64 = if cfg!(test) { 2 } else { 512 };
/// And so many events.
const STEP_EVENTS: u64 = 8_192;
/// A batch has so many events at most: what is written in one call, and in tests less than a segment.
const JOINED_EVENTS_MAX: usize = if cfg!(test) { 8 } else { BATCH_EVENTS_MAX };
/// Marks of so many bytes are joined before a batch is written.
const MARKS_BYTES_MAX: usize = 64 << 10;
/// After so many batches it shows whether a segment becomes smaller.
const TRIED_BATCHES: u64 = 64;
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
    /// How many batches of the old segment were read.
    read: u64,
    phase: Phase,
}

/// Batches on their way into one.
struct Pending {
    builder: BatchBuilder,
    marks: BTreeMap<Vec<u8>, Vec<u8>>,
    marks_bytes: usize,
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
    Comparing(Box<Comparison>),
    /// The new segment is as good as the old one.
    Compared,
}

/// How far both segments were compared.
#[derive(Default)]
struct Comparison {
    old: Option<Position>,
    new: Option<Position>,
    /// The new batch at hand, unless the next one is to be read.
    joined: Option<Read>,
    /// How many of its events were met in the old segment, and the marks there.
    met: usize,
    marks: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Memory for an old batch.
    part: Read,
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

    /// Begins nothing until it is told to look again.
    pub(super) fn rest(&mut self) {
        self.look = false;
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

    /// Ends what is under way, or packs one segment as a whole, if there is one that can be: the
    /// writer is to be closed.
    pub(super) fn finish(&mut self, env: &Env, dir: &Path, writer: &mut Writer) -> bool {
        loop {
            if self.step(env, dir, writer) {
                return true;
            }
            if self.under_way.is_none() && !self.look {
                return false;
            }
        }
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
        let pending = Pending::new();
        Some(Packing { segment, rewriting, pending, read: 0, phase: Phase::Writing(None) })
    }
}

/// Whether a segment has many more batches than its events need, by what its seal says.
fn is_worth(segment: &SegmentInfo) -> bool {
    let events = segment.end_seq.saturating_sub(segment.first_seq);
    let needed = events.div_ceil(JOINED_EVENTS_MAX as u64).max(1);
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
            self.phase = match std::mem::replace(&mut self.phase, Phase::Compared) {
                Phase::Writing(from) => self.write(from, &mut budget)?,
                Phase::Comparing(comparison) => self.compare(comparison, &mut budget)?,
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
            self.read += 1;
            if !self.pending.has_room(&read) {
                self.pending.flush(&mut self.rewriting)?;
            }
            self.pending.join(&mut read).map_err(|fault| fault.at(&self.segment.path, 0))?;
        }
        if self.read >= TRIED_BATCHES {
            self.check_worth(self.read)?
        }
        Ok(Phase::Writing(place))
    }

    /// Gives up on a segment whose events need about as many batches as they have. It is tried anew
    /// whenever the log is opened, so that must be noticed soon.
    fn check_worth(&self, old_batches: u64) -> Result<(), Error> {
        if self.rewriting.batch_count() * BATCHES_RATIO <= old_batches {
            return Ok(());
        }
        let fault = Fault::Unknown("a segment whose events need so many batches");
        Err(fault.at(&self.segment.path, 0))
    }

    fn seal(&mut self) -> Result<Phase, Error> {
        self.pending.flush(&mut self.rewriting)?;
        self.check_worth(self.segment.frames)?;
        self.rewriting.seal()?;
        Ok(Phase::Comparing(Box::default()))
    }

    /// Compares event by event, and the marks at the end of each new batch.
    fn compare(&self, mut at: Box<Comparison>, budget: &mut Budget) -> Result<Phase, Error> {
        let mut old = self.rewriting.old_batches(at.old)?;
        let mut new = self.rewriting.new_batches(at.new)?;
        while !budget.is_spent() {
            let place = old.place();
            let part = old.next()?;
            let Some(joined) = at.joined.take() else {
                match (new.next()?, part) {
                    (None, None) => return Ok(Phase::Compared),
                    (None, Some(part)) => return Err(DIFFERENT.at(part.path, part.offset)),
                    (Some(frame), _) => at.begin(&frame)?,
                }
                old = self.rewriting.old_batches(Some(place))?;
                continue;
            };
            match part.filter(|part| part.events == 0 || at.met < joined.rows.len()) {
                Some(part) => {
                    budget.take(&part);
                    at.meet(&joined, &part)?;
                    at.joined = Some(joined);
                }
                None => {
                    at.end(&joined).map_err(|fault| fault.at(&self.segment.path, place.offset))?;
                    old = self.rewriting.old_batches(Some(place))?;
                }
            }
        }
        (at.old, at.new) = (Some(old.place()), Some(new.place()));
        Ok(Phase::Comparing(at))
    }
}

impl Comparison {
    /// Takes up the next new batch, which must keep every rule.
    fn begin(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        let batch = Batch::decode(&frame.body, frame.first_seq, frame.events);
        let checked = batch.and_then(|batch| batch.check());
        checked.map_err(|fault| fault.at(frame.path, frame.offset))?;
        let mut joined = Read::default();
        joined.batch(frame)?;
        self.joined = Some(joined);
        self.met = 0;
        self.marks.clear();
        Ok(())
    }

    /// Compares an old batch with its place in the new one.
    fn meet(&mut self, joined: &Read, part: &Frame<'_>) -> Result<(), Error> {
        self.part.batch(part)?;
        let mut rows = (self.met..).zip(self.part.rows.iter());
        if !rows.all(|(row, old)| joined.rows.get(row) == Some(old)) {
            return Err(DIFFERENT.at(part.path, part.offset));
        }
        self.met += self.part.rows.len();
        self.marks.append(&mut self.part.marks);
        Ok(())
    }

    /// All old batches of the new one were met.
    fn end(&self, joined: &Read) -> Result<(), Fault> {
        let same_marks = self.marks == joined.marks || planted("marks lost in packing");
        if self.met == joined.rows.len() && same_marks { Ok(()) } else { Err(DIFFERENT) }
    }
}

impl Pending {
    fn new() -> Pending {
        Pending {
            builder: BatchBuilder::new(),
            marks: BTreeMap::new(),
            marks_bytes: 0,
            appended_at_us: 0,
            body: Vec::new(),
        }
    }

    /// Whether a batch can be joined. Marks alone always are: they belong to what is before them.
    fn has_room(&self, read: &Read) -> bool {
        read.rows.is_empty()
            || self.builder.is_empty()
            || self.builder.len() + read.rows.len() <= JOINED_EVENTS_MAX
                && self.builder.has_room(&read.rows)
                && self.marks_bytes < MARKS_BYTES_MAX
    }

    /// Adds a batch.
    fn join(&mut self, read: &mut Read) -> Result<(), Fault> {
        self.appended_at_us = read.appended_at_us;
        let known = read.rows.iter().all(|row| self.builder.push_row(&row));
        if !planted("marks lost in packing") {
            self.marks_bytes += bytes_of(&read.marks);
            self.marks.append(&mut read.marks);
        }
        // One that was not written by this version may be as long as any frame.
        if known && self.builder.fits_frame() && self.marks_bytes < MARKS_BYTES_MAX * 64 {
            return Ok(());
        }
        Err(Fault::Unknown("a batch that this version cannot write again"))
    }

    fn flush(&mut self, rewriting: &mut Rewriting) -> Result<(), Error> {
        self.builder.set_marks(&self.marks);
        if self.builder.is_empty() {
            return Ok(());
        }
        let events = u32::try_from(self.builder.len()).expect("a batch is at most 4,096 events");
        self.body.clear();
        let customers_before = rewriting.tally().customers;
        self.builder.encode(customers_before, self.appended_at_us, &mut self.body);
        self.builder.clear();
        self.marks.clear();
        self.marks_bytes = 0;
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

fn bytes_of(marks: &BTreeMap<Vec<u8>, Vec<u8>>) -> usize {
    marks.iter().map(|(source, position)| source.len() + position.len() + 2).sum()
}
