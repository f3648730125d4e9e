//! SQLite in WAL mode, `synchronous=FULL`, bundled. The table was made and checkpointed before;
//! killed, the records are in the WAL, closed, they are in the main file.

use std::path::Path;

use rusqlite::Connection;

use crate::peer::{Peer, Record, text};

pub struct Sqlite;

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite, WAL, FULL"
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let db = open(dir)?;
        let schema = "CREATE TABLE records (id INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;";
        db.execute_batch(schema).map_err(text)?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(text)?;
        for record in records {
            db.execute("INSERT INTO records (record) VALUES (?1)", [record]).map_err(text)?;
        }
        acknowledged();
        db.close().map_err(|(_, error)| text(error))
    }

    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let db = open(dir)?;
        let mut query = db.prepare("SELECT record FROM records ORDER BY id").map_err(text)?;
        let rows = query.query_map([], |row| row.get(0)).map_err(text)?;
        rows.collect::<Result<_, _>>().map_err(text)
    }

    fn check(&self, dir: &Path) -> Option<Result<(), String>> {
        let found = open(dir).and_then(|db| {
            let query = "PRAGMA integrity_check";
            db.query_row(query, [], |row| row.get::<_, String>(0)).map_err(text)
        });
        Some(found.and_then(|found| if found == "ok" { Ok(()) } else { Err(found) }))
    }
}

fn open(dir: &Path) -> Result<Connection, String> {
    let db = Connection::open(dir.join("records.db")).map_err(text)?;
    db.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).map_err(text)?;
    db.execute_batch("PRAGMA synchronous=FULL").map_err(text)?;
    Ok(db)
}
