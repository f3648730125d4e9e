//! What stands before every handler: who asks, from where, and that it was asked.

use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State as Of};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::{Scope, Verdict};
use super::problem::Problem;
use super::state::Shared;

/// Counts an answer, and says so in the server's log: the route, never what stood in the path.
pub(super) async fn count(Of(state): Of<Shared>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = route(&request).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took = began.elapsed();
    state.metrics.answered(known(&method), &path, status, took);
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status, us, "answered");
    response
}

/// The route of a request, which has nothing of what stands in its path.
fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str)
}

/// A method's name, of which there are few whatever is asked.
fn known(method: &Method) -> &str {
    let usual = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT];
    if usual.contains(method) { method.as_str() } else { "other" }
}

/// Where it is decided who is let through.
#[derive(Clone)]
pub(super) struct Door {
    state: Shared,
    turned_away: Arc<Mutex<TurnedAway>>,
}

/// Who is turned away is told in the server's log, but not so often that this would fill a disk.
#[derive(Default)]
struct TurnedAway {
    told: Option<Instant>,
    untold: u64,
}

/// Between two lines about it.
const TOLD_PACE: Duration = Duration::from_secs(1);

impl Door {
    pub(super) fn new(state: Shared) -> Door {
        Door { state, turned_away: Arc::default() }
    }

    /// Tells of one who is turned away, and of how many there were since the last one told of.
    fn turn_away(&self, request: &Request, problem: &Problem) {
        let mut turned_away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        if turned_away.told.is_some_and(|told| told.elapsed() < TOLD_PACE) {
            turned_away.untold += 1;
            return;
        }
        let TurnedAway { untold, .. } =
            mem::replace(&mut *turned_away, TurnedAway { told: Some(Instant::now()), untold: 0 });
        let (status, why) = (problem.status.as_u16(), &*problem.detail);
        let (method, path) = (known(request.method()), route(request));
        tracing::warn!(status, method, path, why, untold, "a request was turned away");
    }
}

/// Lets through who may read.
pub(super) async fn read(of: Of<Door>, request: Request, next: Next) -> Response {
    guarded(of, Scope::Read, request, next).await
}

/// Lets through who may append.
pub(super) async fn append(of: Of<Door>, request: Request, next: Next) -> Response {
    guarded(of, Scope::Append, request, next).await
}

async fn guarded(Of(door): Of<Door>, wanted: Scope, request: Request, next: Next) -> Response {
    let granted = match &door.state.tokens {
        Some(tokens) => authorized(request.headers(), |token| tokens.allows(token, wanted)),
        None => at_home(
            request.headers(),
            request.uri().authority().map(|authority| authority.as_str()),
        ),
    };
    match granted {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            door.turn_away(&request, &problem);
            problem.into_response()
        }
    }
}

/// Whether a request brings a token that is good for it.
fn authorized(headers: &HeaderMap, allows: impl FnOnce(&[u8]) -> Verdict) -> Result<(), Problem> {
    let token = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
    });
    let Some(token) = token else {
        let detail = "a token is needed: Authorization: Bearer TOKEN";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    };
    match allows(token) {
        Verdict::Granted => Ok(()),
        Verdict::WrongScope => {
            let detail = "this token is good for something else: look at its scope";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
        Verdict::Unknown => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "this token is not known here"))
        }
    }
}

/// Without tokens whoever is on this machine may do everything; but a page of somebody else's, in a
/// browser on this machine, may not. It tells of itself by its origin, or by the name under which it
/// found its way here.
fn at_home(headers: &HeaderMap, of_uri: Option<&str>) -> Result<(), Problem> {
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or("?")).or(of_uri);
    let is_home = |host: &str| {
        let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |it| it.0);
        let name = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    if host.is_some_and(|host| !is_home(host)) {
        let detail = "without tokens this server answers under the names of this machine alone, \
                      such as localhost or 127.0.0.1";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    // A browser says of its own accord who makes it ask; other programs say nothing.
    let site = headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or("?"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        let detail = "without tokens this server answers no page of another site";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    let own = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == host
    };
    if origin.is_some_and(|origin| !own(origin)) {
        let detail = "without tokens this server answers no page of another origin";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: axum::http::HeaderName = axum::http::HeaderName::from_static("sec-fetch-site");

    fn headers(list: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        let pairs = list.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn a_page_of_somebody_else_is_refused_where_there_are_no_tokens() {
        let here = ["127.0.0.1:7878", "localhost:7878", "LocalHost", "[::1]:7878", "127.0.0.1"];
        for host in here {
            assert!(at_home(&headers(&[(HOST, host)]), None).is_ok(), "{host}");
            let own = format!("http://{host}");
            assert!(at_home(&headers(&[(HOST, host), (ORIGIN, &own)]), None).is_ok(), "{host}");
            for other in ["http://evil.example", "null", "http://127.0.0.1:1", ""] {
                let headers = headers(&[(HOST, host), (ORIGIN, other)]);
                assert!(at_home(&headers, None).is_err(), "{host} {other}");
            }
        }
        let asks = |site| at_home(&headers(&[(HOST, "localhost"), (SITE, site)]), None);
        assert!(asks("same-origin").is_ok() && asks("none").is_ok());
        assert!(asks("cross-site").is_err() && asks("same-site").is_err());
        // A name that was made to lead here.
        for host in ["evil.example", "evil.example:7878", "127.0.0.1.evil.example", "10.0.0.1", ""]
        {
            assert!(at_home(&headers(&[(HOST, host)]), None).is_err(), "{host}");
        }
        assert!(at_home(&HeaderMap::new(), None).is_ok());
        assert!(at_home(&HeaderMap::new(), Some("evil.example")).is_err());
    }

    #[test]
    fn a_token_is_taken_from_its_header() {
        let allows = |token: &[u8]| match token {
            b"good" => Verdict::Granted,
            b"other" => Verdict::WrongScope,
            _ => Verdict::Unknown,
        };
        let status = |value: &str| {
            let found = authorized(&headers(&[(AUTHORIZATION, value)]), allows);
            found.err().map(|problem| problem.status.as_u16())
        };
        assert_eq!(status("Bearer good"), None);
        assert_eq!(status("bearer  good "), None);
        assert_eq!(status("Bearer other"), Some(403));
        for bad in ["", "Bearer", "Bearer ", "Basic good", "good", "Bearergood", "Bearer good bad"]
        {
            assert_eq!(status(bad), Some(401), "{bad:?}");
        }
        assert_eq!(authorized(&HeaderMap::new(), allows).unwrap_err().status.as_u16(), 401);
    }
}
