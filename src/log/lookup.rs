//! Single batches by sequence or by customer, over all segments of a log.

use std::sync::Arc;

use super::active::{ActiveSegment, Extent};
use super::body::Frame;
use super::directory::FrameEntry;
use super::disk::Disk;
use super::sealed::SealedSegment;
use super::{BodyReader, Env};
use crate::error::Error;

/// The segments that a writer or a view has.
pub(crate) struct Lookup<'a> {
    pub(crate) env: &'a Env,
    pub(crate) readers: &'a BodyReader,
    pub(crate) sealed: &'a [Arc<SealedSegment>],
    pub(crate) active: Option<(&'a ActiveSegment, Extent)>,
}

/// Where a batch was found.
pub(crate) enum Found<'a> {
    /// In a sealed segment.
    Frame(Frame<'a>),
    /// In the active one; its bytes are still to be fetched.
    Entry(FrameEntry),
    /// The log has no such event or customer.
    Nowhere,
}

impl<'a> Lookup<'a> {
    fn disk(&self) -> &'a dyn Disk {
        &*self.env.disk
    }

    /// The batch that the event with this sequence is in.
    pub(crate) fn of_seq(&self, seq: u64) -> Result<Found<'a>, Error> {
        let row = self.sealed.partition_point(|segment| segment.seal.end_seq <= seq);
        if let Some(segment) = self.sealed.get(row) {
            let first_seq = segment.header.first_seq;
            let before = |entry: &FrameEntry| entry.seq(first_seq) <= seq;
            let frame = segment.last_batch(self.disk(), before)?;
            return Ok(frame.map_or(Found::Nowhere, Found::Frame));
        }
        let Some((active, extent)) =
            self.active.as_ref().filter(|(_, extent)| seq < extent.end.seq)
        else {
            return Ok(Found::Nowhere);
        };
        let first_seq = active.header.first_seq;
        let before = |entry: &FrameEntry| entry.seq(first_seq) <= seq;
        let entry = active.last_entry(extent, self.readers, before)?;
        Ok(entry.map_or(Found::Nowhere, Found::Entry))
    }

    /// The batch that the CUSTOMER NEW of this ordinal is in, if the log has so many customers; an
    /// ordinal that it does not have finds the last batch or nothing.
    pub(crate) fn of_customer(&self, ordinal: u32) -> Result<Found<'a>, Error> {
        let before = |entry: &FrameEntry| entry.customers_before <= ordinal;
        let row = self.sealed.partition_point(|segment| segment.seal.tally.customers <= ordinal);
        if let Some(segment) = self.sealed.get(row) {
            let frame = segment.last_batch(self.disk(), before)?;
            return Ok(frame.map_or(Found::Nowhere, Found::Frame));
        }
        let Some((active, extent)) = self.active.as_ref() else { return Ok(Found::Nowhere) };
        let entry = active.last_entry(extent, self.readers, before)?;
        Ok(entry.map_or(Found::Nowhere, Found::Entry))
    }

    /// The bytes of what was found.
    pub(crate) fn fetch(&self, found: Found<'a>) -> Result<Option<Frame<'a>>, Error> {
        match (found, &self.active) {
            (Found::Frame(frame), _) => Ok(Some(frame)),
            (Found::Entry(entry), Some((active, extent))) => active.batch(extent, &entry).map(Some),
            (Found::Entry(_) | Found::Nowhere, _) => Ok(None),
        }
    }
}
