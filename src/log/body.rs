//! A batch as it is handed to readers.

use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use super::map::Map;

/// A batch, its checksum checked.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    /// The sequence of its first event.
    pub(crate) first_seq: u64,
    /// How many events it has; 0 for one that only carries marks.
    pub(crate) events: u32,
    /// Its bytes.
    pub(crate) body: Body<'a>,
    /// The segment that it is in.
    pub(crate) path: &'a Path,
    /// Where in the segment its frame starts.
    pub(crate) offset: u64,
}

impl Frame<'_> {
    /// The sequence after its last event.
    pub(crate) fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.events))
    }
}

/// A body's bytes, wherever they are.
#[derive(Clone, Debug)]
pub(crate) struct Body<'a>(Bytes<'a>);

#[derive(Clone, Debug)]
enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Mapped(Arc<Map>, Range<usize>),
    Owned(Arc<[u8]>),
}

impl<'a> Body<'a> {
    pub(crate) fn borrowed(bytes: &'a [u8]) -> Body<'a> {
        Body(Bytes::Borrowed(bytes))
    }

    /// The bytes of `range`, which the map has.
    pub(crate) fn mapped(map: Arc<Map>, range: Range<usize>) -> Body<'a> {
        Body(Bytes::Mapped(map, range))
    }

    pub(crate) fn owned(bytes: Arc<[u8]>) -> Body<'a> {
        Body(Bytes::Owned(bytes))
    }
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Mapped(map, range) => {
                map.bytes(range.clone()).expect("the range was read from this map")
            }
            Bytes::Owned(bytes) => bytes,
        }
    }
}
