//! What is read by its shape is what `json` would have read: the same event or the same refusal.

use super::super::plain::{self, Day};
use super::super::shape::ShapeReader;
use super::*;

const RULES: Rules = Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };

/// One event of each kind, and each with other optional fields, spelled as programs do.
const PLAIN: [&str; 9] = [
    r#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46.384Z","last_name":"Smith","adr_city":"Middletown","adr_state":"AK"}"#,
    r#"{"type": "CUSTOMER", "verb": "UPDATE", "key": "c1", "event_time": "2017-01-06T12:46:46Z", "adr_city": "Köln"}"#,
    r#"{"type":"CUSTOMER","verb":"UPDATE","key":"c1","event_time":"2017-01-06T12:46:46Z","last_name":null,"nothing":null}"#,
    r#"{"type":"SITE_VISIT","verb":"NEW","key":"v1","event_time":"2017-01-06T12:45:52.041Z","customer_id":"c1","tags":[{"some key":"some value"}]}"#,
    r#"{"tags":{},"key":"v1","event_time":"2017-01-06T12:45:52.041Z","type":"SITE_VISIT","customer_id":"c1","verb":"NEW"}"#,
    r#"{"type":"SITE_VISIT","verb":"NEW","key":"v1","event_time":"2017-01-06T12:45:52Z","customer_id":"c1"}"#,
    r#"{"type":"IMAGE","verb":"UPLOAD","key":"i1","event_time":"2017-01-06T12:47:12.344Z","customer_id":"c1","camera_make":"Canon","camera_model":"EOS 80D"}"#,
    r#"{"type":"ORDER","verb":"NEW","key":"o1","event_time":"2017-01-06T12:55:55.555Z","customer_id":"c1","total_amount":"12.34 USD"}"#,
    r#"{ "type" : "ORDER" , "verb" : "UPDATE" , "key" : "o1" , "event_time" : "2017-01-06T12:55:55Z" , "customer_id" : "c1" , "total_amount" : "1 USD" }"#,
];

/// Values in the place of others, each as JSON; not all of them are.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        r#""""#,
        r#""x""#,
        r#""a\"b""#,
        r#""a\\""#,
        r#""\u0041""#,
        r#""\ud800""#,
        r#""\ud83d\ude00""#,
        "\"tab\there\"",
        "\"\u{1f}\"",
        "\"\u{7f}\"",
        "\"new\nline\"",
        r#""é😀""#,
        "null",
        "true",
        "17",
        "-0",
        "01",
        "1e5",
        "1.",
        "-",
        "{}",
        "[]",
        r#"[{"a":1,"a":2}]"#,
        r#"[{"a":1,"\u0061":2}]"#,
        r#"{"a":{"a":{"a":[[[[[[[1]]]]]]]}}}"#,
        r#"[1,]"#,
        r#"[,1]"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        r#"[ 1 , -2.5 , "x" , true , false , null , {"b" : [ ]} ]"#,
        "[1\n,2]",
        "[1\t]",
        r#"["\"]"]"#,
        "[1.5e3]",
        "[01]",
        "[-]",
        "[1.]",
        "[truex]",
        "[tru]",
        "[\"\u{1}\"]",
        r#"[""#,
        "[",
        "[1}",
        r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}"#,
        r#"{"":0,"":0}"#,
        r#""2017-01-06T12:46:46Z""#,
        r#""2017-01-06t12:46:46z""#,
        r#""2017-01-06T24:00:00Z""#,
        r#""2017-01-06T12:60:46Z""#,
        r#""2017-01-06T12:46:60Z""#,
        r#""2017-02-30T12:46:46Z""#,
        r#""2017-01-06T12:46:46.1234567Z""#,
        r#""2017-01-06T12:46:46.Z""#,
        r#""2017-01-06T12:46:46.1Z""#,
        r#""2017-01-06T12:46:46+02:00""#,
        r#""2017-01-06T00:30:00+02:00""#,
        r#""2017-01-06T12:46:4:Z""#,
        r#""1969-12-31T23:59:59.999999Z""#,
        r#""1970-01-01T00:00:00Z""#,
        r#""2100-01-01T00:00:00Z""#,
        r#""2099-12-31T23:59:59.999999Z""#,
        r#""9999-12-31T23:59:59-23:59""#,
        r#""0000-01-01T00:00:00Z""#,
        r#""2017-01-06T12:46:46""#,
        r#""2017-01-06 12:46:46Z""#,
        r#""12.34 USD""#,
        r#""12.34 EUR""#,
        r#""12.345 USD""#,
        r#""-0.1 USD""#,
        r#""12.34  USD""#,
        r#""1234567890123 USD""#,
        r#""12 usd""#,
        r#""","verb":"NEW","key":"c1""#,
        r#"","key":""#,
        r#""CUSTOMER","verb":"NEW""#,
        r#""NEW""#,
        r#""UPDATE""#,
    ]
    .map(str::to_owned)
    .to_vec();
    values.extend([255, 256].map(|length| format!("\"{}\"", "k".repeat(length))));
    values.extend([7, 8, 9, 64].map(|levels| "[".repeat(levels) + &"]".repeat(levels)));
    values
}

/// Reads a text by shapes and without, and tells whether it is an event.
#[track_caller]
fn same(reader: &mut ShapeReader<'_>, text: &[u8]) -> bool {
    let expected = Event::from_json(text, &RULES);
    let found = reader.read(text);
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
    expected.is_ok()
}

/// A reader that knows the shape of every plain event.
fn taught() -> ShapeReader<'static> {
    let mut reader = ShapeReader::new(&RULES);
    for text in PLAIN {
        assert!(same(&mut reader, text.as_bytes()), "{text}");
        assert!(reader.plain(text).is_some(), "not learned: {text}");
    }
    reader
}

/// Where the values of an object's members stand; of a text without escapes.
fn places(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut places = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let rest = text[colon + 1..].trim_start();
        let start = text.len() - rest.len();
        let before = &text[..colon];
        let level = before.matches('{').count() - before.matches('}').count();
        if before.matches('"').count() % 2 == 1 || level != 1 {
            continue;
        }
        let length = match rest.as_bytes()[0] {
            b'"' => rest[1..].find('"').unwrap() + 2,
            b'[' => rest.find(']').unwrap() + 1,
            b'{' => rest.find('}').unwrap() + 1,
            _ => rest.find([',', '}']).unwrap(),
        };
        places.push(start..start + length);
    }
    places
}

#[test]
fn every_value_in_every_place_is_read_as_without_shapes() {
    let mut accepted = 0;
    for text in PLAIN {
        assert!(places(text).len() >= 5, "{text}");
        for place in places(text) {
            for value in values() {
                // A reader of its own for each: none of them may have learned to look away.
                let mut reader = taught();
                let text = format!("{}{value}{}", &text[..place.start], &text[place.end..]);
                accepted += usize::from(same(&mut reader, text.as_bytes()));
                // Once more, should the first time have taught something wrong.
                same(&mut reader, text.as_bytes());
            }
        }
    }
    assert!(accepted > 500, "{accepted} of them are events");
}

#[test]
fn every_text_near_a_known_one_is_read_as_without_shapes() {
    for text in PLAIN.map(str::as_bytes) {
        let mut reader = taught();
        for at in 0..=text.len() {
            let (before, after) = text.split_at(at);
            reader = if at % 4 == 0 { taught() } else { reader };
            same(&mut reader, before);
            for piece in [&b"\""[..], b"\\", b" ", b"\n", b"\0", b"\xff", b",", b"}", b"\xc3", b"]"]
            {
                same(&mut reader, &[before, piece, after].concat());
                if let Some((_, after)) = after.split_first() {
                    same(&mut reader, &[before, piece, after].concat());
                }
            }
            if let Some((_, after)) = after.split_first() {
                same(&mut reader, &[before, after].concat());
            }
        }
        for (before, after) in
            [(" ", ""), ("", " "), ("\r\n\t", "\r"), ("", "\0"), ("\u{feff}", "")]
        {
            same(&mut reader, &[before.as_bytes(), text, after.as_bytes()].concat());
        }
        same(&mut reader, &[text, text].concat());
    }
}

/// The bound counts an event's bytes without the blanks around it.
#[test]
fn the_largest_event_has_a_shape_and_a_larger_one_is_refused() {
    let of = |bytes: usize| {
        let [before, after] = [&PLAIN[6][..PLAIN[6].len() - 9], "\"}"];
        format!("{before}{}{after}", "x".repeat(bytes - before.len() - after.len()))
    };
    let mut reader = taught();
    let largest = of(EVENT_BYTES_MAX);
    assert!(same(&mut reader, largest.as_bytes()));
    assert!(reader.plain(&largest).is_some());
    assert!(!same(&mut reader, of(EVENT_BYTES_MAX + 1).as_bytes()));
    assert!(same(&mut reader, format!("  {largest}\n").as_bytes()));
}

/// Members in any order, fields that may be there or not, values from everywhere, bytes exchanged.
#[test]
fn sequences_at_random_are_read_as_without_shapes() {
    let (seeds, texts) = (40, 400);
    let (values, mut accepted, mut hits) = (values(), 0, 0);
    for seed in 0..seeds {
        let mut random = Random(seed);
        let mut reader = ShapeReader::new(&RULES);
        // What this producer prints, each with other values every time.
        let kinds: Vec<String> = (0..3 + random.below(20)).map(|_| shuffled(&mut random)).collect();
        for _ in 0..texts {
            let mut text = random.pick(&kinds).clone();
            let count = places(&text).len();
            for _ in 0..random.below(3) {
                let place = places(&text)[random.below(count)].clone();
                let value = match random.below(8) {
                    0 => random.pick(&values).clone(),
                    1 => format!("\"{}\"", random.below(1000)),
                    _ => text[place.clone()].to_owned(),
                };
                // What is put in must not hide the places of the others.
                let with = format!("{}{value}{}", &text[..place.start], &text[place.end..]);
                text = if places_are_found(&with, count) { with } else { text };
            }
            let mut text = text.into_bytes();
            if random.below(8) == 0 {
                let at = random.below(text.len());
                text[at] = *random.pick(b"\"\\{}[],: x0\n\0\xff");
            }
            let letters = str::from_utf8(&text).ok();
            hits += usize::from(letters.is_some_and(|text| reader.plain(text).is_some()));
            accepted += usize::from(same(&mut reader, &text));
        }
    }
    let all = seeds as usize * texts;
    assert!(accepted > all / 3 && hits > all / 4, "{accepted} events, {hits} by shape, of {all}");
}

fn places_are_found(text: &str, count: usize) -> bool {
    std::panic::catch_unwind(|| places(text).len() == count).unwrap_or(false)
}

/// A plain event with its members in another order, with or without blanks.
fn shuffled(random: &mut Random) -> String {
    let text = *random.pick(&PLAIN);
    // None of the plain events has a comma inside a value.
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
    let mut members: Vec<&str> = inner.split(',').map(str::trim).collect();
    for at in (1..members.len()).rev() {
        members.swap(at, random.below(at + 1));
    }
    members.retain(|member| !member.contains("adr_") || random.below(2) == 0);
    format!("{{{}}}", members.join(*random.pick(&[",", ", ", " , "])))
}

#[test]
fn a_source_of_ever_new_shapes_soon_learns_none() {
    let (mut reader, mut tried) = (ShapeReader::new(&RULES), 0);
    for n in 0..100_000 {
        // Another null in each, so that no two are alike.
        let text = PLAIN[0].replace('}', &format!(",\"x{n}\":null}}"));
        tried += usize::from(reader.pause == 0);
        assert!(same(&mut reader, text.as_bytes()));
    }
    assert!((20..400).contains(&tried), "shapes were tried on {tried}");
    // And one that has settled is read by its shape again.
    for _ in 0..2_000 {
        assert!(same(&mut reader, PLAIN[7].as_bytes()));
    }
    assert!(reader.plain(PLAIN[7]).is_some());
}

#[test]
fn a_producer_that_takes_over_from_many_is_learned() {
    let mut reader = ShapeReader::new(&RULES);
    let of = |n: u64| PLAIN[0].replace('}', &format!(",\"x{n}\":null}}"));
    for round in 0..2_000 {
        assert!(same(&mut reader, of(round % 16).as_bytes()));
    }
    for round in 0..5_000 {
        assert!(same(&mut reader, of(100 + round % 4).as_bytes()));
    }
    for n in 100..104 {
        assert!(reader.plain(&of(n)).is_some(), "{n} is not learned");
    }
}

#[test]
fn a_value_that_is_not_plain_teaches_nothing() {
    let mut reader = taught();
    let shapes = reader.shapes.len();
    for n in 0..100 {
        same(&mut reader, PLAIN[0].replace("Smith", &format!("O\\\"Connor {n}")).as_bytes());
        same(&mut reader, PLAIN[0].as_bytes());
    }
    assert_eq!((reader.shapes.len(), reader.pause), (shapes, 0));
}

#[test]
fn a_string_ends_where_its_quote_is_on_every_short_text() {
    let mut found = 0;
    every_text(b"a\"\\\x1f\x20\x7f", 5, &mut |short| {
        // At every place within words of eight bytes.
        for before in ["", "bcd", "abcdef !", "abcdef !efghijk"] {
            let text = format!("{before}{short}");
            let end = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let expected = end.filter(|end| text.as_bytes()[*end] == b'"');
            assert_eq!(plain::string_length(text.as_bytes()), expected, "{text:?}");
            let longer = format!("{text}and more than one word behind");
            if expected.is_some() {
                assert_eq!(plain::string_length(longer.as_bytes()), expected, "{longer:?}");
            }
            found += usize::from(expected.is_some());
        }
    });
    assert!(found > 5_000, "{found}");
}

#[test]
fn bytes_of_letters_beyond_ascii_end_no_string() {
    for byte in 0x80..=0xff_u8 {
        for at in 0..9 {
            let mut text = *b"abcdefgh0\"x";
            text[at] = byte;
            assert_eq!(plain::string_length(&text), Some(9));
        }
    }
}

/// A value is plain only if it is JSON without a name twice; then its length is right.
#[test]
fn plain_values_are_json_on_every_short_text() {
    let mut found = 0;
    every_text(b"[]{}\",:1a ", 7, &mut |text| {
        let Some(length) = plain::value_length(text.as_bytes()) else { return };
        let value = &text[..length];
        let json: Result<serde_json::Value, _> = serde_json::from_str(value);
        assert!(json.is_ok(), "{value:?} of {text:?}");
        assert!(super::super::walk::check(value, 1).is_ok(), "{value:?}");
        found += 1;
    });
    assert!(found > 10_000, "{found}");
}

#[test]
fn a_day_gives_the_instants_that_parsing_gives() {
    let mut day = Day::default();
    let dates =
        ["1970-01-01", "2017-01-06", "2017-01-07", "2016-02-29", "2017-02-29", "0000-01-01"];
    let mut random = Random(7);
    for _ in 0..20_000 {
        let (h, m, s) = (random.below(26), random.below(62), random.below(62));
        let digits: String =
            (0..random.below(9)).map(|_| char::from(b'0' + random.below(10) as u8)).collect();
        let dot = if random.below(4) == 0 { "" } else { "." };
        let zone = random.pick(&["Z", "Z", "Z", "z", "+01:30", "-23:59", "", "ZZ"]);
        let t = random.pick(&["T", "T", "T", "t", " "]);
        let text = format!("{}{t}{h:02}:{m:02}:{s:02}{dot}{digits}{zone}", random.pick(&dates));
        assert_eq!(day.instant(&text), parse_time(&text), "{text}");
    }
    for text in ["", "1970-01-01", "\0\0\0\0\0\0\0\0\0\0T00:00:00Z"] {
        assert_eq!(day.instant(text), parse_time(text), "{text:?}");
    }
}

/// Else a few large texts would be kept whole for the rest of the source.
#[test]
fn a_text_of_blanks_is_no_shape() {
    let text = |blanks: usize| {
        let event =
            r#"{"type":"CUSTOMER","verb":"NEW","key":"k","event_time":"2017-01-06T12:46:46Z"}"#;
        event.replacen(',', &format!(",{}", " ".repeat(blanks)), 1)
    };
    for (blanks, shapes) in [(0, 1), (3_000, 1), (5_000, 0), (900_000, 0)] {
        let mut reader = ShapeReader::new(&RULES);
        for _ in 0..3 {
            assert!(reader.read(text(blanks).as_bytes()).is_ok());
        }
        assert_eq!(reader.shapes.len(), shapes, "{blanks} blanks");
    }
}
