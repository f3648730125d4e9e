//! Why a request was not carried out, as `application/problem+json`: what, where, what to do.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::Error;
use crate::wire::{ProblemJson, line};

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: Cow<'static, str>,
    /// After how many seconds it is worth asking again.
    pub(super) retry_after: Option<u16>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem { status, detail: detail.into(), retry_after: None }
    }

    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Too much is waiting already.
    pub(super) fn busy(detail: impl Into<Cow<'static, str>>) -> Problem {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        Problem { retry_after: Some(1), ..problem }
    }

    /// Nothing is done any more, until somebody does something about it.
    pub(super) fn broken(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(super) fn stopping() -> Problem {
        Problem::busy("the server is stopping: ask again once it is back")
    }

    /// What it says, as a value of JSON.
    pub(super) fn json(&self) -> ProblemJson<'_> {
        ProblemJson {
            status: self.status.as_u16(),
            title: Cow::Borrowed(self.status.canonical_reason().unwrap_or("Problem")),
            detail: Cow::Borrowed(&self.detail),
        }
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Problem {
        match error {
            Error::Full => Problem::busy("too many events wait to be appended: send them again"),
            Error::Closed => Problem::stopping(),
            Error::Options { reason } => Problem::bad_request(reason.clone()),
            Error::Poisoned { .. } => Problem::broken(
                "a write to the log failed, and nothing is taken any more: whoever runs the server \
                 looks after the disk and restarts it; send the events again then, what was written \
                 already will be duplicates",
            ),
            // A path or a byte of damage is nobody's business who only asks.
            Error::Io { .. }
            | Error::Locked { .. }
            | Error::Format { .. }
            | Error::Corrupt { .. }
            | Error::Rejected { .. }
            | Error::Missing { .. } => {
                tracing::error!(error = %error.in_full(), "the log cannot be read");
                let detail = "the log cannot be read: the server's own log says why";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            }
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::from(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, line(&self.json()) + "\n").into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_is_advised_where_it_helps() {
        let poisoned = Error::Poisoned { reason: "full".to_owned() };
        for (error, after) in
            [(Error::Full, Some("1")), (Error::Closed, Some("1")), (poisoned, None)]
        {
            let response = Problem::from(&error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{error:?}");
            let told = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(told, after, "{error:?}");
        }
    }
}
