//! Commands that ask a server instead of a directory: `append`, `top`, `stats`, `tail` and `info`
//! with `--server URL`. They print what they print of a directory, and exit as they do there.
//!
//! `choice` finds out whether a server is meant, `client` talks to it, the rest are the commands.
//! Nothing here opens a log.

mod address;
mod answers;
mod append;
mod belt;
mod choice;
mod client;
mod events;
mod patience;
mod refusal;
mod tail;

use std::path::PathBuf;

use clap::{ArgMatches, Args};

use super::args::{Cli, Command};
use super::failure::{Ending, Failure};
use super::out::Out;
use choice::Server;

/// Heads these options in each command's help.
const SERVED: &str = "A server instead of a directory: append, top, stats, tail and info";

/// Options that name a server.
#[derive(Args, Debug)]
pub(crate) struct RemoteArgs {
    /// Address of a server that has the log, as http://127.0.0.1:7878; of a partitioned log once for
    /// each partition's server, to top, stats and info; their token: LTVLOG_TOKEN
    #[arg(
        long,
        global = true,
        help_heading = SERVED,
        value_name = "URL",
        env = "LTVLOG_SERVER",
        hide_env_values = true
    )]
    server: Vec<String>,
    /// Read the server's token from a file, and not from LTVLOG_TOKEN
    #[arg(long, global = true, help_heading = SERVED, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust a server only if an authority in this file (PEM) vouches for it, and not the public ones
    #[arg(long, global = true, help_heading = SERVED, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Runs the command, if a server is meant.
pub(crate) fn run(
    cli: &Cli,
    matches: &ArgMatches,
    out: &mut Out,
) -> Result<Option<Ending>, Failure> {
    let servers = choice::servers(cli, matches)?;
    if servers.is_empty() {
        return Ok(None);
    }
    let ending = match &cli.command {
        Command::Append(args) => append::run(only(&servers)?, args, out),
        Command::Top(args) => answers::top(&servers, args, out),
        Command::Stats(args) => answers::stats(&servers, args, out),
        Command::Tail(args) => tail::run(only(&servers)?, args, out),
        Command::Info => answers::info(&servers, out),
        #[cfg(feature = "serve")]
        Command::Serve(_) => return Ok(None),
        #[cfg(any(feature = "kafka", feature = "nats"))]
        Command::Broker(_) => return Ok(None),
        Command::Replay
        | Command::Verify(_)
        | Command::Repair(_)
        | Command::Dump(_)
        | Command::Export(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Generate(_)
        | Command::Completions(_)
        | Command::Man(_) => return Ok(None),
    }?;
    Ok(Some(ending))
}

/// The one server of a command that asks one.
fn only(servers: &[Server]) -> Result<&Server, Failure> {
    match servers {
        [server] => Ok(server),
        _ => {
            let reason = "this command asks one server, and several were named".to_owned();
            Err(Failure::Usage(reason))
        }
    }
}
