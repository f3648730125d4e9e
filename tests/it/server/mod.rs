//! The log over HTTP: the built program as a server, asked by a client of the tests' own.

#![allow(
    clippy::disallowed_methods,
    reason = "what another process does cannot always be waited for, only looked for again"
)]

mod bounds;
mod client;
mod crash;
mod document;
mod followers;
mod hostile;
mod kept;
mod metrics;
mod model;
mod partitions;
mod process;
mod schemas;
mod tokens;

use std::path::Path;

use tempfile::TempDir;

use process::Server;

/// A directory of one test.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A server of the log in this directory.
    #[track_caller]
    fn serve(&self, args: &[&str]) -> Server {
        Server::start(&self.path().join("log"), args)
    }
}

/// An event that makes a customer.
fn customer(id: &str) -> String {
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"{id}","event_time":"2017-01-06T12:46:46Z"}}"#
    )
}

/// An event that gives a customer an order.
fn order(key: &str, id: &str, amount: &str) -> String {
    format!(
        r#"{{"type":"ORDER","verb":"NEW","key":"{key}","event_time":"2017-01-06T12:50:00Z","customer_id":"{id}","total_amount":"{amount} USD"}}"#
    )
}

/// Whether tests take minutes instead of seconds.
fn is_long() -> bool {
    std::env::var("LTVLOG_TIER").is_ok_and(|tier| tier == "ci" || tier == "campaign")
}
