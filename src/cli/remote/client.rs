//! Requests and their answers. A server that has no time, or a connection that breaks, is tried
//! again, so often and so long as `patience` has it: nothing that is asked here does harm when it
//! is asked twice, since an event that is there already is a duplicate.

use std::cell::Cell;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::config::Config;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::address::Address;
use super::choice::Server;
use super::patience::Patience;
use super::refusal::{Trouble, failed, garbled, refused};
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::wire::ReceiptJson;

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A first answer may have to fold the whole log.
const SILENCE_MAX: Duration = Duration::from_secs(300);
const WRITE_MAX: Duration = Duration::from_secs(60);
/// How much an answer may be that is read at once: a top X of millions.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// From here on a server is asked whether it wants a body before it is sent.
const EXPECT_BYTES_MIN: usize = 256 << 10;

/// A server, asked by one thread.
pub(super) struct Client {
    agent: Agent,
    address: Address,
    authorization: Option<String>,
    interrupt: Option<Interrupt>,
    /// Whether it ever answered. One that never did is not waited for.
    is_reached: Cell<bool>,
}

impl Client {
    /// One whose waits are ended by a signal, if that is watched for.
    pub(super) fn new(server: &Server, interrupt: Option<Interrupt>) -> Result<Client, Failure> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("ltvlog/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_per_read(Some(SILENCE_MAX))
            .timeout_per_write(Some(WRITE_MAX));
        if server.address.is_here() {
            config = config.proxy(None);
        }
        if let Some(pem) = &server.authorities {
            let tls = TlsConfig::builder().root_certs(authorities(pem)?).build();
            config = config.tls_config(tls);
        }
        let config: Config = config.build();
        Ok(Client {
            agent: config.into(),
            address: server.address.clone(),
            authorization: server.token.as_ref().map(|token| format!("Bearer {token}")),
            interrupt,
            is_reached: Cell::new(false),
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the server ever answered.
    pub(super) fn is_reached(&self) -> bool {
        self.is_reached.get()
    }

    /// A result of which the path is known.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.tried(&mut || self.read(self.open(path, SILENCE_MAX)?))
    }

    /// The same of something that the server may know nothing of.
    pub(super) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        self.tried(&mut || {
            let response = self.request(path, SILENCE_MAX)?;
            let kind = response.headers().get("content-type");
            let is_problem = kind.is_some_and(|kind| kind == "application/problem+json");
            if response.status().as_u16() == 404 && is_problem {
                return Ok(None);
            }
            self.read(self.answered(response)?).map(Some)
        })
    }

    /// Appends events, a line each.
    pub(super) fn append(&self, lines: &[u8]) -> Result<ReceiptJson<'static>, Failure> {
        self.tried(&mut || {
            let mut request = self
                .agent
                .post(self.address.of("/v1/events"))
                .content_type("application/x-ndjson")
                .header("accept", "application/json");
            if lines.len() >= EXPECT_BYTES_MIN {
                request = request.header("expect", "100-continue");
            }
            if let Some(authorization) = &self.authorization {
                request = request.header("authorization", authorization);
            }
            let response = request.send(lines).map_err(|error| failed(&self.address, error))?;
            self.read(self.answered(response)?)
        })
    }

    /// An answer that goes on, of which nothing is read yet. It is not asked for again.
    pub(super) fn open(&self, path: &str, silence: Duration) -> Result<Response<Body>, Trouble> {
        self.answered(self.request(path, silence)?)
    }

    fn request(&self, path: &str, silence: Duration) -> Result<Response<Body>, Trouble> {
        let mut request = self.agent.get(self.address.of(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.config().timeout_per_read(Some(silence)).build();
        request.call().map_err(|error| failed(&self.address, error))
    }

    fn answered(&self, response: Response<Body>) -> Result<Response<Body>, Trouble> {
        self.is_reached.set(true);
        match response.status().as_u16() {
            200 => Ok(response),
            _ => Err(refused(&self.address, response)),
        }
    }

    fn read<T: DeserializeOwned>(&self, mut response: Response<Body>) -> Result<T, Trouble> {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| failed(&self.address, error))?;
        serde_json::from_slice(&body).map_err(|error| garbled(&self.address, &error.to_string()))
    }

    fn tried<T>(&self, once: &mut dyn FnMut() -> Result<T, Trouble>) -> Result<T, Failure> {
        let mut patience = Patience::new(self.interrupt.as_ref());
        loop {
            let trouble = match once() {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let goes_on = match &trouble {
                Trouble::Busy(after, _) => patience.wait(*after),
                Trouble::Broken(_) => self.is_reached() && patience.wait(None),
                Trouble::Silent(_) | Trouble::Final(_) => false,
            };
            if !goes_on {
                return Err(trouble.failure());
            }
        }
    }
}

/// The authorities in a text of PEM.
fn authorities(pem: &[u8]) -> Result<RootCerts, Failure> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        let item = item.map_err(|error| {
            Failure::Other(format!("the file of `--ca-file` is no PEM: {error}"))
        })?;
        if let PemItem::Certificate(certificate) = item {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        let reason = "the file of `--ca-file` holds no certificate (PEM)";
        return Err(Failure::Other(reason.to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
