//! From a configuration to a server that runs, until it is told to stop.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::accept::Door;
use super::api;
use super::auth::Tokens;
use super::commit::Committer;
use super::hub::Hub;
use super::limits::{Limits, Room, raise_open_files};
use super::live::Live;
use super::metrics::Metrics;
use super::state::{Shared, State, THREADS_MAX, Turns};
use crate::{Appender, AppenderOptions, Error, Options, Store};

/// The file in the log's directory that has the server's URL while it runs.
pub const SERVER_FILE: &str = "server";

/// Between two looks at the file of tokens.
const TOKENS_PACE: Duration = Duration::from_secs(1);

/// How the server is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log's directory; a log is made if there is none.
    pub log: PathBuf,
    /// How it is opened.
    pub options: Options,
    /// The address to answer at; port 0 is any that is free.
    pub listen: SocketAddr,
    /// The file of tokens. Without one only this machine can ask, and everything on it may.
    pub tokens: Option<PathBuf>,
    /// The files for TLS.
    pub tls: Option<TlsFiles>,
    /// Bounds.
    pub limits: Limits,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain of certificates, PEM.
    pub certificates: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// How the server's own log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A line of JSON for each thing that happens.
    Json,
}

impl LogFormat {
    /// Writes the server's own log to standard error from now on. It names no customer.
    pub fn begin(self, is_verbose: bool) {
        let level = if is_verbose { Level::DEBUG } else { Level::INFO };
        let log = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr);
        let log = log.with_target(false);
        // What libraries say of each frame of each connection is nobody's business.
        let ours = Targets::new().with_default(Level::INFO).with_target("ltvlog", level);
        let begun = match self {
            LogFormat::Text => log.with_ansi(false).finish().with(ours).try_init(),
            LogFormat::Json => log.json().finish().with(ours).try_init(),
        };
        // It has begun before, in a process that runs several.
        if begun.is_err() {}
    }
}

/// Why the server does not run.
#[derive(Debug)]
pub enum Failure {
    /// The log.
    Log(Error),
    /// Anything else: what, where and what to do.
    Start(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Log(error)
    }
}

/// Runs a server until a signal asks it to stop: SIGINT or SIGTERM. `ready` is told its URL once it
/// answers. SIGHUP has it read tokens and certificates again.
///
/// # Errors
///
/// [`Failure`]; everything acknowledged is safe all the same.
pub fn run(config: &Config, ready: impl FnOnce(&str)) -> Result<(), Failure> {
    let start = |what: &'static str| {
        move |error: io::Error| Failure::Start(format!("cannot {what}: {error}"))
    };
    let tokens = tokens(config)?;
    raise_open_files();
    let runtime =
        Builder::new_multi_thread().enable_all().max_blocking_threads(THREADS_MAX).build();
    let runtime = runtime.map_err(start("start the runtime"))?;
    // From here on a signal is an order, and not the end.
    let signals = runtime.block_on(async { Signals::watch() }).map_err(start("watch signals"))?;
    let tls = config.tls.as_ref().map(|files| load(&runtime, files)).transpose()?;
    let listener = TcpListener::bind(config.listen)
        .map_err(|error| Failure::Start(format!("cannot listen at {}: {error}", config.listen)))?;
    let address = listener.local_addr().map_err(start("tell the address"))?;
    let url = format!("http{}://{address}", if tls.is_some() { "s" } else { "" });

    let store = Store::open(&config.log, config.options.clone())?;
    let appending = AppenderOptions::default();
    let appender = Appender::new(store, appending)?;
    let metrics = Arc::new(Metrics::new());
    let (tell_stop, stop) = watch::channel(false);
    let (tell_renewed, renewed) = watch::channel(0);
    let (tell_synced, synced) = watch::channel(appender.synced_end());
    let at = runtime.handle();
    let (live, folding) =
        Live::start(appender.reader()?, at.clone(), synced.clone(), stop.clone())?;
    let (hub, telling) = Hub::start(appender.reader()?, at.clone(), synced.clone(), stop.clone())?;
    let (committer, committing) =
        Committer::start(appender.clone(), appending, Arc::clone(&metrics), tell_synced)
            .map_err(start("start a thread"))?;
    let state = Arc::new(State {
        log: config.log.clone(),
        partition: appender.reader()?.partition(),
        appender,
        committer: committer.clone(),
        live,
        hub,
        metrics,
        tokens,
        limits: config.limits,
        room: Room::new(config.limits.waiting_bytes_max),
        turns: Turns::new(&config.limits),
        synced,
        stop,
        renewed,
    });
    warn(config);
    let file = ServerFile::write(&config.log, &url).map_err(start("write the server's URL"))?;
    tracing::info!(url, version = env!("CARGO_PKG_VERSION"), "answering");
    ready(&url);
    let tell = (tell_stop.clone(), tell_renewed);
    let served = runtime.block_on(serve(config, listener, tls, &state, signals, tell));
    // However it came to its end.
    tell_stop.send_replace(true);
    drop(state);
    // Before the log is let go of: whoever takes it next writes its own.
    drop(file);
    committer.close();
    // They wait with the runtime's clock, which has to go on until they end.
    drop((folding.join(), telling.join()));
    runtime.shutdown_timeout(Duration::from_secs(1));
    let closed = committing.join();
    tracing::info!("stopped");
    served.map_err(start("answer"))?;
    match closed {
        Ok(Ok(()) | Err(Error::Closed)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_panicked) => Err(Failure::Start("the thread that commits panicked".to_owned())),
    }
}

/// The tokens, which must be there where other machines can ask.
fn tokens(config: &Config) -> Result<Option<Tokens>, Failure> {
    let tokens = config.tokens.as_deref().map(Tokens::open).transpose().map_err(Failure::Start)?;
    if tokens.is_none() && !config.listen.ip().is_loopback() {
        return Err(Failure::Start(format!(
            "{} can be reached from other machines, which needs tokens: --tokens FILE names them, \
             and without it the server listens at 127.0.0.1",
            config.listen
        )));
    }
    Ok(tokens)
}

/// Says what may be meant so, and is worth a second look.
fn warn(config: &Config) {
    use std::os::unix::fs::PermissionsExt;
    if config.tls.is_none() && !config.listen.ip().is_loopback() {
        tracing::warn!("tokens and events cross the network without TLS: see --tls-cert");
    }
    let mode = config.tokens.as_ref().and_then(|path| fs::metadata(path).ok());
    if mode.is_some_and(|file| file.permissions().mode() & 0o077 != 0) {
        tracing::warn!("others on this machine may read the file of tokens: chmod 600");
    }
}

fn load(runtime: &Runtime, files: &TlsFiles) -> Result<RustlsConfig, Failure> {
    // Somebody may have chosen one before, in a process that does more than this: it stays.
    drop(rustls::crypto::ring::default_provider().install_default());
    let loaded = runtime.block_on(RustlsConfig::from_pem_file(&files.certificates, &files.key));
    loaded.map_err(|error| {
        let (certificates, key) = (files.certificates.display(), files.key.display());
        Failure::Start(format!("cannot use the certificate {certificates} with {key}: {error}"))
    })
}

async fn serve(
    config: &Config,
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    state: &Shared,
    Signals { hangup, ends }: Signals,
    (tell_stop, tell_renewed): (watch::Sender<bool>, watch::Sender<u64>),
) -> io::Result<()> {
    let handle = Handle::new();
    let stop_time = config.limits.stop_time;
    let renewed = (Arc::clone(state), tls.clone(), config.tls.clone());
    let watching = tokio::spawn(watch_signals(ends, handle.clone(), tell_stop, stop_time));
    let renewing = tokio::spawn(renew(hangup, renewed.0, tell_renewed, (renewed.1, renewed.2)));
    let router = api::router(state);
    let limits = config.limits;
    let (most, answer_time) = (limits.connections_max, limits.answer_time);
    let door = Door { handle: handle.clone(), most, answer_time };
    let done = match tls {
        None => {
            // HTTP/2 has no limit for a connection that asks nothing more.
            let server = axum_server::from_tcp(listener)?.http1_only();
            answer(server.acceptor(door), &handle, config, router).await
        }
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).handshake_timeout(limits.header_time);
            let acceptor = acceptor.acceptor(door);
            let server = axum_server::from_tcp(listener)?;
            answer(server.acceptor(acceptor), &handle, config, router).await
        }
    };
    watching.abort();
    renewing.abort();
    done
}

async fn answer<A>(
    server: axum_server::Server<SocketAddr, A>,
    handle: &Handle<SocketAddr>,
    config: &Config,
    router: Router,
) -> io::Result<()>
where
    A: Accept<tokio::net::TcpStream, Router> + Clone + Send + Sync + 'static,
    A::Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    A::Service:
        axum_server::service::SendService<axum::http::Request<hyper::body::Incoming>> + Send,
    A::Future: Send,
{
    let mut server = server.handle(handle.clone());
    let limits = &config.limits;
    let builder = server.http_builder();
    builder
        .http1()
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes_max)
        .max_headers(100);
    let bytes = u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX);
    let mut http2 = builder.http2();
    http2.max_header_list_size(bytes).max_concurrent_streams(32);
    http2.keep_alive_interval(Some(limits.body_time)).keep_alive_timeout(limits.header_time);
    server.first_request_timeout(limits.header_time).serve(router.into_make_service()).await
}

/// The signals that mean something.
struct Signals {
    hangup: Signal,
    ends: [Signal; 2],
}

impl Signals {
    fn watch() -> io::Result<Signals> {
        let ends = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        Ok(Signals { hangup: signal(SignalKind::hangup())?, ends })
    }
}

/// Stops the server when a signal says so: no connection is taken any more, what was asked is
/// answered, streams end.
async fn watch_signals(
    [mut interrupt, mut terminate]: [Signal; 2],
    handle: Handle<SocketAddr>,
    tell_stop: watch::Sender<bool>,
    stop_time: Duration,
) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    tell_stop.send_replace(true);
    handle.graceful_shutdown(Some(stop_time));
}

/// Takes up changed tokens soon, and changed certificates when SIGHUP says so.
async fn renew(
    mut hangup: Signal,
    state: Shared,
    tell: watch::Sender<u64>,
    (tls, files): (Option<RustlsConfig>, Option<TlsFiles>),
) {
    let mut pace = tokio::time::interval(TOKENS_PACE);
    let mut told = String::new();
    loop {
        let is_told = tokio::select! {
            _ = hangup.recv() => true,
            _ = pace.tick() => false,
        };
        if let Some(tokens) = &state.tokens {
            match tokens.refresh() {
                Ok(true) => {
                    tracing::info!("the tokens are renewed, and streams end");
                    tell.send_modify(|count| *count += 1);
                    told.clear();
                }
                Ok(false) => told.clear(),
                // The same fault is told of once.
                Err(error) if is_told || error != told => {
                    tracing::error!(error, "the tokens stay as they were");
                    told = error;
                }
                Err(_) => {}
            }
        }
        if let (true, Some(tls), Some(files)) = (is_told, &tls, &files) {
            match tls.reload_from_pem_file(&files.certificates, &files.key).await {
                Ok(()) => tracing::info!("the certificate is renewed"),
                Err(error) => tracing::error!(%error, "the certificate stays as it was"),
            }
        }
    }
}

/// The file with the URL, for whoever finds the log locked; gone when dropped.
struct ServerFile {
    path: PathBuf,
}

impl ServerFile {
    fn write(log: &Path, url: &str) -> io::Result<ServerFile> {
        let path = log.join(SERVER_FILE);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        writeln!(file, "{url}")?;
        Ok(ServerFile { path })
    }
}

impl Drop for ServerFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the file with the server's URL stays");
        }
    }
}
