//! Sizes as options give them: bytes, or a number with a unit.

/// Units by their names in small letters. Those of a single letter are powers of two, as `dd` and
/// systemd have them.
const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

/// A number of bytes above 0, such as `16M`, `64MiB` or `1000000`.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is no size above 0 such as 16M, 64MiB or 1000000");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, bytes) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    let bytes = number.checked_mul(bytes).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("{text:?} is more than there can be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        for (text, bytes) in [
            ("1", 1),
            ("1000000", 1_000_000),
            ("2K", 2_048),
            ("16M", 16 << 20),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            ("1G", 1 << 30),
            ("5MB", 5_000_000),
            ("7B", 7),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "0M", "M", "-1", "1.5M", "16X", "16M ", " 16M", "1e6", "+1"] {
            assert!(parse(text).unwrap_err().contains("16M"), "{text}");
        }
        assert!(parse("99999999999G").unwrap_err().contains("more than there can be"));
    }
}
