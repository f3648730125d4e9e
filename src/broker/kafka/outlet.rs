//! Messages to a topic.

use std::pin::Pin;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::sleep;

use super::{config, unusable, with_options};
use crate::EVENT_BYTES_MAX;
use crate::broker::{Acknowledged, Outgoing, Outlet, Place, Trouble};

/// What goes with an event in a message.
const OVERHEAD_BYTES: usize = 512;
/// How much the library sends at once, unless the topic takes less.
const BATCH_BYTES: usize = 1_000_000;
/// How long to wait while the library has no room.
const FULL: Duration = Duration::from_millis(5);

/// Sends messages to all partitions of a topic.
pub(crate) struct KafkaOutlet {
    producer: FutureProducer,
    topic: String,
    payload_bytes_max: usize,
}

impl KafkaOutlet {
    /// `bytes_max` is what the topic takes at once, if that is known.
    pub(super) fn new(place: &Place, bytes_max: Option<usize>) -> Result<KafkaOutlet, Trouble> {
        let bytes_max = bytes_max.unwrap_or(usize::MAX);
        let payload_bytes_max = EVENT_BYTES_MAX.min(bytes_max.saturating_sub(OVERHEAD_BYTES));
        let mut config = config(place);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("message.timeout.ms", "30000")
            .set("batch.size", BATCH_BYTES.min(bytes_max).to_string())
            .set("message.max.bytes", (EVENT_BYTES_MAX + OVERHEAD_BYTES).to_string());
        let producer = with_options(config, place).create();
        let producer =
            producer.map_err(|error| unusable("cannot begin to send to Kafka", &error))?;
        Ok(KafkaOutlet { producer, topic: place.name.clone(), payload_bytes_max })
    }
}

impl Outlet for KafkaOutlet {
    type Pending = Pin<Box<dyn Future<Output = Result<Acknowledged, Trouble>> + Send>>;

    async fn send(&self, message: &Outgoing) -> Result<Self::Pending, Trouble> {
        // The id, and not the customer's, is the key: a topic that is compacted by mistake then
        // drops nothing but the same event's second message.
        let mut record = FutureRecord::to(&self.topic)
            .partition(i32::from(message.partition))
            .key(&message.id)
            .payload(&message.payload);
        loop {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            record = match self.producer.send_result(record) {
                Ok(delivery) => {
                    return Ok(Box::pin(async {
                        match delivery.await {
                            Ok(Ok(_)) => Ok(Acknowledged { is_duplicate: false }),
                            Ok(Err((error, _))) => Err(trouble(&error)),
                            Err(error) => Err(Trouble::lasting("the producer ended", &error)),
                        }
                    }));
                }
                Err((error, record)) if error == full => record,
                Err((error, _)) => return Err(trouble(&error)),
            };
            sleep(FULL).await;
        }
    }

    fn payload_bytes_max(&self) -> usize {
        self.payload_bytes_max
    }
}

fn trouble(error: &KafkaError) -> Trouble {
    let what = "no acknowledgement";
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            let told = Trouble::lasting(what, error);
            let hint = "the topic's max.message.bytes is less: raise it";
            Trouble::Lasting(format!("{}: {hint}", told.text()))
        }
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::UnknownPartition,
        ) => Trouble::lasting(what, error),
        _ => Trouble::passing(what, error),
    }
}
