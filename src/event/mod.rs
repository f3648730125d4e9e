//! Events: facts about customers, as their producers tell them.
//!
//! [`Event`] holds one event whose every field was checked (`json`); the rules *between* events
//! are admission's. An event borrows from the text it was read from wherever that text holds no
//! escapes. Nothing here opens a file: `reader` takes events out of any `BufRead`, and `cutter`
//! takes blocks of them that can be read elsewhere.

mod amount;
mod array;
mod block;
mod check;
mod cutter;
mod held;
mod items;
mod json;
mod names;
mod normal;
mod pieces;
mod plain;
mod raw;
mod reader;
mod rejects;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod time;
mod walk;
mod write;

pub use amount::{parse_amount, write_cents};
pub use block::EventBlock;
pub(crate) use block::Placed;
pub(crate) use cutter::Cutter;
pub use reader::{Flow, Incoming, ReadError, read_events};
pub use rejects::write_reject;
pub(crate) use shape::ShapeReader;
pub use time::{parse_date, parse_time, write_time, write_time_shortest};

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The most JSON that one event may be, in bytes.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// How deep an event's objects and arrays may stand in each other, itself being level 1.
pub const EVENT_LEVELS_MAX: usize = 64;

/// The longest id (`key`, `customer_id`), in bytes; the shortest has one.
pub const ID_BYTES_MAX: usize = 255;

/// What an event says happened: its `type` and `verb` as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// CUSTOMER NEW
    CustomerNew,
    /// CUSTOMER UPDATE
    CustomerUpdate,
    /// SITE_VISIT NEW
    SiteVisitNew,
    /// IMAGE UPLOAD
    ImageUpload,
    /// ORDER NEW
    OrderNew,
    /// ORDER UPDATE
    OrderUpdate,
}

/// The optional texts of an event; the discriminant is the bit in the log's column 13.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `last_name` of a CUSTOMER: a string.
    LastName = 0,
    /// `adr_city` of a CUSTOMER: a string.
    AdrCity = 1,
    /// `adr_state` of a CUSTOMER: a string.
    AdrState = 2,
    /// `tags` of a SITE_VISIT: an array or an object, as raw JSON.
    Tags = 3,
    /// `camera_make` of an IMAGE: a string.
    CameraMake = 4,
    /// `camera_model` of an IMAGE: a string.
    CameraModel = 5,
    /// Every field that the event's type does not name, as one raw JSON object.
    Other = 6,
}

/// How many kinds of optional text there are.
pub const FIELD_COUNT: usize = 7;

/// The optional texts in the order in which an event holds them.
pub const FIELDS: [Field; FIELD_COUNT] = [
    Field::LastName,
    Field::AdrCity,
    Field::AdrState,
    Field::Tags,
    Field::CameraMake,
    Field::CameraModel,
    Field::Other,
];

/// One valid event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type and verb.
    pub kind: Kind,
    /// The id of what it is about: a customer, a page, an image or an order; 1 to 255 bytes.
    pub key: Cow<'a, str>,
    /// The customer it names, 1 to 255 bytes; empty on CUSTOMER events, whose key is the customer.
    pub customer_id: Cow<'a, str>,
    /// `event_time` in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
    /// `total_amount` of an ORDER in hundredths of the log's currency; 0 on every other kind.
    pub amount_cents: i64,
    /// The optional texts, by [`Field`]: strings decoded, JSON raw.
    pub texts: [Option<Cow<'a, str>>; FIELD_COUNT],
}

impl Event<'_> {
    /// A place for events that are read one after the other.
    pub(crate) fn nothing() -> Self {
        Event {
            kind: Kind::SiteVisitNew,
            key: Cow::Borrowed(""),
            customer_id: Cow::Borrowed(""),
            at_us: 0,
            amount_cents: 0,
            texts: Default::default(),
        }
    }
}

/// What a log demands of every event by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The three capital letters of the log's currency.
    pub currency: [u8; 3],
    /// The instants an event may have, in microseconds since 1970, half-open.
    pub time_range_us: Range<i64>,
}

/// Why an event was not accepted, in the order in which reasons take precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// More than 1 MiB of JSON, or more than 64 levels.
    TooLarge,
    /// Not JSON, a name twice in one object, or half a surrogate pair.
    MalformedJson,
    /// JSON, but not an object.
    NotAnObject,
    /// A field that the event's type needs is absent.
    MissingField,
    /// `type` is none of the four.
    UnknownType,
    /// `verb` is none that the type has.
    UnknownVerb,
    /// A field has the wrong JSON type or length.
    InvalidField,
    /// `event_time` is no instant that this log takes.
    InvalidTime,
    /// `total_amount` is no amount, or too much for the log's sums.
    InvalidAmount,
    /// `total_amount` is in a currency that is not the log's.
    WrongCurrency,
    /// Another event of this type has the key, with other content.
    ConflictingKey,
    /// The customer has no CUSTOMER record.
    UnknownCustomer,
    /// The order does not exist.
    UnknownOrder,
}

/// A refusal: the reason for programs, the detail for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The first reason that applies.
    pub reason: Reason,
    /// What exactly is wrong, in one clause.
    pub detail: String,
    /// How many bytes the rejected text has, if more than the part of it that was kept.
    pub cut_from: Option<u64>,
}

impl Rejection {
    /// The rejection of a text that is there as a whole.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Rejection {
        Rejection { reason, detail: detail.into(), cut_from: None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason, self.detail)
    }
}

impl std::error::Error for Rejection {}
