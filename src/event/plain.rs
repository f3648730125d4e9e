//! Values spelled plainly, as programs print them: strings without escapes, instants in UTC, small
//! nested values. What is spelled otherwise is no error here; it is left to who knows all of JSON.

use super::{parse_date, parse_time};

const SECOND_US: i64 = 1_000_000;
/// Levels of objects and arrays inside a value.
const LEVELS_MAX: usize = 8;
/// Members of an object: their names are compared each with each.
const MEMBERS_MAX: usize = 8;

/// How many bytes there are before the quote that ends a string; nothing if there are escapes or
/// control characters among them, or no quote behind them.
pub(super) fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut words = text.chunks_exact(8);
    for word in words.by_ref() {
        let bytes: [u8; 8] = word.try_into().ok()?;
        let marks = special(u64::from_le_bytes(bytes));
        if marks != 0 {
            let byte = at + (marks.trailing_zeros() / 8) as usize;
            return (text.get(byte) == Some(&b'"')).then_some(byte);
        }
        at += 8;
    }
    let length =
        words.remainder().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    (text.get(at + length) == Some(&b'"')).then_some(at + length)
}

/// Marks the lowest of eight bytes that is a quote, a backslash or a control character, and maybe
/// some above it: subtraction borrows from a byte only where one below it is marked rightly.
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * 0x22));
    let backslashes = zeros(word ^ (ONES * 0x5C));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & (ONES * 0x80)
}

/// The length of the array or object that a text begins with; nothing if it is not JSON, has a
/// name twice, or is not plain.
pub(super) fn value_length(text: &[u8]) -> Option<usize> {
    if !matches!(text.first()?, b'[' | b'{') {
        return None;
    }
    let mut cursor = Cursor { text, at: 0 };
    cursor.value(LEVELS_MAX)?;
    Some(cursor.at)
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes a byte if it is the next, after spaces.
    fn took(&mut self, byte: u8) -> bool {
        self.skip_spaces();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn value(&mut self, levels: usize) -> Option<()> {
        self.skip_spaces();
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(levels.checked_sub(1)?),
            b'[' => self.array(levels.checked_sub(1)?),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.took(b'"') {
            return None;
        }
        let rest = self.text.get(self.at..)?;
        let length = string_length(rest)?;
        self.at += length + 1;
        rest.get(..length)
    }

    fn object(&mut self, levels: usize) -> Option<()> {
        self.at += 1;
        let mut names: [&[u8]; MEMBERS_MAX] = [b""; MEMBERS_MAX];
        let mut members = 0;
        if self.took(b'}') {
            return Some(());
        }
        loop {
            self.skip_spaces();
            let name = self.string()?;
            if names.get(..members)?.contains(&name) {
                return None;
            }
            *names.get_mut(members)? = name;
            members += 1;
            if !self.took(b':') {
                return None;
            }
            self.value(levels)?;
            if self.took(b'}') {
                return Some(());
            }
            if !self.took(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, levels: usize) -> Option<()> {
        self.at += 1;
        if self.took(b']') {
            return Some(());
        }
        loop {
            self.value(levels)?;
            if self.took(b']') {
                return Some(());
            }
            if !self.took(b',') {
                return None;
            }
        }
    }

    /// A number without an exponent.
    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        let starts_with_zero = self.peek() == Some(b'0');
        let units = self.digits()?;
        if starts_with_zero && units > 1 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        // What may not follow a number is no separator either, and is met there.
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<usize> {
        let rest = self.text.get(self.at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(count)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }
}

/// The day of the instant that was read last: the next one is often in the same.
#[derive(Debug)]
pub(super) struct Day {
    date: [u8; 10],
    begins_us: i64,
}

impl Default for Day {
    fn default() -> Day {
        Day { date: *b"1970-01-01", begins_us: 0 }
    }
}

impl Day {
    /// As [`parse_time`].
    pub(super) fn instant(&mut self, text: &str) -> Option<i64> {
        self.plain(text.as_bytes()).or_else(|| {
            let at_us = parse_time(text)?;
            let date = text.get(..10)?;
            (self.date, self.begins_us) = (date.as_bytes().try_into().ok()?, parse_date(date)?);
            Some(at_us)
        })
    }

    /// An instant of this day, in UTC: `YYYY-MM-DDThh:mm:ss` with up to six digits of the second.
    fn plain(&self, text: &[u8]) -> Option<i64> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        let [b'T', h1, h2, b':', m1, m2, b':', s1, s2, rest @ .., b'Z'] = rest else {
            return None;
        };
        let hours = below(24, *h1, *h2)?;
        let minutes = below(60, *m1, *m2)?;
        let seconds = below(60, *s1, *s2)?;
        let fraction_us = match rest {
            [] => 0,
            [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
                let mut value = 0;
                for digit in digits {
                    value = value * 10 + digit_of(*digit)?;
                }
                (digits.len()..6).fold(value, |value, _| value * 10)
            }
            _ => return None,
        };
        let seconds = (hours * 60 + minutes) * 60 + seconds;
        (*date == self.date).then_some(self.begins_us + seconds * SECOND_US + fraction_us)
    }
}

/// The number that two digits spell, if it is below `end`.
fn below(end: i64, tens: u8, ones: u8) -> Option<i64> {
    let value = digit_of(tens)? * 10 + digit_of(ones)?;
    (value < end).then_some(value)
}

fn digit_of(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}
