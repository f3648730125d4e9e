//! `append` to a server: events are read and checked here, as a log would, and sent in parcels,
//! each of which is acknowledged before the next one goes.
//!
//! So a parcel can be sent again if the connection breaks or the server has no time, a rejected
//! event is told with its file, line and text, and memory holds two parcels, however much there is
//! to read.

use std::thread;
use std::time::Duration;

use super::answers::the_info;
use super::belt::{Belt, Item, Parcel, Reader, Sender, What};
use super::choice::Server;
use super::client::Client;
use super::refusal::garbled;
use crate::cli::append::{Fed, Feed, acknowledge, check_ack, each_block, end};
use crate::cli::args::AppendArgs;
use crate::cli::failure::{Ending, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::out::Out;
use crate::cli::rejects::Rejects;
use crate::cli::sources::{Place, Sources};
use crate::wire::ReceiptJson;
use crate::{Receipt, Rejected, Rejection, Rules};

/// How long an event from a pipe waits for others that go with it.
const LINGER: Duration = Duration::from_millis(200);

/// Runs the command.
pub(super) fn run(server: &Server, args: &AppendArgs, out: &mut Out) -> Result<Ending, Failure> {
    check_ack(args, out)?;
    let mut feed = Feed::new(&args.files, args.rejects.as_deref())?;
    let client = Client::new(server, Some(feed.interrupt.clone()))?;
    let info = the_info(&client)?;
    let mut printed = Ok(());
    let mut on_synced = |synced_end| {
        // Who appends goes on even if nobody listens any more.
        if args.ack && printed.is_ok() {
            printed = acknowledge(synced_end, out);
        }
    };
    let names = feed.sources.places.iter().map(Place::name).collect();
    let sum = Receipt { end: info.end, synced: true, ..Receipt::default() };
    let mut post = Post {
        client: &client,
        names,
        rejects: &mut feed.rejects,
        sum,
        synced_end: info.synced_end,
        on_synced: &mut on_synced,
    };
    let sent = send_all(&feed.sources, &feed.interrupt, &info.rules, &mut post);
    let receipt = post.sum;
    let kept = feed.rejects.finish(false);
    let interrupted = feed.interrupt.came();
    if !interrupted {
        sent?;
    }
    kept?;
    end(&Fed { receipt, interrupted }, false, printed, out)
}

/// Reads on one thread, and sends on this one.
fn send_all(
    sources: &Sources,
    interrupt: &Interrupt,
    rules: &Rules,
    post: &mut Post<'_>,
) -> Result<(), Failure> {
    // Where nothing is waited for, what goes together does not depend on the time.
    let belt = Belt::new(sources.total_bytes.is_none().then_some(LINGER));
    thread::scope(|scope| {
        let reads = || {
            let reader = Reader(&belt);
            let mut put = |source, block: &_| Ok(belt.put(source, block, rules.currency));
            let read = each_block(sources, interrupt, rules, &mut put);
            drop(reader);
            read
        };
        let reader = thread::Builder::new().spawn_scoped(scope, reads);
        let reader =
            reader.map_err(|error| Failure::Other(format!("cannot start a thread: {error}")))?;
        let sender = Sender(&belt);
        let mut sent = Ok(());
        while let Some(parcel) = belt.take() {
            if interrupt.came() {
                break;
            }
            sent = post.send(&parcel);
            if sent.is_err() {
                break;
            }
        }
        drop(sender);
        if sent.is_err() {
            sources.give_up();
        }
        let read = match reader.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        sent.and(read)
    })
}

/// Where parcels go, and what became of them so far.
struct Post<'a> {
    client: &'a Client,
    /// Of the sources.
    names: Vec<String>,
    rejects: &'a mut Rejects,
    sum: Receipt,
    synced_end: u64,
    on_synced: &'a mut dyn FnMut(u64),
}

impl Post<'_> {
    /// Sends a parcel, and tells what was rejected of it.
    fn send(&mut self, parcel: &Parcel) -> Result<(), Failure> {
        let rejected = if parcel.sent > 0 { self.exchange(parcel)? } else { Vec::new() };
        let mut rejected = rejected.into_iter().peekable();
        let mut index = 0;
        for item in &parcel.items {
            if let What::Rejected(rejection, _) = &item.what {
                *self.sum.reasons.entry(rejection.reason).or_default() += 1;
                self.tell(parcel, item, rejection)?;
                continue;
            }
            if let Some((_, rejection)) = rejected.next_if(|(of, _)| *of == index) {
                self.tell(parcel, item, &rejection)?;
            }
            index += 1;
        }
        Ok(())
    }

    /// What the server rejected, by the number of the event among those that were sent.
    fn exchange(&mut self, parcel: &Parcel) -> Result<Vec<(u64, Rejection)>, Failure> {
        let answer = self.client.append(&parcel.lines)?;
        let wrong = |what: &str| garbled(self.client.address(), what).failure();
        let receipt = Receipt::try_from(&answer).map_err(|what| wrong(&what))?;
        let rejected = in_order(answer, &receipt, parcel.sent).map_err(|what| wrong(&what))?;
        let Receipt { accepted, duplicates, reasons, end, synced } = receipt;
        self.sum.accepted += accepted;
        self.sum.duplicates += duplicates;
        for (reason, count) in reasons {
            *self.sum.reasons.entry(reason).or_default() += count;
        }
        self.sum.end = end;
        self.sum.synced &= synced;
        if synced && end > self.synced_end {
            self.synced_end = end;
            (self.on_synced)(end);
        }
        Ok(rejected)
    }

    fn tell(&mut self, parcel: &Parcel, item: &Item, rejection: &Rejection) -> Result<(), Failure> {
        let source = usize::try_from(item.origin.source).unwrap_or(usize::MAX);
        let name = self.names.get(source).map_or("", |name| name);
        let rejected = Rejected { origin: item.origin, rejection, text: parcel.text(item) };
        Ok(self.rejects.take(name, &rejected)?)
    }
}

/// The rejected events of an answer in the order of their source, if it tells of exactly as many
/// events as were sent.
fn in_order(
    answer: ReceiptJson<'_>,
    receipt: &Receipt,
    sent: u64,
) -> Result<Vec<(u64, Rejection)>, String> {
    let told = receipt.accepted.checked_add(receipt.duplicates);
    let told = told.and_then(|told| told.checked_add(receipt.rejected()));
    if told != Some(sent) {
        return Err(format!("a receipt for other events than the {sent} that were sent"));
    }
    let rejected = answer.rejected_events.unwrap_or_default();
    let mut rejected: Vec<(u64, Rejection)> =
        rejected.into_iter().map(|one| (one.index, Rejection::from(one))).collect();
    rejected.sort_by_key(|(index, _)| *index);
    let are_distinct = rejected.windows(2).all(|pair| match pair {
        [(one, _), (next, _)] => one < next,
        _ => true,
    });
    let are_sent = rejected.last().is_none_or(|(index, _)| *index < sent);
    let count = u64::try_from(rejected.len()).unwrap_or(u64::MAX);
    if !are_distinct || !are_sent || count != receipt.rejected() {
        return Err("rejected events that are not those of the receipt".to_owned());
    }
    Ok(rejected)
}
