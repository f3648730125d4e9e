//! `ingest`: one partition of a broker into one log.

use std::cell::RefCell;
use std::time::Duration;

use super::intake::{Intake, Reports, Rules};
use super::{IngestArgs, Which, failure, stop};
use crate::broker::position::Position;
use crate::broker::pump::{Pump, Start};
use crate::broker::{self, Place, Trouble};
use crate::cli::append::Fed;
use crate::cli::args::Shared;
use crate::cli::failure::{Ending, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::out::{Out, say};
use crate::cli::rejects::Rejects;
use crate::cli::{logs, options};
use crate::{HoldMax, Options, Store};

/// When events are given up whose customer or order did not come.
const HOLD_MAX: HoldMax = HoldMax { events: 100_000, us: 5_000_000 };

/// Runs the command.
pub(super) fn run(shared: &Shared, args: &IngestArgs, out: &mut Out) -> Result<Ending, Failure> {
    let (which, place) = args.broker.place(args.partition.of())?;
    let dir = logs::one(shared)?;
    Rejects::refuse_inside(args.rejects.as_deref(), dir)?;
    let interrupt = Interrupt::watch()?;
    let rejects = Rejects::new(args.rejects.as_deref())?;
    let options = Options { partition: Some(args.partition), ..options(shared, &args.new) };
    let mut store = Store::open(dir, options)?;
    let source = source(which, &place, args);
    let start = start(&store, &source, args.from_first)?;
    let position = match &start {
        Start::Behind(position) => position.clone(),
        Start::First => None,
    };
    let Some(mut pump) = begin(which, &place, args, start, &interrupt)? else {
        say::note("interrupted: nothing was read");
        return Ok(Ending::Interrupted);
    };
    let rules = Rules {
        source,
        hold: args.hold_max.map_or(HOLD_MAX, with_both),
        until_caught_up: args.until_caught_up,
    };
    let reports = Reports::new(Duration::from_secs(args.report));
    let rejects = RefCell::new(rejects);
    let mut intake = Intake::new(&rules, reports, &rejects, &interrupt, position);
    let taken = intake.run(&mut store, &mut pump, out);
    let kept = rejects.borrow_mut().finish(false);
    pump.close();
    // What is in the log is there, and is told of, whatever came in between.
    let printed = intake.told().print(out).and_then(|()| out.done());
    let receipt = intake.sum().clone();
    let closed = store.close();
    // The first thing that went wrong is what the others come of.
    taken?;
    kept?;
    closed?;
    let interrupted = interrupt.came();
    if interrupted {
        say::note("interrupted: what was accepted is in the log; the next call goes on behind it");
    }
    match printed {
        Ok(()) | Err(Failure::Closed) => Ok(Fed { receipt, interrupted }.ending()),
        Err(failure) => Err(failure),
    }
}

/// What is not said of the two bounds is as if nothing was.
fn with_both(hold: HoldMax) -> HoldMax {
    let or = |said, default| if said == u64::MAX { default } else { said };
    HoldMax { events: or(hold.events, HOLD_MAX.events), us: or(hold.us, HOLD_MAX.us) }
}

/// What the source is called in the log's marks: a stream, or a topic with its partition.
fn source(which: Which, place: &Place, args: &IngestArgs) -> String {
    let number = args.partition.number();
    match which {
        #[cfg(feature = "nats")]
        Which::Nats => format!("nats:{}", broker::nats::stream_name(&place.name, number)),
        #[cfg(feature = "kafka")]
        Which::Kafka => format!("kafka:{}/{number}", place.name),
    }
}

/// Where the log says that it has been read up to.
fn start(store: &Store, source: &str, from_first: bool) -> Result<Start, Failure> {
    if from_first {
        return Ok(Start::First);
    }
    // A log that is yet to be made has read nothing.
    let mark = if store.exists() { store.mark(source.as_bytes())? } else { None };
    let Some(mark) = mark else { return Ok(Start::Behind(None)) };
    let position = Position::from_mark(&mark).ok_or_else(|| {
        let mark = String::from_utf8_lossy(&mark).into_owned();
        Failure::Other(format!("the log's mark for {source} is no position: {mark:?}"))
    })?;
    Ok(Start::Behind(Some(position)))
}

/// What could not begin, if it was not told to stop meanwhile.
fn begun<I>(inlet: Result<I, Trouble>, interrupt: &Interrupt) -> Result<Option<I>, Failure> {
    match inlet {
        Ok(inlet) => Ok(Some(inlet)),
        Err(_) if interrupt.came() => Ok(None),
        Err(trouble) => Err(failure(&trouble)),
    }
}

/// Begins to read; nothing if it was told to stop before that.
fn begin(
    which: Which,
    place: &Place,
    args: &IngestArgs,
    start: Start,
    interrupt: &Interrupt,
) -> Result<Option<Pump>, Failure> {
    let runtime = broker::runtime().map_err(|trouble| failure(&trouble))?;
    let (stop, note) = (stop(interrupt), &|text: &str| say::note(text));
    match which {
        #[cfg(feature = "nats")]
        Which::Nats => {
            let inlet = broker::nats::inlet(&runtime, place, args.partition, &stop, note);
            let Some(inlet) = begun(inlet, interrupt)? else { return Ok(None) };
            Ok(Some(Pump::start(runtime, inlet, start, place.give_up, stop)))
        }
        #[cfg(feature = "kafka")]
        Which::Kafka => {
            let inlet = broker::kafka::inlet(&runtime, place, args.partition, &stop, note);
            let Some(inlet) = begun(inlet, interrupt)? else { return Ok(None) };
            Ok(Some(Pump::start(runtime, inlet, start, place.give_up, stop)))
        }
    }
}
