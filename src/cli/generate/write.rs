//! The lines that `generate` prints: the words in them, and how they are spelt.
//!
//! The spelling is that of the sample events. All words are ASCII without quotes or backslashes,
//! so nothing needs an escape.

use super::dice::Dice;

pub(super) const NAMES: &[&str] = &[
    "Abernathy",
    "Alvarez",
    "Anderson",
    "Bennett",
    "Blackwood",
    "Brown",
    "Castillo",
    "Chandler",
    "Chen",
    "Christensen",
    "Cunningham",
    "Davis",
    "Delgado",
    "Edwards",
    "Ferguson",
    "Fitzgerald",
    "Garcia",
    "Gallagher",
    "Goldberg",
    "Hamilton",
    "Harrington",
    "Hernandez",
    "Ibrahim",
    "Jackson",
    "Johnson",
    "Kowalski",
    "Kumar",
    "Lindqvist",
    "Lopez",
    "MacDonald",
    "Martinez",
    "Miller",
    "Montgomery",
    "Nakamura",
    "Nguyen",
    "O'Connor",
    "Okafor",
    "Patel",
    "Pemberton",
    "Peterson",
    "Ramirez",
    "Richardson",
    "Rodriguez",
    "Santiago",
    "Schneider",
    "Shapiro",
    "Smith",
    "Stewart",
    "Sullivan",
    "Takahashi",
    "Thompson",
    "Underwood",
    "Valentine",
    "Vasquez",
    "Washington",
    "Wellington",
    "Whitfield",
    "Williams",
    "Winchester",
    "Yamamoto",
    "Young",
    "Zimmerman",
];

pub(super) const CITIES: &[&str] = &[
    "Albuquerque",
    "Arlington",
    "Bakersfield",
    "Bloomington",
    "Boston",
    "Bridgeport",
    "Cambridge",
    "Centerville",
    "Charleston",
    "Chattanooga",
    "Clarksville",
    "Cleveland",
    "Dayton",
    "Fairview",
    "Fayetteville",
    "Fort Collins",
    "Franklin",
    "Georgetown",
    "Glendale",
    "Grand Rapids",
    "Greensboro",
    "Greenville",
    "Huntsville",
    "Jacksonville",
    "Kansas City",
    "Knoxville",
    "Lexington",
    "Lincoln",
    "Little Rock",
    "Louisville",
    "Manchester",
    "Marietta",
    "Middletown",
    "Milwaukee",
    "Minneapolis",
    "Montgomery",
    "Murfreesboro",
    "Newport News",
    "Northampton",
    "Oklahoma City",
    "Philadelphia",
    "Pittsburgh",
    "Portland",
    "Providence",
    "Redwood City",
    "Riverside",
    "Rochester",
    "Sacramento",
    "Salem",
    "Santa Barbara",
    "Scottsdale",
    "Shreveport",
    "Springfield",
    "Tallahassee",
    "Virginia Beach",
    "Washington",
    "Wilmington",
    "Worcester",
];

pub(super) const STATES: &[&str] = &[
    "AK", "AL", "AR", "AZ", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "IA", "ID", "IL", "IN", "KS",
    "KY", "LA", "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM",
    "NV", "NY", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VT", "WA", "WI",
    "WV", "WY",
];

/// Twenty.
pub(super) const TAG_KEYS: &[&str] = &[
    "ad group",
    "browser",
    "campaign",
    "category",
    "channel",
    "collection",
    "country",
    "device",
    "experiment",
    "landing page",
    "language",
    "newsletter",
    "occasion",
    "platform",
    "product",
    "promotion",
    "referrer",
    "search term",
    "site version",
    "theme",
];

/// Fifty.
pub(super) const TAG_VALUES: &[&str] = &[
    "album",
    "anniversary",
    "autumn sale",
    "back to school",
    "birthday",
    "black friday",
    "blanket",
    "blue",
    "book",
    "calendar",
    "canvas",
    "christmas",
    "classic",
    "coffee mug",
    "collage",
    "cyber monday",
    "desktop",
    "easter",
    "fathers day",
    "first visit",
    "framed print",
    "free print",
    "gift card",
    "graduation",
    "green",
    "halloween",
    "home decor",
    "invitation",
    "large",
    "leather",
    "magnet",
    "mobile",
    "modern",
    "mothers day",
    "new arrivals",
    "ornament",
    "phone case",
    "pillow",
    "poster",
    "puzzle",
    "retargeting",
    "rustic",
    "spring sale",
    "summer sale",
    "tablet",
    "thanksgiving",
    "valentines",
    "vintage",
    "wedding",
    "winter sale",
];

/// Make and model.
pub(super) const CAMERAS: &[&str] = &[
    "Apple|iPhone 6s",
    "Apple|iPhone 7",
    "Apple|iPhone X",
    "Canon|EOS 80D",
    "Canon|EOS 5D IV",
    "Canon|PowerShot",
    "Fujifilm|X-T2",
    "Google|Pixel 2",
    "Huawei|P20 Pro",
    "Nikon|D3400",
    "Nikon|D850",
    "Olympus|E-M10",
    "Samsung|Galaxy S8",
    "Samsung|SM-G930F",
    "Sony|ILCE-6000",
    "Sony|ILCE-7M3",
];

/// One of the words.
pub(super) fn word(words: &'static [&'static str], dice: &mut Dice) -> &'static str {
    let place = dice.below(u64::try_from(words.len()).unwrap_or(u64::MAX));
    usize::try_from(place).ok().and_then(|place| words.get(place)).copied().unwrap_or_default()
}

/// Spells lines. Keeps the text of the last day it met, since most lines are of the same one.
#[derive(Default)]
pub(super) struct Line {
    day: u64,
    date: Vec<u8>,
}

impl Line {
    pub(super) fn begin(
        &mut self,
        kind: &'static str,
        verb: &'static str,
        key: u64,
        at_ms: u64,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"type\": \"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\", \"verb\": \"");
        out.extend_from_slice(verb.as_bytes());
        out.extend_from_slice(b"\", \"key\": \"");
        hex(key, out);
        out.extend_from_slice(b"\", \"event_time\": \"");
        self.time(at_ms, out);
        out.push(b'"');
    }

    pub(super) fn customer(&self, id: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b", \"customer_id\": \"");
        hex(id, out);
        out.push(b'"');
    }

    pub(super) fn text(&self, name: &str, value: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b", \"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\": \"");
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }

    pub(super) fn tag(&self, name: &str, value: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b", \"tags\": [{\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\": \"");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\"}]");
    }

    pub(super) fn amount(&self, cents: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b", \"total_amount\": \"");
        out.extend_from_slice((cents / 100).to_string().as_bytes());
        out.push(b'.');
        digits(cents % 100, 2, out);
        out.extend_from_slice(b" USD\"");
    }

    pub(super) fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"}\n");
    }

    fn time(&mut self, at_ms: u64, out: &mut Vec<u8>) {
        let (day, ms) = (at_ms / 86_400_000, at_ms % 86_400_000);
        if day != self.day || self.date.is_empty() {
            let (year, month, day_of_month) = civil(day);
            self.date.clear();
            digits(year, 4, &mut self.date);
            self.date.push(b'-');
            digits(month, 2, &mut self.date);
            self.date.push(b'-');
            digits(day_of_month, 2, &mut self.date);
            self.date.push(b'T');
            self.day = day;
        }
        out.extend_from_slice(&self.date);
        digits(ms / 3_600_000, 2, out);
        out.push(b':');
        digits(ms / 60_000 % 60, 2, out);
        out.push(b':');
        digits(ms / 1000 % 60, 2, out);
        out.push(b'.');
        digits(ms % 1000, 3, out);
        out.push(b'Z');
    }
}

/// The last `count` decimal digits, zeros included.
fn digits(value: u64, count: u32, out: &mut Vec<u8>) {
    for place in (0..count).rev() {
        let digit = value / 10_u64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Twelve hex digits.
fn hex(key: u64, out: &mut Vec<u8>) {
    for place in (0..12).rev() {
        let digit = u8::try_from(key >> (4 * place) & 15).unwrap_or(0);
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

/// Year, month and day of a day since 1970, by the Gregorian calendar.
fn civil(day: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that leap days end their year.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_month)
}
