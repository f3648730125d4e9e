//! Messages from one partition of a topic.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::timeout;

use super::{ANSWER, config, with_options};
use crate::Partition;
use crate::broker::parcel::{Message, Parcel};
use crate::broker::position::Extent;
use crate::broker::{Inlet, Place, Trouble};

/// How much the library reads ahead, in KiB.
const AHEAD_KIB: &str = "16384";

/// Reads one partition.
pub(crate) struct KafkaInlet {
    consumer: Arc<StreamConsumer>,
    topic: String,
    partition: Partition,
    /// The offset behind the last message that was given.
    next: u64,
    /// What the partition's end was when it was last asked for.
    end: u64,
}

impl KafkaInlet {
    pub(super) fn new(place: &Place, partition: Partition) -> Result<KafkaInlet, Trouble> {
        let mut config = config(place);
        config
            // The library wants one; nothing joins it, and nothing is committed.
            .set("group.id", "ltvlog")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("queued.max.messages.kbytes", AHEAD_KIB)
            .set_log_level(RDKafkaLogLevel::Error);
        let consumer = with_options(config, place).create();
        let consumer = consumer
            .map_err(|error| Trouble::lasting("cannot begin to read from Kafka", &error))?;
        let (topic, consumer) = (place.name.clone(), Arc::new(consumer));
        Ok(KafkaInlet { consumer, topic, partition, next: 0, end: 0 })
    }

    /// The first offset and the one behind the last, and how many partitions there are.
    async fn ask(&self) -> Result<(u64, u64, usize), Trouble> {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        let number = i32::from(self.partition.number());
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = consumer.fetch_metadata(Some(&topic), ANSWER)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let count = found.map_or(0, |found| found.partitions().len());
            let (low, high) = consumer.fetch_watermarks(&topic, number, ANSWER)?;
            Ok::<_, KafkaError>((low, high, count))
        });
        let asked = asked.await.map_err(|error| Trouble::lasting("a thread ended", &error))?;
        let what = format!("cannot look at the topic {}", self.topic);
        let (low, high, count) = asked.map_err(|error| Trouble::passing(&what, &error))?;
        let offset = |offset: i64| u64::try_from(offset).unwrap_or_default();
        Ok((offset(low), offset(high), count))
    }
}

/// When a message was stored or made, as the topic has it.
fn stored_at_us(message: &BorrowedMessage<'_>) -> Option<i64> {
    message.timestamp().to_millis().filter(|ms| *ms >= 0)?.checked_mul(1000)
}

impl Inlet for KafkaInlet {
    async fn extent(&mut self) -> Result<Extent, Trouble> {
        let (first, end, count) = self.ask().await?;
        if count != usize::from(self.partition.of().get()) {
            return Err(Trouble::Lasting(format!(
                "the topic {} has {count} partitions, and was taken for one of {}",
                self.topic,
                self.partition.of()
            )));
        }
        self.end = end;
        Ok(Extent { origin: 0, first, end, made: None })
    }

    async fn stored_at(&mut self, position: u64) -> Result<Option<i64>, Trouble> {
        self.begin(position, 0).await?;
        // It, or one behind it, is there: where nothing comes, the broker is slow.
        let Ok(found) = timeout(ANSWER, self.consumer.recv()).await else {
            let text = format!("message {position}, the last that was read, does not come");
            return Err(Trouble::Passing(text));
        };
        let found = found.map_err(|error| Trouble::passing("the topic broke off", &error))?;
        let is_there = u64::try_from(found.offset()) == Ok(position);
        Ok(stored_at_us(&found).filter(|_| is_there))
    }

    async fn begin(&mut self, at: u64, _gaps_below: u64) -> Result<(), Trouble> {
        let what = format!("cannot read the topic {}", self.topic);
        let number = i32::from(self.partition.number());
        let offset = i64::try_from(at)
            .map_err(|error| Trouble::lasting(&what, &error))
            .map(Offset::Offset)?;
        let mut assigned = TopicPartitionList::new();
        let added = assigned.add_partition_offset(&self.topic, number, offset);
        added
            .and_then(|()| self.consumer.assign(&assigned))
            .map_err(|error| Trouble::passing(&what, &error))?;
        self.next = at;
        Ok(())
    }

    async fn next(&mut self, parcel: &mut Parcel, wait: Duration) -> Result<(), Trouble> {
        let broken = |error| Trouble::passing("the topic broke off", &error);
        let Ok(first) = timeout(wait, self.consumer.recv()).await else { return Ok(()) };
        let mut message = first.map_err(broken)?;
        loop {
            let position = u64::try_from(message.offset()).unwrap_or_default();
            // What the library had fetched before it was told to begin elsewhere.
            if position >= self.next {
                self.next = position.saturating_add(1);
                parcel.push(Message {
                    position,
                    stored_at_us: stored_at_us(&message),
                    lag: self.end.saturating_sub(self.next),
                    payload: message.payload().unwrap_or_default(),
                });
            }
            if parcel.is_full() {
                return Ok(());
            }
            message = match self.consumer.recv().now_or_never() {
                Some(ready) => ready.map_err(broken)?,
                None => return Ok(()),
            };
        }
    }

    async fn lag(&mut self) -> Result<u64, Trouble> {
        let (_, end, _) = self.ask().await?;
        self.end = end;
        // Transactions end with messages that are never given: the library steps over them.
        let place = self.consumer.position();
        let place = place.map_err(|error| Trouble::passing("cannot ask how far it is", &error))?;
        let number = i32::from(self.partition.number());
        let found = place.find_partition(&self.topic, number).map(|found| found.offset());
        let stepped = match found {
            Some(Offset::Offset(at)) => u64::try_from(at).unwrap_or_default(),
            Some(
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_),
            )
            | None => 0,
        };
        Ok(end.saturating_sub(self.next.max(stepped)))
    }
}
