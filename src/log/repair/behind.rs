//! Batches behind the damage. A frame's header tells itself apart by its checksum, which covers
//! the segment's salt and the frame's place, so that frames are found again by looking for them.
//!
//! Salt and log id do not tell a log from a copy of it that went its own way. Chains do: a file is
//! read if its chain goes on from what is kept or was read before it, and a sidecar bridges a
//! segment that is gone. One that stands where it should behind a gap that nothing bridges is read
//! by itself. Whatever else looks like a segment is of another history, and not read.

use super::candidate::Candidate;
use super::survey::Found;
use super::{Cut, Foreign, Survey, Witness};
use crate::error::Error;
use crate::frame::{FRAME_ALIGN, HEADER_BYTES, KIND_BATCH, KIND_SEAL};
use crate::log::body::{Body, Frame};
use crate::log::head::Head;
use crate::log::scan::{Position, Source, Step, Window, after, header_and_crc, rest, step};
use crate::log::sealed::read_seal;
use crate::log::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::planted::planted;

/// How far the log's history was followed.
#[derive(Clone, Copy)]
pub(super) struct Reached {
    /// The first sequence of the segment that this is in.
    pub(super) segment: u64,
    /// The next event's sequence.
    pub(super) seq: u64,
    /// The next frame's chain; unknown after a segment that was rewritten.
    pub(super) chain: Option<u32>,
    /// Whether the next segment begins here.
    pub(super) ended: bool,
}

/// How a file stands to what was read before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It goes on from there.
    Joined,
    /// There is a gap before it.
    Alone,
    /// It is of another history.
    Other,
}

/// What is read behind the damage.
pub(super) struct Behind<'a, 'e> {
    pub(super) survey: &'a mut Survey,
    pub(super) head: Option<&'a Head>,
    pub(super) witnesses: &'a [Witness],
    pub(super) at: Reached,
    /// Where the history of what is read now begins that its chains prove to be one.
    pub(super) since: u64,
    pub(super) each: Found<'e>,
}

impl Behind<'_, '_> {
    /// Gives the whole batches of the boundary's tail and of the files behind it.
    pub(super) fn read(&mut self, all: &[Candidate], boundary: Option<&Cut>) -> Result<(), Error> {
        let is_boundary = |one: &Candidate| boundary.is_some_and(|cut| cut.path == one.path);
        let mut unread = Vec::new();
        let mut files: Vec<(&Candidate, &SegmentHeader)> = Vec::new();
        for one in
            all.iter().filter(|one| is_boundary(one) || self.survey.moved.contains(&one.path))
        {
            match &one.header {
                Some(header) => files.push((one, header)),
                None => unread.extend(one.name.filter(|_| one.size > 0)),
            }
        }
        files
            .sort_by_key(|(one, header)| (!is_boundary(one), header.first_seq, one.name.is_none()));
        let mut untold = false;
        for (one, header) in files {
            let mut window = Window::new(&*one.file, &one.path, one.size);
            let cut = boundary.filter(|cut| cut.path == one.path);
            let from = cut.map_or(u64::from(SEGMENT_HEADER_BYTES), |cut| cut.offset);
            let link = if cut.is_some() { Link::Joined } else { self.link(one, header) };
            if link == Link::Other {
                self.leave(&mut window, header)?;
                // Something of ours may have had its name; only head tells that nothing did.
                unread.extend(one.name.filter(|_| self.head.is_none()));
                continue;
            }
            if link == Link::Alone {
                self.since = header.first_seq;
            }
            if cut.is_none() {
                let (seq, chain) = (header.first_seq, Some(header.chain_in));
                self.at = Reached { segment: seq, seq, chain, ended: false };
            }
            self.survey.known_end = self.survey.known_end.max(header.first_seq);
            let told = self.file(&mut window, header, from)?.max(self.named_in(header.first_seq));
            // Of the newest file alone: a file that follows tells where the one before it ended.
            untold = rest(&mut window, header.salt, from)?.nonzero_end > told;
        }
        let end = self.survey.known_end;
        let unread = unread.into_iter().any(|first| first >= end && self.named_in(first) == 0);
        self.survey.open_end = untold || unread;
        Ok(())
    }

    /// Where in this segment head says that the durable part ends; past all if in a later one.
    fn named_in(&self, first_seq: u64) -> u64 {
        match self.head {
            Some(head) if head.segment_first == first_seq => u64::from(head.durable_offset),
            Some(head) if head.segment_first > first_seq => u64::MAX,
            Some(_) | None => 0,
        }
    }

    fn link(&mut self, one: &Candidate, header: &SegmentHeader) -> Link {
        if self.survey.meta.as_ref() != Some(&header.meta) {
            return Link::Other;
        }
        if planted("histories not compared") {
            return Link::Joined;
        }
        if self.follows(header) || self.bridge(header) {
            return Link::Joined;
        }
        let gap = self.at.seq < header.first_seq
            || self.at.seq == header.first_seq && !(self.at.ended && self.at.chain.is_some());
        if gap && one.name == Some(header.first_seq) { Link::Alone } else { Link::Other }
    }

    fn follows(&self, header: &SegmentHeader) -> bool {
        self.at.seq == header.first_seq && self.at.chain == Some(header.chain_in)
    }

    /// Goes on to where the segment begins by what sidecars say of those before it.
    fn bridge(&mut self, header: &SegmentHeader) -> bool {
        let log_id = header.meta.log_id;
        let covers = || self.witnesses.iter().filter(|one| one.log_id == log_id);
        let mut at = self.at;
        while !at.ended || at.seq < header.first_seq {
            let cover = covers().filter_map(|one| one.covers.as_ref()).find(|cover| {
                let goes_on = cover.end >= at.seq && cover.end > at.segment;
                cover.first == at.segment && goes_on && cover.end <= header.first_seq
            });
            let Some(cover) = cover else { return false };
            let (end, chain) = (cover.end, Some(cover.chain));
            at = Reached { segment: end, seq: end, chain, ended: true };
        }
        self.at = at;
        self.follows(header)
    }

    /// Reads one file; gives the place up to which it was told what stands there.
    fn file(
        &mut self,
        window: &mut Window<'_>,
        header: &SegmentHeader,
        from: u64,
    ) -> Result<u64, Error> {
        let (mut offset, mut told) = (from, from);
        let mut chain = self.at.chain;
        while offset < window.size() {
            let Some((frame, crc)) = header_and_crc(window, header.salt, offset)? else {
                (offset, chain) = (offset + u64::from(FRAME_ALIGN), None);
                continue;
            };
            let seq = header.first_seq.saturating_add(u64::from(frame.seq_delta));
            if seq < self.at.seq || chain.is_some_and(|chain| chain != frame.chain) {
                // Written to a copy of this file that went its own way.
                break;
            }
            let at = Position { offset, seq, chain };
            let next = after(&at, &frame, crc);
            self.survey.known_end = self.survey.known_end.max(next.seq);
            if frame.kind == KIND_SEAL
                && let Ok(Some(found)) = read_seal(window, offset, header)
            {
                let (end, chain) = (found.seal.end_seq, Some(found.seal.chain_out));
                self.at = Reached { segment: end, seq: end, chain, ended: true };
                return Ok(u64::MAX);
            }
            let whole =
                matches!(step(window, header.salt, header.first_seq, &at)?, Step::Frame(..));
            if whole && frame.kind == KIND_BATCH {
                let start = offset + u64::from(HEADER_BYTES);
                let path = window.path().to_path_buf();
                let body = window.get(start, frame.body_bytes as usize)?.unwrap_or(&[]);
                let (body, events) = (Body::borrowed(body), frame.events);
                let frame = Frame { first_seq: seq, events, body, path: &path, offset };
                (self.each)(&frame, self.since)?;
            }
            chain = Some(crc);
            self.at.seq = next.seq;
            self.at.chain = chain.filter(|_| header.generation == 0);
            // Its own checksum says how long it is, whatever its body is now.
            offset = next.offset;
            told = told.max(offset);
        }
        Ok(told)
    }

    /// Notes a file that is not read, and which events stand in it.
    fn leave(&mut self, window: &mut Window<'_>, header: &SegmentHeader) -> Result<(), Error> {
        let (mut offset, mut end) = (u64::from(SEGMENT_HEADER_BYTES), header.first_seq);
        while offset < window.size() {
            let found = header_and_crc(window, header.salt, offset)?;
            let Some((frame, crc)) = found else {
                offset += u64::from(FRAME_ALIGN);
                continue;
            };
            let seq = header.first_seq.saturating_add(u64::from(frame.seq_delta));
            let next = after(&Position { offset, seq, chain: None }, &frame, crc);
            (offset, end) = (next.offset, end.max(next.seq));
        }
        let same_log = self.survey.meta.as_ref() == Some(&header.meta);
        let (path, events) = (window.path().to_path_buf(), header.first_seq..end);
        self.survey.foreign.push(Foreign { path, events, same_log });
        Ok(())
    }
}
