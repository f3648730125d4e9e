//! Whether a server syncs before it acknowledges.
//!
//! The API of JetStream does not tell. The monitoring port of each server does, at `/jsz`; a server
//! whose port is not named stays unknown.

use std::time::Duration;

use serde::Deserialize;

/// How long a server may take to answer, and how much it may say.
const ANSWER: Duration = Duration::from_secs(3);
const BYTES_MAX: u64 = 1 << 20;

/// When what a server has acknowledged is on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncing {
    /// Before it acknowledges.
    Always,
    /// So many seconds later, at most.
    Later(u64),
}

#[derive(Deserialize)]
struct Answer {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
    /// Nanoseconds.
    #[serde(default)]
    sync_interval: u64,
}

/// Refuses what can be no address of a monitoring port.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host.is_some_and(|host| !host.is_empty() && !host.starts_with([':', '/'])) {
        true => Ok(()),
        false => {
            Err(format!("{url:?} is no address of a monitoring port, which is http://HOST:PORT"))
        }
    }
}

/// Asks the server whose monitoring port is at this address.
pub(crate) fn ask(url: &str) -> Result<Syncing, String> {
    let wrong = |error: ureq::Error| format!("cannot ask {url} whether it syncs: {error}");
    let agent: ureq::Agent =
        ureq::config::Config::builder().timeout_global(Some(ANSWER)).build().into();
    let answer = agent.get(format!("{}/jsz", url.trim_end_matches('/'))).call().map_err(wrong)?;
    let text = answer.into_body().with_config().limit(BYTES_MAX).read_to_string().map_err(wrong)?;
    read(&text).ok_or_else(|| format!("{url} does not say whether it syncs"))
}

fn read(text: &str) -> Option<Syncing> {
    let config = serde_json::from_str::<Answer>(text).ok()?.config?;
    Some(match config.sync_always {
        true => Syncing::Always,
        false => Syncing::Later(config.sync_interval / 1_000_000_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitoring_port_has_an_address() {
        for url in ["http://127.0.0.1:8222", "https://h", "http://[::1]:8222/"] {
            check_url(url).expect(url);
        }
        for url in ["", "nonsense", "127.0.0.1:8222", "nats://h:4222", "http://", "http://:8222"] {
            check_url(url).expect_err(url);
        }
    }

    #[test]
    fn a_server_says_when_it_syncs() {
        let with = |more: &str| {
            let text = format!(r#"{{"memory":0,"config":{{"sync_interval":120000000000{more}}}}}"#);
            read(&text)
        };
        assert_eq!(with(r#","sync_always":true"#), Some(Syncing::Always));
        assert_eq!(with(r#","sync_always":false"#), Some(Syncing::Later(120)));
        assert_eq!(with(""), Some(Syncing::Later(120)));
        assert_eq!(read("{}"), None, "no JetStream");
        assert_eq!(read("404"), None);
    }
}
