//! A server that speaks TLS, with a certificate that an authority of its own vouches for.
//!
//! `tests/data/tls/` was made with openssl for a hundred years; the authority's key is gone.

use std::io::BufReader;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::server::one;
use super::*;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

/// Answers every request with this; gives its port.
fn start(answer: Answer) -> u16 {
    let certificate = CertificateDer::from_pem_file(data("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(data("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
            let mut no_body = std::io::sink();
            if let Some(answer) = one(&mut stream, &mut no_body, &|_| answer.clone(), false) {
                drop(std::io::Write::write_all(stream.get_mut(), &answer.bytes));
                stream.get_mut().conn.send_close_notify();
                drop(std::io::Write::flush(stream.get_mut()));
            }
        }
    });
    port
}

#[test]
fn a_private_authority_is_named_by_a_file() {
    let home = home();
    let top = home.done(&["top", "1", "--format=json"]).out;
    let port = start(Answer::json(&top));
    let ask = |host: &str, ca: &[&str]| {
        let url = format!("https://{host}:{port}");
        home.run(&[&["top", "1", "--format=json", "--server", &url][..], ca].concat())
    };
    let (ca, other) = (data("ca.pem"), data("other-ca.pem"));
    let ca = ["--ca-file", ca.to_str().unwrap()];
    let other = ["--ca-file", other.to_str().unwrap()];
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(ask(host, &ca), Ran { exit: 0, out: top.clone(), err: String::new() });
    }
    for ca in [&[][..], &other] {
        let ran = ask("localhost", ca);
        assert_eq!((ran.exit, &*ran.out), (1, ""), "{ran:?}");
        assert!(ran.err.contains("--ca-file FILE"), "{ran:?}");
    }
    // Vouched for, but for another name.
    let ran = ask("127.0.0.2", &ca);
    assert_eq!((ran.exit, &*ran.out), (1, ""), "{ran:?}");
    home.write("none.pem", "nothing");
    let ran = ask("localhost", &["--ca-file", "none.pem"]);
    assert!(ran.err.contains("holds no certificate"), "{ran:?}");
    let ran = ask("localhost", &["--ca-file", "gone.pem"]);
    assert!(ran.err.contains("gone.pem"), "{ran:?}");
}

/// A server of plain HTTP that is asked in TLS, and the other way round.
#[test]
fn the_wrong_scheme_is_a_failure() {
    let home = home();
    let port = start(Answer::json(""));
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in plain.incoming() {
            let mut stream = stream.unwrap();
            // What a server of HTTP says to a hello of TLS.
            drop(std::io::Read::read(&mut stream, &mut [0; 4096]));
            drop(std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let urls = [
        (format!("http://127.0.0.1:{port}"), "TLS begins with https://"),
        (format!("https://127.0.0.1:{plain_port}"), "does not speak TLS"),
    ];
    for (url, word) in urls {
        let ran = home.run(&["info", "--server", &url]);
        assert_eq!((ran.exit, &*ran.out), (1, ""), "{ran:?}");
        assert!(ran.err.contains(&url) && ran.err.contains(word), "{ran:?}");
    }
}
