//! The command line: the edge where people are. It uses the library's public API alone.
//!
//! Results go to standard output, everything else to standard error. Each command is a file here;
//! what it may be told is in `args`, how it ends in `failure`.

mod append;
mod args;
mod backup;
#[cfg(any(feature = "kafka", feature = "nats"))]
mod broker;
mod csv;
mod customers;
#[cfg(feature = "parquet")]
mod dest;
mod dump;
mod export;
mod failure;
mod generate;
mod hold;
mod info;
mod interrupt;
#[cfg(feature = "parquet")]
mod lake;
#[cfg(feature = "serve")]
mod listen;
mod logs;
mod out;
mod pages;
mod progress;
mod records;
mod rejects;
#[cfg(feature = "remote")]
mod remote;
mod repair;
mod replay;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod size;
mod sources;
mod stats;
mod table;
mod time;
mod top;
mod verify;

use std::num::NonZeroUsize;
use std::process::ExitCode;

#[cfg(any(feature = "kafka", feature = "nats", feature = "remote"))]
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use self::args::{Cli, Command, NewLogArgs, Shared};
use self::export::FormatArg;
use self::failure::{Ending, Failure};
use self::out::Out;
use crate::{Error, Options, Store};

/// Runs the program on the process's own arguments.
pub fn main() -> ExitCode {
    // Wrong usage ends here with 2, and the text of `--help` with 0.
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let mut out = Out::new(cli.shared.format.and_then(FormatArg::printed));
    failure::exit(run(&cli, &matches, &mut out))
}

fn run(cli: &Cli, matches: &ArgMatches, out: &mut Out) -> Result<Ending, Failure> {
    export::fits(&cli.shared, &cli.command)?;
    #[cfg(any(feature = "kafka", feature = "nats"))]
    broker::fits(&cli.command, matches)?;
    let ending = match asked(cli, matches, out)? {
        Some(ending) => ending,
        None => done_here(cli, out)?,
    };
    match out.done() {
        // What was done is done whether or not somebody reads on.
        Ok(()) | Err(Failure::Closed) => Ok(ending),
        Err(failure) => Err(failure),
    }
}

/// Whether an option was written on the command line, before or after the command.
#[cfg(any(feature = "kafka", feature = "nats", feature = "remote"))]
fn is_given(matches: &ArgMatches, id: &str) -> bool {
    let levels = [Some(matches), matches.subcommand().map(|(_, matches)| matches)];
    levels.into_iter().flatten().any(|matches| {
        // Not every command has every option.
        matches.try_contains_id(id).is_ok()
            && matches.value_source(id) == Some(ValueSource::CommandLine)
    })
}

/// Asks a server, if one is meant.
#[cfg(feature = "remote")]
fn asked(cli: &Cli, matches: &ArgMatches, out: &mut Out) -> Result<Option<Ending>, Failure> {
    remote::run(cli, matches, out)
}

/// This build knows no servers.
#[cfg(not(feature = "remote"))]
fn asked(_: &Cli, _: &ArgMatches, _: &mut Out) -> Result<Option<Ending>, Failure> {
    Ok(None)
}

fn done_here(cli: &Cli, out: &mut Out) -> Result<Ending, Failure> {
    let shared = &cli.shared;
    match &cli.command {
        Command::Append(args) => append::run(shared, args, out),
        Command::Top(args) => top::run(shared, args, out),
        Command::Stats(args) => stats::run(shared, args, out),
        Command::Replay => replay::run(shared, out),
        Command::Tail(args) => records::tail(shared, args, out),
        Command::Verify(args) => verify::run(shared, args, out),
        Command::Repair(args) => repair::run(shared, args, out),
        Command::Info => info::run(shared, out),
        Command::Dump(args) => dump::run(shared, args, out),
        Command::Export(args) => export::run(shared, args, out),
        Command::Backup(args) => backup::run(shared, args, out),
        Command::Restore(args) => backup::restore(shared, args, out),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(shared, args, out),
        #[cfg(any(feature = "kafka", feature = "nats"))]
        Command::Broker(command) => broker::run(shared, command, out),
        Command::Generate(args) => generate::run(args, out),
        Command::Completions(args) => pages::completions(args, out),
        Command::Man(args) => pages::man(args, out),
    }
}

/// How the log is opened, and what it is given if it is new.
fn options(shared: &Shared, new: &NewLogArgs) -> Options {
    Options {
        currency: new.currency,
        time_range_us: new.time_range.map(|(from_us, to_us)| from_us..to_us),
        allow_remote: shared.allow_remote,
        threads: shared.threads.unwrap_or_else(processors),
        ..Options::default()
    }
}

/// As many threads as there are processors, but for machines of many: each takes 32 bytes a
/// customer.
fn processors() -> NonZeroUsize {
    const MAX: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(MAX)
}

/// The log, which must be there and agree with what was asked for.
fn existing(shared: &Shared, new: &NewLogArgs) -> Result<Store, Failure> {
    let dir = logs::one(shared)?;
    let store = Store::open(dir, options(shared, new))?;
    if store.exists() { Ok(store) } else { Err(Error::Missing { path: dir.to_path_buf() }.into()) }
}

/// The log, which must be there.
fn existing_as_is(shared: &Shared) -> Result<Store, Failure> {
    existing(shared, &NewLogArgs { currency: None, time_range: None })
}
