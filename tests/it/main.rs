//! The integration tests: one binary, a module for each subject.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test fails by panicking, and nothing outside this binary sees its modules"
)]

// model: the oracle, from the specification alone; random: event files that lean on every rule;
// product: drives the store and compares its answers with the oracle's.
mod model;
mod product;
mod random;

// coverage: the random files do meet every rule; texts, files, differential, large, roundtrip,
// binary: the product agrees with the oracle; folds: and with itself, on any number of threads.
#[cfg(feature = "cli")]
mod binary;
mod coverage;
mod differential;
mod files;
mod folds;
mod large;
mod roundtrip;
mod texts;

// partitions: logs that share customers out answer as one log does.
mod partitions;

// threads: many callers of one log agree with the oracle, each about its own events.
mod threads;

// decoder: the second reader, from docs/format.md alone, agrees with the product.
mod decoder;

// backup: a log copied while it is written to, and made a log again.
mod backup;

// events, same_event: what is an event, and which are the same; reading, reading_faults, rejects:
// sources of events, whole and broken; blocks: the same in blocks and on several threads.
mod blocks;
mod events;
mod reading;
mod reading_faults;
mod rejects;
mod same_event;

// cli: the contract of the command line; transcripts: what the documentation shows does happen.
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod transcripts;

// server: the log over HTTP, as the built program serves it.
#[cfg(all(feature = "cli", feature = "serve"))]
mod server;

// tidy: the house rules that a compiler does not know.
mod tidy;
