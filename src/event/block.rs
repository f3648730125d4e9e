//! Events in memory of their own: what one thread reads and another one takes.
//!
//! An [`Event`] borrows from the text it was read from, and cannot leave it. A block holds the
//! texts, and of each event the strings, packed: the thread that takes it touches less memory, and
//! nothing is allocated for a single event.

use std::fmt;
use std::ops::Range;

use memchr::memchr;

use super::items::Item;
use super::pieces::{PIECE_BYTES, Piece};
use super::raw;
use super::reader::{self, Flow};
use super::shape::ShapeReader;
use super::{Event, Incoming, Kind, Rejection};

/// Entries that a block keeps memory for: more than a piece of usual lines has.
const ENTRIES_KEPT: usize = PIECE_BYTES / 64;

/// What stood in a part of a source, in order: see [`read_blocks`](crate::read_blocks).
#[derive(Default)]
pub struct EventBlock {
    piece: Piece,
    packed: Packed,
}

/// What was read: one entry for each event or rejection, and the memory they share.
#[derive(Default)]
struct Packed {
    entries: Vec<Entry>,
    /// Of each event its key, its customer's id and its optional texts, as `lengths` says.
    strings: String,
    /// Of each event's optional texts.
    lengths: Vec<u32>,
    /// The texts that do not stand in the piece.
    copies: Vec<u8>,
    rejections: Vec<Rejection>,
}

/// An event or a rejection, and where its parts begin.
#[derive(Clone, Copy)]
struct Entry {
    line: u64,
    /// Where its text is, in the piece or among the copies.
    text: usize,
    text_bytes: usize,
    is_copy: bool,
    /// None of a rejection.
    kind: Option<Kind>,
    /// Of the optional texts: one bit for each that there is.
    fields: u8,
    key_bytes: u8,
    customer_id_bytes: u8,
    /// Of an event where its strings begin, of a rejection which one it is.
    string: usize,
    /// Where its lengths begin.
    length: usize,
    at_us: i64,
    amount_cents: i64,
}

impl Entry {
    fn new(line: u64, text: Range<usize>, is_copy: bool) -> Entry {
        Entry {
            line,
            text: text.start,
            text_bytes: text.len(),
            is_copy,
            kind: None,
            fields: 0,
            key_bytes: 0,
            customer_id_bytes: 0,
            string: 0,
            length: 0,
            at_us: 0,
            amount_cents: 0,
        }
    }
}

/// Where an event or a rejection stood.
pub(crate) struct Placed<'b> {
    pub(crate) line: u64,
    pub(crate) text: &'b [u8],
    /// None of an event.
    pub(crate) rejection: Option<&'b Rejection>,
}

impl EventBlock {
    /// How many events and rejections there are.
    pub fn len(&self) -> usize {
        self.packed.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.entries.is_empty()
    }

    /// The event or rejection at a place, from 0; `None` past the last one.
    pub fn get(&self, at: usize) -> Option<Incoming<'_>> {
        let mut event = Event::nothing();
        let Placed { line, text, rejection } = self.read(at, &mut event)?;
        let event = rejection.map_or(Ok(event), |rejection| Err(rejection.clone()));
        Some(Incoming { line, text, event })
    }

    /// The same, with the event in the place of another: to move one costs more than to make it.
    pub(crate) fn read<'b>(&'b self, at: usize, event: &mut Event<'b>) -> Option<Placed<'b>> {
        let entry = self.packed.entries.get(at)?;
        let texts = if entry.is_copy { &self.packed.copies } else { self.piece.text() };
        let text = texts.get(entry.text..entry.text + entry.text_bytes)?;
        let rejection = match entry.kind {
            Some(kind) => {
                self.packed.event(kind, entry, event)?;
                None
            }
            None => Some(self.packed.rejections.get(entry.string)?),
        };
        Some(Placed { line: entry.line, text, rejection })
    }

    /// What the event at a place is looked up by: its kind, its key, and the id of its customer,
    /// which is the key if it tells of a customer. `None` of a rejection.
    pub fn names(&self, at: usize) -> Option<(Kind, &str, &str)> {
        let entry = self.packed.entries.get(at)?;
        let kind = entry.kind?;
        let (key, customer_id) = self.packed.ids(entry)?;
        Some((kind, key, if kind.is_customer() { key } else { customer_id }))
    }

    /// Reads the lines that a cutter put in.
    pub(crate) fn read_lines(&mut self, shapes: &mut ShapeReader<'_>) {
        let EventBlock { piece, packed } = self;
        if !piece.head.is_empty() {
            let each = &mut |item: Item<'_>| {
                reader::read_item(item, shapes, &mut |incoming| {
                    packed.add(&incoming, None);
                    Ok(Flow::Continue)
                })
            };
            piece.head.give(None, each).expect("who receives an event here never fails");
        }
        let text = piece.text();
        // Asked once for all lines; each for itself only if one of them is not UTF-8.
        let letters = std::str::from_utf8(text).ok();
        let mut line = piece.line();
        let mut at = 0;
        while let Some(length) = text.get(at..).and_then(|rest| memchr(b'\n', rest)) {
            let item = raw::trim_blanks(text.get(at..at + length).unwrap_or_default());
            if !item.is_empty() {
                packed.read_line(line, item, text, letters, shapes);
            }
            line += 1;
            at += length + 1;
        }
    }

    /// Adds what was read from a text that is not a line put in by a cutter.
    pub(super) fn add(&mut self, incoming: &Incoming<'_>) {
        self.packed.add(incoming, None);
    }

    /// Whether it holds as much as a piece usually does.
    pub(super) fn is_full(&self) -> bool {
        let Packed { entries, strings, copies, .. } = &self.packed;
        copies.len() + strings.len() + size_of_val(&**entries) >= PIECE_BYTES
    }

    /// Where a cutter puts lines.
    pub(super) fn piece(&mut self) -> &mut Piece {
        &mut self.piece
    }

    /// Forgets everything, but keeps the memory for as much as is usual.
    pub(crate) fn clear(&mut self) {
        self.piece.clear();
        self.packed.clear();
    }
}

impl Packed {
    /// Reads a line that stands in a piece; `letters` is the piece if all of it is UTF-8.
    fn read_line(
        &mut self,
        line: u64,
        text: &[u8],
        piece: &[u8],
        letters: Option<&str>,
        shapes: &mut ShapeReader<'_>,
    ) {
        let place = raw::place_in(piece, text).unwrap_or_default();
        let item = match letters {
            Some(letters) => letters.get(place.clone()),
            None => std::str::from_utf8(text).ok(),
        };
        if let Some(plain) = item.and_then(|item| shapes.plain(item)) {
            let mut entry = Entry::new(line, place, false);
            let texts = plain.texts.iter().copied();
            self.add_strings(plain.kind, plain.key, plain.customer_id, texts, &mut entry);
            (entry.at_us, entry.amount_cents) = (plain.at_us, plain.amount_cents);
            self.entries.push(entry);
            return;
        }
        let event = shapes.other(text);
        let item = Item { line, text, flaw: None, is_element: false };
        reader::hand_on(item, event, shapes, &mut |incoming| {
            self.add(&incoming, Some(piece));
            Ok(Flow::Continue)
        })
        .expect("who receives an event here never fails");
    }

    /// Adds an event or rejection. Its text stands in `piece`, or is copied.
    fn add(&mut self, incoming: &Incoming<'_>, piece: Option<&[u8]>) {
        let Incoming { line, text, event } = incoming;
        let place = piece.and_then(|piece| raw::place_in(piece, text));
        let is_copy = place.is_none();
        let place = place.unwrap_or_else(|| {
            self.copies.extend_from_slice(text);
            self.copies.len() - text.len()..self.copies.len()
        });
        let mut entry = Entry::new(*line, place, is_copy);
        match event {
            Ok(event) => {
                let texts = event.texts.iter().map(Option::as_deref);
                self.add_strings(event.kind, &event.key, &event.customer_id, texts, &mut entry);
                (entry.at_us, entry.amount_cents) = (event.at_us, event.amount_cents);
            }
            Err(rejection) => {
                entry.string = self.rejections.len();
                self.rejections.push(rejection.clone());
            }
        }
        self.entries.push(entry);
    }

    fn add_strings<'a>(
        &mut self,
        kind: Kind,
        key: &str,
        customer_id: &str,
        texts: impl Iterator<Item = Option<&'a str>>,
        entry: &mut Entry,
    ) {
        entry.kind = Some(kind);
        (entry.string, entry.length) = (self.strings.len(), self.lengths.len());
        (entry.key_bytes, entry.customer_id_bytes) = (id_bytes(key), id_bytes(customer_id));
        self.strings.push_str(key);
        self.strings.push_str(customer_id);
        for (field, text) in texts.enumerate() {
            if let Some(text) = text {
                entry.fields |= 1 << field;
                self.lengths.push(u32::try_from(text.len()).expect("an event is at most 1 MiB"));
                self.strings.push_str(text);
            }
        }
    }

    /// An event's key and the id of its customer.
    fn ids(&self, entry: &Entry) -> Option<(&str, &str)> {
        let middle = entry.string + usize::from(entry.key_bytes);
        let end = middle + usize::from(entry.customer_id_bytes);
        Some((self.strings.get(entry.string..middle)?, self.strings.get(middle..end)?))
    }

    fn event<'b>(&'b self, kind: Kind, entry: &Entry, event: &mut Event<'b>) -> Option<()> {
        let (key, customer_id) = self.ids(entry)?;
        event.kind = kind;
        event.key = key.into();
        event.customer_id = customer_id.into();
        event.at_us = entry.at_us;
        event.amount_cents = entry.amount_cents;
        let mut strings = self.strings.get(entry.string + key.len() + customer_id.len()..)?;
        let mut lengths = self.lengths.get(entry.length..)?.iter();
        for (field, place) in event.texts.iter_mut().enumerate() {
            *place = None;
            if entry.fields & (1 << field) != 0 {
                let length = usize::try_from(*lengths.next()?).ok()?;
                let (text, rest) = strings.split_at_checked(length)?;
                *place = Some(text.into());
                strings = rest;
            }
        }
        Some(())
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.lengths.clear();
        self.rejections.clear();
        self.strings.clear();
        self.copies.clear();
        // One text of many megabytes, or of very short lines, is no reason to keep as much.
        self.entries.shrink_to(ENTRIES_KEPT);
        self.lengths.shrink_to(ENTRIES_KEPT);
        self.rejections.shrink_to(ENTRIES_KEPT);
        self.strings.shrink_to(2 * PIECE_BYTES);
        self.copies.shrink_to(2 * PIECE_BYTES);
    }
}

impl fmt::Debug for EventBlock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries((0..self.len()).map(|at| self.get(at))).finish()
    }
}

/// The bytes of an id, of which a reader gives no more than 255.
fn id_bytes(id: &str) -> u8 {
    u8::try_from(id.len()).expect("an id is at most 255 bytes")
}
