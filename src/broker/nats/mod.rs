//! NATS JetStream: one stream for each partition, with one subject.
//!
//! A stream's metadata say which partition of how many it is, so that nobody sends or reads by
//! another number of partitions.

mod inlet;
mod monitor;
mod outlet;

use std::collections::HashMap;
use std::error::Error;
use std::num::NonZeroU16;
use std::time::Duration;
use std::{io, iter};

use async_nats::jetstream::context::{
    ContextBuilder, CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::{Context, ErrorCode, stream};
use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions};
use tokio::runtime::Runtime;

pub(crate) use self::inlet::NatsInlet;
pub(crate) use self::monitor::{Syncing, ask};
pub(crate) use self::outlet::NatsOutlet;
use super::retry::{Retry, Stop};
use super::{Place, Trouble};
use crate::Partition;

/// How long an answer may take before it is asked for again. Less than events are held, so that one
/// that waited for an acknowledgement in vain still comes in time for those that were sent after it.
const ANSWER: Duration = Duration::from_secs(3);
/// A stream's metadata.
const PARTITION: &str = "ltvlog-partition";
/// How long a stream remembers the ids of messages.
const REMEMBERED: Duration = Duration::from_secs(120);
/// The longest name of streams: a partition's number is added to it.
const NAME_BYTES_MAX: usize = 200;

/// Refuses what can be no name of streams and subjects.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_plain) {
        return Err(format!(
            "{name:?} can be no name of streams: it takes 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`"
        ));
    }
    Ok(())
}

/// The stream of a partition.
pub(crate) fn stream_name(name: &str, partition: u16) -> String {
    format!("{name}-{partition:05}")
}

/// The subject of a partition.
pub(crate) fn subject(name: &str, partition: u16) -> String {
    format!("{name}.{partition:05}")
}

/// Connects, however long that takes.
async fn connect(place: &Place, stop: &Stop, note: &dyn Fn(&str)) -> Result<Context, Trouble> {
    let mut retry = Retry::new(place.give_up, Stop::clone(stop));
    let servers: Vec<&str> = place.servers.split(',').map(str::trim).collect();
    loop {
        let options = options(place).await?;
        match options.connect(servers.as_slice()).await {
            Ok(client) => {
                let context = ContextBuilder::new().timeout(ANSWER).max_ack_inflight(1 << 16);
                return Ok(context.build(client));
            }
            Err(error) if is_not_let_in(&error) => {
                return Err(not_let_in(place, &error));
            }
            Err(error) => {
                let trouble = unreachable(place, &error);
                if retry.is_fresh() {
                    note(&format!("{}; trying again", trouble.text()));
                }
                if !retry.wait().await {
                    return Err(trouble);
                }
            }
        }
    }
}

/// Whether the servers, or this side, refuse what there is to be let in with, and not only do not
/// answer now. What TLS refuses comes as an I/O error with a cause.
fn is_not_let_in(error: &ConnectError) -> bool {
    match error.kind() {
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Authentication
        | ConnectErrorKind::AuthorizationViolation => true,
        ConnectErrorKind::Io | ConnectErrorKind::Tls => causes(error).any(|cause| {
            let cause = cause.downcast_ref::<io::Error>().map(io::Error::kind);
            cause.is_some_and(|kind| LASTING.contains(&kind))
        }),
        ConnectErrorKind::Dns | ConnectErrorKind::TimedOut | ConnectErrorKind::MaxReconnects => {
            false
        }
    }
}

/// A handshake that fails, an address that is none, a file that is not there or not to be read.
const LASTING: [io::ErrorKind; 4] = [
    io::ErrorKind::InvalidData,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::NotFound,
    io::ErrorKind::PermissionDenied,
];

/// What it was caused by, down to the first cause.
fn causes(error: &ConnectError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |&cause| cause.source())
}

/// What to do about it.
fn not_let_in(place: &Place, error: &ConnectError) -> Trouble {
    let is_violation = matches!(error.kind(), ConnectErrorKind::AuthorizationViolation);
    let hint = match (is_violation, &place.access.credentials) {
        (true, None) => ": `--creds FILE` says who asks",
        (true, Some(_)) => ": the servers do not take these credentials",
        (false, _) => "",
    };
    Trouble::Lasting(format!("{}{hint}", unreachable(place, error).text()))
}

fn unreachable(place: &Place, error: &ConnectError) -> Trouble {
    Trouble::passing(&format!("cannot connect to {}", place.servers), error)
}

async fn options(place: &Place) -> Result<ConnectOptions, Trouble> {
    let mut options = ConnectOptions::new().name("ltvlog").request_timeout(Some(ANSWER));
    if let Some(path) = &place.access.authorities {
        options = options.add_root_certificates(path.clone());
    }
    if let Some(path) = &place.access.credentials {
        let what = format!("cannot use the credentials in {}", path.display());
        let read = tokio::fs::read_to_string(path).await;
        let with = read.and_then(|text| options.credentials(&text));
        options = with.map_err(|error| Trouble::lasting(&what, &error))?;
    }
    Ok(options)
}

/// The stream of one partition as it is now.
async fn found(
    context: &Context,
    name: &str,
    partition: Partition,
) -> Result<Option<stream::Info>, Trouble> {
    let stream = stream_name(name, partition.number());
    let what = format!("cannot look at the stream {stream}");
    match context.get_stream(&stream).await {
        Ok(found) => {
            let info = found.cached_info().clone();
            check(&info.config, name, partition).map_err(Trouble::Lasting)?;
            Ok(Some(info))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Trouble::passing(&what, &error)),
    }
}

fn is_missing(error: &GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        GetStreamErrorKind::EmptyName
        | GetStreamErrorKind::Request
        | GetStreamErrorKind::InvalidStreamName => false,
    }
}

/// Refuses a stream that is none of this partition's.
fn check(config: &stream::Config, name: &str, partition: Partition) -> Result<(), String> {
    let stream = &config.name;
    if let Some(is) = config.metadata.get(PARTITION).filter(|is| **is != partition.to_string()) {
        return Err(format!(
            "the stream {stream} is partition {is}, and was taken for {partition}: say as many \
             partitions as it was made for"
        ));
    }
    let subject = subject(name, partition.number());
    if config.mirror.is_none() && !config.subjects.contains(&subject) {
        return Err(format!("the stream {stream} does not take the subject {subject}"));
    }
    Ok(())
}

/// Makes the stream of one partition.
async fn create(
    context: &Context,
    name: &str,
    partition: Partition,
    replicas: usize,
) -> Result<(), Trouble> {
    let stream = stream_name(name, partition.number());
    let what = format!("cannot make the stream {stream}");
    let config = stream::Config {
        name: stream,
        subjects: vec![subject(name, partition.number())],
        storage: stream::StorageType::File,
        discard: stream::DiscardPolicy::New,
        duplicate_window: REMEMBERED,
        num_replicas: replicas,
        metadata: HashMap::from([(PARTITION.to_owned(), partition.to_string())]),
        ..stream::Config::default()
    };
    match context.create_stream(config).await {
        Ok(_) => Ok(()),
        Err(error) if is_refused(&error) => Err(Trouble::lasting(&what, &error)),
        Err(error) => Err(Trouble::passing(&what, &error)),
    }
}

/// Whether the answer would be the same if it were asked for again: the server has judged what it
/// was asked for, and is not only unable to do it now (code 503).
fn is_refused(error: &CreateStreamError) -> bool {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => error.code() < 500,
        CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet => true,
        CreateStreamErrorKind::JetStreamUnavailable
        | CreateStreamErrorKind::TimedOut
        | CreateStreamErrorKind::Response
        | CreateStreamErrorKind::NotFound
        | CreateStreamErrorKind::ResponseParse => false,
    }
}

/// Connects, and looks for the streams of all partitions; makes those that are missing, with so many
/// replicas, if that is asked for.
pub(crate) fn outlet(
    runtime: &Runtime,
    place: &Place,
    replicas: Option<usize>,
    stop: &Stop,
    note: &dyn Fn(&str),
) -> Result<NatsOutlet, Trouble> {
    runtime.block_on(async {
        let context = connect(place, stop, note).await?;
        let mut retry = Retry::new(place.give_up, Stop::clone(stop));
        for number in 0..place.partitions.get() {
            let partition = partition(number, place.partitions)?;
            loop {
                let trouble = match prepared(&context, &place.name, partition, replicas).await {
                    Ok(()) => break,
                    Err(trouble) => trouble,
                };
                if retry.is_fresh() && matches!(trouble, Trouble::Passing(_)) {
                    note(&format!("{}; trying again", trouble.text()));
                }
                if matches!(trouble, Trouble::Lasting(_)) || !retry.wait().await {
                    return Err(trouble);
                }
            }
            retry.fine();
        }
        Ok(NatsOutlet::new(context, &place.name, place.partitions))
    })
}

async fn prepared(
    context: &Context,
    name: &str,
    partition: Partition,
    replicas: Option<usize>,
) -> Result<(), Trouble> {
    match (found(context, name, partition).await?, replicas) {
        (Some(_), _) => Ok(()),
        (None, Some(replicas)) => create(context, name, partition, replicas).await,
        (None, None) => {
            let stream = stream_name(name, partition.number());
            Err(Trouble::Lasting(format!(
                "there is no stream {stream}: `publish --create` makes it"
            )))
        }
    }
}

fn partition(number: u16, of: NonZeroU16) -> Result<Partition, Trouble> {
    Partition::new(number, of.get()).map_err(|error| Trouble::Lasting(error.to_string()))
}

/// Connects, to read one partition.
pub(crate) fn inlet(
    runtime: &Runtime,
    place: &Place,
    partition: Partition,
    stop: &Stop,
    note: &dyn Fn(&str),
) -> Result<NatsInlet, Trouble> {
    let context = runtime.block_on(connect(place, stop, note))?;
    Ok(NatsInlet::new(context, &place.name, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_bounded() {
        for name in ["e", "EVENTS_2-b", &"x".repeat(NAME_BYTES_MAX)] {
            check_name(name).expect(name);
        }
        for name in ["", "a.b", "a b", "a*", ">", "é", &"x".repeat(NAME_BYTES_MAX + 1)] {
            check_name(name).expect_err(name);
        }
        assert_eq!(stream_name("e", 7), "e-00007");
        assert_eq!(subject("e", u16::MAX), "e.65535");
    }

    #[test]
    fn a_stream_of_another_number_of_partitions_is_refused() {
        let mut config = stream::Config { name: "e-00001".to_owned(), ..stream::Config::default() };
        let partition: Partition = "1/4".parse().expect("a partition");
        let told = check(&config, "e", partition).expect_err("it has no subject");
        assert!(told.contains("e.00001"), "{told}");
        config.subjects = vec!["e.00001".to_owned()];
        assert_eq!(check(&config, "e", partition), Ok(()), "somebody else made it");
        config.metadata.insert(PARTITION.to_owned(), "1/4".to_owned());
        assert_eq!(check(&config, "e", partition), Ok(()));
        let told = check(&config, "e", "1/2".parse().expect("one")).expect_err("of four");
        assert!(told.contains("is partition 1/4, and was taken for 1/2"), "{told}");
    }
}
