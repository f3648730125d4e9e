//! The Kafka protocol: one topic, whose partitions are ours.
//!
//! A producer that numbers its messages, so that what the library sends again is kept once and in
//! order; a consumer that is told its partition and offset, is in no group, and commits nothing.

mod inlet;
mod outlet;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use tokio::runtime::Runtime;

pub(crate) use self::inlet::KafkaInlet;
pub(crate) use self::outlet::KafkaOutlet;
use super::retry::{Retry, Stop};
use super::{Place, Trouble};
use crate::Partition;

/// How long an answer may take before it is asked for again.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest name that Kafka takes.
const NAME_BYTES_MAX: usize = 249;

/// Refuses what can be no name of a topic.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    // A mark's source has 255 bytes, with the partition's number.
    let is_short = name.len() <= NAME_BYTES_MAX - 10;
    if name.is_empty() || !is_short || name == "." || name == ".." || !name.bytes().all(is_plain) {
        return Err(format!(
            "{name:?} can be no name of a topic: it takes 1 to {} letters, digits, `-`, `_` and `.`",
            NAME_BYTES_MAX - 10
        ));
    }
    Ok(())
}

/// What producer and consumer have in common.
fn config(place: &Place) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &place.servers).set("client.id", "ltvlog");
    config
}

/// What somebody asked for goes before what is asked for here.
fn with_options(mut config: ClientConfig, place: &Place) -> ClientConfig {
    for (key, value) in &place.access.options {
        config.set(key, value);
    }
    config
}

/// Looks for the topic; makes it, kept by so many brokers, if that is asked for.
pub(crate) fn outlet(
    runtime: &Runtime,
    place: &Place,
    replicas: Option<u8>,
    stop: &Stop,
    note: &dyn Fn(&str),
) -> Result<KafkaOutlet, Trouble> {
    runtime.block_on(async {
        let outlet = KafkaOutlet::new(place)?;
        let mut retry = Retry::new(place.give_up, Stop::clone(stop));
        loop {
            let trouble = match prepared(&outlet, place, replicas).await {
                Ok(()) => return Ok(outlet),
                Err(trouble) => trouble,
            };
            if retry.is_fresh() && matches!(trouble, Trouble::Passing(_)) {
                note(&format!("{}; trying again", trouble.text()));
            }
            if matches!(trouble, Trouble::Lasting(_)) || !retry.wait().await {
                return Err(trouble);
            }
        }
    })
}

async fn prepared(
    outlet: &KafkaOutlet,
    place: &Place,
    replicas: Option<u8>,
) -> Result<(), Trouble> {
    let (name, wanted) = (&place.name, usize::from(place.partitions.get()));
    let producer = outlet.producer.clone();
    let topic = name.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = producer.client().fetch_metadata(Some(&topic), ANSWER)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok::<usize, KafkaError>(
            found
                .filter(|found| found.error().is_none())
                .map_or(0, |found| found.partitions().len()),
        )
    });
    let asked = asked.await.map_err(|error| Trouble::lasting("a thread ended", &error))?;
    let what = format!("cannot look at the topic {name} of {}", place.servers);
    let count = asked.map_err(|error| Trouble::passing(&what, &error))?;
    match (count, replicas) {
        (0, Some(replicas)) => create(place, replicas).await,
        (0, None) => {
            Err(Trouble::Lasting(format!("there is no topic {name}: `publish --create` makes it")))
        }
        (count, _) if count == wanted => Ok(()),
        (count, _) => Err(Trouble::Lasting(format!(
            "the topic {name} has {count} partitions, and was taken for one of {wanted}: say as \
             many partitions as it was made with"
        ))),
    }
}

async fn create(place: &Place, replicas: u8) -> Result<(), Trouble> {
    let what = format!("cannot make the topic {}", place.name);
    let admin: AdminClient<DefaultClientContext> = with_options(config(place), place)
        .create()
        .map_err(|error| Trouble::lasting(&what, &error))?;
    let in_sync = (replicas / 2 + 1).to_string();
    let replication = TopicReplication::Fixed(i32::from(replicas));
    let topic = NewTopic::new(&place.name, i32::from(place.partitions.get()), replication)
        .set("min.insync.replicas", &in_sync)
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("cleanup.policy", "delete");
    let options = AdminOptions::new().request_timeout(Some(ANSWER));
    let made = admin.create_topics([&topic], &options).await;
    let made = made.map_err(|error| Trouble::passing(&what, &error))?;
    match made.into_iter().next() {
        Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
            Err(Trouble::lasting(&what, &code))
        }
        Some(_) | None => Ok(()),
    }
}

/// To read one partition.
pub(crate) fn inlet(
    runtime: &Runtime,
    place: &Place,
    partition: Partition,
    _: &Stop,
    _: &dyn Fn(&str),
) -> Result<KafkaInlet, Trouble> {
    let _inside = runtime.enter();
    KafkaInlet::new(place, partition)
}
