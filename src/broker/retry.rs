//! How long to wait before a broker is asked again, and when to ask no more.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::Trouble;

/// The first and the longest wait.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// Time between two looks at whether all is to end.
const LOOK: Duration = Duration::from_millis(50);
/// How long an answer that is under way is still waited for once all is to end.
const GRACE: Duration = Duration::from_secs(3);

/// Whether all is to end.
pub(crate) type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// The tries of one thing.
pub(super) struct Retry {
    stop: Stop,
    give_up: Option<Duration>,
    tries: u32,
    fine_at: Instant,
    /// When it was first seen that all is to end.
    stopped_at: Option<Instant>,
}

impl Retry {
    pub(super) fn new(give_up: Option<Duration>, stop: Stop) -> Retry {
        Retry { stop, give_up, tries: 0, fine_at: Instant::now(), stopped_at: None }
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
        loop {
            let now = Instant::now();
            if (self.stop)() || self.is_given_up(now) {
                return false;
            }
            if now >= until {
                return true;
            }
            sleep(LOOK.min(until - now)).await;
        }
    }

    /// Waits before the next try, and says once why there is one. False if there is to be none.
    pub(super) async fn again(&mut self, trouble: &Trouble, note: &dyn Fn(&str)) -> bool {
        let Trouble::Passing(text) = trouble else { return false };
        if self.is_fresh() {
            note(&format!("{text}; trying again"));
        }
        self.wait().await
    }

    /// Asks until there is an answer that is not to be asked for again.
    pub(super) async fn until<T>(
        &mut self,
        note: &dyn Fn(&str),
        mut ask: impl AsyncFnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        loop {
            match self.heed(ask()).await {
                Ok(answer) => {
                    self.fine();
                    return Ok(answer);
                }
                Err(trouble) if self.again(&trouble, note).await => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Waits for an answer, but no longer than nothing may be answered, and not for long once all is
    /// to end.
    pub(super) async fn heed<T>(
        &mut self,
        asked: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let mut asked = pin!(asked);
        while !self.is_over() {
            if let Ok(answer) = timeout(LOOK, &mut asked).await {
                return answer;
            }
        }
        // What has come already is there, whatever the time is.
        let silent = || Trouble::Passing("the broker does not answer".to_owned());
        asked.now_or_never().unwrap_or_else(|| Err(silent()))
    }

    /// Whether no answer is waited for any more.
    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        if (self.stop)() {
            self.stopped_at.get_or_insert(now);
        }
        let is_stopped = self.stopped_at.is_some_and(|stopped| now >= stopped + GRACE);
        is_stopped || self.is_given_up(now)
    }

    fn is_given_up(&self, now: Instant) -> bool {
        self.give_up.is_some_and(|time| now >= self.fine_at + time)
    }
}

/// How long to wait after so many tries.
fn pause(tries: u32) -> Duration {
    FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
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

    #[test]
    fn what_is_asked_for_is_asked_again_until_it_is_answered_or_refused() {
        runtime().expect("a runtime").block_on(async {
            let notes = RefCell::new(Vec::new());
            let note = |text: &str| notes.borrow_mut().push(text.to_owned());
            let mut retry = Retry::new(None, Arc::new(|| false));
            let mut left = vec![
                Ok(7),
                Err(Trouble::Passing("b".to_owned())),
                Err(Trouble::Passing("a".to_owned())),
            ];
            let answer = retry.until(&note, async || left.pop().expect("one more")).await;
            assert_eq!((answer, retry.is_fresh()), (Ok(7), true));
            assert_eq!(*notes.borrow(), ["a; trying again"]);
            let refused = Err::<(), _>(Trouble::Lasting("no".to_owned()));
            assert_eq!(retry.until(&note, async || refused.clone()).await, refused);
            assert_eq!(notes.borrow().len(), 1);
        });
    }

    #[test]
    fn no_answer_is_waited_for_without_an_end() {
        let never = async || std::future::pending::<Result<(), Trouble>>().await;
        let waited = |give_up: Option<Duration>, stop: bool| {
            runtime().expect("a runtime").block_on(async {
                let mut retry = Retry::new(give_up, Arc::new(move || stop));
                let began = Instant::now();
                retry.until(&|_| {}, never).await.expect_err("there is none");
                began.elapsed()
            })
        };
        let time = Duration::from_millis(300);
        let given_up = waited(Some(time), false);
        assert!(given_up >= time && given_up < GRACE, "{given_up:?}");
        let stopped = waited(None, true);
        assert!(stopped >= GRACE && stopped < 2 * GRACE, "{stopped:?}");
    }
}
