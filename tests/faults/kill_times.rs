//! Killed at any time, again and again, by a supervisor that keeps the acknowledgements.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::dice::Dice;
use crate::events::{in_order, text};
use crate::feed::Feed;
use crate::program::{Append, Ran, ltvlog, plain_append};
use crate::scene::Truth;
use crate::tier::{Cases, Count, each_case, is_quick};

const EVENTS: u64 = 4_000;
/// Lives of a program in a case; each but perhaps the last ends with a kill.
const LIVES: u64 = 22;
const LIVES_QUICK: u64 = 10;

#[test]
fn a_kill_at_any_time_takes_nothing_that_was_acknowledged() {
    let cases = Cases { quick: 1, ci: 28 };
    let counts = [Count("kills", 1), Count("events kept", 1)];
    each_case("kill_times", &cases, counts, |seed| {
        let mut dice = Dice::new(seed);
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let lines = in_order("a", &mut dice, EVENTS, 200);
        fs::write(path("everything"), text(&lines)).unwrap();
        Ran::done(plain_append(&path("whole"), Some(&path("everything"))));
        let truth = Truth::of(&path("whole"), &path("everything"));
        let log = path("log");
        let (mut kills, mut kept) = (0, 0);
        for life in 0..if is_quick() { LIVES_QUICK } else { LIVES } {
            let segment_bytes = dice.one_of(&[None, None, Some(4 << 10), Some(40 << 10)]);
            let hold = Some(10 + dice.below(90));
            let calls = segment_bytes.and(dice.one_of(&[None, Some(12)]));
            let append = Append { segment_bytes, hold, calls, ..Append::default() };
            // As a client would: from the last acknowledgement on, or from somewhat before it.
            let from = (kept as usize).saturating_sub(dice.below(50) as usize);
            let mut feed = Feed::start(append.command(&[], &log, None), text(&lines[from..]));
            feed.wait_for_chance(&mut dice);
            let fed = feed.kill();
            assert!(fed.is_done() || fed.status.signal() == Some(9), "{fed:?}");
            kills += u64::from(!fed.is_done());
            let context = format!("life {life}");
            kept = truth.check_recovery(&log, kept.max(fed.acknowledged), &context);
        }
        truth.check_going_on(&log, kept, &path("everything"), "in the end");
        for args in [&["verify"][..], &["top", "3"], &["stats", "ac0"], &["export"], &["replay"]] {
            Ran::done(ltvlog(&[], &log, args));
        }
        [kills, kept]
    });
}
