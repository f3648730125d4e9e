//! Results as JSON, given and read back: what the command line prints is what a server answers,
//! and whoever asks a server reads it back into the types of this crate.
//!
//! Amounts are decimal strings, exact, without a float on the way; instants are texts in UTC; what
//! is absent is null. Whoever reads passes over fields that are not known here, since a newer
//! version may tell more, and refuses values that are not what their field says. Nothing here
//! knows where JSON comes from or goes to.

#![allow(
    dead_code,
    unused_imports,
    reason = "a build may have only one of those who write an answer and those who read it back"
)]

mod amount;
mod currency;
mod customer;
mod frame;
mod info;
mod instant;
mod lifespan;
mod line;
mod log_id;
mod problem;
mod question;
mod receipt;
mod record;
#[cfg(feature = "serve")]
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod top;

pub(crate) use amount::amount;
pub(crate) use customer::{KnownJson, RankedJson};
pub(crate) use frame::FrameJson;
#[cfg(feature = "remote")]
pub(crate) use info::PartJson;
#[cfg(feature = "serve")]
pub(crate) use info::PartitionJson;
pub(crate) use info::{InfoJson, PartsJson};
pub(crate) use instant::instant;
pub(crate) use line::line;
pub(crate) use problem::ProblemJson;
pub(crate) use question::frame_name;
pub(crate) use receipt::{ReceiptJson, RejectedJson, SyncedJson};
pub(crate) use record::{RecordLine, write_caught_up, write_record};
pub(crate) use top::TopJson;
