//! One event by itself: the table of types, and which reason comes first when it is none.

use super::instant;
use super::json::{self, Json};

/// What a log demands of every event.
#[derive(Clone, Debug)]
pub struct Terms {
    pub currency: String,
    /// Half-open, in µs.
    pub time_range_us: (i64, i64),
}

impl Default for Terms {
    fn default() -> Terms {
        let end = instant::parse("2100-01-01T00:00:00Z").unwrap();
        Terms { currency: "USD".to_owned(), time_range_us: (0, end) }
    }
}

/// A valid event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub kind: &'static str,
    pub verb: &'static str,
    pub key: String,
    /// The customer it names; a CUSTOMER event names its key.
    pub customer: String,
    pub at_us: i64,
    /// 0 where there is no amount.
    pub cents: i64,
    /// The whole event: equal exactly if it is the same event.
    pub normal: Json,
}

impl Fact {
    /// A field of it as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.normal.get(name) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Type, verbs, fields it needs beside those of every event, fields it may have.
type Row =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

pub const ROWS: [Row; 4] = [
    ("CUSTOMER", &["NEW", "UPDATE"], &[], &["last_name", "adr_city", "adr_state"]),
    ("SITE_VISIT", &["NEW"], &["customer_id"], &["tags"]),
    ("IMAGE", &["UPLOAD"], &["customer_id"], &["camera_make", "camera_model"]),
    ("ORDER", &["NEW", "UPDATE"], &["customer_id", "total_amount"], &[]),
];

pub const EVENT_BYTES_MAX: usize = 1 << 20;
pub const LEVELS_MAX: usize = 64;

/// The event in a text, or the first reason why it is none.
pub fn read(text: &[u8], terms: &Terms) -> Result<Fact, &'static str> {
    // Blanks around an event are no part of it.
    if text.trim_ascii().len() > EVENT_BYTES_MAX || json::levels(text) > LEVELS_MAX {
        return Err("too_large");
    }
    let Some(value) = json::parse(text) else { return Err("malformed_json") };
    let Json::Object(mut members) = value else { return Err("not_an_object") };
    members.retain(|(_, value)| *value != Json::Null);
    let event = Json::Object(members);

    let row = match event.get("type") {
        None => return Err("missing_field"),
        Some(Json::Text(name)) => ROWS.iter().find(|row| row.0 == name).ok_or("unknown_type")?,
        Some(_) => return Err("unknown_type"),
    };
    let (kind, verbs, needs, may_have) = *row;
    let verb = match event.get("verb") {
        None => return Err("missing_field"),
        Some(Json::Text(name)) => *verbs.iter().find(|verb| *verb == name).ok_or("unknown_verb")?,
        Some(_) => return Err("unknown_verb"),
    };
    if ["key", "event_time"].iter().chain(needs).any(|name| event.get(name).is_none()) {
        return Err("missing_field");
    }
    let id_name = if kind == "CUSTOMER" { "key" } else { "customer_id" };
    let (key, customer) = (id(event.get("key"))?, id(event.get(id_name))?);
    for name in may_have {
        let right = match event.get(name) {
            None => true,
            Some(Json::Text(_)) => *name != "tags",
            Some(Json::Array(_) | Json::Object(_)) => *name == "tags",
            Some(_) => false,
        };
        if !right {
            return Err("invalid_field");
        }
    }
    let at_us = match event.get("event_time") {
        Some(Json::Text(text)) => instant::parse(text).ok_or("invalid_time")?,
        _ => return Err("invalid_time"),
    };
    if at_us < terms.time_range_us.0 || at_us >= terms.time_range_us.1 {
        return Err("invalid_time");
    }
    let mut cents = 0;
    if kind == "ORDER" {
        let Some(Json::Text(text)) = event.get("total_amount") else {
            return Err("invalid_amount");
        };
        let (amount, currency) = amount(text).ok_or("invalid_amount")?;
        if currency != terms.currency {
            return Err("wrong_currency");
        }
        cents = amount;
    }
    let normal = normal(&event, at_us, (kind == "ORDER").then_some(cents));
    Ok(Fact { kind, verb, key, customer, at_us, cents, normal })
}

fn id(value: Option<&Json>) -> Result<String, &'static str> {
    match value {
        Some(Json::Text(text)) if (1..=255).contains(&text.len()) => Ok(text.clone()),
        _ => Err("invalid_field"),
    }
}

/// The event with its time as an instant and its amount in cents.
fn normal(event: &Json, at_us: i64, cents: Option<i64>) -> Json {
    let Json::Object(mut members) = event.normal() else { unreachable!("an event is an object") };
    for (name, value) in &mut members {
        match (name.as_str(), cents) {
            ("event_time", _) => *value = Json::Number(at_us.to_string()),
            ("total_amount", Some(cents)) => *value = Json::Number(cents.to_string()),
            _ => {}
        }
    }
    Json::Object(members)
}

/// Cents and currency of `"12.34 USD"`.
pub fn amount(text: &str) -> Option<(i64, &str)> {
    let (number, currency) = text.split_once(' ')?;
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return None;
    }
    let (sign, number) = number.strip_prefix('-').map_or((1, number), |number| (-1, number));
    let (whole, part) = match number.split_once('.') {
        Some((whole, part)) if (1..=2).contains(&part.len()) => (whole, part),
        Some(_) => return None,
        None => (number, ""),
    };
    if !(1..=12).contains(&whole.len()) {
        return None;
    }
    let digits = format!("{whole}{part:0<2}");
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some((sign * digits.parse::<i64>().ok()?, currency))
}
