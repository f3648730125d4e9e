//! Messages to JetStream.

use std::error::Error;
use std::future::IntoFuture;
use std::pin::Pin;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, ErrorCode};
use tokio::time::{Instant, timeout_at};

use super::refusals::Refusals;
use super::{ANSWER, subject};
use crate::broker::{Acknowledged, Outgoing, Outlet, Place, Trouble};

/// What the headers of a message take beside it; the server counts them too.
const HEADERS_BYTES: usize = 128;

/// Sends messages to the streams of all partitions.
pub(crate) struct NatsOutlet {
    context: Context,
    refusals: Refusals,
    subjects: Vec<async_nats::Subject>,
    /// What all streams take.
    bytes_max: usize,
}

impl NatsOutlet {
    pub(super) fn new(
        context: Context,
        refusals: Refusals,
        place: &Place,
        bytes_max: usize,
    ) -> NatsOutlet {
        let numbers = 0..place.partitions.get();
        let subjects = numbers.map(|number| subject(&place.name, number).into());
        NatsOutlet { context, refusals, subjects: subjects.collect(), bytes_max }
    }
}

impl Outlet for NatsOutlet {
    type Pending = Pin<Box<dyn Future<Output = Result<Acknowledged, Trouble>> + Send>>;

    async fn send(&self, message: &Outgoing) -> Result<Self::Pending, Trouble> {
        let subject = self.subjects.get(usize::from(message.partition)).cloned();
        let subject = subject.expect("a partition is less than their number");
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, message.id.as_str());
        let publish = PublishMessage::build().payload(message.payload.clone().into());
        let sent = self.context.send_publish(subject, publish.headers(headers)).await;
        let pending = sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Trouble::lasting("cannot send", &error),
            PublishErrorKind::StreamNotFound
            | PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::TimedOut
            | PublishErrorKind::BrokenPipe
            | PublishErrorKind::MaxAckPending
            | PublishErrorKind::Other => Trouble::passing("cannot send", &error),
        })?;
        // From now on, and not from when somebody waits for it: of thousands that are under way, each
        // would be waited for in vain after the one before.
        let until = Instant::now() + ANSWER;
        Ok(Box::pin(async move {
            match timeout_at(until, pending.into_future()).await {
                Ok(Ok(answer)) => Ok(Acknowledged { is_duplicate: answer.duplicate }),
                Ok(Err(error)) => Err(refused(&error)),
                // Streams answer nothing at all while they look for a leader.
                Err(late) => Err(Trouble::passing("no acknowledgement", &late)),
            }
        }))
    }

    fn explain(&self, trouble: Trouble) -> Trouble {
        self.refusals.explain(trouble)
    }

    fn payload_bytes_max(&self) -> usize {
        let server = self.context.client().server_info().max_payload;
        server.min(self.bytes_max).saturating_sub(HEADERS_BYTES)
    }
}

/// A message that a stream has judged, and not only cannot store now (code 503, or an account that is full),
/// it does not take.
fn refused(error: &PublishError) -> Trouble {
    let answer = error.source().and_then(|cause| cause.downcast_ref::<jetstream::Error>());
    match answer.is_some_and(|answer| {
        answer.code() == 400 && answer.error_code() != ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
    }) {
        true => Trouble::lasting("the stream refuses a message", error),
        false => Trouble::passing("no acknowledgement", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_has_judged_is_not_sent_again() {
        let answer = |code: u32, err_code: u32| {
            let text =
                format!(r#"{{"code":{code},"err_code":{err_code},"description":"too long"}}"#);
            let error: jetstream::Error = serde_json::from_str(&text).expect("an answer");
            refused(&PublishError::with_source(PublishErrorKind::Other, error))
        };
        let Trouble::Lasting(told) = answer(400, 10054) else { panic!("it is sent again") };
        assert!(told.starts_with("the stream refuses a message: ") && told.contains("too long"));
        // Of two messages with one id the second comes while the first is being stored (409).
        for code in [409, 429, 500, 503] {
            assert!(matches!(answer(code, 10054), Trouble::Passing(_)), "{code}");
        }
        assert!(matches!(answer(400, 10002), Trouble::Passing(_)), "the account is full");
        let silent = refused(&PublishError::new(PublishErrorKind::TimedOut));
        assert!(matches!(silent, Trouble::Passing(_)));
    }
}
