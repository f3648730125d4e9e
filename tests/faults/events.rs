//! Events for faults: ids that tell the order in which they were given, and texts of all sizes.

use std::fmt::Write as _;

use crate::dice::Dice;

/// Days of January 2017 that hold a second for each event.
const SECONDS_MAX: u64 = 28 * 86_400;

fn time(sequence: u64) -> String {
    let at = sequence % SECONDS_MAX;
    let (day, hour, minute, second) = (at / 86_400 + 1, at / 3600 % 24, at / 60 % 60, at % 60);
    format!("2017-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Hex digits that do not compress well, so that frames have all lengths.
fn noise(dice: &mut Dice, bytes: u64) -> String {
    let mut text = String::new();
    while (text.len() as u64) < bytes {
        write!(text, "{:016x}", dice.next()).unwrap();
    }
    text.truncate(bytes as usize);
    text
}

pub fn customer(label: &str, number: u64, sequence: u64) -> String {
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"{label}c{number}","event_time":"{}","last_name":"N{number}"}}"#,
        time(sequence)
    )
}

fn begin(kind: &str, verb: &str, key: &str, sequence: u64, customer: &str) -> String {
    format!(
        r#"{{"type":"{kind}","verb":"{verb}","key":"{key}","event_time":"{}","customer_id":"{customer}""#,
        time(sequence)
    )
}

/// Events that are admitted as they come, so that the log has them in this order. Every fifth is a
/// new customer; each is named after `label` and its place.
pub fn in_order(label: &str, dice: &mut Dice, count: u64, text_bytes_max: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for sequence in 0..count {
        if sequence % 5 == 0 {
            lines.push(customer(label, sequence / 5, sequence));
            continue;
        }
        let who = format!("{label}c{}", dice.below(sequence.div_ceil(5)));
        let key = format!("{label}e{sequence}");
        lines.push(match dice.below(4) {
            0 => {
                let cents = dice.below(100_000);
                let order = begin("ORDER", "NEW", &key, sequence, &who);
                format!(r#"{order},"total_amount":"{}.{:02} USD"}}"#, cents / 100, cents % 100)
            }
            1 => begin("IMAGE", "UPLOAD", &key, sequence, &who) + r#","camera_make":"Canon"}"#,
            _ => {
                let bytes = dice.below(text_bytes_max + 1);
                let text = noise(dice, bytes);
                let visit = begin("SITE_VISIT", "NEW", &key, sequence, &who);
                format!(r#"{visit},"tags":["{text}"]}}"#)
            }
        });
    }
    lines
}

/// As `in_order`, made worse: updates; events before their customer or order, but in the same
/// `window` of so many events; at the end some that are rejected, and one that came already.
pub fn in_disorder(
    label: &str,
    dice: &mut Dice,
    count: u64,
    text_bytes_max: u64,
    window: usize,
) -> Vec<String> {
    let mut lines = in_order(label, dice, count, text_bytes_max);
    let is_order = |line: &String| line.contains(r#""type":"ORDER""#);
    let orders: Vec<usize> = (0..lines.len()).filter(|at| is_order(&lines[*at])).collect();
    for order in orders {
        let sequence = SECONDS_MAX / 2 + order as u64;
        let who = format!("{label}c{}", dice.below(count.div_ceil(5)));
        let update = begin("ORDER", "UPDATE", &format!("{label}e{order}"), sequence, &who);
        lines.push(format!(r#"{update},"total_amount":"{order}.00 USD"}}"#));
        lines.push(format!(
            r#"{{"type":"CUSTOMER","verb":"UPDATE","key":"{who}","event_time":"{}","adr_city":"{order}"}}"#,
            time(sequence)
        ));
    }
    for window in lines.chunks_mut(window) {
        let (from, to) = (dice.below(window.len() as u64), dice.below(window.len() as u64));
        window.swap(from as usize, to as usize);
    }
    lines.push(lines[dice.below(lines.len() as u64) as usize].clone());
    lines.push(customer(label, 0, SECONDS_MAX / 3));
    lines.push(begin("ORDER", "NEW", "late", 1, "nobody") + r#","total_amount":"1.00 USD"}"#);
    lines.push("{\"type\": not JSON".to_owned());
    lines
}

/// Visits of customers who come last, with texts so long that holding them needs a file.
pub fn held_back(label: &str, dice: &mut Dice, megabytes: u64) -> Vec<String> {
    let text = noise(dice, 900 << 10);
    let mut lines: Vec<String> = (0..megabytes + 2)
        .map(|sequence| {
            let visit =
                begin("SITE_VISIT", "NEW", &format!("{label}e{sequence}"), sequence, "late");
            format!(r#"{visit},"tags":["{sequence}{text}"]}}"#)
        })
        .collect();
    lines.push(
        r#"{"type":"CUSTOMER","verb":"NEW","key":"late","event_time":"2017-01-01T00:00:00Z"}"#
            .to_owned(),
    );
    lines
}

/// As a file.
pub fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
