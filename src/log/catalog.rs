//! Which segments there are, and whether they are one log: names, headers and seals, each
//! continuing the one before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LogMeta;
use super::disk::{Access, Disk, File};
use super::paths::{Paths, TMP};
use super::scan::{Source, Window, rest};
use super::sealed::SealedSegment;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, parse_segment_name};
use crate::error::{Error, Fault};

/// The files of the segments' directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// First sequences of the segments, ascending.
    pub(crate) firsts: Vec<u64>,
    /// Files that were never renamed to what they were to become.
    pub(crate) leftovers: Vec<PathBuf>,
    /// Files that look like segments and are none.
    pub(crate) strange: Vec<PathBuf>,
}

/// Lists the segments; `None` if their directory is missing.
pub(crate) fn list(disk: &dyn Disk, paths: &Paths) -> Result<Option<Listing>, Error> {
    let names = match disk.list(&paths.segments) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("list the segments in", &paths.segments)(error)),
    };
    let mut listing = Listing::default();
    for name in names {
        if let Some(first) = parse_segment_name(&name) {
            listing.firsts.push(first);
        } else if name.ends_with(TMP) {
            listing.leftovers.push(paths.segments.join(name));
        } else if name.ends_with(".seg") {
            listing.strange.push(paths.segments.join(name));
        }
    }
    listing.firsts.sort_unstable();
    Ok(Some(listing))
}

/// An open segment and what it starts with.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn File>,
    pub(crate) size: u64,
    /// `None` where a crash cut its creation: too short for a header, or all zero.
    pub(crate) header: Option<SegmentHeader>,
}

impl OpenSegment {
    /// Opens a segment and reads its header.
    pub(crate) fn open(
        disk: &dyn Disk,
        paths: &Paths,
        first_seq: u64,
        access: Access,
    ) -> Result<OpenSegment, Error> {
        OpenSegment::open_at(disk, paths.segment(first_seq), first_seq, access)
    }

    /// Opens a segment under another name than its own.
    pub(crate) fn open_at(
        disk: &dyn Disk,
        path: PathBuf,
        first_seq: u64,
        access: Access,
    ) -> Result<OpenSegment, Error> {
        let file = disk.open(&path, access).map_err(Error::io("open", &path))?;
        let size = file.size().map_err(Error::io("read the length of", &path))?;
        let header = OpenSegment::header(&*file, &path, size, first_seq)?;
        Ok(OpenSegment { path, file, size, header })
    }

    fn header(
        file: &dyn File,
        path: &Path,
        size: u64,
        first_seq: u64,
    ) -> Result<Option<SegmentHeader>, Error> {
        let mut window = Window::sparse(file, path, size);
        let Some(bytes) = window.get(0, SEGMENT_HEADER_BYTES as usize)? else { return Ok(None) };
        match SegmentHeader::decode(bytes.first_chunk().expect("128 bytes were asked for")) {
            Ok(header) if header.first_seq == first_seq => Ok(Some(header)),
            Ok(_) => {
                Err(Fault::Corrupt("the segment's name is not that of its first event").at(path, 0))
            }
            Err(_) if rest(&mut window, 0, 0)?.nonzero_end == 0 => Ok(None),
            Err(fault) => Err(fault.at(path, 0)),
        }
    }
}

/// Checks that a segment with this header continues one with this end and chain out.
pub(crate) fn check_link(
    end: u64,
    chain_out: u32,
    path: &Path,
    header: &SegmentHeader,
) -> Result<(), Error> {
    if header.first_seq > end {
        let last = header.first_seq - 1;
        let reason = format!("the segment with events {end} to {last} is missing before it");
        return Err(Error::Corrupt { path: path.to_path_buf(), offset: 0, reason });
    }
    if (header.first_seq, header.chain_in) != (end, chain_out) {
        let fault = Fault::Corrupt("the segment does not continue the one before it");
        return Err(fault.at(path, 0));
    }
    Ok(())
}

/// The sealed part of a log as far as it was followed.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) sealed: Vec<Arc<SealedSegment>>,
}

impl Chain {
    /// The sequence at which the next segment starts.
    pub(crate) fn end(&self) -> u64 {
        self.sealed.last().map_or(0, |segment| segment.seal.end_seq)
    }

    /// The chain with which the next segment starts.
    pub(crate) fn chain_out(&self) -> u32 {
        self.sealed.last().map_or(0, |segment| segment.seal.chain_out)
    }

    /// What all segments have in common.
    pub(crate) fn meta(&self) -> Option<&LogMeta> {
        self.sealed.last().map(|segment| &segment.header.meta)
    }

    /// Checks that a segment with this header comes next.
    pub(crate) fn check(&self, path: &Path, header: &SegmentHeader) -> Result<(), Error> {
        if self.meta().is_some_and(|meta| *meta != header.meta) {
            return Err(Fault::Corrupt("the segment is another log's").at(path, 0));
        }
        check_link(self.end(), self.chain_out(), path, header)
    }

    /// Adds the next segment, which another one follows; `known` are those read earlier.
    pub(crate) fn push(
        &mut self,
        disk: &dyn Disk,
        paths: &Paths,
        first_seq: u64,
        known: &[Arc<SealedSegment>],
    ) -> Result<(), Error> {
        let again =
            known.get(self.sealed.len()).filter(|segment| segment.header.first_seq == first_seq);
        if let Some(segment) = again {
            self.sealed.push(Arc::clone(segment));
            return Ok(());
        }
        let open = OpenSegment::open(disk, paths, first_seq, Access::Read)?;
        let header = open.header.ok_or_else(|| {
            Fault::Corrupt("the segment is empty, though another one follows it").at(&open.path, 0)
        })?;
        self.check(&open.path, &header)?;
        self.sealed.push(Arc::new(SealedSegment::read(&*open.file, open.size, open.path, header)?));
        Ok(())
    }
}
