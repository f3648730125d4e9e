//! Work that is put aside, so that nobody waits for it: on a thread of its own, or, in a world without
//! threads, until it is looked at a few times.
//!
//! Who has one thread and no more does such work at once: put off until a later call it would be in that
//! one's way, and whoever opens a log that was killed meanwhile would find it undone.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// In a world without threads work is done at this look, and not at the first one: so that there,
/// too, others meet it undone.
const LOOKS: u32 = 3;

/// When work is done that need not be done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// When it is looked at first.
    Now,
    /// At a later look: in a world without threads.
    Later,
    /// On a thread of its own.
    Meanwhile,
}

impl Turn {
    /// In a world that has threads or not, for who may use more than one or not.
    pub(super) fn of(world_has_threads: bool, may_use_more: bool) -> Turn {
        match (world_has_threads, may_use_more) {
            (false, _) => Turn::Later,
            (true, false) => Turn::Now,
            (true, true) => Turn::Meanwhile,
        }
    }
}

/// Work under way. Whoever drops it waits for its end.
pub(super) struct Aside<T> {
    work: Arc<dyn Fn() -> T + Send + Sync>,
    thread: Option<JoinHandle<T>>,
    looks: u32,
}

impl<T: Send + 'static> Aside<T> {
    /// Begins; where the system gives no thread, as in a world without any.
    pub(super) fn begin(turn: Turn, work: impl Fn() -> T + Send + Sync + 'static) -> Aside<T> {
        let work: Arc<dyn Fn() -> T + Send + Sync> = Arc::new(work);
        let begin = |work: Arc<dyn Fn() -> T + Send + Sync>| {
            Builder::new().name("keys".to_owned()).spawn(move || work()).ok()
        };
        let (thread, looks) = match turn {
            Turn::Now => (None, LOOKS),
            Turn::Later => (None, 0),
            Turn::Meanwhile => (begin(Arc::clone(&work)), 0),
        };
        Aside { work, thread, looks }
    }
}

impl<T> Aside<T> {
    /// Whether the result can be taken without a wait for a thread.
    pub(super) fn is_done(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        self.thread.as_ref().map_or(self.looks >= LOOKS, JoinHandle::is_finished)
    }

    /// The result, waited for. Whoever takes it again has the work done again.
    pub(super) fn take(&mut self) -> T {
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => (self.work)(),
        }
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic there is of no use to who does not want the result.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Work that counts how often it was done.
    fn counted(turn: Turn) -> (Aside<u32>, Arc<AtomicU32>) {
        let done = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&done);
        let work = move || count.fetch_add(1, Ordering::Relaxed) + 1;
        (Aside::begin(turn, work), done)
    }

    #[test]
    fn work_is_done_once_for_each_time_that_it_is_taken() {
        for turn in [Turn::Now, Turn::Later, Turn::Meanwhile] {
            let (mut work, _) = counted(turn);
            assert_eq!([work.take(), work.take()], [1, 2], "{turn:?}");
        }
    }

    #[test]
    fn without_threads_it_is_done_at_the_third_look() {
        let (mut work, done) = counted(Turn::Later);
        assert_eq!([(); 4].map(|()| work.is_done()), [false, false, true, true]);
        assert_eq!(done.load(Ordering::Relaxed), 0);
        drop(work);
        assert_eq!(done.load(Ordering::Relaxed), 0, "nobody wanted it");
    }

    #[test]
    fn work_for_one_thread_does_not_wait_for_a_look() {
        assert!(counted(Turn::Now).0.is_done());
        assert_eq!(Turn::of(true, false), Turn::Now);
        assert_eq!(Turn::of(true, true), Turn::Meanwhile);
        assert_eq!([Turn::of(false, false), Turn::of(false, true)], [Turn::Later; 2]);
    }

    #[test]
    fn who_drops_work_waits_for_its_thread() {
        let (work, done) = counted(Turn::Meanwhile);
        drop(work);
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }
}
