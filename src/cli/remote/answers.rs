//! `top`, `stats` and `info` of a server.

use std::path::Path;

use super::address;
use super::choice::Server;
use super::client::Client;
use crate::cli::args::{Format, StatsArgs, TopArgs};
use crate::cli::failure::{Ending, Failure};
use crate::cli::out::Out;
use crate::cli::{info as of_info, stats as of_stats, top as of_top};
use crate::wire::{InfoJson, KnownJson, TopJson};
use crate::{Customer, ID_BYTES_MAX, Info, Question, Top};

/// Runs `top`.
pub(super) fn top(server: &Server, args: &TopArgs, out: &mut Out) -> Result<Ending, Failure> {
    let question = args.question.question();
    let top = the_top(&Client::new(server, None)?, args.x, &question)?;
    of_top::print(&top, &question, out)?;
    Ok(Ending::Done)
}

fn the_top(client: &Client, x: usize, question: &Question) -> Result<Top, Failure> {
    Ok(client.get::<TopJson<'_>>(&address::top(x, question))?.into())
}

/// Runs `stats`.
pub(super) fn stats(server: &Server, args: &StatsArgs, out: &mut Out) -> Result<Ending, Failure> {
    let question = args.question.question();
    let client = Client::new(server, None)?;
    let mut found = Vec::new();
    for id in &args.ids {
        // No log has one that is longer, and none has the empty one.
        let can_be = (1..=ID_BYTES_MAX).contains(&id.len());
        let path = address::customer(id, &question);
        let known = if can_be { client.find::<KnownJson<'_>>(&path)? } else { None };
        found.push(known.map(Customer::from));
    }
    // Currency and frame are told with a top X, and only a table shows them.
    let shows_frame = out.format() == Format::Table && found.iter().any(Option::is_some);
    let whole = if shows_frame { Some(the_top(&client, 1, &question)?) } else { None };
    let currency = whole.as_ref().map_or(*b"USD", |top| top.currency);
    let span = whole.and_then(|top| top.span);
    of_stats::print(&args.ids, &found, (span.as_ref(), currency), &question, out)
}

/// Runs `info`.
pub(super) fn info(server: &Server, out: &mut Out) -> Result<Ending, Failure> {
    let info = the_info(&Client::new(server, None)?)?;
    // Its files are named within a directory that is elsewhere.
    of_info::print(&info, Path::new(""), out)?;
    Ok(Ending::Done)
}

/// What a server tells of its log.
pub(super) fn the_info(client: &Client) -> Result<Info, Failure> {
    Ok(client.get::<InfoJson<'_>>("/v1/info")?.into())
}
