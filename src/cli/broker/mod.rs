//! `publish` and `ingest`: events by way of a broker.

mod ingest;
mod intake;
mod patience;
mod publish;
mod report;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, ArgMatches, Args, Subcommand, value_parser};

use super::args::{Command, NewLogArgs, Shared};
use super::failure::{Ending, Failure};
use super::interrupt::Interrupt;
use super::is_given;
use super::out::Out;
use crate::Partition;
use crate::broker::{Access, Place, Trouble};

/// Commands that a broker stands behind.
#[derive(Debug, Subcommand)]
pub(crate) enum BrokerCommand {
    /// Send events to a broker, each to the partition of its customer
    #[command(after_help = PUBLISH_HELP)]
    Publish(PublishArgs),
    /// Take one partition of a broker into a log
    #[command(after_help = INGEST_HELP)]
    Ingest(IngestArgs),
}

/// The longest time that an option takes: a year.
const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

const PUBLISH_HELP: &str = "\
Examples:
  ltvlog publish --nats nats://127.0.0.1:4222 --stream events --partitions 4 --create --replicas 1 events.json
  ltvlog publish --kafka 127.0.0.1:9092 --topic events --partitions 4 events.json

An event is in the receipt once the broker has acknowledged it. A call that failed or was interrupted
can be repeated: what the broker or the log has already is a duplicate and changes nothing.";

const INGEST_HELP: &str = "\
Examples:
  ltvlog ingest --nats nats://127.0.0.1:4222 --stream events --partition 0/4 --log log-0
  ltvlog ingest --kafka 127.0.0.1:9092 --topic events --partition 0/4 --log log-0 --until-caught-up

How far the partition has been read stands in the log, in the batch of the events themselves: after
a restart, a kill or a move to another machine each event is in the log once.";

/// Where the broker is and what it takes to be let in.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("broker").required(true).multiple(false))]
pub(crate) struct BrokerArgs {
    /// NATS servers with JetStream, with commas between them: nats://HOST:PORT, tls://HOST:PORT
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "URLS", group = "broker", requires = "stream")]
    pub(crate) nats: Option<String>,
    /// Kafka brokers, with commas between them: HOST:PORT
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "BROKERS", group = "broker", requires = "topic")]
    pub(crate) kafka: Option<String>,
    /// What the streams are called: NAME-00000 takes the subject NAME.00000, and so on
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "NAME", requires = "nats")]
    pub(crate) stream: Option<String>,
    /// The topic
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "NAME", requires = "kafka")]
    pub(crate) topic: Option<String>,
    /// File of credentials for NATS
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) creds: Option<PathBuf>,
    /// File of authorities, PEM, that vouch for the NATS servers, beside those of the system
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) broker_ca_file: Option<PathBuf>,
    /// An option of librdkafka, which may be given more than once; none that lowers what an
    /// acknowledgement is worth
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "KEY=VALUE", requires = "kafka", value_parser = setting)]
    pub(crate) kafka_option: Vec<(String, String)>,
    /// Fail once the broker has not answered for so long [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(crate) give_up: Option<u64>,
}

/// Which broker is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    #[cfg(feature = "nats")]
    Nats,
    #[cfg(feature = "kafka")]
    Kafka,
}

impl BrokerArgs {
    /// The broker, and the streams or the topic there.
    fn place(&self, partitions: NonZeroU16) -> Result<(Which, Place), Failure> {
        let give_up = self.give_up.map(Duration::from_secs);
        #[cfg(feature = "nats")]
        if let (Some(servers), Some(name)) = (&self.nats, &self.stream) {
            crate::broker::nats::check_name(name).map_err(Failure::Usage)?;
            crate::broker::nats::check_servers(servers).map_err(Failure::Usage)?;
            let access = Access {
                credentials: self.creds.clone(),
                authorities: self.broker_ca_file.clone(),
                ..Access::default()
            };
            let (servers, name) = (servers.clone(), name.clone());
            return Ok((Which::Nats, Place { servers, name, partitions, access, give_up }));
        }
        #[cfg(feature = "kafka")]
        if let (Some(servers), Some(name)) = (&self.kafka, &self.topic) {
            crate::broker::kafka::check_name(name).map_err(Failure::Usage)?;
            crate::broker::kafka::check_servers(servers).map_err(Failure::Usage)?;
            let access = Access { options: self.kafka_option.clone(), ..Access::default() };
            let (servers, name) = (servers.clone(), name.clone());
            return Ok((Which::Kafka, Place { servers, name, partitions, access, give_up }));
        }
        Err(Failure::Usage("a broker and a name are needed".to_owned()))
    }
}

#[derive(Args, Debug)]
pub(crate) struct PublishArgs {
    /// JSON arrays, NDJSON or single events; plain, gzip or zstd; `-` or none: standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// How many partitions there are
    #[arg(long, value_name = "N")]
    pub(crate) partitions: NonZeroU16,
    /// Make the streams or the topic, if they are missing; refuse those that keep less than made ones
    #[arg(long)]
    pub(crate) create: bool,
    /// On how many servers the broker keeps what is made by --create
    #[arg(long, value_name = "N", default_value_t = 3, requires = "create", value_parser = value_parser!(u8).range(1..=5))]
    pub(crate) replicas: u8,
    /// Address of a NATS server's monitoring port, which tells whether it syncs before it
    /// acknowledges: http://HOST:PORT; may be given for each server
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "URL", requires = "nats")]
    pub(crate) monitor: Vec<String>,
    /// Add each rejected event to FILE as a line of JSON, which `publish` reads like any input
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// The currency of the logs that the events are for [default: USD]
    #[arg(long, value_name = "CODE", value_parser = super::args::currency)]
    pub(crate) currency: Option<[u8; 3]>,
    /// The event times that these logs take, TO not included [default: 1970-01-01..2100-01-01]
    #[arg(long, value_name = "FROM..TO", value_parser = super::time::range)]
    pub(crate) time_range: Option<(i64, i64)>,
}

#[derive(Args, Debug)]
pub(crate) struct IngestArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// Which partition, from 0, of how many; the log is made for it
    #[arg(long, value_name = "K/N")]
    pub(crate) partition: Partition,
    /// End when nothing is left to be read, instead of waiting for more
    #[arg(long)]
    pub(crate) until_caught_up: bool,
    /// Begin with the first message that there is, whatever the log has read: what it has already
    /// is a duplicate
    #[arg(long)]
    pub(crate) from_first: bool,
    /// Give up events whose customer or order did not come after EVENTS or SECONDS
    /// [default: 100000,5s]
    #[arg(long, value_name = "EVENTS,SECONDS", value_parser = super::hold::parse)]
    pub(crate) hold_max: Option<crate::HoldMax>,
    /// Add each rejected message to FILE as a line of JSON, which `append` reads like any input
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Time between two reports of how far it is
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(crate) report: u64,
    #[command(flatten)]
    pub(crate) new: NewLogArgs,
}

/// Refuses a log that `publish` would pass over.
pub(crate) fn fits(command: &Command, matches: &ArgMatches) -> Result<(), Failure> {
    if matches!(command, Command::Broker(BrokerCommand::Publish(_))) && is_given(matches, "log") {
        let reason = "`publish` reads files, and no log: `ltvlog export --log DIR | ltvlog publish …` sends \
                      what a log has";
        return Err(Failure::Usage(reason.to_owned()));
    }
    Ok(())
}

/// Runs the command.
pub(crate) fn run(
    shared: &Shared,
    command: &BrokerCommand,
    out: &mut Out,
) -> Result<Ending, Failure> {
    match command {
        BrokerCommand::Publish(args) => publish::run(args, out),
        BrokerCommand::Ingest(args) => ingest::run(shared, args, out),
    }
}

/// A signal, as the room of brokers looks at it.
fn stop(interrupt: &Interrupt) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let interrupt = interrupt.clone();
    Arc::new(move || interrupt.came())
}

/// What is said of a broker that did not do what it was asked for.
fn failure(trouble: &Trouble) -> Failure {
    Failure::Other(trouble.text().to_owned())
}

#[cfg(feature = "kafka")]
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("this is KEY=VALUE, such as linger.ms=20")?;
    crate::broker::kafka::check_option(key, value)?;
    Ok((key.to_owned(), value.to_owned()))
}
