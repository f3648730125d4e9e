//! `stats`: what the log knows of the customers that are named.

use super::args::{Format, Shared, StatsArgs};
use super::customers::{known_csv, known_table};
use super::failure::{Ending, Failure};
use super::logs::Logs;
use super::out::{Out, say};
use super::table::shown;
use super::time::frame_text;
use crate::wire::KnownJson;
use crate::{Customer, Question, Span};

/// Runs the command. Ids that the log does not know are named on standard error, and make it fail
/// after the others were printed.
pub(crate) fn run(shared: &Shared, args: &StatsArgs, out: &mut Out) -> Result<Ending, Failure> {
    let question = args.question.question();
    let logs = Logs::existing_as_is(shared)?;
    let (span, found) = logs.stats(&args.ids, &question)?;
    print(&args.ids, &found, (span.as_ref(), logs.currency()), &question, out)
}

/// Prints those that were found, and names the others.
pub(super) fn print(
    ids: &[String],
    found: &[Option<Customer>],
    (span, currency): (Option<&Span>, [u8; 3]),
    question: &Question,
    out: &mut Out,
) -> Result<Ending, Failure> {
    let customers: Vec<&Customer> = found.iter().flatten().collect();
    match out.format() {
        Format::Json => {
            let list: Vec<_> = customers.iter().map(|one| KnownJson::new(one)).collect();
            out.json(&list)?;
        }
        Format::Csv => out.csv(&known_csv(&customers))?,
        Format::Table => {
            let currency = String::from_utf8_lossy(&currency).into_owned();
            for (place, customer) in customers.iter().enumerate() {
                if place > 0 {
                    out.text("\n")?;
                }
                out.text(&known_table(customer, &currency))?;
            }
            if !customers.is_empty() {
                out.text(&format!("\n{}\n", frame_text(span, question.frame)))?;
            }
        }
    }
    out.done()?;
    let mut ending = Ending::Done;
    for (id, _) in ids.iter().zip(found).filter(|(_, customer)| customer.is_none()) {
        say::error(&format!("the log knows no customer {:?}", shown(id)));
        ending = Ending::Failed;
    }
    Ok(ending)
}
