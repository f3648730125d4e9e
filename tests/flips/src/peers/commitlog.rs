//! commitlog (zowens), each append followed by its `flush`.

use std::path::Path;

use commitlog::message::MessageSet;
use commitlog::{CommitLog, LogOptions, ReadLimit};

use crate::peer::{Peer, Record, text};

pub struct Commitlog;

impl Peer for Commitlog {
    fn name(&self) -> &'static str {
        "commitlog"
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let mut log = CommitLog::new(LogOptions::new(dir)).map_err(text)?;
        for record in records {
            log.append_msg(record).map_err(text)?;
            log.flush().map_err(text)?;
        }
        acknowledged();
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let log = CommitLog::new(LogOptions::new(dir)).map_err(text)?;
        let messages = log.read(0, ReadLimit::max_bytes(1 << 20)).map_err(text)?;
        Ok(messages.iter().map(|message| message.payload().to_vec()).collect())
    }
}
