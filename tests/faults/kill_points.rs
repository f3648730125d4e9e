//! Killed at every system call: while creating, appending, rolling, closing, and recovering.

use crate::read::copy;
use crate::scene::Scene;
use crate::scenes::{KINDS, kind, most, scene};
use crate::strace::{calls, calls_of, killed_at, was_killed};
use crate::tier::{Cases, Count, each_case, spread};
use crate::tools::has_strace;

/// Kills in a scene of the quick tier, and in one that takes long.
const FEW: usize = 4;
const SOME: usize = 30;
/// Of so many kills one is followed by kills in the recovery, so many of them.
const TWICE_EVERY: u64 = 12;
const TWICE: usize = 4;

#[test]
fn a_kill_at_any_system_call_takes_nothing_that_was_acknowledged() {
    const NAME: &str = "kill_points";
    if !has_strace(NAME) {
        return;
    }
    let cases = Cases { quick: KINDS, ci: 4 * KINDS };
    let counts = [Count("kills", 1), Count("kills in recovery", 1)];
    each_case(NAME, &cases, counts, |seed| {
        let kind = kind(seed);
        let scene = scene(kind, seed);
        let calls = calls(&scene);
        let most = most(kind, (FEW, SOME, calls.len()));
        let mut counts = [0; 2];
        for (turn, call) in (seed..).zip(spread(&calls, most, seed)) {
            let ran = scene.run(&killed_at(call));
            assert!(was_killed(&ran) || scene.is_whole(&ran), "{ran:?}");
            let acknowledged = scene.acknowledged(&ran);
            let context = format!("{}, killed at {}", scene.name, call.line);
            if turn % TWICE_EVERY == 0 {
                counts[1] += kill_recovery(&scene, acknowledged, &context, seed);
            }
            scene.check(acknowledged, &context);
            counts[0] += u64::from(was_killed(&ran));
        }
        assert!(counts[0] > 0, "{}: nothing was killed", scene.name);
        counts
    });
}

/// Kills the recovery of the log that a kill has left, too, and leaves that log as it was.
fn kill_recovery(scene: &Scene, acknowledged: u64, context: &str, seed: u64) -> u64 {
    let killed = scene.path("killed");
    copy(&scene.log(), &killed);
    let calls = calls_of(scene, |wrap| scene.recover(wrap));
    let mut kills = 0;
    for call in spread(&calls, TWICE, seed) {
        copy(&killed, &scene.log());
        let ran = scene.recover(&killed_at(call));
        let context = format!("{context}, its recovery at {}", call.line);
        scene.check(acknowledged.max(ran.acknowledged()), &context);
        kills += u64::from(was_killed(&ran));
    }
    copy(&killed, &scene.log());
    kills
}
