//! A log as a reader sees it: up to an end that does not move until it is refreshed, and where
//! nothing is that could still disappear.
//!
//! A reader never writes. It asks the lock of `segments/` whether a writer lives. If not, the log
//! ends where the table of verdicts says; if so, where the writer's head says.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::active::{ActiveSegment, Extent};
use super::body::Frame;
use super::catalog::{Chain, OpenSegment, list};
use super::disk::Access;
use super::frames::Frames;
use super::head::{Head, HeadFile};
use super::head_file;
use super::lookup::Lookup;
use super::map::Map;
use super::paths::Paths;
use super::recovery::{Examination, Examined};
use super::scan::Position;
use super::sealed::SealedSegment;
use super::{BodyReader, Env, LogMeta};
use crate::error::{Error, Fault};
use crate::planted::planted;

/// How often reading starts again because a writer came or went, and the pause between.
const TRIES: u32 = 50;
const PAUSE_US: u64 = 2_000;

/// A log, open for reading.
#[derive(Debug)]
pub(crate) struct View {
    pub(super) env: Env,
    pub(super) paths: Paths,
    pub(super) readers: BodyReader,
    pub(super) sealed: Vec<Arc<SealedSegment>>,
    pub(super) active: Option<ActiveView>,
    pub(super) synced_end: u64,
    pub(super) torn_bytes: u64,
    /// Whether a writer had the log open when this was made.
    pub(super) writer_lives: bool,
}

/// What a view has of the active segment.
#[derive(Debug)]
pub(crate) struct ActiveView {
    pub(super) segment: Arc<ActiveSegment>,
    pub(super) extent: Extent,
    map: OnceLock<Arc<Map>>,
}

/// One segment, for those who list them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Sequence of its first event.
    pub(crate) first_seq: u64,
    /// The sequence after its last.
    pub(crate) end_seq: u64,
    /// The chain at its end.
    pub(crate) chain_out: u32,
    /// Bytes that hold data.
    pub(crate) bytes: u64,
    /// Batches in it.
    pub(crate) frames: u64,
    /// Whether it is complete.
    pub(crate) sealed: bool,
    /// How often it was rewritten.
    pub(crate) generation: u32,
    /// CUSTOMER NEWs up to its end, if it is sealed.
    pub(crate) customers_end: Option<u32>,
}

impl ActiveView {
    pub(super) fn new(segment: Arc<ActiveSegment>, extent: Extent) -> ActiveView {
        ActiveView { segment, extent, map: OnceLock::new() }
    }
}

impl View {
    /// Opens the log in `dir` for reading. `evidence` is a sequence that something elsewhere
    /// proves to have been durable before this is asked for; 0 if there is nothing.
    pub(crate) fn open(
        env: &Env,
        dir: &Path,
        readers: BodyReader,
        evidence: u64,
    ) -> Result<View, Error> {
        let paths = Paths::of(dir);
        paths.refuse_remote(&*env.disk)?;
        View::attach(env, paths, readers, evidence, &[])
    }

    /// Looks again; whether the end has moved.
    pub(crate) fn refresh(&mut self) -> Result<bool, Error> {
        let again = View::attach(&self.env, self.paths.clone(), self.readers, 0, &self.sealed)?;
        if again.end() < self.end() {
            let reason =
                format!("the log ended at event {} before, now at {}", self.end(), again.end());
            return Err(Error::Corrupt { path: self.paths.segments.clone(), offset: 0, reason });
        }
        let moved = again.end() > self.end() || again.extent() != self.extent();
        let same = again.active_first() == self.active_first();
        let (segment, extent) = (self.active.take(), again.extent());
        let kept = segment.filter(|_| same).map(|active| active.segment);
        *self = again;
        if let (Some(segment), Some(extent)) = (kept, extent) {
            // A backup's segment does not grow: a longer one takes its name.
            let size = segment.file.size();
            let size = size.map_err(Error::io("read the length of", segment.path()))?;
            // The old segment knows its batches already.
            if size >= extent.end.offset {
                self.active = Some(ActiveView::new(segment, extent));
            }
        }
        Ok(moved)
    }

    fn extent(&self) -> Option<Extent> {
        self.active.as_ref().map(|active| active.extent)
    }

    fn active_first(&self) -> Option<(u64, u64)> {
        self.active
            .as_ref()
            .map(|active| (active.segment.header.first_seq, active.segment.header.salt))
    }

    fn attach(
        env: &Env,
        paths: Paths,
        readers: BodyReader,
        evidence: u64,
        known: &[Arc<SealedSegment>],
    ) -> Result<View, Error> {
        let mut outcome = Err(Error::Missing { path: paths.dir.clone() });
        for attempt in 0..TRIES {
            if attempt > 0 {
                (env.pause_us)(PAUSE_US);
            }
            let before = head_file::read(&*env.disk, &paths)?;
            let alone = match env.disk.lock(&paths.segments, true) {
                Ok(lock) => lock.is_some() || planted("living writer not believed"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(nowhere(&paths, before.is_some() || evidence > 0));
                }
                Err(error) => return Err(Error::io("lock", &paths.segments)(error)),
            };
            let attempt = Attempt { env, paths: &paths, readers: &readers, evidence, known };
            if alone {
                outcome = attempt.to_the_end(before.as_deref());
                // Bytes that a writer was just writing may look like anything. It publishes head
                // between its lock and its first append: if that did not change, nobody appended.
                let moved =
                    head_file::read(&*env.disk, &paths)? != before && !planted("reader looks once");
                if !moved && !outcome.as_ref().is_err_and(is_missing_file) {
                    break;
                }
            } else {
                outcome = attempt.to_the_head();
                if outcome.is_ok() {
                    break;
                }
            }
        }
        let found = outcome?;
        Ok(View { env: env.clone(), paths, readers, ..found })
    }

    /// What was fixed when the log was created.
    pub(crate) fn meta(&self) -> &LogMeta {
        let sealed = self.sealed.last().map(|segment| &segment.header.meta);
        let active = self.active.as_ref().map(|active| &active.segment.header.meta);
        active.or(sealed).expect("a view has a segment")
    }

    /// The sequence after the last event that is seen.
    pub(crate) fn end(&self) -> u64 {
        let sealed = self.sealed.last().map_or(0, |segment| segment.seal.end_seq);
        self.active.as_ref().map_or(sealed, |active| active.extent.end.seq)
    }

    /// All events before it are known to be on the disk.
    pub(crate) fn synced_end(&self) -> u64 {
        self.synced_end
    }

    /// Bytes of a torn frame after the end, which the next writer will cut off.
    pub(crate) fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Whether a writer had the log open when this was made or refreshed.
    pub(crate) fn writer_lives(&self) -> bool {
        self.writer_lives
    }

    /// The log has at most so many customers: those up to the last seal, and one for each event
    /// after it; and none without an event of its own, whatever a seal says.
    pub(crate) fn customers_max(&self) -> u64 {
        let seal = self.sealed.last().map(|segment| &segment.seal);
        let (end, customers) = seal.map_or((0, 0), |seal| (seal.end_seq, seal.tally.customers));
        (u64::from(customers) + self.end().saturating_sub(end)).min(self.end())
    }

    /// The sealed segments, in order.
    pub(crate) fn sealed_segments(&self) -> Vec<SegmentInfo> {
        self.sealed.iter().map(|segment| segment.info()).collect()
    }

    /// The segments, in order.
    pub(crate) fn segments(&self) -> Result<Vec<SegmentInfo>, Error> {
        let mut infos = self.sealed_segments();
        if let Some(active) = &self.active {
            infos.push(active.segment.info(&active.extent, &self.readers)?);
        }
        Ok(infos)
    }

    /// All batches from the one on that `from_seq` is in.
    pub(crate) fn frames(&self, from_seq: u64) -> Frames<'_> {
        Frames::new(self, from_seq)
    }

    /// The batch that an event is in.
    pub(crate) fn frame_of(&self, seq: u64) -> Result<Option<Frame<'_>>, Error> {
        let lookup = self.lookup();
        lookup.fetch(lookup.of_seq(seq)?)
    }

    /// The batch that a customer's CUSTOMER NEW is in. An ordinal beyond the log's customers finds
    /// a batch that does not have it.
    pub(crate) fn frame_of_customer(&self, ordinal: u32) -> Result<Option<Frame<'_>>, Error> {
        let lookup = self.lookup();
        lookup.fetch(lookup.of_customer(ordinal)?)
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            env: &self.env,
            readers: &self.readers,
            sealed: &self.sealed,
            active: self.active.as_ref().map(|active| (&*active.segment, active.extent)),
        }
    }

    /// The durable part of the active segment.
    pub(super) fn active_map(&self) -> Result<&Map, Error> {
        let active = self.active.as_ref().expect("only asked while the active segment is read");
        if let Some(map) = active.map.get() {
            return Ok(map);
        }
        let map = active.segment.map(active.extent.durable_offset)?;
        Ok(active.map.get_or_init(|| map))
    }
}

/// The error where no segments are, whether or not there should be some.
fn nowhere(paths: &Paths, was_there: bool) -> Error {
    if was_there {
        return Fault::Corrupt("all segments are missing").at(&paths.segments, 0);
    }
    Error::Missing { path: paths.dir.clone() }
}

/// Whether a file was removed or not yet there when it was opened: a writer is at work.
fn is_missing_file(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// One try to find out where the log ends.
struct Attempt<'a> {
    env: &'a Env,
    paths: &'a Paths,
    readers: &'a BodyReader,
    evidence: u64,
    known: &'a [Arc<SealedSegment>],
}

impl Attempt<'_> {
    /// No writer lives: the end is where the table of verdicts says.
    fn to_the_end(&self, head: Option<&[u8]>) -> Result<View, Error> {
        let head = head.map(HeadFile::decode);
        let found = self.examine(head.as_ref())?;
        let active = found.tail.map(|tail| {
            let extent = Extent { end: tail.end, durable_offset: tail.durable_offset };
            (tail.segment, extent, tail.durable_seq, tail.torn_bytes)
        });
        if found.sealed.is_empty() && active.is_none() {
            return Err(Error::Missing { path: self.paths.dir.clone() });
        }
        let sealed_end = found.sealed.last().map_or(0, |segment| segment.seal.end_seq);
        let (synced_end, torn_bytes) =
            active.as_ref().map_or((sealed_end, 0), |(_, _, seq, torn)| (*seq, *torn));
        let active = active.map(|(segment, extent, ..)| ActiveView::new(Arc::new(segment), extent));
        Ok(self.view(found.sealed, active, synced_end, torn_bytes, false))
    }

    fn examine(&self, head: Option<&HeadFile>) -> Result<Examined, Error> {
        let examination = Examination {
            disk: &*self.env.disk,
            paths: self.paths,
            readers: self.readers,
            head,
            evidence: self.evidence,
            access: Access::Read,
            from_first: false,
            known: self.known,
        };
        examination.run()
    }

    /// A writer lives, and its head says where the durable part ends.
    fn to_the_head(&self) -> Result<View, Error> {
        let bytes = head_file::read(&*self.env.disk, self.paths)?;
        let head = bytes.and_then(|bytes| HeadFile::decode(&bytes).head);
        let head = head.ok_or_else(|| {
            Fault::Corrupt("a writer lives, but what it has synced cannot be read")
                .at(&self.paths.head, 0)
        })?;
        let disk = &*self.env.disk;
        let firsts = list(disk, self.paths)?.map(|listing| listing.firsts).unwrap_or_default();
        let mut chain = Chain::default();
        for first in firsts.into_iter().filter(|first| *first < head.segment_first) {
            chain.push(disk, self.paths, first, self.known)?;
        }
        let open = OpenSegment::open(disk, self.paths, head.segment_first, Access::Read)?;
        let header = open.header.clone().filter(|header| header.meta.log_id == head.log_id);
        let header = header.ok_or_else(|| {
            Fault::Corrupt("the segment is not the one that the head speaks of").at(&open.path, 0)
        })?;
        chain.check(&open.path, &header)?;
        if open.size < u64::from(head.durable_offset) {
            return Err(Fault::Corrupt("the segment is shorter than what was synced")
                .at(&open.path, open.size));
        }
        let segment = ActiveSegment::new(open.path, header, open.file);
        let active = ActiveView::new(Arc::new(segment), extent_of(&head));
        Ok(self.view(chain.sealed, Some(active), head.durable_seq, 0, true))
    }

    fn view(
        &self,
        sealed: Vec<Arc<SealedSegment>>,
        active: Option<ActiveView>,
        synced_end: u64,
        torn_bytes: u64,
        writer_lives: bool,
    ) -> View {
        View {
            env: self.env.clone(),
            paths: self.paths.clone(),
            readers: *self.readers,
            sealed,
            active,
            synced_end,
            torn_bytes,
            writer_lives,
        }
    }
}

fn extent_of(head: &Head) -> Extent {
    let offset = u64::from(head.durable_offset);
    let end = Position { offset, seq: head.durable_seq, chain: Some(head.chain) };
    Extent { end, durable_offset: offset }
}
