//! From one segment to the next: seal, cut, sync; create, sync; and only then go on.

use std::path::Path;
use std::sync::Arc;

use super::active::ActiveSegment;
use super::disk::{Access, write_full};
use super::paths::Paths;
use super::seal::Seal;
use super::sealed::{FoundSeal, SealedSegment};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::writer::Writer;
use super::{Env, LogMeta};
use crate::error::Error;
use crate::frame::{KIND_SEAL, SECTOR_BYTES};
use crate::planted::planted;

impl Writer {
    /// Seals the active segment, which has an event, and starts the next one.
    pub(super) fn roll(&mut self) -> Result<(), Error> {
        let seal_offset = self.end.offset;
        let body = self.seal_body();
        self.push(KIND_SEAL, &body, 0);
        self.write_pending()?;
        let path = self.active.path().to_path_buf();
        self.active.file.truncate(self.end.offset).map_err(Error::io("cut", &path))?;
        if !planted("sealed segment not synced") {
            self.active.file.sync().map_err(Error::io("sync", &path))?;
        }
        let seal =
            Seal::decode(&body, seal_offset).map_err(|fault| fault.at(&path, seal_offset))?;
        let header = self.active.header.clone();
        let (end_seq, chain_out) = (seal.end_seq, seal.chain_out);
        let found = FoundSeal {
            seal,
            offset: seal_offset,
            end: self.end.offset,
            durable_offset: seal_offset,
        };
        let sealed = SealedSegment::new(path, header, found);
        let meta = &self.active.header.meta;
        let next = create_segment(&self.env, &self.paths, meta, end_seq, chain_out)?;
        self.newly_sealed.push(sealed.info());
        self.sealed.push(Arc::new(sealed));
        self.end = next.header.start();
        self.synced = self.end;
        self.written_offset = self.end.offset;
        self.active = Arc::new(next);
        self.allocated = u64::from(SEGMENT_HEADER_BYTES);
        // A head that names the new segment comes after it is durable, and is synced now, because
        // the old one says little about a sealed segment.
        self.publish()?;
        self.head.sync(&self.paths)
    }

    fn seal_body(&self) -> Vec<u8> {
        let offset = u32::try_from(self.end.offset).expect("a segment is rolled below 4 GiB");
        let mut body = Vec::new();
        let entries = self.active.entries();
        Seal::encode(self.end.seq, self.chain(), &self.tally, &entries, offset, &mut body);
        body
    }
}

/// Creates a segment, durable in every respect before it is used.
pub(super) fn create_segment(
    env: &Env,
    paths: &Paths,
    meta: &LogMeta,
    first_seq: u64,
    chain_in: u32,
) -> Result<ActiveSegment, Error> {
    let header = SegmentHeader {
        meta: meta.clone(),
        compatible: 0,
        generation: 0,
        first_seq,
        salt: (env.random_u64)().max(1),
        chain_in,
    };
    let path = paths.segment(first_seq);
    let file = env.disk.open(&path, Access::Create).map_err(Error::io("create", &path))?;
    write_full(&*file, &header.encode(), 0).map_err(Error::io("write", &path))?;
    file.sync().map_err(Error::io("sync", &path))?;
    sync_dir(env, &paths.segments)?;
    Ok(ActiveSegment::new(path, header, file))
}

pub(super) fn sync_dir(env: &Env, dir: &Path) -> Result<(), Error> {
    if planted("directory not synced") {
        return Ok(());
    }
    env.disk.sync_dir(dir).map_err(Error::io("sync the directory", dir))
}

// A header is written by one sector, so that a crash leaves it whole or missing.
const _: () = assert!(SEGMENT_HEADER_BYTES as u64 <= SECTOR_BYTES);
