//! What was accepted comes back: the export of a log is a duplicate of its source, and in an empty
//! log it gives the same log.

use ltvlog::Store;

use crate::model::event::Terms;
use crate::model::{Model, cdnow};
use crate::product::{assert_call, call, digest, export, options};
use crate::random::{Scenario, each_seed};

#[test]
fn random_logs_come_back() {
    each_seed("roundtrip::random_logs_come_back", 30_000, 100, |seed| {
        let scenario = Scenario::new(seed);
        let calls: Vec<_> = scenario.calls.into_iter().map(|call| call.texts).collect();
        round_trip(&scenario.terms, &calls);
    });
}

#[test]
fn cdnow_comes_back() {
    let lines: Vec<_> = cdnow().into_iter().map(String::into_bytes).collect();
    let found = round_trip(&Terms::default(), &[lines]);
    assert_eq!(found, "a4e008fb983cc4e2fe84762df237e48f");
}

/// Fills a log, exports it to its own source and to a new log; returns the digest of both.
fn round_trip(terms: &Terms, calls: &[Vec<Vec<u8>>]) -> String {
    let scratch = || Store::scratch(options(terms)).expect("a scratch store");
    let (mut store, mut model) = (scratch(), Model::new(terms.clone()));
    for texts in calls {
        assert_call(call(&mut store, texts, false, 0), &model.call(texts), &model);
    }
    // A log of no calls at all could not be asked.
    call(&mut store, &[], false, 0).expect("an empty call");
    let (lines, before) = (export(&store), digest(&store));

    let again = call(&mut store, &lines, false, 0).expect("the export").0;
    assert_eq!((again.accepted, again.duplicates), (0, lines.len() as u64), "on its own source");
    assert_eq!((again.rejected(), again.end), (0, lines.len() as u64));
    assert_eq!(digest(&store), before);

    let mut copy = scratch();
    let copied = call(&mut copy, &lines, false, 0).expect("the copy").0;
    assert_eq!((copied.accepted, copied.duplicates), (lines.len() as u64, 0), "in a new log");
    assert_eq!(copied.rejected(), 0);
    assert_eq!(digest(&copy), before);
    let show = |lines: Vec<Vec<u8>>| String::from_utf8(lines.join(&b"\n"[..])).expect("UTF-8");
    assert_eq!(show(export(&copy)), show(lines));

    for texts in calls {
        assert_call(call(&mut copy, texts, false, 0), &model.call(texts), &model);
    }
    before
}
