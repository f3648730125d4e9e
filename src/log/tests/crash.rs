//! Power cuts at every change of the disk, and again in the recovery from them: all that the disk
//! may have kept where that is little, and a sample of it where it is much.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::workload::{
    Batch, DIR, Ran, Random, Workload, check, check_prefix, check_twice, run, workloads,
};
use super::*;

/// So many possibilities of one crash are tried one by one; of more, so many are drawn.
const TRIED: usize = 24;

/// What the disk keeps: every combination of choices in turn, as digits that are counted up.
#[derive(Default)]
struct Choices {
    digits: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn pick(&mut self, count: usize) -> usize {
        if self.at == self.digits.len() {
            self.digits.push((0, count));
        }
        let (digit, known) = self.digits[self.at];
        assert_eq!(known, count, "the same choices lead to the same questions");
        self.at += 1;
        digit
    }

    /// Goes on to the next combination, if there is one.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((digit, count)) = self.digits.pop() {
            if digit + 1 < count {
                self.digits.push((digit + 1, count));
                return true;
            }
        }
        false
    }
}

/// All that a power cut can leave of a disk, up to [`TRIED`], else as many drawn at random.
fn left_of(disk: &SimDisk, random: &Random, mut each: impl FnMut(SimDisk, usize)) -> u64 {
    let mut choices = Choices::default();
    let mut left = Vec::new();
    while left.len() <= TRIED {
        left.push(disk.copy().crash(&mut |count| choices.pick(count), false));
        if !choices.next() {
            let count = left.len() as u64;
            left.into_iter().enumerate().for_each(|(number, disk)| each(disk, number));
            return count;
        }
    }
    for number in 0..TRIED {
        let mut pick = |count| match number {
            0 => 0,
            1 => count - 1,
            _ => random.below(count),
        };
        each(disk.copy().crash(&mut pick, false), number);
    }
    TRIED as u64
}

/// Cuts power at every change of a workload; counts the states of the disk that were checked.
fn power_cuts(workload: &Workload, seed: u64, hint: &str) -> u64 {
    let mut states = 0;
    for at in 0.. {
        let mut disk = SimDisk::default();
        disk.fail(at, SimFault::PowerOff, true);
        let ran = run(&mut disk, workload, false);
        let random = Random::new(seed ^ (at << 32));
        let mut in_recovery = 0;
        states += left_of(&disk, &random, |crashed, number| {
            let hint = format!("{hint}, {workload:?}: change {at}, state {number}");
            if random.below(24) == 0 {
                in_recovery += cut_in_recovery(&crashed, workload, &ran, &random, 1, &hint);
            }
            check_twice(&crashed, workload, &ran, &random, &hint);
            in_recovery += 1;
        });
        states += in_recovery;
        if ran.failed.is_none() {
            break;
        }
    }
    states
}

/// Power goes at every change that recovery makes, and again in the recovery from that.
fn cut_in_recovery(
    crashed: &SimDisk,
    workload: &Workload,
    ran: &Ran,
    random: &Random,
    deeper: u32,
    hint: &str,
) -> u64 {
    let torn = torn_tail(crashed);
    let settings = settings(workload.segment_bytes_max);
    let mut states = 0;
    for at in 0.. {
        let disk = crashed.copy();
        disk.fail(at, SimFault::PowerOff, true);
        let env = env(Arc::new(disk.clone()), 5);
        let opened = Writer::open(&env, Path::new(DIR), &settings, readers(), ran.noted);
        let hint = format!("{hint}, cut in recovery at {at}");
        for _ in 0..3 {
            let second = disk.copy().crash(&mut |count| random.below(count), false);
            if deeper > 0 && random.below(8) == 0 {
                states += cut_in_recovery(&second, workload, ran, random, deeper - 1, &hint);
            }
            check(&second, workload, ran, &hint);
            let kept = torn.as_ref().is_none_or(|torn| is_in_quarantine(&second, torn));
            assert!(kept, "{hint}: cut before it was kept");
            states += 1;
        }
        if opened.is_ok() {
            break;
        }
    }
    states
}

/// The bytes that recovery will cut off, if any.
fn torn_tail(disk: &SimDisk) -> Option<Vec<u8>> {
    let view = View::open(&env(Arc::new(disk.clone()), 5), Path::new(DIR), readers(), 0).ok()?;
    let info = view.segments().unwrap().pop()?;
    let (start, torn) = (info.bytes as usize, view.torn_bytes() as usize);
    let bytes = disk.files().remove(&info.path)?;
    Some(bytes[start..start + torn].to_vec()).filter(|bytes| !bytes.is_empty())
}

/// The torn bytes may be quarantined already, or still where they were.
fn is_in_quarantine(disk: &SimDisk, bytes: &[u8]) -> bool {
    let dir = PathBuf::from(DIR).join("quarantine");
    torn_tail(disk).is_some_and(|torn| torn == bytes)
        || disk.files().iter().any(|(path, kept)| path.starts_with(&dir) && kept == bytes)
}

/// Workloads from a small grammar, power cut at every change of each. `LTVLOG_TIER` says how many
/// states, `LTVLOG_SEED` where to begin, `LTVLOG_STATES` overrides the tier: 1 is one workload.
#[test]
fn a_power_cut_anywhere_leaves_a_prefix_with_all_that_was_acknowledged() {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let tier = std::env::var("LTVLOG_TIER").unwrap_or_default();
    let wanted = asked("LTVLOG_STATES").unwrap_or(match tier.as_str() {
        "ci" => 10_000_000,
        "campaign" => u64::MAX,
        _ => 60_000,
    });
    let end = Instant::now() + Duration::from_secs(60 * asked("LTVLOG_MINUTES").unwrap_or(10));
    let first = asked("LTVLOG_SEED").unwrap_or(1);
    let mut states = 0;
    for (number, workload) in workloads().iter().enumerate() {
        states += power_cuts(workload, 7, &format!("workload {number}"));
    }
    let (states, next) = (AtomicU64::new(states), AtomicU64::new(first));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while states.load(Ordering::Relaxed) < wanted
                    && (tier != "campaign" || Instant::now() < end)
                {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let hint = format!(
                        "LTVLOG_SEED={seed} LTVLOG_STATES=1 cargo test --lib a_power_cut_anywhere"
                    );
                    states.fetch_add(
                        power_cuts(&Workload::random(seed), seed, &hint),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    let (states, next) = (states.into_inner(), next.into_inner());
    println!(
        "T1: {states} crash states of {} workloads, seeds {first} to {}",
        next - first,
        next - 1
    );
}

/// Holes that read as garbage may be refused, but never read as events.
#[test]
fn garbage_in_holes_is_never_an_event() {
    let mut states = 0;
    for (number, workload) in workloads().iter().enumerate() {
        for at in 0.. {
            let mut disk = SimDisk::default();
            disk.fail(at, SimFault::PowerOff, true);
            let ran = run(&mut disk, workload, false);
            for round in 0..20 {
                let random = Random::new(at * 100 + round);
                let crashed = disk.copy().crash(&mut |count| random.below(count), true);
                let hint = format!("workload {number}, change {at}, round {round}");
                let env = env(Arc::new(crashed.clone()), 9);
                let view = View::open(&env, Path::new(DIR), readers(), 0);
                if let Ok(seen) = view.and_then(|view| batches(&view, 0)) {
                    check_prefix(&seen, &ran, &hint);
                }
                let before = crashed.files();
                match open(&env, Path::new(DIR), 3000) {
                    Ok((mut writer, _)) => {
                        let seen: Vec<Batch> = batches(&writer.view().unwrap(), 0).unwrap();
                        check_prefix(&seen, &ran, &hint);
                    }
                    Err(_) => assert_eq!(crashed.files(), before, "{hint}: refused, yet changed"),
                }
                states += 1;
            }
            if ran.failed.is_none() {
                break;
            }
        }
    }
    println!("{states} states with garbage");
}
