//! Answers do not depend on how many threads fold, over any time, with and without a checkpoint.

use std::num::NonZeroUsize;

use ltvlog::{Event, Options, Question, Store, Sync, TimeFrame};

/// Enough that several threads fold it.
const EVENTS: u64 = 80_000;
const CUSTOMERS: u64 = 700;

/// Customers who come one after another, their visits, orders, and updates of these that change
/// amount or customer, some of them stale.
fn line(n: u64) -> String {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let known = (n / (EVENTS / CUSTOMERS) + 1).min(CUSTOMERS);
    let customer = mixed % known;
    let at =
        |days: u64| format!("20{:02}-0{}-1{}T10:00:00Z", 10 + days % 7, 1 + days % 9, days % 10);
    let head = |kind: &str, verb: &str, key: String| {
        format!(
            r#"{{"type":"{kind}","verb":"{verb}","key":"{key}","event_time":"{}""#,
            at(mixed % 991)
        )
    };
    if n.is_multiple_of(EVENTS / CUSTOMERS) && n / (EVENTS / CUSTOMERS) < CUSTOMERS {
        let number = n / (EVENTS / CUSTOMERS);
        return format!("{}}}", head("CUSTOMER", "NEW", format!("c{number}")));
    }
    let of = format!(r#","customer_id":"c{customer}""#);
    match n % 4 {
        0 => format!("{}{of}}}", head("SITE_VISIT", "NEW", format!("v{n}"))),
        1 => {
            let name = format!(r#","last_name":"Name{mixed}"}}"#);
            format!("{}{name}", head("CUSTOMER", "UPDATE", format!("c{customer}")))
        }
        2 => {
            let amount = format!(r#","total_amount":"{}.50 USD"}}"#, mixed % 300);
            format!("{}{of}{amount}", head("ORDER", "NEW", format!("o{n}")))
        }
        _ => {
            // Of an order long ago, or of one in the same batch.
            let order = if n % 8 == 3 { (n / 2) / 4 * 4 + 2 } else { n - 1 };
            let amount = format!(r#","total_amount":"{}.25 USD"}}"#, mixed % 500);
            format!("{}{of}{amount}", head("ORDER", "UPDATE", format!("o{order}")))
        }
    }
}

#[test]
fn answers_are_the_same_on_any_number_of_threads() {
    for checkpoint_events_min in [u64::MAX, 1_000] {
        let home = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes_max: 300 << 10,
            sync: Sync::None,
            checkpoint_events_min,
            ..Options::default()
        };
        let mut store = Store::open(home.path(), options.clone()).unwrap();
        let rules = store.rules().clone();
        let lines: Vec<String> = (0..EVENTS).map(line).collect();
        // The second part is behind the checkpoint of the first, and long enough for threads.
        for part in [&lines[..8_000], &lines[8_000..]] {
            let events =
                part.iter().map(|line| Event::from_json(line.as_bytes(), &rules).expect(line));
            let receipt = store.append(events).unwrap();
            assert!(receipt.accepted * 10 > part.len() as u64 * 9, "{receipt:?}");
        }
        store.close().unwrap();
        let ids: Vec<String> = (0..CUSTOMERS + 1).step_by(13).map(|n| format!("c{n}")).collect();
        let window = |from: &str, until: &str| TimeFrame::Window {
            from_us: ltvlog::parse_date(from).unwrap(),
            until_us: ltvlog::parse_date(until).unwrap(),
        };
        for frame in [
            TimeFrame::Dataset,
            TimeFrame::Customer,
            window("2011-01-01", "2014-06-01"),
            window("1990-01-01", "1991-01-01"),
        ] {
            let question = Question { frame, ..Question::default() };
            let answers = [1, 2, 3, 16].map(|threads| {
                let threads = NonZeroUsize::new(threads).unwrap();
                let store =
                    Store::open(home.path(), Options { threads, ..options.clone() }).unwrap();
                (store.top(50, &question).unwrap(), store.stats(&ids, &question).unwrap())
            });
            let [one, others @ ..] = &answers;
            for other in others {
                assert!(one == other, "{frame:?}, {checkpoint_events_min}: {one:?}\n{other:?}");
            }
        }
    }
}
