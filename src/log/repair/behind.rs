//! Batches behind the damage. A frame's header tells itself apart by its checksum, which covers
//! the segment's salt and the frame's place, so that frames are found again by looking for them.

use std::path::PathBuf;

use super::survey::Found;
use super::{Cut, Survey};
use crate::error::Error;
use crate::frame::{FRAME_ALIGN, HEADER_BYTES, KIND_BATCH, KIND_SEAL};
use crate::log::body::{Body, Frame};
use crate::log::disk::{Access, File};
use crate::log::head::Head;
use crate::log::scan::{Position, Source, Step, Window, after, header_at, rest, step};
use crate::log::sealed::read_seal;
use crate::log::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::log::{Env, LogMeta};

/// A file that may be a segment.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// The first sequence in its name.
    name: Option<u64>,
    file: Box<dyn File>,
    size: u64,
    header: Option<SegmentHeader>,
}

impl Candidate {
    /// Reads the header; one with a single wrong byte is made out all the same.
    pub(super) fn read(env: &Env, name: Option<u64>, path: PathBuf) -> Result<Candidate, Error> {
        let file = env.disk.open(&path, Access::Read).map_err(Error::io("open", &path))?;
        let size = file.size().map_err(Error::io("read the length of", &path))?;
        let mut window = Window::sparse(&*file, &path, size);
        let bytes = window.get(0, SEGMENT_HEADER_BYTES as usize)?;
        let header = bytes.and_then(|bytes| bytes.first_chunk()).and_then(made_out);
        Ok(Candidate { path, name, file, size, header })
    }

    pub(super) fn meta(&self) -> Option<&LogMeta> {
        self.header.as_ref().map(|header| &header.meta)
    }
}

/// A header, or the one that it was before one of its bytes was changed: of the few that could be
/// meant, its checksum fits one. A salt that is made out wrongly finds no frames.
fn made_out(bytes: &[u8; 128]) -> Option<SegmentHeader> {
    let whole = SegmentHeader::decode(bytes).ok();
    let flips = (0..bytes.len()).flat_map(|at| (1..=u8::MAX).map(move |mask| (at, mask)));
    let mut mended = flips.filter_map(|(at, mask)| {
        let mut bytes = *bytes;
        *bytes.get_mut(at)? ^= mask;
        SegmentHeader::decode(&bytes).ok()
    });
    whole.or_else(|| mended.next())
}

/// What is read behind the damage.
pub(super) struct Behind<'a, 'e> {
    pub(super) survey: &'a mut Survey,
    pub(super) head: Option<&'a Head>,
    pub(super) each: Found<'e>,
}

impl Behind<'_, '_> {
    /// Gives the whole batches of the boundary's tail and of all files that are moved.
    pub(super) fn read(&mut self, all: &[Candidate], boundary: Option<&Cut>) -> Result<(), Error> {
        let own = self.survey.meta.clone();
        let mut files: Vec<(&Candidate, &SegmentHeader, u64)> = Vec::new();
        let mut unread = Vec::new();
        for candidate in all {
            let cut = boundary.filter(|cut| cut.path == candidate.path);
            let from = cut.map_or(u64::from(SEGMENT_HEADER_BYTES), |cut| cut.offset);
            if cut.is_none() && !self.survey.moved.contains(&candidate.path) {
                continue;
            }
            match &candidate.header {
                Some(header) if Some(&header.meta) == own.as_ref() => {
                    files.push((candidate, header, from));
                }
                // Another log's: what it holds was never ours.
                Some(_) => {}
                None => unread.extend(candidate.name.filter(|_| candidate.size > 0)),
            }
        }
        files.sort_by_key(|(_, header, _)| header.first_seq);
        let mut next_seq = self.survey.kept_end;
        let mut untold = false;
        for (candidate, header, from) in files {
            self.survey.known_end = self.survey.known_end.max(header.first_seq);
            let mut window = Window::new(&*candidate.file, &candidate.path, candidate.size);
            let told = self.file(&mut window, header, from, &mut next_seq)?;
            let told = told.max(self.named_in(header.first_seq));
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

    /// Reads one file; gives the place up to which it was told what stands there.
    fn file(
        &mut self,
        window: &mut Window<'_>,
        header: &SegmentHeader,
        from: u64,
        next_seq: &mut u64,
    ) -> Result<u64, Error> {
        let (mut offset, mut told) = (from, from);
        while offset < window.size() {
            let Some(frame) = header_at(window, header.salt, offset)? else {
                offset += u64::from(FRAME_ALIGN);
                continue;
            };
            let seq = header.first_seq.saturating_add(u64::from(frame.seq_delta));
            let at = Position { offset, seq, chain: None };
            let next = after(&at, &frame, 0);
            self.survey.known_end = self.survey.known_end.max(next.seq);
            if frame.kind == KIND_SEAL && read_seal(window, offset, header).is_ok() {
                self.survey.known_end = self.survey.known_end.max(seq);
            }
            let whole =
                matches!(step(window, header.salt, header.first_seq, &at)?, Step::Frame(..));
            if whole && frame.kind == KIND_BATCH && seq >= *next_seq {
                let start = offset + u64::from(HEADER_BYTES);
                let path = window.path().to_path_buf();
                let body = window.get(start, frame.body_bytes as usize)?.unwrap_or(&[]);
                let (body, events) = (Body::borrowed(body), frame.events);
                (self.each)(&Frame { first_seq: seq, events, body, path: &path, offset })?;
                *next_seq = next.seq;
            }
            // Its own checksum says how long it is, whatever its body is now.
            offset = next.offset;
            told = told.max(offset);
        }
        Ok(told)
    }
}
