//! One event from its JSON text: each field checked by itself, the first reason against it told.
//!
//! `serde_json` says whether the text is JSON and cuts the object into names and raw values, in
//! one pass; `walk` looks into the values. Then the fields are read as the row of the event's type
//! has them. What the row does not name is kept as it came.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr;
use serde::Deserialize;
use serde::de::{Deserializer as _, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::raw::{self, excerpt, trim_blanks};
use super::walk::{self, Flaw, find_repeated, malformed, repeated};
use super::{
    EVENT_BYTES_MAX, EVENT_LEVELS_MAX, Event, FIELD_COUNT, Field, ID_BYTES_MAX, Kind, Reason,
    Rejection, Rules, parse_amount, parse_time, write,
};

/// The names that some type knows, in the order in which their absence is told.
const NAMES: [&str; NAME_COUNT] = [
    "type",
    "verb",
    "key",
    "event_time",
    "customer_id",
    "total_amount",
    "last_name",
    "adr_city",
    "adr_state",
    "tags",
    "camera_make",
    "camera_model",
];
const NAME_COUNT: usize = 12;
const TYPE: usize = 0;
const VERB: usize = 1;
const KEY: usize = 2;
const EVENT_TIME: usize = 3;
const CUSTOMER_ID: usize = 4;
const TOTAL_AMOUNT: usize = 5;
/// Where the optional fields begin, in the order of [`Field`].
const FIRST_FIELD: usize = 6;

impl<'a> Event<'a> {
    /// Reads one event. Blanks around the text do not count.
    ///
    /// # Errors
    /// The first reason against it, of those that an event gives by itself.
    pub fn from_json(text: &'a [u8], rules: &Rules) -> Result<Event<'a>, Rejection> {
        let text = trim_blanks(text);
        if text.len() > EVENT_BYTES_MAX {
            return Err(too_large_by(text.len() as u64));
        }
        let mut members = Members::default();
        match members.read(text) {
            Ok(true) => members.take_event(rules),
            Ok(false) => {
                let text = String::from_utf8_lossy(text);
                let detail = format!("an event is a JSON object, not {}", excerpt(&text));
                reject(Reason::NotAnObject, detail)
            }
            // What is both too deep and malformed is too large: that reason stands first.
            Err(Flaw::Malformed(_)) if raw::is_deeper_than(EVENT_LEVELS_MAX, text) => {
                Err(too_deep())
            }
            Err(Flaw::Malformed(detail)) => reject(Reason::MalformedJson, detail),
            Err(Flaw::TooDeep) => Err(too_deep()),
        }
    }
}

/// A value of an event that may be another in the next one: what a shape has holes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    Key,
    CustomerId,
    EventTime,
    TotalAmount,
    Field(Field),
}

/// Where the values stand in the text of an event of a kind, in their order there: strings without
/// their quotes. Nothing if the event has fields that its type does not name.
pub(super) fn holes(text: &str, kind: Kind) -> Option<Vec<(Hole, Range<usize>)>> {
    let mut members = Members::default();
    if !members.read(text.as_bytes()).ok()? || !members.others.is_empty() {
        return None;
    }
    let mut holes = Vec::new();
    for (name, value) in members.known.iter().enumerate() {
        let Some(value) = value else { continue };
        let hole = match name {
            TYPE | VERB => continue,
            KEY => Hole::Key,
            EVENT_TIME => Hole::EventTime,
            CUSTOMER_ID if !kind.is_customer() => Hole::CustomerId,
            TOTAL_AMOUNT if kind.is_order() => Hole::TotalAmount,
            _ => Hole::Field(*kind.fields().iter().find(|it| FIRST_FIELD + **it as usize == name)?),
        };
        let place = raw::place_in(text.as_bytes(), value.as_bytes())?;
        let quote = usize::from(hole != Hole::Field(Field::Tags));
        holes.push((hole, place.start + quote..place.end - quote));
    }
    holes.sort_unstable_by_key(|(_, range)| range.start);
    Some(holes)
}

/// An object's members, each with the raw text of its value; those that are null are left out.
#[derive(Default)]
struct Members<'a> {
    /// The values of [`NAMES`].
    known: [Option<&'a str>; NAME_COUNT],
    /// All others, as they came.
    others: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Members<'a> {
    /// Takes the members of a text that is an object, and tells whether it is one.
    fn read(&mut self, text: &'a [u8]) -> Result<bool, Flaw> {
        let text = std::str::from_utf8(text).map_err(|error| malformed(&error))?;
        if !text.starts_with('{') {
            serde_json::from_str::<IgnoredAny>(text).map_err(|error| malformed(&error))?;
            return walk::check(text, 1).map(|()| false);
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(&mut *self).and_then(|()| json.end());
        read.map_err(|error| malformed(&error))?;
        self.check(memchr(b'\\', text.as_bytes()).is_some())?;
        self.drop_nulls();
        Ok(true)
    }

    /// Checks what JSON leaves open; that no known name stands twice was seen before.
    fn check(&self, has_escapes: bool) -> Result<(), Flaw> {
        let values = self.known.iter().flatten().chain(self.others.iter().map(|(_, value)| value));
        for value in values {
            // Without escapes nothing can be wrong with a string.
            if has_escapes || value.starts_with(['{', '[']) {
                walk::check(value, 2)?;
            }
        }
        if self.others.len() > 1 {
            let mut names: Vec<_> = self.others.iter().map(|(name, _)| name.clone()).collect();
            if let Some(name) = find_repeated(&mut names) {
                return Err(Flaw::Malformed(repeated(&name)));
            }
        }
        Ok(())
    }

    /// Leaves out what is null, which only now has counted as a name that stands twice.
    fn drop_nulls(&mut self) {
        for value in &mut self.known {
            if *value == Some("null") {
                *value = None;
            }
        }
        self.others.retain(|(_, value)| *value != "null");
    }

    fn take_event(&mut self, rules: &Rules) -> Result<Event<'a>, Rejection> {
        let kind = self.take_kind()?;
        let key = self.take_needed(KEY)?;
        let event_time = self.take_needed(EVENT_TIME)?;
        let customer_id =
            if kind.is_customer() { None } else { Some(self.take_needed(CUSTOMER_ID)?) };
        let total_amount =
            if kind.is_order() { Some(self.take_needed(TOTAL_AMOUNT)?) } else { None };

        let key = read_id(KEY, key)?;
        let customer_id = match customer_id {
            Some(value) => read_id(CUSTOMER_ID, value)?,
            None => Cow::Borrowed(""),
        };
        let mut texts: [Option<Cow<'a, str>>; FIELD_COUNT] = Default::default();
        for field in kind.fields() {
            let value = self.known.get_mut(FIRST_FIELD + *field as usize).and_then(Option::take);
            if let (Some(text), Some(value)) = (texts.get_mut(*field as usize), value) {
                *text = Some(read_field(*field, value)?);
            }
        }
        let at_us = read_time(event_time, rules)?;
        let amount_cents = match total_amount {
            Some(value) => read_amount(value, rules)?,
            None => 0,
        };
        if let Some(text) = texts.get_mut(Field::Other as usize) {
            *text = self.others_as_json().map(Cow::Owned);
        }
        Ok(Event { kind, key, customer_id, at_us, amount_cents, texts })
    }

    fn take_kind(&mut self) -> Result<Kind, Rejection> {
        let type_name = raw::decode(self.take_needed(TYPE)?);
        if !Kind::ALL.iter().any(|kind| kind.type_name() == type_name) {
            return reject(
                Reason::UnknownType,
                format!("there is no type {}", excerpt(&type_name)),
            );
        }
        let verb = raw::decode(self.take_needed(VERB)?);
        let is_it = |kind: &&Kind| kind.type_name() == type_name && kind.verb() == verb;
        match Kind::ALL.iter().find(is_it) {
            Some(kind) => Ok(*kind),
            None => {
                reject(Reason::UnknownVerb, format!("{type_name} has no verb {}", excerpt(&verb)))
            }
        }
    }

    /// Takes a value that the event cannot do without.
    fn take_needed(&mut self, name: usize) -> Result<&'a str, Rejection> {
        match self.known.get_mut(name).and_then(Option::take) {
            Some(value) => Ok(value),
            None => reject(Reason::MissingField, format!("{} is missing", name_of(name))),
        }
    }

    /// What the event's type does not name, as one JSON object.
    fn others_as_json(&self) -> Option<String> {
        let strays = NAMES.iter().zip(self.known).filter_map(|(name, value)| Some((*name, value?)));
        let others = self.others.iter().map(|(name, value)| (name.as_ref(), *value));
        let mut out = String::new();
        for (name, value) in strays.chain(others) {
            out.push(if out.is_empty() { '{' } else { ',' });
            write::push_string(name, &mut out);
            out.push(':');
            out.push_str(&raw::one_line(value));
        }
        if out.is_empty() {
            return None;
        }
        out.push('}');
        Some(out)
    }
}

/// A name, decoded; borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for &mut Members<'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            match index_of(&name).and_then(|name| self.known.get_mut(name)) {
                None => self.others.push((name, value.get())),
                Some(known) if known.is_none() => *known = Some(value.get()),
                Some(_) => return Err(A::Error::custom(repeated(&name))),
            }
        }
        Ok(())
    }
}

fn read_id<'a>(name: usize, value: &'a str) -> Result<Cow<'a, str>, Rejection> {
    let id = read_string(name, value)?;
    if (1..=ID_BYTES_MAX).contains(&id.len()) {
        return Ok(id);
    }
    let name = name_of(name);
    let detail = format!("{name} has {} bytes, not 1 to {ID_BYTES_MAX}", id.len());
    reject(Reason::InvalidField, detail)
}

fn read_field<'a>(field: Field, value: &'a str) -> Result<Cow<'a, str>, Rejection> {
    if field != Field::Tags {
        return read_string(FIRST_FIELD + field as usize, value);
    }
    if value.starts_with(['[', '{']) {
        return Ok(raw::one_line(value));
    }
    let detail = format!("tags is an array or an object, not {}", excerpt(value));
    reject(Reason::InvalidField, detail)
}

fn read_string<'a>(name: usize, value: &'a str) -> Result<Cow<'a, str>, Rejection> {
    if value.starts_with('"') {
        return Ok(raw::decode(value));
    }
    let detail = format!("{} is a string, not {}", name_of(name), excerpt(value));
    reject(Reason::InvalidField, detail)
}

fn read_time(value: &str, rules: &Rules) -> Result<i64, Rejection> {
    let Some(at_us) = parse_time(&raw::decode(value)).filter(|_| value.starts_with('"')) else {
        let detail = format!("event_time is no time like 2017-01-06T12:46:46Z: {}", excerpt(value));
        return reject(Reason::InvalidTime, detail);
    };
    if rules.time_range_us.contains(&at_us) {
        return Ok(at_us);
    }
    let detail = format!("event_time is outside the log's time range: {}", excerpt(value));
    reject(Reason::InvalidTime, detail)
}

fn read_amount(value: &str, rules: &Rules) -> Result<i64, Rejection> {
    let amount = parse_amount(&raw::decode(value)).filter(|_| value.starts_with('"'));
    let Some((cents, currency)) = amount else {
        let detail = format!("total_amount is no amount like \"12.34 USD\": {}", excerpt(value));
        return reject(Reason::InvalidAmount, detail);
    };
    if currency == rules.currency {
        return Ok(cents);
    }
    let wanted = String::from_utf8_lossy(&rules.currency);
    let detail = format!("total_amount is not in {wanted}, the log's currency: {}", excerpt(value));
    reject(Reason::WrongCurrency, detail)
}

/// The place of a name in [`NAMES`], by a match that compiles to a few comparisons.
fn index_of(name: &str) -> Option<usize> {
    Some(match name {
        "type" => TYPE,
        "verb" => VERB,
        "key" => KEY,
        "event_time" => EVENT_TIME,
        "customer_id" => CUSTOMER_ID,
        "total_amount" => TOTAL_AMOUNT,
        "last_name" => FIRST_FIELD + Field::LastName as usize,
        "adr_city" => FIRST_FIELD + Field::AdrCity as usize,
        "adr_state" => FIRST_FIELD + Field::AdrState as usize,
        "tags" => FIRST_FIELD + Field::Tags as usize,
        "camera_make" => FIRST_FIELD + Field::CameraMake as usize,
        "camera_model" => FIRST_FIELD + Field::CameraModel as usize,
        _ => return None,
    })
}

fn name_of(name: usize) -> &'static str {
    NAMES.get(name).copied().unwrap_or_default()
}

fn too_deep() -> Rejection {
    let detail = format!("more than {EVENT_LEVELS_MAX} levels of objects and arrays");
    Rejection::new(Reason::TooLarge, detail)
}

/// The rejection of a text of so many bytes.
pub(super) fn too_large_by(bytes: u64) -> Rejection {
    let detail = format!("{bytes} bytes, more than {EVENT_BYTES_MAX}");
    Rejection::new(Reason::TooLarge, detail)
}

fn reject<T>(reason: Reason, detail: String) -> Result<T, Rejection> {
    Err(Rejection::new(reason, detail))
}
