//! Answers from statistics that somebody keeps.

use super::pack::{store, unpacked_log};
use super::*;
use crate::log::SimDisk;
use crate::{Lifespan, WeekStart};

fn questions() -> Vec<Question> {
    let window =
        TimeFrame::Window { from_us: 1_485_907_200_000_000, until_us: 1_488_589_570_000_000 };
    let frames = [TimeFrame::Dataset, TimeFrame::Customer, window];
    let question = |frame| Question { frame, ..Question::default() };
    frames.into_iter().map(question).collect()
}

fn ordinal(store: &Store, id: &str) -> u32 {
    store.ordinals(&store.source().unwrap(), &[id.to_owned()]).unwrap()[0].unwrap()
}

#[test]
fn answers_from_kept_statistics_are_those_of_the_store() {
    let disk = unpacked_log(60);
    let store = store(&disk);
    for question in questions() {
        let statistics = store.statistics(question.frame).unwrap();
        for x in [0, 1, 5, 100] {
            let expected = store.top(x, &question).unwrap();
            assert_eq!(store.top_of(&statistics, x, &question).unwrap(), expected);
        }
        let ids: Vec<String> = ["c7", "c0", "c12", "c0"].map(str::to_owned).to_vec();
        let ordinals: Vec<u32> = ids.iter().map(|id| ordinal(&store, id)).collect();
        let (_, expected) = store.stats(&ids, &question).unwrap();
        let found = store.customers_of(&statistics, &ordinals, &question).unwrap();
        assert_eq!(found.into_iter().map(Some).collect::<Vec<_>>(), expected);
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
    }
    let unknown = store.customers_of(&own, &[0, 1_000_000], dataset).unwrap_err();
    assert!(matches!(unknown, Error::Options { .. }), "{unknown}");
    let empty = store.top_of(&Statistics::new(), 3, dataset).unwrap();
    assert_eq!((empty.end, empty.span, empty.customers.len()), (0, None, 0));
    let scratch = Store::scratch(Options::default()).unwrap();
    assert_eq!(scratch.top_of(&Statistics::new(), 3, dataset).unwrap().end, 0);
    assert!(scratch.top_of(&own, 3, dataset).is_err());
}
