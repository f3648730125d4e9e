//! `serve`: the log over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum, value_parser};

use super::args::{Format, NewLogArgs, Shared};
use super::failure::{Ending, Failure};
use super::out::Out;
use super::{listen, options, size};
use crate::serve::{self, Config, Limits, LogFormat, TlsFiles};

pub(crate) const SERVE_HELP: &str = "\
Examples:
  ltvlog serve
  ltvlog serve --listen 0.0.0.0:7878 --tokens tokens --tls-cert cert.pem --tls-key key.pem
  curl --data-binary @events.ndjson http://127.0.0.1:7878/v1/events

A line of the file of tokens is `SCOPE TOKEN`; scopes are read, append and admin, which is both. The
file may change while the server runs. SIGHUP has it read the certificate again; SIGINT and SIGTERM
stop it, with everything acknowledged on the disk.";

/// The same as [`Limits::default`] has.
const BODY_MAX: &str = "16MiB";
const WAITING_MAX: &str = "128MiB";

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The address to answer at, HOST:PORT or :PORT; one that other machines reach needs tokens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878", value_parser = listen::parse)]
    pub(crate) listen: SocketAddr,
    /// File of tokens, without which only this machine can ask, and everything on it may
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// Certificate chain for TLS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key for TLS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_max, value_parser = some())]
    pub(crate) connections_max: usize,
    /// Streams of events and of the leaderboard at a time
    #[arg(long, value_name = "N", default_value_t = Limits::default().followers_max, value_parser = some())]
    pub(crate) followers_max: usize,
    /// Bytes of one request's body, 16M or 64MiB too, as it comes and unpacked, unless it is answered as a stream
    #[arg(long, value_name = "BYTES", default_value = BODY_MAX, value_parser = size::parse)]
    pub(crate) body_max: usize,
    /// Bytes that all events that wait may take together: their JSON, and 320 for each event
    #[arg(long, value_name = "BYTES", default_value = WAITING_MAX, value_parser = size::parse)]
    pub(crate) waiting_max: usize,
    /// Seconds for the line and headers of a request to come
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().header_time.as_secs(), value_parser = value_parser!(u64).range(1..))]
    pub(crate) header_time: u64,
    /// Seconds for the next 256 KiB of a body to come, or its end
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().body_time.as_secs(), value_parser = value_parser!(u64).range(1..))]
    pub(crate) body_time: u64,
    /// Seconds for a client to take the next piece of an answer
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().answer_time.as_secs(), value_parser = value_parser!(u64).range(1..))]
    pub(crate) answer_time: u64,
    /// How the server's own log is written, to standard error
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormatArg::Text)]
    pub(crate) log_format: LogFormatArg,
    /// Say in it of each request how it was answered
    #[arg(long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) new: NewLogArgs,
}

/// A number above 0.
fn some() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// How the server's own log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormatArg {
    /// For people
    Text,
    /// A line of JSON for each thing that happens
    Json,
}

/// Runs the command.
pub(crate) fn run(shared: &Shared, args: &ServeArgs, out: &mut Out) -> Result<Ending, Failure> {
    let format = match args.log_format {
        LogFormatArg::Text => LogFormat::Text,
        LogFormatArg::Json => LogFormat::Json,
    };
    format.begin(args.verbose);
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let config = Config {
        log: super::logs::one(shared)?.to_path_buf(),
        options: options(shared, &args.new),
        listen: args.listen,
        tokens: args.tokens.clone(),
        tls: tls.map(|(certificates, key)| TlsFiles { certificates, key }),
        limits: Limits {
            connections_max: args.connections_max,
            followers_max: args.followers_max,
            body_bytes_max: args.body_max,
            waiting_bytes_max: args.waiting_max,
            header_time: Duration::from_secs(args.header_time),
            body_time: Duration::from_secs(args.body_time),
            answer_time: Duration::from_secs(args.answer_time),
            ..Limits::default()
        },
    };
    let is_json = out.format() == Format::Json;
    let mut told = Ok(());
    let mut ready = |url: &str| {
        let line = if is_json {
            format!("{{\"url\": \"{url}\"}}\n")
        } else {
            format!("{url} has the log in {}\n", config.log.display())
        };
        told = out.text(&line).and_then(|()| out.done());
    };
    let served = serve::run(&config, &mut ready);
    match served {
        Ok(()) => {}
        Err(serve::Failure::Log(error)) => return Err(error.into()),
        Err(serve::Failure::Start(reason)) => return Err(Failure::Other(reason)),
    }
    match told {
        Ok(()) | Err(Failure::Closed) => Ok(Ending::Done),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_library() {
        assert_eq!(size::parse(BODY_MAX), Ok(Limits::default().body_bytes_max));
        assert_eq!(size::parse(WAITING_MAX), Ok(Limits::default().waiting_bytes_max));
    }
}
