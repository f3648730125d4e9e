//! The world that events come from: a few customers, orders, pages, images and instants, so that
//! events meet each other.

use super::Random;
use super::junk;
use super::spell;
use crate::model::event::Terms;
use crate::model::instant::DAY_US;
use crate::model::json::Json;

/// An event before it is spelled.
#[derive(Clone, Debug)]
pub struct Draft {
    pub kind: &'static str,
    pub verb: &'static str,
    pub key: String,
    pub customer: String,
    pub at_us: i64,
    pub cents: i64,
    /// Optional fields, and fields that no table names.
    pub extras: Vec<(String, Json)>,
}

pub struct World {
    pub random: Random,
    pub terms: Terms,
    pub junk_percent: usize,
    pub customers: Vec<String>,
    orders: Vec<String>,
    others: Vec<String>,
    pub instants: Vec<i64>,
    pub amounts: Vec<i64>,
    drafts: Vec<Draft>,
}

/// Ids that differ by little, sort differently as UTF-16, or need escapes.
const IDS: [&str; 26] = [
    "a",
    "b",
    "A",
    "ab",
    "a\0",
    "a\u{1}b",
    "aa",
    "é",
    "e\u{301}",
    "ü\n",
    "😀",
    "\u{ffff}",
    "\u{e000}",
    "\"",
    "\\",
    "/",
    "\u{7f}",
    "null",
    "0",
    "00",
    " a",
    "a ",
    "96f55c7d8f42",
    "96F55C7D8F42",
    "fff",
    "\u{2028}",
];

const AMOUNTS: [i64; 16] = [
    0,
    1,
    2,
    5,
    25,
    50,
    99,
    100,
    1_234,
    2_600,
    10_001,
    -1,
    -50,
    -1_234,
    99_999_999_999_999,
    -99_999_999_999_999,
];

pub const MOST_CENTS: i64 = 99_999_999_999_999;

impl World {
    /// A world for about `count` events.
    pub fn new(mut random: Random, terms: Terms, count: usize) -> World {
        let many = if random.percent(20) { 12 + count / 8 } else { 6 };
        let customers = pool(&mut random, many);
        let (orders, others) = (pool(&mut random, 8 + count / 5), pool(&mut random, 10));
        let instants = instants(&mut random, &terms);
        let amounts = (0..6).map(|_| random.pick(&AMOUNTS)).collect();
        World {
            random,
            terms,
            junk_percent: 12,
            customers,
            orders,
            others,
            instants,
            amounts,
            drafts: Vec::new(),
        }
    }

    /// The next text: a new event, an old one in another spelling or with a change, or junk.
    pub fn text(&mut self) -> Vec<u8> {
        let draft = if !self.drafts.is_empty() && self.random.percent(25) {
            let mut draft = self.random.choose(&self.drafts).clone();
            if self.random.percent(45) {
                self.change(&mut draft);
            }
            draft
        } else {
            self.draft()
        };
        if self.random.percent(self.junk_percent) {
            return junk::junk(&mut self.random, &self.terms, &draft);
        }
        let text = spell::event(&mut self.random, &self.terms, &draft);
        self.drafts.push(draft);
        text
    }

    /// A history without a fault: every customer, then new things about them, then updates. What
    /// comes of it out of order is for whoever shuffles it.
    pub fn calm(&mut self, count: usize) -> Vec<Vec<u8>> {
        self.customers.sort();
        self.customers.dedup();
        let mut texts = self.new_customers();
        let mut orders: Vec<Draft> = Vec::new();
        for _ in 0..count {
            let mut draft = self.draft();
            match (draft.kind, draft.verb) {
                ("CUSTOMER", "NEW") => draft.verb = "UPDATE",
                ("ORDER", "UPDATE") if !orders.is_empty() => {
                    draft.key = self.random.choose(&orders).key.clone();
                }
                ("ORDER", _) => {
                    (draft.verb, draft.key) = ("NEW", hex(&mut self.random));
                    orders.push(draft.clone());
                }
                ("CUSTOMER", _) => {}
                _ => draft.key = hex(&mut self.random),
            }
            texts.push(spell::event(&mut self.random, &self.terms, &draft));
        }
        texts
    }

    /// The CUSTOMER NEW of every customer.
    pub fn new_customers(&mut self) -> Vec<Vec<u8>> {
        let ids = self.customers.clone();
        let drafts = ids.into_iter().map(|id| {
            let (key, customer, at_us) = (id.clone(), id, self.instants[0]);
            Draft { kind: "CUSTOMER", verb: "NEW", key, customer, at_us, cents: 0, extras: vec![] }
        });
        let drafts: Vec<_> = drafts.collect();
        drafts.iter().map(|draft| spell::event(&mut self.random, &self.terms, draft)).collect()
    }

    fn draft(&mut self) -> Draft {
        let random = &mut self.random;
        let (kind, verb) = match random.below(100) {
            0..14 => ("CUSTOMER", "NEW"),
            14..24 => ("CUSTOMER", "UPDATE"),
            24..44 => ("SITE_VISIT", "NEW"),
            44..54 => ("IMAGE", "UPLOAD"),
            54..76 => ("ORDER", "NEW"),
            _ => ("ORDER", "UPDATE"),
        };
        let customer = random.choose(&self.customers).clone();
        let key = match kind {
            "CUSTOMER" => customer.clone(),
            "ORDER" => random.choose(&self.orders).clone(),
            _ if random.percent(15) => random.choose(&self.others).clone(),
            _ => hex(random),
        };
        let at_us = random.pick(&self.instants);
        let at_us = if random.percent(70) { at_us } else { self.near(at_us) };
        let cents = self.random.pick(&self.amounts);
        let extras = extras(&mut self.random, kind);
        Draft { kind, verb, key, customer, at_us, cents, extras }
    }

    /// An instant not far away, within the log's range.
    fn near(&mut self, at_us: i64) -> i64 {
        let far = self.random.pick(&[3, 2_000, 5_000_000, DAY_US, 10 * DAY_US, 400 * DAY_US]);
        let (from, to) = self.terms.time_range_us;
        (at_us + self.random.between(-far, far)).clamp(from, to - 1)
    }

    /// One small change that makes it another event, or nearly so.
    fn change(&mut self, draft: &mut Draft) {
        let random = &mut self.random;
        match random.below(9) {
            0 => draft.at_us = self.near(draft.at_us),
            1 => draft.cents = random.pick(&self.amounts),
            2 => draft.cents = -draft.cents,
            3 if draft.kind != "CUSTOMER" => {
                draft.customer = random.choose(&self.customers).clone();
            }
            4 if matches!(draft.kind, "CUSTOMER" | "ORDER") => {
                draft.verb = if draft.verb == "NEW" { "UPDATE" } else { "NEW" };
            }
            5 => {
                draft.extras.pop();
            }
            6 => draft.extras = extras(random, draft.kind),
            _ if !draft.extras.is_empty() => {
                let place = random.below(draft.extras.len());
                spell::change(random, &mut draft.extras[place].1);
            }
            _ => draft.at_us = random.pick(&self.instants),
        }
    }
}

pub fn hex(random: &mut Random) -> String {
    let text = format!("{:016x}", random.next());
    text[..12].to_owned()
}

fn pool(random: &mut Random, count: usize) -> Vec<String> {
    let plain = random.percent(40);
    let one = |random: &mut Random| match random.below(30) {
        _ if plain => hex(random),
        0 => "x".repeat(255),
        1 => "é".repeat(127),
        2..14 => hex(random),
        _ => (random.pick(&IDS)).to_owned(),
    };
    (0..1 + random.below(count)).map(|_| one(random)).collect()
}

/// A handful of instants around one day, near the borders of weeks, and the range's own ends.
fn instants(random: &mut Random, terms: &Terms) -> Vec<i64> {
    let (from, to) = terms.time_range_us;
    let base = random.between(from, to - 1);
    let base = if random.percent(60) { base.clamp(0, 20_000 * DAY_US) } else { base };
    let sunday = (base.div_euclid(DAY_US) + 4).div_euclid(7) * 7 - 4;
    let spread = random.pick(&[1, 3, 40, 400]);
    let mut instants = Vec::new();
    for _ in 0..2 + random.below(6) {
        let day = sunday + 7 * random.between(-spread, spread);
        let at_us = match random.below(12) {
            0 => from,
            1 => to - 1,
            2 | 3 => day * DAY_US - random.between(0, 1),
            4 | 5 => (day + 1) * DAY_US - random.between(0, 1),
            6 => (day + random.between(0, 6)) * DAY_US + 1_000 * random.between(0, 86_399_999),
            7 => (day + random.between(0, 6)) * DAY_US + 1_000_000 * random.between(0, 86_399),
            8 => (day + random.between(0, 6)) * DAY_US,
            _ => day * DAY_US + random.between(0, 7 * DAY_US),
        };
        instants.push(at_us.clamp(from, to - 1));
    }
    instants
}

fn extras(random: &mut Random, kind: &str) -> Vec<(String, Json)> {
    const NAMES: [&str; 5] = ["Smith", "", "Schmidt", "Ōé\u{1F4A9}\\\"\t", "s\u{0}"];
    let named: &[&str] = match kind {
        "CUSTOMER" => &["last_name", "adr_city", "adr_state"],
        "SITE_VISIT" => &["tags"],
        "IMAGE" => &["camera_make", "camera_model"],
        _ => &[],
    };
    let mut extras: Vec<(String, Json)> = Vec::new();
    for name in named {
        if random.percent(40) {
            continue;
        }
        let value = match (*name, random.below(3)) {
            ("tags", 0) => spell::array(random, 3),
            ("tags", 1) => spell::object(random, 3),
            ("tags", _) => Json::Array(vec![Json::Object(vec![(
                "some key".to_owned(),
                Json::Text(format!("value {}", random.below(4))),
            )])]),
            _ => Json::text(random.pick(&NAMES)),
        };
        extras.push(((*name).to_owned(), value));
    }
    if random.percent(22) {
        for _ in 0..1 + random.below(3) {
            let name = random.pick(&[
                "note",
                "",
                "Type",
                "sequence",
                "ключ",
                "tags",
                "last_name",
                "camera_make",
                "customer_id",
                "total_amount",
                "event",
                "reason",
                "line",
                "file",
                "a\u{0}",
                "currency",
            ]);
            let needed = match name {
                "customer_id" => kind != "CUSTOMER",
                "total_amount" => kind == "ORDER",
                _ => named.contains(&name),
            };
            if !needed && extras.iter().all(|(known, _)| known != name) {
                extras.push((name.to_owned(), spell::value(random, 3)));
            }
        }
    }
    extras
}
