//! The server: one process owns a log, and people and programs reach it over HTTP.
//!
//! It is an edge like the command line and uses the library's public API alone. Requests are read
//! by the runtime's threads (`ingest`, `stream`), committed by one thread for all who wait
//! (`commit`), folded by another one that knows every answer at once (`live`), and told to
//! followers (`follow`). What is asked for is read in `asked`, what a request may do is decided in
//! `auth`, how much of it in `limits`. What answers look like is `crate::wire`'s; the page for
//! people is `page`'s.

mod accept;
mod answers;
mod api;
mod asked;
mod auth;
mod board;
mod columns;
mod commit;
mod fold;
mod follow;
mod guard;
mod hub;
mod ingest;
mod limits;
mod live;
mod metrics;
mod page;
mod problem;
mod process;
mod run;
mod state;
mod stream;
mod tell;
mod top;
mod weeks;

pub use limits::Limits;
pub use run::{Config, Failure, LogFormat, SERVER_FILE, TlsFiles, run};
