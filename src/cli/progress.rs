//! Progress on a terminal: rate and time left, once something takes longer than a second.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::count;

/// Nothing is shown before this.
const QUIET: Duration = Duration::from_secs(1);
/// Time between two looks of a person at the same bar.
const REDRAW: Duration = Duration::from_millis(100);
/// Events between two looks at the clock.
const STRIDE: u64 = 1024;

/// Progress of one long task.
pub(crate) struct Progress {
    started: Instant,
    /// The position at which the task is done, where it is known.
    total: Option<u64>,
    terminal: bool,
    looked_at: u64,
    drawn: Duration,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(total: Option<u64>) -> Progress {
        Progress {
            started: Instant::now(),
            total: total.filter(|total| *total > 0),
            terminal: io::stderr().is_terminal(),
            looked_at: 0,
            drawn: Duration::ZERO,
            bar: None,
        }
    }

    /// The task is at `position` of its total, and `events` events are done.
    pub(crate) fn at(&mut self, position: u64, events: u64) {
        if !self.terminal || events < self.looked_at + STRIDE {
            return;
        }
        self.looked_at = events;
        let elapsed = self.started.elapsed();
        if elapsed < QUIET || elapsed < self.drawn + REDRAW {
            return;
        }
        self.drawn = elapsed;
        let bar = self.bar.get_or_insert_with(|| bar(self.total));
        bar.set_position(position);
        bar.set_message(message(elapsed, events, position, self.total));
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = if total.is_some() { "{bar:30} {percent:>3} %  {msg}" } else { "{msg}" };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        // The templates above are known to be good; indicatif's own style would do as well.
        Err(_) => bar,
    }
}

/// What stands beside the bar: `1,234,567 events, 456,000/s, 12 s left`.
fn message(elapsed: Duration, events: u64, position: u64, total: Option<u64>) -> String {
    let elapsed_ms = elapsed.as_millis().max(1);
    let rate = u128::from(events) * 1000 / elapsed_ms;
    let mut text = format!("{} events, {}/s", count(events), count(small(rate)));
    if let Some(total) = total.filter(|_| position > 0) {
        let rest = u128::from(total.saturating_sub(position));
        let left_s = elapsed_ms * rest / u128::from(position) / 1000;
        text.push_str(&format!(", {} left", duration(small(left_s))));
    }
    text
}

fn small(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_those_of_the_time_so_far() {
        let elapsed = Duration::from_secs(2);
        assert_eq!(
            message(elapsed, 3_000_000, 10, Some(40)),
            "3,000,000 events, 1,500,000/s, 6 s left"
        );
        assert_eq!(message(elapsed, 10, 0, Some(40)), "10 events, 5/s");
        assert_eq!(message(elapsed, 10, 5, None), "10 events, 5/s");
        assert_eq!(message(elapsed, 10, 50, Some(40)), "10 events, 5/s, 0 s left");
        assert_eq!(duration(119), "119 s");
        assert_eq!(duration(120), "2 min");
        assert_eq!(duration(7200), "2 h");
    }
}
