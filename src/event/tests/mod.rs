//! What events do that only their inside can tell.

mod numbers;
mod shape;
mod times;
mod walk;

use super::*;

/// A small generator of numbers (SplitMix64); the same seed gives the same numbers.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Calls `each` with every text of up to so many characters of an alphabet.
pub(super) fn every_text(alphabet: &[u8], length_max: usize, each: &mut dyn FnMut(&str)) {
    let mut places = Vec::new();
    loop {
        let text: String =
            places.iter().map(|place: &usize| char::from(alphabet[*place])).collect();
        each(&text);
        let mut at = 0;
        loop {
            if at == places.len() {
                if at == length_max {
                    return;
                }
                places.push(0);
                break;
            }
            places[at] += 1;
            if places[at] < alphabet.len() {
                break;
            }
            places[at] = 0;
            at += 1;
        }
    }
}

#[test]
fn amounts_are_what_the_specification_says_on_every_short_text() {
    /// The grammar, spelled out as one would on paper.
    fn expected(text: &str) -> Option<i64> {
        let (amount, currency) = text.split_at_checked(text.len().checked_sub(4)?)?;
        let letters = currency.strip_prefix(' ')?;
        if !letters.chars().all(|c| c.is_ascii_uppercase()) {
            return None;
        }
        let digits = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let unsigned = amount.strip_prefix('-').unwrap_or(amount);
        let parts: Vec<&str> = unsigned.split('.').collect();
        match parts[..] {
            [units] if digits(units, 12) => {}
            [units, cents] if digits(units, 12) && digits(cents, 2) => {}
            _ => return None,
        }
        let value: f64 = amount.parse().ok()?;
        Some((value * 100.0).round() as i64)
    }
    let mut accepted = 0;
    every_text(b"09.- UD", 7, &mut |text| {
        let amount = parse_amount(text).map(|(cents, _)| cents);
        assert_eq!(amount, expected(text), "{text:?}");
        accepted += u32::from(amount.is_some());
    });
    assert!(accepted > 100);
    for (text, amount) in [
        ("12.34 USD", Some((1234, *b"USD"))),
        ("-12.3 EUR", Some((-1230, *b"EUR"))),
        ("-0.00 USD", Some((0, *b"USD"))),
        ("000000000001.05 USD", Some((105, *b"USD"))),
        ("999999999999.99 USD", Some((99_999_999_999_999, *b"USD"))),
        ("1000000000000 USD", None),
        ("0000000000001 USD", None),
        ("1.234 USD", None),
        ("+1 USD", None),
        ("1,00 USD", None),
        ("1e2 USD", None),
        ("１ USD", None),
        ("1  USD", None),
        ("1\tUSD", None),
        ("1 usd", None),
        ("1 USDT", None),
        ("1 ÄU", None),
        (" 1 USD", None),
        ("1 USD ", None),
    ] {
        assert_eq!(parse_amount(text), amount, "{text:?}");
    }
}

#[test]
fn cents_are_written_with_two_decimals() {
    let written = |cents| {
        let mut out = String::new();
        write_cents(cents, &mut out);
        out
    };
    assert_eq!(written(0), "0.00");
    assert_eq!(written(-5), "-0.05");
    assert_eq!(written(1230), "12.30");
    assert_eq!(written(i128::MIN), "-1701411834604692317316873037158841057.28");
    assert_eq!(written(i128::MAX), "1701411834604692317316873037158841057.27");
}
