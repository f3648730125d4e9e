//! What a caller hands over: its events, read and owned, with the text that each came as.

use std::borrow::Cow;

use super::queue::Weight;
use crate::event::{Event, Rejection};

/// The events of one caller. They are read and checked on the caller's own thread.
#[derive(Default)]
pub(super) struct Request {
    events: Vec<Owned>,
    /// All texts, one after another.
    texts: Vec<u8>,
}

struct Owned {
    event: Result<Event<'static>, Rejection>,
    /// Where its text ends.
    end: usize,
}

impl Request {
    pub(super) fn push(&mut self, event: Result<Event<'_>, Rejection>, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.events.push(Owned { event: event.map(owned), end: self.texts.len() });
    }

    /// Events, and bytes of their texts.
    pub(super) fn weight(&self) -> Weight {
        Weight { events: self.events.len(), bytes: self.texts.len() }
    }

    /// The events in order, each with its text.
    pub(super) fn events(
        &self,
    ) -> impl Iterator<Item = (Result<&Event<'static>, &Rejection>, &[u8])> {
        let mut start = 0;
        self.events.iter().map(move |one| {
            let text = self.texts.get(start..one.end).unwrap_or_default();
            start = one.end;
            (one.event.as_ref(), text)
        })
    }
}

/// An event that borrows nothing, so that another thread may admit it.
fn owned(event: Event<'_>) -> Event<'static> {
    let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    Event {
        kind: event.kind,
        key: own(event.key),
        customer_id: own(event.customer_id),
        at_us: event.at_us,
        amount_cents: event.amount_cents,
        texts: event.texts.map(|text| text.map(own)),
    }
}
