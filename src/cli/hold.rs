//! How long events are held that wait for their customer or order: `100000`, `5s`, `100000,5s`.

use crate::HoldMax;

/// Reads the value of `--hold-max`.
pub(crate) fn parse(text: &str) -> Result<HoldMax, String> {
    let wrong =
        || "this is a number of events, as 100000, of seconds, as 5s, or both, as 100000,5s";
    let mut hold = HoldMax { events: u64::MAX, us: u64::MAX };
    for part in text.split(',') {
        let (digits, is_seconds) = part.strip_suffix('s').map_or((part, false), |n| (n, true));
        let number: u64 = digits.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        let place = if is_seconds { &mut hold.us } else { &mut hold.events };
        if *place != u64::MAX {
            return Err(wrong().to_owned());
        }
        let scale = if is_seconds { 1_000_000 } else { 1 };
        *place = number.checked_mul(scale).ok_or_else(wrong)?;
    }
    Ok(hold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_seconds_or_both() {
        let hold = |events, us| Ok(HoldMax { events, us });
        assert_eq!(parse("7"), hold(7, u64::MAX));
        assert_eq!(parse("5s"), hold(u64::MAX, 5_000_000));
        assert_eq!(parse("5s,7"), hold(7, 5_000_000));
        for text in ["", "0", "s", "5s,6s", "1,2", "-1", "5m", "1,", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
