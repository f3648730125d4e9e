//! The Kafka protocol: one topic, whose partitions are ours.
//!
//! A producer that numbers its messages, so that what the library sends again is kept once and in
//! order; a consumer that is told its partition and offset, is in no group, and commits nothing.

mod inlet;
mod outlet;
#[cfg(test)]
mod tests;
mod topic;

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use tokio::runtime::Runtime;

pub(crate) use self::inlet::KafkaInlet;
pub(crate) use self::outlet::KafkaOutlet;
use self::topic::{Admin, Settings, Topic, lacks};
use super::retry::{Retry, Stop};
use super::{Place, Trouble, refuse_less};
use crate::Partition;

/// How long an answer may take before it is asked for again.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a reader looks for a topic that somebody else is to make.
const LOOKS_MAX: u32 = 8;
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

/// Refuses what can be no list of brokers.
pub(crate) fn check_servers(servers: &str) -> Result<(), String> {
    match servers.split(',').map(str::trim).find(|at| at.is_empty() || at.starts_with(':')) {
        Some(at) => Err(format!("{at:?} is no address of a Kafka broker, which is HOST:PORT")),
        None => Ok(()),
    }
}

/// Refuses options of the library that take from what an acknowledgement is worth.
pub(crate) fn check_option(key: &str, value: &str) -> Result<(), String> {
    let (stays, why) = match key {
        "acks" | "request.required.acks" => {
            ("all", "an event is acknowledged once all replicas in sync have it")
        }
        "enable.idempotence" => ("true", "what is sent again is kept once, and in order"),
        "allow.auto.create.topics" => (
            "false",
            "a topic that a broker makes by itself has neither our partitions nor keeps all",
        ),
        "auto.offset.reset" => ("error", "messages that are gone are not passed over"),
        "isolation.level" => ("read_committed", "what was taken back is no event"),
        _ => return Ok(()),
    };
    match value == stays || (stays == "all" && value == "-1") {
        true => Ok(()),
        false => Err(format!("{key} stays {stays}: {why}")),
    }
}

/// What all clients have in common.
fn config(place: &Place) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &place.servers).set("client.id", "ltvlog");
    // A producer that looks for a topic would have the broker make it, as the broker likes it.
    config.set("allow.auto.create.topics", "false");
    config
}

/// What somebody asked for goes before what is asked for here.
fn with_options(mut config: ClientConfig, place: &Place) -> ClientConfig {
    for (key, value) in &place.access.options {
        config.set(key, value);
    }
    config
}

/// A client that cannot be made. An option's value is not shown: it may be a password.
fn unusable(what: &str, error: &KafkaError) -> Trouble {
    if let KafkaError::ClientConfig(_, text, key, _) = error {
        return Trouble::Lasting(format!("{what}: {text} (`--kafka-option {key}=…`)"));
    }
    Trouble::lasting(what, error)
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
        let admin = Admin::new(place)?;
        let mut retry = Retry::new(place.give_up, Stop::clone(stop));
        let topic = retry.until(note, async || prepared(&admin, place, replicas).await).await?;
        let settings = admin.settings(&place.name).await.unwrap_or_else(|trouble| {
            note(trouble.text());
            Settings::new()
        });
        let lacks = lacks(&topic, &settings, replicas);
        refuse_less(&format!("the topic {}", place.name), &lacks, replicas.is_some(), note)?;
        if settings.get("flush.messages").is_none_or(|messages| messages != "1") {
            note(
                "Kafka's brokers acknowledge what they have in memory, and sync later: a power cut \
                 of all replicas in sync can take acknowledged events. The topic's \
                 `flush.messages=1` has each sync first",
            );
        }
        let bytes_max = settings.get("max.message.bytes").and_then(|bytes| bytes.parse().ok());
        KafkaOutlet::new(place, bytes_max)
    })
}

/// The topic, made if it is missing.
async fn prepared(admin: &Admin, place: &Place, replicas: Option<u8>) -> Result<Topic, Trouble> {
    let (name, wanted) = (&place.name, usize::from(place.partitions.get()));
    let mut topic = admin.look(place).await?;
    if let (None, Some(replicas)) = (&topic, replicas) {
        admin.create(place, replicas).await?;
        // Somebody else may have made it meanwhile, and otherwise.
        topic = admin.look(place).await?;
    }
    match (topic, replicas) {
        (Some(topic), _) if topic.partitions == wanted => Ok(topic),
        (Some(topic), _) => Err(Trouble::Lasting(format!(
            "the topic {name} has {} partitions, and was taken for one of {wanted}: say as many \
             partitions as it was made with",
            topic.partitions
        ))),
        (None, Some(_)) => {
            Err(Trouble::Passing(format!("the topic {name} was made, and is not there yet")))
        }
        (None, None) => Err(Trouble::Lasting(missing(name))),
    }
}

fn missing(name: &str) -> String {
    format!("there is no topic {name}: `publish --create` makes it")
}

/// To read one partition, once its broker answers and has the topic.
pub(crate) fn inlet(
    runtime: &Runtime,
    place: &Place,
    partition: Partition,
    stop: &Stop,
    note: &dyn Fn(&str),
) -> Result<KafkaInlet, Trouble> {
    runtime.block_on(async {
        let admin = Admin::new(place)?;
        let mut looks = 0;
        let ask = async || match admin.look(place).await? {
            Some(_) => Ok(()),
            None => {
                looks += 1;
                let text = missing(&place.name);
                Err(if looks < LOOKS_MAX { Trouble::Passing(text) } else { Trouble::Lasting(text) })
            }
        };
        Retry::new(place.give_up, Stop::clone(stop)).until(note, ask).await?;
        KafkaInlet::new(place, partition)
    })
}
