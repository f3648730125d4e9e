//! Whether a command asks a server or opens a directory, and what does not go together with either.
//!
//! What is written on the command line goes before what the environment says: `--log` before
//! `LTVLOG_SERVER`, `--server` before `LTVLOG_DIR`. An option that a server cannot heed is refused,
//! wherever the server was named: passing over it would do something else than was asked for.

use std::fs;
use std::path::Path;

use clap::ArgMatches;

use super::RemoteArgs;
use super::address::Address;
use crate::Error;
use crate::cli::args::{Cli, Command};
use crate::cli::failure::Failure;
use crate::cli::is_given;
use crate::cli::out::say;

/// Options for whoever opens a log: their names to clap and to people.
const OF_DIRECTORIES: [(&str, &str); 8] = [
    ("allow_remote", "--allow-remote"),
    ("currency", "--currency"),
    ("hold_max", "--hold-max"),
    ("partitions", "--partitions"),
    ("strict", "--strict"),
    ("sync", "--sync"),
    ("threads", "--threads"),
    ("time_range", "--time-range"),
];

/// A server, and what it takes to talk to it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) token: Option<String>,
    /// The authorities that may vouch for it, in PEM, if not the public ones.
    pub(super) authorities: Option<Vec<u8>>,
}

/// The servers that are meant; none if a directory is.
pub(super) fn servers(cli: &Cli, matches: &ArgMatches) -> Result<Vec<Server>, Failure> {
    let args = &cli.shared.remote;
    let is_written = is_given(matches, "server");
    let are_named = !args.server.is_empty() && args.server.iter().all(|url| !url.is_empty());
    if !are_named || !is_meant(cli, matches) {
        return match is_written {
            true => Err(Failure::Usage(why_not(cli, matches))),
            false => Ok(Vec::new()),
        };
    }
    let of_directories = OF_DIRECTORIES.iter().find(|(id, _)| is_given(matches, id));
    if let Some((_, option)) = of_directories {
        let by = if is_written { "--server" } else { "LTVLOG_SERVER; `--log DIR` goes before it" };
        let reason = format!("{option} needs the log's directory, and a server is named by {by}");
        return Err(Failure::Usage(reason));
    }
    args.server.iter().map(|url| server(url, args)).collect()
}

fn server(url: &str, args: &RemoteArgs) -> Result<Server, Failure> {
    let address = Address::parse(url).map_err(Failure::Usage)?;
    let token = token(args.token_file.as_deref())?;
    if token.is_some() && address.is_open() {
        let name = address.name();
        say::warning(&format!(
            "the token crosses the network to {name} where others can read it: \
             https:// hides it"
        ));
    }
    Ok(Server { address, token, authorities: args.ca_file.as_deref().map(read).transpose()? })
}

/// Whether the command asks a server if one is named.
fn is_meant(cli: &Cli, matches: &ArgMatches) -> bool {
    let reads_files = matches!(&cli.command, Command::Top(args) if !args.files.is_empty());
    asks_servers(&cli.command) && !reads_files && !is_given(matches, "log")
}

fn asks_servers(command: &Command) -> bool {
    match command {
        Command::Append(_)
        | Command::Top(_)
        | Command::Stats(_)
        | Command::Tail(_)
        | Command::Info => true,
        #[cfg(feature = "serve")]
        Command::Serve(_) => false,
        #[cfg(any(feature = "kafka", feature = "nats"))]
        Command::Broker(_) => false,
        Command::Replay
        | Command::Verify(_)
        | Command::Repair(_)
        | Command::Dump(_)
        | Command::Export(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Generate(_)
        | Command::Completions(_)
        | Command::Man(_) => false,
    }
}

/// Why a server that was written down is none for this command.
fn why_not(cli: &Cli, matches: &ArgMatches) -> String {
    if !asks_servers(&cli.command) {
        let name = matches.subcommand_name().unwrap_or_default();
        format!(
            "`{name}` asks no server: append, top, stats, tail and info do, and the others need \
             the log's directory, `--log DIR`"
        )
    } else if is_given(matches, "log") {
        "--log and --server name two places for one log: leave out one of them".to_owned()
    } else if cli.shared.remote.server.iter().any(String::is_empty) {
        "--server takes an address such as http://127.0.0.1:7878, and got nothing".to_owned()
    } else {
        "`top` of FILEs reads them here, and no log: leave out --server".to_owned()
    }
}

/// What the server is shown, if anything: the file's content, or else the environment's.
fn token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let (token, from) = match file {
        Some(path) => {
            (String::from_utf8_lossy(&read(path)?).into_owned(), path.display().to_string())
        }
        None => (std::env::var("LTVLOG_TOKEN").unwrap_or_default(), "LTVLOG_TOKEN".to_owned()),
    };
    let token = token.trim();
    if token.is_empty() && file.is_none() {
        return Ok(None);
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason =
            format!("{from} holds no token: letters, digits and signs on one line are one");
        return Err(Failure::Other(reason));
    }
    Ok(Some(token.to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(fs::read(path).map_err(Error::io("read", path))?)
}
