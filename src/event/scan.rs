//! Where a JSON value ends, told by brackets and quotes alone, over pieces of text of any size.
//!
//! It finds the end of every value that is JSON. Whether the text is JSON, it does not ask.

use memchr::memchr2;

/// The state of the search between two pieces of text.
#[derive(Debug, Default)]
pub(super) struct Scan {
    place: Place,
    /// Brackets that are open.
    depth: u64,
}

/// What the last byte was part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing of the value yet.
    #[default]
    Before,
    /// The inside of an object or array.
    Between,
    /// A number or a word that is the whole value.
    Scalar,
    /// A string.
    String,
    /// A string, right behind a backslash.
    Escape,
}

impl Scan {
    /// Reads on. Gives the length of the part of `text` that still belongs to the value, once its
    /// end has been seen; `None` if all of the text does.
    ///
    /// The value must begin with the first byte of the first text, without blanks before it.
    pub(super) fn feed(&mut self, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            match (self.place, byte) {
                (Place::String, _) => {
                    at += memchr2(b'"', b'\\', text.get(at..)?)?;
                    if text.get(at) == Some(&b'\\') {
                        self.place = Place::Escape;
                    } else if self.depth == 0 {
                        return Some(at + 1);
                    } else {
                        self.place = Place::Between;
                    }
                }
                (Place::Escape, _) => self.place = Place::String,
                (Place::Scalar, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') => {
                    return Some(at);
                }
                (Place::Scalar, _) => {}
                (Place::Before | Place::Between, b'"') => self.place = Place::String,
                (Place::Before | Place::Between, b'{' | b'[') => {
                    self.place = Place::Between;
                    self.depth += 1;
                }
                (Place::Before, _) => self.place = Place::Scalar,
                (Place::Between, b'}' | b']') => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                (Place::Between, _) => {}
            }
            at += 1;
        }
        None
    }
}
