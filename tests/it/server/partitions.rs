//! Servers that have a partition each are asked as one log.

use std::process::Output;

use super::Home;
use super::process::{Server, ltvlog};

/// Standard output of what must be a success.
#[track_caller]
fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn several_servers_answer_as_one_log() {
    let home = Home::new();
    let path = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    let generate = ["generate", "--events", "3000", "--customers", "200", "--seed", "11"];
    let made = ltvlog().args(generate).output().unwrap();
    std::fs::write(path("made"), &made.stdout).unwrap();
    out(&ltvlog().args(["append", "--log", &path("one"), &path("made")]).output().unwrap());
    let to = ["append", "--partitions", "3", "--log", &path("parts"), &path("made")];
    out(&ltvlog().args(to).output().unwrap());

    // Each somewhere else.
    let dirs = [2, 0, 1].map(|number: u16| {
        let dir = home.path().join(format!("part-{number}"));
        let made = home.path().join(format!("parts/partitions/{number:05}"));
        std::fs::rename(made, &dir).unwrap();
        dir
    });
    let servers = dirs.each_ref().map(|dir| Server::start(dir, &[]));
    let urls = servers.each_ref().map(|server| ["--server", &*server.url]);
    let ask =
        |args: &[&str], of: &[[&str; 2]]| ltvlog().args(args).args(of.concat()).output().unwrap();
    let one = [["--log", &*path("one")]];
    let parts = dirs.each_ref().map(|dir| ["--log", dir.to_str().unwrap()]);
    let top = out(&ask(&["top", "1", "--format", "json"], &one));
    let id = top.split("customer_id\": \"").nth(1).unwrap().split('"').next().unwrap();
    for format in ["table", "json", "csv"].map(|format| format!("--format={format}")) {
        for frame in ["dataset", "customer", "2017-02-01..2018-03-31"] {
            let frame = format!("--frame={frame}");
            for x in ["1", "7", "1000"] {
                let args = ["top", x, &format, &frame];
                assert_eq!(out(&ask(&args, &urls)), out(&ask(&args, &one)), "{args:?}");
            }
            let args = ["stats", id, &format, &frame];
            assert_eq!(out(&ask(&args, &urls)), out(&ask(&args, &one)), "{args:?}");
        }
    }
    // A server is told apart from a directory by the lock that it holds, and no more.
    let told = out(&ask(&["info", "--format=csv"], &urls));
    assert_eq!(told, out(&ask(&["info", "--format=csv"], &parts)));
    assert_eq!(told.lines().count(), 4);

    // One alone says so, as its directory does.
    for args in [&["top", "3"][..], &["stats", "no such customer"], &["info"]] {
        let [here, there] = [parts[1], urls[1]].map(|place| ask(args, &[place]).stderr);
        assert_eq!(String::from_utf8_lossy(&there), String::from_utf8_lossy(&here), "{args:?}");
        let is_told = String::from_utf8_lossy(&there).contains("this is partition 0/3 alone");
        assert_eq!(is_told, args != ["info"], "{args:?}");
    }
    let info = out(&ask(&["info"], &[urls[1]]));
    assert!(info.contains("partition       0/3\n"), "{info}");

    let refused = |args: &[&str], of: &[[&str; 2]], code: i32, why: &str| {
        let output = ask(args, of);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(why), "{args:?}: {output:?}");
    };
    refused(&["top", "1"], &urls[..2], 1, "partition 1/3 was not named");
    refused(
        &["top", "1"],
        &[urls[0], urls[0], urls[1], urls[2]],
        1,
        &format!("{} was named twice", servers[0].url),
    );
    refused(&["stats", "no such customer"], &urls, 1, "knows no customer");
    let other = Server::start(std::path::Path::new(&path("one")), &[]);
    let unlike =
        format!("{} is partition 2/3, and {} is a log of its own", servers[0].url, other.url);
    refused(&["top", "1"], &[urls[0], ["--server", &other.url]], 1, &unlike);
    refused(&["tail"], &urls, 2, "asks one server");
    refused(&["append", &path("made")], &urls, 2, "asks one server");
}
