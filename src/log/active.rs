//! The active segment: one that still grows. Its batches are indexed in memory, once and only if
//! someone looks one up; a writer knows them all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::BodyReader;
use super::body::{Body, Frame};
use super::directory::FrameEntry;
use super::disk::File;
use super::map::Map;
use super::scan::{Position, Source, Step, Stop, Window, after, hop, step};
use super::sealed::Mapped;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::view::SegmentInfo;
use crate::error::Error;
use crate::frame::{HEADER_BYTES, KIND_BATCH};

/// A map is made this much longer than needed, so that it lasts until the segment is sealed.
const MAP_STEP: u64 = 128 << 20;
/// So much of a body tells how many customers there are before it.
const BODY_START_BYTES: u32 = 64;
/// Bodies kept that cannot be mapped because they are not durable yet.
const CACHE_SLOTS: usize = 64;

/// A segment that a writer may append to, shared by a writer and its views.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) file: Box<dyn File>,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    entries: Vec<FrameEntry>,
    /// Up to where the segment is indexed.
    indexed: Position,
    map: Option<Arc<Map>>,
    /// Direct mapped by offset.
    cache: Vec<Option<Cached>>,
}

/// A body that was read.
#[derive(Clone, Debug)]
struct Cached {
    offset: u64,
    events: u32,
    body: Arc<[u8]>,
}

/// How far a view sees into an active segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where its last frame ends.
    pub(crate) end: Position,
    /// All bytes before it are on the disk and may be mapped; the others are read.
    pub(crate) durable_offset: u64,
}

impl ActiveSegment {
    pub(crate) fn new(path: PathBuf, header: SegmentHeader, file: Box<dyn File>) -> ActiveSegment {
        let indexed = header.start();
        let shared = Shared { entries: Vec::new(), indexed, map: None, cache: Vec::new() };
        ActiveSegment { path, header, file, shared: Mutex::new(shared) }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Each change of the shared state is whole before anything in it can panic.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the batches that recovery found, or the one just appended.
    pub(crate) fn index(&self, entries: impl IntoIterator<Item = FrameEntry>, end: Position) {
        let mut shared = self.shared();
        shared.entries.extend(entries);
        shared.indexed = end;
    }

    /// The batch that starts at `offset`, if one does.
    pub(crate) fn first_at(&self, offset: u64) -> Option<Position> {
        let shared = self.shared();
        let row = shared.entries.partition_point(|entry| u64::from(entry.offset) < offset);
        let entry = shared.entries.get(row).filter(|entry| u64::from(entry.offset) == offset)?;
        let seq = entry.seq(self.header.first_seq);
        Some(Position { offset, seq, chain: None })
    }

    /// All batches so far.
    pub(crate) fn entries(&self) -> Vec<FrameEntry> {
        self.shared().entries.clone()
    }

    /// How many batches are indexed.
    pub(crate) fn entry_count(&self) -> usize {
        self.shared().entries.len()
    }

    /// A map of the bytes below `durable_offset`, and of more than that.
    pub(crate) fn map(&self, durable_offset: u64) -> Result<Arc<Map>, Error> {
        let mut shared = self.shared();
        let long_enough = |map: &&Arc<Map>| {
            map.is_live()
                && usize::try_from(durable_offset).is_ok_and(|end| map.bytes(0..end).is_some())
        };
        if let Some(map) = shared.map.as_ref().filter(long_enough) {
            return Ok(Arc::clone(map));
        }
        let size = (durable_offset + 1).next_multiple_of(MAP_STEP);
        let map = Arc::new(self.file.map(size).map_err(Error::io("map", &self.path))?);
        shared.map = Some(Arc::clone(&map));
        Ok(map)
    }

    /// Makes sure that all batches before `extent`'s end are indexed. Only their headers are checked
    /// here: whoever takes a batch checks it, and one that was found by what an unsound batch says
    /// of its customers does not have the customer that it was to have.
    fn index_to(&self, extent: &Extent, readers: &BodyReader) -> Result<(), Error> {
        let mut at = self.shared().indexed;
        if at.offset >= extent.end.offset {
            return Ok(());
        }
        let mut window = Window::sparse(&*self.file, &self.path, extent.end.offset);
        let mut entries = Vec::new();
        while at.offset < extent.end.offset {
            let (header, crc) =
                match hop(&mut window, self.header.salt, self.header.first_seq, &at)? {
                    Step::Frame(header, crc) => (header, crc),
                    Step::Stop(stop) => return Err(stop.error(&self.path, &at)),
                };
            if header.kind == KIND_BATCH {
                let length = header.body_bytes.min(BODY_START_BYTES) as usize;
                let body = window.get(at.offset + u64::from(HEADER_BYTES), length)?;
                let customers_before = (readers.customers_before)(body.unwrap_or(&[]))
                    .map_err(|fault| fault.at(&self.path, at.offset))?;
                entries.push(FrameEntry::new(&header, at.offset, customers_before));
            }
            at = after(&at, &header, crc);
        }
        let mut shared = self.shared();
        // Two threads may have read the same; one of them adds it.
        if shared.indexed.offset < at.offset {
            let known = shared.entries.last().map_or(0, |entry| u64::from(entry.offset) + 1);
            shared
                .entries
                .extend(entries.into_iter().filter(|entry| u64::from(entry.offset) >= known));
            shared.indexed = at;
        }
        Ok(())
    }

    /// The last batch before `extent`'s end for which `before` holds.
    pub(crate) fn last_entry(
        &self,
        extent: &Extent,
        readers: &BodyReader,
        before: impl Fn(&FrameEntry) -> bool,
    ) -> Result<Option<FrameEntry>, Error> {
        self.index_to(extent, readers)?;
        let inside =
            |entry: &FrameEntry| u64::from(entry.offset) < extent.end.offset && before(entry);
        let shared = self.shared();
        let count = shared.entries.partition_point(inside);
        Ok(count.checked_sub(1).and_then(|row| shared.entries.get(row)).copied())
    }

    /// Number of batches before `extent`'s end.
    pub(crate) fn count(&self, extent: &Extent, readers: &BodyReader) -> Result<usize, Error> {
        self.index_to(extent, readers)?;
        let inside = |entry: &FrameEntry| u64::from(entry.offset) < extent.end.offset;
        Ok(self.shared().entries.partition_point(inside))
    }

    /// The batch at an entry, its checksum checked.
    pub(crate) fn batch(&self, extent: &Extent, entry: &FrameEntry) -> Result<Frame<'_>, Error> {
        let first_seq = entry.seq(self.header.first_seq);
        let at = Position { offset: u64::from(entry.offset), seq: first_seq, chain: None };
        let (events, body) = if at.offset < extent.durable_offset {
            self.mapped(extent, &at)?
        } else {
            self.cached(extent, &at)?
        };
        Ok(Frame { first_seq, events, body, path: &self.path, offset: at.offset })
    }

    fn mapped(&self, extent: &Extent, at: &Position) -> Result<(u32, Body<'static>), Error> {
        let map = self.map(extent.durable_offset)?;
        let mut source = Mapped { map: &map, limit: extent.durable_offset, path: &self.path };
        let (events, bytes) = self.checked(&mut source, at)?;
        let start = usize::try_from(at.offset).expect("inside a map") + HEADER_BYTES as usize;
        Ok((events, Body::mapped(Arc::clone(&map), start..start + bytes)))
    }

    fn cached(&self, extent: &Extent, at: &Position) -> Result<(u32, Body<'static>), Error> {
        let slot = usize::try_from(at.offset / u64::from(HEADER_BYTES)).unwrap_or(0) % CACHE_SLOTS;
        if let Some(Some(kept)) = self.shared().cache.get(slot)
            && kept.offset == at.offset
        {
            return Ok((kept.events, Body::owned(Arc::clone(&kept.body))));
        }
        let mut window = Window::sparse(&*self.file, &self.path, extent.end.offset);
        let (events, length) = self.checked(&mut window, at)?;
        let bytes = window.get(at.offset + u64::from(HEADER_BYTES), length)?;
        let body: Arc<[u8]> = bytes.unwrap_or(&[]).into();
        let mut shared = self.shared();
        shared.cache.resize(CACHE_SLOTS, None);
        if let Some(slot) = shared.cache.get_mut(slot) {
            *slot = Some(Cached { offset: at.offset, events, body: Arc::clone(&body) });
        }
        Ok((events, Body::owned(body)))
    }

    /// Events and body length of the batch at `at`.
    fn checked(&self, source: &mut impl Source, at: &Position) -> Result<(u32, usize), Error> {
        match step(source, self.header.salt, self.header.first_seq, at)? {
            Step::Frame(header, _) if header.kind == KIND_BATCH => {
                Ok((header.events, header.body_bytes as usize))
            }
            Step::Frame(..) => Err(Stop::Misplaced("no batch is here").error(&self.path, at)),
            Step::Stop(stop) => Err(stop.error(&self.path, at)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where reading begins that wants the batches from `from_seq` on.
    pub(crate) fn start(
        &self,
        extent: &Extent,
        readers: &BodyReader,
        from_seq: u64,
    ) -> Result<Position, Error> {
        self.index_to(extent, readers)?;
        let shared = self.shared();
        let seq_of = |entry: &FrameEntry| entry.seq(self.header.first_seq);
        let row = shared.entries.partition_point(|entry| seq_of(entry) < from_seq);
        let exact = shared.entries.get(row).filter(|entry| seq_of(entry) == from_seq);
        let entry = exact.or_else(|| shared.entries.get(row.checked_sub(1)?));
        Ok(entry.map_or(self.header.start(), |entry| Position {
            offset: u64::from(entry.offset),
            seq: seq_of(entry),
            chain: None,
        }))
    }

    /// What a list of segments says of it.
    pub(crate) fn info(&self, extent: &Extent, readers: &BodyReader) -> Result<SegmentInfo, Error> {
        Ok(SegmentInfo {
            path: self.path.clone(),
            first_seq: self.header.first_seq,
            end_seq: extent.end.seq,
            chain_out: extent.end.chain.unwrap_or(0),
            bytes: extent.end.offset,
            frames: self.count(extent, readers)? as u64,
            sealed: false,
            generation: self.header.generation,
            customers_end: None,
        })
    }
}

impl SegmentHeader {
    /// Where the segment's first frame belongs.
    pub(crate) fn start(&self) -> Position {
        Position {
            offset: u64::from(SEGMENT_HEADER_BYTES),
            seq: self.first_seq,
            chain: Some(self.chain_in),
        }
    }
}
