//! `tail` of a server.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::answers::the_info;
use super::choice::Server;
use super::client::Client;
use super::events::read;
use crate::cli::args::{Format, TailArgs};
use crate::cli::failure::{Ending, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::out::Out;
use crate::cli::records::Printer;
use crate::{Event, Rules};

/// Time between two looks at the note of signals, and at who reads, while a followed log stands still.
const PATIENCE: Duration = Duration::from_millis(100);
/// Events that were received and are not printed yet.
const WAITING_MAX: usize = 256;

/// What the thread that receives tells the one that prints.
type News = Result<(u64, String), Failure>;

/// Runs the command.
pub(super) fn run(server: &Server, args: &TailArgs, out: &mut Out) -> Result<Ending, Failure> {
    let client = Client::new(server, None)?;
    // Only as CSV are events more than lines that are passed on.
    let is_csv = out.asked() == Some(Format::Csv);
    let rules = if is_csv { Some(the_info(&client)?.rules) } else { None };
    let currency = rules.as_ref().map_or(*b"USD", |rules| rules.currency);
    let mut printer = Printer::new(out, currency, args.sequence)?;
    if args.follow {
        return follow(client, args.from, &mut printer, rules.as_ref());
    }
    read(&client, args.from, false, &mut |sequence, event| {
        print(&mut printer, sequence, event, rules.as_ref())
    })?;
    printer.flush()?;
    Ok(Ending::Done)
}

/// Prints one; false if nobody can read on.
fn print(
    printer: &mut Printer<'_>,
    sequence: u64,
    event: &str,
    rules: Option<&Rules>,
) -> Result<bool, Failure> {
    let Some(rules) = rules else { return Ok(printer.print_text(sequence, event)) };
    let event = Event::from_json(event.as_bytes(), rules).map_err(|rejection| {
        let text = format!("event {sequence} cannot be printed as CSV: {rejection}");
        Failure::Advised {
            text,
            help: "a newer ltvlog may know it; as json it is passed on".into(),
        }
    })?;
    Ok(printer.print(&crate::Record { sequence, event }))
}

fn follow(
    client: Client,
    from: u64,
    printer: &mut Printer<'_>,
    rules: Option<&Rules>,
) -> Result<Ending, Failure> {
    let interrupt = Interrupt::watch()?;
    let (news, received) = sync_channel::<News>(WAITING_MAX);
    // Whoever waits for a server cannot look at signals, so another thread does. It ends with the
    // process: nothing is lost with it.
    thread::Builder::new()
        .spawn(move || receive(&client, from, &news))
        .map_err(|error| Failure::Other(format!("cannot start a thread: {error}")))?;
    while !interrupt.came() {
        let Some((sequence, event)) = next(&received, printer)? else { continue };
        if !print(printer, sequence, &event, rules)? {
            break;
        }
    }
    printer.flush()?;
    Ok(Ending::Interrupted)
}

/// The next event, if one comes soon; before it is waited for, what was printed is handed on.
fn next(
    received: &Receiver<News>,
    printer: &mut Printer<'_>,
) -> Result<Option<(u64, String)>, Failure> {
    match received.try_recv() {
        Ok(news) => return news.map(Some),
        Err(TryRecvError::Empty | TryRecvError::Disconnected) => printer.flush()?,
    }
    match received.recv_timeout(PATIENCE) {
        Ok(news) => news.map(Some),
        Err(RecvTimeoutError::Timeout) => printer.is_read().map(|()| None),
        Err(RecvTimeoutError::Disconnected) => {
            Err(Failure::Other("events are no longer received".to_owned()))
        }
    }
}

fn receive(client: &Client, from: u64, news: &SyncSender<News>) {
    let read = read(client, from, true, &mut |sequence, event| {
        Ok(news.send(Ok((sequence, event.to_owned()))).is_ok())
    });
    if let Err(failure) = read {
        // Whether anybody still listens makes no difference.
        drop(news.send(Err(failure)));
    }
}
