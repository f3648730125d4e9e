//! Datasets that are not what they were: of another log, changed by hand, or not what they say.

use super::*;

/// A dataset of four increments, and its manifest of this first sequence.
fn of_four() -> (Scene, Dataset) {
    let scene = Scene::new(200);
    let dataset = scene.dataset();
    exported(&dataset, &scene.store, true).unwrap();
    (scene, dataset)
}

/// Changes a manifest as somebody does who makes its checksum anew, too.
fn forge(scene: &Scene, first: u64, change: &dyn Fn(&mut Manifest)) -> Vec<u8> {
    let path = scene.lake().join(manifest_name(Partition::WHOLE, first));
    let before = fs::read(&path).unwrap();
    let name = manifest_name(Partition::WHOLE, first);
    let mut manifest = Manifest::decode(&name, &before).unwrap();
    change(&mut manifest);
    fs::write(path, manifest.checked().encode()).unwrap();
    before
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let (scene, dataset) = of_four();
    let changes: [&dyn Fn(&mut Manifest); 14] = [
        &|one| one.rows += 1,
        &|one| one.buckets = 60_000,
        &|one| one.log_id = "\u{1b}[31mX".to_owned(),
        &|one| one.run = "00".to_owned(),
        &|one| one.end = one.last.sequence,
        &|one| one.last.sequence = 0,
        &|one| one.last.sequence -= 1,
        &|one| one.files.swap(0, 1),
        &|one| {
            // The same file twice.
            let file = one.files[0].clone();
            one.rows += file.rows;
            one.files.insert(0, file);
        },
        &|one| one.files[0].name = one.files[1].name.clone(),
        &|one| one.files[0].first = one.files[0].end,
        &|one| one.files[0].first = 0,
        &|one| one.files[0].end = one.end + 1,
        &|one| {
            let FileEntry { rows, first, end, .. } = &mut one.files[0];
            let more = *end - *first + 1 - *rows;
            *rows += more;
            one.rows += more;
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let before = forge(&scene, 50, change);
        let found = dataset.check(&mut |_| true).unwrap();
        let reason = "the manifest contradicts itself";
        assert!(found.problems.iter().any(|one| one.reason == reason), "{number}: {found:?}");
        let failed = exported(&dataset, &scene.store, true);
        assert!(matches!(failed, Err(Error::Corrupt { .. })), "{number}: {failed:?}");
        fs::write(scene.lake().join(manifest_name(Partition::WHOLE, 50)), before).unwrap();
    }
    assert_eq!(dataset.check(&mut |_| true).unwrap().problems, []);
}

#[test]
fn what_a_manifest_leaves_out_is_told_and_not_removed() {
    let (mut scene, dataset) = of_four();
    // The file that has the last event stays, or the manifest would contradict itself.
    let at = |one: &Manifest| one.files.iter().position(|file| file.end < one.end).unwrap();
    forge(&scene, 50, &|one| one.rows -= one.files.remove(at(one)).rows);
    let found = dataset.check(&mut |_| true).unwrap();
    assert_eq!((found.unnamed_files, found.rows + found.skipped), (1, 200));
    assert!(found.skipped > 0);
    append(&mut scene.store, 200, 240);
    assert_eq!(exported(&dataset, &scene.store, true).unwrap().rows, 40);
    assert_eq!(dataset.check(&mut |_| true).unwrap().unnamed_files, 1);
}

#[test]
fn a_dataset_that_claims_more_than_its_log_has_is_refused() {
    let (mut scene, dataset) = of_four();
    for end in [5000, u64::MAX] {
        let before = forge(&scene, 150, &|one| one.end = end);
        let said = exported(&dataset, &scene.store, true).unwrap_err().to_string();
        assert!(said.contains("which the log lost, or never had"), "{said}");
        fs::write(scene.lake().join(manifest_name(Partition::WHOLE, 150)), before).unwrap();
    }
    append(&mut scene.store, 200, 240);
    assert_eq!(exported(&dataset, &scene.store, true).unwrap().first, 200);
}

#[test]
fn buckets_stay_as_they_were_whatever_becomes_of_the_file_that_tells_them() {
    let (mut scene, dataset) = of_four();
    append(&mut scene.store, 200, 240);
    let path = scene.lake().join(DATASET);
    let about = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let said = exported(&dataset, &scene.store, true).unwrap_err().to_string();
    assert!(said.contains("into how many buckets"), "{said}");
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&about).unwrap();
    assert!(fields.keys().all(|field| said.contains(field)), "{said}");
    assert!(!path.exists());
    let found = dataset.check(&mut |_| true).unwrap();
    assert_eq!(found.problems[0].reason, "it is not there, and manifests are");
    for (of, name) in [(16, "buckets"), (1, "partitions")] {
        let text = String::from_utf8(about.clone()).unwrap();
        let other = text.replace(&format!("\"{name}\": {of}"), &format!("\"{name}\": 9"));
        assert_ne!(text, other);
        fs::write(&path, other).unwrap();
        exported(&dataset, &scene.store, true).unwrap_err();
        let found = dataset.check(&mut |_| true).unwrap();
        assert_eq!(found.problems.len(), 4, "{found:?}");
        assert!(found.problems[0].reason.contains("16 buckets of 1 partitions, and"), "{found:?}");
    }
    fs::write(&path, about).unwrap();
    assert_eq!(exported(&dataset, &scene.store, true).unwrap().rows, 40);
    assert_eq!(is_whole_prefix(&dataset, Partition::WHOLE), 240);
}

#[test]
fn a_log_of_another_currency_is_refused() {
    let (scene, dataset) = of_four();
    let euros = Store::open(
        scene.dir.path().join("euros"),
        Options { currency: Some(*b"EUR"), ..Options::default() },
    );
    let mut euros = euros.unwrap();
    let text = r#"{"type":"CUSTOMER","verb":"NEW","key":"c","event_time":"2017-01-06T12:00:00Z"}"#;
    let event = Event::from_json(text.as_bytes(), &euros.rules().clone()).unwrap();
    euros.append([event]).unwrap();
    let said = exported(&dataset, &euros, true).unwrap_err().to_string();
    assert!(said.contains("has amounts in USD, and not EUR"), "{said}");
}

#[test]
fn a_log_made_anew_goes_on_once_the_old_manifests_are_removed() {
    let (scene, dataset) = of_four();
    let anew = Scene::new(120);
    let said = exported(&dataset, &anew.store, true).unwrap_err().to_string();
    assert!(said.contains("of another log") && said.contains("remove manifest/0-of-1/"), "{said}");
    fs::remove_dir_all(scene.lake().join("manifest/0-of-1")).unwrap();
    assert_eq!(exported(&dataset, &anew.store, true).unwrap().rows, 120);
    assert_eq!(is_whole_prefix(&dataset, Partition::WHOLE), 120);
    // Files of sequences that the new log does not have yet could be those of an export under way.
    let left = dataset.check(&mut |_| true).unwrap().unnamed_files;
    assert!(left > 0);
    let mut anew = anew;
    append(&mut anew.store, 120, 200);
    exported(&dataset, &anew.store, true).unwrap();
    let found = dataset.check(&mut |_| true).unwrap();
    assert_eq!((found.rows, found.unnamed_files, found.problems), (200, 0, vec![]));
}

#[test]
fn what_is_no_file_is_a_problem_and_the_check_goes_on() {
    let (scene, dataset) = of_four();
    let manifests = manifests(&dataset, Partition::WHOLE);
    let names: Vec<&str> = manifests.iter().map(|one| &*one.files[0].name).collect();
    fs::remove_file(scene.lake().join(names[0])).unwrap();
    fs::create_dir(scene.lake().join(names[0])).unwrap();
    let pipe = scene.lake().join(names[1]);
    fs::remove_file(&pipe).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::remove_file(scene.lake().join(names[2])).unwrap();
    let found = dataset.check(&mut |_| true).unwrap();
    let reasons: Vec<&str> = found.problems.iter().map(|one| &*one.reason).collect();
    let no_file = "cannot open it: it is no regular file";
    assert_eq!(reasons, [no_file, no_file, "it is not there, although a manifest names it"]);
}
