//! Batches that are not in a log: those of a strict call that may still be given up, and those of
//! a scratch store. In memory up to a bound, then in an unnamed temporary file.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use tempfile::SpooledTempFile;

use crate::Error;
use crate::log::{Body, Frame, Tally};

/// Beyond this many bytes the batches go to a temporary file.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// One staged batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    pub(super) first_seq: u64,
    pub(super) events: u32,
    /// Customers before it.
    pub(super) customers_before: u32,
    /// The log's tally after it.
    pub(super) after: Tally,
    offset: u64,
    length: usize,
}

/// Batches in the order of their sequences, readable at any time.
pub(super) struct Stage {
    spool: Mutex<SpooledTempFile>,
    batches: Vec<Staged>,
    first_seq: u64,
    bytes: u64,
    tally: Tally,
}

impl Stage {
    /// Goes on after a log that ends at `end` with `tally`.
    pub(super) fn new(end: u64, tally: Tally) -> Stage {
        let spool = Mutex::new(SpooledTempFile::new(MEMORY_BYTES_MAX));
        Stage { spool, batches: Vec::new(), first_seq: end, bytes: 0, tally }
    }

    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    pub(super) fn end(&self) -> u64 {
        self.batches.last().map_or(self.first_seq, |b| b.first_seq + u64::from(b.events))
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn batches(&self) -> &[Staged] {
        &self.batches
    }

    pub(super) fn append(&mut self, body: &[u8], events: u32, after: Tally) -> Result<(), Error> {
        let spool = self.spool.get_mut().expect("no reader panics while it reads");
        let mut write = || {
            spool.seek(SeekFrom::Start(self.bytes))?;
            spool.write_all(body)
        };
        write()
            .map_err(Error::io("write batches to a temporary file in", &std::env::temp_dir()))?;
        self.batches.push(Staged {
            first_seq: self.end(),
            events,
            customers_before: self.tally.customers,
            after,
            offset: self.bytes,
            length: body.len(),
        });
        self.bytes += body.len() as u64;
        self.tally = after;
        Ok(())
    }

    /// The batch that holds a sequence.
    pub(super) fn batch(&self, sequence: u64) -> Result<Frame<'_>, Error> {
        let after = self.batches.partition_point(|batch| batch.first_seq <= sequence);
        let batch = after.checked_sub(1).and_then(|at| self.batches.get(at));
        self.read(batch.expect("only staged sequences are asked for"))
    }

    /// The batch that holds a customer's CUSTOMER NEW.
    pub(super) fn batch_of_customer(&self, ordinal: u32) -> Result<Frame<'_>, Error> {
        let after = self.batches.partition_point(|batch| batch.customers_before <= ordinal);
        let batch = after.checked_sub(1).and_then(|at| self.batches.get(at));
        self.read(batch.expect("only staged customers are asked for"))
    }

    pub(super) fn read(&self, batch: &Staged) -> Result<Frame<'_>, Error> {
        let mut bytes = vec![0; batch.length];
        let mut spool = self.spool.lock().expect("no reader panics while it reads");
        let mut read = || {
            spool.seek(SeekFrom::Start(batch.offset))?;
            spool.read_exact(&mut bytes)
        };
        read().map_err(Error::io("read batches back from", &std::env::temp_dir()))?;
        Ok(Frame {
            first_seq: batch.first_seq,
            events: batch.events,
            body: Body::owned(bytes.into()),
            path: Path::new("(temporary)"),
            offset: batch.offset,
        })
    }
}
