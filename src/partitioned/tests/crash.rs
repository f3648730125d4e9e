//! Power cuts and failing calls while partitions are made and written: they are there all or none,
//! what was acknowledged is in them, and whoever tries again completes them.

use super::*;
use crate::log::SimFault;

const FAULTS: [SimFault; 4] =
    [SimFault::Error(5), SimFault::Error(28), SimFault::SyncLost, SimFault::Short];

/// None of which is rejected.
fn events() -> Vec<String> {
    let customers = (0..8).map(|n| format!(r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}""#));
    let visits = (0..30).map(|n| {
        let customer = n % 8;
        format!(r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v{n}","customer_id":"c{customer}""#)
    });
    let whole = |line| format!("{line},\"event_time\":\"2017-01-01T00:00:00Z\"}}");
    customers.chain(visits).map(whole).collect()
}

/// Makes three partitions and appends to them.
fn work(disk: &SimDisk) -> Result<Receipt, Error> {
    work_as(false, disk)
}

/// The same; a strict call makes them once it has all events.
fn work_as(strict: bool, disk: &SimDisk) -> Result<Receipt, Error> {
    let parts = Partitions::plan_in(&sim(disk), Path::new(DIR), count(3), &Options::default());
    append(&mut parts?, &events(), strict)
}

fn cut(disk: &SimDisk, seed: u64) -> SimDisk {
    let mut dice = Dice(seed);
    disk.crash(&mut |count| usize::try_from(dice.below(count as u64)).unwrap(), false)
}

/// What is owed wherever the work was cut off, and that it can be done again.
fn check(disk: &SimDisk, expected: &Digest, acknowledged: bool, context: &str) {
    match opened(disk) {
        Some(parts) => {
            assert_eq!(parts.count().get(), 3, "{context}");
            for store in parts.stores() {
                assert_eq!(store.verify().expect(context).problems, [], "{context}");
            }
            assert!(!acknowledged || digest(parts.stores()) == *expected, "{context}: lost");
        }
        None => assert!(!acknowledged, "{context}: all partitions are gone"),
    }
    let again = work(disk).expect(context);
    assert!(!acknowledged || again.accepted == 0, "{context}: {again:?}");
    // It is there, too, when nothing is left of what was not synced.
    let disk = disk.crash(&mut |_| 0, false);
    assert_eq!(digest(opened(&disk).expect(context).stores()), *expected, "{context}");
}

/// The digest of one log, and how many changes to the disk the work takes.
fn whole(strict: bool) -> (Digest, u64) {
    let disk = SimDisk::default();
    append_to_one(&mut one(&disk), &events());
    let expected = digest(&[one(&disk)]);
    let disk = SimDisk::default();
    work_as(strict, &disk).unwrap();
    assert_eq!(digest(opened(&disk).unwrap().stores()), expected);
    (expected, disk.changes())
}

#[test]
fn a_power_cut_anywhere_leaves_all_partitions_or_none() {
    let (mut cuts, mut whole_logs) = (0, 0);
    for strict in [false, true] {
        let (expected, changes) = whole(strict);
        assert!(changes > 60, "{changes} changes");
        for (seed, at) in (1..4).flat_map(|seed| (0..=changes).map(move |at| (seed, at))) {
            let disk = SimDisk::default();
            disk.fail(at, SimFault::PowerOff, true);
            let done = work_as(strict, &disk).is_ok();
            assert_eq!(done, at == changes, "change {at}");
            let disk = cut(&disk, seed * 1_000 + at);
            whole_logs += u64::from(opened(&disk).is_some());
            check(&disk, &expected, done, &format!("{strict}, change {at}, seed {seed}"));
            cuts += 1;
        }
    }
    assert!(0 < whole_logs && whole_logs < cuts, "{whole_logs} of {cuts}");
    println!("{cuts} power cuts while partitions were made and written");
}

#[test]
fn any_failing_call_is_an_error_and_the_next_completes_it() {
    for strict in [false, true] {
        let mut failed = 0;
        let (expected, changes) = whole(strict);
        for (at, fault) in (0..changes).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            for for_ever in [false, true] {
                let context = format!("{strict}, change {at}, {fault:?}, {for_ever}");
                let disk = SimDisk::default();
                disk.fail(at, fault, for_ever);
                let done = match work_as(strict, &disk) {
                    Ok(_) => true,
                    Err(Error::Io { .. } | Error::Poisoned { .. }) => false,
                    Err(error) => panic!("{context}: {error}"),
                };
                failed += u64::from(!done);
                disk.evict();
                check(&disk.kill(), &expected, done, &context);
            }
        }
        assert!(failed > changes, "{failed}");
        println!("{failed} failed calls while partitions were made and written");
    }
}

/// What a command left that was cut short before it had all partitions is gone on with, or told of.
#[test]
fn partitions_that_were_begun_are_gone_on_with_or_told_of() {
    let (_, changes) = whole(false);
    let begun = (0..changes).map(|at| {
        let disk = SimDisk::default();
        disk.fail(at, SimFault::PowerOff, true);
        assert!(work(&disk).is_err());
        disk.kill()
    });
    let is_begun = |disk: &SimDisk| {
        let names = disk.list(Path::new(DIR)).unwrap_or_default();
        opened(disk).is_none() && names.contains(&"partitions.new".to_owned())
    };
    let mut told = 0;
    for disk in begun.filter(is_begun) {
        let other = disk.copy();
        let made =
            Partitions::create_in(&sim(&other), Path::new(DIR), count(5), &Options::default());
        match made.map(|_| ()) {
            Err(Error::Options { reason }) => {
                assert!(reason.contains("cut short"), "{reason}");
                told += 1;
            }
            // Nothing that says which it is had been written.
            Ok(()) => assert_eq!(opened(&other).unwrap().count().get(), 5),
            Err(error) => panic!("{error}"),
        }
        work(&disk).unwrap();
    }
    assert!(told > 5, "{told}");
}
