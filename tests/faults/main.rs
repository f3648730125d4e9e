//! What the real program makes of real faults: kills, power cuts, full disks, failing calls,
//! rivals, and readers in the midst of it.
//!
//! The variable `LTVLOG_TIER` says how long: unset a few seconds; `ci` a few minutes; `campaign`
//! for `LTVLOG_MINUTES` minutes each (10). `LTVLOG_SEED` is the first seed. Some tests need strace,
//! xfsprogs or root: what is not there is said in one line, and a failure in `ci` alone, where
//! `LTVLOG_MAY_SKIP=1` forgives it.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test fails by panicking, and nothing outside this binary sees its modules"
)]

// tier: how many cases, and which; tools: what this machine has; dice: numbers from seeds.
mod dice;
mod tier;
mod tools;

// events: what is appended; program: who appends it, the real program or appender, which is the
// library with small segments; scene: a log, what is appended to it, and what must come of it;
// read: what a log says; strace: system calls that kill or fail.
mod appender;
mod events;
mod program;
mod read;
mod scene;
mod scenes;
mod strace;

// feed: a program fed through a pipe whose acknowledgements are kept.
mod feed;

// The tests.
mod disk_full;
mod failing_calls;
mod followers;
mod kill_points;
mod kill_times;
mod power_cut;
mod racing;
