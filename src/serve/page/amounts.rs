//! Amounts and counts for people: digits in threes, and short ones beside an axis.

use crate::wire::amount;

/// 1234567 cents as 12,345.67.
pub(super) fn grouped_cents(cents: i128) -> String {
    grouped(&amount(cents))
}

/// 12345 as 12,345.
pub(in crate::serve) fn grouped_count(count: impl Into<i128>) -> String {
    grouped(&count.into().to_string())
}

fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("\u{2212}", rest));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut out = sign.to_owned();
    for (digit, left) in whole.chars().zip((1..=whole.len()).rev()) {
        out.push(digit);
        if left > 1 && left % 3 == 1 {
            out.push(',');
        }
    }
    if !part.is_empty() {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// The shortest text of a round number of units: 1500 as 1.5k, 2000000 as 2M.
pub(super) fn short_count(count: i128) -> String {
    const NAMES: [(i128, &str); 6] = [
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
        (1, ""),
    ];
    let size = count.saturating_abs();
    let sign = if count < 0 { "\u{2212}" } else { "" };
    let found = NAMES.into_iter().find(|(unit, _)| *unit <= size);
    let Some((unit, name)) = found else { return "0".to_owned() };
    let (whole, rest) = (size / unit, size % unit);
    if unit == 1 || rest == 0 {
        return format!("{sign}{}{name}", grouped(&whole.to_string()));
    }
    let part = format!("{:03}", rest / (unit / 1_000));
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}{name}")
}

/// The same of cents.
pub(super) fn short_cents(cents: i128) -> String {
    if cents % 100 == 0 { short_count(cents / 100) } else { grouped_cents(cents) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (cents, text) in [
            (0, "0.00"),
            (123, "1.23"),
            (12_345, "123.45"),
            (123_456, "1,234.56"),
            (-123_456_789, "\u{2212}1,234,567.89"),
        ] {
            assert_eq!(grouped_cents(cents), text);
        }
        assert_eq!(grouped_count(1_000_i64), "1,000");
        for (cents, text) in [
            (0, "0"),
            (20, "0.20"),
            (50_000, "500"),
            (150_000, "1.5k"),
            (-2_000_000, "\u{2212}20k"),
            (125_000_000, "1.25M"),
            (300_000_000_000, "3G"),
        ] {
            assert_eq!(short_cents(cents), text);
        }
    }
}
