//! One thread that commits for all requests: whoever waits when it looks is in the next group, and
//! one sync serves the group.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use super::limits::Place;
use super::metrics::Metrics;
use super::problem::Problem;
use crate::{Appended, Appender, AppenderOptions, Error, Prepared};

/// The requests' way to the thread.
#[derive(Clone)]
pub(super) struct Committer {
    jobs: mpsc::UnboundedSender<Job>,
}

/// What the thread is told.
enum Job {
    Commit(Waiting),
    /// Nothing more comes.
    Close,
}

/// The events of one request, and who waits for their receipt. As many wait as there is room for:
/// each has a place.
struct Waiting {
    call: Prepared,
    place: Place,
    answer: oneshot::Sender<Result<(Appended, Place), Arc<Error>>>,
}

impl Committer {
    /// Starts the thread. It ends when it is told to close, or when the last handle is dropped, and
    /// closes the appender then.
    pub(super) fn start(
        appender: Appender,
        options: AppenderOptions,
        metrics: Arc<Metrics>,
        synced: watch::Sender<u64>,
    ) -> std::io::Result<(Committer, JoinHandle<Result<(), Error>>)> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let work = move || {
            let _ended = Ended(Arc::clone(&metrics));
            work(&appender, options, queue, &metrics, &synced)
        };
        let thread = thread::Builder::new().name("commit".to_owned()).spawn(work)?;
        Ok((Committer { jobs }, thread))
    }

    /// Has events committed; gives their receipt, and their place in the room back.
    pub(super) async fn commit(
        &self,
        call: Prepared,
        place: Place,
    ) -> Result<(Appended, Place), Problem> {
        let (answer, told) = oneshot::channel();
        if self.jobs.send(Job::Commit(Waiting { call, place, answer })).is_err() {
            return Err(Problem::stopping());
        }
        match told.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Problem::from(&*error)),
            Err(_thread_is_gone) => Err(Problem::stopping()),
        }
    }

    /// Has what waits committed, and nothing after it.
    pub(super) fn close(&self) {
        // It is closed already, if nobody is told.
        if self.jobs.send(Job::Close).is_err() {}
    }
}

/// Says that nothing is taken any more, however the thread ends.
struct Ended(Arc<Metrics>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.refuse_writes();
    }
}

fn work(
    appender: &Appender,
    options: AppenderOptions,
    mut queue: mpsc::UnboundedReceiver<Job>,
    metrics: &Metrics,
    synced: &watch::Sender<u64>,
) -> Result<(), Error> {
    let (mut next, mut is_open) = (None, true);
    while let Some(first) = next.take().or_else(|| is_open.then(|| queue.blocking_recv()).flatten())
    {
        let Job::Commit(first) = first else { break };
        let (mut events, mut bytes) = (first.call.events(), first.call.bytes());
        let mut group = vec![first];
        while let Ok(job) = queue.try_recv() {
            let Job::Commit(job) = job else {
                is_open = false;
                break;
            };
            events = events.saturating_add(job.call.events());
            bytes = bytes.saturating_add(job.call.bytes());
            if events > options.waiting_events_max || bytes > options.waiting_bytes_max {
                next = Some(Job::Commit(job));
                break;
            }
            group.push(job);
        }
        let mut waiting = Vec::with_capacity(group.len());
        let calls = group.into_iter().map(|Waiting { call, place, answer }| {
            waiting.push((place, answer));
            call
        });
        let calls: Vec<Prepared> = calls.collect();
        let began = Instant::now();
        match appender.append_prepared(calls) {
            Ok(answers) => {
                metrics.committed(answers.len(), began.elapsed());
                synced.send_replace(appender.synced_end());
                for (answer, (place, to)) in answers.into_iter().zip(waiting) {
                    // Whoever has gone away needs no receipt; the events are in the log.
                    if to.send(Ok((answer, place))).is_err() {}
                }
            }
            Err(error) => {
                tracing::error!(error = %error.in_full(), "events could not be committed");
                // What was wrong with these calls alone says nothing of those to come.
                if !matches!(error, Error::Options { .. } | Error::Full | Error::Closed) {
                    metrics.refuse_writes();
                }
                let error = Arc::new(error);
                for (_place, to) in waiting {
                    if to.send(Err(Arc::clone(&error))).is_err() {}
                }
            }
        }
    }
    appender.close()
}
