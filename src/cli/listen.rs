//! The address that a server answers at, as people write it.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};

/// `HOST:PORT`; without a host, or as `localhost`, it is this machine alone.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = |what: &str| {
        format!("an address is HOST:PORT, such as 127.0.0.1:7878, :7878 or [::1]:7878, and {what}")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("this has no port"))?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(wrong("one of IPv6 stands in brackets"));
    }
    let port: u16 = port.parse().map_err(|_not_one| wrong("a port is a number up to 65535"))?;
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let found =
        (host, port).to_socket_addrs().map_err(|error| wrong(&format!("{host}: {error}")))?;
    let found: Vec<SocketAddr> = found.collect();
    let found = found.iter().find(|one| one.is_ipv4()).or_else(|| found.first());
    found.copied().ok_or_else(|| wrong(&format!("{host} has none")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, address) in [
            ("127.0.0.1:7878", "127.0.0.1:7878"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::1]:80", "[::1]:80"),
            (":8102", "127.0.0.1:8102"),
            ("localhost:8102", "127.0.0.1:8102"),
            ("LocalHost:8102", "127.0.0.1:8102"),
        ] {
            assert_eq!(parse(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in
            ["", "8102", "127.0.0.1", "localhost", ":", ":x", ":65536", "localhost:-1", "::1"]
        {
            assert!(parse(text).unwrap_err().contains("127.0.0.1:7878"), "{text}");
        }
    }
}
