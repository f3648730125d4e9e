//! Single texts by the product and by the oracle: valid or not, for which reason, what is kept.

use ltvlog::{Event, Rules};

use crate::model::SAMPLE;
use crate::model::event::{self, EVENT_BYTES_MAX, Terms};
use crate::model::instant::{self, DAY_US};
use crate::model::json::{Json, parse};
use crate::random::{Scenario, each_seed};

#[test]
fn random_texts() {
    each_seed("texts::random_texts", 0, 1_000, |seed| {
        let scenario = Scenario::new(seed);
        for call in &scenario.calls {
            for text in &call.texts {
                assert_text(text, &scenario.terms);
            }
        }
    });
}

/// Every byte of the sample events taken out, doubled, and replaced by every other byte.
#[test]
fn every_byte_changed() {
    let terms = Terms::default();
    for sample in SAMPLE.map(str::as_bytes) {
        for place in 0..sample.len() {
            let (head, tail) = (&sample[..place], &sample[place + 1..]);
            assert_text(head, &terms);
            assert_text(&[head, tail].concat(), &terms);
            assert_text(&[head, &sample[place..=place], &sample[place..]].concat(), &terms);
            for byte in 0..=255 {
                assert_text(&[head, &[byte], tail].concat(), &terms);
            }
        }
    }
}

/// Every set of faults at once on every kind of event: the first reason wins.
#[test]
fn every_set_of_faults() {
    const FAULTS: [&str; 13] = [
        r#""type":7"#,
        r#""type":null"#,
        r#""verb":"DELETE""#,
        r#""verb":null"#,
        r#""key":null"#,
        r#""key":"""#,
        r#""customer_id":null"#,
        r#""customer_id":[]"#,
        r#""event_time":null"#,
        r#""event_time":"2017-01-06T12:46:60Z""#,
        r#""total_amount":"1.234 USD""#,
        r#""total_amount":"1.23 EUR""#,
        r#""tags":"none","last_name":1,"camera_make":[]"#,
    ];
    let good = [
        r#""type":"CUSTOMER","verb":"UPDATE""#,
        r#""type":"SITE_VISIT","verb":"NEW""#,
        r#""type":"IMAGE","verb":"UPLOAD""#,
        r#""type":"ORDER","verb":"UPDATE""#,
    ];
    let rest = [
        r#""key":"k""#,
        r#""customer_id":"c""#,
        r#""event_time":"2017-01-06T12:46:46Z""#,
        r#""total_amount":"1.23 USD""#,
    ];
    let name = |member: &str| member[..member.find(':').expect("a member")].to_owned();
    for kind in good {
        for set in 0..1_u32 << FAULTS.len() {
            let faults: Vec<&str> = (0..FAULTS.len())
                .filter(|bit| set >> bit & 1 == 1)
                .map(|bit| FAULTS[bit])
                .collect();
            let (first, second) = kind.split_once(',').expect("two members");
            let mut members = faults.clone();
            for member in [first, second].iter().chain(&rest) {
                if faults.iter().all(|fault| name(fault) != name(member)) {
                    members.push(member);
                }
            }
            // Two faults of one field make a repeated name, which comes before all others.
            assert_text(format!("{{{}}}", members.join(",")).as_bytes(), &Terms::default());
        }
    }
}

/// Every length of id and of amount around their limits, every depth and size around theirs.
#[test]
fn limits() {
    let terms = Terms::default();
    let visit = |key: &str, rest: &str| {
        format!(
            r#"{{"type":"SITE_VISIT","verb":"NEW","key":"{key}","event_time":"2017-01-06T12:46:46Z","customer_id":"c"{rest}}}"#
        )
    };
    for letter in ["x", "é", "€", "😀", "\\u0000", "\\ud83d\\ude00"] {
        for count in 0..260 {
            assert_text(visit(&letter.repeat(count), "").as_bytes(), &terms);
        }
    }
    for levels in 58..70 {
        let tower = |open: &str, close: &str| open.repeat(levels) + "1" + &close.repeat(levels);
        for tower in [tower("[", "]"), tower("{\"\":", "}"), tower("[", ""), tower("[", "}")] {
            assert_text(visit("k", &format!(r#","tags":{tower}"#)).as_bytes(), &terms);
            assert_text(visit("k", &format!(r#","note":{tower},"#)).as_bytes(), &terms);
            assert_text(tower.as_bytes(), &terms);
        }
    }
    let bare = visit("k", r#","note":"""#).len();
    for bytes in EVENT_BYTES_MAX - 2..EVENT_BYTES_MAX + 3 {
        let note = "n".repeat(bytes - bare);
        let text = visit("k", &format!(r#","note":"{note}""#));
        assert_eq!(text.len(), bytes);
        assert_text(text.as_bytes(), &terms);
        assert_text(&text.as_bytes()[1..], &terms);
        assert_text(format!(" \r{text}\t ").as_bytes(), &terms);
    }
}

/// Every day of some years, with every month and day that a calendar may have or not.
#[test]
fn dates_and_times() {
    let year = |year| instant::day_number(year, 1, 1).expect("a date") * DAY_US;
    // What lies outside could not be written with a year of four digits.
    let wide = Terms { time_range_us: (year(0), year(10_000)), ..Terms::default() };
    let text = |time: &str| {
        format!(r#"{{"type":"CUSTOMER","verb":"NEW","key":"k","event_time":"{time}"}}"#)
    };
    for year in [0, 1, 4, 99, 100, 400, 1899, 1900, 1969, 1970, 2000, 2024, 2100, 9998, 9999] {
        for month in 0..14 {
            for day in 0..33 {
                let day = format!("{year:04}-{month:02}-{day:02}");
                assert_text(text(&format!("{day}T00:00:00Z")).as_bytes(), &wide);
                assert_text(text(&format!("{day}T00:30:00.5+01:00")).as_bytes(), &wide);
                assert_text(text(&format!("{day}T23:59:59.9999999-00:01")).as_bytes(), &wide);
            }
        }
    }
    for number in 0..100 {
        for (before, after) in [
            ("2017-01-06T", ":46:46Z"),
            ("2017-01-06T12:", ":46Z"),
            ("2017-01-06T12:46:", "Z"),
            ("2017-01-06T12:46:46+", ":00"),
            ("2017-01-06T12:46:46-00:", ""),
        ] {
            assert_text(text(&format!("{before}{number:02}{after}")).as_bytes(), &wide);
        }
    }
    for digits in 0..40 {
        let fraction = &"1234567890123456789012345678901234567890"[..digits];
        assert_text(text(&format!("2017-01-06T12:46:46.{fraction}Z")).as_bytes(), &wide);
    }
}

/// Every amount of up to five characters out of those that amounts are made of.
#[test]
fn short_amounts() {
    let mut texts = vec![String::new()];
    let mut from = 0;
    for _ in 0..5 {
        let end = texts.len();
        for place in from..end {
            for letter in ['-', '0', '7', '.', ' '] {
                texts.push(format!("{}{letter}", texts[place]));
            }
        }
        from = end;
    }
    for amount in texts {
        let text = format!(
            r#"{{"type":"ORDER","verb":"NEW","key":"k","event_time":"2017-01-06T12:46:46Z","customer_id":"c","total_amount":"{amount} USD"}}"#
        );
        assert_text(text.as_bytes(), &Terms::default());
    }
}

pub fn rules(terms: &Terms) -> Rules {
    let currency = terms.currency.as_bytes().try_into().expect("three letters");
    Rules { currency, time_range_us: terms.time_range_us.0..terms.time_range_us.1 }
}

/// What a single text is, by the product and by the oracle.
pub fn assert_text(text: &[u8], terms: &Terms) {
    let rules = &rules(terms);
    let show = || String::from_utf8_lossy(&text[..text.len().min(2_000)]).into_owned();
    match (Event::from_json(text, rules), event::read(text, terms)) {
        (Err(rejection), Err(reason)) => {
            assert_eq!(rejection.reason.name(), reason, "{}", show());
            assert!(!rejection.detail.is_empty());
        }
        (Ok(event), Ok(fact)) => {
            let mut out = String::new();
            event.to_json(rules.currency, &mut out);
            let again = event::read(out.as_bytes(), terms);
            assert_eq!(again.as_ref(), Ok(&fact), "{}\nwas written as\n{out}", show());
            let time = parse(out.as_bytes()).unwrap().get("event_time").cloned();
            assert_eq!(time, Some(Json::Text(instant::write_shortest(fact.at_us))), "{out}");
        }
        (Ok(_), Err(reason)) => panic!("accepted, not {reason}: {}", show()),
        (Err(rejection), Ok(_)) => panic!("rejected as {rejection:?}: {}", show()),
    }
}
