//! The streams: what they are called, what each is to keep, and what one lacks that was there already.
//!
//! A stream's metadata say which partition of how many it is, so that nobody sends or reads by
//! another number of partitions.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::{Context, ErrorCode, stream};

use crate::Partition;
use crate::broker::Trouble;

/// A stream's metadata.
const PARTITION: &str = "ltvlog-partition";
/// How long a stream remembers the ids of messages.
const REMEMBERED: Duration = Duration::from_secs(120);
/// The longest name of streams: a partition's number is added to it.
const NAME_BYTES_MAX: usize = 200;
/// With fewer replicas one server's loss is the stream's.
const REPLICAS_MIN: usize = 2;

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

/// The stream of one partition as it is now.
pub(super) async fn found(
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
        Err(error) => {
            let trouble = Trouble::passing(&what, &error);
            let hint = match context.client().server_info().jetstream {
                true => "",
                // It may reach one that has, which is only not up yet.
                false => {
                    ": the server itself has no JetStream (`nats-server -js` starts one that has)"
                }
            };
            Err(Trouble::Passing(format!("{}{hint}", trouble.text())))
        }
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

/// How a stream may lose what it has acknowledged, as one would not that is made here with so many
/// replicas. Whoever makes none wants no more of them than survive the loss of a server.
pub(super) fn lacks(config: &stream::Config, replicas: Option<usize>) -> Vec<String> {
    let mut lacks = Vec::new();
    let mut say = |is_so: bool, what: String| {
        if is_so {
            lacks.push(what);
        }
    };
    let (has, wanted) = (config.num_replicas, replicas.unwrap_or(REPLICAS_MIN));
    let drops_oldest = config.discard == stream::DiscardPolicy::Old;
    say(config.no_ack, "it acknowledges nothing".to_owned());
    say(
        config.persist_mode == Some(stream::PersistenceMode::Async),
        "it acknowledges before it writes".to_owned(),
    );
    say(config.storage == stream::StorageType::Memory, "it is in memory".to_owned());
    say(has < wanted, format!("its replicas are {has}, not {wanted}"));
    match config.retention {
        stream::RetentionPolicy::Limits => {}
        stream::RetentionPolicy::Interest | stream::RetentionPolicy::WorkQueue => {
            say(true, "it drops what others have read".to_owned());
        }
    }
    let age = config.max_age.as_secs_f64();
    say(age > 0.0, format!("it drops what is older than {age} s"));
    let (messages, bytes) = (config.max_messages, config.max_bytes);
    say(drops_oldest && messages > 0, format!("it drops the oldest beyond {messages} messages"));
    say(drops_oldest && bytes > 0, format!("it drops the oldest beyond {bytes} bytes"));
    let messages = config.max_messages_per_subject;
    let drops_oldest = drops_oldest || !config.discard_new_per_subject;
    say(
        drops_oldest && messages > 0,
        format!("it drops the oldest beyond {messages} messages a subject"),
    );
    lacks
}

/// Makes the stream of one partition.
pub(super) async fn create(
    context: &Context,
    name: &str,
    partition: Partition,
    replicas: usize,
) -> Result<stream::Info, Trouble> {
    let what = format!("cannot make the stream {}", stream_name(name, partition.number()));
    match context.create_stream(config(name, partition, replicas)).await {
        Ok(made) => Ok(made.cached_info().clone()),
        Err(error) => Err(refused(&what, &error)),
    }
}

/// What is made here.
fn config(name: &str, partition: Partition, replicas: usize) -> stream::Config {
    stream::Config {
        name: stream_name(name, partition.number()),
        subjects: vec![subject(name, partition.number())],
        storage: stream::StorageType::File,
        discard: stream::DiscardPolicy::New,
        duplicate_window: REMEMBERED,
        num_replicas: replicas,
        metadata: HashMap::from([(PARTITION.to_owned(), partition.to_string())]),
        ..stream::Config::default()
    }
}

/// Whether the answer would be the same if it were asked for again: the server has judged what it
/// was asked for, and is not only unable to do it now (code 503).
fn refused(what: &str, error: &CreateStreamError) -> Trouble {
    match error.kind() {
        CreateStreamErrorKind::JetStream(answer) => {
            let code = answer.error_code();
            let is_alone = code == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED;
            if is_alone || code == ErrorCode::CLUSTER_NO_PEERS {
                let text = Trouble::lasting(what, error).text().to_owned();
                let hint = match is_alone {
                    true => "`--replicas 1` keeps it on this server alone",
                    false => "`--replicas N` takes no more servers than there are",
                };
                return Trouble::Lasting(format!("{text}: {hint}"));
            }
            match answer.code() < 500 {
                true => Trouble::lasting(what, error),
                false => Trouble::passing(what, error),
            }
        }
        CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet => Trouble::lasting(what, error),
        CreateStreamErrorKind::JetStreamUnavailable
        | CreateStreamErrorKind::TimedOut
        | CreateStreamErrorKind::Response
        | CreateStreamErrorKind::NotFound
        | CreateStreamErrorKind::ResponseParse => Trouble::passing(what, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(text: &str) -> Partition {
        text.parse().expect("a partition")
    }

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
        let told = check(&config, "e", partition("1/4")).expect_err("it has no subject");
        assert!(told.contains("e.00001"), "{told}");
        config.subjects = vec!["e.00001".to_owned()];
        assert_eq!(check(&config, "e", partition("1/4")), Ok(()), "somebody else made it");
        config.metadata.insert(PARTITION.to_owned(), "1/4".to_owned());
        assert_eq!(check(&config, "e", partition("1/4")), Ok(()));
        let told = check(&config, "e", partition("1/2")).expect_err("of four");
        assert!(told.contains("is partition 1/4, and was taken for 1/2"), "{told}");
    }

    #[test]
    fn what_a_stream_lacks_is_named() {
        let made = || config("e", partition("0/4"), 3);
        assert_eq!(lacks(&made(), Some(3)), [""; 0]);
        assert_eq!(lacks(&made(), None), [""; 0]);
        assert_eq!(lacks(&made(), Some(5)), ["its replicas are 3, not 5"]);
        let alone = || config("e", partition("0/4"), 1);
        assert_eq!(lacks(&alone(), Some(1)), [""; 0]);
        assert_eq!(lacks(&alone(), None), ["its replicas are 1, not 2"]);
        let full = stream::Config { max_messages: 2, max_bytes: 9, ..made() };
        assert_eq!(lacks(&full, None), [""; 0], "it refuses what it has no room for");
        let old = stream::Config { discard: stream::DiscardPolicy::Old, ..full };
        let drops = ["it drops the oldest beyond 2 messages", "it drops the oldest beyond 9 bytes"];
        assert_eq!(lacks(&old, None), drops);
        let worst = stream::Config {
            storage: stream::StorageType::Memory,
            retention: stream::RetentionPolicy::WorkQueue,
            max_age: Duration::from_millis(1500),
            max_messages_per_subject: 1,
            no_ack: true,
            persist_mode: Some(stream::PersistenceMode::Async),
            ..made()
        };
        let said = lacks(&worst, None).join("; ");
        assert_eq!(
            said,
            "it acknowledges nothing; it acknowledges before it writes; it is in memory; \
             it drops what others have read; it drops what is older than 1.5 s; \
             it drops the oldest beyond 1 messages a subject"
        );
    }
}
