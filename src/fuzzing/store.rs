//! A store through calls, kills, power cuts and failing disks, beside the oracle.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::logs::DIR;
use super::oracle::model::event::{self, Fact, Terms};
use super::oracle::model::statistics::Query;
use super::oracle::model::{Model, Outcome};
use super::{Input, events, reading};
use crate::log::{SimDisk, SimFault};
use crate::store::trial;
use crate::{
    CallOptions, Error, Event, Options, Origin, Question, Receipt, Statistics, Store, Sync,
};

const STEPS_MAX: usize = 24;
const EVENTS_MAX: usize = 8;

/// The first byte chooses when the store syncs, how long its segments are and when a checkpoint is
/// written; steps follow.
pub fn store(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let mut run = Run {
        disk: SimDisk::default(),
        store: None,
        sync: [Sync::Call, Sync::Batch, Sync::None][usize::from(how % 3)],
        segment_bytes_max: [1 << 10, 2 << 10, 64 << 20][usize::from(how / 3 % 3)],
        checkpoint_events_min: [1, 9, 1 << 20][usize::from(how / 9 % 3)],
        model: Model::new(Terms::default()),
        acknowledged: 0,
        opened: 0,
        is_armed: false,
        known: BTreeMap::new(),
    };
    for _ in 0..STEPS_MAX {
        if input.rest.is_empty() || run.step(&mut input).is_none() {
            return;
        }
    }
    run.kill(false);
    run.again();
}

/// What was done, and what must be there.
struct Run {
    disk: SimDisk,
    store: Option<Store>,
    sync: Sync,
    segment_bytes_max: u64,
    checkpoint_events_min: u64,
    /// The log as it is or, after a failed call, as it can be at most.
    model: Model,
    /// So many events are there whatever happens.
    acknowledged: usize,
    opened: u64,
    /// Whether the disk is going to fail.
    is_armed: bool,
    /// Exported lines that were read before.
    known: BTreeMap<String, Fact>,
}

impl Run {
    /// Does something; nothing if the run is over.
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        match input.byte() % 16 {
            0..=5 => self.call(input, false),
            6 => self.call(input, true),
            7 => self.give_up(input),
            8 => self.close(input)?,
            9 => self.kill(input.byte() & 1 == 1),
            10 => self.power_cut(input, false)?,
            11 if input.byte() == 0xFF => self.power_cut(input, true)?,
            11 | 12 => self.arm(input),
            _ => self.ask(),
        }
        Some(())
    }

    fn store(&mut self) -> Result<&mut Store, Error> {
        if self.store.is_none() {
            self.opened += 1;
            let env = trial::env(Arc::new(self.disk.clone()), self.opened);
            let options = Options {
                segment_bytes_max: self.segment_bytes_max,
                sync: self.sync,
                checkpoint_events_min: self.checkpoint_events_min,
                ..Options::default()
            };
            self.store = Some(Store::open_in(env, Path::new(DIR).to_path_buf(), options)?);
        }
        Ok(self.store.as_mut().expect("opened above"))
    }

    fn call(&mut self, input: &mut Input<'_>, strict: bool) {
        let lines = lines(input);
        let outcome =
            if strict { self.model.strict_call(&lines) } else { Ok(self.model.call(&lines)) };
        match (self.store().and_then(|store| call(store, &lines, strict)), outcome) {
            (Ok(receipt), Ok(outcome)) => {
                agree(&receipt, &outcome);
                assert_eq!(receipt.end, self.model.log.len() as u64);
                assert!(receipt.synced || self.sync == Sync::None);
                if receipt.synced {
                    self.acknowledged = self.model.log.len();
                }
            }
            (Err(Error::Rejected { count }), Err(outcome)) => {
                assert_eq!(count, outcome.rejected.len() as u64);
            }
            (Err(error), _) => {
                assert!(self.is_armed, "{error:?} on a disk without fault");
                self.failed(input);
            }
            (Ok(receipt), Err(outcome)) => panic!("{receipt:?}, not {outcome:?}"),
        }
    }

    /// Whatever the disk holds now is found out by opening again, or by a power cut.
    fn failed(&mut self, input: &mut Input<'_>) {
        match input.byte() % 3 {
            0 => self.kill(false),
            1 => self.kill(true),
            _ => drop(self.power_cut(input, false)),
        }
    }

    /// A call that is dropped unfinished leaves nothing behind.
    fn give_up(&mut self, input: &mut Input<'_>) {
        let lines = lines(input);
        let is_armed = self.is_armed;
        let begun = self.store().and_then(|store| {
            let rules = store.rules().clone();
            let mut call = store.call(CallOptions::default())?;
            for line in &lines {
                let event = Event::from_json(line.as_bytes(), &rules).expect("valid events");
                call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 })?;
            }
            Ok(())
        });
        if let Err(error) = begun {
            assert!(is_armed, "{error:?} on a disk without fault");
            self.failed(input);
        }
    }

    fn close(&mut self, input: &mut Input<'_>) -> Option<()> {
        if let Some(Err(error)) = self.store.take().map(Store::close) {
            assert!(self.is_armed, "{error:?} on a disk without fault");
            self.failed(input);
        }
        Some(())
    }

    /// The process is killed; what a failed sync left in memory alone may be gone too.
    fn kill(&mut self, evict: bool) {
        if evict {
            self.disk.evict();
        }
        self.disk = self.disk.kill();
        self.recovered();
    }

    /// Of what was not synced, what the input chooses, and then anything, is on the disk. With
    /// garbage in the holes of files the log may be refused, which ends the run.
    fn power_cut(&mut self, input: &mut Input<'_>, garbage: bool) -> Option<()> {
        let mut random = u64::from(input.word());
        let mut pick = |count: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match random % 4 {
                0 => input.below(count),
                _ => (random >> 33) as usize % count,
            }
        };
        self.disk = self.disk.crash(&mut pick, garbage);
        if garbage {
            let seen = reading::glance(&self.disk);
            if seen.is_reported() {
                self.store = None;
                let found = self.facts(&seen.lines);
                assert!(found.iter().zip(&self.model.log).all(|(found, old)| found == old));
                return None;
            }
        }
        self.recovered();
        Some(())
    }

    /// What is there now: an exact prefix with everything that was acknowledged.
    fn recovered(&mut self) {
        (self.store, self.is_armed) = (None, false);
        let seen = reading::glance(&self.disk);
        let is_absent = matches!(seen.error, Some(Error::Missing { .. }));
        assert!(is_absent || !seen.is_reported(), "{:?} {:?}", seen.error, seen.verified);
        let found = self.facts(&seen.lines);
        assert!(self.model.log.starts_with(&found), "an event that was not appended there");
        assert!(found.len() >= self.acknowledged, "{} acknowledged", self.acknowledged);
        if found.len() < self.model.log.len() {
            self.model = Model::new(Terms::default());
            let outcome = self.model.call(&seen.lines);
            assert_eq!(outcome.accepted, found.len() as u64, "the log itself is admissible");
        }
    }

    /// What the oracle reads in exported lines, each read once.
    fn facts(&mut self, lines: &[String]) -> Vec<Fact> {
        let terms = Terms::default();
        let read = |line: &String| event::read(line.as_bytes(), &terms).expect("an exported event");
        let mut known = |line| self.known.entry(line).or_insert_with_key(read).clone();
        lines.iter().cloned().map(&mut known).collect()
    }

    /// The disk will fail, in a while.
    fn arm(&mut self, input: &mut Input<'_>) {
        let fault = [
            (SimFault::Error(5), true),
            (SimFault::Error(28), true),
            (SimFault::Error(4), false),
            (SimFault::SyncLost, true),
            (SimFault::Short, true),
            (SimFault::PowerOff, true),
        ];
        let choice = input.byte();
        let (fault, may_last) = fault[usize::from(choice % 6)];
        let at = self.disk.changes() + u64::from(input.byte() % 64);
        self.disk.fail(at, fault, may_last && choice & 0x80 != 0);
        self.is_armed = true;
    }

    /// Every answer is the oracle's; other readers see what is acknowledged.
    fn ask(&mut self) {
        if self.is_armed || self.model.log.is_empty() {
            return;
        }
        let lines = self.store().and_then(|store| trial::export(store));
        let lines = lines.expect("the disk has no fault");
        assert!(self.facts(&lines) == self.model.log, "the log is not what was appended");
        let (digest, ranking) = (self.model.digest(), self.model.ranking(&Query::default()));
        let acknowledged = self.acknowledged;
        let store = self.store().expect("the disk has no fault");
        let top = store.top(5, &Question::default()).expect("the disk has no fault");
        let top: Vec<_> =
            top.customers.iter().map(|one| (&one.customer_id, one.ltv_cents)).collect();
        let best: Vec<_> = ranking.iter().take(5).map(|one| (&one.id, one.ltv_cents)).collect();
        assert_eq!(top, best);
        let mut statistics = Statistics::new();
        store.replay(&mut statistics).expect("the disk has no fault");
        let found = store.digest(&statistics).expect("the disk has no fault");
        assert_eq!(found.to_string(), digest);
        // Beside a writer only what is synced is seen.
        let beside = reading::glance(&self.disk);
        assert!(!beside.is_reported(), "{:?}", beside.verified);
        assert!(lines.starts_with(&beside.lines) && beside.lines.len() >= acknowledged);
    }

    /// The export of the log, appended to a new one, is the same log again.
    fn again(mut self) {
        self.ask();
        let lines = trial::export(self.store().expect("the disk has no fault")).unwrap_or_default();
        let disk = Arc::new(SimDisk::default());
        let mut new = trial::open(disk, Path::new(DIR), 9, 1 << 10).expect("an empty disk");
        let receipt = trial::append(&mut new, &lines).expect("an empty disk");
        assert_eq!((receipt.accepted, receipt.end), (lines.len() as u64, lines.len() as u64));
        let mut statistics = Statistics::new();
        new.replay(&mut statistics).expect("an empty disk");
        let digest = new.digest(&statistics).expect("an empty disk");
        assert_eq!(digest.to_string(), self.model.digest());
    }
}

fn lines(input: &mut Input<'_>) -> Vec<String> {
    let count = 1 + input.below(EVENTS_MAX);
    (0..count)
        .map(|_| {
            let (kind, key) = (input.byte(), u16::from(input.byte() % 16));
            events::text(kind, key, input.byte(), input.byte())
        })
        .collect()
}

fn call(store: &mut Store, lines: &[String], strict: bool) -> Result<Receipt, Error> {
    let rules = store.rules().clone();
    let mut call = store.call(CallOptions { strict, ..CallOptions::default() })?;
    for (line, number) in lines.iter().zip(1..) {
        let event = Event::from_json(line.as_bytes(), &rules).expect("valid events");
        call.push(&event, line.as_bytes(), Origin { source: 0, line: number })?;
    }
    call.finish()
}

fn agree(receipt: &Receipt, outcome: &Outcome) {
    let reasons: BTreeMap<_, _> =
        receipt.reasons.iter().map(|(reason, count)| (reason.name(), *count)).collect();
    assert_eq!(
        (receipt.accepted, receipt.duplicates, reasons),
        (outcome.accepted, outcome.duplicates, outcome.reasons.clone())
    );
}
