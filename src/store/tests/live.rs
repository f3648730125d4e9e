//! Answers from statistics that somebody keeps, and one customer's records.

use super::pack::{store, unpacked_log};
use super::*;
use crate::log::SimDisk;
use crate::{Lifespan, Picked, WeekStart};

fn questions() -> Vec<Question> {
    let window =
        TimeFrame::Window { from_us: 1_485_907_200_000_000, until_us: 1_488_589_570_000_000 };
    let frames = [TimeFrame::Dataset, TimeFrame::Customer, window];
    let question = |frame| Question { frame, ..Question::default() };
    frames.into_iter().map(question).collect()
}

#[test]
fn answers_from_kept_statistics_are_those_of_the_store() {
    let disk = unpacked_log(60);
    let store = store(&disk);
    let known = ids(&store);
    for question in questions() {
        let statistics = store.statistics(question.frame).unwrap();
        for x in [0, 1, 5, 100] {
            let expected = store.top(x, &question).unwrap();
            assert_eq!(store.top_of(&statistics, x, &question).unwrap(), expected);
            let mut id_of = |ordinal: u32| known.get(ordinal as usize).cloned();
            let picked = Picked::top(&statistics, x, &question, &mut id_of).unwrap();
            assert_eq!(store.top_picked(&picked).unwrap(), expected);
        }
        let ids: Vec<String> = ["c7", "c0", "c12", "c0"].map(str::to_owned).to_vec();
        let ordinals: Vec<u32> = ids.iter().map(|id| store.ordinal(id).unwrap().unwrap()).collect();
        let (_, expected) = store.stats(&ids, &question).unwrap();
        let found = store.customers_of(&statistics, &ordinals, &question).unwrap();
        assert_eq!(found.into_iter().map(Some).collect::<Vec<_>>(), expected);
    }
    assert_eq!(store.ordinal("nobody").unwrap(), None);
}

/// All customers' ids, in order of ordinals.
fn ids(store: &Store) -> Vec<String> {
    struct Ids(Vec<String>);
    impl crate::Projection for Ids {
        fn apply(&mut self, batch: &crate::Batch<'_>) -> Result<(), crate::Fault> {
            batch.new_customers(&mut |id| self.0.push(id.to_owned()))
        }
    }
    let mut ids = Ids(Vec::new());
    store.replay(&mut ids).unwrap();
    ids.0
}

/// A follower that is lent ids reads the others itself, and tells the same.
#[test]
fn a_follower_takes_ids_from_whoever_has_them() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    let disk = unpacked_log(60);
    let store = store(&disk);
    let known = ids(&store);
    let mut expected = Vec::new();
    store
        .records(9, &mut |record| {
            expected.push(line(record));
            Ok(true)
        })
        .unwrap();
    for half in [0, known.len() / 2, known.len()] {
        let (lent, mut told) = (std::sync::Arc::new(AtomicU32::new(0)), Vec::new());
        let (some, count) = (known[..half].to_vec(), std::sync::Arc::clone(&lent));
        let mut follower = store.follow(9).unwrap().knowing(move |ordinal, id| {
            let known = some.get(ordinal as usize).inspect(|known| id.push_str(known));
            count.fetch_add(u32::from(known.is_some()), Relaxed);
            known.is_some()
        });
        // A piece of five at a time.
        let mut piece = |told: &mut Vec<_>| {
            let end = told.len() + 5;
            follower
                .catch_up(&mut |record| {
                    told.push(line(record));
                    Ok(told.len() < end)
                })
                .unwrap()
        };
        while piece(&mut told) > 0 {}
        assert_eq!(told, expected);
        assert_eq!(lent.load(Relaxed) > 0, half > 0);
    }
}

/// The log goes on, and so do customers' names; the answer does not.
#[test]
fn answers_are_as_of_the_end_of_the_statistics() {
    let disk = SimDisk::default();
    let mut writer = store(&disk);
    let rename = |name: &str, second: u32| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"UPDATE","key":"c1","event_time":"2017-05-01T00:00:{second:02}Z","last_name":"{name}"}}"#
        )
    };
    append(&mut writer, &[customer(1), rename("Then", 1), order("NEW", 1, 1, 500, 1)]).unwrap();
    append(&mut writer, &[visit(1, 1)]).unwrap();
    let question = Question {
        week_start: WeekStart::Monday,
        lifespan: Lifespan::default(),
        frame: TimeFrame::Dataset,
    };
    let reader = store(&disk);
    let statistics = reader.statistics(TimeFrame::Dataset).unwrap();
    let then = reader.top(5, &question).unwrap();
    assert_eq!((then.end, then.customers[0].last_name.as_deref()), (4, Some("Then")));
    append(&mut writer, &[rename("Now", 2), customer(2), order("UPDATE", 1, 2, 900, 2)]).unwrap();
    for store in [&reader, &writer] {
        assert_eq!(store.top_of(&statistics, 5, &question).unwrap(), then);
        let customers = store.customers_of(&statistics, &[0], &question).unwrap();
        assert_eq!(customers, then.customers);
    }
    assert_ne!(reader.top(5, &question).unwrap(), then);
}

#[test]
fn statistics_that_do_not_fit_are_refused() {
    let disk = unpacked_log(30);
    let store = store(&disk);
    let other = |lines: &[String]| {
        let mut other = Store::scratch(Options::default()).unwrap();
        append(&mut other, lines).unwrap();
        other.statistics(TimeFrame::Dataset).unwrap()
    };
    let many: Vec<String> = (0..100).map(customer).collect();
    let [dataset, customer_frame, window] = &questions()[..] else { panic!("three") };
    let own = store.statistics(TimeFrame::Dataset).unwrap();
    let confined = store.statistics(window.frame).unwrap();
    let cases = [
        (&other(&many), dataset),
        (&other(&many[..9]), dataset),
        (&own, window),
        (&confined, dataset),
        (&confined, customer_frame),
    ];
    for (statistics, question) in cases {
        let refused = store.top_of(statistics, 3, question).unwrap_err();
        assert!(matches!(refused, Error::Options { .. }), "{refused}");
        let refused = store.customers_of(statistics, &[0], question).unwrap_err();
        assert!(matches!(refused, Error::Options { .. }), "{refused}");
        let mut id_of = |ordinal: u32| Some(ordinal.to_string());
        let picked = Picked::top(statistics, 3, question, &mut id_of);
        let refused = picked.and_then(|picked| store.top_picked(&picked)).unwrap_err();
        assert!(matches!(refused, Error::Options { .. }), "{refused}");
    }
    let unknown = store.customers_of(&own, &[0, 1_000_000], dataset).unwrap_err();
    assert!(matches!(unknown, Error::Options { .. }), "{unknown}");
    let empty = store.top_of(&Statistics::new(), 3, dataset).unwrap();
    assert_eq!((empty.end, empty.span, empty.customers.len()), (0, None, 0));
    let scratch = Store::scratch(Options::default()).unwrap();
    assert_eq!(scratch.top_of(&Statistics::new(), 3, dataset).unwrap().end, 0);
    assert!(scratch.top_of(&own, 3, dataset).is_err());
}

fn line(record: &Record<'_>) -> (u64, String) {
    let mut line = String::new();
    record.event.to_json(*b"USD", &mut line);
    (record.sequence, line)
}

/// What `records_of` must give, by all records: an order that moves is followed by its key.
fn expected(store: &Store, id: &str, from: u64) -> Vec<(u64, String)> {
    let mut of_order = std::collections::HashMap::<String, (String, i64)>::new();
    let mut found = Vec::new();
    store
        .records(0, &mut |record| {
            let event = &record.event;
            let is_order = matches!(event.kind, crate::Kind::OrderNew | crate::Kind::OrderUpdate);
            let mut is_its_own =
                event.customer_id == id || event.customer_id.is_empty() && event.key == id;
            if is_order {
                let before = of_order.get(&*event.key);
                if before.is_none_or(|(_, at_us)| *at_us <= event.at_us) {
                    is_its_own |= before.is_some_and(|(owner, _)| owner == id);
                    let now = (event.customer_id.to_string(), event.at_us);
                    of_order.insert(event.key.to_string(), now);
                }
            }
            if is_its_own && record.sequence >= from {
                found.push(line(record));
            }
            Ok(true)
        })
        .unwrap();
    found
}

fn records_of(store: &Store, ordinal: u32, from: u64) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let end = store.records_of(ordinal, from, &mut |record| {
        found.push(line(record));
        Ok(true)
    });
    assert_eq!(end.unwrap(), store.end().unwrap());
    found
}

#[test]
fn records_of_a_customer_are_its_own_and_those_that_took_orders_away() {
    let disk = SimDisk::default();
    let mut writer = store(&disk);
    let mut lines: Vec<String> = (0..3).map(customer).collect();
    for n in 0..60 {
        let whose = n * n % 7 % 3;
        lines.push(match n % 4 {
            0 => order("NEW", n, whose, 100 + n, 10),
            // Some of them are stale.
            1 | 2 => order("UPDATE", n / 4 * 4, whose, 90 + n, n * 7 % 40),
            _ => visit(n, whose),
        });
        if n % 9 == 4 {
            append(&mut writer, &lines).unwrap();
            lines.clear();
        }
    }
    append(&mut writer, &lines).unwrap();
    append(&mut writer, &[customer(3), customer(4)]).unwrap();
    // Batches that name its customer nowhere else.
    for whose in [3, 4, 3] {
        append(&mut writer, &[order("UPDATE", 0, whose, 70, 50 + whose)]).unwrap();
        append(&mut writer, &[order("UPDATE", 4, 7 - whose, 70, 50 + whose)]).unwrap();
    }
    let mut scratch = Store::scratch(Options::default()).unwrap();
    append(&mut scratch, &export(&writer).unwrap()).unwrap();
    let end = writer.end().unwrap();
    let mut moved = 0;
    for store in [&writer, &self::store(&disk), &scratch] {
        for n in 0..5 {
            let id = format!("c{n}");
            let ordinal = store.ordinal(&id).unwrap().unwrap();
            for from in 0..=end {
                let found = records_of(store, ordinal, from);
                assert_eq!(found, expected(store, &id, from), "{id} from {from}");
                moved +=
                    found.iter().filter(|(_, line)| !line.contains(&format!("\"{id}\""))).count();
            }
        }
        assert_eq!(records_of(store, 5, 0), []);
        assert_eq!(records_of(store, u32::MAX, 3), []);
        let mut given = 0;
        store
            .records_of(0, 0, &mut |_| {
                given += 1;
                Ok(given < 3)
            })
            .unwrap();
        assert_eq!(given, 3);
    }
    assert!(moved > 100, "{moved} records of orders that went to others");
    let empty = Store::scratch(Options::default()).unwrap();
    assert_eq!(records_of(&empty, 0, 0), []);
}
