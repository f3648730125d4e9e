//! What goes together with a server, and what does not.

use super::*;

#[track_caller]
fn wrong(home: &Home, args: &[&str], words: &str) {
    let ran = home.run(args);
    assert_eq!((ran.exit, &*ran.out), (2, ""), "{args:?}: {ran:?}");
    assert!(ran.err.contains(words), "{args:?}: {ran:?}");
}

#[test]
fn what_needs_a_directory_is_wrong_usage() {
    let home = home();
    let server = ["--server", "http://127.0.0.1:1"];
    let with = |args: &[&'static str]| [args, &server].concat();
    for command in ["replay", "verify", "export", "dump", "man"] {
        wrong(&home, &with(&[command]), &format!("`{command}` asks no server"));
    }
    wrong(&home, &with(&["repair", "--plan"]), "`repair` asks no server");
    wrong(&home, &with(&["backup", "to"]), "`backup` asks no server");
    wrong(&home, &with(&["--log=x", "top", "1"]), "--log and --server");
    wrong(&home, &with(&["top", "1", "events.ndjson"]), "leave out --server");
    for option in [
        "--strict",
        "--sync=call",
        "--currency=USD",
        "--time-range=2017-01-01..2018-01-01",
        "--hold-max=1",
    ] {
        let name = option.split('=').next().unwrap();
        let words = format!("{name} needs the log's directory");
        wrong(&home, &with(&["append", option]), &words);
    }
    wrong(&home, &with(&["top", "1", "--currency=USD"]), "--currency needs");
    wrong(&home, &with(&["top", "1", "--threads=2"]), "--threads needs");
    wrong(&home, &with(&["--allow-remote", "info"]), "--allow-remote needs");
    wrong(&home, &with(&["append", "--ack", "--format=csv"]), "--ack prints lines");
    wrong(&home, &with(&["tail", "--format=table"]), "not as a table");
    wrong(&home, &["top", "1", "--server", "localhost:7878"], "\"localhost:7878\"");
    wrong(&home, &["top", "1", "--server", ""], "http://127.0.0.1:7878");
    wrong(&home, &["top", "1", "--server", "http://me:secret@host"], "LTVLOG_TOKEN");
}

#[test]
fn the_environment_is_for_those_who_ask_servers() {
    let home = home();
    let run = |args: &[&str]| {
        Ran::of(home.command(args).env("LTVLOG_SERVER", "http://127.0.0.1:1").output().unwrap())
    };
    assert_eq!(run(&["verify"]).exit, 0);
    assert_eq!(run(&["export"]).exit, 0);
    assert_eq!(run(&["top", "1", "events.ndjson"]).exit, 0);
    // What is written goes before it.
    assert_eq!(run(&["top", "1", "--log", "ltvlog-data"]).exit, 0);
    assert_eq!(run(&["--log", "ltvlog-data", "top", "1"]).exit, 0);
    let asked = run(&["top", "1"]);
    assert_eq!(asked.exit, 1);
    assert!(asked.err.contains("cannot reach http://127.0.0.1:1"), "{asked:?}");
    let strict = run(&["append", "--strict", "events.ndjson"]);
    assert_eq!(strict.exit, 2);
    assert!(strict.err.contains("LTVLOG_SERVER"), "{strict:?}");
    let mut command = home.command(&["top", "1"]);
    assert_eq!(Ran::of(command.env("LTVLOG_SERVER", "").output().unwrap()).exit, 0);
    let mut command = home.command(&["top", "1", "--server", "http://127.0.0.1:2"]);
    let ran = Ran::of(command.env("LTVLOG_DIR", "ltvlog-data").output().unwrap());
    assert!(ran.err.contains("cannot reach http://127.0.0.1:2"), "{ran:?}");
}

/// A token on its way where others can read it. 0.0.0.0 leads here, and nothing says that it does.
#[test]
fn a_token_in_the_clear_is_warned_of() {
    let home = home();
    let run = |url: &str, token: &str| {
        let mut command = home.command(&["info", "--server", url]);
        Ran::of(command.env("LTVLOG_TOKEN", token).output().unwrap()).err
    };
    let said = run("http://0.0.0.0:1", "sec-ret");
    assert!(
        said.starts_with("warning: the token crosses the network to http://0.0.0.0:1"),
        "{said}"
    );
    assert!(said.contains("https://") && !said.contains("sec-ret"), "{said}");
    for (url, token) in [
        ("http://0.0.0.0:1", ""),
        ("http://127.0.0.1:1", "sec-ret"),
        ("https://0.0.0.0:1", "sec-ret"),
    ] {
        let said = run(url, token);
        assert!(said.contains("cannot reach") && !said.contains("warning"), "{said}");
    }
}

#[test]
fn a_token_is_never_shown() {
    let home = home();
    home.write("token", "sec ret");
    home.write("empty", "\n");
    let server = ["--server", "http://127.0.0.1:1"];
    for file in ["token", "empty", "missing"] {
        let ran = home.run(&[&["top", "1", "--token-file", file][..], &server].concat());
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.err.contains(file) && !ran.err.contains("sec ret"), "{ran:?}");
    }
    let mut command = home.command(&[&["top", "1"][..], &server].concat());
    let ran = Ran::of(command.env("LTVLOG_TOKEN", "sec ret").output().unwrap());
    assert!(ran.err.contains("LTVLOG_TOKEN holds no token"), "{ran:?}");
    for args in [&["--help"][..], &["append", "--help"]] {
        let shown =
            Ran::of(home.command(args).env("LTVLOG_SERVER", "http://sec.ret").output().unwrap());
        assert!(!shown.out.contains("sec.ret"), "{shown:?}");
    }
}
