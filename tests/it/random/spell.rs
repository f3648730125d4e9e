//! One value, many spellings: order of members, escapes, blanks, forms of numbers, time zones.

use super::Random;
use super::draft::Draft;
use crate::model::event::Terms;
use crate::model::instant::{self, DAY_US};
use crate::model::json::{Json, normal_number};

const NUMBERS: [&str; 20] = [
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "10e-1",
    "0.1",
    "1E-7",
    "100",
    "1e400",
    "1e401",
    "1e-400",
    "9007199254740992",
    "9007199254740993",
    "12345678901234567890123",
    "12345678901234567890124",
    "0.30000000000000001",
    "1e99999999999999999999",
    "1e99999999999999999998",
    "18446744073709551616",
];

const TEXTS: [&str; 12] = [
    "",
    "a",
    "A",
    "1",
    "true",
    "null",
    "é",
    "e\u{301}",
    "\u{1F600}",
    "\"\\/",
    "\u{0}\u{8}\u{c}\n\r\t\u{1f}",
    "[{",
];

/// Any value, at most `levels` brackets deep.
pub fn value(random: &mut Random, levels: usize) -> Json {
    match random.below(if levels == 0 { 6 } else { 10 }) {
        0 => Json::Null,
        1 => Json::Bool(random.percent(50)),
        2 | 3 => Json::Number((random.pick(&NUMBERS)).to_owned()),
        4 | 5 => Json::text(random.pick(&TEXTS)),
        6 | 7 => array(random, levels),
        _ => object(random, levels),
    }
}

pub fn array(random: &mut Random, levels: usize) -> Json {
    Json::Array((0..random.below(4)).map(|_| value(random, levels - 1)).collect())
}

pub fn object(random: &mut Random, levels: usize) -> Json {
    let mut members: Vec<(String, Json)> = Vec::new();
    for _ in 0..random.below(4) {
        let name = random.pick(&TEXTS);
        if members.iter().all(|(known, _)| known != name) {
            members.push((name.to_owned(), value(random, levels - 1)));
        }
    }
    Json::Object(members)
}

/// Makes another value of it, as near to the old one as can be.
pub fn change(random: &mut Random, of: &mut Json) {
    *of = match std::mem::replace(of, Json::Null) {
        Json::Null => Json::Bool(false),
        Json::Bool(yes) => Json::Number(u8::from(yes).to_string()),
        Json::Number(text) if random.percent(50) => Json::Text(text),
        Json::Number(text) if text.contains(['e', 'E', '.']) => Json::Number(format!("{text}1")),
        Json::Number(text) => Json::Number(format!("{text}.0000000000000000000000001")),
        Json::Text(text) if random.percent(50) => Json::Text(text + " "),
        Json::Text(text) => Json::Text(text.to_uppercase()),
        Json::Array(mut items) if items.len() > 1 && random.percent(30) => {
            items.rotate_left(1);
            Json::Array(items)
        }
        Json::Array(mut items) if !items.is_empty() => {
            let place = random.below(items.len());
            change(random, &mut items[place]);
            Json::Array(items)
        }
        Json::Array(_) => Json::Array(vec![Json::Null]),
        Json::Object(mut members) if !members.is_empty() => {
            let place = random.below(members.len());
            change(random, &mut members[place].1);
            Json::Object(members)
        }
        Json::Object(_) => Json::Object(vec![("null".to_owned(), Json::Null)]),
    };
}

/// The members of an event as its producer names them.
pub fn members(random: &mut Random, terms: &Terms, draft: &Draft) -> Vec<(String, Json)> {
    let mut members = vec![
        ("type".to_owned(), Json::text(draft.kind)),
        ("verb".to_owned(), Json::text(draft.verb)),
        ("key".to_owned(), Json::text(&draft.key)),
        ("event_time".to_owned(), Json::Text(time(random, draft.at_us))),
    ];
    if draft.kind != "CUSTOMER" {
        members.push(("customer_id".to_owned(), Json::text(&draft.customer)));
    }
    if draft.kind == "ORDER" {
        members.push(("total_amount".to_owned(), Json::Text(amount(random, terms, draft.cents))));
    }
    members.extend(draft.extras.iter().cloned());
    if random.percent(8) {
        let absent = random.pick(&["absent", "tags", "last_name", "camera_make"]);
        if members.iter().all(|(name, _)| name != absent) {
            members.push((absent.to_owned(), Json::Null));
        }
    }
    members
}

/// The text of an event.
pub fn event(random: &mut Random, terms: &Terms, draft: &Draft) -> Vec<u8> {
    let members = members(random, terms, draft);
    json(random, &Json::Object(members))
}

/// The text of a value: plain half of the time, else as oddly as JSON allows.
pub fn json(random: &mut Random, value: &Json) -> Vec<u8> {
    let mut out = String::new();
    if random.percent(50) {
        plain(value, &mut out);
    } else {
        odd(random, value, &mut out);
    }
    out.into_bytes()
}

/// The shortest spelling, members as they stand.
pub fn plain(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Json::Number(text) => out.push_str(text),
        Json::Text(text) => quote(text, &mut |_| false, out),
        Json::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                plain(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (place, (name, value)) in members.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                quote(name, &mut |_| false, out);
                out.push(':');
                plain(value, out);
            }
            out.push('}');
        }
    }
}

fn odd(random: &mut Random, value: &Json, out: &mut String) {
    blank(random, out);
    match value {
        Json::Null | Json::Bool(_) => plain(value, out),
        Json::Number(text) => number(random, text, out),
        Json::Text(text) => {
            let often = random.pick(&[0, 5, 100]);
            quote(text, &mut |_| random.percent(often), out);
        }
        Json::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                odd(random, item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            random.shuffle(&mut members);
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                blank(random, out);
                let often = random.pick(&[0, 0, 20]);
                quote(name, &mut |_| random.percent(often), out);
                blank(random, out);
                out.push(':');
                odd(random, value, out);
            }
            out.push('}');
        }
    }
    blank(random, out);
}

fn blank(random: &mut Random, out: &mut String) {
    if random.percent(15) {
        out.push_str(random.pick(&[" ", "\t", "  ", " \r "]));
    }
}

/// Another spelling of the same number.
fn number(random: &mut Random, text: &str, out: &mut String) {
    let normal = normal_number(text);
    let Some((digits, power)) = normal.split_once('e') else {
        out.push_str(random.pick(&["0", "-0", "0.0", "0e7", "-0E-3", "0.000e+1"]));
        return;
    };
    let power: i128 = power.parse().unwrap();
    let zeros = random.below(4);
    match random.below(4) {
        0 if (0..25).contains(&power) => {
            out.push_str(digits);
            out.extend((0..power).map(|_| '0'));
            out.push_str(random.pick(&["", ".0", ".000", "e0"]));
        }
        1 => {
            out.push_str(digits);
            out.extend((0..zeros).map(|_| '0'));
            out.push_str(&format!("e{}", power - zeros as i128));
        }
        2 => {
            let first = usize::from(digits.starts_with('-')) + 1;
            let (whole, part) = digits.split_at(first);
            let power = power + part.len() as i128;
            out.push_str(&format!("{whole}.{part}{}E{power:+}", &"0000"[..=zeros]));
        }
        _ => out.push_str(text),
    }
}

/// A JSON string; characters that need no escape get one where `escape` says so.
pub fn quote(text: &str, escape: &mut dyn FnMut(char) -> bool, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            _ if escape(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out.push('"');
}

/// An instant in some zone, with some digits.
pub fn time(random: &mut Random, at_us: i64) -> String {
    let fewest = (0..6).find(|digits| at_us.rem_euclid(10_i64.pow(6 - digits)) == 0).unwrap_or(6);
    let digits = if random.percent(60) { fewest } else { 6 } as usize;
    let offset_minutes = if random.percent(70) { 0 } else { random.between(-1_439, 1_439) };
    let local_us = at_us + offset_minutes * 60 * instant::SECOND_US;
    let spellable = (-719_528..2_932_897).contains(&local_us.div_euclid(DAY_US));
    let (local_us, offset_minutes) =
        if spellable { (local_us, offset_minutes) } else { (at_us, 0) };
    let mut text = instant::write(local_us, digits);
    text.pop();
    if digits == 6 && random.percent(30) {
        text.push_str(random.pick(&[
            "0",
            "9",
            "999",
            "000000001",
            "123456789012345678901234567890",
        ]));
    }
    if random.percent(5) {
        text = text.replace('T', "t");
    }
    if offset_minutes == 0 {
        text.push_str(random.pick(&["Z", "Z", "Z", "z", "+00:00", "-00:00"]));
    } else {
        let size = offset_minutes.abs();
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        text.push_str(&format!("{sign}{:02}:{:02}", size / 60, size % 60));
    }
    text
}

/// An amount with more or fewer zeros.
pub fn amount(random: &mut Random, terms: &Terms, cents: i64) -> String {
    let size = cents.unsigned_abs();
    let minus = cents < 0 || (cents == 0 && random.percent(30));
    let mut whole = (size / 100).to_string();
    if random.percent(10) {
        whole = format!("{whole:0>12}");
    }
    let part = match size % 100 {
        0 => (random.pick(&["", ".0", ".00"])).to_owned(),
        part if part % 10 == 0 && random.percent(50) => format!(".{}", part / 10),
        part => format!(".{part:02}"),
    };
    format!("{}{whole}{part} {}", if minus { "-" } else { "" }, terms.currency)
}
