//! The document says what is true: every path, every method, and what each may answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::Head;
use super::schemas::Document;
use super::{Home, customer, order};

/// All that the server has.
const PATHS: [(&str, &str); 18] = [
    ("get", "/healthz"),
    ("get", "/metrics"),
    ("get", "/readyz"),
    ("get", "/v1/charts/distribution.svg"),
    ("get", "/v1/charts/weeks.svg"),
    ("get", "/v1/customers/{id}"),
    ("get", "/v1/customers/{id}/events"),
    ("get", "/v1/customers/{id}/weeks"),
    ("get", "/v1/customers/{id}/weeks.svg"),
    ("get", "/v1/distribution"),
    ("get", "/v1/events"),
    ("get", "/v1/info"),
    ("get", "/v1/openapi.json"),
    ("get", "/v1/status"),
    ("get", "/v1/top"),
    ("get", "/v1/top/live"),
    ("get", "/v1/weeks"),
    ("post", "/v1/events"),
];

/// The operations of the document.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &'_ Value)| {
        let item = item.as_object().expect("an item").clone();
        item.into_iter().map(|(method, _)| (method, path.clone())).collect::<Vec<_>>()
    };
    let all: Vec<_> = paths.iter().flat_map(of).collect();
    let operation = |(method, path): (String, String)| {
        let operation = &paths[&path][&method];
        (method, path, operation)
    };
    all.into_iter().map(operation).collect()
}

#[track_caller]
fn assert_documented(operation: &Value, head: &Head, of: &str) {
    let response = &operation["responses"][head.status.to_string()];
    assert!(response.is_object(), "{of} was answered {}, of which nothing is said", head.status);
    let media: Vec<_> =
        response["content"].as_object().into_iter().flat_map(|all| all.keys()).collect();
    let is_said = media.iter().any(|one| one.split(';').next() == Some(head.media()));
    assert!(is_said, "{of} was answered {} as {}, not {media:?}", head.status, head.media());
}

#[test]
fn every_path_is_documented_and_does_what_it_says() {
    let home = Home::new();
    let server = home.serve(&[]);
    let text = [customer("c"), order("o", "c", "10")].join("\n");
    server.post(&text).good();
    server.get("/v1/top?min_end=2").good();
    let answer = server.get("/v1/openapi.json");
    assert_eq!(answer.head.media(), "application/json");
    let document = answer.good();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    let schemas = Document(document.clone());
    let operations = operations(&document);
    let found: BTreeSet<_> =
        operations.iter().map(|(method, path, _)| (&**method, &**path)).collect();
    assert_eq!(found, BTreeSet::from(PATHS));
    let mut ids = BTreeSet::new();
    for (method, path, operation) in &operations {
        assert!(ids.insert(operation["operationId"].to_string()), "an id twice: {operation}");
        assert!(operation["summary"].is_string(), "{path} says nothing of itself");
        let named = (&**method, &**path);
        let (method, stem) = (method.to_uppercase(), path.replace("{id}", "c"));
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        // As it is, with every parameter at its default or its example, and with nonsense.
        let mut questions = vec![(format!("{method} {stem}"), Vec::new())];
        for parameter in &parameters {
            let name = parameter["name"].as_str().expect("a name");
            let schema = &parameter["schema"];
            let value = if schema["default"].is_null() {
                "1"
            } else {
                schema["default"].as_str().unwrap_or("1")
            };
            match parameter["in"].as_str() {
                Some("query") => {
                    let value = if name == "follow" { "false" } else { value };
                    questions.push((format!("{method} {stem}?{name}={value}"), Vec::new()));
                    questions.push((format!("{method} {stem}?{name}=%20nonsense"), Vec::new()));
                }
                Some("header") => {
                    questions.push((format!("{method} {stem}"), vec![format!("{name}: 0")]));
                    questions.push((format!("{method} {stem}"), vec![format!("{name}: nonsense")]));
                }
                Some("path") => {
                    let unknown = path.replace("{id}", "nobody");
                    questions.push((format!("{method} {unknown}"), Vec::new()));
                    questions
                        .push((format!("{method} {}", path.replace("{id}", "%FF")), Vec::new()));
                }
                other => panic!("a parameter in {other:?}"),
            }
        }
        if method == "POST" {
            for header in
                ["Content-Encoding: br", "Content-Encoding: gzip", "Accept: application/x-ndjson"]
            {
                questions.push((format!("{method} {stem}"), vec![header.to_owned()]));
            }
        }
        questions.push((format!("{method} {stem}"), vec!["Host: evil.example".to_owned()]));
        questions.push((format!("{method} {stem}"), vec!["Accept: text/event-stream".to_owned()]));
        for (request, headers) in questions {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            let mut connection = server.open();
            let length = format!("Content-Length: {}", text.len());
            let sized = [&headers[..], &[&length]].concat();
            let is_post = method == "POST";
            connection.begin(&request, if is_post { &sized } else { &headers }).expect("a request");
            if is_post {
                connection.raw(text.as_bytes()).expect("it is taken");
            }
            let head = connection.head().expect("a head");
            assert_documented(operation, &head, &format!("{request} {headers:?}"));
            if head.media().ends_with("json") && head.media() != "application/x-ndjson" {
                schemas.assert_answer(named, &head, &connection.body(&head).expect("a body"));
            }
        }
    }
}

/// Every answer says how it may be used, whatever it is.
#[test]
fn every_answer_is_guarded() {
    let home = Home::new();
    let server = home.serve(&[]);
    for path in ["/healthz", "/v1/top", "/v1/top?x=0", "/nowhere", "/v1/events", "/metrics"] {
        let head = server.get(path).head;
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(head.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(head.header("content-security-policy").is_some(), "{path}");
    }
}
