//! `append`: events in, a receipt out. Also how `top` reads files that are in no log.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::args::{AppendArgs, Format, Shared, SyncArg};
use super::failure::{Ending, Failure};
use super::interrupt::Interrupt;
use super::options;
use super::out::{Out, say};
use super::progress::Progress;
use super::rejects::Rejects;
use super::sources::{Place, Sources, failed};
use super::table::{Grid, count};
use crate::unpack::decoded;
use crate::wire::{ReceiptJson, SyncedJson};
use crate::{
    CallOptions, Error, EventBlock, Flow, HoldMax, Options, Partitions, ReadError, Receipt, Rules,
    Store, Sync, read_blocks,
};

/// More threads that parse than one thread that admits keeps up with.
const THREADS_MAX: usize = 8;

/// More open files than 1,024 partitions take, 4 for each.
const FILES: u64 = 8_192;

/// What became of the events that a command was fed.
pub(crate) struct Fed {
    pub(crate) receipt: Receipt,
    /// A signal came before they ended.
    pub(crate) interrupted: bool,
}

impl Fed {
    pub(crate) fn ending(&self) -> Ending {
        if self.interrupted {
            Ending::Interrupted
        } else if self.receipt.rejected() > 0 {
            Ending::Rejected
        } else {
            Ending::Done
        }
    }
}

/// Events on their way from files to a store.
pub(crate) struct Feed {
    pub(super) sources: Sources,
    pub(super) rejects: Rejects,
    pub(super) interrupt: Interrupt,
}

impl Feed {
    /// Looks at all files before anything is done.
    pub(crate) fn new(files: &[PathBuf], rejects: Option<&Path>) -> Result<Feed, Failure> {
        // Once for the names, before a file for rejects is made; once for that file.
        Sources::new(files, None)?;
        let rejects = Rejects::new(rejects)?;
        let sources = Sources::new(files, rejects.file())?;
        Ok(Feed { sources, rejects, interrupt: Interrupt::watch()? })
    }

    /// Reads everything as one call. Rejected events are reported even if the call fails.
    pub(crate) fn run(
        &mut self,
        fed: To<'_>,
        (strict, hold_max): (bool, Option<HoldMax>),
        mut on_synced: impl FnMut(u64),
    ) -> Result<Fed, Failure> {
        let Feed { sources, rejects, interrupt } = self;
        let names: Vec<String> = sources.places.iter().map(Place::name).collect();
        let mut on_reject = |rejected: &crate::Rejected<'_>| {
            let source = usize::try_from(rejected.origin.source).unwrap_or(usize::MAX);
            rejects.take(names.get(source).map_or("", |name| name), rejected)
        };
        let mut synced = |end| {
            on_synced(end);
            Ok(())
        };
        let options = CallOptions {
            strict,
            hold_max,
            on_reject: Some(&mut on_reject),
            on_synced: Some(&mut synced),
        };
        let fed = read_all(sources, interrupt, fed, options);
        let kept = rejects.finish(strict);
        let fed = fed?;
        kept?;
        Ok(fed)
    }
}

/// Where events go.
pub(crate) enum To<'a> {
    One(&'a mut Store),
    Parts(&'a mut Partitions),
}

fn read_all<'a>(
    sources: &Sources,
    interrupt: &Interrupt,
    to: To<'a>,
    options: CallOptions<'a>,
) -> Result<Fed, Failure> {
    let read = |rules: &Rules, push: &mut dyn FnMut(&EventBlock, u32) -> Result<(), Error>| {
        each_block(sources, interrupt, rules, &mut |source, block| {
            push(block, source).inspect_err(|_| sources.give_up())?;
            Ok(Flow::Continue)
        })?;
        Ok::<_, Failure>(interrupt.came())
    };
    match to {
        To::One(store) => {
            let rules = store.rules().clone();
            let mut call = store.call(options)?;
            let interrupted = read(&rules, &mut |block, source| call.push_block(block, source))?;
            let receipt = if interrupted { call.interrupt()? } else { call.finish()? };
            Ok(Fed { receipt, interrupted })
        }
        To::Parts(parts) => {
            let rules = parts.rules().clone();
            parts.call(options, |mut call| {
                let push = &mut |block: &EventBlock, source| call.push_block(block, source);
                let interrupted = read(&rules, push)?;
                let receipt = if interrupted { call.interrupt()? } else { call.finish()? };
                Ok(Fed { receipt, interrupted })
            })
        }
    }
}

/// Reads everything, on all processors, and gives it to `each` with the number of its source,
/// until a signal comes or `each` wants no more.
pub(super) fn each_block(
    sources: &Sources,
    interrupt: &Interrupt,
    rules: &Rules,
    each: &mut dyn FnMut(u32, &EventBlock) -> Result<Flow, Error>,
) -> Result<(), Failure> {
    let mut progress = Progress::new(sources.total_bytes);
    let mut events = 0;
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    for (source, place) in (0..).zip(&sources.places) {
        let mut one = |block: &EventBlock| {
            let flow = each(source, block)?;
            events += block.len() as u64;
            progress.at(sources.read_bytes.load(Ordering::Relaxed), events);
            Ok(if interrupt.came() { Flow::Stop } else { flow })
        };
        let mut reader = match decoded(sources.open(place, interrupt)?) {
            Ok(reader) => reader,
            Err(_) if interrupt.came() => break,
            Err(error) => return Err(failed(place, error)),
        };
        match read_blocks(&mut *reader, rules, threads, &mut one) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Stop) => break,
            Err(ReadError::Receiver(error)) => return Err(error.into()),
            Err(ReadError::Source(_)) if interrupt.came() => break,
            Err(ReadError::Source(error)) => return Err(failed(place, error)),
        }
    }
    progress.finish();
    Ok(())
}

/// Runs the command.
pub(crate) fn run(shared: &Shared, args: &AppendArgs, out: &mut Out) -> Result<Ending, Failure> {
    check_ack(args, out)?;
    let dir = only(shared)?;
    Rejects::refuse_inside(args.rejects.as_deref(), dir)?;
    let mut feed = Feed::new(&args.files, args.rejects.as_deref())?;
    let mut options = options(shared, &args.new);
    options.sync = match args.sync {
        SyncArg::Call => Sync::Call,
        SyncArg::Batch => Sync::Batch,
        SyncArg::None => Sync::None,
    };
    let mut printed = Ok(());
    let mut on_synced = |synced_end| {
        // Who appends goes on even if nobody listens any more.
        if args.ack && printed.is_ok() {
            printed = acknowledge(synced_end, out);
        }
    };
    let how = (args.strict, args.hold_max);
    if let Some(mut parts) = partitions(dir, args.partitions, &options)? {
        let fed = feed.run(To::Parts(&mut parts), how, &mut on_synced)?;
        let ending = end(&fed, args.strict, printed, out);
        parts.close()?;
        return ending;
    }
    let mut store = Store::open(dir, options)?;
    let fed = feed.run(To::One(&mut store), how, &mut on_synced)?;
    // Before the store is closed, which may take its time and concerns nobody who waits for this.
    let ending = end(&fed, args.strict, printed, out);
    store.close()?;
    ending
}

/// The one directory that is appended to.
fn only(shared: &Shared) -> Result<&Path, Failure> {
    match &*shared.log {
        [dir] => Ok(dir),
        _ => {
            let reason = "events are appended to one log: name the directory of all its partitions";
            Err(Failure::Usage(reason.to_owned()))
        }
    }
}

/// The partitions of the log, if it has them, or gets them now.
fn partitions(
    dir: &Path,
    asked: Option<u16>,
    options: &Options,
) -> Result<Option<Partitions>, Error> {
    allow_files();
    // Whose batches are encoded on other threads, one for each log, would have more than there are
    // processors.
    let options = Options { threads: NonZero::<usize>::MIN, ..options.clone() };
    match asked.and_then(NonZero::<u16>::new) {
        Some(count) => Partitions::plan(dir, count, &options).map(Some),
        None => Partitions::open(dir, &options),
    }
}

/// Lets the process have as many files open as the most partitions take, if the system lets it.
fn allow_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|now| now < FILES) {
        let current = Some(maximum.map_or(FILES, |most| most.min(FILES)));
        // If not, whoever meets the end of them is told what to do.
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).ok();
    }
}

/// Refuses acknowledgements in a format that has no room for them.
pub(super) fn check_ack(args: &AppendArgs, out: &Out) -> Result<(), Failure> {
    if args.ack && out.format() == Format::Csv {
        let reason = "--ack prints lines as it goes, which CSV has no room for: use json";
        return Err(Failure::Usage(reason.to_owned()));
    }
    Ok(())
}

/// Tells what became of all events, after acknowledgements that were `printed` or not.
pub(super) fn end(
    fed: &Fed,
    strict: bool,
    printed: Result<(), Failure>,
    out: &mut Out,
) -> Result<Ending, Failure> {
    if fed.interrupted {
        say::note(match strict {
            true => {
                "interrupted: nothing was written, as --strict has it; the call can be repeated"
            }
            false => "interrupted: what was accepted is in the log; the call can be repeated",
        });
    }
    match printed.and_then(|()| print(&fed.receipt, out)).and_then(|()| out.done()) {
        // The events are in the log whether or not somebody reads the receipt.
        Ok(()) | Err(Failure::Closed) => Ok(fed.ending()),
        Err(failure) => Err(failure),
    }
}

/// Prints an end that is on the disk.
pub(super) fn acknowledge(synced_end: u64, out: &mut Out) -> Result<(), Failure> {
    match out.format() {
        Format::Json => out.json(&SyncedJson { synced_end })?,
        Format::Table | Format::Csv => out.text(&format!("synced {}\n", count(synced_end)))?,
    }
    out.done()
}

fn print(receipt: &Receipt, out: &mut Out) -> Result<(), Failure> {
    let reasons = receipt.reasons.iter().map(|(reason, count)| (reason.to_string(), *count));
    match out.format() {
        Format::Json => out.json(&ReceiptJson::new(receipt)),
        Format::Csv => {
            let reasons: Vec<String> =
                reasons.map(|(reason, count)| format!("{reason}={count}")).collect();
            let header = ["accepted", "duplicates", "rejected", "reasons", "end", "synced"];
            let values = [
                receipt.accepted.to_string(),
                receipt.duplicates.to_string(),
                receipt.rejected().to_string(),
                reasons.join(" "),
                receipt.end.to_string(),
                receipt.synced.to_string(),
            ];
            out.csv(&[
                header.iter().map(|name| Some((*name).to_owned())).collect(),
                values
                    .into_iter()
                    .map(|value| Some(value).filter(|text| !text.is_empty()))
                    .collect(),
            ])
        }
        Format::Table => {
            let mut grid = Grid::numbers();
            grid.pair("accepted", count(receipt.accepted));
            grid.pair("duplicates", count(receipt.duplicates));
            grid.pair("rejected", count(receipt.rejected()));
            for (reason, number) in reasons {
                grid.pair(&format!("  {reason}"), count(number));
            }
            grid.pair("end", count(receipt.end));
            grid.pair("synced", if receipt.synced { "yes" } else { "no" });
            out.text(&grid.text())
        }
    }
}
