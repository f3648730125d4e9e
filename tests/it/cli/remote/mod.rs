//! Commands that ask a server: against a tiny one of this test, which answers what it is told to.

mod answers;
mod append;
mod refusals;
mod server;
mod tail;
mod tls;
mod usage;

use server::{Answer, Request, Server};

use super::{Home, Ran};

/// A log in a directory: the sample, a customer without a name, and one who paid back.
fn home() -> Home {
    let home = Home::new();
    home.write(
        "more.ndjson",
        r#"{"type":"CUSTOMER","verb":"NEW","key":"a/b é","event_time":"2017-02-06T12:46:46Z"}
{"type":"ORDER","verb":"NEW","key":"o2","event_time":"2017-02-07T00:00:00Z","customer_id":"a/b é","total_amount":"-0.07 USD"}
"#,
    );
    home.done(&["append", "events.ndjson", "more.ndjson"]);
    home
}

/// Answers as the directory's log does, by way of the program itself.
fn of_directory(home: &Home) -> impl Fn(&Request) -> Answer + Send + use<> {
    let dir = home.path("");
    move |request| {
        if request.target == "/v1/status" {
            return Answer::json("{}");
        }
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut args: Vec<String> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            match name {
                "x" => args.push(value.to_owned()),
                _ => args.push(format!("--{}={value}", name.replace('_', "-"))),
            }
        }
        let (command, id) = match path.strip_prefix("/v1/customers/") {
            Some(id) => ("stats", Some(unescaped(id))),
            None => (path.strip_prefix("/v1/").unwrap(), None),
        };
        args.extend(["--format=json".to_owned(), command.to_owned()]);
        args.extend(
            id.map(|id| format!("--\n{id}"))
                .iter()
                .flat_map(|both| both.split('\n'))
                .map(str::to_owned),
        );
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_ltvlog"));
        // The command goes first, and `--` and what follows it last.
        args.sort_by_key(|arg| arg != command);
        let output = program.current_dir(&dir).args(&args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        match command {
            "stats" if !output.status.success() => {
                Answer::problem(404, "Not Found", "the log knows no such customer")
            }
            "stats" => Answer::json(text.trim().trim_start_matches('[').trim_end_matches(']')),
            _ => Answer::json(&text),
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at(2);
            rest = after;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}
