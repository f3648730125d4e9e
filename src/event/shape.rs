//! Events that look like the ones before: all of a producer's events of one kind differ in a few
//! values alone, so most texts are read by comparing them with a shape that was learned.
//!
//! A shape is the text of an event that `json` accepted, with holes where its values stood. A text
//! that is equal outside of the holes, and has plain values in them, is JSON since the other was,
//! and the same event that `json` would read. Whatever is not plain (an escape, a value out of its
//! bounds, a blank more) is left to `json`: a shape never refuses an event.

use std::borrow::Cow;

use super::json::{self, Hole};
use super::plain;
use super::{
    EVENT_BYTES_MAX, Event, FIELD_COUNT, Field, ID_BYTES_MAX, Kind, Rejection, Rules, parse_amount,
};

/// The most that stands outside of the holes of a shape, in bytes: none that matters has more.
const LITERALS_MAX: usize = 4 << 10;
/// Producers have a few shapes for each kind of event: with and without the optional fields.
const SHAPES_MAX: usize = 16;

// What shapes may cost is bounded by what they have saved, both counted in about 100 ns, so that
// no source is read slower for them.
const HIT: i32 = 2;
const MISS: i32 = 1;
const LESSON: i32 = 10;
/// Enough to learn all shapes at once; more is not saved up.
const CREDIT_MAX: i32 = 200;
/// Without credit, texts that are left to `json` before shapes get another chance, and the credit
/// that they begin it with.
const PAUSE: u32 = 1_024;
const CREDIT_AFTER_PAUSE: i32 = 2 * (LESSON + MISS);

/// Reads events one after the other, and learns what they look like.
pub(crate) struct ShapeReader<'r> {
    rules: &'r Rules,
    /// The most useful first, about.
    pub(super) shapes: Vec<Shape>,
    day: plain::Day,
    credit: i32,
    /// Texts still to come in a pause.
    pub(super) pause: u32,
    /// Why the last text has no shape, if shapes were tried on it.
    missed: Option<Miss>,
}

impl<'r> ShapeReader<'r> {
    pub(crate) fn new(rules: &'r Rules) -> ShapeReader<'r> {
        let (shapes, day) = (Vec::new(), plain::Day::default());
        ShapeReader { rules, shapes, day, credit: CREDIT_MAX, pause: 0, missed: None }
    }

    /// As [`Event::from_json`] with the reader's rules.
    ///
    /// # Errors
    /// As [`Event::from_json`].
    pub(super) fn read<'a>(&mut self, text: &'a [u8]) -> Result<Event<'a>, Rejection> {
        match std::str::from_utf8(text).ok().and_then(|text| self.plain(text)) {
            Some(plain) => Ok(plain.into()),
            None => self.other(text),
        }
    }

    /// The event that a text is if it looks like one before; [`ShapeReader::other`] reads one
    /// that does not.
    pub(super) fn plain<'a>(&mut self, text: &'a str) -> Option<Plain<'a>> {
        self.missed = None;
        if self.pause > 0 || text.len() > EVENT_BYTES_MAX {
            return None;
        }
        let mut nearest = Miss::Shape;
        for (at, shape) in self.shapes.iter().enumerate() {
            if let Some(plain) = shape.read(text, self.rules, &mut self.day, &mut nearest) {
                self.count(at);
                self.credit = (self.credit + HIT).min(CREDIT_MAX);
                return Some(plain);
            }
        }
        self.missed = Some(nearest);
        None
    }

    /// Reads a text that [`ShapeReader::plain`] was asked for last, and learns its shape.
    ///
    /// # Errors
    /// As [`Event::from_json`].
    pub(super) fn other<'a>(&mut self, text: &'a [u8]) -> Result<Event<'a>, Rejection> {
        let event = Event::from_json(text, self.rules);
        self.pause = self.pause.saturating_sub(1);
        let Some(miss) = self.missed.take() else { return event };
        self.credit -= MISS;
        if let (Miss::Shape, Ok(event)) = (miss, &event) {
            self.credit -= LESSON;
            self.learn(text, event.kind);
        }
        if self.credit < 0 {
            (self.credit, self.pause) = (CREDIT_AFTER_PAUSE, PAUSE);
        }
        event
    }

    /// Counts a hit, and keeps the shapes in the order of their hits.
    fn count(&mut self, at: usize) {
        let Some((shape, before)) =
            self.shapes.get_mut(..=at).and_then(|shapes| shapes.split_last_mut())
        else {
            return;
        };
        shape.hits += 1;
        if let Some(next) = before.last_mut().filter(|next| next.hits < shape.hits) {
            std::mem::swap(next, shape);
        }
    }

    fn learn(&mut self, text: &[u8], kind: Kind) {
        let Some(mut shape) = Shape::of(text, kind) else { return };
        if self.shapes.len() == SHAPES_MAX {
            self.shapes.pop();
        }
        // Behind those that are used most, ahead of those that may not be used any more.
        let at = self.shapes.len().min(SHAPES_MAX / 2);
        shape.hits = self.shapes.get(at).map_or(0, |next| next.hits);
        self.shapes.insert(at, shape);
    }
}

/// Why a text was not read by a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Miss {
    /// It looks different outside of the holes.
    Shape,
    /// It looks the same up to a value that is not plain: nothing to learn from.
    Value,
}

/// The text of an event with holes in it.
pub(super) struct Shape {
    kind: Kind,
    hits: u64,
    /// What stands before each hole, and what may be in it.
    parts: Vec<(Box<str>, Hole)>,
    /// What stands behind the last hole.
    end: Box<str>,
}

impl Shape {
    /// The shape of a text that was read as an event; none of one with fields that its type does
    /// not name, which are kept in a text of their own.
    fn of(text: &[u8], kind: Kind) -> Option<Shape> {
        let text = std::str::from_utf8(text).ok()?;
        let holes = json::holes(text, kind)?;
        let values: usize = holes.iter().map(|(_, range)| range.len()).sum();
        if text.len().checked_sub(values)? > LITERALS_MAX {
            return None;
        }
        let mut parts = Vec::new();
        let mut behind = 0;
        for (hole, range) in holes {
            parts.push((text.get(behind..range.start)?.into(), hole));
            behind = range.end;
        }
        Some(Shape { kind, hits: 0, parts, end: text.get(behind..)?.into() })
    }

    /// The event that a text of this shape is; else `nearest` may become [`Miss::Value`].
    fn read<'a>(
        &self,
        text: &'a str,
        rules: &Rules,
        day: &mut plain::Day,
        nearest: &mut Miss,
    ) -> Option<Plain<'a>> {
        let mut parts = self.parts.iter();
        let (first, hole) = parts.next()?;
        let mut hole = *hole;
        // Most texts of another shape differ here.
        let mut rest = text.strip_prefix(&**first)?;
        let mut event = Plain::new(self.kind);
        loop {
            let length = match hole {
                Hole::Field(Field::Tags) if !rest.starts_with(['[', '{']) => return None,
                Hole::Field(Field::Tags) => plain::value_length(rest.as_bytes()),
                Hole::Key
                | Hole::CustomerId
                | Hole::EventTime
                | Hole::TotalAmount
                | Hole::Field(_) => plain::string_length(rest.as_bytes()),
            };
            let value = length.and_then(|length| rest.split_at_checked(length));
            let filled = value.and_then(|(value, behind)| {
                rest = behind;
                event.fill(hole, value, rules, day)
            });
            if filled.is_none() {
                *nearest = Miss::Value;
                return None;
            }
            let Some((before, next)) = parts.next() else {
                return (rest == &*self.end).then_some(event);
            };
            (rest, hole) = (rest.strip_prefix(&**before)?, *next);
        }
    }
}

/// An event whose strings stand in its text as they are.
pub(super) struct Plain<'a> {
    pub(super) kind: Kind,
    pub(super) key: &'a str,
    pub(super) customer_id: &'a str,
    pub(super) at_us: i64,
    pub(super) amount_cents: i64,
    pub(super) texts: [Option<&'a str>; FIELD_COUNT],
}

impl<'a> Plain<'a> {
    fn new(kind: Kind) -> Plain<'a> {
        let texts = [None; FIELD_COUNT];
        Plain { kind, key: "", customer_id: "", at_us: 0, amount_cents: 0, texts }
    }

    /// Puts the value of a hole into its field, if it may stand there.
    fn fill(
        &mut self,
        hole: Hole,
        value: &'a str,
        rules: &Rules,
        day: &mut plain::Day,
    ) -> Option<()> {
        match hole {
            Hole::Key => self.key = id(value)?,
            Hole::CustomerId => self.customer_id = id(value)?,
            Hole::EventTime => {
                let at_us = day.instant(value)?;
                self.at_us = rules.time_range_us.contains(&at_us).then_some(at_us)?;
            }
            Hole::TotalAmount => {
                let (cents, currency) = parse_amount(value)?;
                self.amount_cents = (currency == rules.currency).then_some(cents)?;
            }
            Hole::Field(field) => *self.texts.get_mut(field as usize)? = Some(value),
        }
        Some(())
    }
}

impl<'a> From<Plain<'a>> for Event<'a> {
    fn from(plain: Plain<'a>) -> Event<'a> {
        Event {
            kind: plain.kind,
            key: plain.key.into(),
            customer_id: plain.customer_id.into(),
            at_us: plain.at_us,
            amount_cents: plain.amount_cents,
            texts: plain.texts.map(|text| text.map(Cow::Borrowed)),
        }
    }
}

fn id(value: &str) -> Option<&str> {
    (1..=ID_BYTES_MAX).contains(&value.len()).then_some(value)
}
