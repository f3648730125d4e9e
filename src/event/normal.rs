//! The normal form of an event: bytes that two events have in common exactly if they are the
//! same event, however each was spelled.
//!
//! The bytes are for comparing and hashing. They are not stored, but hashes of them are, in the
//! key sidecars: other bytes for the same event would be another version of those.

use std::borrow::Cow;
use std::ops::Range;

use super::raw::{Token, Tokens, decode};
use super::{EVENT_LEVELS_MAX, Event, FIELDS, Field};

// What begins a value. Every value tells where it ends, so no two different sequences of values
// have the same bytes.
const ABSENT: u8 = b'-';
const STRING: u8 = b's';
const NUMBER: u8 = b'd';
const WORD: u8 = b'w';
const OBJECT: u8 = b'{';
const ARRAY: u8 = b'[';
const END: u8 = b']';
/// Text that is no JSON; only an event that was not read from JSON can have it.
const OPAQUE: u8 = b'?';

impl Event<'_> {
    /// Appends the event's normal form.
    pub fn normal_form(&self, out: &mut Vec<u8>) {
        push_text(self.kind.type_name(), out);
        push_text(self.kind.verb(), out);
        push_text(&self.key, out);
        push_text(&self.customer_id, out);
        out.extend(self.at_us.to_le_bytes());
        out.extend(self.amount_cents.to_le_bytes());
        for (field, text) in FIELDS.iter().zip(&self.texts) {
            match (field, text) {
                (_, None) => out.push(ABSENT),
                (Field::Tags | Field::Other, Some(text)) => push_json(*field, text, out),
                (_, Some(text)) => push_text(text, out),
            }
        }
    }
}

/// Appends a string with its length.
fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(STRING);
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Appends raw JSON by its structure.
fn push_json(field: Field, text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut tokens = Tokens::new(text);
    let whole = tokens.next().and_then(|token| push_value(token, &mut tokens, 1, out));
    if whole.is_none() || tokens.next().is_some() {
        out.truncate(start);
        push_text(text, out);
        if let Some(kind) = out.get_mut(start) {
            *kind = OPAQUE;
        }
    } else if field == Field::Other && out.get(start..) == Some(&[OBJECT, END]) {
        // Whether there is an object to hold no other fields is nothing that an event says.
        out.truncate(start);
        out.push(ABSENT);
    }
}

/// Appends one value; nothing if it is no JSON after all.
fn push_value(
    token: Token<'_>,
    tokens: &mut Tokens<'_>,
    level: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    match token {
        Token::End => return None,
        Token::Object | Token::Array if level > EVENT_LEVELS_MAX => return None,
        Token::String(text) => push_text(&decode(text), out),
        Token::Scalar(text @ ("true" | "false" | "null")) => {
            out.push(WORD);
            out.extend(text.bytes().take(1));
        }
        Token::Scalar(text) => push_number(text, out)?,
        Token::Array => {
            out.push(ARRAY);
            loop {
                let token = tokens.next()?;
                if token == Token::End {
                    break;
                }
                push_value(token, tokens, level + 1, out)?;
            }
            out.push(END);
        }
        Token::Object => push_object(tokens, level, out)?,
    }
    Some(())
}

/// Appends an object's members in the order of their names.
fn push_object(tokens: &mut Tokens<'_>, level: usize, out: &mut Vec<u8>) -> Option<()> {
    out.push(OBJECT);
    let start = out.len();
    let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
    loop {
        let name = match tokens.next()? {
            Token::End => break,
            Token::String(name) => decode(name),
            Token::Object | Token::Array | Token::Scalar(_) => return None,
        };
        let member = out.len();
        push_text(&name, out);
        push_value(tokens.next()?, tokens, level + 1, out)?;
        members.push((name, member - start..out.len() - start));
    }
    if !members.is_sorted_by(|one, next| one.0 <= next.0) {
        members.sort_by(|one, other| one.0.cmp(&other.0));
        let unsorted = out.split_off(start);
        for (_, bytes) in members {
            out.extend(unsorted.get(bytes)?);
        }
    }
    out.push(END);
    Some(())
}

/// Appends a number by its exact decimal value: its digits without zeros at either end, and the
/// power of ten that the last of them counts. No exponent is too large, and none takes more time
/// than reading it.
fn push_number(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (b'-', text),
        None => (b'+', text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (text, "0"),
    };
    let (units, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !(units.bytes().chain(fraction.bytes())).all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let leading_zeros = units.bytes().chain(fraction.bytes()).take_while(|d| *d == b'0').count();
    let trailing_zeros =
        fraction.bytes().rev().chain(units.bytes().rev()).take_while(|d| *d == b'0').count();
    let digits = units.len() + fraction.len();
    if digits == 0 {
        return None;
    }
    out.push(NUMBER);
    if leading_zeros < digits {
        out.push(sign);
        let significant = units.bytes().chain(fraction.bytes()).skip(leading_zeros);
        out.extend(significant.take(digits - leading_zeros - trailing_zeros));
        let shift = i64::try_from(trailing_zeros).ok()? - i64::try_from(fraction.len()).ok()?;
        push_sum(exponent, shift, out)?;
    }
    out.push(END);
    Some(())
}

/// Appends the sum of an exponent of any length and a small number, in decimal, after an `e`.
fn push_sum(exponent: &str, addend: i64, out: &mut Vec<u8>) -> Option<()> {
    let (negative, digits) = match exponent.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = digits.get(zeros..)?;
    out.push(b'e');
    if digits.len() <= 17 {
        let magnitude = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        let exponent = if negative { -magnitude } else { magnitude };
        out.extend((exponent + addend).to_string().as_bytes());
        return Some(());
    }
    // The magnitude is at least 10^17 and the addend a length of text, so the sum has the
    // exponent's sign, and only a carry has to be passed up its digits.
    let mut carry = if negative { -addend } else { addend };
    let mut sum = Vec::with_capacity(digits.len() + 1);
    for digit in digits.iter().rev() {
        let value = i64::from(digit - b'0') + carry;
        sum.push(b'0' + u8::try_from(value.rem_euclid(10)).ok()?);
        carry = value.div_euclid(10);
    }
    sum.extend((carry > 0).then_some(b'1'));
    out.extend(negative.then_some(b'-'));
    out.extend(sum.iter().rev().skip_while(|digit| **digit == b'0'));
    Some(())
}
