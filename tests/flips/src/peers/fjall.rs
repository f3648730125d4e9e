//! fjall, each insert followed by `persist(SyncAll)`.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::peer::{Peer, Record, text};

pub struct Fjall;

impl Peer for Fjall {
    fn name(&self) -> &'static str {
        "fjall, SyncAll"
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let (db, keyspace) = open(dir)?;
        for (at, record) in (0_u32..).zip(records) {
            keyspace.insert(at.to_be_bytes(), record.as_slice()).map_err(text)?;
            db.persist(PersistMode::SyncAll).map_err(text)?;
        }
        acknowledged();
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let (_db, keyspace) = open(dir)?;
        let values = keyspace.iter().map(|item| item.value().map(|value| value.to_vec()));
        values.collect::<Result<_, _>>().map_err(text)
    }
}

fn open(dir: &Path) -> Result<(Database, Keyspace), String> {
    let db = Database::builder(dir).open().map_err(text)?;
    let keyspace = db.keyspace("records", KeyspaceCreateOptions::default).map_err(text)?;
    Ok((db, keyspace))
}
