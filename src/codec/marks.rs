//! Marks: where in its sources a batch ends. What source and position mean is their writer's affair.

use crate::error::Fault;

/// Appends a mark; `false`, and nothing appended, if one of its parts is longer than 255 bytes.
pub(super) fn write_mark(source: &[u8], position: &[u8], out: &mut Vec<u8>) -> bool {
    let lengths = (u8::try_from(source.len()), u8::try_from(position.len()));
    let (Ok(source_length), Ok(position_length)) = lengths else { return false };
    out.push(source_length);
    out.extend_from_slice(source);
    out.push(position_length);
    out.extend_from_slice(position);
    true
}

/// The marks in the bytes of column 16.
pub(super) struct Marks<'a> {
    rest: &'a [u8],
}

impl<'a> Marks<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Marks { rest: bytes }
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first()?;
        let (part, rest) = rest.split_at_checked(usize::from(*length))?;
        self.rest = rest;
        Some(part)
    }
}

impl<'a> Iterator for Marks<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mark = self.part().and_then(|source| Some((source, self.part()?)));
        if mark.is_none() {
            self.rest = &[];
        }
        Some(mark.ok_or(Fault::Corrupt("a mark of a batch is cut")))
    }
}
