//! Many threads on one log.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::Reason;
use crate::log::SimFault;
use crate::store::{Options, Question};

fn appender(disk: &SimDisk) -> Result<Appender, Error> {
    Appender::new(store(disk, 1)?, AppenderOptions::default())
}

fn append(appender: &Appender, lines: &[String]) -> Result<Appended, Error> {
    appender.append_json(&mut lines.join("\n").as_bytes())
}

/// What one thread appends: each call has a new event, one that it brought before, and one that is
/// rejected and can be told from everyone else's.
fn caller(appender: &Appender, of: u64, calls: u64) {
    for n in 0..calls {
        let new = of * 1_000 + n;
        let lines = [customer(new), visit(new, new + 1_000_000), customer(new - n.min(1))];
        let done = append(appender, &lines).unwrap();
        let receipt = &done.receipt;
        assert_eq!((receipt.accepted, receipt.duplicates, receipt.rejected()), (1, 1, 1));
        assert!(receipt.synced && appender.synced_end() >= receipt.end);
        let [rejected] = &done.rejected[..] else { panic!("{:?}", done.rejected) };
        assert_eq!((rejected.index, rejected.rejection.reason), (1, Reason::UnknownCustomer));
        let own = format!("\"c{}\"", new + 1_000_000);
        assert!(rejected.rejection.detail.contains(&own), "{own}: {}", rejected.rejection);
    }
}

#[test]
fn everyone_gets_the_receipt_of_its_own_events_on_the_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes_max: 4 << 10, ..Options::default() };
    let store = Store::open(dir.path().join("log"), options).unwrap();
    let appender = Appender::new(store, AppenderOptions::default()).unwrap();
    let (threads, calls) = (8, 25);
    in_time(move || {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| read_along(&appender, &is_over));
            let callers: Vec<_> = (1..=threads)
                .map(|of| {
                    let appender = appender.clone();
                    scope.spawn(move || caller(&appender, of, calls))
                })
                .collect();
            let done: Vec<_> = callers.into_iter().map(|caller| caller.join()).collect();
            is_over.store(true, Ordering::SeqCst);
            assert!(done.iter().all(Result::is_ok), "a caller failed");
        });
        let reader = appender.reader().unwrap();
        assert_eq!(reader.end().unwrap(), threads * calls);
        assert_eq!(appender.synced_end(), threads * calls);
        appender.close().unwrap();
        assert_eq!(reader.verify().unwrap().problems, []);
    });
    drop(dir);
}

/// Readers see a growing prefix that is on the disk, and a follower each event once.
fn read_along(appender: &Appender, is_over: &AtomicBool) {
    let reader = appender.reader().unwrap();
    let mut follower = reader.follow(0).unwrap();
    let (mut seen, mut followed) = (0, 0);
    while !is_over.load(Ordering::SeqCst) {
        let synced_end = appender.synced_end();
        let top = reader.top(3, &Question::default()).unwrap();
        assert!(top.end >= seen && top.end >= synced_end, "{} after {seen}, {synced_end}", top.end);
        seen = top.end;
        let each = &mut |record: &crate::Record<'_>| {
            assert_eq!(record.sequence, followed);
            followed += 1;
            Ok(true)
        };
        follower.catch_up(each).unwrap();
        assert!(followed >= seen);
    }
}

#[test]
fn a_failing_disk_refuses_everyone_and_takes_nothing_acknowledged() {
    let whole = SimDisk::default();
    appender(&whole).unwrap().close().unwrap();
    let opened = whole.changes();
    let mut failures = 0;
    for at in 0..60 {
        let fault = [SimFault::Error(5), SimFault::SyncLost, SimFault::Short][at as usize % 3];
        let disk = SimDisk::default();
        let for_ever = at % 2 == 0;
        disk.fail(opened + at, fault, for_ever);
        let log = appender(&disk).unwrap();
        let (acknowledged, failed) = in_time(move || {
            let callers: Vec<_> = (0..6_u64)
                .map(|of| {
                    let log = log.clone();
                    thread::spawn(move || until_refused(&log, of))
                })
                .collect();
            let (mut acknowledged, mut refused) = (Vec::new(), 0);
            for caller in callers {
                let (keys, was_refused) = caller.join().unwrap();
                acknowledged.extend(keys);
                refused += usize::from(was_refused);
            }
            // What fails once may be derived, and then nobody hears of it.
            assert!([0, 6].contains(&refused) && (refused == 6 || !for_ever), "{refused} refused");
            assert_eq!(log.append([]).is_err(), refused == 6);
            assert_eq!(log.close().is_err(), refused == 6);
            (acknowledged, refused == 6)
        });
        failures += usize::from(failed);
        disk.evict();
        check(&disk.kill(), &acknowledged, &format!("change {at}, {fault:?}"));
    }
    assert!(failures > 30, "{failures} failures");
}

/// Appends until that fails, or for a while: the keys that were acknowledged, and whether it failed.
fn until_refused(appender: &Appender, of: u64) -> (Vec<String>, bool) {
    let mut acknowledged = Vec::new();
    for n in 0..200 {
        let line = customer(of * 10_000 + n);
        match append(appender, std::slice::from_ref(&line)) {
            Ok(done) => assert_eq!((done.receipt.accepted, done.receipt.synced), (1, true)),
            Err(Error::Poisoned { reason }) => {
                assert!(reason.contains("/log"), "it names what failed: {reason}");
                return (acknowledged, true);
            }
            Err(error) => panic!("{error}"),
        }
        acknowledged.push(key(&line).to_owned());
    }
    (acknowledged, false)
}

#[test]
fn a_closed_log_takes_nothing_and_can_be_opened_again() {
    let disk = SimDisk::default();
    let log = appender(&disk).unwrap();
    append(&log, &[customer(1)]).unwrap();
    let other = log.clone();
    other.close().unwrap();
    assert!(matches!(append(&log, &[customer(2)]), Err(Error::Closed)));
    assert!(matches!(log.close(), Err(Error::Closed)));
    assert_eq!((log.synced_end(), log.reader().unwrap().end().unwrap()), (1, 1));
    // The handles that are left do not keep the lock.
    append(&appender(&disk).unwrap(), &[customer(2)]).unwrap();
    assert_eq!(keys(&disk), ["c1", "c2"]);
}

#[test]
fn a_caller_that_gives_up_leaves_nothing_behind() {
    let disk = SimDisk::default();
    let log = appender(&disk).unwrap();
    let other = log.clone();
    let gone = thread::spawn(move || {
        let lines = [customer(1), customer(2)];
        let rules = other.rules().clone();
        let events = lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules).unwrap());
        other.append(events.inspect(|event| assert_eq!(event.key, "c1", "it gives up")))
    });
    assert!(gone.join().is_err());
    let done = append(&log, &[customer(3)]).unwrap();
    assert_eq!((done.receipt.accepted, done.receipt.end), (1, 1));
    drop(log);
    assert_eq!(keys(&disk), ["c3"]);
}

#[test]
fn a_call_that_can_never_fit_is_refused_at_once() {
    let options =
        AppenderOptions { waiting_events_max: 2, waiting_bytes_max: 400, ..Default::default() };
    let store = Store::scratch(Options::default()).unwrap();
    let log = Appender::new(store, options).unwrap();
    let three = [customer(1), customer(2), customer(3)];
    assert!(matches!(append(&log, &three), Err(Error::Options { .. })));
    let long = customer(1).replace("N1", &"n".repeat(400));
    assert!(matches!(append(&log, &[long]), Err(Error::Options { .. })));
    let done = append(&log, &three[..2]).unwrap();
    assert_eq!((done.receipt.accepted, done.receipt.synced), (2, false));
    assert!(matches!(log.reader(), Err(Error::Options { .. })));
    assert_eq!(log.synced_end(), 0);
}

#[test]
fn events_that_break_rules_are_rejected_by_their_place() {
    let log = appender(&SimDisk::default()).unwrap();
    let lines = ["{".to_owned(), customer(1), "[]".to_owned(), visit(1, 1)];
    let done = append(&log, &lines).unwrap();
    let rejected: Vec<_> =
        done.rejected.iter().map(|one| (one.index, one.rejection.reason)).collect();
    assert_eq!(rejected, [(0, Reason::MalformedJson), (2, Reason::NotAnObject)]);
    assert_eq!((done.receipt.accepted, done.receipt.rejected()), (2, 2));
}
