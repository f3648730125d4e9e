//! Every rule of a batch, broken one at a time.

use super::column;
use crate::codec::marks::Marks;
use crate::codec::{Batch, tally};
use crate::error::Fault;
use crate::log::Tally;

/// A body as columns, so that a test can spoil one of them.
#[derive(Clone)]
struct Body(Vec<(u8, Vec<u8>)>);

/// Five rows: a customer, a visit with tags, an order, an effective and a stale update of it.
/// Before it the log has 10 events, 2 of them customers.
fn sound() -> Body {
    let ints =
        |id, base: i64, data: &[u8]| (id, column(id, u8::from(!data.is_empty()), base, 1, data));
    Body(vec![
        ints(1, 2, &[]),
        ints(2, 99, &[]),
        ints(3, 1, &[0, 2, 4, 5, 6]),
        ints(4, 0, &[2, 2, 1, 0, 2]),
        ints(5, 50, &[0, 1, 2, 3, 0]),
        ints(6, -7, &[0, 9, 1]),
        ints(7, 1, &[]),
        ints(8, -7, &[]),
        ints(9, 52, &[]),
        ints(10, 12, &[]),
        ints(11, 1, &[]),
        (12, column(12, 64, 0, 1, b"cvxyz")),
        ints(13, 0, &[1, 8, 64, 0, 0]),
        ints(14, 2, &[0, 1, 0]),
        (15, column(15, 64, 0, 1, b"Hi[1]{}")),
        (16, column(16, 64, 0, 1, b"\x01s\x02p1")),
    ])
}

impl Body {
    /// With another column in place of the one with its id, or added.
    fn with(&self, id: u8, form: u8, base: i64, data: &[u8]) -> Body {
        let mut body = self.without(id);
        body.0.push((id, column(id, form, base, 1, data)));
        body.0.sort();
        body
    }

    fn without(&self, id: u8) -> Body {
        Body(self.0.iter().filter(|column| column.0 != id).cloned().collect())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|column| column.1.clone()).collect()
    }

    fn check(&self, events: u32) -> Result<(), Fault> {
        Batch::decode(&self.bytes(), 10, events)?.check()
    }

    #[track_caller]
    fn is_corrupt(&self, reason: &str) {
        assert_eq!(self.check(5), Err(Fault::Corrupt(reason.to_owned().leak())));
    }

    #[track_caller]
    fn is_unknown(&self) {
        let verdict = self.check(5);
        assert!(matches!(verdict, Err(Fault::Unknown(_))), "{verdict:?}");
    }
}

#[test]
fn the_sound_batch_is_sound() {
    assert_eq!(sound().check(5), Ok(()));
    let bytes = sound().bytes();
    let batch = Batch::decode(&bytes, 10, 5).unwrap();
    let rows = batch.rows().unwrap();
    assert_eq!(rows.get(3).unwrap().superseded.unwrap().cents, -7);
    assert_eq!(rows.get(4).unwrap().order_seq, Some(12));
    assert_eq!(batch.marks(), Ok(vec![(b"s".to_vec(), b"p1".to_vec())]));
}

#[test]
fn columns_have_their_order_and_their_rows() {
    let lacks = "a batch lacks a column";
    let first = "a batch does not begin with its two columns of one row";
    let fit = "the columns of a batch do not fit together";
    let rows = "a column of integers has another number of rows than it should";
    sound().without(1).is_corrupt(first);
    sound().without(2).is_corrupt(first);
    sound().with(1, 1, 2, &[0]).is_corrupt(first);
    for id in [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14] {
        sound().without(id).is_corrupt(lacks);
    }
    sound().without(12).is_corrupt(fit);
    sound().without(15).is_corrupt(fit);
    assert_eq!(sound().without(16).check(5), Ok(()));
    sound().with(16, 64, 0, &[]).is_corrupt("a batch has a column without rows");
    sound().with(4, 1, 0, &[2, 2, 1, 0]).is_corrupt(rows);
    sound().with(6, 1, -7, &[0, 9, 1, 1]).is_corrupt(rows);
    sound().with(10, 1, 12, &[0, 1, 1]).is_corrupt(rows);
    sound()
        .with(12, 64, 0, b"cvxy")
        .is_corrupt("a column of bytes has another length than it should");
    let mut twice = sound();
    twice.0.push(twice.0[15].clone());
    twice.is_corrupt("the columns of a batch are not in order");
    let mut swapped = sound();
    swapped.0.swap(4, 5);
    swapped.is_corrupt("the columns of a batch are not in order");
    let none = Body(sound().0.into_iter().filter(|column| column.0 < 3).collect());
    let nothing = Fault::Corrupt("a batch has neither events nor marks");
    assert_eq!(none.check(0), Err(nothing));
    assert_eq!(none.with(16, 64, 0, b"\x01s\x02p1").check(0), Ok(()));
    let without_rows = Fault::Corrupt("a batch has a column without rows");
    assert_eq!(none.with(3, 0, 3, &[]).check(0), Err(without_rows));
    assert_eq!(
        none.with(12, 64, 0, &[]).check(0),
        Err(Fault::Corrupt("the columns of a batch do not fit together"))
    );
}

#[test]
fn what_later_versions_add_is_refused_or_passed_over() {
    sound().with(18, 0, 0, &[]).is_unknown();
    sound().with(63, 0, 0, &[]).is_unknown();
    sound().with(0, 0, 0, &[]).is_corrupt("a batch does not begin with its two columns of one row");
    assert_eq!(sound().with(64, 200, -1, b"anything").check(5), Ok(()));
    assert_eq!(sound().with(255, 0, 0, &[]).check(5), Ok(()));
    for (kind, known) in
        [(8, false), (63, false), (64, true), (127, true), (128, false), (255, false)]
    {
        let body = sound().with(3, 1, 1, &[0, kind - 1, 4, 5, 6]);
        assert_eq!(body.check(5).is_ok(), known, "kind {kind}");
        if !known {
            body.is_unknown();
        }
    }
    sound().with(3, 1, 0, &[1, 0, 5, 6, 7]).is_corrupt("a row of a batch has kind 0");
    sound().with(13, 1, 0, &[1, 0x88, 64, 0, 0]).is_unknown();
}

#[test]
fn references_point_back() {
    let unknown = "a row names a customer that is not known yet";
    sound()
        .with(4, 1, 1, &[0, 1, 0, 0, 1])
        .is_corrupt("a new customer has another ordinal than its own");
    let nobody = [u32::MAX - 1, 1, 0, 0, 1].map(u32::to_le_bytes).concat();
    sound().with(4, 4, 1, &nobody).is_corrupt("a new customer has another ordinal than its own");
    sound().with(4, 1, 1, &[1, 2, 0, 0, 1]).is_corrupt(unknown);
    sound()
        .with(4, 5, 1, &[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
        .is_corrupt("a column of integers is not written as its values demand");
    let nowhere = (0xFFFF_FFFF_u32 - 1).to_le_bytes();
    let mut ordinals = vec![1, 0, 0, 0, 1, 0, 0, 0];
    ordinals.extend([[0; 4], [0; 4], nowhere].concat());
    assert_eq!(sound().with(4, 4, 1, &ordinals).check(5), Ok(()));
    sound().with(7, 0, 3, &[]).is_corrupt(unknown);
    assert_eq!(sound().with(7, 0, 0xFFFF_FFFF, &[]).check(5), Ok(()));
    sound().with(9, 0, 54, &[]).is_corrupt("an order update supersedes a later state");
    assert_eq!(sound().with(9, 0, 53, &[]).check(5), Ok(()));
    assert_eq!(sound().with(10, 0, 9, &[]).check(5), Ok(()));
    sound().with(10, 0, 11, &[]).is_corrupt("an order update is about a row that is no new order");
    sound().with(10, 0, 13, &[]).is_corrupt("an order update is about a later order");
    sound().with(10, 0, -1, &[]).is_corrupt("a column of integers has a value out of range");
    sound()
        .with(1, 0, 0xFFFF_FFFE, &[])
        .is_corrupt("a new customer has another ordinal than its own");
    sound().with(1, 0, -1, &[]).is_corrupt("a batch follows an impossible number of customers");
    sound()
        .with(1, 0, 1 << 32, &[])
        .is_corrupt("a batch follows an impossible number of customers");
}

#[test]
fn texts_are_what_their_kinds_have() {
    let json = "tags or other fields are not the JSON that they should be";
    sound()
        .with(13, 1, 0, &[1, 1, 64, 0, 0])
        .is_corrupt("a row has a text that its kind does not have");
    sound()
        .with(13, 1, 0, &[1, 8, 8, 0, 0])
        .is_corrupt("a row has a text that its kind does not have");
    sound().with(15, 64, 0, b"Hi[1}{}").is_corrupt(json);
    sound().with(15, 64, 0, b"Hi123{}").is_corrupt(json);
    sound().with(15, 64, 0, b"Hi[1][]").is_corrupt(json);
    sound().with(15, 64, 0, b"Hi 1]{}").is_corrupt(json);
    sound().with(15, 64, 0, b"H\xFF[1]{}").is_corrupt("a text of a batch is not UTF-8");
    sound()
        .with(15, 64, 0, b"H\xC3\xA91]{}")
        .is_corrupt("the columns of a batch do not fit together");
    sound()
        .with(12, 64, 0, b"c\xC3\xA9yz")
        .is_corrupt("the columns of a batch do not fit together");
    sound().with(12, 64, 0, b"cv\xFFyz").is_corrupt("a text of a batch is not UTF-8");
    sound().with(16, 64, 0, b"\x01s\x03p1").is_corrupt("a mark of a batch is cut");
    sound().with(16, 64, 0, b"\x01s").is_corrupt("a mark of a batch is cut");
    assert_eq!(Marks::new(b"\x05ab").take(9).count(), 1);
    sound()
        .with(11, 2, 0, &[1, 0, 1, 0, 1, 0, 1, 0, 0, 1])
        .is_corrupt("a column of integers has a value out of range");
    let erased = sound().with(11, 1, 0, &[1, 0, 1, 1, 1]).with(12, 64, 0, b"cxyz");
    assert_eq!(erased.check(5), Ok(()));
}

#[test]
fn a_column_is_written_in_one_way() {
    let shape = "a column of integers is not written as its values demand";
    sound().with(3, 1, 0, &[1, 3, 5, 6, 7]).is_corrupt(shape);
    sound().with(3, 2, 1, &[0, 0, 2, 0, 4, 0, 5, 0, 6, 0]).is_corrupt(shape);
    sound().with(7, 1, 1, &[0]).is_corrupt(shape);
    let times = [0_u16, 1_000, 2_000, 3_000, 0].map(u16::to_le_bytes).concat();
    sound().with(9, 0, 50, &[]).with(5, 2, 50, &times).is_corrupt(shape);
    let mut scaled = sound().with(9, 0, 50, &[]).without(5);
    scaled.0.insert(4, (5, column(5, 1, 50, 1_000, &[0, 1, 2, 3, 0])));
    assert_eq!(scaled.check(5), Ok(()));
    let mut longer = sound();
    assert_eq!(longer.0[0].1, [1, 0, 4, 1, 0]);
    longer.0[0].1 = vec![1, 0, 251, 4, 0, 1, 0];
    longer.is_corrupt("a number in the header of a column is longer than it need be");
    // Readers do not mind.
    assert_eq!(Batch::decode(&longer.bytes(), 10, 5).unwrap().customers_before(), 2);
}

#[test]
fn a_tally_follows_the_one_before_it() {
    let body = sound().bytes();
    let before = Tally { customers: 2, cents_abs: 1, appended_at_us: 99 };
    let after = Tally { customers: 3, cents_abs: 1 + 7 + 2 + 6, appended_at_us: 99 };
    assert_eq!(tally(&body, 5, &before), Ok(after));
    let other = |before| assert!(matches!(tally(&body, 5, &before), Err(Fault::Corrupt(_))));
    other(Tally { customers: 1, ..before });
    other(Tally { customers: 3, ..before });
    other(Tally { appended_at_us: 100, ..before });
    other(Tally { cents_abs: (1 << 62) - 15, ..before });
    let most = Tally { cents_abs: (1 << 62) - 16, ..before };
    assert_eq!(tally(&body, 5, &most).unwrap().cents_abs, (1 << 62) - 1);
}
