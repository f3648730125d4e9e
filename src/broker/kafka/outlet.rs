//! Messages to a topic.

use std::pin::Pin;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::sleep;

use super::{config, with_options};
use crate::EVENT_BYTES_MAX;
use crate::broker::{Acknowledged, Outgoing, Outlet, Place, Trouble};

/// What goes with an event in a message.
const OVERHEAD_BYTES: usize = 512;
/// How long to wait while the library has no room.
const FULL: Duration = Duration::from_millis(5);

/// Sends messages to all partitions of a topic.
pub(crate) struct KafkaOutlet {
    pub(super) producer: FutureProducer,
    topic: String,
}

impl KafkaOutlet {
    pub(super) fn new(place: &Place) -> Result<KafkaOutlet, Trouble> {
        let mut config = config(place);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("message.timeout.ms", "30000")
            .set("message.max.bytes", (EVENT_BYTES_MAX + OVERHEAD_BYTES).to_string());
        let producer = with_options(config, place).create();
        let producer =
            producer.map_err(|error| Trouble::lasting("cannot begin to send to Kafka", &error))?;
        Ok(KafkaOutlet { producer, topic: place.name.clone() })
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
        EVENT_BYTES_MAX
    }
}

fn trouble(error: &KafkaError) -> Trouble {
    let what = "no acknowledgement";
    let lasts = matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::UnknownPartition
        )
    );
    if lasts { Trouble::lasting(what, error) } else { Trouble::passing(what, error) }
}
