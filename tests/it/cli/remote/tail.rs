//! `tail` of a server: streams that end, break and go on.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::*;

/// The log as a server tells it, from a sequence on, and what the directory prints of it.
fn lines(home: &Home, from: u64) -> String {
    home.done(&["tail", "--sequence", "--from", &from.to_string()]).out
}

/// The sequence that is asked for.
fn from(target: &str) -> u64 {
    let (_, rest) = target.split_once("from=").unwrap();
    rest.split('&').next().unwrap().parse().unwrap()
}

#[test]
fn the_same_in_every_format() {
    let home = home();
    let all = lines(&home, 0);
    let server = Server::new(move |request| {
        assert!(request.target.ends_with("&follow=false"), "{}", request.target);
        let from = usize::try_from(from(&request.target)).unwrap();
        let rest: String = all.split_inclusive('\n').skip(from).collect();
        Answer::lines(&format!("{rest}{{\"caught_up\": 6}}\n{{\"sequence\": 6"), true)
    });
    let info = home.done(&["info", "--format=json"]).out;
    for args in [
        &["tail"][..],
        &["tail", "--sequence"],
        &["tail", "--from=4", "--sequence", "--format=json"],
        &["tail", "--from=6"],
        &["tail", "--from=99"],
    ] {
        let there = home.done(&[args, &["--server", &server.url]].concat());
        assert_eq!(there, home.done(args));
    }
    let csv = ["tail", "--from=3", "--format=csv", "--sequence"];
    let rest = format!("{}{{\"caught_up\": 6}}\n", lines(&home, 3));
    let server = Server::script([Answer::json(&info), Answer::lines(&rest, true)]);
    assert_eq!(home.done(&[&csv[..], &["--server", &server.url]].concat()), home.done(&csv));
    assert_eq!(server.targets()[0], "/v1/info");
}

#[test]
fn a_stream_that_breaks_is_taken_up_where_it_broke() {
    let home = home();
    let all: Vec<String> = lines(&home, 0).split_inclusive('\n').map(str::to_owned).collect();
    // Cut between two lines, in one, told again from the beginning, and ended without an end.
    let half = all[3].len() / 2;
    let answers = [
        Answer::lines(&all[..2].concat(), false),
        Answer::lines(&format!("{}{}", all[2], &all[3][..half]), true),
        Answer::lines(&all[..4].concat(), true),
        Answer::busy(503, "0"),
        Answer::lines("{\"error\": {\"status\": 503, \"title\": \"Unavailable\"}}\n", true),
        Answer::lines(
            &format!("{}{{\"news\": 1}}\n{{\"caught_up\": 6}}\n", all[4..].concat()),
            true,
        ),
    ];
    let server = Server::script(answers);
    let ran = home.done(&["tail", "--sequence", "--server", &server.url]);
    assert_eq!(ran.out, all.concat());
    let asked: Vec<u64> = server.targets().iter().map(|target| from(target)).collect();
    assert_eq!(asked, [0, 2, 3, 4, 4, 4]);
}

#[test]
fn a_stream_that_does_not_go_on_is_given_up() {
    let home = home();
    let first = lines(&home, 0).split_inclusive('\n').next().unwrap().to_owned();
    let server = Server::script([Answer::lines(&first, true), Answer::busy(503, "0")]);
    let ran = home.run(&["tail", "--sequence", "--server", &server.url]);
    assert_eq!((ran.exit, &ran.out), (1, &first), "{ran:?}");
    assert!(ran.err.contains(&format!("error: {} answers 503", server.url)), "{ran:?}");
    assert_eq!(server.requests().len(), 8);
    for (garbage, words) in [
        ("nonsense\n", "expected"),
        ("{\"sequence\": 1.5}\n", "invalid type"),
        (
            "{\"error\": {\"status\": 500, \"title\": \"Broken\", \"detail\": \"a disk\"}}\n",
            "500 Broken: a disk",
        ),
    ] {
        let server = Server::script([Answer::lines(&format!("{first}{garbage}"), true)]);
        let ran = home.run(&["tail", "--sequence", "--server", &server.url]);
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.err.contains(words), "{words} in {ran:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_followed_log_is_found_again() {
    let home = home();
    let all: Vec<String> = lines(&home, 0).split_inclusive('\n').map(str::to_owned).collect();
    let mut last = Answer::lines(&all[4..].concat(), false);
    last.stays = true;
    let answers = [
        Answer::lines(&format!("{}{{\"caught_up\": 2}}\n{}", all[..2].concat(), all[2]), false),
        // More often than a server is asked where nothing is followed.
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::busy(503, "0"),
        Answer::lines(&all[2..4].concat(), false),
        last,
    ];
    let server = Server::script(answers);
    let args = ["tail", "--follow", "--sequence", "--server", &server.url];
    let mut child =
        home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in &all {
        assert_eq!(printed.next().unwrap().unwrap(), line.trim_end());
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, 130);
    assert!(printed.next().is_none());
    let notes: Vec<&str> = ran.err.lines().collect();
    assert_eq!(notes.len(), 2, "one for each time that it broke: {notes:?}");
    assert!(notes[0].contains("going on from event 3 once it is back"), "{notes:?}");
    let asked: Vec<u64> = server.targets().iter().map(|target| from(target)).collect();
    assert_eq!(asked, [0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
    assert!(server.targets()[0].ends_with("&follow=true"));
}

#[test]
fn a_follower_who_is_sent_away_goes() {
    let home = home();
    let first = lines(&home, 0).split_inclusive('\n').next().unwrap().to_owned();
    let denied = Answer::problem(401, "Unauthorized", "the token has expired");
    let server = Server::script([Answer::lines(&first, false), denied]);
    let ran = home.run(&["tail", "--follow", "--sequence", "--server", &server.url]);
    assert_eq!((ran.exit, &ran.out), (1, &first), "{ran:?}");
    assert!(ran.err.contains("401 Unauthorized: the token has expired"), "{ran:?}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = home();
    let all = lines(&home, 0).repeat(5_000);
    // Sequences that go on, so that none is one that was told before.
    let all: String = all
        .lines()
        .zip(0..)
        .map(|(line, n)| format!("{{\"sequence\": {n}, {}\n", line.split_once(", ").unwrap().1))
        .collect();
    let server = Server::script([Answer::lines(&format!("{all}{{\"caught_up\": 30000}}\n"), true)]);
    for args in [&["tail"][..], &["tail", "--follow"]] {
        let args = [args, &["--server", &server.url]].concat();
        let mut child =
            home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, 0, "{ran:?}");
    }
}

/// Nobody reads on, and nothing comes that a write could find that out with.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "what another process does cannot always be waited for, only looked for again"
)]
fn a_follower_whose_reader_left_ends_without_another_event() {
    let home = home();
    let mut first = Answer::lines(lines(&home, 0).split_inclusive('\n').next().unwrap(), false);
    first.stays = true;
    first.is_cut = false;
    let server = Server::script([first]);
    for more in [&["--server", &server.url][..], &[]] {
        let args = [&["tail", "--follow"][..], more].concat();
        let mut child =
            home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        printed.read_line(&mut line).unwrap();
        // It waits for more by now.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "it goes on while there is a reader");
        drop(printed);
        let began = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > std::time::Duration::from_secs(5) {
                child.kill().unwrap();
                panic!("{args:?} goes on for nobody");
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!((ran.exit, &*ran.err), (0, ""), "{ran:?}");
    }
}
