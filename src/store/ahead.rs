//! Batches encoded on a thread of their own, while events for the next ones are admitted.
//!
//! One batch is under way at a time, and who admits writes it: so the log is written in order and by one
//! thread, and is the same, byte for byte, as without this.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use crate::admission::Ended;
use crate::codec::{BatchEncoder, Gathered};

/// A batch under way, or encoded.
pub(super) struct Job {
    pub(super) ended: Ended,
    pub(super) batch: Arc<Gathered>,
    /// The body of its frame, once it is encoded.
    pub(super) body: Vec<u8>,
}

/// A thread that encodes.
pub(super) struct Ahead {
    jobs: Sender<Job>,
    done: Receiver<Job>,
    under_way: bool,
}

impl Ahead {
    /// None if the system gives no thread.
    pub(super) fn start() -> Option<Ahead> {
        let (jobs, asked) = channel();
        let (finished, done) = channel();
        let work = move || encode_all(&asked, &finished);
        // It ends when nobody asks any more.
        Builder::new().name("encode".to_owned()).spawn(work).ok()?;
        Some(Ahead { jobs, done, under_way: false })
    }

    /// Begins to encode a batch. The one before it must have been taken.
    pub(super) fn begin(&mut self, job: Job) {
        assert!(!self.under_way, "one batch is under way at a time");
        self.jobs.send(job).expect("the thread ends when nobody asks any more");
        self.under_way = true;
    }

    /// Waits for the batch that is under way, if one is.
    pub(super) fn take(&mut self) -> Option<Job> {
        let waiting = std::mem::take(&mut self.under_way);
        waiting.then(|| self.done.recv().expect("to encode a batch does not fail"))
    }
}

fn encode_all(asked: &Receiver<Job>, finished: &Sender<Job>) {
    let mut encoder = BatchEncoder::new();
    while let Ok(mut job) = asked.recv() {
        let Ended { customers_before, after, .. } = job.ended;
        job.body.clear();
        encoder.encode(&job.batch, customers_before, after.appended_at_us, &mut job.body);
        if finished.send(job).is_err() {
            return;
        }
    }
}
