//! Group commit: many threads append to one log, and one sync serves them all.
//!
//! This room has the locks that the core does without. It starts no thread: whoever appends while
//! nobody commits does it for all who wait ([`queue`]). What a group is to the store stands in
//! [`committer`]; callers read and own their events before they queue ([`request`]).

mod committer;
mod mark;
mod queue;
mod request;
mod sync;
#[cfg(test)]
mod tests;

use std::io::BufRead;
use std::sync::Arc;

use crate::error::Error;
use crate::event::{Event, Flow, ReadError, Rejection, Rules, read_events};
use crate::store::{Receipt, Store};
use committer::StoreCommitter;
use mark::Mark;
use queue::{Queue, Refusal, Weight};
use request::Request;

/// How much may wait, and what becomes of a caller who finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppenderOptions {
    /// Events that wait at most, beside those being committed; also the most of one call.
    pub waiting_events_max: usize,
    /// The same in bytes of their JSON.
    pub waiting_bytes_max: usize,
    /// What becomes of a caller who finds no room.
    pub when_full: WhenFull,
}

impl Default for AppenderOptions {
    fn default() -> AppenderOptions {
        AppenderOptions {
            waiting_events_max: 65_536,
            waiting_bytes_max: 64 << 20,
            when_full: WhenFull::Wait,
        }
    }
}

/// What becomes of a caller who finds no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits, behind those who came before.
    #[default]
    Wait,
    /// It gets [`Error::Full`].
    Refuse,
}

/// What became of the events of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Counts of this call's own events. `end` is the sequence after them, as if nobody else had
    /// appended at the same time: what others append in the same group may stand behind it.
    pub receipt: Receipt,
    /// The events that were rejected, in order.
    pub rejected: Vec<RejectedAt>,
}

/// One rejected event of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedAt {
    /// Which of the call's events, from 0.
    pub index: u64,
    /// Why.
    pub rejection: Rejection,
}

/// The events of one call, read and checked, to be appended by whichever thread: see
/// [`Appender::prepare_json`].
pub struct Prepared {
    request: Request,
    /// What the events were checked by.
    rules: Rules,
}

impl Prepared {
    /// A call without events, for a log with these rules.
    pub fn new(rules: Rules) -> Prepared {
        Prepared { request: Request::default(), rules }
    }

    /// Adds an event that was read by the rules, or why there is none, and the text that it came as.
    pub fn push(&mut self, event: Result<Event<'_>, Rejection>, text: &[u8]) {
        self.request.push(event, text);
    }

    /// How many events wait with it, those that will be rejected included.
    pub fn events(&self) -> usize {
        self.request.weight().events
    }

    /// How many bytes of their JSON.
    pub fn bytes(&self) -> usize {
        self.request.weight().bytes
    }
}

/// A log that many threads append to: a handle that is cheap to clone.
///
/// [`Appender::append`] returns when the events of its call are on the disk, and with them whatever
/// a duplicate or a conflict among them refers to. Calls that come while a sync is under way are
/// committed together by the next one (*group commit*), in the order in which they came.
///
/// Each call is a hold window of its own: what it holds back waits for its own events, not for
/// those of others, so that a receipt does not depend on who happened to come at the same time. Its
/// events stand in the log one after another. Receipts are those that a [`Store`] would have given
/// for the same calls one by one. There are no strict calls: they need the log for themselves.
///
/// After an error of the disk nothing is acknowledged any more: everyone who waits and everyone who
/// comes gets [`Error::Poisoned`]. Their events may be in the log or not; open the log again and
/// repeat the calls, which is always safe.
///
/// ```
/// use ltvlog::{Appender, AppenderOptions, Options, Question, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("log");
/// let store = Store::open(&dir, Options::default())?;
/// let appender = Appender::new(store, AppenderOptions::default())?;
/// std::thread::scope(|scope| {
///     for n in 0..8 {
///         let appender = appender.clone();
///         scope.spawn(move || {
///             let text = format!(
///                 r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-06T12:46:46Z"}}"#
///             );
///             let done = appender.append_json(&mut text.as_bytes()).expect("the disk works");
///             assert_eq!((done.receipt.accepted, done.receipt.synced), (1, true));
///         });
///     }
/// });
/// assert_eq!(appender.reader()?.top(10, &Question::default())?.customers.len(), 8);
/// appender.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Appender {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Queue<StoreCommitter>,
    options: AppenderOptions,
    rules: Rules,
    mark: Arc<Mark>,
    reader: Box<dyn Fn() -> Result<Store, Error> + Send + Sync>,
}

impl Appender {
    /// Opens the store's log for append, creating it if there is none, and keeps it until
    /// [`Appender::close`] or until the last handle is dropped.
    ///
    /// # Errors
    ///
    /// As [`Store::call`].
    pub fn new(mut store: Store, options: AppenderOptions) -> Result<Appender, Error> {
        let synced_end = store.open_for_append()?;
        let (rules, mark) = (store.rules().clone(), Arc::new(Mark::new(synced_end)));
        let reader = Box::new(store.opener());
        let committer = StoreCommitter { store, mark: Arc::clone(&mark) };
        let queue = Queue::new(committer, most(&options));
        Ok(Appender { shared: Arc::new(Shared { queue, options, rules, mark, reader }) })
    }

    /// What every event must keep to.
    pub fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// Appends events as one call, and says what became of them once that is durable.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the call is larger than what may wait; [`Error::Full`] if there is no
    /// room and the options say so; [`Error::Closed`]; [`Error::Poisoned`].
    pub fn append<'e>(
        &self,
        events: impl IntoIterator<Item = Event<'e>>,
    ) -> Result<Appended, Error> {
        let (rules, mut request) = (self.rules(), Request::default());
        let mut text = String::new();
        for event in events {
            text.clear();
            event.to_json(rules.currency, &mut text);
            let checked = event.check(rules);
            request.push(checked.map(|()| event), text.as_bytes());
            self.refuse_what_never_fits(request.weight())?;
        }
        self.submit_one(request)
    }

    /// Reads all events of a source of JSON, as [`read_events`] does, and appends them as one call.
    /// They are read on the calling thread, before it queues.
    ///
    /// # Errors
    ///
    /// As [`Appender::append`]; [`Error::Io`] if the source fails, and nothing is appended.
    pub fn append_json(&self, source: &mut dyn BufRead) -> Result<Appended, Error> {
        self.submit_one(self.read(source)?)
    }

    /// Reads all events of a source of JSON, as [`read_events`] does, for a call that is appended
    /// later, by this or another thread. It takes no lock and waits for nobody.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the call is larger than what may wait; [`Error::Io`] if the source
    /// fails.
    pub fn prepare_json(&self, source: &mut dyn BufRead) -> Result<Prepared, Error> {
        Ok(Prepared { request: self.read(source)?, rules: self.rules().clone() })
    }

    /// Appends calls in order, all in one group with whoever else waits, and says what became of
    /// each once all are durable: each is a hold window of its own and has a receipt of its own, as
    /// if as many threads had come with [`Appender::append_json`].
    ///
    /// ```
    /// use ltvlog::{Appender, AppenderOptions, Options, Store};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Store::scratch(Options::default())?;
    /// let appender = Appender::new(store, AppenderOptions::default())?;
    /// let read = |n: u32| {
    ///     let text = format!(
    ///         r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-06T12:46:46Z"}}"#
    ///     );
    ///     appender.prepare_json(&mut text.as_bytes())
    /// };
    /// let calls = [read(1)?, read(2)?, read(1)?];
    /// assert_eq!(calls.iter().map(|call| call.events()).sum::<usize>(), 3);
    /// let done = appender.append_prepared(calls.into())?;
    /// assert_eq!((done[1].receipt.accepted, done[2].receipt.duplicates), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Appender::append`], for all of them: [`Error::Options`] if together they are larger than
    /// what may wait, or if one was prepared for a log with other rules.
    pub fn append_prepared(&self, calls: Vec<Prepared>) -> Result<Vec<Appended>, Error> {
        if calls.iter().any(|call| call.rules != *self.rules()) {
            let reason = "a call was prepared for a log with other rules".to_owned();
            return Err(Error::Options { reason });
        }
        let calls: Vec<Request> = calls.into_iter().map(|call| call.request).collect();
        self.refuse_what_never_fits(weight_of(&calls))?;
        self.submit(calls)
    }

    /// All events below this sequence are on the disk. It never goes back, and it covers every
    /// receipt that was given and says so.
    pub fn synced_end(&self) -> u64 {
        self.shared.mark.get()
    }

    /// A store to ask and to follow the same log with, on any thread, while events are appended: it
    /// sees what is on the disk, and no append waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] for a scratch store, which only its own writer can read; what reading the
    /// log's first header says.
    pub fn reader(&self) -> Result<Store, Error> {
        (self.shared.reader)()
    }

    /// Takes no more calls, waits for those that were taken, and closes the store. Afterwards every
    /// handle gives [`Error::Closed`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if another handle was first; else as [`Store::close`].
    pub fn close(&self) -> Result<(), Error> {
        let committer = self.shared.queue.close().map_err(|refusal| self.error(refusal))?;
        committer.store.close()
    }

    fn read(&self, source: &mut dyn BufRead) -> Result<Request, Error> {
        let mut request = Request::default();
        read_events(source, self.rules(), &mut |incoming| {
            request.push(incoming.event, incoming.text);
            self.refuse_what_never_fits(request.weight())?;
            Ok(Flow::Continue)
        })
        .map_err(|error| match error {
            ReadError::Receiver(error) => error,
            ReadError::Source(source) => {
                Error::Io { action: "read events from", path: "a source of JSON".into(), source }
            }
        })?;
        Ok(request)
    }

    fn submit_one(&self, call: Request) -> Result<Appended, Error> {
        Ok(self.submit(vec![call])?.pop().expect("each call has an answer"))
    }

    fn submit(&self, calls: Vec<Request>) -> Result<Vec<Appended>, Error> {
        let weight = weight_of(&calls);
        let waits = self.shared.options.when_full == WhenFull::Wait;
        self.shared.queue.submit(calls, weight, waits).map_err(|refusal| self.error(refusal))
    }

    fn refuse_what_never_fits(&self, weight: Weight) -> Result<(), Error> {
        let most = most(&self.shared.options);
        if weight.fits(most) {
            return Ok(());
        }
        let Weight { events, bytes } = most;
        let reason =
            format!("at most {events} events and {bytes} bytes of JSON are appended at once");
        Err(Error::Options { reason })
    }

    fn error(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Full => Error::Full,
            Refusal::Closed => Error::Closed,
            Refusal::Failed(reason) => Error::Poisoned { reason },
        }
    }
}

fn most(options: &AppenderOptions) -> Weight {
    Weight { events: options.waiting_events_max, bytes: options.waiting_bytes_max }
}

fn weight_of(calls: &[Request]) -> Weight {
    calls.iter().fold(Weight::default(), |sum, call| sum.plus(call.weight()))
}
