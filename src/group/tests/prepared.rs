//! Many calls handed over by one thread.

use super::*;
use crate::Reason;
use crate::store::Options;

fn appender(disk: &SimDisk) -> Appender {
    Appender::new(store(disk, 1).unwrap(), AppenderOptions::default()).unwrap()
}

fn prepare(log: &Appender, lines: &[String]) -> Result<Prepared, Error> {
    log.prepare_json(&mut lines.join("\n").as_bytes())
}

/// Calls whose receipts depend on those before them, and on what else is in the same call.
fn calls() -> Vec<Vec<String>> {
    let held = [visit(1, 1), customer(1)];
    let others = (2..40).map(|n| vec![customer(n), visit(n, n + 1), "{".to_owned(), visit(n, n)]);
    let first = [vec![visit(0, 1)], held.to_vec(), vec![], vec![customer(1), visit(1, 1)]];
    first.into_iter().chain(others).collect()
}

#[test]
fn each_call_gets_the_receipt_that_it_would_get_alone() {
    let (together, alone) = (SimDisk::default(), SimDisk::default());
    let (log, serial) = (appender(&together), appender(&alone));
    let prepared: Vec<_> = calls().iter().map(|lines| prepare(&log, lines).unwrap()).collect();
    let done = log.append_prepared(prepared).unwrap();
    assert_eq!(done.len(), calls().len());
    for (lines, appended) in calls().iter().zip(&done) {
        let expected = serial.append_json(&mut lines.join("\n").as_bytes()).unwrap();
        assert_eq!(*appended, expected, "{lines:?}");
    }
    let reasons: Vec<_> =
        done[4].rejected.iter().map(|one| (one.index, one.rejection.reason)).collect();
    assert_eq!(reasons, [(1, Reason::ConflictingKey), (2, Reason::MalformedJson)]);
    assert_eq!(log.synced_end(), serial.synced_end());
    assert_eq!(keys(&together), keys(&alone));
}

/// However many calls there are, they are one write and one sync.
#[test]
fn calls_that_are_handed_over_together_are_one_group() {
    let changes = |handed_over: &[&[u64]]| {
        let disk = SimDisk::default();
        let log = appender(&disk);
        let before = disk.changes();
        for calls in handed_over {
            let calls = calls.iter().map(|n| prepare(&log, &[customer(*n)]).unwrap()).collect();
            log.append_prepared(calls).unwrap();
        }
        disk.changes() - before
    };
    let one = changes(&[&[1]]);
    assert_eq!(changes(&[&[1, 2, 3, 4]]), one);
    assert!(changes(&[&[1, 2], &[3, 4]]) > one);
}

#[test]
fn what_is_prepared_tells_its_weight_and_goes_to_any_thread() {
    let log = appender(&SimDisk::default());
    let lines = [customer(1), "{".to_owned(), visit(1, 1)];
    let call = prepare(&log, &lines).unwrap();
    let bytes = lines.iter().map(String::len).sum::<usize>();
    assert_eq!((call.events(), call.bytes()), (3, bytes));
    let other = log.clone();
    let done = thread::spawn(move || other.append_prepared(vec![call])).join().unwrap().unwrap();
    assert_eq!((done[0].receipt.accepted, done[0].rejected[0].index), (2, 1));
    assert_eq!(log.append_prepared(Vec::new()).unwrap(), []);
    // One that nobody appends is as if it never was.
    drop(prepare(&log, &[customer(2)]).unwrap());
    let late = prepare(&log, &[customer(3)]).unwrap();
    log.close().unwrap();
    assert!(matches!(log.append_prepared(vec![late]), Err(Error::Closed)));
    assert!(matches!(log.append_prepared(Vec::new()), Err(Error::Closed)));
    assert_eq!(log.reader().unwrap().end().unwrap(), 2);
}

#[test]
fn calls_that_together_never_fit_or_are_of_another_log_are_refused() {
    let options = |currency| Options { currency: Some(currency), ..Options::default() };
    let appender = |currency, events| {
        let store = Store::scratch(options(currency)).unwrap();
        let options = AppenderOptions { waiting_events_max: events, ..Default::default() };
        Appender::new(store, options).unwrap()
    };
    let (log, euros) = (appender(*b"USD", 3), appender(*b"EUR", 3));
    let two = || prepare(&log, &[customer(1), customer(2)]).unwrap();
    assert!(matches!(prepare(&log, &[(); 4].map(|()| customer(1))), Err(Error::Options { .. })));
    assert!(matches!(log.append_prepared(vec![two(), two()]), Err(Error::Options { .. })));
    assert!(matches!(euros.append_prepared(vec![two()]), Err(Error::Options { .. })));
    assert_eq!(log.append_prepared(vec![two()]).unwrap()[0].receipt.accepted, 2);
    assert_eq!(euros.append([]).unwrap().receipt.end, 0);
}
