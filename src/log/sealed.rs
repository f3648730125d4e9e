//! A sealed segment: what its header and its seal say, and its frames once it is mapped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::body::{Body, Frame};
use super::directory::FrameEntry;
use super::disk::{Access, Disk, File};
use super::map::Map;
use super::scan::{Position, Source, Step, Stop, Window, header_at, step};
use super::seal::{Seal, TRAILER_BYTES};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::view::SegmentInfo;
use crate::error::{Error, Fault};
use crate::frame::{FRAME_ALIGN, HEADER_BYTES, KIND_BATCH, KIND_SEAL, u32_at};

/// A segment that is complete and never changes in place.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) seal: Seal,
    /// Bytes of the file, which ends with the seal.
    pub(crate) size: u64,
    loaded: OnceLock<Loaded>,
}

/// A sealed segment, mapped. Its facts are read again from the map, because a rewritten file may
/// have taken the old one's name since the segment was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) map: Arc<Map>,
    pub(crate) header: SegmentHeader,
    pub(crate) seal: Seal,
    pub(crate) seal_offset: u64,
    size: u64,
    /// A bit for each batch whose checksum was found good by a look-up.
    checked: Vec<AtomicU64>,
}

/// A map, read as a segment's bytes.
pub(crate) struct Mapped<'a> {
    pub(crate) map: &'a Map,
    /// No byte from here on may be touched.
    pub(crate) limit: u64,
    pub(crate) path: &'a Path,
}

impl<'a> Mapped<'a> {
    /// Bytes that live as long as the map.
    #[inline]
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> Option<&'a [u8]> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.limit)?;
        self.map.bytes(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
    }
}

impl Source for Mapped<'_> {
    #[inline]
    fn get(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, Error> {
        Ok(self.bytes(offset, length))
    }

    fn path(&self) -> &Path {
        self.path
    }
}

/// A seal, found in its segment.
#[derive(Debug)]
pub(crate) struct FoundSeal {
    pub(crate) seal: Seal,
    /// Where its frame starts.
    pub(crate) offset: u64,
    /// Where its frame ends, and the file.
    pub(crate) end: u64,
    /// All bytes before it were synced before the seal was written. Where that is not all of
    /// them, the seal may be on the disk and a batch before it not.
    pub(crate) durable_offset: u64,
}

impl FoundSeal {
    /// Where a reader is who comes from elsewhere than the batch before it.
    pub(crate) fn position(&self) -> Position {
        Position { offset: self.offset, seq: self.seal.end_seq, chain: None }
    }
}

/// Looks for a seal that ends where the source ends. What stands there instead may be anything.
pub(crate) fn find_seal(
    source: &mut impl Source,
    size: u64,
    header: &SegmentHeader,
) -> Result<Option<FoundSeal>, Error> {
    let Some(trailer_at) = size.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    let Some(trailer) = source.get(trailer_at, TRAILER_BYTES)? else { return Ok(None) };
    let offset = u64::from(u32_at(trailer, 0));
    let in_place = offset.is_multiple_of(u64::from(FRAME_ALIGN))
        && offset >= u64::from(SEGMENT_HEADER_BYTES)
        && offset < trailer_at;
    if !in_place {
        return Ok(None);
    }
    Ok(read_seal(source, offset, header)?.filter(|found| found.end == size))
}

/// Reads the frame at `offset`, if it is a seal.
pub(crate) fn read_seal(
    source: &mut impl Source,
    offset: u64,
    header: &SegmentHeader,
) -> Result<Option<FoundSeal>, Error> {
    let frame = header_at(source, header.salt, offset)?.filter(|frame| frame.kind == KIND_SEAL);
    let Some(frame) = frame else { return Ok(None) };
    let at = Position {
        offset,
        seq: header.first_seq.saturating_add(u64::from(frame.seq_delta)),
        chain: None,
    };
    if matches!(step(source, header.salt, header.first_seq, &at)?, Step::Stop(_)) {
        return Ok(None);
    }
    let path = source.path().to_path_buf();
    let body = source.get(offset + u64::from(HEADER_BYTES), frame.body_bytes as usize)?;
    let seal =
        Seal::decode(body.unwrap_or(&[]), offset).map_err(|fault| fault.at(&path, offset))?;
    if seal.end_seq != at.seq {
        let fault = Fault::Corrupt("the seal's end is not its own sequence");
        return Err(fault.at(&path, offset));
    }
    let (end, durable_offset) = (offset + frame.frame_bytes(), u64::from(frame.durable_offset));
    Ok(Some(FoundSeal { seal, offset, end, durable_offset }))
}

impl SealedSegment {
    pub(crate) fn new(path: PathBuf, header: SegmentHeader, found: FoundSeal) -> SealedSegment {
        let FoundSeal { seal, end: size, .. } = found;
        SealedSegment { path, header, seal, size, loaded: OnceLock::new() }
    }

    /// Reads the seal of a segment that another one follows; anything wrong is damage.
    pub(crate) fn read(
        file: &dyn File,
        size: u64,
        path: PathBuf,
        header: SegmentHeader,
    ) -> Result<SealedSegment, Error> {
        let mut window = Window::sparse(file, &path, size);
        match find_seal(&mut window, size, &header)? {
            Some(found) => Ok(SealedSegment::new(path, header, found)),
            None => {
                let reason =
                    format!("no seal ends this segment (events from {} on)", header.first_seq);
                Err(Error::Corrupt { path, offset: size, reason })
            }
        }
    }

    /// The same segment under another name, not mapped yet.
    pub(crate) fn renamed(&self, path: PathBuf) -> SealedSegment {
        let (header, seal) = (self.header.clone(), self.seal.clone());
        SealedSegment { path, header, seal, size: self.size, loaded: OnceLock::new() }
    }

    /// Maps the segment once.
    pub(crate) fn loaded(&self, disk: &dyn Disk) -> Result<&Loaded, Error> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.load(disk)?;
        Ok(self.loaded.get_or_init(|| loaded))
    }

    fn load(&self, disk: &dyn Disk) -> Result<Loaded, Error> {
        let path = &self.path;
        let file = disk.open(path, Access::Read).map_err(Error::io("open", path))?;
        let size = file.size().map_err(Error::io("read the length of", path))?;
        let map = Arc::new(file.map(size).map_err(Error::io("map", path))?);
        let mut source = Mapped { map: &map, limit: size, path };
        let bytes =
            source.bytes(0, SEGMENT_HEADER_BYTES as usize).and_then(|bytes| bytes.first_chunk());
        let header = bytes.ok_or(Fault::Corrupt("the segment is shorter than its header"));
        let header = header.and_then(SegmentHeader::decode).map_err(|fault| fault.at(path, 0))?;
        // Zeros that a crash left behind the seal are cut by the next writer.
        let found = match find_seal(&mut source, size, &header)? {
            None => find_seal(&mut source, self.size, &header)?,
            found => found,
        };
        let Some(found) = found.filter(|found| self.continues(&header, &found.seal)) else {
            return Err(Fault::Corrupt("the segment was exchanged").at(path, 0));
        };
        let FoundSeal { seal, offset: seal_offset, end: size, .. } = found;
        let checked = seal.directory.len().div_ceil(64);
        let checked = (0..checked).map(|_| AtomicU64::new(0)).collect();
        Ok(Loaded { map, header, seal, seal_offset, size, checked })
    }

    /// The segment as it is on the disk now, where a rewritten one may have its name.
    pub(crate) fn again(&self, disk: &dyn Disk) -> Result<SealedSegment, Error> {
        let Loaded { header, seal, size, .. } = self.load(disk)?;
        Ok(SealedSegment { path: self.path.clone(), header, seal, size, loaded: OnceLock::new() })
    }

    /// Whether another header and seal stand for the same part of the same log.
    fn continues(&self, header: &SegmentHeader, seal: &Seal) -> bool {
        header.begins_as(&self.header) && seal.ends_as(&self.seal)
    }

    /// Where a look-up by sequence or ordinal finds its batch: the last one for which `before`
    /// holds.
    pub(crate) fn last_batch(
        &self,
        disk: &dyn Disk,
        before: impl Fn(&FrameEntry) -> bool,
    ) -> Result<Option<Frame<'_>>, Error> {
        let loaded = self.loaded(disk)?;
        let columns = loaded.columns();
        let Some(row) = loaded.seal.directory.partition_point(columns, before).checked_sub(1)
        else {
            return Ok(None);
        };
        let entry = loaded.seal.directory.entry(columns, row);
        let entry = entry.ok_or_else(|| {
            Fault::Corrupt("the seal's frame directory cannot be read")
                .at(&self.path, loaded.seal_offset)
        })?;
        loaded.batch(&self.path, row, &entry).map(Some)
    }
}

impl SealedSegment {
    /// What a list of segments says of it.
    pub(crate) fn info(&self) -> SegmentInfo {
        SegmentInfo {
            path: self.path.clone(),
            first_seq: self.header.first_seq,
            end_seq: self.seal.end_seq,
            chain_out: self.seal.chain_out,
            bytes: self.size,
            frames: self.seal.directory.len() as u64,
            sealed: true,
            generation: self.header.generation,
            customers_end: Some(self.seal.tally.customers),
        }
    }
}

impl Loaded {
    /// Where reading begins that wants the batches from `from_seq` on.
    pub(crate) fn start(&self, from_seq: u64) -> Position {
        let first_seq = self.header.first_seq;
        let columns = self.columns();
        let seq_of = |entry: &FrameEntry| entry.seq(first_seq);
        let directory = &self.seal.directory;
        let row = directory.partition_point(columns, |entry| seq_of(entry) < from_seq);
        let exact = directory.entry(columns, row).filter(|entry| seq_of(entry) == from_seq);
        let entry = exact.or_else(|| directory.entry(columns, row.checked_sub(1)?));
        match entry.filter(|_| from_seq > first_seq) {
            Some(entry) => {
                let offset = u64::from(entry.offset);
                Position { offset, seq: seq_of(&entry), chain: None }
            }
            None => self.header.start(),
        }
    }

    /// Bytes of the segment, seal included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The directory's bytes.
    pub(crate) fn columns(&self) -> &[u8] {
        let range = self.seal.columns_at(self.seal_offset);
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        range.and_then(|(start, end)| self.map.bytes(start..end)).unwrap_or(&[])
    }

    /// The batch in row `row` of the directory; its checksum is computed the first time only.
    fn batch<'a>(
        &'a self,
        path: &'a Path,
        row: usize,
        entry: &FrameEntry,
    ) -> Result<Frame<'a>, Error> {
        let first_seq = entry.seq(self.header.first_seq);
        let at = Position { offset: u64::from(entry.offset), seq: first_seq, chain: None };
        let mut source = Mapped { map: &self.map, limit: self.seal_offset, path };
        let word = self.checked.get(row / 64);
        let bit = 1 << (row % 64);
        let known = word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0);
        let found = if known {
            header_at(&mut source, self.header.salt, at.offset)?
        } else {
            match step(&mut source, self.header.salt, self.header.first_seq, &at)? {
                Step::Frame(header, _) => Some(header),
                Step::Stop(stop) => return Err(stop.error(path, &at)),
            }
        };
        let header = found.filter(|header| header.kind == KIND_BATCH);
        let header = header.ok_or_else(|| {
            Stop::Misplaced("the frame directory names no batch").error(path, &at)
        })?;
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        let start = usize::try_from(at.offset + u64::from(HEADER_BYTES)).expect("inside the map");
        let range = start..start + header.body_bytes as usize;
        let body = Body::mapped(Arc::clone(&self.map), range);
        Ok(Frame { first_seq, events: header.events, body, path, offset: at.offset })
    }
}
