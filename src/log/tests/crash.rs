//! Power cuts, kills and failing calls at every change of the disk: what is recovered is an exact
//! prefix of what was appended, with everything in it that was acknowledged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

pub(super) const DIR: &str = "/log";

#[derive(Clone, Copy, Debug)]
pub(super) enum Do {
    /// Events, customers, bytes of filler, and whether they are zero.
    Append(u32, u32, usize, bool),
    Sync,
    /// Hands over what was gathered without syncing it.
    Write,
    Close,
    Kill,
}

/// What became of a workload.
#[derive(Default)]
pub(super) struct Ran {
    pub(super) appended: Vec<(u64, u32, Vec<u8>)>,
    /// Acknowledged: must be there whatever happens.
    pub(super) acked: u64,
    /// The first error.
    pub(super) failed: Option<Error>,
}

/// A small random generator; its seed is in every failure's message.
pub(super) struct Random(pub(super) AtomicU64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(AtomicU64::new(seed))
    }

    pub(super) fn below(&self, count: usize) -> usize {
        (splitmix(&self.0) % count as u64) as usize
    }
}

pub(super) fn run(disk: &mut SimDisk, steps: &[Do], go_on: bool) -> Ran {
    let mut ran = Ran::default();
    let mut seed = 1;
    let mut writer = None;
    for step in steps {
        seed += 1;
        let done = one(disk, &mut writer, *step, &mut ran, seed);
        if let Err(error) = done {
            ran.failed.get_or_insert(error);
            if !go_on {
                break;
            }
            // Going on means opening again, with what the kernel kept of it.
            drop(writer.take());
        }
    }
    ran
}

fn one(
    disk: &mut SimDisk,
    writer: &mut Option<Writer>,
    step: Do,
    ran: &mut Ran,
    seed: u64,
) -> Result<(), Error> {
    if writer.is_none() {
        let env = env(Arc::new(disk.clone()), seed);
        let opened = open(&env, Path::new(DIR), 3000)?.0;
        // What is there now is durable; what is not there was never acknowledged.
        assert!(opened.end() >= ran.acked, "acknowledged events are gone");
        ran.appended.retain(|(first, events, _)| first + u64::from(*events) <= opened.end());
        ran.acked = opened.synced_end();
        *writer = Some(opened);
    }
    let open = writer.as_mut().expect("opened above");
    match step {
        Do::Append(events, customers, filler, zero) => {
            let first = open.end();
            let mark = if zero { 0 } else { u8::try_from(ran.appended.len() % 250).unwrap() + 1 };
            let (body, after) =
                super::Body::new(customers, 3, vec![mark; filler]).encode(&open.tally());
            ran.appended.push((first, events, body.clone()));
            open.append(&body, events, after)?;
        }
        Do::Sync => {
            ran.acked = ran.acked.max(open.sync()?);
        }
        Do::Write => {
            open.view()?;
        }
        Do::Close => {
            let end = open.end();
            writer.take().expect("opened above").close()?;
            ran.acked = end;
        }
        Do::Kill => {
            *disk = disk.kill();
            *writer = None;
        }
    }
    Ok(())
}

/// Checks a disk after a crash: reading, recovering, and recovering again. Gives the recovered
/// end.
fn check(disk: &SimDisk, ran: &Ran, hint: &str) -> u64 {
    let env = env(Arc::new(disk.clone()), 99);
    let dir = Path::new(DIR);
    let before = disk.files();
    let seen = match View::open(&env, dir, readers()) {
        Ok(view) => batches(&view, 0).unwrap_or_else(|error| panic!("{hint}: read: {error}")),
        Err(Error::Missing { .. }) => Vec::new(),
        Err(error) => panic!("{hint}: view: {error}"),
    };
    assert_eq!(disk.files(), before, "{hint}: a reader changed something");
    let end = is_prefix(&seen, ran, hint);
    let (mut writer, _) =
        open(&env, dir, 3000).unwrap_or_else(|error| panic!("{hint}: open: {error}"));
    assert_eq!((writer.end(), writer.synced_end()), (end, end), "{hint}: writer and reader differ");
    assert_eq!(
        batches(&writer.view().unwrap(), 0).unwrap(),
        seen,
        "{hint}: writer and reader differ"
    );
    end
}

fn is_prefix(seen: &[(u64, u32, Vec<u8>)], ran: &Ran, hint: &str) -> u64 {
    let end = seen.last().map_or(0, |(first, events, _)| first + u64::from(*events));
    assert!(end >= ran.acked, "{hint}: {} was acknowledged, {end} is there", ran.acked);
    // Batches that a failed writer appended may be missing, and others stand in their place; what
    // is there must be what was appended there.
    for batch in seen {
        assert!(
            ran.appended.contains(batch),
            "{hint}: a batch at {} that was never appended",
            batch.0
        );
    }
    let dense = seen
        .iter()
        .try_fold(0, |at, (first, events, _)| (*first == at).then_some(at + u64::from(*events)));
    assert_eq!(dense, Some(end), "{hint}: a gap");
    end
}

pub(super) fn workloads() -> Vec<Vec<Do>> {
    use Do::{Append, Close, Kill, Sync, Write};
    vec![
        vec![
            Append(3, 1, 5, false),
            Sync,
            Append(2, 1, 700, false),
            Sync,
            Append(1, 0, 1200, true),
            Sync,
            Close,
        ],
        vec![
            Append(2, 1, 40, false),
            Append(2, 0, 600, false),
            Sync,
            Append(5, 2, 900, false),
            Append(1, 0, 2, false),
            Sync,
            Append(2, 1, 800, true),
            Sync,
            Append(2, 1, 800, false),
            Append(2, 1, 1800, false),
            Sync,
            Append(1, 0, 1, false),
            Close,
        ],
        vec![
            Append(1, 1, 300, false),
            Write,
            Append(1, 0, 300, false),
            Write,
            Kill,
            Append(1, 0, 20, false),
            Sync,
            Append(1, 1, 1500, false),
            Write,
            Kill,
            Append(1, 0, 1300, true),
            Sync,
            Kill,
            Append(0, 0, 3, false),
            Sync,
            Close,
            Append(1, 0, 5, false),
            Sync,
        ],
        vec![
            Append(1, 1, 2900, false),
            Append(1, 1, 2900, true),
            Sync,
            Append(1, 0, 2900, false),
            Sync,
            Close,
        ],
    ]
}

/// Power cuts at every change, with many choices of what the disk kept; and again in recovery.
#[test]
fn a_power_cut_anywhere_leaves_a_prefix_with_all_that_was_acknowledged() {
    let states = power_cuts(60, 4, 0x1234);
    println!("{states} crash states");
    assert!(states > 10_000);
}

/// The same for as long as asked: `LTVLOG_CRASH_ROUNDS=1000 LTVLOG_SEED=7 cargo test -- --ignored`.
#[test]
#[ignore = "a campaign"]
fn power_cuts_for_long() {
    let asked =
        |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let states =
        power_cuts(asked("LTVLOG_CRASH_ROUNDS", 1000) as usize, 10, asked("LTVLOG_SEED", 7));
    println!("{states} crash states");
}

fn power_cuts(rounds: usize, again: usize, seed: u64) -> u64 {
    let mut states = 0;
    for (number, steps) in workloads().into_iter().enumerate() {
        let mut whole = SimDisk::default();
        assert!(run(&mut whole, &steps, false).failed.is_none());
        let mut at = 0;
        loop {
            let mut disk = SimDisk::default();
            disk.fail(at, SimFault::PowerOff, true);
            let ran = run(&mut disk, &steps, false);
            for round in 0..rounds {
                let seed = seed + (number * 1_000_000 + at as usize * 1000 + round) as u64;
                let random = Random::new(seed);
                // The first rounds keep the oldest of everything, or the newest.
                let mut pick = |count| match round {
                    0 => 0,
                    1 => count - 1,
                    _ => random.below(count),
                };
                let crashed = disk.crash(&mut pick, false);
                let hint = format!("workload {number}, change {at}, round {round}, seed {seed}");
                if round % 10 == 2 {
                    states += crash_in_recovery(&crashed, &ran, &random, again, &hint);
                }
                check_twice(&crashed, &ran, &random, &hint);
                states += 1;
            }
            if ran.failed.is_none() {
                break;
            }
            at += 1;
        }
    }
    states
}

/// What a writer has recovered stays, whatever happens next.
pub(super) fn check_twice(crashed: &SimDisk, ran: &Ran, random: &Random, hint: &str) {
    let end = check(crashed, ran, hint);
    let again = crashed.crash(&mut |count| random.below(count), false);
    let kept = Ran { appended: ran.appended.clone(), acked: end, failed: None };
    assert_eq!(check(&again, &kept, &format!("{hint}, recovered and cut")), end, "{hint}");
}

/// The bytes that recovery will cut off, if any.
fn torn_tail(disk: &SimDisk) -> Option<Vec<u8>> {
    let view = View::open(&env(Arc::new(disk.clone()), 5), Path::new(DIR), readers()).ok()?;
    let info = view.segments().unwrap().pop()?;
    let (start, torn) = (info.bytes as usize, view.torn_bytes() as usize);
    let bytes = disk.files().remove(&info.path)?;
    Some(bytes[start..start + torn].to_vec()).filter(|bytes| !bytes.is_empty())
}

fn is_in_quarantine(disk: &SimDisk, bytes: &[u8]) -> bool {
    let dir = PathBuf::from(DIR).join("quarantine");
    disk.files().iter().any(|(path, kept)| path.starts_with(&dir) && kept == bytes)
}

fn crash_in_recovery(
    crashed: &SimDisk,
    ran: &Ran,
    random: &Random,
    again: usize,
    hint: &str,
) -> u64 {
    let torn = torn_tail(crashed);
    let mut states = 0;
    for at in 0.. {
        let disk = crashed.copy();
        disk.fail(at, SimFault::PowerOff, true);
        let opened = open(&env(Arc::new(disk.clone()), 5), Path::new(DIR), 3000);
        let hint = format!("{hint}, cut in recovery at {at}");
        for _ in 0..again {
            let second = disk.crash(&mut |count| random.below(count), false);
            check(&second, ran, &hint);
            let kept = torn.as_ref().is_none_or(|torn| is_in_quarantine(&second, torn));
            assert!(kept, "{hint}: cut before it was kept");
            states += 1;
        }
        if opened.is_ok() {
            return states;
        }
    }
    states
}

/// Holes that read as garbage may be refused, but never read as events.
#[test]
fn garbage_in_holes_is_never_an_event() {
    for (number, steps) in workloads().into_iter().enumerate() {
        let mut whole = SimDisk::default();
        run(&mut whole, &steps, false);
        for at in 0..whole.changes().max(40) {
            let mut disk = SimDisk::default();
            disk.fail(at, SimFault::PowerOff, true);
            let ran = run(&mut disk, &steps, false);
            for round in 0..20 {
                let random = Random::new(at * 100 + round);
                let crashed = disk.crash(&mut |count| random.below(count), true);
                let hint = format!("workload {number}, change {at}, round {round}");
                let env = env(Arc::new(crashed.clone()), 9);
                let view = View::open(&env, Path::new(DIR), readers());
                if let Ok(seen) = view.and_then(|view| batches(&view, 0)) {
                    is_prefix(&seen, &ran, &hint);
                }
                let before = crashed.files();
                match open(&env, Path::new(DIR), 3000) {
                    Ok((mut writer, _)) => {
                        is_prefix(&batches(&writer.view().unwrap(), 0).unwrap(), &ran, &hint);
                    }
                    Err(_) => assert_eq!(crashed.files(), before, "{hint}: refused, yet changed"),
                }
            }
        }
    }
}

/// The files of a closed log of such batches: (events, customers, filler).
pub(super) fn whole_log(script: &[(u32, u32, usize)]) -> BTreeMap<PathBuf, Vec<u8>> {
    let disk = SimDisk::default();
    let (mut writer, _) = open(&env(Arc::new(disk.clone()), 1), Path::new(DIR), 3000).unwrap();
    for (events, customers, filler) in script {
        append(&mut writer, *events, *customers, *filler);
        writer.sync().unwrap();
    }
    writer.close().unwrap();
    disk.files()
}
