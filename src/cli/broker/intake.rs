//! Messages into a log.
//!
//! One short append call after the other takes in what comes. What a call holds goes over into the
//! next one, until its customer or order comes or it has been held for long enough. Each call ends with
//! a mark that says up to which message the partition has been read, in the batch of the last
//! events: it passes no event that is held, and becomes durable with what it speaks of. Rejected
//! events are on the disk before it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::patience::Patience;
use super::report::{Ingested, Lag};
use crate::broker::parcel::{Message, Parcel};
use crate::broker::position::Position;
use crate::broker::pump::{Pump, Told};
use crate::cli::args::Format;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::out::{Out, say};
use crate::cli::rejects::Rejects;
use crate::{Call, CallOptions, Event, Held, HoldMax, Origin, Receipt, Rejected, Store};

/// When a call ends.
const EVENTS_MAX: u64 = 65_536;
const TIME_MAX: Duration = Duration::from_millis(50);
/// Time between two looks at the note of signals.
const LOOK: Duration = Duration::from_millis(50);

/// What holds for all calls.
pub(super) struct Rules {
    /// What the source is called in marks and rejects.
    pub(super) source: String,
    pub(super) hold: HoldMax,
    /// End once nothing is left.
    pub(super) until_caught_up: bool,
}

/// When it is told how far it is.
pub(super) struct Reports {
    every: Duration,
    began: Instant,
    next: Instant,
    /// Whether anybody reads them.
    is_read: bool,
}

impl Reports {
    pub(super) fn new(every: Duration) -> Reports {
        let began = Instant::now();
        Reports { every, began, next: began + every, is_read: true }
    }
}

/// Takes messages in.
pub(super) struct Intake<'s> {
    rules: &'s Rules,
    reports: Reports,
    rejects: &'s RefCell<Rejects>,
    interrupt: &'s Interrupt,
    /// When the stream was made, if the broker tells.
    made: Option<String>,
    sum: Receipt,
    lag: Lag,
    /// The last message that was taken in.
    taken: Option<Taken>,
    /// For each message that was held, and the last that was taken in before it.
    before: VecDeque<(u64, Option<Taken>)>,
    /// What waits for its customer or order.
    held: Held,
    patience: Patience,
    /// The last mark.
    noted: Option<Position>,
}

/// A message that was taken in, and when it was stored.
#[derive(Clone, Copy)]
struct Taken {
    position: u64,
    stored_at_us: Option<i64>,
}

impl Taken {
    fn of(start: &Position) -> Taken {
        Taken { position: start.last, stored_at_us: start.stored_at_us }
    }
}

/// What has come of waiting.
enum Came {
    Messages(Parcel),
    Nothing,
    /// Reading has begun.
    Begun,
    /// Nothing is left to be read.
    End,
}

impl<'s> Intake<'s> {
    pub(super) fn new(
        rules: &'s Rules,
        reports: Reports,
        rejects: &'s RefCell<Rejects>,
        interrupt: &'s Interrupt,
        start: Option<Position>,
    ) -> Intake<'s> {
        Intake {
            rules,
            reports,
            rejects,
            interrupt,
            made: None,
            sum: Receipt { synced: true, ..Receipt::default() },
            lag: Lag { position: start.as_ref().map(|start| start.last), ..Lag::default() },
            taken: start.as_ref().map(Taken::of),
            before: VecDeque::new(),
            held: Held::new(),
            patience: Patience::new(rules.hold),
            noted: start,
        }
    }

    /// What was taken in so far.
    pub(super) fn sum(&self) -> &Receipt {
        &self.sum
    }

    /// What was taken in so far, and how far that is.
    pub(super) fn told(&self) -> Ingested {
        Ingested::new(&self.sum, self.lag, self.reports.began.elapsed())
    }

    /// Takes in what comes, until a signal comes or, if that is asked for, nothing is left.
    pub(super) fn run(
        &mut self,
        store: &mut Store,
        pump: &mut Pump,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if store.exists() {
            self.sum.end = store.end()?;
        }
        while !self.interrupt.came() {
            match self.wait(pump, LOOK, out)? {
                Came::Messages(parcel) => self.call(store, Some(&parcel), pump, out)?,
                // The log is made, and nobody else can write to it from here on.
                Came::Begun => self.call(store, None, pump, out)?,
                Came::End if self.rules.until_caught_up && self.held.count() == 0 => return Ok(()),
                Came::End | Came::Nothing if self.patience.is_due(self.held.count()) => {
                    self.call(store, None, pump, out)?;
                }
                Came::End | Came::Nothing => {}
            }
        }
        Ok(())
    }

    fn wait(&mut self, pump: &mut Pump, time: Duration, out: &mut Out) -> Result<Came, Failure> {
        self.report(out)?;
        match pump.wait(time) {
            Some(Told::Messages(parcel)) => return Ok(Came::Messages(parcel)),
            Some(Told::Quiet { lag }) => {
                self.lag.events = Some(lag);
                if lag == 0 {
                    self.lag.time = Some(Duration::ZERO);
                    return Ok(Came::End);
                }
            }
            Some(Told::Begun { made }) => {
                self.made = made;
                return Ok(Came::Begun);
            }
            Some(Told::Note(text)) => {
                // Nobody knows how much there is at a broker that does not answer.
                (self.lag.events, self.lag.time) = (None, None);
                say::note(&text);
            }
            // Who is told to stop asks the broker for nothing more.
            Some(Told::Failed(_)) if self.interrupt.came() => {}
            Some(Told::Failed(trouble)) => {
                return Err(Failure::Other(format!("{}: {}", self.rules.source, trouble.text())));
            }
            None => {}
        }
        Ok(Came::Nothing)
    }

    /// Takes in a parcel and what comes soon after it, and what was held if it is time to, as one
    /// append call.
    fn call(
        &mut self,
        store: &mut Store,
        first: Option<&Parcel>,
        pump: &mut Pump,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let (rules, rejects) = (self.rules, self.rejects);
        let of_log = store.rules().clone();
        let mut on_reject =
            |rejected: &Rejected<'_>| rejects.borrow_mut().take(&rules.source, rejected);
        let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
        let mut call = store.call(options)?;
        call.take_over(std::mem::replace(&mut self.held, Held::new()));
        if let Some(parcel) = first {
            self.take_in(parcel, &mut call, &of_log, pump, out)?;
        }
        if self.patience.is_due(call.held()) && !self.interrupt.came() {
            let next = self.taken.map_or(0, |last| last.position.saturating_add(1));
            let began = Instant::now();
            call.give_up_before(self.patience.tried(next))?;
            self.patience.took(began.elapsed());
        }
        rejects.borrow_mut().save()?;
        let mark = self.mark(call.first_held());
        let mark = mark.filter(|mark| self.noted.as_ref() != Some(mark));
        let text = mark.as_ref().map(Position::mark);
        let noted = text.as_deref().map(|text| (rules.source.as_bytes(), text));
        let (receipt, held) = call.leave(noted)?;
        if let Some(mark) = mark {
            self.lag.position = Some(mark.last);
            self.noted = Some(mark);
        }
        self.lag.held = held.count();
        self.held = held;
        add(&mut self.sum, receipt);
        Ok(())
    }

    /// Takes in a parcel and what comes soon after it.
    fn take_in(
        &mut self,
        first: &Parcel,
        call: &mut Call<'_>,
        of_log: &crate::Rules,
        pump: &mut Pump,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let (began, mut events) = (Instant::now(), self.take(first, call, of_log)?);
        loop {
            let rest = TIME_MAX.saturating_sub(began.elapsed());
            if rest.is_zero() || events >= EVENTS_MAX || self.interrupt.came() {
                return Ok(());
            }
            match self.wait(pump, rest, out)? {
                Came::Messages(parcel) => events += self.take(&parcel, call, of_log)?,
                Came::End => return Ok(()),
                Came::Begun | Came::Nothing => {}
            }
        }
    }

    /// Up to where the partition has been read: before the first message that is held, or up to the
    /// last one.
    fn mark(&mut self, first_held: Option<u64>) -> Option<Position> {
        let taken = match first_held {
            None => {
                self.before.clear();
                self.taken
            }
            Some(first) => {
                while self.before.front().is_some_and(|(held, _)| *held < first) {
                    self.before.pop_front();
                }
                self.before.front().and_then(|(_, before)| *before)
            }
        };
        let Taken { position, stored_at_us } = taken?;
        Some(Position { last: position, made: self.made.clone(), stored_at_us })
    }

    fn take(
        &mut self,
        parcel: &Parcel,
        call: &mut Call<'_>,
        of_log: &crate::Rules,
    ) -> Result<u64, Failure> {
        let (mut events, mut held) = (0, call.held());
        for Message { position, stored_at_us, lag, payload } in parcel.messages() {
            let at = Origin { source: 0, line: position };
            match Event::from_json(payload, of_log) {
                Ok(event) => call.push(&event, payload, at)?,
                Err(rejection) => call.reject(&rejection, payload, at)?,
            }
            events += 1;
            if call.held() > held {
                held = call.held();
                self.before.push_back((position, self.taken));
            }
            self.taken = Some(Taken { position, stored_at_us });
            self.lag.events = Some(lag);
        }
        self.patience.taken(events);
        self.lag.held = call.held();
        self.lag.time = match (self.lag.events, self.taken.and_then(|last| last.stored_at_us)) {
            (Some(0), _) => Some(Duration::ZERO),
            (_, None) => None,
            // Two clocks: the broker's may be ahead of ours.
            (_, Some(stored_at_us)) => Some(Duration::from_micros(
                u64::try_from(Timestamp::now().as_microsecond().saturating_sub(stored_at_us))
                    .unwrap_or_default(),
            )),
        };
        Ok(events)
    }

    /// Tells how far it is, if it is time to.
    fn report(&mut self, out: &mut Out) -> Result<(), Failure> {
        if Instant::now() < self.reports.next {
            return Ok(());
        }
        self.reports.next = Instant::now() + self.reports.every;
        let told = self.told();
        match out.format() {
            Format::Json if self.reports.is_read => {
                // Who takes events in goes on even if nobody listens any more.
                match out.json(&told).and_then(|()| out.done()) {
                    Err(Failure::Closed) => self.reports.is_read = false,
                    told => return told,
                }
                Ok(())
            }
            Format::Json => Ok(()),
            Format::Table | Format::Csv => {
                if io::stderr().is_terminal() {
                    say::line(&told.line());
                }
                Ok(())
            }
        }
    }
}

fn add(sum: &mut Receipt, more: Receipt) {
    let Receipt { accepted, duplicates, reasons, end, synced } = more;
    sum.accepted += accepted;
    sum.duplicates += duplicates;
    for (reason, count) in reasons {
        *sum.reasons.entry(reason).or_default() += count;
    }
    sum.end = end;
    sum.synced &= synced;
}
