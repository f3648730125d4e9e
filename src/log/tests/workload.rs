//! What is done to a log before something goes wrong, and what must hold afterwards: what is there
//! is an exact prefix of what was appended, with everything in it that was acknowledged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::frame::{HEADER_BYTES, SECTOR_BYTES};

pub(super) const DIR: &str = "/log";

/// One thing that is done to a log. Each opens the log for append if it is not open.
#[derive(Clone, Copy, Debug)]
pub(super) enum Do {
    /// Events, customers, the body's size, and whether its filler is zero.
    Append(u32, u32, Size, bool),
    Sync,
    /// Hands over what was gathered without syncing it.
    Write,
    /// Notes elsewhere, as checkpoints and sidecars do, up to where the log is durable.
    Note,
    Close,
    Kill,
}

/// How long a batch's filler is: so many bytes, or until its body ends near a border.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Bytes(usize),
    /// So many sectors further, and so many bytes beside the border.
    Sector(u64, i64),
    /// Where the segment is full, or so many bytes beside it.
    Segment(i64),
}

/// What is done to a log, and how long its segments are.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) segment_bytes_max: u64,
    pub(super) steps: Vec<Do>,
}

/// A batch: first sequence, events, body.
pub(super) type Batch = (u64, u32, Vec<u8>);

/// What became of a workload.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran {
    pub(super) appended: Vec<Batch>,
    /// So many of them were acknowledged: they must be there whatever happens.
    pub(super) acked: usize,
    /// Events that were noted to be durable.
    pub(super) noted: u64,
    /// The first error.
    pub(super) failed: Option<String>,
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

    fn of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

impl Size {
    /// The filler's bytes for a batch whose frame starts at `offset`.
    fn filler(self, offset: u64, segment_bytes_max: u64) -> usize {
        let body_at = offset + u64::from(HEADER_BYTES) + 24;
        let end = match self {
            Size::Bytes(bytes) => return bytes,
            Size::Sector(further, beside) => {
                (body_at.next_multiple_of(SECTOR_BYTES) + further * SECTOR_BYTES) as i64 + beside
            }
            Size::Segment(beside) => segment_bytes_max as i64 + beside,
        };
        usize::try_from(end - body_at as i64).unwrap_or(0).min(20_000)
    }
}

impl Workload {
    /// Drawn from a small grammar, with sizes around every border of the format.
    pub(super) fn random(seed: u64) -> Workload {
        let random = Random::new(seed);
        let segment_bytes_max = random.of(&[1024, 1200, 3000, 3072]);
        let steps = (0..3 + random.below(8)).map(|_| Do::random(&random)).collect();
        Workload { segment_bytes_max, steps }
    }
}

impl Do {
    fn random(random: &Random) -> Do {
        match random.below(20) {
            0..10 => {
                let size = match random.below(8) {
                    0..2 => Size::Bytes(random.of(&[0, 1, 7, 8, 9, 39, 40, 41])),
                    2 => Size::Bytes(random.below(2000)),
                    3..6 => {
                        Size::Sector(random.of(&[0, 0, 1, 2]), random.of(&[-32, -1, 0, 1, 24, 32]))
                    }
                    _ => Size::Segment(random.of(&[-33, -32, -31, -1, 0, 1, 32])),
                };
                let events = random.of(&[0, 1, 1, 2, 5]);
                Do::Append(events, random.of(&[0, 1]).min(events), size, random.below(4) == 0)
            }
            10..14 => Do::Sync,
            14..16 => Do::Write,
            16 => Do::Note,
            17 => Do::Close,
            _ => Do::Kill,
        }
    }
}

/// Runs a workload, to its first error or, where it is to `go_on`, to its end.
pub(super) fn run(disk: &mut SimDisk, workload: &Workload, go_on: bool) -> Ran {
    let mut ran = Ran::default();
    let mut writer = None;
    for (step, seed) in workload.steps.iter().zip(2..) {
        if let Err(error) = one(disk, &mut writer, workload, *step, &mut ran, seed) {
            ran.failed.get_or_insert(error.to_string());
            if !go_on {
                break;
            }
            // Going on means opening again, with what the kernel kept of it, or what the disk did.
            drop(writer.take());
            if ran.appended.len() % 2 == 1 {
                disk.evict();
            }
        }
    }
    ran
}

fn one(
    disk: &mut SimDisk,
    writer: &mut Option<Writer>,
    workload: &Workload,
    step: Do,
    ran: &mut Ran,
    seed: u64,
) -> Result<(), Error> {
    if writer.is_none() {
        let env = env(Arc::new(disk.clone()), seed);
        let settings = settings(workload.segment_bytes_max);
        let mut opened = Writer::open(&env, Path::new(DIR), &settings, readers(), ran.noted)?.0;
        // What is there now is durable; what is not there was never acknowledged.
        let seen = batches(&opened.view()?, 0)?;
        check_prefix(&seen, ran, "opened again");
        ran.appended.truncate(seen.len());
        ran.acked = seen.len();
        *writer = Some(opened);
    }
    let open = writer.as_mut().expect("opened above");
    match step {
        Do::Append(events, customers, size, zero) => {
            let filler = size.filler(open.end.offset, workload.segment_bytes_max);
            let mark = if zero { 0 } else { u8::try_from(ran.appended.len() % 250).unwrap() + 1 };
            let (body, after) = Body::new(customers, 3, vec![mark; filler]).encode(&open.tally());
            ran.appended.push((open.end(), events, body.clone()));
            open.append(&body, events, after)?;
        }
        Do::Sync => {
            open.sync()?;
            ran.acked = ran.appended.len();
        }
        Do::Write => {
            open.view()?;
        }
        Do::Note => ran.noted = open.synced_end(),
        Do::Close => {
            writer.take().expect("opened above").close()?;
            ran.acked = ran.appended.len();
        }
        Do::Kill => {
            *disk = disk.restart();
            *writer = None;
        }
    }
    Ok(())
}

/// Checks a disk after a crash: reading, recovering, and recovering again. Gives what is there.
pub(super) fn check(disk: &SimDisk, workload: &Workload, ran: &Ran, hint: &str) -> Vec<Batch> {
    let env = env(Arc::new(disk.clone()), 99);
    let dir = Path::new(DIR);
    let before = disk.changes();
    let seen = match View::open(&env, dir, readers(), 0) {
        Ok(view) => batches(&view, 0).unwrap_or_else(|error| panic!("{hint}: read: {error}")),
        Err(Error::Missing { .. }) => Vec::new(),
        Err(error) => panic!("{hint}: view: {error}"),
    };
    assert_eq!(disk.changes(), before, "{hint}: a reader changed something");
    check_prefix(&seen, ran, hint);
    match verify(&env, dir, &readers(), ran.noted, &mut |_| Ok(())) {
        Ok(report) => assert_eq!(report.problems, [], "{hint}: a false alarm"),
        Err(Error::Missing { .. }) => assert_eq!(seen, [], "{hint}: verify finds no log"),
        Err(error) => panic!("{hint}: verify: {error}"),
    }
    let settings = settings(workload.segment_bytes_max);
    let opened = Writer::open(&env, dir, &settings, readers(), ran.noted);
    let (mut writer, _) = opened.unwrap_or_else(|error| panic!("{hint}: open: {error}"));
    assert_eq!(writer.end(), writer.synced_end(), "{hint}: opened, and not all of it synced");
    let again = batches(&writer.view().unwrap(), 0).unwrap();
    assert_eq!(again, seen, "{hint}: writer and reader differ");
    seen
}

/// Whether `seen` is what was appended, up to somewhere behind the last acknowledgement.
pub(super) fn check_prefix(seen: &[Batch], ran: &Ran, hint: &str) {
    let (seen_count, acked) = (seen.len(), ran.acked);
    assert!(
        seen_count >= acked,
        "{hint}: {acked} batches were acknowledged, {seen_count} are there"
    );
    assert!(
        ran.appended.starts_with(seen),
        "{hint}: batches that were not appended, or not in this order"
    );
    let dense = seen
        .iter()
        .try_fold(0, |at, (first, events, _)| (*first == at).then_some(at + u64::from(*events)));
    assert!(dense.is_some(), "{hint}: a gap");
}

/// What a writer has recovered stays, whatever happens next.
pub(super) fn check_twice(
    crashed: &SimDisk,
    workload: &Workload,
    ran: &Ran,
    random: &Random,
    hint: &str,
) {
    let appended = check(crashed, workload, ran, hint);
    let again = crashed.crash(&mut |count| random.below(count), false);
    let kept = Ran { acked: appended.len(), appended, noted: ran.noted, failed: None };
    let hint = format!("{hint}, recovered and cut");
    assert_eq!(check(&again, workload, &kept, &hint), kept.appended, "{hint}");
}

/// A few workloads with all that matters: rolls, kills, zeros, several batches a sync.
pub(super) fn workloads() -> Vec<Workload> {
    use Do::{Close, Kill, Note, Sync, Write};
    let add =
        |events, customers, bytes, zero| Do::Append(events, customers, Size::Bytes(bytes), zero);
    let scripts = [
        vec![
            add(3, 1, 5, false),
            Sync,
            add(2, 1, 700, false),
            Sync,
            Note,
            add(1, 0, 1200, true),
            Sync,
            Close,
        ],
        vec![
            add(2, 1, 40, false),
            add(2, 0, 600, false),
            Sync,
            add(5, 2, 900, false),
            add(1, 0, 2, false),
            Sync,
            add(2, 1, 800, true),
            Sync,
            add(2, 1, 800, false),
            add(2, 1, 1800, false),
            Sync,
            add(1, 0, 1, false),
            Close,
        ],
        vec![
            add(1, 1, 300, false),
            Write,
            add(1, 0, 300, false),
            Write,
            Kill,
            add(1, 0, 20, false),
            Sync,
            add(1, 1, 1500, false),
            Write,
            Kill,
            add(1, 0, 1300, true),
            Sync,
            Kill,
            add(0, 0, 3, false),
            Sync,
            Close,
            add(1, 0, 5, false),
            Sync,
        ],
        vec![
            add(1, 1, 2900, false),
            add(1, 1, 2900, true),
            Sync,
            add(1, 0, 2900, false),
            Sync,
            Close,
        ],
    ];
    scripts.into_iter().map(|steps| Workload { segment_bytes_max: 3000, steps }).collect()
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
