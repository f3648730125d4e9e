//! How long to wait before a broker is asked again, and when to ask no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The first and the longest wait.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// Time between two looks at whether all is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Whether all is to end.
pub(crate) type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// The tries of one thing.
pub(super) struct Retry {
    stop: Stop,
    give_up: Option<Duration>,
    tries: u32,
    fine_at: Instant,
}

impl Retry {
    pub(super) fn new(give_up: Option<Duration>, stop: Stop) -> Retry {
        Retry { stop, give_up, tries: 0, fine_at: Instant::now() }
    }

    /// The broker did what it was asked for.
    pub(super) fn fine(&mut self) {
        self.tries = 0;
        self.fine_at = Instant::now();
    }

    /// Whether nothing was tried again since the broker was fine.
    pub(super) fn is_fresh(&self) -> bool {
        self.tries == 0
    }

    /// Waits before the next try. False if there is to be none.
    pub(super) async fn wait(&mut self) -> bool {
        let until = Instant::now() + pause(self.tries);
        self.tries = self.tries.saturating_add(1);
        let over = self.give_up.map(|time| self.fine_at + time);
        loop {
            let now = Instant::now();
            if (self.stop)() || over.is_some_and(|over| now >= over) {
                return false;
            }
            if now >= until {
                return true;
            }
            sleep(LOOK.min(until - now)).await;
        }
    }
}

/// How long to wait after so many tries.
fn pause(tries: u32) -> Duration {
    FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::broker::runtime;

    #[test]
    fn waits_grow_until_they_are_given_up() {
        runtime().expect("a runtime").block_on(async {
            let mut retry = Retry::new(Some(Duration::from_millis(400)), Arc::new(|| false));
            let began = Instant::now();
            let mut tries = 0;
            while retry.wait().await {
                tries += 1;
            }
            // After 50, 150 and 350 ms; the fourth would be at 750.
            assert_eq!(tries, 3);
            assert!(began.elapsed() >= Duration::from_millis(400));
            assert!(!retry.is_fresh());
            retry.fine();
            assert!(retry.is_fresh() && retry.wait().await);
        });
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let ms = [0, 1, 3, 6, 7, 40, u32::MAX].map(|tries| pause(tries).as_millis());
        assert_eq!(ms, [50, 100, 400, 3_200, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn a_signal_ends_a_wait_without_an_end() {
        runtime().expect("a runtime").block_on(async {
            let looks = Arc::new(AtomicU32::new(0));
            let seen = Arc::clone(&looks);
            let stop = Arc::new(move || seen.fetch_add(1, Ordering::Relaxed) > 3);
            let mut retry = Retry::new(None, stop);
            while retry.wait().await {}
            assert_eq!(looks.load(Ordering::Relaxed), 5);
        });
    }
}
