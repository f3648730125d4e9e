//! NATS JetStream: one stream for each partition, with one subject.

mod asker;
mod inlet;
mod monitor;
mod outlet;
mod refusals;
mod streams;

use std::error::Error;
use std::future::ready;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;
use std::{io, iter};

use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::{Context, stream};
use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use tokio::runtime::Runtime;

use self::asker::{Asker, asker};
pub(crate) use self::inlet::NatsInlet;
pub(crate) use self::monitor::{Syncing, ask, check_url};
pub(crate) use self::outlet::NatsOutlet;
use self::refusals::Refusals;
pub(crate) use self::streams::{check_name, stream_name};
use self::streams::{create, found, lacks, subject};
use super::retry::{Retry, Stop};
use super::{Place, Trouble, refuse_less};
use crate::Partition;

/// How long an answer may take before it is asked for again. Less than events are held, so that one
/// that waited for an acknowledgement in vain still comes in time for those that were sent after it.
const ANSWER: Duration = Duration::from_secs(3);
/// How often a stream is looked for before it is believed to be missing: a server that has just come
/// up may not know of it yet.
const LOOKS_MAX: u32 = 8;

/// Refuses what can be no list of servers.
pub(crate) fn check_servers(servers: &str) -> Result<(), String> {
    for server in each(servers) {
        let wrong = match server.parse::<ServerAddr>() {
            Ok(address) if !address.host().is_empty() => continue,
            Ok(_) => "it has no host".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(format!(
            "{:?} is no address of a NATS server, which is nats://HOST:PORT or tls://HOST:PORT: {wrong}",
            without_secrets(server)
        ));
    }
    asker(servers).map(|_| ())
}

fn each(servers: &str) -> impl Iterator<Item = &str> {
    servers.split(',').map(str::trim)
}

/// Servers as they may be shown: without who asks, and with what password.
fn without_secrets(servers: &str) -> String {
    let shown = |server| match (str::rsplit_once(server, '@'), str::split_once(server, "://")) {
        (Some((_, host)), Some((scheme, _))) => format!("{scheme}://{host}"),
        (Some((_, host)), None) => host.to_owned(),
        (None, _) => server.to_owned(),
    };
    each(servers).map(shown).collect::<Vec<_>>().join(",")
}

/// Connects, however long that takes.
async fn connect(
    place: &Place,
    stop: &Stop,
    note: &dyn Fn(&str),
) -> Result<(Context, Refusals), Trouble> {
    let servers: Vec<&str> = each(&place.servers).collect();
    let refusals = Refusals::default();
    let ask = async || {
        let heard = refusals.clone();
        let options = options(place).await?.event_callback(move |event| {
            heard.hear(&event);
            ready(())
        });
        let connected = options.connect(servers.as_slice()).await;
        connected.map_err(|error| unconnected(place, &error))
    };
    let client = Retry::new(place.give_up, Stop::clone(stop)).until(note, ask).await?;
    let context = ContextBuilder::new().timeout(ANSWER).max_ack_inflight(1 << 16).build(client);
    Ok((context, refusals))
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

/// What happened, and what to do about it.
fn unconnected(place: &Place, error: &ConnectError) -> Trouble {
    let what = format!("cannot connect to {}", without_secrets(&place.servers));
    let trouble = Trouble::passing(&what, error);
    if !is_not_let_in(error) {
        return trouble;
    }
    let is_violation = matches!(error.kind(), ConnectErrorKind::AuthorizationViolation);
    let is_told =
        place.access.credentials.is_some() || matches!(asker(&place.servers), Ok(Some(_)));
    let hint = match (is_violation, is_told) {
        (true, false) => ": `--creds FILE`, or nats://USER:PASSWORD@HOST, says who asks",
        (true, true) => ": the servers do not take these credentials",
        (false, _) => "",
    };
    Trouble::Lasting(format!("{}{hint}", trouble.text()))
}

async fn options(place: &Place) -> Result<ConnectOptions, Trouble> {
    let mut options = ConnectOptions::new().name("ltvlog").request_timeout(Some(ANSWER));
    if let Some(path) = &place.access.authorities {
        // They are asked for again where there is TLS; who names them in vain is to know it anyway.
        read("authorities", path).await?;
        options = options.add_root_certificates(path.clone());
    }
    if let Some(path) = &place.access.credentials {
        let with = options.credentials(&read("credentials", path).await?);
        return with.map_err(|error| unusable("credentials", path, &error));
    }
    // The client itself passes over what an address says of it.
    Ok(match asker(&place.servers).map_err(Trouble::Lasting)? {
        Some(Asker::User { name, password }) => options.user_and_password(name, password),
        Some(Asker::Token(token)) => options.token(token),
        None => options,
    })
}

async fn read(what: &str, path: &Path) -> Result<String, Trouble> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|error| unusable(what, path, &error))
}

fn unusable(what: &str, path: &Path, error: &io::Error) -> Trouble {
    Trouble::lasting(&format!("cannot use the {what} in {}", path.display()), error)
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
        let (context, refusals) = connect(place, stop, note).await?;
        let mut retry = Retry::new(place.give_up, Stop::clone(stop));
        let (mut weak, mut bytes_max) = (0_u32, usize::MAX);
        for number in 0..place.partitions.get() {
            let partition = partition(number, place.partitions)?;
            let mut looks = 0;
            let ask = async || {
                looks += 1;
                let prepared = prepared(&context, &place.name, partition, replicas, looks).await;
                prepared.map_err(|trouble| refusals.explain(trouble))
            };
            let config = retry.until(note, ask).await?.config;
            let lacks = lacks(&config, replicas);
            // Of a thousand streams one alike tells enough.
            let note: &dyn Fn(&str) = if weak == 0 { note } else { &|_| {} };
            refuse_less(&format!("the stream {}", config.name), &lacks, replicas.is_some(), note)?;
            weak += u32::from(!lacks.is_empty());
            bytes_max = bytes_max.min(message_bytes_max(&config));
        }
        if weak > 1 {
            note(&format!("so may {} more streams", weak - 1));
        }
        Ok(NatsOutlet::new(context, refusals, place, bytes_max))
    })
}

fn message_bytes_max(config: &stream::Config) -> usize {
    usize::try_from(config.max_message_size).ok().filter(|bytes| *bytes > 0).unwrap_or(usize::MAX)
}

async fn prepared(
    context: &Context,
    name: &str,
    partition: Partition,
    replicas: Option<usize>,
    looks: u32,
) -> Result<stream::Info, Trouble> {
    match (found(context, name, partition).await?, replicas) {
        (Some(found), _) => Ok(found),
        (None, Some(replicas)) => create(context, name, partition, replicas).await,
        (None, None) => {
            let stream = stream_name(name, partition.number());
            let text = format!("there is no stream {stream}: `publish --create` makes it");
            Err(if looks < LOOKS_MAX { Trouble::Passing(text) } else { Trouble::Lasting(text) })
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
    let (context, refusals) = runtime.block_on(connect(place, stop, note))?;
    Ok(NatsInlet::new(context, refusals, &place.name, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_servers_names_hosts() {
        for servers in ["h", "h:4222", "nats://h1:1, tls://u:p@h2", "nats://[::1]:4222"] {
            check_servers(servers).expect(servers);
        }
        for servers in
            ["", " ", "nats://", "nats://h,", ",h", "http://h", "nats://h:port", "tls://u:p@"]
        {
            check_servers(servers).expect_err(servers);
        }
    }

    #[test]
    fn no_password_is_shown() {
        let servers = "nats://me:s3cret@h1:4222, s3cret@h2,tls://h3";
        assert_eq!(without_secrets(servers), "nats://h1:4222,h2,tls://h3");
        let told = check_servers("nats://me:s3cret@h1:port").expect_err("no port");
        assert!(told.contains("\"nats://h1:port\"") && !told.contains("s3cret"), "{told}");
    }
}
