//! `top`, `stats` and `info` of a server, or of those that have all partitions of a log.

use std::path::Path;

use super::address;
use super::choice::Server;
use super::client::Client;
use crate::cli::args::{Format, StatsArgs, TopArgs};
use crate::cli::failure::{Ending, Failure};
use crate::cli::logs::note_part;
use crate::cli::out::Out;
use crate::cli::{info as of_info, stats as of_stats, top as of_top};
use crate::wire::{InfoJson, KnownJson, PartJson, TopJson};
use crate::{
    Customer, ID_BYTES_MAX, Info, Partition, Partitions, Question, TimeFrame, Top, partition_of,
};

/// Runs `top`.
pub(super) fn top(servers: &[Server], args: &TopArgs, out: &mut Out) -> Result<Ending, Failure> {
    let question = args.question.question();
    let top = the_top(&Part::of(servers)?, args.x, &question)?;
    of_top::print(&top, &question, out)?;
    Ok(Ending::Done)
}

/// Runs `stats`.
pub(super) fn stats(
    servers: &[Server],
    args: &StatsArgs,
    out: &mut Out,
) -> Result<Ending, Failure> {
    let question = args.question.question();
    let parts = Part::of(servers)?;
    let known = args.ids.iter().map(|id| known(&parts, id, &question));
    let mut found: Vec<Option<Customer>> = known.collect::<Result<_, _>>()?;
    // Currency and frame are told with a top X. One server has measured over its frame already, and
    // only a table shows it.
    let is_shown = out.format() == Format::Table && found.iter().any(Option::is_some);
    let whole = match is_shown || parts.len() > 1 {
        true => Some(the_top(&parts, 1, &question)?),
        false => None,
    };
    let currency = whole.as_ref().map_or(*b"USD", |top| top.currency);
    let span = whole.and_then(|top| top.span);
    if parts.len() > 1 {
        let measured = |one: Customer| one.measured(span, &question);
        found = found.into_iter().map(|one| one.map(measured)).collect();
    }
    of_stats::print(&args.ids, &found, (span.as_ref(), currency), &question, out)
}

/// Runs `info`.
pub(super) fn info(servers: &[Server], out: &mut Out) -> Result<Ending, Failure> {
    // Their files are named within directories that are elsewhere.
    let nowhere = Path::new("");
    if let [server] = servers {
        of_info::print(&the_info(&Client::new(server, None)?)?, nowhere, out)?;
        return Ok(Ending::Done);
    }
    let parts = Part::of(servers)?;
    let infos = parts.iter().map(|part| the_info(&part.client)).collect::<Result<Vec<_>, _>>()?;
    let span = the_top(&parts, 1, &Question::default())?.span;
    of_info::print_parts(&infos, &vec![nowhere; infos.len()], span, out)?;
    Ok(Ending::Done)
}

/// What a server tells of its log.
pub(super) fn the_info(client: &Client) -> Result<Info, Failure> {
    Ok(client.get::<InfoJson<'_>>("/v1/info")?.into())
}

/// A server, and which partition it has: the whole log, if it is the only one that was named.
struct Part {
    client: Client,
    partition: Partition,
}

impl Part {
    /// The servers by the numbers of their partitions, which must be all of one log.
    fn of(servers: &[Server]) -> Result<Vec<Part>, Failure> {
        if let [server] = servers {
            let client = Client::new(server, None)?;
            note_part(client.get::<PartJson>("/v1/status")?.partition());
            return Ok(vec![Part { client, partition: Partition::WHOLE }]);
        }
        let (mut parts, mut rules) = (Vec::new(), Vec::new());
        for server in servers {
            let client = Client::new(server, None)?;
            let info = the_info(&client)?;
            parts.push(Part { client, partition: info.partition });
            rules.push(info.rules);
        }
        Partitions::check_complete(parts.iter().zip(&rules).map(|(part, rules)| {
            (part.partition, rules, part.client.address().name().to_owned())
        }))?;
        parts.sort_by_key(|part| part.partition.number());
        Ok(parts)
    }
}

fn the_top(parts: &[Part], x: usize, question: &Question) -> Result<Top, Failure> {
    let top = |part: &Part| -> Result<Top, Failure> {
        Ok(part.client.get::<TopJson<'_>>(&address::top(x, question))?.into())
    };
    if let [part] = parts {
        return top(part);
    }
    let mut tops = parts.iter().map(top).collect::<Result<Vec<_>, _>>()?;
    if question.frame == TimeFrame::Customer {
        // A ranking does not tell each customer's own frame.
        for customer in tops.iter_mut().flat_map(|top| &mut top.customers) {
            if let Some(known) = known(parts, &customer.customer_id, question)? {
                *customer = known;
            }
        }
    }
    Ok(Top::merged(tops, x, question)?)
}

/// A customer, as the server of the customer's partition tells; none if it knows no such.
fn known(parts: &[Part], id: &str, question: &Question) -> Result<Option<Customer>, Failure> {
    // No log has one that is longer, and none has the empty one.
    if !(1..=ID_BYTES_MAX).contains(&id.len()) {
        return Ok(None);
    }
    let own = |part: &&Part| partition_of(id, part.partition.of()) == part.partition.number();
    let Some(part) = parts.iter().find(own) else { return Ok(None) };
    let known = part.client.find::<KnownJson<'_>>(&address::customer(id, question), 404)?;
    Ok(known.map(Customer::from))
}
