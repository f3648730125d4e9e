//! okaywal, one entry of one chunk a record, each committed. Recovery hands over the entries;
//! those it calls aborted are left out, as its documentation asks.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use okaywal::{Entry, EntryId, LogManager, LogVoid, SegmentReader, WriteAheadLog};

use crate::peer::{Peer, Record, text};

pub struct OkayWal;

impl Peer for OkayWal {
    fn name(&self) -> &'static str {
        "okaywal"
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let wal = WriteAheadLog::recover(dir, LogVoid).map_err(text)?;
        for record in records {
            let mut entry = wal.begin_entry().map_err(text)?;
            entry.write_chunk(record).map_err(text)?;
            entry.commit().map_err(text)?;
        }
        acknowledged();
        wal.shutdown().map_err(text)
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let recovered = Recovered::default();
        let wal = WriteAheadLog::recover(dir, recovered.clone()).map_err(text)?;
        wal.shutdown().map_err(text)?;
        let records = recovered.0.lock().map_err(text)?.clone();
        Ok(records)
    }
}

/// Collects what recovery finds.
#[derive(Clone, Debug, Default)]
struct Recovered(Arc<Mutex<Vec<Record>>>);

impl LogManager for Recovered {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        if let Some(chunks) = entry.read_all_chunks()? {
            let mut records = self.0.lock().map_err(|error| io::Error::other(text(error)))?;
            records.push(chunks.concat());
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last: EntryId,
        _entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}
