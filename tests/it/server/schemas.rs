//! Every answer that is JSON looks as the document says: a small validator of the part of JSON
//! Schema that the document uses, and stricter, since a member that no schema names is a fault.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;
use serde_json::{Value, json};

use super::client::Head;
use super::{Home, Server, customer, order};

/// The document of a server.
pub struct Document(pub Value);

/// Events have fields of their own.
const OPEN: &str = "#/components/schemas/Event";

impl Document {
    #[track_caller]
    pub fn of(server: &Server) -> Document {
        Document(server.get("/v1/openapi.json").good())
    }

    /// The schema of an answer.
    #[track_caller]
    fn schema_of(&self, (method, path): (&str, &str), head: &Head) -> &Value {
        let response = &self.0["paths"][path][method]["responses"][head.status.to_string()];
        let schema = &response["content"][head.media()]["schema"];
        assert!(schema.is_object(), "{method} {path}: no schema of {head:?}");
        schema
    }

    /// Whether an answer is as it should be, which is JSON.
    #[track_caller]
    pub fn assert_answer(&self, operation: (&str, &str), head: &Head, body: &[u8]) {
        let value = serde_json::from_slice(body).expect("JSON");
        self.assert_valid(self.schema_of(operation, head), &value);
    }

    /// The same of something that has a name among the schemas.
    #[track_caller]
    pub fn assert_named(&self, name: &str, value: &Value) {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        self.assert_valid(&schema, value);
    }

    #[track_caller]
    fn assert_valid(&self, schema: &Value, value: &Value) {
        let fault = self.fault(schema, value).err();
        assert!(fault.is_none(), "{}: {value}", fault.unwrap_or_default());
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let Some(name) = schema["$ref"].as_str() else { return schema };
        let found = self.0.pointer(name.strip_prefix('#').expect("a reference within"));
        found.unwrap_or_else(|| panic!("{name} leads nowhere"))
    }

    /// What is wrong with a value, and where.
    fn fault(&self, schema: &Value, value: &Value) -> Result<(), String> {
        self.keywords(schema, value)?;
        let Some(members) = value.as_object() else { return Ok(()) };
        let mut known = BTreeSet::new();
        if self.names(schema, &mut known) {
            return Ok(());
        }
        let unknown = members.keys().find(|name| !known.contains(&***name));
        unknown.map_or(Ok(()), |name| Err(format!("{name} is in no schema")))
    }

    /// All members that a schema has a word for; true if it lets in any.
    fn names<'a>(&'a self, schema: &'a Value, names: &mut BTreeSet<&'a str>) -> bool {
        let is_open = schema["$ref"] == OPEN || schema["additionalProperties"].is_object();
        let schema = self.resolved(schema);
        let plain = schema.as_object().is_some_and(|all| !all.contains_key("properties"));
        names.extend(
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| &**name),
        );
        let parts = ["allOf", "oneOf"].map(|of| schema[of].as_array().into_iter().flatten());
        let mut is_free = is_open || schema["additionalProperties"].is_object();
        let mut has_parts = false;
        for part in parts.into_iter().flatten() {
            has_parts = true;
            is_free |= part["type"] != "null" && self.names(part, names);
        }
        is_free || (plain && !has_parts)
    }

    fn keywords(&self, schema: &Value, value: &Value) -> Result<(), String> {
        for (keyword, rule) in schema.as_object().expect("a schema") {
            let number = || value.as_f64().zip(rule.as_f64());
            let length =
                || value.as_str().map(|text| text.chars().count() as u64).zip(rule.as_u64());
            let is_good = match &**keyword {
                "$ref" => {
                    self.keywords(self.resolved(schema), value)?;
                    true
                }
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|one| is_of_type(value, one)),
                    one => is_of_type(value, one),
                },
                "properties" => {
                    for (name, schema) in rule.as_object().expect("properties") {
                        if let Some(member) = value.get(name) {
                            self.fault(schema, member)
                                .map_err(|fault| format!("{name}: {fault}"))?;
                        }
                    }
                    true
                }
                "required" => {
                    let needed = rule.as_array().expect("names").iter();
                    let mut needed = needed.map(|name| name.as_str().expect("a name"));
                    value.is_object() && needed.all(|name| value.get(name).is_some())
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.fault(rule, item)?;
                    }
                    true
                }
                "additionalProperties" => {
                    for (name, member) in value.as_object().into_iter().flatten() {
                        self.fault(rule, member).map_err(|fault| format!("{name}: {fault}"))?;
                    }
                    true
                }
                "allOf" => {
                    for part in rule.as_array().expect("schemas") {
                        self.keywords(part, value)?;
                    }
                    true
                }
                "oneOf" => {
                    let fits = |part: &&Value| self.keywords(part, value).is_ok();
                    rule.as_array().expect("schemas").iter().filter(fits).count() == 1
                }
                "enum" => rule.as_array().expect("values").contains(value),
                "pattern" => {
                    let pattern = Regex::new(rule.as_str().expect("a pattern")).expect("a pattern");
                    value.as_str().is_none_or(|text| pattern.is_match(text))
                }
                "minimum" => number().is_none_or(|(value, least)| value >= least),
                "maximum" => number().is_none_or(|(value, most)| value <= most),
                "minLength" => length().is_none_or(|(length, least)| length >= least),
                "maxLength" => length().is_none_or(|(length, most)| length <= most),
                "format" => match rule.as_str().expect("a format") {
                    "int64" => value.is_null() || value.is_i64(),
                    "double" => value.is_null() || value.is_number(),
                    "date-time" => value.as_str().is_some_and(|text| text.ends_with('Z')),
                    other => panic!("a format that is not checked here: {other}"),
                },
                "description" | "examples" | "propertyNames" => true,
                other => panic!("a keyword that is not checked here: {other}"),
            };
            if !is_good {
                return Err(format!("{keyword} {rule} does not hold of {value}"));
            }
        }
        Ok(())
    }
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("the name of a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type that is not checked here: {other}"),
    }
}

#[test]
fn every_answer_of_json_has_a_schema() {
    let home = Home::new();
    let document = Document::of(&home.serve(&[])).0;
    let mut count = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                for (media, content) in response["content"].as_object().expect("content") {
                    let schema = &content["schema"];
                    assert!(schema.is_object(), "{method} {path} {status} {media}");
                    let is_problem = media == "application/problem+json";
                    let of_problem = schema["$ref"] == "#/components/schemas/Problem";
                    assert_eq!(
                        status.as_bytes()[0] >= b'4',
                        is_problem,
                        "{method} {path} {status}"
                    );
                    assert_eq!(is_problem, of_problem, "{method} {path} {status}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn answers_are_what_their_schemas_say() {
    let home = Home::new();
    let tokens = home.path().join("tokens");
    fs::write(&tokens, "read read-read-read-read\nadmin admin-admin-admin\n").expect("a file");
    let server = home.serve(&[]);
    let document = Document::of(&server);
    let check = |operation: (&str, &str), request: &str, headers: &[&str], body: &str| {
        let answer = server.ask(request, headers, body.as_bytes());
        document.assert_answer(operation, &answer.head, &answer.body);
        answer.json()
    };
    let get = |path: &str, request: &str| check(("get", path), &format!("GET {request}"), &[], "");
    let post = |body: &str| check(("post", "/v1/events"), "POST /v1/events", &[], body);
    let of_customer = ["", "/weeks", "/events", "?frame=customer", "/events?limit=1"];
    let whole = ["/v1/top", "/v1/top?frame=customer", "/v1/weeks", "/v1/distribution", "/v1/info"];
    let everything = |is_empty: bool| {
        for request in whole.into_iter().chain(["/v1/status", "/v1/openapi.json"]) {
            let path = request.split('?').next().expect("a path");
            get(path, request);
        }
        for end in of_customer {
            let path = format!("/v1/customers/{{id}}{}", end.split('?').next().expect("a path"));
            let answer = get(&path, &format!("/v1/customers/c{end}"));
            assert_eq!(is_empty, answer["status"] == 404, "{answer}");
        }
    };
    // Nothing is known yet: much is null.
    everything(true);
    let refund = customer("d")
        .replace("\"event_time\"", r#""last_name":"D","adr_city":"E","x":[1],"event_time""#);
    let lines = [
        customer("c"),
        refund,
        order("o1", "c", "10"),
        order("o2", "d", "-3.5"),
        order("o3", "nobody", "1"),
        order("o1", "c", "11"),
        "no JSON".to_owned(),
    ];
    let receipt = post(&lines.join("\n"));
    assert_eq!((&receipt["accepted"], &receipt["rejected"]), (&json!(4), &json!(3)), "{receipt}");
    get("/v1/top", "/v1/top?min_end=4&lifespan_years=2.5");
    everything(false);
    assert_eq!(get("/v1/top", "/v1/top?x=0")["status"], 400);
    assert_eq!(
        check(("get", "/v1/top"), "GET /v1/top", &["Host: evil.example"], "")["status"],
        403
    );
    // What comes line by line, and event by event.
    for line in server.get("/v1/events").lines() {
        let name = if line["event"].is_object() { "Record" } else { "CaughtUp" };
        document.assert_named(name, &line);
    }
    let mut live = server.sent("/v1/top/live", &[]);
    document.assert_named("Leaderboard", &live.next_sent().json());
    post(&order("o4", "d", "500"));
    let moved = live.next_sent().json();
    assert_eq!(moved["moves"].as_array().map(Vec::len), Some(2), "{moved}");
    document.assert_named("Leaderboard", &moved);
    let headers = ["Accept: application/x-ndjson"];
    for receipt in server.ask("POST /v1/events", &headers, lines.join("\n").as_bytes()).lines() {
        document.assert_named("Receipt", &receipt);
    }
    drop(server);
    let server = home.serve(&["--tokens", tokens.to_str().expect("a path")]);
    for headers in [&[][..], &["Authorization: Bearer read-read-read-read"]] {
        let answer = server.ask("POST /v1/events", headers, b"{}");
        document.assert_answer(("post", "/v1/events"), &answer.head, &answer.body);
    }
}

/// The validator itself is no rubber stamp.
#[test]
fn a_wrong_value_is_found() {
    let schema = json!({"type": "object", "required": ["amount"], "properties": {
        "amount": {"$ref": "#/components/schemas/Amount"},
        "next": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Count"}]}
    }});
    let schemas = json!({
        "Amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"},
        "Count": {"type": "integer", "minimum": 1}
    });
    let document = Document(json!({"components": {"schemas": schemas}}));
    let is_good = |value: Value| document.fault(&schema, &value).is_ok();
    assert!(is_good(json!({"amount": "1.50"})));
    assert!(is_good(json!({"amount": "1.50", "next": null})));
    assert!(is_good(json!({"amount": "1.50", "next": 1})));
    for wrong in [
        json!({}),
        json!([]),
        json!({"amount": 1.5}),
        json!({"amount": "1.5"}),
        json!({"amount": "1.50", "next": 0}),
        json!({"amount": "1.50", "next": "1"}),
        json!({"amount": "1.50", "more": 1}),
    ] {
        assert!(!is_good(wrong.clone()), "{wrong}");
    }
}
