//! Every byte of a log's segments and head, read and checked; all that is wrong is listed.
//!
//! What opening says of the log is one half of it, and decided by the same code; the other half
//! reads each segment frame by frame and goes on behind damage where it can.

mod walk;

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::body::Frame;
use super::catalog::{Listing, OpenSegment, check_link, list};
use super::disk::Access;
use super::head::{Head, HeadFile};
use super::head_file;
use super::paths::Paths;
use super::recovery::Examination;
use super::scan::{Position, Window};
use super::seal::Seal;
use super::sealed::{FoundSeal, find_seal};
use super::segment::{SegmentHeader, parse_segment_name};
use super::{BodyReader, Env, LogMeta, Tally};
use crate::error::{Error, Fault};
use crate::planted::planted;
use walk::Place;

pub(super) use walk::directory_of;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file.
    pub(crate) path: PathBuf,
    /// The place in it.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) reason: String,
    /// The events that it touches, where they are known.
    pub(crate) events: Option<Range<u64>>,
}

/// What was read, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) segments: u64,
    pub(crate) batches: u64,
    pub(crate) events: u64,
    /// Bytes that hold data.
    pub(crate) bytes: u64,
    /// Bytes of a torn frame at the end, which are no damage.
    pub(crate) torn_bytes: u64,
    pub(crate) problems: Vec<Problem>,
}

/// How often reading starts again because a writer came.
const TRIES: u32 = 50;

/// Looks deeper into a batch than the log can; it is called again for the same batches if a
/// writer starts meanwhile.
pub(crate) type Deep<'a> = &'a mut dyn FnMut(&Frame<'_>) -> Result<(), Fault>;

/// Reads and checks the log in `dir`; as far as its head says, if a writer lives.
pub(crate) fn verify(
    env: &Env,
    dir: &Path,
    readers: &BodyReader,
    evidence: u64,
    deep: Deep<'_>,
) -> Result<Report, Error> {
    let paths = Paths::of(dir);
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let before = head_file::read(&*env.disk, &paths)?;
        let alone = match env.disk.lock(&paths.segments, true) {
            Ok(lock) => lock.is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::io("lock", &paths.segments)(error)),
        };
        // A writer's head is current once it holds the lock.
        let head = if alone { before.clone() } else { head_file::read(&*env.disk, &paths)? };
        let head = head.map(|bytes| HeadFile::decode(&bytes));
        let mut pass = Pass {
            env,
            paths: &paths,
            readers,
            head: head.as_ref(),
            alone,
            report: Report::default(),
            before: Some(Before::default()),
            meta: None,
            stopped: None,
            evidence,
        };
        pass.run(evidence, deep)?;
        if !alone || tries == 0 || head_file::read(&*env.disk, &paths)? == before {
            return Ok(pass.report);
        }
    }
}

/// A log up to where a segment begins; empty before the first one.
#[derive(Clone, Copy, Default)]
struct Before {
    end: u64,
    chain: u32,
    tally: Tally,
}

impl Before {
    fn of(seal: &Seal) -> Before {
        Before { end: seal.end_seq, chain: seal.chain_out, tally: seal.tally }
    }
}

/// One reading of everything.
struct Pass<'a> {
    env: &'a Env,
    paths: &'a Paths,
    readers: &'a BodyReader,
    head: Option<&'a HeadFile>,
    alone: bool,
    report: Report,
    /// The log before the next segment, unless the segment there cannot tell.
    before: Option<Before>,
    /// What all segments have in common, from the first one that can be read.
    meta: Option<LogMeta>,
    /// Where reading the last segment stopped: its file, the first event that is not there, and
    /// the end of those that a header there still tells.
    stopped: Option<(PathBuf, Range<u64>)>,
    evidence: u64,
}

impl Pass<'_> {
    fn run(&mut self, evidence: u64, deep: Deep<'_>) -> Result<(), Error> {
        if let Some(fault) = self.head.and_then(|head| head.fault) {
            self.fault(&self.paths.head, 0, fault, None);
        }
        let verdict = if self.alone { self.examine(evidence) } else { Ok(None) };
        self.report.torn_bytes = verdict.as_ref().map_or(0, |torn| torn.unwrap_or(0));
        let listing = list(&*self.env.disk, self.paths)?.unwrap_or_default();
        self.read_all(&listing, deep)?;
        if let Err(error) = verdict {
            let events = self.touched(&error);
            self.note(error, events)?;
        }
        Ok(())
    }

    /// The events that the verdict of opening speaks of, as far as anything tells how many.
    fn touched(&self, error: &Error) -> Option<Range<u64>> {
        let Error::Corrupt { path, .. } = error else { return None };
        let durable = self.head.and_then(|file| file.head).map_or(0, |head| head.durable_seq);
        let proven = self.evidence.max(durable);
        let stopped = self.stopped.as_ref().filter(|(stopped, _)| stopped == path);
        let name = path.file_name().and_then(|name| name.to_str());
        let told = match stopped {
            Some((_, told)) => told.clone(),
            None if *path == self.paths.segments => 0..0,
            None => name.and_then(parse_segment_name).map(|first| first..first)?,
        };
        Some(told.start..told.end.max(proven)).filter(|events| !events.is_empty())
    }

    /// Lists damage, unless something at its place is listed; any other error ends the reading.
    fn note(&mut self, error: Error, events: Option<Range<u64>>) -> Result<(), Error> {
        let Error::Corrupt { path, offset, reason } = error else { return Err(error) };
        let problems = &mut self.report.problems;
        match problems.iter_mut().find(|one| one.path == path && one.offset == offset) {
            Some(listed) => listed.events = listed.events.take().or(events),
            None => problems.push(Problem { path, offset, reason, events }),
        }
        Ok(())
    }

    /// What opening says: how many bytes are torn at the end, or what is wrong.
    fn examine(&self, evidence: u64) -> Result<Option<u64>, Error> {
        let examination = Examination {
            disk: &*self.env.disk,
            paths: self.paths,
            readers: self.readers,
            head: self.head,
            evidence,
            access: Access::Read,
            from_first: true,
            known: &[],
        };
        let found = examination.run()?;
        if found.meta().is_none() {
            return Err(Error::Missing { path: self.paths.dir.clone() });
        }
        Ok(Some(found.tail.map_or(0, |tail| tail.torn_bytes)))
    }

    fn read_all(&mut self, listing: &Listing, deep: Deep<'_>) -> Result<(), Error> {
        for path in &listing.strange {
            self.fault(path, 0, Fault::Corrupt("the name is not one of a segment"), None);
        }
        let head = self.head.and_then(|file| file.head);
        let limit = head.filter(|_| !self.alone);
        // What a living writer is about to add is none of ours.
        let mut firsts = listing.firsts.clone();
        firsts.retain(|first| limit.is_none_or(|head| *first <= head.segment_first));
        if !self.alone && limit.is_none() {
            let fault = Fault::Corrupt("a writer lives, but what it has synced cannot be read");
            self.fault(&self.paths.head, 0, fault, None);
            firsts.pop();
        }
        let mut end = None;
        for (row, first) in firsts.iter().enumerate() {
            let next_first = firsts.get(row + 1).copied();
            let limit = limit.filter(|head| *first == head.segment_first);
            let limit = limit.map(|head| u64::from(head.durable_offset));
            end = self.segment(*first, next_first, limit, deep)?;
        }
        match limit {
            Some(head) => self.check_reached(&head, firsts.last().copied(), end.as_ref()),
            None => Ok(()),
        }
    }

    /// Checks that what a living writer has synced is there, to which opening has no verdict: the
    /// last segment is the one that head names, and was read up to `end`.
    fn check_reached(
        &mut self,
        head: &Head,
        last: Option<u64>,
        end: Option<&Position>,
    ) -> Result<(), Error> {
        let end_at = end.map_or(0, |end| end.offset);
        let (path, offset, fault) = match last {
            None => (self.paths.segments.clone(), 0, "all segments are missing"),
            Some(last) if last < head.segment_first => {
                (self.paths.segments.clone(), 0, "the last segment is missing")
            }
            Some(last) if end_at < u64::from(head.durable_offset) => {
                (self.paths.segment(last), end_at, "the segment ends before what was synced once")
            }
            Some(last) if !self.is_what_was_synced(head, end) => {
                let fault = Fault::Corrupt("the segment is not the one that was synced once");
                let events = Some(last..head.durable_seq).filter(|it| !it.is_empty());
                return self.note(fault.at(&self.paths.segment(last), 0), events);
            }
            Some(_) => return Ok(()),
        };
        let begin = match &self.stopped {
            Some((stopped, told)) if *stopped == path => told.start,
            Some(_) | None => self.before.filter(|_| last.is_some()).map_or(0, |it| it.end),
        };
        let events = begin..head.durable_seq;
        self.note(Fault::Corrupt(fault).at(&path, offset), Some(events).filter(|it| !it.is_empty()))
    }

    /// Whether what ends there is what head speaks of, as far as a chain leads to it.
    fn is_what_was_synced(&self, head: &Head, end: Option<&Position>) -> bool {
        let of_log = self.meta.as_ref().is_none_or(|meta| meta.log_id == head.log_id);
        let Some(end) = end.filter(|end| end.offset == u64::from(head.durable_offset)) else {
            return of_log;
        };
        let in_chain = end.chain.is_none_or(|chain| chain == head.chain);
        of_log && in_chain && end.seq == head.durable_seq
    }

    /// Reads a segment; gives the place where its data ends, if it begins as one does.
    fn segment(
        &mut self,
        first: u64,
        next_first: Option<u64>,
        limit: Option<u64>,
        deep: Deep<'_>,
    ) -> Result<Option<Position>, Error> {
        let before = self.before.take();
        // What a wrong name or a lost header hides begins where the log before it ends.
        let begin = before.map_or(first, |before| before.end.min(first));
        let events = next_first.map(|next| begin..next.max(begin));
        if next_first.is_none() {
            self.stopped = Some((self.paths.segment(first), begin..begin));
        }
        let open = match OpenSegment::open(&*self.env.disk, self.paths, first, Access::Read) {
            Ok(open) => open,
            Err(error) => return self.note(error, events).map(|()| None),
        };
        let Some(header) = open.header else {
            if next_first.is_some() {
                self.fault(&open.path, 0, Fault::Corrupt("the segment's header is gone"), events);
            }
            return Ok(None);
        };
        self.report.segments += 1;
        let linked = self.check_link(&open.path, &header, before)?;
        // Nothing is known of the customers before a segment whose predecessor is missing.
        let before = before.filter(|_| linked || planted("tally carried over a gap"));
        let size = limit.unwrap_or(open.size).min(open.size);
        let mut window = Window::new(&*open.file, &open.path, size);
        let sealed = match find_seal(&mut window, size, &header) {
            Ok(found) => found,
            Err(error) => {
                self.note(error, None)?;
                None
            }
        };
        let mut place = Place {
            path: &open.path,
            header: &header,
            next_first,
            directory: directory_of(&mut window, sealed.as_ref())?,
            seal: sealed.as_ref().map(FoundSeal::position),
            at: header.start(),
            tally: before.map(|before| before.tally),
            rows: 0,
        };
        let end = self.frames(&mut window, &mut place, deep)?;
        self.report.bytes += end.offset;
        self.before = sealed.map(|found| Before::of(&found.seal));
        Ok(Some(end))
    }

    /// Whether the segment continues the one before it, if that one can be read.
    fn check_link(
        &mut self,
        path: &Path,
        header: &SegmentHeader,
        before: Option<Before>,
    ) -> Result<bool, Error> {
        if self.meta.get_or_insert_with(|| header.meta.clone()) != &header.meta {
            self.fault(path, 0, Fault::Corrupt("the segment is another log's"), None);
        }
        let Some(Before { end, chain, .. }) = before else { return Ok(true) };
        let missing = Some(end..header.first_seq).filter(|range| !range.is_empty());
        let Err(error) = check_link(end, chain, path, header) else { return Ok(true) };
        self.note(error, missing)?;
        Ok(false)
    }

    fn fault(&mut self, path: &Path, offset: u64, fault: Fault, events: Option<Range<u64>>) {
        let (Fault::Corrupt(reason) | Fault::Unknown(reason)) = fault;
        let (path, reason) = (path.to_path_buf(), reason.to_owned());
        self.report.problems.push(Problem { path, offset, reason, events });
    }
}
