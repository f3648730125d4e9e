//! raft-engine, one entry of one group a record, each written with `sync`. Its recovery mode
//! says what a broken end of the log is taken for.

use std::path::Path;

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, RecoveryMode};

use crate::peer::{Peer, Record, text};

pub struct RaftEngine {
    name: &'static str,
    mode: RecoveryMode,
}

/// The raft group.
const GROUP: u64 = 1;
/// An entry begins with its index.
const INDEX_BYTES: usize = 8;

impl RaftEngine {
    pub const DEFAULT: RaftEngine = RaftEngine {
        name: "raft-engine, TolerateTailCorruption (default)",
        mode: RecoveryMode::TolerateTailCorruption,
    };
    pub const ABSOLUTE: RaftEngine = RaftEngine {
        name: "raft-engine, AbsoluteConsistency",
        mode: RecoveryMode::AbsoluteConsistency,
    };

    fn open(&self, dir: &Path) -> Result<Engine, String> {
        let dir = dir.to_string_lossy().into_owned();
        let config = Config { dir, recovery_mode: self.mode, ..Config::default() };
        Engine::open(config).map_err(text)
    }
}

struct Indexed;

impl MessageExt for Indexed {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.get_value().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

impl Peer for RaftEngine {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let engine = self.open(dir)?;
        for (index, record) in (1_u64..).zip(records) {
            let mut entry = BytesValue::new();
            entry.set_value([&index.to_be_bytes()[..], record].concat());
            let mut batch = LogBatch::default();
            batch.add_entries::<Indexed>(GROUP, &[entry]).map_err(text)?;
            engine.write(&mut batch, true).map_err(text)?;
        }
        acknowledged();
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let engine = self.open(dir)?;
        let bounds = engine.first_index(GROUP).zip(engine.last_index(GROUP));
        let Some((first, last)) = bounds else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        let end = last.checked_add(1).ok_or("the last index is the greatest of all")?;
        engine.fetch_entries_to::<Indexed>(GROUP, first, end, None, &mut entries).map_err(text)?;
        let records = entries.into_iter().map(|mut entry| {
            let value = entry.take_value();
            value.get(INDEX_BYTES..).unwrap_or_default().to_vec()
        });
        Ok(records.collect())
    }

    fn check(&self, dir: &Path) -> Option<Result<(), String>> {
        Some(match Engine::consistency_check(dir) {
            Ok(groups) if groups.is_empty() => Ok(()),
            Ok(groups) => Err(format!("corrupted groups: {groups:?}")),
            Err(error) => Err(text(error)),
        })
    }
}
