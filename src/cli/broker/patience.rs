//! How long events are held that come before their customer or order.
//!
//! Each is held for as long as [`HoldMax`] says, in messages or in time, and for up to a half, or an
//! eighth, longer: one note of how far the partition had been read stands for all that came between
//! two of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::HoldMax;

/// What is held is tried again at least so often: its customer or order may have come.
const TRY: Duration = Duration::from_secs(1);
/// A try rests for so many times as long as the last one took: it reads all that is held.
const REST: u32 = 4;
/// Notes while the longest time passes, and while the most messages come.
const TIME_STEPS: u32 = 8;
const EVENT_STEPS: u64 = 2;

/// Tells when what is held is to be tried again, and what to be given up.
pub(super) struct Patience {
    events_max: u64,
    time_max: Duration,
    /// Messages taken in so far.
    events: u64,
    /// While something is held: when it was tried, or the first of it came.
    tried: Option<Note>,
    /// How long the next try is not to be.
    rest: Duration,
    /// How far the partition had been read, oldest first.
    notes: VecDeque<Note>,
}

#[derive(Clone, Copy)]
struct Note {
    at: Instant,
    events: u64,
    /// The message after the last one.
    next: u64,
}

impl Patience {
    pub(super) fn new(hold: HoldMax) -> Patience {
        let time_max = Duration::from_micros(hold.us);
        Patience {
            events_max: hold.events,
            time_max,
            events: 0,
            tried: None,
            rest: Duration::ZERO,
            notes: VecDeque::new(),
        }
    }

    /// So many messages more were taken in.
    pub(super) fn taken(&mut self, events: u64) {
        self.events += events;
    }

    /// Whether it is time to try again, as so many are held.
    pub(super) fn is_due(&mut self, held: u64) -> bool {
        if held == 0 {
            self.tried = None;
            self.notes.clear();
            self.rest = Duration::ZERO;
            return false;
        }
        let tried =
            *self.tried.get_or_insert(Note { at: Instant::now(), events: self.events, next: 0 });
        let elapsed = tried.at.elapsed();
        elapsed >= self.rest
            && (elapsed >= (self.time_max / TIME_STEPS).min(TRY)
                || self.events - tried.events >= self.events_max / EVENT_STEPS)
    }

    /// The try that began last took so long.
    pub(super) fn took(&mut self, time: Duration) {
        self.rest = time.saturating_mul(REST + 1);
    }

    /// What is held is tried again, after all before `next` was taken in; gives before which
    /// message it is to be given up.
    pub(super) fn tried(&mut self, next: u64) -> u64 {
        let now = Note { at: Instant::now(), events: self.events, next };
        self.tried = Some(now);
        let is_new = |note: &Note| {
            now.at - note.at >= self.time_max / TIME_STEPS
                || now.events - note.events >= self.events_max / EVENT_STEPS
        };
        if self.notes.back().is_none_or(is_new) {
            self.notes.push_back(now);
        }
        let (time_max, events_max) = (self.time_max, self.events_max);
        let is_over =
            |note: &Note| now.at - note.at >= time_max || now.events - note.events >= events_max;
        let mut given_up = 0;
        while let Some(note) = self.notes.front().copied().filter(is_over) {
            self.notes.pop_front();
            given_up = note.next;
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_up_after_its_messages() {
        let mut patience = Patience::new(HoldMax { events: 100, us: 60_000_000 });
        assert!(!patience.is_due(0));
        patience.taken(10);
        assert!(!patience.is_due(1), "it has just come");
        patience.taken(49);
        assert!(!patience.is_due(1));
        patience.taken(1);
        assert!(patience.is_due(1));
        assert_eq!(patience.tried(60), 0, "all of it came within 60 messages");
        assert!(!patience.is_due(1));
        patience.taken(50);
        assert!(patience.is_due(1));
        assert_eq!(patience.tried(110), 0);
        patience.taken(50);
        assert!(patience.is_due(1));
        assert_eq!(
            patience.tried(160),
            60,
            "what came with the first 60 has waited for 100 others"
        );
        patience.taken(500);
        assert_eq!(patience.tried(660), 160);
        patience.took(Duration::from_secs(60));
        patience.taken(500);
        assert!(!patience.is_due(1), "the last try took too long");
        assert!(!patience.is_due(0), "nothing is held");
        assert!(!patience.is_due(1), "what is held has just come");
        patience.taken(50);
        assert!(patience.is_due(1));
        assert_eq!(patience.tried(700), 0);
    }

    #[test]
    fn what_is_held_is_given_up_after_its_time() {
        let mut patience = Patience::new(HoldMax { events: u64::MAX, us: 0 });
        patience.taken(1);
        assert!(patience.is_due(1));
        assert_eq!(patience.tried(7), 7);
        let mut patience = Patience::new(HoldMax { events: u64::MAX, us: 160_000 });
        assert!(!patience.is_due(1));
        let began = Instant::now();
        let mut given_up = 0;
        let mut next = 7;
        while given_up == 0 {
            assert!(began.elapsed() < Duration::from_secs(30));
            if patience.is_due(1) {
                given_up = patience.tried(next);
                next += 1;
            }
            std::thread::yield_now();
        }
        assert_eq!(given_up, 7);
        assert!(began.elapsed() >= Duration::from_millis(180), "{:?}", began.elapsed());
    }
}
