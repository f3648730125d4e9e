//! The topic: what is known of it, how it is made, and what one lacks that was there already.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{ANSWER, config, unusable, with_options};
use crate::broker::{Place, Trouble};

/// How long one look at a topic may take. What begins to connect meanwhile goes on with it.
const LOOK: Duration = Duration::from_secs(3);
/// With fewer replicas, or fewer in sync, one broker's loss is the topic's.
const REPLICAS_MIN: u8 = 2;

/// Asks of topics, and makes them.
#[derive(Clone)]
pub(super) struct Admin {
    client: Arc<AdminClient<DefaultClientContext>>,
    look: Duration,
}

/// A topic that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) partitions: usize,
    /// Of the partition that has the fewest.
    pub(super) replicas: usize,
}

/// What a topic is set to.
pub(super) type Settings = HashMap<String, String>;

impl Admin {
    pub(super) fn new(place: &Place) -> Result<Admin, Trouble> {
        let made = with_options(config(place), place).create();
        let client = made.map_err(|error| unusable("cannot begin to ask Kafka", &error))?;
        let look = place.give_up.map_or(LOOK, |time| LOOK.min(time));
        Ok(Admin { client: Arc::new(client), look })
    }

    /// The topic as it is now.
    pub(super) async fn look(&self, place: &Place) -> Result<Option<Topic>, Trouble> {
        let (admin, name) = (self.clone(), place.name.clone());
        let asked = tokio::task::spawn_blocking(move || admin.metadata(&name)).await;
        let asked = asked.map_err(|error| Trouble::lasting("a thread ended", &error))?;
        let what = format!("cannot look at the topic {} of {}", place.name, place.servers);
        asked.map_err(|error| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Trouble::lasting(&what, &error),
            _ => Trouble::passing(&what, &error),
        })
    }

    fn metadata(&self, name: &str) -> Result<Option<Topic>, KafkaError> {
        let metadata = self.client.inner().fetch_metadata(Some(name), self.look)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Ok(None);
            }
            Some(code) => return Err(KafkaError::MetadataFetch(code)),
        }
        let replicas = found.partitions().iter().map(|partition| partition.replicas().len());
        let (partitions, replicas) = (found.partitions().len(), replicas.min().unwrap_or(0));
        Ok((partitions > 0).then_some(Topic { partitions, replicas }))
    }

    /// What a topic is set to.
    pub(super) async fn settings(&self, name: &str) -> Result<Settings, Trouble> {
        let what = format!("cannot ask what the topic {name} keeps");
        let options = AdminOptions::new().request_timeout(Some(ANSWER));
        let asked = self.client.describe_configs(&[ResourceSpecifier::Topic(name)], &options).await;
        let asked = asked.map_err(|error| Trouble::passing(&what, &error))?;
        let Some(found) = asked.into_iter().next() else { return Ok(Settings::new()) };
        let found = found.map_err(|error| Trouble::passing(&what, &error))?;
        let known = found.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        Ok(known.collect())
    }

    /// Makes the topic, kept by so many brokers. That somebody else has made it meanwhile is as well.
    pub(super) async fn create(&self, place: &Place, replicas: u8) -> Result<(), Trouble> {
        let what = format!("cannot make the topic {}", place.name);
        let in_sync = in_sync(replicas).to_string();
        let replication = TopicReplication::Fixed(i32::from(replicas));
        let topic = NewTopic::new(&place.name, i32::from(place.partitions.get()), replication)
            .set("min.insync.replicas", &in_sync)
            .set("retention.ms", "-1")
            .set("retention.bytes", "-1")
            .set("cleanup.policy", "delete");
        let options = AdminOptions::new().request_timeout(Some(ANSWER));
        let made = self.client.create_topics([&topic], &options).await;
        let made = made.map_err(|error| Trouble::passing(&what, &error))?;
        match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) | None => Ok(()),
            Some(Err((_, code @ RDKafkaErrorCode::InvalidReplicationFactor))) => {
                let told = Trouble::lasting(&what, &code);
                let hint = "`--replicas N` takes no more brokers than there are";
                Err(Trouble::Lasting(format!("{}: {hint}", told.text())))
            }
            Some(Err((_, code))) => Err(Trouble::lasting(&what, &code)),
        }
    }
}

/// More than half.
fn in_sync(replicas: u8) -> u8 {
    replicas / 2 + 1
}

/// How a topic may lose what it has acknowledged, as one would not that is made here with so many
/// replicas. Whoever makes none wants no more of them than survive the loss of a broker.
pub(super) fn lacks(topic: &Topic, settings: &Settings, replicas: Option<u8>) -> Vec<String> {
    let number = |key: &str| settings.get(key)?.parse::<i64>().ok();
    let wanted = replicas.unwrap_or(REPLICAS_MIN);
    let mut lacks = Vec::new();
    if topic.replicas < usize::from(wanted) {
        lacks.push(format!("its replicas are {}, not {wanted}", topic.replicas));
    }
    let wanted = i64::from(in_sync(wanted));
    if let Some(has) = number("min.insync.replicas").filter(|has| *has < wanted) {
        lacks.push(format!("its min.insync.replicas is {has}, not {wanted}"));
    }
    if settings.get("unclean.leader.election.enable").is_some_and(|is| is == "true") {
        lacks.push("a replica that lags may become its leader".to_owned());
    }
    // What is compacted alone is kept: an event's id is its key.
    if settings.get("cleanup.policy").is_none_or(|policy| policy.contains("delete")) {
        if let Some(ms) = number("retention.ms").filter(|ms| *ms >= 0) {
            lacks.push(format!("it drops what is older than {} s", ms / 1000));
        }
        if let Some(bytes) = number("retention.bytes").filter(|bytes| *bytes >= 0) {
            lacks.push(format!("it drops the oldest beyond {bytes} bytes a partition"));
        }
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_lacks_is_named() {
        let set = |pairs: &[(&str, &str)]| -> Settings {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let of = |replicas: usize| Topic { partitions: 4, replicas };
        let made = set(&[
            ("min.insync.replicas", "2"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("cleanup.policy", "delete"),
            ("unclean.leader.election.enable", "false"),
        ]);
        assert_eq!(lacks(&of(3), &made, Some(3)), [""; 0]);
        assert_eq!(lacks(&of(3), &made, None), [""; 0]);
        assert_eq!(lacks(&of(1), &set(&[("min.insync.replicas", "1")]), Some(1)), [""; 0]);
        let more = ["its replicas are 3, not 5", "its min.insync.replicas is 2, not 3"];
        assert_eq!(lacks(&of(3), &made, Some(5)), more);
        let by_default = set(&[
            ("min.insync.replicas", "1"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "1000"),
            ("cleanup.policy", "compact,delete"),
            ("unclean.leader.election.enable", "true"),
        ]);
        let all = [
            "its replicas are 1, not 2",
            "its min.insync.replicas is 1, not 2",
            "a replica that lags may become its leader",
            "it drops what is older than 604800 s",
            "it drops the oldest beyond 1000 bytes a partition",
        ];
        assert_eq!(lacks(&of(1), &by_default, None), all);
        let compacted = set(&[("retention.ms", "604800000"), ("cleanup.policy", "compact")]);
        assert_eq!(lacks(&of(2), &compacted, None), [""; 0]);
    }
}
