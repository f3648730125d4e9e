//! Datasets in directories and in stores whose every call may fail.

use std::fs;
use std::num::{NonZeroU16, NonZeroU64};
use std::path::PathBuf;

use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::RowAccessor;

use super::chain::read_manifest;
use super::manifest::{
    About, DATASET, FileEntry, Manifest, file_name, maker_of_file, manifest_dir, manifest_name,
};
use super::place::{Directory, Place};
use super::*;
use crate::{Event, Options, partition_of};

/// Events of a small log, of which every fourth is another customer's.
fn texts(from: u32, to: u32) -> Vec<String> {
    let text = |number: u32| match number % 4 {
        0 => format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{number}","event_time":"2017-01-06T12:00:00Z","last_name":"","note":{number}}}"#
        ),
        1 => format!(
            r#"{{"type":"ORDER","verb":"NEW","key":"o{number}","event_time":"2017-01-07T12:00:00.000001Z","customer_id":"c{}","total_amount":"-{number}.01 USD"}}"#,
            number / 4 * 4
        ),
        _ => format!(
            r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v{number}","event_time":"2017-01-08T12:00:00Z","customer_id":"c{}","tags":[{number}]}}"#,
            number / 4 * 4
        ),
    };
    (from..to).map(text).collect()
}

fn append(store: &mut Store, from: u32, to: u32) {
    let (texts, rules) = (texts(from, to), store.rules().clone());
    for batch in texts.chunks(8) {
        let events = batch.iter().map(|text| Event::from_json(text.as_bytes(), &rules).unwrap());
        store.append(events.collect::<Vec<_>>()).unwrap();
    }
}

struct Scene {
    dir: tempfile::TempDir,
    store: Store,
}

impl Scene {
    fn new(events: u32) -> Scene {
        Scene::of(events, Options { segment_bytes_max: 4096, ..Options::default() })
    }

    fn of(events: u32, options: Options) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path().join("log"), options).unwrap();
        append(&mut store, 0, events);
        Scene { dir, store }
    }

    fn lake(&self) -> PathBuf {
        self.dir.path().join("lake")
    }

    fn dataset(&self) -> Dataset {
        Dataset::open(self.lake()).unwrap()
    }
}

fn options(all: bool, increment: u64) -> ExportOptions {
    ExportOptions { buckets: None, all, increment_events_max: NonZeroU64::new(increment).unwrap() }
}

fn exported(dataset: &Dataset, store: &Store, all: bool) -> Result<Exported, Error> {
    dataset.export(store, &options(all, 50), &mut |_, _| true)
}

/// All increments, which follow each other.
fn manifests(dataset: &Dataset, partition: Partition) -> Vec<Manifest> {
    let (place, mut end) = (&*dataset.place, 0);
    let names = place.list(&manifest_dir(partition)).unwrap();
    let read = names.iter().map(|name| {
        let manifest = read_manifest(place, name).unwrap();
        assert_eq!(manifest.first, std::mem::replace(&mut end, manifest.end));
        manifest
    });
    read.collect()
}

/// Sequences, buckets and keys of all rows that the manifests name, by sequence.
fn rows(dataset: &Dataset, partition: Partition) -> Vec<(u64, u16, String)> {
    let mut found = Vec::new();
    for manifest in manifests(dataset, partition) {
        for entry in &manifest.files {
            let file = dataset.place.fetch(&entry.name).unwrap().unwrap();
            let reader = SerializedFileReader::new(file).unwrap();
            for row in reader.get_row_iter(None).unwrap() {
                let row = row.unwrap();
                let sequence = u64::try_from(row.get_long(0).unwrap()).unwrap();
                let customer = row.get_string(6).unwrap();
                let of = NonZeroU16::new(manifest.buckets).unwrap();
                assert_eq!(partition_of(customer, of), entry.bucket);
                found.push((sequence, entry.bucket, row.get_string(4).unwrap().clone()));
            }
        }
    }
    found.sort();
    found
}

/// All events up to the chain's end are there, each once.
fn is_whole_prefix(dataset: &Dataset, partition: Partition) -> u64 {
    let end = manifests(dataset, partition).last().map_or(0, |manifest| manifest.end);
    let rows = rows(dataset, partition);
    let sequences: Vec<u64> = rows.iter().map(|row| row.0).collect();
    assert_eq!(sequences, (0..end).collect::<Vec<_>>());
    end
}

#[test]
fn sealed_segments_are_exported_and_the_rest_when_asked_for() {
    let mut scene = Scene::new(200);
    let sealed = scene.store.info().unwrap().segments.into_iter().filter(|one| one.sealed);
    let sealed_end = sealed.map(|one| one.end).max().unwrap();
    let dataset = scene.dataset();
    let first = exported(&dataset, &scene.store, false).unwrap();
    assert_eq!((first.first, first.end, first.left), (0, sealed_end, 200 - sealed_end));
    assert!(sealed_end > 50 && first.increments == sealed_end.div_ceil(50), "{first:?}");
    assert_eq!(exported(&dataset, &scene.store, false).unwrap().rows, 0);
    let second = exported(&dataset, &scene.store, true).unwrap();
    assert_eq!((second.first, second.end, second.rows), (sealed_end, 200, 200 - sealed_end));
    append(&mut scene.store, 200, 240);
    assert_eq!(exported(&dataset, &scene.store, true).unwrap().rows, 40);
    assert_eq!(is_whole_prefix(&dataset, Partition::WHOLE), 240);
    let found = dataset.check(&mut |_| true).unwrap();
    assert_eq!((found.rows, found.unnamed_files, found.problems), (240, 0, vec![]));
}

#[test]
fn a_stopped_export_leaves_whole_increments() {
    let scene = Scene::new(200);
    let dataset = scene.dataset();
    for stop in [1, 49, 50, 51, 120] {
        let done =
            dataset.export(&scene.store, &options(true, 50), &mut |at, _| at < stop).unwrap();
        assert!(!done.complete || done.first >= stop, "{done:?}");
        is_whole_prefix(&dataset, Partition::WHOLE);
    }
    exported(&dataset, &scene.store, true).unwrap();
    assert_eq!(is_whole_prefix(&dataset, Partition::WHOLE), 200);
    assert_eq!(fs::read_dir(scene.lake().join("drafts")).unwrap().count(), 0);
}

#[test]
fn a_manifest_that_is_gone_is_missed() {
    let scene = Scene::new(200);
    let dataset = scene.dataset();
    exported(&dataset, &scene.store, true).unwrap();
    fs::remove_file(scene.lake().join(manifest_name(Partition::WHOLE, 50))).unwrap();
    let said = exported(&dataset, &scene.store, true).unwrap_err().to_string();
    assert!(said.contains("begins at sequence 100"), "{said}");
    let found = dataset.check(&mut |_| true).unwrap();
    assert!(found.problems[0].reason.contains("begins at sequence 100"), "{found:?}");
}

#[test]
fn partitions_share_a_dataset_and_strangers_do_not() {
    let part = |number| Options {
        partition: Some(Partition::new(number, 2).unwrap()),
        ..Options::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(dir.path()).unwrap();
    let mut rows_of_all = 0;
    for number in [1, 0] {
        let options = part(u16::try_from(number).unwrap());
        let mut store = Store::open(dir.path().join(format!("log{number}")), options).unwrap();
        let rules = store.rules().clone();
        for text in texts(0, 80) {
            let event = Event::from_json(text.as_bytes(), &rules).unwrap();
            store.append([event]).unwrap();
        }
        let done = exported(&dataset, &store, true).unwrap();
        assert!(done.rows > 0 && done.rows == store.end().unwrap());
        rows_of_all += done.rows;
        let found = dataset.check(&mut |_| true).unwrap();
        assert_eq!((found.partitions, found.absent_partitions), (2 - number, number));
    }
    assert_eq!(rows_of_all, 80);
    let whole = Scene::new(8);
    let said = exported(&dataset, &whole.store, true).unwrap_err().to_string();
    assert!(said.contains("has 2 partitions, and not 1"), "{said}");
    let store = Store::open(dir.path().join("another"), part(1)).unwrap();
    assert!(matches!(exported(&dataset, &store, true), Err(Error::Missing { .. })));
    let other = Scene::of(80, part(1));
    let said = exported(&dataset, &other.store, true).unwrap_err().to_string();
    assert!(said.contains("partition 1/2 of another log"), "{said}");
}

#[test]
fn a_manifest_is_read_as_it_is_written_and_no_other_way() {
    let scene = Scene::new(40);
    let dataset = scene.dataset();
    exported(&dataset, &scene.store, true).unwrap();
    let name = manifest_name(Partition::WHOLE, 0);
    let bytes = dataset.place.read(&name).unwrap().unwrap();
    let manifest = Manifest::decode(&name, &bytes).unwrap();
    assert_eq!(manifest.encode(), bytes);
    assert_eq!((manifest.first, manifest.end, manifest.rows), (0, 40, 40));
    // It is bound to its name, and to every byte but for what says which version it is of.
    assert!(Manifest::decode(&manifest_name(Partition::WHOLE, 1), &bytes).is_err());
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert!(Manifest::decode(&name, &wrong).is_err(), "byte {at}");
        assert!(Manifest::decode(&name, &bytes[..at]).is_err(), "cut at {at}");
    }
    let about = dataset.place.read(DATASET).unwrap().unwrap();
    assert_eq!(About::decode(&about).unwrap().encode(), about);
}

#[test]
fn a_file_tells_whose_it_is_by_its_name() {
    let part = |number| Partition::new(number, 11).unwrap();
    let name = file_name(part(1), 123, "00ff", 7);
    assert_eq!(name, "events/bucket=7/1-of-11-00000000000000000123-00ff-7.parquet");
    assert_eq!(maker_of_file(&name, part(1)), Some((123, "00ff")));
    assert_eq!(maker_of_file(&name, Partition::new(1, 2).unwrap()), None);
    for stranger in ["1-of-11-5-00ff.parquet", "x.parquet", "1-of-11-00000000000000000123-a.txt"] {
        assert_eq!(maker_of_file(stranger, part(1)), None, "{stranger}");
    }
}

#[test]
fn what_another_made_is_not_made_again_and_leftovers_go() {
    let dir = tempfile::tempdir().unwrap();
    let place = Directory(dir.path().join("lake"));
    assert!(place.create("a/b.json", b"one").unwrap());
    assert!(!place.create("a/b.json", b"two").unwrap());
    assert_eq!(place.read("a/b.json").unwrap().unwrap(), b"one");
    assert_eq!(place.read("a/c.json").unwrap(), None);
    assert_eq!(place.list("").unwrap(), ["a/b.json"]);
    // A draft that is in the way of nothing, but whose export was killed.
    let scene = Scene::new(8);
    let lake = scene.lake();
    fs::create_dir_all(lake.join("drafts")).unwrap();
    let leftovers = [
        "dataset-abc.json",
        "0-of-1-00000000000000000000-x.json",
        "0-of-1-00000000000000000007-00-1.parquet",
    ];
    leftovers.iter().for_each(|name| fs::write(lake.join("drafts").join(name), "").unwrap());
    let others = ["0-of-1-00000000000000000008-x.json", "1-of-2-00000000000000000000-x.json"];
    others.iter().for_each(|name| fs::write(lake.join("drafts").join(name), "").unwrap());
    exported(&scene.dataset(), &scene.store, true).unwrap();
    assert_eq!(
        Directory(lake).list("drafts/").unwrap(),
        others.map(|name| format!("drafts/{name}"))
    );
    drop(place.draft("events/x.parquet").unwrap());
    assert_eq!(place.list("drafts/").unwrap(), [""; 0]);
}

mod strangers;

#[cfg(feature = "s3")]
mod stores;
