//! Instants as events spell them, to microseconds since 1970 and back.
//!
//! The grammar is narrower than RFC 3339 and exactly the specification's:
//! `YYYY-MM-DD[Tt]hh:mm:ss[.d+](Z|z|±hh:mm)`. There are no leap seconds and no local time; an
//! instant that no such text in UTC could give back (outside the years 0000 to 9999) is none. What
//! dates there are and how far they lie apart, `jiff` knows.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, datetime};
use jiff::fmt::temporal::DateTimePrinter;

/// Microseconds in a second.
const SECOND_US: i64 = 1_000_000;
/// What instants are counted from.
const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);

/// The instant that an `event_time` names, in microseconds since 1970-01-01T00:00:00Z; digits
/// beyond the sixth are cut.
pub fn parse_time(text: &str) -> Option<i64> {
    let (date, rest) = text.as_bytes().split_at_checked(10)?;
    let [b'T' | b't', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = rest else {
        return None;
    };
    let time = time_of([*h1, *h2], [*m1, *m2], [*s1, *s2])?;
    let local = date_of(date)?.to_datetime(time);
    let (fraction_us, zone) = parse_fraction(rest)?;
    let utc = match zone {
        [b'Z' | b'z'] => local,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let offset = time_of([*h1, *h2], [*m1, *m2], *b"00")?.duration_since(Time::MIN);
            // Fails behind the year 9999, where no instant is.
            local.checked_add(if *sign == b'+' { -offset } else { offset }).ok()?
        }
        _ => return None,
    };
    (utc.year() >= 0).then(|| since_epoch(utc) + fraction_us)
}

/// The instant at which the date `YYYY-MM-DD` begins in UTC, in microseconds since 1970.
pub fn parse_date(text: &str) -> Option<i64> {
    Some(since_epoch(date_of(text.as_bytes())?.into()))
}

/// Appends the instant in UTC with six digits of the second: `2017-01-06T12:46:46.384000Z`.
///
/// An instant that no year of four digits has, which `parse_time` cannot have read, is written as
/// text that it cannot read either.
pub fn write_time(at_us: i64, out: &mut String) {
    write_with(&DateTimePrinter::new().precision(Some(6)), at_us, out);
}

/// Appends the instant in UTC with as few digits of the second as it needs:
/// `2017-01-06T12:46:46.384Z`, `2017-01-06T12:46:46Z`; for any other instant see [`write_time`].
pub fn write_time_shortest(at_us: i64, out: &mut String) {
    write_with(&DateTimePrinter::new(), at_us, out);
}

fn write_with(printer: &DateTimePrinter, at_us: i64, out: &mut String) {
    match EPOCH.checked_add(SignedDuration::from_micros(at_us)) {
        Ok(utc) => {
            printer.print_datetime(&utc, &mut *out).expect("a string takes all text");
            out.push('Z');
        }
        Err(_) => {
            write!(out, "{at_us} microseconds since 1970").expect("a string takes all text");
        }
    }
}

/// The microseconds of `.d+`, none or any number of digits, and what follows it.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at_checked(count)?;
    let mut padded = *b"000000";
    for (place, digit) in padded.iter_mut().zip(digits) {
        *place = *digit;
    }
    (count > 0).then_some((number(&padded)?, zone))
}

/// A time of day, if the clock ever shows it.
fn time_of(hours: [u8; 2], minutes: [u8; 2], seconds: [u8; 2]) -> Option<Time> {
    Time::new(number(&hours)?, number(&minutes)?, number(&seconds)?, 0).ok()
}

/// The date `YYYY-MM-DD`, if the calendar has it.
fn date_of(text: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    Date::new(number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?).ok()
}

/// Microseconds from 1970 to the beginning of a second. No year that a date can have is too far.
fn since_epoch(utc: DateTime) -> i64 {
    utc.duration_since(EPOCH).as_secs() * SECOND_US
}

/// The number that ASCII digits spell, if it fits.
fn number<T: TryFrom<i64>>(digits: &[u8]) -> Option<T> {
    let value = digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })?;
    T::try_from(value).ok()
}
