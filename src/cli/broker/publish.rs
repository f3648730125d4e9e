//! `publish`: events in, messages out, a receipt of what the broker has acknowledged.

use std::collections::BTreeMap;
use std::time::Instant;

use super::report::Published;
use super::{PublishArgs, Which, failure, stop};
use crate::broker::message_id::message_id;
use crate::broker::publisher::{Note, Publisher};
use crate::broker::{self, Outgoing, Outlet, Place, Trouble};
use crate::cli::append::{Feed, each_block};
use crate::cli::failure::{Ending, Failure};
use crate::cli::out::{Out, say};
use crate::cli::rejects::Rejects;
use crate::cli::sources::Place as Source;
use crate::{
    Error, EventBlock, Flow, Incoming, Options, Origin, Reason, Rejected, Rejection, Store,
    partition_of,
};

/// Runs the command.
pub(super) fn run(args: &PublishArgs, out: &mut Out) -> Result<Ending, Failure> {
    let (which, place) = args.broker.place(args.partitions)?;
    #[cfg(feature = "nats")]
    for url in &args.monitor {
        broker::nats::check_url(url).map_err(Failure::Usage)?;
    }
    let mut feed = Feed::new(&args.files, args.rejects.as_deref())?;
    let (stop, note) = (stop(&feed.interrupt), Box::new(|text: &str| say::note(text)) as Note);
    let runtime = broker::runtime().map_err(|trouble| failure(&trouble))?;
    let replicas = args.create.then_some(args.replicas);
    let give_up = place.give_up;
    match which {
        #[cfg(feature = "nats")]
        Which::Nats => {
            warn_of_syncing(&args.monitor);
            let replicas = replicas.map(usize::from);
            let outlet = broker::nats::outlet(&runtime, &place, replicas, &stop, &*note);
            let outlet = match outlet {
                Ok(outlet) => outlet,
                Err(trouble) => return unbegun(&feed, &trouble),
            };
            let publisher = Publisher::new(runtime, outlet, give_up, stop, note);
            publish(args, &place, &mut feed, publisher, out)
        }
        #[cfg(feature = "kafka")]
        Which::Kafka => {
            let outlet = broker::kafka::outlet(&runtime, &place, replicas, &stop, &*note);
            let outlet = match outlet {
                Ok(outlet) => outlet,
                Err(trouble) => return unbegun(&feed, &trouble),
            };
            let publisher = Publisher::new(runtime, outlet, give_up, stop, note);
            publish(args, &place, &mut feed, publisher, out)
        }
    }
}

/// How a call ends that could not begin to send.
fn unbegun(feed: &Feed, trouble: &Trouble) -> Result<Ending, Failure> {
    if feed.interrupt.came() {
        say::note("interrupted: nothing was sent");
        return Ok(Ending::Interrupted);
    }
    Err(failure(trouble))
}

/// Says so where an acknowledgement is no promise that a power cut leaves the event alone.
#[cfg(feature = "nats")]
fn warn_of_syncing(monitors: &[String]) {
    use crate::broker::nats::{Syncing, ask};

    if monitors.is_empty() {
        say::note(
            "whether the servers sync before they acknowledge is not known: `--monitor URL` asks a \
             server's monitoring port",
        );
    }
    for url in monitors {
        match ask(url) {
            Ok(Syncing::Always) => {}
            Ok(Syncing::Later(seconds)) => say::note(&format!(
                "the server at {url} acknowledges up to {seconds} s before it syncs, so that a power \
                 cut can take acknowledged events: `sync_interval: always` has it sync first"
            )),
            Err(reason) => say::note(&reason),
        }
    }
}

fn publish<O: Outlet>(
    args: &PublishArgs,
    place: &Place,
    feed: &mut Feed,
    publisher: Publisher<O>,
    out: &mut Out,
) -> Result<Ending, Failure> {
    // A store in memory knows the rules of the logs that the events are for.
    let options = Options {
        currency: args.currency,
        time_range_us: args.time_range.map(|(from_us, to_us)| from_us..to_us),
        ..Options::default()
    };
    let rules = Store::scratch(options)?.rules().clone();
    let names = feed.sources.places.iter().map(Source::name).collect();
    let Feed { sources, rejects, interrupt } = feed;
    let began = Instant::now();
    let mut press = Press {
        publisher,
        place,
        names,
        rejects,
        reasons: BTreeMap::new(),
        memory: Vec::new(),
        trouble: None,
    };
    let mut read = each_block(sources, interrupt, &rules, &mut |source, block| {
        let flow = press.block(source, block);
        if !matches!(flow, Ok(Flow::Continue)) {
            sources.give_up();
        }
        flow
    });
    if press.trouble.is_none() {
        press.trouble = press.publisher.finish().err();
    }
    let Press { publisher, rejects, reasons, trouble, .. } = press;
    let kept = rejects.finish(false);
    let counts = publisher.counts();
    if counts.unacknowledged > 0 {
        say::note("what was not acknowledged may be there or not: the call can be repeated");
    }
    if interrupt.came() {
        say::note("interrupted: what was published is with the broker; the call can be repeated");
    } else if let Some(trouble) = trouble {
        read = read.and(Err(failure(&trouble)));
    }
    let printed = Published::new(counts, &reasons, began.elapsed()).print(out);
    read?;
    kept?;
    printed?;
    Ok(match (interrupt.came(), reasons.is_empty()) {
        (true, _) => Ending::Interrupted,
        (false, false) => Ending::Rejected,
        (false, true) => Ending::Done,
    })
}

/// Makes messages of events.
struct Press<'f, O: Outlet> {
    publisher: Publisher<O>,
    place: &'f Place,
    names: Vec<String>,
    rejects: &'f mut Rejects,
    reasons: BTreeMap<Reason, u64>,
    memory: Vec<u8>,
    trouble: Option<Trouble>,
}

impl<O: Outlet> Press<'_, O> {
    fn block(&mut self, source: u32, block: &EventBlock) -> Result<Flow, Error> {
        let bytes_max = self.publisher.payload_bytes_max();
        let mut messages = Vec::with_capacity(block.len());
        for Incoming { line, text, event } in (0..block.len()).filter_map(|at| block.get(at)) {
            let at = Origin { source, line };
            match event {
                Err(rejection) => self.reject(&rejection, text, at)?,
                Ok(_) if text.len() > bytes_max => {
                    let bytes = text.len();
                    let detail =
                        format!("the broker takes {bytes_max} bytes, and these are {bytes}");
                    self.reject(&Rejection::new(Reason::TooLarge, detail), text, at)?;
                }
                Ok(event) => messages.push(Outgoing {
                    partition: partition_of(event.customer(), self.place.partitions),
                    id: message_id(&event, &mut self.memory),
                    payload: text.to_vec(),
                }),
            }
        }
        match self.publisher.put(&mut messages) {
            Ok(()) => Ok(Flow::Continue),
            Err(trouble) => {
                self.trouble = Some(trouble);
                Ok(Flow::Stop)
            }
        }
    }

    fn reject(&mut self, rejection: &Rejection, text: &[u8], origin: Origin) -> Result<(), Error> {
        *self.reasons.entry(rejection.reason).or_default() += 1;
        let source = usize::try_from(origin.source).unwrap_or(usize::MAX);
        let name = self.names.get(source).map_or("", |name| name);
        self.rejects.take(name, &Rejected { origin, rejection, text })
    }
}
