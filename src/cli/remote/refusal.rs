//! What becomes of a request that a server did not answer as it should: what is said of it, and
//! whether trying again makes sense.

use std::io;
use std::time::Duration;

use ureq::http::Response;
use ureq::{Body, Error};

use super::address::Address;
use crate::cli::failure::Failure;
use crate::cli::table::shown;
use crate::wire::ProblemJson;

/// How much of an answer is read to find out what is wrong.
const PROBLEM_BYTES_MAX: u64 = 64 << 10;

const NOT_REACHED: &str = "`ltvlog serve --log DIR` starts a server; `--server URL` or \
     LTVLOG_SERVER names another, and `--log DIR` a directory";
const NOT_TRUSTED: &str = "`--ca-file FILE` names the authority that vouches for a private server";
const NO_SERVER: &str = "is this the address of an `ltvlog serve`?";
const NO_SERVER_OR_TLS: &str = "is this the address of an `ltvlog serve`? That of one that speaks \
     TLS begins with https://";
const NO_TLS: &str = "the address of a server without TLS begins with http://";

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server has no time, and may have said when it will.
    Busy(Option<Duration>, Failure),
    /// The connection broke, or none came about.
    Broken(Failure),
    /// Nothing was said for long.
    Silent(Failure),
    /// The same request would come to the same.
    Final(Failure),
}

impl Trouble {
    pub(super) fn failure(self) -> Failure {
        match self {
            Trouble::Busy(_, failure)
            | Trouble::Broken(failure)
            | Trouble::Silent(failure)
            | Trouble::Final(failure) => failure,
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Final(failure)
    }
}

/// The server did not do what it was asked for, and this is its answer.
pub(super) fn refused(server: &Address, mut response: Response<Body>) -> Trouble {
    let status = response.status();
    let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let body = response.body_mut().with_config().limit(PROBLEM_BYTES_MAX).read_to_vec();
    let body = body.unwrap_or_default();
    match serde_json::from_slice::<ProblemJson<'_>>(&body) {
        Ok(problem) => told(server, &ProblemJson { status: status.as_u16(), ..problem }, after),
        Err(_) => {
            let title = status.canonical_reason().unwrap_or("an unknown status").into();
            let problem = ProblemJson { status: status.as_u16(), title, detail: "".into() };
            let trouble = told(server, &problem, after);
            let Trouble::Final(Failure::Other(text)) = trouble else { return trouble };
            Trouble::Final(advised(text, NO_SERVER))
        }
    }
}

/// The server says that something is wrong.
pub(super) fn told(
    server: &Address,
    problem: &ProblemJson<'_>,
    after: Option<Duration>,
) -> Trouble {
    let ProblemJson { status, title, detail } = problem;
    let mut text = format!("{} answers {status} {}", server.name(), shown(title));
    if !detail.is_empty() {
        text.push_str(&format!(": {}", shown(detail)));
    }
    let help = match status {
        401 => "LTVLOG_TOKEN or `--token-file FILE` gives the token that this server asks for",
        403 => "LTVLOG_TOKEN or `--token-file FILE` gives a token that is allowed to do this",
        429 | 503 => "try again later: what was accepted is in the log, and a duplicate then",
        300..=399 => "name the address that it leads to with `--server URL`",
        _ => "",
    };
    let failure = match help {
        "" => Failure::Other(text),
        help => advised(text, help),
    };
    match status {
        429 | 503 => Trouble::Busy(after, failure),
        // A proxy has lost sight of its server.
        502 | 504 => Trouble::Broken(failure),
        _ => Trouble::Final(failure),
    }
}

/// No answer came, or not all of one.
pub(super) fn failed(server: &Address, error: Error) -> Trouble {
    let name = server.name();
    if let Error::Io(error) = error {
        return broken(server, &error);
    }
    if matches!(error, Error::Timeout(ureq::Timeout::PerRead)) {
        return silent(server);
    }
    if matches!(error, Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed) {
        return Trouble::Broken(advised(format!("cannot reach {name}: {error}"), NOT_REACHED));
    }
    let help = if server.is_tls() { NO_SERVER } else { NO_SERVER_OR_TLS };
    Trouble::Final(advised(format!("cannot talk to {name}: {error}"), help))
}

/// The connection failed.
pub(super) fn broken(server: &Address, error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if matches!(inner, Some(Error::Timeout(ureq::Timeout::PerRead))) {
        return silent(server);
    }
    let text = format!("cannot reach {}: {error}", server.name());
    // The first bytes of the other side are no record of TLS.
    if server.is_tls() && error.to_string().contains("InvalidContentType") {
        let text = format!("cannot reach {}: it does not speak TLS", server.name());
        return Trouble::Final(advised(text, NO_TLS));
    }
    // What TLS does not like comes as an error of a kind that sockets do not have.
    if error.kind() == io::ErrorKind::InvalidData {
        return Trouble::Final(advised(text, NOT_TRUSTED));
    }
    Trouble::Broken(advised(text, NOT_REACHED))
}

fn silent(server: &Address) -> Trouble {
    Trouble::Silent(advised(format!("{} says nothing", server.name()), NOT_REACHED))
}

/// The answer is not what it should be.
pub(super) fn garbled(server: &Address, what: &str) -> Trouble {
    let text = format!("{} answers what ltvlog cannot read: {what}", server.name());
    let help = "is this the address of an `ltvlog serve`, and of no newer version than this one?";
    Trouble::Final(advised(text, help))
}

fn advised(text: String, help: &str) -> Failure {
    Failure::Advised { text, help: help.to_owned() }
}
