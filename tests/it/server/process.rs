//! The real program as a server, and how it is asked, killed and started again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Answer, Connection, PATIENCE, Stream};

/// A server that runs. It is killed when dropped, and must not have panicked.
pub struct Server {
    child: Child,
    pub url: String,
    pub address: String,
    pub log: PathBuf,
    log_of_its_own: PathBuf,
}

/// The program, about to do something.
pub fn ltvlog() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ltvlog"));
    for name in ["LTVLOG_DIR", "LTVLOG_SERVER", "LTVLOG_TOKEN", "NO_COLOR", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// What the program prints about a log.
pub fn run(args: &[&str], log: &Path) -> Output {
    ltvlog().args(args).arg("--log").arg(log).output().expect("the binary")
}

/// The same, which is JSON and a success.
#[track_caller]
pub fn run_json(args: &[&str], log: &Path) -> Value {
    let output = run(args, log);
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

impl Server {
    #[track_caller]
    pub fn start(log: &Path, args: &[&str]) -> Server {
        Server::command(log, args, ltvlog())
    }

    /// `program` is the program, or what runs it.
    #[track_caller]
    pub fn command(log: &Path, args: &[&str], mut program: Command) -> Server {
        let log_of_its_own = log.with_extension("stderr");
        let stderr = File::options().append(true).create(true).open(&log_of_its_own);
        program.args(["serve", "--listen", "127.0.0.1:0", "--format", "json", "--log"]);
        program.arg(log).args(args).stdout(Stdio::piped()).stderr(stderr.expect("a file"));
        let mut child = program.spawn().expect("the binary");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("{line:?}: {}", fs::read_to_string(&log_of_its_own).unwrap_or_default())
        });
        let url = told["url"].as_str().expect("a URL").to_owned();
        let address = url.split("://").nth(1).expect("an address").to_owned();
        let server = Server { child, url, address, log: log.to_owned(), log_of_its_own };
        if server.url.starts_with("http:") {
            server.wait_until_ready();
        }
        server
    }

    /// It listens before it has read its log.
    #[track_caller]
    fn wait_until_ready(&self) {
        let began = Instant::now();
        while self.get("/readyz").status() != 200 {
            assert!(began.elapsed() < PATIENCE, "it never is ready");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn open(&self) -> Connection {
        Connection::open(&self.address).expect("a connection")
    }

    #[track_caller]
    pub fn ask(&self, request: &str, headers: &[&str], body: &[u8]) -> Answer {
        self.open().ask(request, headers, body).expect("an answer")
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], b"")
    }

    #[track_caller]
    pub fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST /v1/events", &[], body.as_ref())
    }

    /// An answer that goes on.
    #[track_caller]
    pub fn stream(&self, path: &str, headers: &[&str]) -> Stream {
        let mut connection = self.open();
        connection.begin(&format!("GET {path}"), headers).expect("a request");
        let head = connection.head().expect("a head");
        assert_eq!(head.status, 200, "{head:?}");
        connection.stream(&head)
    }

    #[track_caller]
    pub fn sent(&self, path: &str, headers: &[&str]) -> Stream {
        self.stream(path, &[&["Accept: text/event-stream"], headers].concat())
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it can be killed");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, most: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(began.elapsed() < most, "it still runs after {most:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote to its own log.
    pub fn told(&self) -> String {
        fs::read_to_string(&self.log_of_its_own).unwrap_or_default()
    }

    /// A number of /proc/PID/status, such as `VmRSS` in KiB.
    pub fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("proc");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a number")
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("proc").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        let told = self.told();
        if std::thread::panicking() {
            eprintln!("the server's own log:\n{told}");
        } else {
            for word in ["panicked", "mistake"] {
                assert!(!told.contains(word), "{told}");
            }
        }
    }
}
