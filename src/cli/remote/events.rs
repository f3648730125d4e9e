//! Events of a server's log, from a sequence on: a stream that is taken up again where it broke.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use super::client::Client;
use super::patience::Patience;
use super::refusal::{Trouble, broken, garbled, told};
use crate::cli::failure::Failure;
use crate::cli::out::say;
use crate::wire::RecordLine;

/// A line is an event of at most 1 MiB and a little around it.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// After so long without a line a followed server is asked anew: it may be gone without a word.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Gives every event from the sequence `from` on to `each`, until all were told, or, if the log is
/// followed, until `each` wants no more.
pub(super) fn read(
    client: &Client,
    from: u64,
    follow: bool,
    each: &mut dyn FnMut(u64, &str) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut next = from;
    let mut patience = if follow { Patience::endless() } else { Patience::new(None) };
    loop {
        let before = next;
        let trouble = match once(client, &mut next, follow, each) {
            Ok(()) => return Ok(()),
            Err(trouble) => trouble,
        };
        if next > before {
            patience.again();
        }
        let is_first = patience.is_fresh();
        let goes_on = match &trouble {
            // It is there and has nothing to tell, or the next request finds out.
            Trouble::Silent(_) => follow,
            Trouble::Busy(after, _) => patience.wait(*after),
            Trouble::Broken(_) => client.is_reached() && patience.wait(None),
            Trouble::Final(_) => false,
        };
        let is_silent = matches!(trouble, Trouble::Silent(_));
        let failure = trouble.failure();
        if !goes_on {
            return Err(failure);
        }
        if follow && is_first && !is_silent {
            say::note(&format!("{}; going on from event {next} once it is back", failure.text()));
        }
    }
}

/// The same on one connection, unless that breaks. `next` is the sequence of the event that comes next.
fn once(
    client: &Client,
    next: &mut u64,
    follow: bool,
    each: &mut dyn FnMut(u64, &str) -> Result<bool, Failure>,
) -> Result<(), Trouble> {
    let address = client.address();
    let response = client.open(&format!("/v1/events?from={next}&follow={follow}"), SILENCE_MAX)?;
    let mut lines = BufReader::with_capacity(64 << 10, response.into_body().into_reader());
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(|error| broken(address, &error))?;
        if line.last() != Some(&b'\n') {
            // What was cut in two is told again.
            return match u64::try_from(line.len()).unwrap_or(u64::MAX) < LINE_BYTES_MAX {
                true => Err(broken(address, &std::io::ErrorKind::UnexpectedEof.into())),
                false => Err(garbled(address, "a line has more than 16 MiB")),
            };
        }
        let read = RecordLine::read(&line);
        match read.map_err(|error| garbled(address, &error.to_string()))? {
            // Events that were told before are passed over.
            RecordLine::Record { sequence, .. } if sequence < *next => {}
            RecordLine::Record { sequence, event } => {
                *next = sequence.saturating_add(1);
                if !each(sequence, event)? {
                    return Ok(());
                }
            }
            RecordLine::CaughtUp(_) if !follow => return Ok(()),
            RecordLine::CaughtUp(_) | RecordLine::Other => {}
            RecordLine::Problem(problem) => return Err(told(address, &problem, None)),
        }
    }
}
