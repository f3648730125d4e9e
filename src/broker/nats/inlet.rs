//! Messages from JetStream.
//!
//! A consumer that lives as long as it is asked, in memory, begins at the position and acknowledges
//! nothing. It counts what it gives: one that is missing ends it, and the next one begins behind
//! what was taken.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::stream::{ConsumerErrorKind, RawMessageErrorKind};
use async_nats::jetstream::{self, Context, ErrorCode};
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::time::timeout;

use super::refusals::Refusals;
use super::{found, stream_name};
use crate::Partition;
use crate::broker::parcel::{Message, Parcel};
use crate::broker::position::{Extent, gone};
use crate::broker::{Inlet, Trouble};

/// What is asked for at once.
const ASKED_MESSAGES: usize = 8192;
const ASKED_BYTES: usize = 8 << 20;
/// A message with its headers is asked for as a whole, however long the server lets it be.
const HEADERS_BYTES: usize = 64 << 10;
/// How long one question stands, and how often the server says that it is there.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a consumer is kept that nobody asks.
const KEPT: Duration = Duration::from_secs(60);
/// How often a stream is looked for before it is believed to be gone: a server that has just come
/// up may not know of it yet.
const LOOKS_MAX: u32 = 8;

/// Answers that another server, or the same one a little later, may not give: it knows of no such stream yet,
/// or has as many consumers as it may, some of which nobody asks any more.
const PASSING: [ErrorCode; 2] = [ErrorCode::STREAM_NOT_FOUND, ErrorCode::MAXIMUM_CONSUMERS_LIMIT];

/// Reads the stream of one partition.
pub(crate) struct NatsInlet {
    context: Context,
    refusals: Refusals,
    name: String,
    partition: Partition,
    reading: Option<Reading>,
    looks: u32,
}

struct Reading {
    consumer: Consumer<pull::Config>,
    messages: pull::Stream,
    /// How many messages it gave.
    taken: u64,
    /// The last of them in the stream, or the one before the first that it is to give.
    last: u64,
    /// Below it the stream may have lost some in between.
    gaps_below: u64,
}

impl NatsInlet {
    pub(super) fn new(
        context: Context,
        refusals: Refusals,
        name: &str,
        partition: Partition,
    ) -> NatsInlet {
        NatsInlet { context, refusals, name: name.to_owned(), partition, reading: None, looks: 0 }
    }

    fn stream(&self) -> String {
        stream_name(&self.name, self.partition.number())
    }

    /// How many messages the stream's leader has beyond the last one that was given. The consumer lives at one
    /// server, which may have less of the stream than was acknowledged, and says that it has all.
    async fn beyond(&self, last: u64) -> Result<u64, Trouble> {
        let what = format!("cannot look at the stream {}", self.stream());
        let stream = self.context.get_stream(self.stream()).await;
        let stream = stream.map_err(|error| Trouble::passing(&what, &error))?;
        let beyond = stream.cached_info().state.last_sequence.saturating_sub(last);
        if beyond == 0 {
            return Ok(0);
        }
        // All of them may have been deleted, one by one.
        match stream.get_first_raw_message_by_subject(">", last.saturating_add(1)).await {
            Ok(_) => Ok(beyond),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(0),
            Err(error) => Err(Trouble::passing(&what, &error)),
        }
    }
}

impl Inlet for NatsInlet {
    async fn extent(&mut self) -> Result<Extent, Trouble> {
        self.reading = None;
        let Some(info) = found(&self.context, &self.name, self.partition).await? else {
            self.looks += 1;
            let text = format!("there is no stream {}: `publish --create` makes it", self.stream());
            return Err(match self.looks < LOOKS_MAX {
                true => Trouble::Passing(text),
                false => Trouble::Lasting(text),
            });
        };
        self.looks = 0;
        let end = info.state.last_sequence.saturating_add(1);
        let first = if info.state.messages == 0 { end } else { info.state.first_sequence };
        let made = Timestamp::from_nanosecond(info.created.unix_timestamp_nanos());
        Ok(Extent { origin: 1, first, end, made: made.ok().map(|made| made.to_string()) })
    }

    async fn stored_at(&mut self, position: u64) -> Result<Option<i64>, Trouble> {
        let what = format!("cannot read the stream {}", self.stream());
        let stream = self.context.get_stream_no_info(self.stream()).await;
        let stream = stream.map_err(|error| Trouble::passing(&what, &error))?;
        match stream.get_raw_message(position).await {
            Ok(message) => Ok(micros(message.time.unix_timestamp_nanos())),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(Trouble::passing(&what, &error)),
        }
    }

    async fn begin(&mut self, at: u64, gaps_below: u64) -> Result<(), Trouble> {
        let what = format!("cannot read the stream {}", self.stream());
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: at },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            inactive_threshold: KEPT,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let made = self.context.create_consumer_on_stream(config, self.stream()).await;
        let consumer: Consumer<pull::Config> = made.map_err(|error| match error.kind() {
            // Asked again, it would say the same.
            ConsumerErrorKind::JetStream(answer)
                if answer.code() < 500 && !PASSING.contains(&answer.error_code()) =>
            {
                Trouble::lasting(&what, &error)
            }
            ConsumerErrorKind::JetStream(_)
            | ConsumerErrorKind::TimedOut
            | ConsumerErrorKind::Request
            | ConsumerErrorKind::InvalidConsumerType
            | ConsumerErrorKind::InvalidName
            | ConsumerErrorKind::Other => Trouble::passing(&what, &error),
        })?;
        let asked = consumer.stream().max_messages_per_batch(ASKED_MESSAGES);
        let longest = self.context.client().server_info().max_payload;
        let bytes = ASKED_BYTES.max(longest.saturating_add(HEADERS_BYTES));
        let asked = asked.max_bytes_per_batch(bytes).expires(EXPIRES).heartbeat(HEARTBEAT);
        let messages = asked.messages().await;
        let messages = messages.map_err(|error| Trouble::passing(&what, &error))?;
        self.reading =
            Some(Reading { consumer, messages, taken: 0, last: at.saturating_sub(1), gaps_below });
        Ok(())
    }

    async fn next(&mut self, parcel: &mut Parcel, wait: Duration) -> Result<(), Trouble> {
        let Some(reading) = &mut self.reading else { return Err(unbegun()) };
        let Ok(mut next) = timeout(wait, reading.messages.next()).await else { return Ok(()) };
        loop {
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(Trouble::passing("the stream broke off", &error)),
                None => return Err(Trouble::Passing("the stream broke off".to_owned())),
            };
            reading.take(&message, parcel)?;
            if parcel.is_full() {
                return Ok(());
            }
            match reading.messages.next().now_or_never() {
                Some(ready) => next = ready,
                None => return Ok(()),
            }
        }
    }

    async fn lag(&mut self) -> Result<u64, Trouble> {
        let Some(reading) = &mut self.reading else { return Err(unbegun()) };
        let info = reading.consumer.get_info().await;
        let info =
            info.map_err(|error| Trouble::passing("cannot ask how much there is", &error))?;
        let under_way = info.delivered.consumer_sequence.saturating_sub(reading.taken);
        let last = reading.last;
        match info.num_pending.saturating_add(under_way) {
            0 => self.beyond(last).await,
            pending => Ok(pending),
        }
    }

    fn explain(&self, trouble: Trouble) -> Trouble {
        self.refusals.explain(trouble)
    }
}

fn micros(nanos: i128) -> Option<i64> {
    i64::try_from(nanos / 1000).ok()
}

fn unbegun() -> Trouble {
    Trouble::Passing("reading has not begun".to_owned())
}

impl Reading {
    fn take(&mut self, message: &jetstream::Message, parcel: &mut Parcel) -> Result<(), Trouble> {
        let Ok(info) = message.info() else {
            return Err(Trouble::Passing("a message says nothing of its place".to_owned()));
        };
        if info.consumer_sequence != self.taken + 1 {
            return Err(Trouble::Passing("messages got lost on the way".to_owned()));
        }
        let next = self.last.saturating_add(1);
        if info.stream_sequence < next {
            // A server that is behind begins with what it has.
            self.taken = info.consumer_sequence;
            return Ok(());
        }
        if info.stream_sequence > next && next >= self.gaps_below {
            return Err(Trouble::Lasting(gone(next, info.stream_sequence)));
        }
        (self.taken, self.last) = (info.consumer_sequence, info.stream_sequence);
        parcel.push(Message {
            position: info.stream_sequence,
            stored_at_us: micros(info.published.unix_timestamp_nanos()),
            lag: info.pending,
            payload: &message.payload,
        });
        Ok(())
    }
}
