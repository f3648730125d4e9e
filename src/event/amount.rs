//! Amounts as orders spell them, `"12.34 USD"`, to integer cents and back.
//!
//! Which currency is right, and what sum is too much, is for others to say.

use std::fmt::Write;

/// An amount in cents and its currency, or nothing if the text is no amount: an optional minus,
/// 1 to 12 digits, optionally a point and 1 or 2 digits, one space, three capital letters.
pub fn parse_amount(text: &str) -> Option<(i64, [u8; 3])> {
    let (amount, currency) = text.split_once(' ')?;
    let currency: [u8; 3] = currency.as_bytes().try_into().ok()?;
    if !currency.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let (sign, digits) = match amount.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, amount),
    };
    let (units, cents) = match digits.split_once('.') {
        Some((units, cents)) => (units, parse_hundredths(cents)?),
        None => (digits, 0),
    };
    if units.is_empty() || units.len() > 12 || !units.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let units: i64 = units.parse().ok()?;
    Some((sign * (units * 100 + cents), currency))
}

/// Appends cents as a decimal number with two digits after the point: `-0.05`, `12.30`.
pub fn write_cents(cents: i128, out: &mut String) {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    write!(out, "{sign}{}.{:02}", cents / 100, cents % 100).expect("a string takes all text");
}

/// The hundredths that one or two digits after a point stand for.
fn parse_hundredths(digits: &str) -> Option<i64> {
    let value = |digit: u8| digit.is_ascii_digit().then(|| i64::from(digit - b'0'));
    match digits.as_bytes() {
        [tenths] => Some(value(*tenths)? * 10),
        [tenths, hundredths] => Some(value(*tenths)? * 10 + value(*hundredths)?),
        _ => None,
    }
}
