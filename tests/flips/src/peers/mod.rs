//! The stores, one file each.

mod commitlog;
mod control;
mod fjall;
mod ltvlog;
mod okaywal;
mod raft_engine;
mod redb;
mod sqlite;

use crate::peer::Peer;

/// All stores, as the rows of the table.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(control::PlainLines),
        Box::new(self::ltvlog::Ltvlog),
        Box::new(sqlite::Sqlite),
        Box::new(self::fjall::Fjall),
        Box::new(self::okaywal::OkayWal),
        Box::new(self::raft_engine::RaftEngine::DEFAULT),
        Box::new(self::raft_engine::RaftEngine::ABSOLUTE),
        Box::new(self::commitlog::Commitlog),
        Box::new(self::redb::Redb::DEFAULT),
        Box::new(self::redb::Redb::STRICT),
    ]
}
