//! `top`: the X most valuable customers, of the log or of files alone.

use super::append::{Feed, To};
use super::args::{Format, Shared, TopArgs};
use super::customers::{ranked_csv, ranked_table};
use super::failure::{Ending, Failure};
use super::logs::Logs;
use super::out::Out;
use super::time::frame_text;
use super::{options, table};
use crate::wire::TopJson;
use crate::{Question, Store, Top};

/// Runs the command.
pub(crate) fn run(shared: &Shared, args: &TopArgs, out: &mut Out) -> Result<Ending, Failure> {
    let question = args.question.question();
    if args.files.is_empty() {
        let top = Logs::existing(shared, &args.new)?.top(args.x, &question)?;
        print(&top, &question, out)?;
        return Ok(Ending::Done);
    }
    let mut feed = Feed::new(&args.files, None)?;
    let mut store = Store::scratch(options(shared, &args.new))?;
    let fed = feed.run(To::One(&mut store), (false, None), |_| {})?;
    if fed.interrupted {
        return Ok(Ending::Interrupted);
    }
    let top = store.top(args.x, &question)?;
    print(&top, &question, out)?;
    Ok(fed.ending())
}

pub(super) fn print(top: &Top, question: &Question, out: &mut Out) -> Result<(), Failure> {
    let currency = String::from_utf8_lossy(&top.currency);
    match out.format() {
        Format::Json => out.json(&TopJson::new(top, question)),
        Format::Csv => out.csv(&ranked_csv(&top.customers)),
        Format::Table => {
            out.text(&ranked_table(&top.customers))?;
            out.text(&format!(
                "\n{currency}, a lifespan of {} years, {}, {}\n",
                question.lifespan,
                frame_text(top.span.as_ref(), question.frame),
                table::counted(top.end, "event"),
            ))
        }
    }
}
