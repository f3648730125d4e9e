//! Many programs that append to one log at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Mutex};
use std::thread;

use ltvlog::{Event, Options, Store};

use crate::dice::Dice;
use crate::events::{in_order, text};
use crate::program::{Append, Ran, Receipt, plain_append};
use crate::read::{digest, export, look};
use crate::tier::{Cases, Count, each_case};

/// Of so many races one begins while somebody else writes, who lets go once a rival was locked out:
/// otherwise all writers are so fast that none waits for another in vain.
const TAKEN_EVERY: u64 = 4;
/// Only a lock that nobody lets go keeps a writer out more often.
const TRIES: u64 = 100;

#[test]
fn of_many_writers_each_event_is_there_once() {
    let cases = Cases { quick: 5, ci: 200 };
    let counts = [Count("races", 1), Count("appends", 2), Count("times locked out", 1)];
    each_case("racing", &cases, counts, |seed| {
        let mut dice = Dice::new(seed);
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let log = path("log");
        if dice.once_in(2) {
            Ran::done(plain_append(&log, None));
        }
        let same = in_order("same", &mut dice, 40, 300);
        let mut all = same.clone();
        let mut writers = Vec::new();
        for writer in 0..2 + dice.below(3) {
            let own = in_order(&format!("w{writer}"), &mut dice, 20, 300);
            all.extend_from_slice(&own);
            let input = path(&format!("input{writer}"));
            fs::write(&input, text(&same) + &text(&own)).unwrap();
            let segment_bytes = dice.one_of(&[None, Some(1500)]);
            let hold = Some(3 + dice.below(20));
            writers.push((Append { segment_bytes, hold, ..Append::default() }, input));
        }
        let (rival, taken) = if seed % TAKEN_EVERY == 0 {
            let (store, accepted) = take(&log, &same[..10]);
            (Some(store), accepted)
        } else {
            (None, 0)
        };
        let rival = Mutex::new(rival);
        let gate = Barrier::new(writers.len());
        let race = |(append, input): &(Append, PathBuf)| {
            gate.wait();
            for locked_out in 0..TRIES {
                let ran = Ran::run(append.command(&[], &log, Some(input)));
                if ran.is_clean_failure() && ran.err.contains("another process is writing to") {
                    drop(rival.lock().unwrap().take());
                    continue;
                }
                let receipt = ran.receipt().filter(|_| ran.status.success());
                return (receipt.unwrap_or_else(|| panic!("{ran:?}")), locked_out);
            }
            panic!("locked out {TRIES} times: {}", log.display());
        };
        let race = &race;
        let results: Vec<(Receipt, u64)> = thread::scope(|scope| {
            let threads: Vec<_> =
                writers.iter().map(|writer| scope.spawn(move || race(writer))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let accepted: u64 = results.iter().map(|(receipt, _)| receipt.accepted).sum();
        assert_eq!(taken + accepted, all.len() as u64, "each event is accepted once: {results:?}");
        fs::write(path("all"), text(&all)).unwrap();
        Ran::done(plain_append(&path("whole"), Some(&path("all"))));
        let (mut found, mut expected) = (look(&log, "after a race").lines, export(&path("whole")));
        found.sort_unstable();
        expected.sort_unstable();
        assert!(found == expected, "the log has other events than were given");
        assert_eq!(digest(&log), digest(&path("whole")));
        let locked_out = results.iter().map(|(_, locked_out)| locked_out).sum();
        [1, results.len() as u64, locked_out]
    });
}

/// A writer with these events in the log, and how many of them it has accepted.
fn take(log: &Path, lines: &[String]) -> (Store, u64) {
    let mut store = Store::open(log, Options::default()).unwrap();
    let rules = store.rules().clone();
    let events = lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules).unwrap());
    let receipt = store.append(events).unwrap();
    (store, receipt.accepted)
}
