//! All batches from a sequence on, in order, each checked as it is read.

use super::active::{ActiveSegment, Extent};
use super::body::{Body, Frame};
use super::scan::{Position, Source, Step, Stop, Window, after, step};
use super::sealed::{Loaded, Mapped, SealedSegment};
use super::view::View;
use crate::error::Error;
use crate::frame::{FrameHeader, HEADER_BYTES, KIND_BATCH, KIND_SEAL};

/// The batches of a view, from one on. After an error there is nothing more.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    view: &'a View,
    /// Batches that end before it are passed over.
    from_seq: u64,
    /// Which segment is read: one past the sealed ones is the active one.
    row: usize,
    place: Option<Place<'a>>,
    failed: bool,
}

#[derive(Debug)]
enum Place<'a> {
    Sealed(&'a SealedSegment, &'a Loaded, Position),
    Active(&'a ActiveSegment, Extent, Position),
}

impl<'a> Frames<'a> {
    pub(super) fn new(view: &'a View, from_seq: u64) -> Frames<'a> {
        let row = view.sealed.partition_point(|segment| segment.seal.end_seq < from_seq);
        Frames { view, from_seq, row, place: None, failed: false }
    }

    /// Opens the next segment at the first batch that is wanted.
    fn enter(&mut self) -> Result<bool, Error> {
        let view = self.view;
        if let Some(segment) = view.sealed.get(self.row) {
            let loaded = segment.loaded(&*view.env.disk)?;
            let start = loaded.start(self.from_seq);
            self.place = Some(Place::Sealed(segment, loaded, start));
            return Ok(true);
        }
        let Some(active) = view.active.as_ref().filter(|_| self.row == view.sealed.len()) else {
            return Ok(false);
        };
        let start = if self.from_seq > active.segment.header.first_seq {
            active.segment.start(&active.extent, &view.readers, self.from_seq)?
        } else {
            active.segment.header.start()
        };
        self.place = Some(Place::Active(&active.segment, active.extent, start));
        Ok(true)
    }

    fn advance(&mut self) -> Result<Option<Frame<'a>>, Error> {
        loop {
            if self.place.is_none() && !self.enter()? {
                return Ok(None);
            }
            let found = match self.place.as_mut() {
                None => return Ok(None),
                Some(Place::Sealed(segment, loaded, at)) => next_sealed(segment, loaded, at)?,
                Some(Place::Active(segment, extent, at)) => {
                    next_active(self.view, segment, extent, at)?
                }
            };
            match found {
                Some(frame) if self.is_wanted(&frame) => return Ok(Some(frame)),
                Some(_) => {}
                None => {
                    self.row += 1;
                    self.place = None;
                }
            }
        }
    }

    fn is_wanted(&self, frame: &Frame<'_>) -> bool {
        frame.end_seq() > self.from_seq || (frame.events == 0 && frame.first_seq == self.from_seq)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// The next batch of a sealed segment; `None` at its seal.
pub(super) fn next_sealed<'a>(
    segment: &'a SealedSegment,
    loaded: &'a Loaded,
    at: &mut Position,
) -> Result<Option<Frame<'a>>, Error> {
    let path = &segment.path;
    let mut source = Mapped { map: &loaded.map, limit: loaded.size(), path };
    loop {
        let here = *at;
        let header = next(&mut source, loaded.header.salt, loaded.header.first_seq, at)?;
        match header.kind {
            KIND_BATCH => {
                let start = here.offset + u64::from(HEADER_BYTES);
                let body = source.bytes(start, header.body_bytes as usize).unwrap_or(&[]);
                let (first_seq, events) = (here.seq, header.events);
                let body = Body::borrowed(body);
                return Ok(Some(Frame { first_seq, events, body, path, offset: here.offset }));
            }
            KIND_SEAL if here.offset == loaded.seal_offset => return Ok(None),
            KIND_SEAL => return Err(Stop::Misplaced("a seal is in the middle").error(path, &here)),
            _ => {}
        }
    }
}

/// The next batch of the active segment; `None` at the view's end.
fn next_active<'a>(
    view: &'a View,
    segment: &'a ActiveSegment,
    extent: &Extent,
    at: &mut Position,
) -> Result<Option<Frame<'a>>, Error> {
    let path = segment.path();
    let (salt, first_seq) = (segment.header.salt, segment.header.first_seq);
    while at.offset < extent.end.offset {
        let here = *at;
        let start = here.offset + u64::from(HEADER_BYTES);
        let (header, body) = if here.offset < extent.durable_offset {
            let map = view.active_map()?;
            let mut source = Mapped { map, limit: extent.durable_offset, path };
            let header = next(&mut source, salt, first_seq, at)?;
            let body = source.bytes(start, header.body_bytes as usize).unwrap_or(&[]);
            (header, Body::borrowed(body))
        } else {
            let mut window = Window::sparse(&*segment.file, path, extent.end.offset);
            let header = next(&mut window, salt, first_seq, at)?;
            let body = window.get(start, header.body_bytes as usize)?.unwrap_or(&[]);
            (header, Body::owned(body.into()))
        };
        if header.kind == KIND_BATCH {
            let (first_seq, events) = (here.seq, header.events);
            return Ok(Some(Frame { first_seq, events, body, path, offset: here.offset }));
        }
    }
    Ok(None)
}

/// Reads the frame at `at` and moves on to the next.
#[inline]
fn next(
    source: &mut impl Source,
    salt: u64,
    first_seq: u64,
    at: &mut Position,
) -> Result<FrameHeader, Error> {
    match step(source, salt, first_seq, at)? {
        Step::Frame(header, crc) => {
            *at = after(at, &header, crc);
            Ok(header)
        }
        Step::Stop(stop) => Err(stop.error(source.path(), at)),
    }
}
