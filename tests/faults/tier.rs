//! How many cases a test runs, and which.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long tests go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// A few seconds.
    Quick,
    /// A few minutes.
    Ci,
    /// As long as the variable `LTVLOG_MINUTES` says.
    Campaign,
}

pub fn tier() -> Tier {
    match env::var("LTVLOG_TIER").as_deref() {
        Err(_) | Ok("" | "quick") => Tier::Quick,
        Ok("ci") => Tier::Ci,
        Ok("campaign") => Tier::Campaign,
        Ok(other) => panic!("LTVLOG_TIER is `quick`, `ci` or `campaign`, not `{other}`"),
    }
}

pub fn is_quick() -> bool {
    tier() == Tier::Quick
}

/// How many cases there are in the first two tiers.
pub struct Cases {
    pub quick: u64,
    pub ci: u64,
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Says how to see a failed case again, and that it failed.
struct Reproduce<'a> {
    test: &'a str,
    seed: u64,
    failed: &'a AtomicBool,
}

impl Drop for Reproduce<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Reproduce { test, seed, failed } = self;
            failed.store(true, Ordering::Relaxed);
            let tier = env::var("LTVLOG_TIER").unwrap_or_default();
            eprintln!(
                "again: LTVLOG_TIER={tier} LTVLOG_SEED={seed} cargo test --test faults {test}"
            );
        }
    }
}

/// What the cases of a test count, and the least that a run must come to: one in which nothing went
/// wrong has shown nothing.
pub struct Count(pub &'static str, pub u64);

/// Runs a test's cases, two at a time, and prints what they counted, each count under its name.
pub fn each_case<const N: usize>(
    test: &str,
    cases: &Cases,
    counts: [Count; N],
    case: impl Fn(u64) -> [u64; N] + Sync,
) {
    let began = Instant::now();
    let (first, most, until) = match tier() {
        Tier::Quick => (1, cases.quick, None),
        Tier::Ci => (1, cases.ci, None),
        Tier::Campaign => {
            let minutes = Duration::from_secs(60 * number("LTVLOG_MINUTES", 10));
            (1, u64::MAX, Some(began + minutes))
        }
    };
    let first = number("LTVLOG_SEED", first);
    let (done, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let sums = Mutex::new([0; N]);
    let work = || {
        let goes_on = || until.is_none_or(|until| Instant::now() < until);
        while goes_on() && !failed.load(Ordering::Relaxed) {
            let turn = done.fetch_add(1, Ordering::Relaxed);
            if turn >= most {
                break;
            }
            let seed = first.wrapping_add(turn);
            let _again = Reproduce { test, seed, failed: &failed };
            let counted = case(seed);
            let mut sums = sums.lock().unwrap();
            for (sum, count) in sums.iter_mut().zip(counted) {
                *sum += count;
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let sums = sums.into_inner().unwrap();
    let text: Vec<String> =
        counts.iter().zip(sums).map(|(Count(name, _), sum)| format!("{sum} {name}")).collect();
    println!("{test}: {}, seeds from {first}, {:?}", text.join(", "), began.elapsed());
    for (Count(name, least), sum) in counts.iter().zip(sums) {
        assert!(sum >= *least, "{test}: only {sum} {name}, seeds from {first}: at least {least}");
    }
}

/// At most so many of some things, from all over them; which ones, the seed tells.
pub fn spread<T>(of: &[T], most: usize, seed: u64) -> impl Iterator<Item = &T> {
    let step = of.len().div_ceil(most.max(1)).max(1);
    of.iter().skip(seed as usize % step).step_by(step)
}
