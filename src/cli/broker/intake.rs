//! Messages into a log.
//!
//! One append call after the other takes in what comes. Each ends after a short while, or, as long
//! as events are held, with their window; it ends with a mark that says up to which message the
//! partition has been read, in the batch of the last events. So the mark passes no event that is
//! held, and becomes durable with what it speaks of. Rejected events are on the disk before it.

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::failure;
use super::report::{Ingested, Lag};
use crate::broker::parcel::{Message, Parcel};
use crate::broker::position::Position;
use crate::broker::pump::{Pump, Told};
use crate::cli::args::Format;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::out::{Out, say};
use crate::cli::rejects::Rejects;
use crate::{Call, CallOptions, Event, HoldMax, Origin, Receipt, Rejected, Store};

/// When a call ends in which nothing is held.
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
}

impl Reports {
    pub(super) fn new(every: Duration) -> Reports {
        let began = Instant::now();
        Reports { every, began, next: began + every }
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
    /// When the broker took the last message that was taken in.
    stored_at_us: i64,
}

/// What has come of waiting.
enum Came {
    Messages(Parcel),
    Nothing,
    /// Nothing is left to be read.
    End,
}

impl<'s> Intake<'s> {
    pub(super) fn new(
        rules: &'s Rules,
        reports: Reports,
        rejects: &'s RefCell<Rejects>,
        interrupt: &'s Interrupt,
    ) -> Intake<'s> {
        Intake {
            rules,
            reports,
            rejects,
            interrupt,
            made: None,
            sum: Receipt { synced: true, ..Receipt::default() },
            lag: Lag::default(),
            stored_at_us: 0,
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
                Came::Messages(parcel) => self.call(store, &parcel, pump, out)?,
                Came::End if self.rules.until_caught_up => return Ok(()),
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
            Some(Told::Begun { made }) => self.made = made,
            Some(Told::Note(text)) => say::note(&text),
            Some(Told::Failed(trouble)) => return Err(failure(&trouble)),
            None => {}
        }
        Ok(Came::Nothing)
    }

    /// Takes in a parcel and what comes soon after it as one append call.
    fn call(
        &mut self,
        store: &mut Store,
        first: &Parcel,
        pump: &mut Pump,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let (rules, rejects) = (self.rules, self.rejects);
        let of_log = store.rules().clone();
        let mut on_reject =
            |rejected: &Rejected<'_>| rejects.borrow_mut().take(&rules.source, rejected);
        let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
        let mut call = store.call(options)?;
        let mut window = Window::new(rules.hold);
        self.take(first, &mut call, &of_log, &mut window)?;
        loop {
            let rest = window.rest();
            self.lag.held = call.held();
            if rest.is_zero() || self.interrupt.came() {
                break;
            }
            match self.wait(pump, rest.min(LOOK), out)? {
                Came::Messages(parcel) => self.take(&parcel, &mut call, &of_log, &mut window)?,
                Came::End if !window.is_holding() => break,
                Came::End | Came::Nothing => {}
            }
        }
        if self.interrupt.came() && call.held() > 0 {
            // What is held is neither admitted nor rejected, and the mark stays before it.
            let receipt = call.interrupt()?;
            add(&mut self.sum, receipt);
            return Ok(());
        }
        call.settle()?;
        self.lag.held = 0;
        rejects.borrow_mut().save()?;
        if let Some(last) = self.lag.position {
            let mark = Position { last, made: self.made.clone() }.mark();
            let noted = call.set_mark(rules.source.as_bytes(), &mark);
            assert!(noted, "names of streams and topics, and positions, are shorter than a mark");
        }
        add(&mut self.sum, call.finish()?);
        Ok(())
    }

    fn take(
        &mut self,
        parcel: &Parcel,
        call: &mut Call<'_>,
        of_log: &crate::Rules,
        window: &mut Window,
    ) -> Result<(), Failure> {
        for Message { position, stored_at_us, lag, payload } in parcel.messages() {
            let at = Origin { source: 0, line: position };
            match Event::from_json(payload, of_log) {
                Ok(event) => call.push(&event, payload, at)?,
                Err(rejection) => call.reject(&rejection, payload, at)?,
            }
            window.taken(call.held());
            self.lag.position = Some(position);
            self.lag.events = Some(lag);
            self.stored_at_us = stored_at_us;
        }
        self.lag.time = match self.lag.events {
            Some(0) => Some(Duration::ZERO),
            // Two clocks: the broker's may be ahead of ours.
            _ => Some(Duration::from_micros(
                u64::try_from(Timestamp::now().as_microsecond().saturating_sub(self.stored_at_us))
                    .unwrap_or_default(),
            )),
        };
        Ok(())
    }

    /// Tells how far it is, if it is time to.
    fn report(&mut self, out: &mut Out) -> Result<(), Failure> {
        if Instant::now() < self.reports.next {
            return Ok(());
        }
        self.reports.next = Instant::now() + self.reports.every;
        let told = self.told();
        match out.format() {
            Format::Json => {
                out.json(&told)?;
                out.done()
            }
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

/// How long one call goes on.
struct Window {
    hold: HoldMax,
    began: Instant,
    events: u64,
    /// Since something is held: the time, and the events that came.
    holding: Option<(Instant, u64)>,
}

impl Window {
    fn new(hold: HoldMax) -> Window {
        Window { hold, began: Instant::now(), events: 0, holding: None }
    }

    /// An event was taken in, and so many are held now.
    fn taken(&mut self, held: u64) {
        self.events += 1;
        match &mut self.holding {
            Some((_, events)) => *events += 1,
            None if held > 0 => self.holding = Some((Instant::now(), 1)),
            None => {}
        }
    }

    fn is_holding(&self) -> bool {
        self.holding.is_some()
    }

    /// How long it goes on from now.
    fn rest(&self) -> Duration {
        match self.holding {
            Some((_, events)) if events >= self.hold.events => Duration::ZERO,
            Some((since, _)) => Duration::from_micros(self.hold.us).saturating_sub(since.elapsed()),
            None if self.events >= EVENTS_MAX => Duration::ZERO,
            None => TIME_MAX.saturating_sub(self.began.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_soon_unless_something_is_held() {
        let hold = HoldMax { events: 3, us: 60_000_000 };
        let mut window = Window::new(hold);
        window.taken(0);
        assert!(window.rest() <= TIME_MAX && !window.is_holding());
        for (held, is_over) in [(1, false), (1, false), (2, true)] {
            assert!(window.rest() <= Duration::from_secs(60));
            window.taken(held);
            assert!(window.is_holding());
            assert_eq!(window.rest().is_zero(), is_over, "{held} held");
        }
        let mut full = Window::new(hold);
        (0..EVENTS_MAX).for_each(|_| full.taken(0));
        assert!(full.rest().is_zero());
        let mut short = Window::new(HoldMax { events: u64::MAX, us: 0 });
        short.taken(1);
        assert!(short.rest().is_zero(), "no time to hold");
    }
}
