//! How far a log is whole, by every rule that `verify` has for segments.

use std::path::Path;

use super::behind::{Behind, Reached};
use super::candidate::{candidates, head_of};
use super::{Cut, Survey, Witness};
use crate::error::{Error, Fault};
use crate::frame::{HEADER_BYTES, KIND_BATCH, KIND_SEAL};
use crate::log::body::{Body, Frame};
use crate::log::catalog::{Listing, OpenSegment, list};
use crate::log::directory::FrameEntry;
use crate::log::disk::Access;
use crate::log::paths::Paths;
use crate::log::recovery::add;
use crate::log::scan::{Position, Source, Step, Stop, Window, after, rest, step};
use crate::log::sealed::{FoundSeal, read_seal};
use crate::log::segment::SegmentHeader;
use crate::log::verify::directory_of;
use crate::log::{BodyReader, Env, LogMeta, Tally};

/// Looks at a batch that is kept; what it finds wrong is not kept, nor anything behind it.
pub(crate) type Kept<'a> = &'a mut dyn FnMut(&Frame<'_>) -> Result<(), Fault>;
/// Takes a whole batch from behind the damage, in order of sequences, and the sequence since which
/// everything that is known belongs to its own history.
pub(crate) type Found<'a> = &'a mut dyn FnMut(&Frame<'_>, u64) -> Result<(), Error>;

/// Finds what is kept of a log and what is behind it.
pub(crate) fn survey(
    env: &Env,
    dir: &Path,
    meta: Option<LogMeta>,
    witnesses: &[Witness],
    readers: &BodyReader,
    kept: Kept<'_>,
    found: Found<'_>,
) -> Result<Survey, Error> {
    let paths = Paths::of(dir);
    let listing = list(&*env.disk, &paths)?.unwrap_or_default();
    let head = head_of(env, &paths)?;
    let candidates = candidates(env, &paths, &listing)?;
    let mut prefix = Prefix {
        env,
        paths: &paths,
        readers,
        meta: meta.clone(),
        end: SegmentEnd { first: 0, chain: 0, tally: Tally::default() },
        reached: Reached { segment: 0, seq: 0, chain: Some(0), ended: true },
        survey: Survey { meta: meta.clone(), firsts: listing.firsts.clone(), ..Survey::default() },
    };
    let whole = prefix.run(&listing, kept)?;
    let (mut survey, at) = (prefix.survey, prefix.reached);
    let last = whole.segments.checked_sub(1).and_then(|row| listing.firsts.get(row));
    let boundary = survey.cuts.last().filter(|cut| !whole.ended && Some(&cut.first_seq) == last);
    let boundary = boundary.cloned();
    survey.moved.extend(listing.firsts.iter().skip(whole.segments).map(|f| paths.segment(*f)));
    survey.moved.extend(listing.strange.iter().cloned());
    survey.fresh = whole.segments == 0 && survey.meta.is_some();
    let log_id = meta.map(|meta| meta.log_id);
    let head = head.filter(|head| log_id.is_none_or(|id| id == head.log_id));
    survey.known_end = head.map_or(0, |head| head.durable_seq);
    let mut behind =
        Behind { survey: &mut survey, head: head.as_ref(), witnesses, at, since: 0, each: found };
    behind.read(&candidates, boundary.as_ref())?;
    if survey.fresh && survey.moved.contains(&paths.segment(0)) {
        // An empty segment takes its name, so it is copied instead of moved.
        let path = paths.segment(0);
        survey.moved.retain(|moved| *moved != path);
        let size = size_of(env, &path)?;
        survey.cuts.push(Cut { path, first_seq: 0, offset: 0, size });
    }
    survey.known_end = survey.known_end.max(survey.kept_end);
    Ok(survey)
}

fn size_of(env: &Env, path: &Path) -> Result<u64, Error> {
    let file = env.disk.open(path, Access::Read).map_err(Error::io("open", path))?;
    file.size().map_err(Error::io("read the length of", path))
}

/// What the next segment must continue.
struct SegmentEnd {
    first: u64,
    chain: u32,
    tally: Tally,
}

/// How many segments are kept, at least in part, and whether the last of them is sealed.
struct Whole {
    segments: usize,
    ended: bool,
}

/// The part of a log before its first damage, while it is read.
struct Prefix<'a> {
    env: &'a Env,
    paths: &'a Paths,
    readers: &'a BodyReader,
    meta: Option<LogMeta>,
    end: SegmentEnd,
    reached: Reached,
    survey: Survey,
}

impl Prefix<'_> {
    fn run(&mut self, listing: &Listing, kept: Kept<'_>) -> Result<Whole, Error> {
        let mut segments = 0;
        for first in &listing.firsts {
            let open = OpenSegment::open(&*self.env.disk, self.paths, *first, Access::Read);
            let open = match open {
                Ok(open) => open,
                Err(Error::Corrupt { .. }) => break,
                Err(error) => return Err(error),
            };
            let Some(header) = open.header.clone().filter(|header| self.continues(header)) else {
                break;
            };
            let last = listing.firsts.len() == segments + 1;
            segments += 1;
            let mut window = Window::new(&*open.file, &open.path, open.size);
            if !self.segment(&mut window, &open, &header, last, kept)? {
                return Ok(Whole { segments, ended: false });
            }
        }
        Ok(Whole { segments, ended: true })
    }

    fn continues(&self, header: &SegmentHeader) -> bool {
        self.meta.as_ref() == Some(&header.meta)
            && (header.first_seq, header.chain_in) == (self.end.first, self.end.chain)
    }

    /// Reads a segment; whether it is sealed, so that another one can follow.
    fn segment(
        &mut self,
        window: &mut Window<'_>,
        open: &OpenSegment,
        header: &SegmentHeader,
        last: bool,
        kept: Kept<'_>,
    ) -> Result<bool, Error> {
        let mut at = header.start();
        let mut entries = Vec::new();
        let sealed = loop {
            let (frame, crc) = match step(window, header.salt, header.first_seq, &at)? {
                Step::Frame(frame, crc) => (frame, crc),
                Step::Stop(Stop::Refused(fault @ Fault::Unknown(_))) => {
                    return Err(fault.at(&open.path, at.offset));
                }
                Step::Stop(_) => break None,
            };
            if frame.kind == KIND_SEAL {
                break self.seal(window, header, &at, &entries)?;
            }
            if frame.kind == KIND_BATCH {
                let start = at.offset + u64::from(HEADER_BYTES);
                let body = window.get(start, frame.body_bytes as usize)?.unwrap_or(&[]);
                let before = self.end.tally.customers;
                let whole = add(self.readers, body, frame.events, &self.end.tally);
                let (first_seq, events) = (at.seq, frame.events);
                let (body, path, offset) = (Body::borrowed(body), &*open.path, at.offset);
                let frame_at = Frame { first_seq, events, body, path, offset };
                match whole.and_then(|tally| kept(&frame_at).map(|()| tally)) {
                    Ok(tally) => self.end.tally = tally,
                    Err(Fault::Corrupt(_)) => break None,
                    Err(fault @ Fault::Unknown(_)) => return Err(fault.at(path, offset)),
                }
                entries.push(FrameEntry::new(&frame, at.offset, before));
            }
            at = after(&at, &frame, crc);
        };
        self.survey.kept_end = at.seq;
        let chain = at.chain.filter(|_| header.generation == 0);
        self.reached = Reached { segment: header.first_seq, seq: at.seq, chain, ended: false };
        let cut_at = sealed.as_ref().map_or(at.offset, |seal| seal.end);
        let nonzero = rest(window, header.salt, cut_at)?.nonzero_end > cut_at;
        // Zeros are reserved space, or were left by a crash, where nothing follows.
        if nonzero || (sealed.is_some() && !last && open.size > cut_at) {
            let (path, size) = (open.path.clone(), open.size);
            self.survey.cuts.push(Cut { path, first_seq: header.first_seq, offset: cut_at, size });
        }
        let Some(found) = sealed else { return Ok(false) };
        let seal = &found.seal;
        self.survey.sealed.push((header.first_seq, seal.end_seq, seal.chain_out));
        let (end, chain) = (seal.end_seq, seal.chain_out);
        (self.end.first, self.end.chain) = (end, chain);
        self.reached = Reached { segment: end, seq: end, chain: Some(chain), ended: true };
        Ok(true)
    }

    /// The seal at `at`, if it is one that says what was read.
    fn seal(
        &self,
        window: &mut Window<'_>,
        header: &SegmentHeader,
        at: &Position,
        entries: &[FrameEntry],
    ) -> Result<Option<FoundSeal>, Error> {
        let found = match read_seal(window, at.offset, header) {
            Ok(found) => found,
            Err(Error::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        let directory = directory_of(window, found.as_ref())?;
        Ok(found.filter(|found| {
            let chain = header.generation > 0 || at.chain == Some(found.seal.chain_out);
            let rows =
                directory.values().eq(entries) && found.seal.directory.len() == entries.len();
            chain && rows && found.seal.tally == self.end.tally
        }))
    }
}
