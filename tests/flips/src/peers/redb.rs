//! redb, one transaction a record. By default it trusts a file that was closed, and takes a
//! commit whose checksum is wrong for one that was cut off. Strict, it commits in two phases and
//! verifies every page's checksum when it opens.

use std::path::Path;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::peer::{Peer, Record, text};

pub struct Redb {
    name: &'static str,
    strict: bool,
}

const FILE: &str = "records.redb";
const RECORDS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("records");

impl Redb {
    pub const DEFAULT: Redb = Redb { name: "redb (default)", strict: false };
    pub const STRICT: Redb =
        Redb { name: "redb, two-phase commit, check_integrity_on_open", strict: true };

    fn open(&self, dir: &Path) -> Result<Database, String> {
        let mut builder = Builder::new();
        builder.set_check_integrity_on_open(self.strict);
        builder.open(dir.join(FILE)).map_err(text)
    }
}

impl Peer for Redb {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let db = Database::create(dir.join(FILE)).map_err(text)?;
        for (at, record) in (0_u32..).zip(records) {
            let mut transaction = db.begin_write().map_err(text)?;
            transaction.set_two_phase_commit(self.strict);
            let mut table = transaction.open_table(RECORDS).map_err(text)?;
            table.insert(at, record.as_slice()).map_err(text)?;
            drop(table);
            transaction.commit().map_err(text)?;
        }
        acknowledged();
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let db = self.open(dir)?;
        let transaction = db.begin_read().map_err(text)?;
        let table = transaction.open_table(RECORDS).map_err(text)?;
        let rows = table.iter().map_err(text)?;
        let values = rows.map(|row| row.map(|(_, value)| value.value().to_vec()));
        values.collect::<Result<_, _>>().map_err(text)
    }

    fn check(&self, dir: &Path) -> Option<Result<(), String>> {
        let found = self.open(dir).and_then(|mut db| db.check_integrity().map_err(text));
        Some(found.and_then(|whole| whole.then_some(()).ok_or("repaired".to_owned())))
    }
}
