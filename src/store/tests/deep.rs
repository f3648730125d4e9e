//! What `verify --deep` finds that no checksum can: logs that a wrong writer wrote.

use super::*;
use crate::codec::{BatchBuilder, Placement, RowKind, Superseded};
use crate::log::{LogMeta, LogSettings, Map, SimDisk, View, Writer};
use crate::store::entries::entries_of;
use crate::store::index::Entry;
use crate::store::sidecar::{Cover, Form, Sidecar};
use crate::store::sidecars::{cover, sidecar_path};
use crate::store::{READERS, check, files, runs, sidecar};

const DIR: &str = "/log";

type Rows = Vec<(String, Placement)>;

fn place(row: RowKind, superseded: Option<Superseded>, order_seq: Option<u64>) -> Placement {
    Placement { row, customer: 0, superseded, order_seq }
}

/// A log of these rows in one batch, written without admission.
fn written(rows: &Rows) -> SimDisk {
    let disk = SimDisk::default();
    let meta = LogMeta {
        log_id: 0,
        currency: *b"USD",
        partition: 0,
        partitions: 1,
        time_range_us: 0..4_102_444_800_000_000,
    };
    let world = env(Arc::new(disk.clone()), 1);
    let settings = LogSettings::new(meta);
    let (mut writer, _) = Writer::open(&world, Path::new(DIR), &settings, READERS, 0).unwrap();
    let rules = Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };
    let mut builder = BatchBuilder::new();
    for (text, placement) in rows {
        builder.push(&Event::from_json(text.as_bytes(), &rules).unwrap(), placement);
    }
    let mut body = Vec::new();
    builder.encode(0, 1_000, &mut body);
    let events = u32::try_from(rows.len()).unwrap();
    let after = codec::tally(&body, events, &writer.tally()).unwrap();
    writer.append(&body, events, after).unwrap();
    writer.close().unwrap();
    disk
}

/// A customer, an order of 5.00 at second 1, an update to 7.00 at second 3, a stale one at 2.
fn rows() -> Rows {
    let first = Superseded { customer: 0, cents: 500, at_us: 0 };
    let rules = Rules { currency: *b"USD", time_range_us: 0..4_102_444_800_000_000 };
    let new = order("NEW", 0, 0, 500, 1);
    let at_us = Event::from_json(new.as_bytes(), &rules).unwrap().at_us;
    let first = Superseded { at_us, ..first };
    vec![
        (customer(0), place(RowKind::CustomerNew, None, None)),
        (new, place(RowKind::OrderNew, None, None)),
        (order("UPDATE", 0, 0, 700, 3), place(RowKind::OrderUpdate, Some(first), Some(1))),
        (order("UPDATE", 0, 0, 600, 2), place(RowKind::OrderStale, None, Some(1))),
        (visit(0, 0), place(RowKind::Visit, None, None)),
    ]
}

fn reasons(disk: &SimDisk, deep: bool) -> Vec<String> {
    let world = env(Arc::new(disk.clone()), 2);
    let found = check::verify(&world, Path::new(DIR), deep).unwrap();
    found.problems.into_iter().map(|problem| problem.reason).collect()
}

#[test]
fn a_superseded_state_that_never_was_is_found() {
    assert_eq!(reasons(&written(&rows()), true), [""; 0]);
    let mut cases: Vec<(Rows, &str)> = Vec::new();
    for part in 0..2 {
        let mut wrong = rows();
        let state = wrong[2].1.superseded.as_mut().unwrap();
        match part {
            0 => state.cents += 1,
            _ => state.at_us -= 1,
        }
        cases.push((wrong, "an order update does not supersede the order's state"));
    }
    let mut wrong = rows();
    let state = wrong[2].1.superseded;
    wrong[3].1 = place(RowKind::OrderUpdate, state, Some(1));
    cases.push((wrong, "an order update takes effect, or not, against its time"));
    let mut wrong = rows();
    wrong.push((visit(0, 0).replace("\"n\":0", "\"n\":9"), place(RowKind::Visit, None, None)));
    cases.push((wrong, "an event has the key, or is the update, of an earlier one"));
    let mut wrong = rows();
    wrong.push(wrong[3].clone());
    cases.push((wrong, "an event has the key, or is the update, of an earlier one"));
    for (rows, reason) in cases {
        let disk = written(&rows);
        assert_eq!(reasons(&disk, false), [""; 0], "{reason}");
        assert_eq!(reasons(&disk, true), [reason]);
        // No byte is damaged, so there is nothing that a repair could cut or move.
        let planned = super::super::repair::plan(&env(Arc::new(disk), 3), Path::new(DIR)).unwrap();
        assert!(!planned.is_needed() && planned.problems.len() == 1);
    }
}

#[test]
fn a_sidecar_that_lacks_or_invents_a_key_is_found() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap();
    for n in 0..9 {
        let order = order("NEW", n, n, 100, 1);
        let update = super::order("UPDATE", n / 2, n, 50 + n, n);
        append(&mut store, &[customer(n), visit(n, n), order, update]).unwrap();
    }
    store.close().unwrap();
    assert_eq!(reasons(&disk, true), [""; 0]);
    let world = env(Arc::new(disk.clone()), 2);
    let view = View::open(&world, Path::new(DIR), READERS, 0).unwrap();
    let segment = view.segments().unwrap().remove(0);
    assert!(segment.sealed);
    let log_id = view.meta().log_id;
    let whole = entries_of(&view, log_id, segment.first_seq..segment.end_seq).unwrap();
    let (mut less, mut more, mut other) = (whole.clone(), whole.clone(), whole.clone());
    less.pop();
    more.push(Entry { hash: 77, row: 0 });
    other[0].row += 1;
    for (entries, reason) in [
        (less, "it lacks keys of its segment"),
        (more, "it has keys that its segment does not have"),
        (other, "its keys are not those of its segment"),
    ] {
        let path = sidecar_path(Path::new(DIR), segment.first_seq);
        let bytes = sidecar::encode(sidecar::Form::Segment, &cover(log_id, &segment), entries);
        files::replace(&world, &path, &bytes).unwrap();
        assert_eq!(reasons(&disk, false), [""; 0]);
        let found = reasons(&disk, true);
        assert!(found.len() == 1 && found[0].starts_with(reason), "{found:?}");
    }
    // It is derived: a repair moves it, and the next writer makes it anew.
    let dir = Path::new(DIR);
    let planned = super::super::repair::plan(&world, dir).unwrap();
    assert_eq!((planned.changes.len(), planned.lost.len()), (1, 0));
    super::super::repair::apply(&world, dir, &planned.hash).unwrap();
    assert_eq!(reasons(&disk, true), [""; 0]);
}

/// As of sidecars; and a run that has all keys but not where they are looked for is found, too.
#[test]
fn a_run_that_lacks_or_invents_a_key_is_found() {
    let disk = SimDisk::default();
    let dir = Path::new(DIR);
    for n in 0..3 {
        let mut store = open(Arc::new(disk.clone()), dir, 1, 64 << 20).unwrap();
        let updates = (0..9).map(|at| super::order("UPDATE", 0, 0, 50 + at, n * 9 + at + 1));
        let mut lines = vec![customer(0), order("NEW", 0, 0, 100, 0)];
        lines.extend(updates);
        lines.extend((0..40).map(|visit| super::visit(n * 40 + visit, 0)));
        append(&mut store, &lines).unwrap();
        store.close().unwrap();
    }
    assert_eq!(reasons(&disk, true), [""; 0]);
    let world = env(Arc::new(disk.clone()), 2);
    let view = View::open(&world, dir, READERS, 0).unwrap();
    let paths = runs::paths(&world, dir).unwrap();
    assert_eq!(paths.len(), 3);
    for path in paths {
        let whole = files::map(&world, &path).unwrap().unwrap().all().to_vec();
        let run = Sidecar::open(Form::Run, Map::owned(whole.clone())).unwrap();
        let cover = run.cover();
        let entries = entries_of(&view, cover.log_id, cover.first..cover.end).unwrap();
        let (mut less, mut more, mut other) = (entries.clone(), entries.clone(), entries.clone());
        less.pop();
        more.push(Entry { hash: 77, row: 0 });
        other[0].row ^= 1;
        let mut strange = entries;
        strange[5].hash ^= 8;
        for (entries, reason) in [
            (less, "it lacks keys of its events"),
            (more, "it has keys that its events do not have"),
            (other, "its keys are not those of its events"),
            (strange, "its keys are not those of its events"),
        ] {
            let bytes = sidecar::encode(Form::Run, &cover, entries);
            files::replace(&world, &path, &bytes).unwrap();
            assert_eq!(reasons(&disk, false), [""; 0]);
            let found = reasons(&disk, true);
            assert!(found.len() == 1 && found[0].starts_with(reason), "{found:?}");
        }
        // A run of no batches' ends is passed over, and nothing is made of it.
        let odd = Cover { first: cover.first + 1, ..cover };
        let bytes = sidecar::encode(Form::Run, &odd, Vec::new());
        files::replace(&world, &runs::path(dir, &odd), &bytes).unwrap();
        let found = reasons(&disk, true);
        assert!(
            found.iter().any(|it| it.starts_with("it does not begin where a batch")),
            "{found:?}"
        );
        disk.remove(&runs::path(dir, &odd)).unwrap();
        files::replace(&world, &path, &whole).unwrap();
    }
    assert_eq!(reasons(&disk, true), [""; 0]);
}

/// A damaged header of the first segment hides nothing of the others, and every problem of the
/// segments says which events it touches.
#[test]
fn damage_at_the_front_hides_nothing() {
    let (files, all) = super::repair::log();
    let mut bad = files.clone();
    let mut paths = files.keys().filter(|path| path.extension().is_some_and(|end| end == "seg"));
    let (first, second) = (paths.next().unwrap(), paths.next().unwrap());
    bad.get_mut(first).unwrap()[26] ^= 1;
    bad.get_mut(second).unwrap()[200] ^= 1;
    let keys = files.keys().find(|path| path.extension().is_some_and(|end| end == "keys"));
    bad.get_mut(keys.unwrap()).unwrap()[70] ^= 1;
    let disk = SimDisk::of_files(&bad);
    let world = env(Arc::new(disk), 2);
    let found = check::verify(&world, Path::new(DIR), false).unwrap().problems;
    let paths: Vec<_> = found.iter().map(|problem| &problem.path).collect();
    assert!(paths.contains(&first) && paths.contains(&second) && paths.contains(&keys.unwrap()));
    assert!(
        found.iter().all(|one| one.events.is_some() || one.path == *keys.unwrap()),
        "{found:?}"
    );
    // What opening alone finds is told with its events too.
    let mut bad = files.clone();
    bad.retain(|path, _| path.extension().is_none_or(|end| end != "seg"));
    let world = env(Arc::new(SimDisk::of_files(&bad)), 2);
    let found = check::verify(&world, Path::new(DIR), false).unwrap().problems;
    assert_eq!(found[0].events, Some(0..all.len() as u64), "{found:?}");
}
