//! Times, held against the rules of the calendar and against what `jiff` makes of whole texts.

use super::super::*;
use super::Random;

const DAY_US: i64 = 86_400_000_000;

fn written(at_us: i64) -> String {
    let mut out = String::new();
    write_time_shortest(at_us, &mut out);
    out
}

#[test]
fn every_date_of_ten_thousand_years_is_read_and_written() {
    let mut expected = -719_528 * DAY_US;
    for year in 0..=9999 {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if is_leap { 29 } else { 28 };
        let lengths = [0, 31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0];
        for (month, length) in lengths.into_iter().enumerate() {
            for day in 0..=32 {
                let text = format!("{year:04}-{month:02}-{day:02}");
                if !(1..=length).contains(&day) {
                    assert_eq!(parse_date(&text), None, "{text}");
                    continue;
                }
                assert_eq!(parse_date(&text), Some(expected), "{text}");
                let time = format!("{text}T00:00:00Z");
                assert_eq!(parse_time(&time), Some(expected));
                assert_eq!(written(expected), time);
                expected += DAY_US;
            }
        }
    }
    assert_eq!(parse_date("1970-01-01"), Some(0));
    assert_eq!(parse_date("2017-01-06"), Some(1_483_660_800_000_000));
}

#[test]
fn every_two_digits_of_hours_minutes_and_seconds_are_read_as_far_as_a_clock_shows_them() {
    for hour in 0..100_i64 {
        for minute in 0..100_i64 {
            let is_time = hour <= 23 && minute <= 59;
            let seconds = hour * 3600 + minute * 60;
            let time = parse_time(&format!("1970-01-01T{hour:02}:{minute:02}:07Z"));
            assert_eq!(time, is_time.then_some((seconds + 7) * 1_000_000));
            for (sign, factor) in [('+', -1), ('-', 1)] {
                let time = parse_time(&format!("2000-01-01T00:00:00{sign}{hour:02}:{minute:02}"));
                let expected = 946_684_800_000_000 + factor * seconds * 1_000_000;
                assert_eq!(time, is_time.then_some(expected));
            }
        }
    }
    for second in 0..100_i64 {
        let time = parse_time(&format!("1970-01-01T00:00:{second:02}Z"));
        assert_eq!(time, (second <= 59).then_some(second * 1_000_000));
    }
}

#[test]
fn a_time_with_any_one_byte_changed_is_read_only_if_it_still_fits_the_grammar() {
    for (text, template) in [
        ("2017-01-06T12:46:46.384Z", "dddd-dd-ddTdd:dd:dd.dddZ"),
        ("2017-01-06T12:46:46+05:30", "dddd-dd-ddTdd:dd:ddsdd:dd"),
    ] {
        for at in 0..text.len() {
            for byte in 0..=127_u8 {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let fits = match template.as_bytes()[at] {
                    b'd' => byte.is_ascii_digit(),
                    b'T' => b"Tt".contains(&byte),
                    b'Z' => b"Zz".contains(&byte),
                    b's' => b"+-".contains(&byte),
                    mark => byte == mark,
                };
                let changed = String::from_utf8(changed).expect("ASCII");
                let time = parse_time(&changed);
                let parses = changed.to_uppercase().parse::<jiff::Timestamp>();
                // `jiff` knows leap seconds, and zones more than a day away.
                let has_zone = template.contains('s');
                let is_far = has_zone && changed.get(20..22) > Some("23");
                match (fits && !is_far && !changed.contains(":60"), parses) {
                    (true, Ok(expected)) => {
                        assert_eq!(time, Some(expected.as_microsecond()), "{changed}");
                    }
                    _ => assert_eq!(time, None, "{changed}"),
                }
            }
        }
    }
}

#[test]
fn digits_beyond_the_sixth_are_cut_before_1970_too() {
    let long = format!("1969-12-31T23:59:59.{}Z", "9".repeat(5000));
    assert_eq!(parse_time(&long), Some(-1));
    assert_eq!(parse_time("1969-12-31T23:59:59.9999999Z"), Some(-1));
    assert_eq!(parse_time("1970-01-01T00:00:00.0000009Z"), Some(0));
    assert_eq!(parse_time("1970-01-01T00:00:00.1Z"), Some(100_000));
    assert_eq!(parse_time("1970-01-01T00:00:00.01z"), Some(10_000));
    assert_eq!(parse_time("1970-01-01T00:00:00.Z"), None);
    assert_eq!(parse_time("1970-01-01T00:00:00,5Z"), None);
}

#[test]
fn what_is_nearly_a_time_is_none() {
    for text in [
        "",
        "2017",
        "2017-01-06",
        "2017-01-06T12:46:46",
        "2017-01-06T12:46Z",
        "2017-1-6T12:46:46Z",
        "2017-01-06 12:46:46Z",
        " 2017-01-06T12:46:46Z",
        "2017-01-06T12:46:46Z ",
        "+2017-01-06T12:46:46Z",
        "02017-01-06T12:46:46Z",
        "2017-01-06T12:46:46+0530",
        "2017-01-06T12:46:46+05",
        "2017-01-06T12:46:46+05:30:00",
        "2017-01-06T12:46:46ZZ",
        "2017-01-06T12:46:46.5+24:00",
        "2017-01-06T12:46:46.5+00:60",
        "2017-01-06T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "２017-01-06T12:46:46Z",
        "2017-01-06T12:46:46Z[UTC]",
        "2017-01-06T12:46:46\u{2212}05:30",
        "20170106T124646Z",
    ] {
        assert_eq!(parse_time(text), None, "{text:?}");
    }
    for text in ["", "2017", "2017-01-06T", "2017-02-29", "1900-02-29", "2017-00-01", "2017-01-00"]
    {
        assert_eq!(parse_date(text), None, "{text:?}");
    }
}

#[test]
fn an_instant_that_no_four_digit_year_can_name_in_utc_is_none() {
    assert_eq!(
        written(parse_time("0000-01-01T00:00:00Z").expect("a time")),
        "0000-01-01T00:00:00Z"
    );
    assert_eq!(parse_time("0000-01-01T00:00:00+00:01"), None);
    let last = "9999-12-31T23:59:59.999999Z";
    assert_eq!(written(parse_time(last).expect("a time")), last);
    assert_eq!(parse_time("9999-12-31T23:59:59-00:01"), None);
}

#[test]
fn any_instant_can_be_written_and_those_of_four_digit_years_read_back() {
    assert_eq!(written(1_483_706_806_384_000), "2017-01-06T12:46:46.384Z");
    assert_eq!(written(1_483_706_806_000_000), "2017-01-06T12:46:46Z");
    assert_eq!(written(1_483_706_806_000_010), "2017-01-06T12:46:46.00001Z");
    let first = -719_528 * DAY_US;
    for (at_us, text) in [
        (first - 1, "-000001-12-31T23:59:59.999999Z"),
        (first + 3_652_425 * DAY_US, "253402300800000000 microseconds since 1970"),
        (i64::MAX, "9223372036854775807 microseconds since 1970"),
        (i64::MIN, "-9223372036854775808 microseconds since 1970"),
    ] {
        assert_eq!(written(at_us), text);
        assert_eq!(parse_time(text), None);
    }
    let mut random = Random(7);
    for _ in 0..200_000 {
        let at_us = -719_528 * DAY_US + random.below(3_652_425 * DAY_US as usize) as i64;
        // Few digits must be as frequent as many.
        let at_us = at_us - at_us.rem_euclid(10_i64.pow(random.below(7) as u32));
        let mut long = String::new();
        write_time(at_us, &mut long);
        assert_eq!(parse_time(&long), Some(at_us), "{long}");
        let short = written(at_us);
        assert_eq!(parse_time(&short), Some(at_us), "{short}");
        assert_eq!(short, at_us_as_jiff_writes_it(at_us));
    }
}

/// `jiff` writes as few digits as an instant needs, too.
fn at_us_as_jiff_writes_it(at_us: i64) -> String {
    jiff::Timestamp::from_microsecond(at_us).expect("in range").to_string()
}
