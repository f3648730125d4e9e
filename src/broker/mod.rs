//! Brokers: events by way of an engine that carries, copies and keeps them.
//!
//! Transport, replication and failover are the broker's. What is here is what it takes to put an
//! event into the partition of its customer and to wait for the acknowledgement, and to read one
//! partition from a position on. Nothing is asked of a broker's own cursors: the position of a
//! reader lives in the log that it feeds, in the batch of the events that it has read.
//!
//! Two small traits are all that a broker is to the rest of the program: an [`Outlet`] takes
//! messages, an [`Inlet`] gives them. All that is asynchronous stays in this room.

#[cfg(feature = "kafka")]
pub(crate) mod kafka;
pub(crate) mod message_id;
#[cfg(feature = "nats")]
pub(crate) mod nats;
pub(crate) mod parcel;
pub(crate) mod position;
pub(crate) mod publisher;
pub(crate) mod pump;
mod retry;
#[cfg(test)]
mod trial;

use std::num::NonZeroU16;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::parcel::Parcel;
use self::position::Extent;

/// Why a broker did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may do it when it is asked again.
    Passing(String),
    /// Asking again is of no use, and what to do about it.
    Lasting(String),
}

impl Trouble {
    /// What happened.
    pub(crate) fn text(&self) -> &str {
        match self {
            Trouble::Passing(text) | Trouble::Lasting(text) => text,
        }
    }

    pub(crate) fn passing(what: &str, error: &dyn std::error::Error) -> Trouble {
        Trouble::Passing(told(what, error))
    }

    pub(crate) fn lasting(what: &str, error: &dyn std::error::Error) -> Trouble {
        Trouble::Lasting(told(what, error))
    }
}

/// An error with its causes, as far as they say more than it does.
fn told(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Refuses a stream or topic that was there already and keeps less than what would have been made, and
/// only says so where nothing was to be made.
fn refuse_less(
    what: &str,
    lacks: &[String],
    create: bool,
    note: &dyn Fn(&str),
) -> Result<(), Trouble> {
    let all = lacks.join("; ");
    match (lacks.is_empty(), create) {
        (true, _) => Ok(()),
        (false, true) => Err(Trouble::Lasting(format!(
            "{what} is there, and not as `--create` makes it: {all}. Alter it, or leave out `--create`"
        ))),
        (false, false) => {
            note(&format!("{what} may lose what it has acknowledged: {all}"));
            Ok(())
        }
    }
}

/// A message is on as many disks as the broker was told to keep it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// The broker had it already, and keeps it once.
    pub(crate) is_duplicate: bool,
}

/// A message on its way to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// The partition that it belongs to.
    pub(crate) partition: u16,
    /// The same for the same event.
    pub(crate) id: String,
    /// The event as it came.
    pub(crate) payload: Vec<u8>,
}

/// What a publisher needs of a broker.
pub(crate) trait Outlet: Send + Sync {
    /// Ends with the acknowledgement of one message.
    type Pending: Future<Output = Result<Acknowledged, Trouble>> + Send + Unpin;

    /// Sends one message. Messages of one partition reach the broker in the order in which they are
    /// sent, unless one is sent again.
    fn send(
        &self,
        message: &Outgoing,
    ) -> impl Future<Output = Result<Self::Pending, Trouble>> + Send;

    /// How long an event may be.
    fn payload_bytes_max(&self) -> usize;

    /// The same trouble, with what the broker said beside the answer that did not come.
    fn explain(&self, trouble: Trouble) -> Trouble {
        trouble
    }
}

/// What an ingester needs of a broker: one partition, from a position on.
pub(crate) trait Inlet: Send {
    /// What the partition holds now.
    fn extent(&mut self) -> impl Future<Output = Result<Extent, Trouble>> + Send;

    /// When the message at a position was stored, in µs since 1970, if there is one and the broker
    /// tells.
    fn stored_at(
        &mut self,
        position: u64,
    ) -> impl Future<Output = Result<Option<i64>, Trouble>> + Send;

    /// Begins to read at a position, whatever was read before. Where messages are gone, and the broker
    /// tells, that is trouble, but for those below `gaps_below`.
    fn begin(
        &mut self,
        at: u64,
        gaps_below: u64,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Adds what there is, once there is something, until the parcel is full; nothing if nothing
    /// comes for as long as `wait`.
    fn next(
        &mut self,
        parcel: &mut Parcel,
        wait: Duration,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// How many messages there are beyond those that were given.
    fn lag(&mut self) -> impl Future<Output = Result<u64, Trouble>> + Send;

    /// The same trouble, with what the broker said beside the answer that did not come.
    fn explain(&self, trouble: Trouble) -> Trouble {
        trouble
    }
}

/// A stream or topic of several partitions, as both commands name it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where the broker is: addresses with commas between them.
    pub(crate) servers: String,
    /// The name of the stream or topic.
    pub(crate) name: String,
    /// How many partitions it has.
    pub(crate) partitions: NonZeroU16,
    /// What it takes to be let in.
    pub(crate) access: Access,
    /// How long it may be without an answer before it is given up; for ever, if nothing is said.
    pub(crate) give_up: Option<Duration>,
}

/// What runs all that is asynchronous. Two threads carry what a broker gives and takes.
pub(crate) fn runtime() -> Result<Runtime, Trouble> {
    let built = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|error| Trouble::lasting("cannot start threads", &error))
}

/// What it takes to be let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// NATS: a file of credentials.
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "for NATS alone"))]
    pub(crate) credentials: Option<std::path::PathBuf>,
    /// NATS: the authorities that may vouch for the servers, in PEM, beside those of the system.
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "for NATS alone"))]
    pub(crate) authorities: Option<std::path::PathBuf>,
    /// Kafka: options of its library.
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "for Kafka alone"))]
    pub(crate) options: Vec<(String, String)>,
}
