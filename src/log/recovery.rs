//! What opening a log finds, by the table of verdicts in `docs/format.md`. It only reads: the
//! writer acts on what is found, readers and `verify` do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::active::ActiveSegment;
use super::catalog::{Chain, OpenSegment, list};
use super::directory::FrameEntry;
use super::disk::{Access, Disk};
use super::head::{Head, HeadFile};
use super::paths::Paths;
use super::scan::{Position, Source, Step, Stop, Window, after, rest, step};
use super::sealed::{FoundSeal, SealedSegment, find_seal, read_seal};
use super::segment::SegmentHeader;
use super::{BodyReader, FRAMES_END_MAX, LogMeta, Tally};
use crate::error::{Error, Fault};
use crate::frame::{FRAME_ALIGN, HEADER_BYTES, KIND_BATCH, KIND_SEAL};
use crate::planted::planted;

/// How a log is examined.
pub(crate) struct Examination<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) paths: &'a Paths,
    pub(crate) readers: &'a BodyReader,
    /// The head's file, if there is one.
    pub(crate) head: Option<&'a HeadFile>,
    /// A sequence that something else derived proves to have been durable.
    pub(crate) evidence: u64,
    /// How the last segment is opened.
    pub(crate) access: Access,
    /// Read the last segment from its first frame, for its batches and its tally, though head
    /// would allow to start later.
    pub(crate) from_first: bool,
    /// Sealed segments that were read earlier.
    pub(crate) known: &'a [Arc<SealedSegment>],
}

/// What was found. No segment at all: a log that is still to be created.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub(crate) sealed: Vec<Arc<SealedSegment>>,
    /// The last segment, unless it is sealed.
    pub(crate) tail: Option<Tail>,
    /// A file whose creation a crash cut; to be removed.
    pub(crate) cut: Option<PathBuf>,
    /// The last segment is sealed and only zeros follow: the length it has, to be cut.
    pub(crate) uncut_size: Option<u64>,
    /// Files that were never renamed to what they were to become; to be removed.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// The end of an active segment.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) segment: ActiveSegment,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Where the next frame belongs.
    pub(crate) end: Position,
    /// What has come together up to it, if the segment was read from its first frame.
    pub(crate) tally: Tally,
    /// All bytes before it are proven to be on the disk.
    pub(crate) durable_offset: u64,
    /// All events before it are.
    pub(crate) durable_seq: u64,
    /// Bytes of a torn frame after the end.
    pub(crate) torn_bytes: u64,
}

impl Examined {
    /// What all segments have in common.
    pub(crate) fn meta(&self) -> Option<&LogMeta> {
        let tail = self.tail.as_ref().map(|tail| &tail.segment.header.meta);
        tail.or_else(|| self.sealed.last().map(|segment| &segment.header.meta))
    }
}

/// A segment's frames, read one after the other.
struct Walk {
    end: Position,
    stop: Result<FoundSeal, Stop>,
    entries: Vec<FrameEntry>,
    tally: Tally,
    durable_offset: u64,
    /// Whether a frame starts, or the last one ends, where head says.
    met_head: bool,
}

impl Examination<'_> {
    /// Reads what is needed to know where the log ends.
    pub(crate) fn run(&self) -> Result<Examined, Error> {
        let Some(listing) = list(self.disk, self.paths)? else {
            self.check_absent()?;
            return Ok(Examined::default());
        };
        if let Some(path) = listing.strange.first() {
            return Err(Fault::Corrupt("the name is not one of a segment").at(path, 0));
        }
        let mut chain = Chain::default();
        let mut found = Examined { leftovers: listing.leftovers, ..Examined::default() };
        if let Some((last, others)) = listing.firsts.split_last() {
            for first in others {
                chain.push(self.disk, self.paths, *first, self.known)?;
            }
            self.last(*last, &mut chain, &mut found)?;
        }
        found.sealed = chain.sealed;
        if found.tail.is_none() {
            self.check_sealed(&found)?;
        }
        Ok(found)
    }

    fn head(&self) -> Option<&Head> {
        self.head.and_then(|file| file.head.as_ref()).filter(|_| !planted("head not believed"))
    }

    /// The greatest sequence that anything proves to have been durable.
    fn proven_seq(&self) -> u64 {
        let evidence = if planted("evidence not believed") { 0 } else { self.evidence };
        evidence.max(self.head().map_or(0, |head| head.durable_seq))
    }

    /// Without a segment there must be no trace of one.
    fn check_absent(&self) -> Result<(), Error> {
        if self.head.is_some() || self.evidence > 0 {
            return Err(Fault::Corrupt("all segments are missing").at(&self.paths.segments, 0));
        }
        Ok(())
    }

    /// Without an active segment the sealed ones must be all that there ever was.
    fn check_sealed(&self, found: &Examined) -> Result<(), Error> {
        let Some(last) = found.sealed.last() else { return self.check_absent() };
        self.check_log_id(&last.header.meta)?;
        let end = last.seal.end_seq;
        let names_next = self.head().is_some_and(|head| head.segment_first >= end);
        if names_next || self.proven_seq() > end {
            let reason = format!("the segment with events from {end} on is missing");
            return Err(Error::Corrupt { path: self.paths.segment(end), offset: 0, reason });
        }
        Ok(())
    }

    fn check_log_id(&self, meta: &LogMeta) -> Result<(), Error> {
        let mixed = self.head.is_some_and(|file| file.mixed);
        if mixed || self.head().is_some_and(|head| head.log_id != meta.log_id) {
            return Err(Fault::Corrupt("the head is another log's").at(&self.paths.head, 0));
        }
        Ok(())
    }

    /// Examines the last segment, to which all of the table applies.
    fn last(&self, first: u64, chain: &mut Chain, found: &mut Examined) -> Result<(), Error> {
        let open = OpenSegment::open(self.disk, self.paths, first, self.access)?;
        let Some(header) = open.header.clone() else {
            let named = self.head().is_some_and(|head| head.segment_first >= first);
            if named || self.proven_seq() > first || first != chain.end() {
                return Err(Fault::Corrupt("the segment's header is gone").at(&open.path, 0));
            }
            found.cut = Some(open.path);
            return Ok(());
        };
        chain.check(&open.path, &header)?;
        self.check_log_id(&header.meta)?;
        let mut sparse = Window::sparse(&*open.file, &open.path, open.size);
        let sealed = find_seal(&mut sparse, open.size, &header)?;
        if let Some(found) = sealed.filter(is_proven) {
            chain.sealed.push(Arc::new(SealedSegment::new(open.path, header, found)));
            return Ok(());
        }
        let mut window = Window::new(&*open.file, &open.path, open.size);
        let before = chain.sealed.last().map_or_else(Tally::default, |segment| segment.seal.tally);
        let walk = self.walk(&mut window, &header, before)?;
        match walk.stop {
            Ok(seal) => {
                let behind = rest(&mut window, header.salt, seal.end)?.nonzero_end > seal.end;
                if behind && !planted("bytes behind the seal not looked at") {
                    let fault = Fault::Corrupt("bytes follow the seal");
                    return Err(fault.at(&open.path, seal.end));
                }
                found.uncut_size = Some(open.size).filter(|size| *size > seal.end);
                chain.sealed.push(Arc::new(SealedSegment::new(open.path, header, seal)));
            }
            Err(stop) => {
                let torn_bytes = self.judge(&mut window, &header, &walk, stop)?;
                found.tail = Some(self.tail(open, header, walk, torn_bytes));
            }
        }
        Ok(())
    }

    fn tail(&self, open: OpenSegment, header: SegmentHeader, walk: Walk, torn_bytes: u64) -> Tail {
        let first_seq = header.first_seq;
        let named = self.head_in(&header);
        let proven = named.filter(|head| u64::from(head.durable_offset) >= walk.durable_offset);
        // A durable mark in a frame is where an earlier frame started.
        let entry =
            walk.entries.iter().find(|entry| u64::from(entry.offset) == walk.durable_offset);
        let durable_seq = proven.map_or_else(
            || entry.map_or(first_seq, |entry| entry.seq(first_seq)),
            |head| head.durable_seq,
        );
        let durable_offset =
            proven.map_or(walk.durable_offset, |head| u64::from(head.durable_offset));
        let segment = ActiveSegment::new(open.path, header, open.file);
        if self.start_at_head(&segment.header).is_none() {
            segment.index(walk.entries, walk.end);
        }
        Tail {
            segment,
            size: open.size,
            end: walk.end,
            tally: walk.tally,
            durable_offset,
            durable_seq: durable_seq.min(walk.end.seq),
            torn_bytes,
        }
    }

    /// The head, if it speaks of this segment.
    fn head_in(&self, header: &SegmentHeader) -> Option<&Head> {
        self.head().filter(|head| head.segment_first == header.first_seq)
    }

    /// Where head says that the durable part of this segment ends.
    fn head_at(&self, header: &SegmentHeader) -> Option<Position> {
        self.head_in(header).map(|head| Position {
            offset: u64::from(head.durable_offset),
            seq: head.durable_seq,
            chain: Some(head.chain),
        })
    }

    /// Where reading starts, if not at the first frame.
    fn start_at_head(&self, header: &SegmentHeader) -> Option<Position> {
        let start = header.start();
        self.head_at(header).filter(|head| {
            let sane = head.offset.is_multiple_of(u64::from(FRAME_ALIGN));
            !self.from_first && sane && head.offset >= start.offset && head.seq >= start.seq
        })
    }

    /// Reads frames until something is no frame, or a seal.
    fn walk(
        &self,
        window: &mut Window<'_>,
        header: &SegmentHeader,
        tally: Tally,
    ) -> Result<Walk, Error> {
        let head_at = self.head_at(header);
        let start_at_head = self.start_at_head(header);
        let mut walk = Walk {
            end: start_at_head.unwrap_or(header.start()),
            stop: Err(Stop::FileEnds),
            entries: Vec::new(),
            tally,
            durable_offset: 0,
            met_head: false,
        };
        loop {
            walk.met_head |= head_at.is_none_or(|head| head == walk.end);
            let at = walk.end;
            let (frame, crc) = match step(window, header.salt, header.first_seq, &at)? {
                Step::Frame(frame, crc) => (frame, crc),
                Step::Stop(stop) => {
                    walk.stop = Err(stop);
                    return Ok(walk);
                }
            };
            walk.durable_offset = walk.durable_offset.max(u64::from(frame.durable_offset));
            if frame.kind == KIND_SEAL {
                let Some(seal) = read_seal(window, at.offset, header)? else {
                    return Err(
                        Fault::Corrupt("a seal cannot be read").at(window.path(), at.offset)
                    );
                };
                walk.stop = Ok(seal);
                return Ok(walk);
            }
            if frame.kind == KIND_BATCH && start_at_head.is_some() {
                walk.entries.push(FrameEntry::new(&frame, at.offset, 0));
            } else if frame.kind == KIND_BATCH {
                let body =
                    window.get(at.offset + u64::from(HEADER_BYTES), frame.body_bytes as usize)?;
                let before = walk.tally.customers;
                walk.tally = add(self.readers, body.unwrap_or(&[]), frame.events, &walk.tally)
                    .map_err(|fault| fault.at(window.path(), at.offset))?;
                walk.entries.push(FrameEntry::new(&frame, at.offset, before));
            }
            walk.end = after(&at, &frame, crc);
        }
    }

    /// The verdict on an active segment's end: so many bytes are torn, or it is damaged.
    fn judge(
        &self,
        window: &mut Window<'_>,
        header: &SegmentHeader,
        walk: &Walk,
        stop: Stop,
    ) -> Result<u64, Error> {
        let at = &walk.end;
        let path = window.path().to_path_buf();
        if let Stop::Refused(Fault::Unknown(_)) = stop {
            return Err(stop.error(&path, at));
        }
        let rest = rest(window, header.salt, at.offset)?;
        let named = self.head_in(header).map_or(0, |head| u64::from(head.durable_offset));
        let ahead = self.head().is_some_and(|head| head.segment_first > header.first_seq);
        let named = named.max(rest.durable_offset);
        if ahead || self.proven_seq() > at.seq || named > at.offset || at.offset > window.size() {
            return Err(lost(&path, at, stop, self.proven_seq()));
        }
        check_offset(&path, at.offset)?;
        if !walk.met_head {
            return Err(
                Fault::Corrupt("the segment is not the one that the head speaks of").at(&path, 0)
            );
        }
        let torn_bytes = rest.nonzero_end - at.offset;
        match stop {
            _ if planted("damage taken for torn") => Ok(torn_bytes),
            Stop::FrameCut | Stop::BodyTorn if planted("torn taken for damage") => {
                Err(stop.error(&path, at))
            }
            Stop::FileEnds
            | Stop::HeaderZero
            | Stop::HeaderCut
            | Stop::FrameCut
            | Stop::BodyTorn => Ok(torn_bytes),
            Stop::HeaderDamaged
            | Stop::Refused(_)
            | Stop::Misplaced(_)
            | Stop::PaddingDamaged
            | Stop::BodyDamaged => Err(stop.error(&path, at)),
        }
    }
}

/// Whether all batches before a seal were synced before it was written: they need no second look.
fn is_proven(found: &FoundSeal) -> bool {
    planted("seal trusted without its batches") || found.durable_offset == found.offset
}

/// Refuses to go on where the offsets of another frame and a seal would not fit into 32 bits.
pub(super) fn check_offset(path: &Path, offset: u64) -> Result<(), Error> {
    if offset > FRAMES_END_MAX {
        return Err(Fault::Corrupt("the segment is longer than 4 GiB").at(path, offset));
    }
    Ok(())
}

/// The tally after a body, whose own word on the customers before it must agree.
pub(crate) fn add(
    readers: &BodyReader,
    body: &[u8],
    events: u32,
    before: &Tally,
) -> Result<Tally, Fault> {
    if (readers.customers_before)(body)? != before.customers {
        return Err(Fault::Corrupt("a batch does not count the customers before it"));
    }
    (readers.tally)(body, events, before)
}

/// The error for events that were durable once.
fn lost(path: &Path, at: &Position, stop: Stop, proven_seq: u64) -> Error {
    let events = if proven_seq > at.seq {
        format!("events {} to {}", at.seq, proven_seq - 1)
    } else {
        format!("events from {} on", at.seq)
    };
    let reason = format!("{}, but it was synced once ({events})", stop.reason());
    Error::Corrupt { path: path.to_path_buf(), offset: at.offset, reason }
}
