//! Instants, days and calendar weeks, counted one by one from the calendar's own rules.

pub const SECOND_US: i64 = 1_000_000;
pub const DAY_US: i64 = 86_400 * SECOND_US;

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_year(year: i64) -> i64 {
    if leap(year) { 366 } else { 365 }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, `None` for a date that no calendar has.
pub fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let years: i64 = if year >= 1970 {
        (1970..year).map(days_in_year).sum()
    } else {
        -(year..1970).map(days_in_year).sum::<i64>()
    };
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    Some(years + months + day - 1)
}

/// The year, month and day of a day from 1970-01-01.
pub fn date(mut days: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += days_in_year(year);
    }
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

/// The text up to the pattern, where `0` stands for a digit and any other byte for itself.
fn digits(text: &mut &[u8], pattern: &str) -> Option<Vec<i64>> {
    let mut numbers = vec![0_i64];
    let (head, tail) = (text.get(..pattern.len())?, &text[pattern.len()..]);
    for (have, want) in head.iter().zip(pattern.bytes()) {
        match want {
            b'0' if have.is_ascii_digit() => {
                let last = numbers.last_mut().unwrap();
                *last = *last * 10 + i64::from(have - b'0');
            }
            b'0' => return None,
            b'T' if matches!(have, b'T' | b't') => numbers.push(0),
            _ if *have == want => numbers.push(0),
            _ => return None,
        }
    }
    *text = tail;
    Some(numbers)
}

/// Microseconds since 1970 of `YYYY-MM-DD[Tt]hh:mm:ss[.d+](Z|z|±hh:mm)`.
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let parts = digits(&mut rest, "0000-00-00T00:00:00")?;
    let [year, month, day, hour, minute, second] = parts[..] else { return None };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = fraction.iter().take_while(|digit| digit.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        for digit in fraction[..count].iter().chain(b"000000").take(6) {
            micros = micros * 10 + i64::from(digit - b'0');
        }
        rest = &fraction[count..];
    }
    let offset_minutes = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), offset @ ..] => {
            let mut offset = offset;
            let parts = digits(&mut offset, "00:00")?;
            let [hours, minutes] = parts[..] else { return None };
            if hours > 23 || minutes > 59 || !offset.is_empty() {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = (hour * 60 + minute - offset_minutes) * 60 + second;
    Some(day_number(year, month, day)? * DAY_US + seconds * SECOND_US + micros)
}

/// The day an instant lies in.
pub fn day_of(at_us: i64) -> i64 {
    at_us.div_euclid(DAY_US)
}

/// 0 for a Sunday to 6 for a Saturday; 1970-01-01 was a Thursday.
fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// How many calendar weeks two instants and all between them touch.
pub fn weeks(first_us: i64, last_us: i64, monday: bool) -> i64 {
    let start = |at_us| {
        let mut day = day_of(at_us);
        while weekday(day) != i64::from(monday) {
            day -= 1;
        }
        day
    };
    (start(last_us) - start(first_us)) / 7 + 1
}

/// In UTC with `Z`; with `digits` digits of the second's fraction, cut.
pub fn write(at_us: i64, digits: usize) -> String {
    let (year, month, day) = date(day_of(at_us));
    let in_day = at_us.rem_euclid(DAY_US);
    let seconds = in_day / SECOND_US;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if digits > 0 {
        let fraction = format!("{:06}", in_day % SECOND_US);
        text.push('.');
        text.push_str(&fraction[..digits]);
    }
    text.push('Z');
    text
}

/// As `write`, with the fewest digits that lose nothing.
pub fn write_shortest(at_us: i64) -> String {
    let digits = (0..6).find(|digits| at_us.rem_euclid(10_i64.pow(6 - digits)) == 0).unwrap_or(6);
    write(at_us, digits as usize)
}
