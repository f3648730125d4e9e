//! One segment, frame by frame, and on behind damage where that is possible.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Deep, Pass, Problem};
use crate::error::{Error, Fault};
use crate::frame::{FrameHeader, HEADER_BYTES, KIND_BATCH, KIND_SEAL};
use crate::log::Tally;
use crate::log::body::{Body, Frame};
use crate::log::directory::{Directory, FrameEntry};
use crate::log::recovery::add;
use crate::log::scan::{Position, Source, Step, Stop, Window, after, header_at, step};
use crate::log::sealed::{FoundSeal, find_seal};
use crate::log::segment::SegmentHeader;

/// A segment while it is read.
pub(super) struct Place<'s> {
    pub(super) path: &'s Path,
    pub(super) header: &'s SegmentHeader,
    /// Where its events end, as the next segment says; unknown for the last one.
    pub(super) next_first: Option<u64>,
    pub(super) directory: BTreeMap<u64, FrameEntry>,
    /// Where its seal is, if that is whole.
    pub(super) seal: Option<Position>,
    pub(super) at: Position,
    /// As long as no batch was missed.
    pub(super) tally: Option<Tally>,
    pub(super) rows: usize,
}

impl Pass<'_> {
    /// Reads the frames of one segment; gives the place where its data ends.
    pub(super) fn frames(
        &mut self,
        window: &mut Window<'_>,
        place: &mut Place<'_>,
        deep: Deep<'_>,
    ) -> Result<Position, Error> {
        let (salt, first_seq) = (place.header.salt, place.header.first_seq);
        loop {
            let at = place.at;
            match step(window, salt, first_seq, &at)? {
                Step::Frame(frame, crc) => {
                    place.at = after(&at, &frame, crc);
                    if frame.kind == KIND_SEAL {
                        self.seal(window, place, &at)?;
                        return Ok(place.at);
                    }
                    if frame.kind == KIND_BATCH {
                        self.batch(window, place, &at, &frame, deep)?;
                    }
                }
                Step::Stop(stop) => {
                    // Where the last segment ends, opening has the verdict. What lies behind a torn
                    // frame, whole or not, is as torn: no sync covered it.
                    if place.next_first.is_none() && self.report.torn_bytes > 0 {
                        return Ok(at);
                    }
                    let resumed = self.resume(window, place, stop)?;
                    if place.next_first.is_some()
                        || !place.directory.is_empty()
                        || resumed.is_some()
                    {
                        let to = resumed.map(|at| at.seq).or(place.next_first);
                        let events = to.map(|to| at.seq..to.max(at.seq));
                        let reason = stop.reason().to_owned();
                        let path = place.path.to_path_buf();
                        self.report.problems.push(Problem {
                            path,
                            offset: at.offset,
                            reason,
                            events,
                        });
                    }
                    place.tally = None;
                    match resumed {
                        Some(next) => place.at = next,
                        None => {
                            let frame = header_at(window, salt, at.offset)?;
                            let end = frame.map_or(at.seq, |frame| after(&at, &frame, 0).seq);
                            let told = at.seq..end.max(at.seq);
                            self.stopped = Some((place.path.to_path_buf(), told));
                            return Ok(at);
                        }
                    }
                }
            }
        }
    }

    /// Where reading can go on behind a frame that is not what it should be.
    fn resume(
        &self,
        window: &mut Window<'_>,
        place: &Place<'_>,
        stop: Stop,
    ) -> Result<Option<Position>, Error> {
        let at = &place.at;
        let listed = place.directory.range(at.offset + 1..).next();
        if let Some((offset, entry)) = listed {
            let seq = entry.seq(place.header.first_seq);
            return Ok(Some(Position { offset: *offset, seq, chain: None }));
        }
        if let Some(seal) = place.seal.filter(|seal| seal.offset > at.offset) {
            return Ok(Some(seal));
        }
        let whole = matches!(stop, Stop::BodyDamaged | Stop::BodyTorn | Stop::PaddingDamaged);
        let Some(frame) = header_at(window, place.header.salt, at.offset)?.filter(|_| whole) else {
            return Ok(None);
        };
        // Only if something follows: a torn last frame is no damage.
        let next = Position { chain: None, ..after(at, &frame, 0) };
        let follows = step(window, place.header.salt, place.header.first_seq, &next)?;
        Ok(Some(next).filter(|_| matches!(follows, Step::Frame(..))))
    }

    fn batch(
        &mut self,
        window: &mut Window<'_>,
        place: &mut Place<'_>,
        at: &Position,
        frame: &FrameHeader,
        deep: Deep<'_>,
    ) -> Result<(), Error> {
        self.report.batches += 1;
        self.report.events += u64::from(frame.events);
        let body = window
            .get(at.offset + u64::from(HEADER_BYTES), frame.body_bytes as usize)?
            .unwrap_or(&[]);
        let events = at.seq..after(at, frame, 0).seq;
        let before = (self.readers.customers_before)(body).unwrap_or(u32::MAX);
        let tallied = place.tally.map(|tally| add(self.readers, body, frame.events, &tally));
        let batch = Frame {
            first_seq: at.seq,
            events: frame.events,
            body: Body::borrowed(body),
            path: place.path,
            offset: at.offset,
        };
        let looked = tallied.transpose().and_then(|tally| deep(&batch).map(|()| tally));
        place.tally = looked.unwrap_or(None);
        if let Err(fault) = looked {
            self.fault(place.path, at.offset, fault, Some(events.clone()));
        }
        let entry = FrameEntry::new(frame, at.offset, before);
        let listed = place.directory.get(&at.offset);
        if !place.directory.is_empty() && listed != Some(&entry) {
            let fault =
                Fault::Corrupt("the seal's frame directory does not name this batch as it is");
            self.fault(place.path, at.offset, fault, Some(events));
        }
        place.rows += 1;
        Ok(())
    }

    /// What a seal says of its segment must be what was read.
    fn seal(
        &mut self,
        window: &mut Window<'_>,
        place: &Place<'_>,
        at: &Position,
    ) -> Result<(), Error> {
        let end = place.at.offset;
        if place.next_first.is_some() && window.size() > end {
            self.fault(place.path, end, Fault::Corrupt("bytes follow the seal"), None);
        }
        let found = match find_seal(window, end, place.header) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(error) => return self.note(error, None),
        };
        let tally = place.tally.is_some_and(|tally| tally != found.seal.tally);
        // A rewritten segment carries the chain of what it replaced.
        let chain = place.header.generation == 0
            && at.chain.is_some_and(|chain| chain != found.seal.chain_out);
        let rows = place.tally.is_some() && found.seal.directory.len() != place.rows;
        if tally || chain || rows {
            let fault = Fault::Corrupt("the seal does not agree with its segment");
            self.fault(place.path, at.offset, fault, None);
        }
        Ok(())
    }
}

/// A seal's directory by offset.
pub(in crate::log) fn directory_of(
    window: &mut Window<'_>,
    sealed: Option<&FoundSeal>,
) -> Result<BTreeMap<u64, FrameEntry>, Error> {
    let Some(found) = sealed else { return Ok(BTreeMap::new()) };
    let range = found.seal.columns_at(found.offset);
    let length = usize::try_from(range.end - range.start).expect("inside a body");
    let columns = window.get(range.start, length)?.unwrap_or(&[]);
    let directory: &Directory = &found.seal.directory;
    let rows = (0..directory.len()).filter_map(|row| directory.entry(columns, row));
    Ok(rows.map(|entry| (u64::from(entry.offset), entry)).collect())
}
