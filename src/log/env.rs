//! The world as it is: the system's disk, clock and randomness.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::os::OsDisk;
use super::{Disk, Env};

impl Env {
    /// The machine's own. `allow_remote` takes network file systems, whose locks and syncs cannot
    /// be trusted.
    pub(crate) fn real(allow_remote: bool) -> Env {
        let disk: Arc<dyn Disk> = if allow_remote {
            Arc::new(OsDisk::with_remote_allowed())
        } else {
            Arc::new(OsDisk::default())
        };
        Env {
            disk,
            now_us: Arc::new(now_us),
            random_u64: Arc::new(random_u64),
            pause_us: Arc::new(pause_us),
            threads: true,
        }
    }
}

/// A clock outside of what an `i64` of µs holds is as good as one that stands still.
fn now_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where time is passed in")]
fn pause_us(us: u64) {
    std::thread::sleep(Duration::from_micros(us));
}

fn random_u64() -> u64 {
    getrandom::u64().expect("the system gives random numbers, as it must to run anything securely")
}
