//! How long and how often something is tried again.

use std::thread;
use std::time::{Duration, Instant};

use crate::cli::interrupt::Interrupt;

/// How often something is asked for before a server is given up.
const TRIES_MAX: u32 = 8;
/// The longest wait that a server may ask for. For more, whoever calls should come back.
const ASKED_MAX: Duration = Duration::from_secs(60);
/// The first and the longest wait where no server asks for one.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// Time between two looks at the note of signals.
const LOOK: Duration = Duration::from_millis(50);

/// The tries of one thing.
#[derive(Debug)]
pub(super) struct Patience<'i> {
    interrupt: Option<&'i Interrupt>,
    /// Whether it ends.
    is_bounded: bool,
    tries: u32,
}

impl<'i> Patience<'i> {
    /// Patience that a signal ends, too.
    pub(super) fn new(interrupt: Option<&'i Interrupt>) -> Patience<'i> {
        Patience { interrupt, is_bounded: true, tries: 0 }
    }

    /// Patience without an end: only the waits are bounded.
    pub(super) fn endless() -> Patience<'i> {
        Patience { interrupt: None, is_bounded: false, tries: 0 }
    }

    /// Something came of the last try.
    pub(super) fn again(&mut self) {
        self.tries = 0;
    }

    /// Whether nothing was waited for since something came of a try.
    pub(super) fn is_fresh(&self) -> bool {
        self.tries == 0
    }

    /// Waits before the next try, as long as was asked for. False if there is to be none.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> bool {
        self.tries = self.tries.saturating_add(1);
        let is_over = self.tries >= TRIES_MAX || asked.is_some_and(|asked| asked > ASKED_MAX);
        if self.is_bounded && is_over {
            return false;
        }
        let doubled = FIRST.saturating_mul(1 << self.tries.saturating_sub(1).min(16));
        self.sleep(asked.unwrap_or(doubled.min(LONGEST)).min(ASKED_MAX))
    }

    /// False if a signal came.
    #[allow(
        clippy::disallowed_methods,
        reason = "a server on another machine tells nobody when it is ready"
    )]
    fn sleep(&self, time: Duration) -> bool {
        let started = Instant::now();
        loop {
            if self.interrupt.is_some_and(Interrupt::came) {
                return false;
            }
            let rest = time.saturating_sub(started.elapsed());
            if rest.is_zero() {
                return true;
            }
            thread::sleep(rest.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_bounded_and_so_are_waits() {
        let mut patience = Patience::new(None);
        let waits = (0..100).take_while(|_| patience.wait(Some(Duration::ZERO))).count();
        assert_eq!(waits, 7);
        patience.again();
        assert!(patience.is_fresh() && patience.wait(Some(Duration::ZERO)));
        assert!(!patience.wait(Some(Duration::from_secs(61))), "too long a wait");
        let mut endless = Patience::endless();
        assert!((0..100).all(|_| endless.wait(Some(Duration::ZERO))));
    }
}
