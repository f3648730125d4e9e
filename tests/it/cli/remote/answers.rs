//! `top`, `stats` and `info` print of a server what they print of a directory.

use super::*;

/// The same arguments on the directory and on a server that has it.
#[track_caller]
fn same(home: &Home, server: &Server, args: &[&str]) -> Ran {
    let here = home.run(args);
    let mut args = args.to_vec();
    // Before what may be behind `--`.
    args.splice(1..1, ["--server", &server.url]);
    let there = home.run(&args);
    assert_eq!(there, here, "{args:?}");
    here
}

#[test]
fn the_same_in_every_format() {
    let home = home();
    home.command(&["--log", "ltvlog-data", "info"]).output().unwrap();
    let server = Server::new(of_directory(&home));
    for format in ["table", "json", "csv"] {
        let format = format!("--format={format}");
        for x in ["1", "2", "99999999999999999999999"] {
            same(&home, &server, &["top", x, &format]);
        }
        let question = ["--frame=customer", "--week-start=monday", "--lifespan-years=2.125"];
        same(&home, &server, &[&["top", "2", &format][..], &question].concat());
        same(&home, &server, &["top", "9", &format, "--frame=2017-01-01..2017-01-31"]);
        same(&home, &server, &["info", &format]);
        let ids = ["96f55c7d8f42", "a/b é"];
        assert_eq!(same(&home, &server, &[&["stats", &format][..], &ids].concat()).exit, 0);
        same(&home, &server, &["stats", &format, "--frame=customer", "--", "a/b é"]);
        let unknown = same(&home, &server, &["stats", &format, "no\none", "a/b é", "..", ""]);
        assert_eq!(unknown.exit, 1);
        assert!(unknown.err.contains("the log knows no customer \"no"), "{unknown:?}");
    }
}

#[test]
fn what_is_asked_for() {
    let home = home();
    let server = Server::new(of_directory(&home));
    home.write("token", "from-a-file\n");
    let run = |args: &[&str], token: &str| {
        let mut command = home.command(args);
        let output = command.env("LTVLOG_SERVER", &server.url).env("LTVLOG_TOKEN", token).output();
        let ran = Ran::of(output.unwrap());
        assert_eq!((ran.exit, &*ran.err), (0, ""), "{ran:?}");
    };
    run(&["top", "3", "--frame", "2017-01-01..2017-03-31"], "a.b-c");
    run(&["stats", "a/b é", "--format=json", "--token-file", "token"], "not-this");
    run(&["info"], "");
    let of = |request: &Request| {
        let authorization = request.header("authorization").map(str::to_owned);
        (request.method.clone(), request.target.clone(), authorization)
    };
    let get = |target: &str, token: Option<&str>| {
        ("GET".to_owned(), target.to_owned(), token.map(|token| format!("Bearer {token}")))
    };
    let question = "week_start=sunday&lifespan_years=10";
    let window = "2017-01-01..2017-03-31";
    let expected = [
        // Whether it has all customers.
        get("/v1/status", Some("a.b-c")),
        get(&format!("/v1/top?x=3&frame={window}&{question}"), Some("a.b-c")),
        get("/v1/status", Some("from-a-file")),
        get(&format!("/v1/customers/a%2Fb%20%C3%A9?frame=dataset&{question}"), Some("from-a-file")),
        get("/v1/info", None),
    ];
    assert_eq!(server.requests().iter().map(of).collect::<Vec<_>>(), expected);
    let agent = server.requests()[0].header("user-agent").unwrap().to_owned();
    assert!(agent.starts_with("ltvlog/"), "{agent}");
}

#[test]
fn a_server_may_have_other_paths_beside_it() {
    let home = home();
    let top = home.done(&["top", "1", "--format=json"]).out;
    let server = Server::script([Answer::json(&top)]);
    let url = format!("{}/logs/shop/", server.url);
    assert_eq!(home.done(&["top", "1", "--format=json", "--server", &url]).out, top);
    assert_eq!(server.targets()[0], "/logs/shop/v1/status");
    assert!(server.targets()[1].starts_with("/logs/shop/v1/top?x=1&"));
}
