//! One part of a partitioned log takes its own customers alone, however it is written and opened.

use super::*;
use crate::log::SimDisk;
use crate::{Partition, Reason};

const DIR: &str = "/log";

fn store(disk: &SimDisk, seed: u64, partition: Option<Partition>) -> Result<Store, Error> {
    let options = Options { partition, ..Options::default() };
    Store::open_in(env(Arc::new(disk.clone()), seed), DIR.into(), options)
}

/// Lines, and how many of them a part of them has.
fn lines(part: Partition) -> (Vec<String>, u64) {
    let lines = (0..64).flat_map(|n| [customer(n), visit(n, n)]).collect();
    let own = (0..64).filter(|n| part.has(&format!("c{n}"))).count() as u64;
    (lines, own)
}

#[test]
fn customers_of_other_parts_are_rejected_and_what_names_them() {
    let part = Partition::new(2, 4).unwrap();
    let (lines, own) = lines(part);
    assert!(0 < own && own < 64);
    for strict in [false, true] {
        let disk = SimDisk::default();
        let mut made = store(&disk, 1, Some(part)).unwrap();
        if strict {
            let rules = made.rules().clone();
            let mut call = made.call(CallOptions { strict, ..CallOptions::default() }).unwrap();
            for line in &lines {
                let event = Event::from_json(line.as_bytes(), &rules).unwrap();
                call.push(&event, line.as_bytes(), Origin { source: 0, line: 1 }).unwrap();
            }
            let foreign = 2 * (64 - own);
            assert!(matches!(call.finish(), Err(Error::Rejected { count }) if count == foreign));
            continue;
        }
        let receipt = append(&mut made, &lines).unwrap();
        assert_eq!(receipt.accepted, 2 * own);
        assert_eq!(receipt.reasons[&Reason::InvalidField], 64 - own);
        assert_eq!(receipt.reasons[&Reason::UnknownCustomer], 64 - own);
        made.close().unwrap();

        // Whoever opens it, saying which part it is or not, finds what it is.
        for asked in [None, Some(part)] {
            let mut again = store(&disk, 2, asked).unwrap();
            assert_eq!(again.partition(), part);
            let receipt = append(&mut again, &lines).unwrap();
            assert_eq!((receipt.accepted, receipt.duplicates), (0, 2 * own));
            assert_eq!(receipt.reasons[&Reason::InvalidField], 64 - own);
            again.close().unwrap();
        }
        for asked in [Partition::WHOLE, Partition::new(1, 4).unwrap()] {
            let refused = store(&disk, 2, Some(asked)).map(|_| ());
            assert!(matches!(&refused, Err(Error::Options { .. })), "{refused:?}");
        }
        assert!(store(&disk, 2, None).unwrap().verify_deep().unwrap().problems.is_empty());
    }
}

#[test]
fn a_log_that_another_process_made_meanwhile_must_be_the_same_part() {
    let disk = SimDisk::default();
    let [one, other] = [1, 2].map(|number| Partition::new(number, 4).unwrap());
    let mut late = store(&disk, 1, Some(one)).unwrap();
    let mut first = store(&disk, 2, Some(other)).unwrap();
    append(&mut first, &[]).unwrap();
    first.close().unwrap();
    assert!(matches!(append(&mut late, &[]), Err(Error::Options { .. })));
    assert_eq!(store(&disk, 3, None).unwrap().partition(), other);
}
