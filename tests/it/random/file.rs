//! The same texts as files: NDJSON, an array, one event; with everything that is allowed between
//! them, and arrays that break off.

use super::Random;
use crate::model::event::LEVELS_MAX;
use crate::model::json::{Json, is_grammatical, levels, parse};

/// A file, and what a reader must find in it.
pub struct File {
    pub bytes: Vec<u8>,
    /// Line and text of each event or what stands for one.
    pub items: Vec<(u64, Vec<u8>)>,
    /// Whether one `malformed_json` follows for all that is lost.
    pub is_broken: bool,
}

impl File {
    /// The texts in some form that can hold them all; some may be left out or added.
    pub fn new(random: &mut Random, texts: &[Vec<u8>]) -> File {
        match random.below(8) {
            0 if !texts.is_empty() => {
                let one = texts.iter().find(|text| matches!(parse(text), Some(Json::Object(_))));
                match one {
                    Some(text) => File::one(random, text),
                    None => File::lines(random, texts),
                }
            }
            0..4 => File::array(random, texts),
            _ => File::lines(random, texts),
        }
    }

    fn empty(random: &mut Random) -> File {
        let bytes = if random.percent(15) { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        File { bytes, items: Vec::new(), is_broken: false }
    }

    fn push_item(&mut self, text: &[u8]) {
        let leading = text.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        let before = self.bytes.iter().chain(&text[..leading]);
        let line = 1 + before.filter(|byte| **byte == b'\n').count() as u64;
        let end = text.iter().rposition(|byte| !b" \t\r\n".contains(byte)).map_or(0, |at| at + 1);
        self.items.push((line, text[leading..end].to_vec()));
        self.bytes.extend_from_slice(text);
    }

    /// One text a line.
    pub fn lines(random: &mut Random, texts: &[Vec<u8>]) -> File {
        let mut file = File::empty(random);
        let guard = b"{}".to_vec();
        let guarded = texts.first().is_some_and(|first| needs_guard(first, &texts[1..]));
        let all: Vec<_> = guarded.then_some(&guard).into_iter().chain(texts).collect();
        let ending: &[u8] = random.pick(&[&b"\n"[..], b"\r\n"]);
        for (place, text) in all.iter().enumerate() {
            if random.percent(10) {
                let blank: &[u8] =
                    random.pick(&[&b"\n"[..], b"\r\n", b"  \n", b"\t\r\n", b"\n\n\n"]);
                file.bytes.extend_from_slice(blank);
            }
            file.push_item(text);
            if place + 1 < all.len() || random.percent(70) {
                file.bytes.extend_from_slice(ending);
            }
        }
        file
    }

    /// One event over several lines.
    pub fn one(random: &mut Random, text: &[u8]) -> File {
        let mut file = File::empty(random);
        file.bytes.extend_from_slice(random.pick(&[&b""[..], b"\n", b" \r\n\n"]));
        file.push_item(&spread(random, text));
        file.bytes.extend_from_slice(random.pick(&[&b""[..], b"\n", b" \r\n\n"]));
        file
    }

    /// An array of those texts that can be an array's elements.
    pub fn array(random: &mut Random, texts: &[Vec<u8>]) -> File {
        // What is too deep may be refused as a whole or as an element's: not said anywhere.
        let fits = |text: &&Vec<u8>| is_grammatical(text) && levels(text) <= LEVELS_MAX;
        let texts: Vec<_> = texts.iter().filter(fits).collect();
        let mut file = File::empty(random);
        file.bytes.extend_from_slice(random.pick(&[&b"["[..], b"\n[\n", b" \t[ "]));
        let broken_at = if random.percent(25) { random.below(texts.len() + 1) } else { usize::MAX };
        let mut between: &[u8] = b"";
        for (place, text) in texts.iter().enumerate() {
            file.bytes.extend_from_slice(between);
            if place == broken_at {
                break;
            }
            let spread = if random.percent(30) { spread(random, text) } else { text.to_vec() };
            file.push_item(&spread);
            between = random.pick(&[&b","[..], b",\n", b"\r\n, ", b" ,\t"]);
        }
        if broken_at <= texts.len() {
            file.is_broken = true;
            let after_comma = broken_at > 0 && broken_at < texts.len();
            let first = broken_at == 0;
            let broken: &[u8] = match random.below(7) {
                0 => b"",
                1 if first || after_comma => b"nul, {}]",
                2 if first || after_comma => b"{\"type\":01},{}]",
                3 if first || after_comma => b"{\"type\":\"CUST",
                4 if first || after_comma => b"{\"a\":[1}, {}]",
                5 if after_comma => b"]",
                6 if !first && !after_comma => b"] {}",
                _ if first => b",{}]",
                _ if after_comma => b",{}]",
                _ => b" {}]",
            };
            file.bytes.extend_from_slice(broken);
        } else {
            file.bytes.extend_from_slice(random.pick(&[&b"]"[..], b"\n]\n", b" ] \r\n\n"]));
        }
        file
    }
}

/// Whether a reader could take this first line for the beginning of something else.
fn needs_guard(first: &[u8], rest: &[Vec<u8>]) -> bool {
    let begins = first.iter().find(|byte| !b" \t\r".contains(byte));
    let is_object = |text: &&Vec<u8>| matches!(parse(text), Some(Json::Object(_)));
    let is_decided = is_grammatical(first) || rest.iter().filter(is_object).count() >= 3;
    begins == Some(&b'[') || first.starts_with(b"\xef") || !is_decided
}

/// The same JSON with line feeds where blanks may stand.
fn spread(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let (mut out, mut in_string, mut escaped) = (Vec::new(), false, false);
    for byte in text {
        out.push(*byte);
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'{' | b'[' | b':' if !in_string && random.percent(50) => {
                out.extend_from_slice(random.pick(&[&b"\n"[..], b"\r\n\t", b"\n  "]));
            }
            _ => {}
        }
    }
    out
}
