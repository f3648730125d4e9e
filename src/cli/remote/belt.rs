//! Events on their way from whoever reads them to whoever sends them: two parcels at most, one
//! that is being filled while the other is under way.
//!
//! A parcel remembers of each event where it stood and what its text was, until an answer says
//! what became of it. What is no event by itself is in it too, not to be sent but to be told of in
//! its place.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::{EventBlock, Flow, Incoming, Origin, Rejection};

/// What a server takes at once, and half of what it takes in bytes: an event may be 1 MiB.
const EVENTS_MAX: usize = 65_536;
const BYTES_MAX: usize = 8 << 20;

/// Events that are sent in one request.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    /// A line each.
    pub(super) lines: Vec<u8>,
    /// How many lines there are.
    pub(super) sent: u64,
    /// What was read, in the order of its source.
    pub(super) items: Vec<Item>,
    /// Bytes of texts that are not in the lines.
    other_bytes: usize,
}

/// Something that stood where an event should.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) origin: Origin,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// An event; where its text is in the lines.
    Line { start: usize, end: usize },
    /// An event whose text had line breaks, as it came.
    Text(Vec<u8>),
    /// No event, and why.
    Rejected(Rejection, Vec<u8>),
}

impl Parcel {
    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn is_full(&self) -> bool {
        self.items.len() >= EVENTS_MAX || self.lines.len() + self.other_bytes >= BYTES_MAX
    }

    fn add(&mut self, origin: Origin, incoming: Incoming<'_>, currency: [u8; 3]) {
        let Incoming { text, event, .. } = incoming;
        let what = match event {
            Err(rejection) => {
                self.other_bytes += text.len();
                What::Rejected(rejection, text.to_vec())
            }
            Ok(event) if text.contains(&b'\n') || text.contains(&b'\r') => {
                let mut line = String::new();
                event.to_json(currency, &mut line);
                self.lines.extend_from_slice(line.as_bytes());
                self.other_bytes += text.len();
                What::Text(text.to_vec())
            }
            Ok(_) => {
                let start = self.lines.len();
                self.lines.extend_from_slice(text);
                What::Line { start, end: self.lines.len() }
            }
        };
        if !matches!(what, What::Rejected(..)) {
            self.lines.push(b'\n');
            self.sent += 1;
        }
        self.items.push(Item { origin, what });
    }

    /// The text of an item as it came.
    pub(super) fn text<'a>(&'a self, item: &'a Item) -> &'a [u8] {
        match &item.what {
            What::Line { start, end } => self.lines.get(*start..*end).unwrap_or_default(),
            What::Text(text) | What::Rejected(_, text) => text,
        }
    }
}

/// Hands parcels from one thread to another.
pub(super) struct Belt {
    state: Mutex<State>,
    changed: Condvar,
    /// How long a parcel that is not full waits for more. Without an end it waits for the end:
    /// what a parcel holds must not depend on the time where all is there to be read.
    linger: Option<Duration>,
}

#[derive(Default)]
struct State {
    parcel: Parcel,
    /// When the first event came into the parcel.
    since: Option<Instant>,
    is_ended: bool,
    is_stopped: bool,
}

impl Belt {
    pub(super) fn new(linger: Option<Duration>) -> Belt {
        Belt { state: Mutex::default(), changed: Condvar::new(), linger }
    }

    /// Puts a block into the parcel; waits while that is full. `Stop` if nobody sends any more.
    pub(super) fn put(&self, source: u32, block: &EventBlock, currency: [u8; 3]) -> Flow {
        let mut state = self.state();
        for incoming in (0..block.len()).filter_map(|at| block.get(at)) {
            while state.parcel.is_full() && !state.is_stopped {
                self.changed.notify_all();
                state = self.changed.wait(state).expect("whoever panics ends both threads");
            }
            if state.is_stopped {
                return Flow::Stop;
            }
            state.since.get_or_insert_with(Instant::now);
            state.parcel.add(Origin { source, line: incoming.line }, incoming, currency);
        }
        self.changed.notify_all();
        Flow::Continue
    }

    /// The next parcel to be sent, once it is full or has waited; none at the end.
    pub(super) fn take(&self) -> Option<Parcel> {
        let mut state = self.state();
        loop {
            let waited = state.since.map(|since| since.elapsed());
            let rest =
                self.linger.zip(waited).map(|(linger, waited)| linger.saturating_sub(waited));
            let is_due = rest.is_some_and(|rest| rest.is_zero());
            if state.parcel.is_full() || state.is_ended || is_due {
                state.since = None;
                let parcel = std::mem::take(&mut state.parcel);
                self.changed.notify_all();
                return (!parcel.is_empty()).then_some(parcel);
            }
            state = match rest {
                None => self.changed.wait(state).expect("whoever panics ends both threads"),
                Some(rest) => {
                    let waited = self.changed.wait_timeout(state, rest);
                    waited.expect("whoever panics ends both threads").0
                }
            };
        }
    }

    /// Nothing more is put.
    fn end(&self) {
        self.state().is_ended = true;
        self.changed.notify_all();
    }

    /// Nothing more is taken.
    fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has left nothing here half done.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Ends the belt for the other thread, however this one leaves.
pub(super) struct Reader<'b>(pub(super) &'b Belt);

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The same for whoever takes.
pub(super) struct Sender<'b>(pub(super) &'b Belt);

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
