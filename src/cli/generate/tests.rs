//! What `generate` promises: its bytes, that they are admissible, and their mix.

use std::collections::{BTreeMap, BTreeSet};

use super::super::args::GenerateArgs;
use super::Generator;
use super::write::{TAG_KEYS, TAG_VALUES};
use crate::{Event, Field, Kind, Rules};

const RULES: Rules =
    Rules { currency: *b"USD", time_range_us: 1_483_228_800_000_000..1_577_836_800_000_000 };

fn generate(events: u64, customers: u64, seed: u64, updates: u8) -> Vec<u8> {
    let args = GenerateArgs { events, customers, seed, updates };
    let mut generator = Generator::new(&args).unwrap();
    let mut out = Vec::new();
    while generator.line(&mut out) {}
    out
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// FNV-1a: enough to see that not one byte has changed.
fn fingerprint(text: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

const START: &str = r#"{"type": "CUSTOMER", "verb": "NEW", "key": "2036d178ff4a", "event_time": "2017-01-01T00:00:00.000Z", "last_name": "Washington", "adr_city": "Virginia Beach", "adr_state": "CA"}
{"type": "SITE_VISIT", "verb": "NEW", "key": "da1b2de57f0c", "event_time": "2017-12-31T23:12:17.003Z", "customer_id": "2036d178ff4a", "tags": [{"collection": "winter sale"}]}
{"type": "IMAGE", "verb": "UPLOAD", "key": "42917469cb25", "event_time": "2018-12-31T23:54:09.041Z", "customer_id": "2036d178ff4a", "camera_make": "Samsung", "camera_model": "Galaxy S8"}
"#;

#[test]
fn the_bytes_of_a_seed_never_change() {
    let start = String::from_utf8(generate(3, 1, 1, 0)).unwrap();
    assert_eq!(start, START);
    let prints = [
        fingerprint(&generate(20_000, 2_000, 1, 0)),
        fingerprint(&generate(20_000, 2_000, 2, 30)),
        fingerprint(&generate(5_000, 5_000, u64::MAX, 100)),
    ];
    assert_eq!(
        prints,
        [5_196_988_580_847_390_676, 8_519_064_713_924_331_579, 5_763_399_881_933_754_797]
    );
}

#[test]
fn every_event_is_admissible_where_it_stands() {
    // From one customer for all events to nothing but customers, from no updates to all.
    let shapes = [(2_000, 1), (2_000, 2), (5_000, 500), (5_000, 2_500), (3_000, 3_000)];
    for (shape, (events, customers)) in shapes.into_iter().enumerate() {
        for updates in [0, 1, 30, 100] {
            let text = generate(events, customers, shape as u64, updates);
            let (mut known, mut orders) = (BTreeSet::new(), BTreeSet::new());
            let (mut keys, mut all_updates) = (BTreeSet::new(), BTreeSet::new());
            for line in lines(&text) {
                let event = Event::from_json(line, &RULES).unwrap();
                let key = event.key.clone().into_owned();
                assert_eq!(key.len(), 12);
                match event.kind {
                    Kind::CustomerNew => assert!(known.insert(key)),
                    Kind::CustomerUpdate => {
                        assert!(known.contains(&key));
                        assert!(all_updates.insert(line.to_vec()));
                    }
                    Kind::OrderUpdate => {
                        assert!(orders.contains(&key) && known.contains(&*event.customer_id));
                        assert!(all_updates.insert(line.to_vec()));
                    }
                    Kind::OrderNew => {
                        assert!(known.contains(&*event.customer_id));
                        assert!(orders.insert(key));
                    }
                    Kind::SiteVisitNew | Kind::ImageUpload => {
                        assert!(known.contains(&*event.customer_id));
                        assert!(keys.insert(key));
                    }
                }
            }
            assert_eq!(known.len() as u64, customers);
            assert_eq!(lines(&text).count() as u64, events);
            assert_eq!(all_updates.is_empty(), updates == 0 || events == customers);
        }
    }
}

#[test]
fn a_file_has_the_promised_mix() {
    let text = generate(100_000, 10_000, 7, 0);
    let mut kinds = BTreeMap::<&str, u64>::new();
    let (mut tags, mut active) = (BTreeSet::new(), BTreeMap::<String, u64>::new());
    let (mut first_us, mut last_us) = (i64::MAX, 0);
    for line in lines(&text) {
        let event = Event::from_json(line, &RULES).unwrap();
        let name = match event.kind {
            Kind::CustomerNew => "customer",
            Kind::SiteVisitNew => "visit",
            Kind::OrderNew => "order",
            Kind::ImageUpload => "image",
            Kind::CustomerUpdate | Kind::OrderUpdate => "update",
        };
        *kinds.entry(name).or_default() += 1;
        (first_us, last_us) = (first_us.min(event.at_us), last_us.max(event.at_us));
        tags.extend(event.texts[Field::Tags as usize].as_deref().map(str::to_owned));
        if !event.customer_id.is_empty() {
            *active.entry(event.customer_id.into_owned()).or_default() += 1;
        }
    }
    let near = |name: &str, expected: u64| {
        assert!(kinds[name].abs_diff(expected) < 600, "{name}: {kinds:?}");
    };
    assert_eq!(kinds["customer"], 10_000);
    near("visit", 63_000);
    near("order", 18_000);
    near("image", 9_000);
    assert_eq!(tags.len(), TAG_KEYS.len() * TAG_VALUES.len());
    assert_eq!((TAG_KEYS.len(), TAG_VALUES.len()), (20, 50));
    let year_us = 365 * 86_400_000_000_i64;
    assert!((3 * year_us - (last_us - first_us)).abs() < year_us / 365);
    // Unevenly active: the most active hundredth does a good part of all, many do nothing.
    let mut counts: Vec<u64> = active.values().copied().collect();
    counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
    let of_the_first: u64 = counts[..100].iter().sum();
    assert!((9_000..60_000).contains(&of_the_first), "{of_the_first}");
    assert!(counts.len() < 9_900, "{}", counts.len());
    // Not the first ids by order, nor those that came first.
    let by_id: u64 = active.values().take(active.len() / 2).sum();
    assert!((30_000..60_000).contains(&by_id), "{by_id}");
}

#[test]
fn a_line_has_170_bytes_on_average() {
    for (events, customers) in [(50_000, 5_000), (50_000, 50), (50_000, 25_000)] {
        for updates in [0, 10, 50] {
            let text = generate(events, customers, 3, updates);
            let average = text.len() as f64 / events as f64;
            assert!((165.0..175.0).contains(&average), "{customers} {updates}: {average}");
        }
    }
}

#[test]
fn what_cannot_be_generated_is_refused() {
    for (events, customers) in [(0, 1), (1, 0), (9, 10), (u64::MAX, 1), (1 << 36, 1 << 33)] {
        let args = GenerateArgs { events, customers, seed: 0, updates: 0 };
        assert!(Generator::new(&args).is_err(), "{events} {customers}");
    }
    assert_eq!(generate(0, 0, 0, 0), b"");
}
