//! Keys that leave memory: through the filter they are found still, and what the disk refuses stays
//! in memory, within bounds.

use super::*;
use crate::log::SimDisk;

const DIR: &str = "/log";

fn store(disk: &SimDisk) -> Store {
    open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap()
}

fn lines(visits: std::ops::Range<u64>) -> Vec<String> {
    std::iter::once(customer(0)).chain(visits.map(|n| visit(n, 0))).collect()
}

/// Calls of so many visits each, up to an error; how many visits were taken.
fn fill(store: &mut Store, visits: std::ops::Range<u64>) -> Result<u64, Error> {
    let mut taken = visits.start;
    while taken < visits.end {
        append(store, &lines(taken..taken + 10))?;
        taken += 10;
    }
    Ok(taken)
}

fn sidecar_of(disk: &SimDisk, number: usize) -> PathBuf {
    let files = disk.files();
    let mut segments = files.keys().filter(|path| path.extension().is_some_and(|end| end == "seg"));
    let name = segments.nth(number).unwrap().with_extension("keys");
    Path::new(DIR).join("keys").join(name.file_name().unwrap())
}

#[test]
fn keys_are_found_through_the_filter_after_they_left_memory() {
    let disk = SimDisk::default();
    let mut first = store(&disk);
    fill(&mut first, 0..200).unwrap();
    let filtered = |store: &Store| store.ingest.as_ref().unwrap().shelf.is_filtered();
    assert!(filtered(&first) && disk.files().contains_key(&sidecar_of(&disk, 3)));
    let again = append(&mut first, &lines(0..200)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 201));
    first.close().unwrap();
    // And by another process, which reads them from the files.
    let mut second = store(&disk);
    let again = append(&mut second, &lines(0..200)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 201));
    assert!(filtered(&second));
    assert_eq!(fill(&mut second, 200..300).unwrap(), 300);
    let again = append(&mut second, &lines(0..300)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 301));
}

#[test]
fn of_sidecars_that_the_disk_refuses_two_are_kept_and_a_third_is_an_error() {
    let learned = SimDisk::default();
    fill(&mut store(&learned), 0..300).unwrap();
    let sidecars: Vec<PathBuf> = (0..5).map(|number| sidecar_of(&learned, number)).collect();
    // What is no file, and not empty, is not replaced.
    let refusing = |count: usize| {
        let disk = SimDisk::default();
        append(&mut store(&disk), &lines(0..0)).unwrap();
        disk.make_dir(&Path::new(DIR).join("keys")).unwrap();
        for path in sidecars.iter().take(count) {
            disk.make_dir(path).unwrap();
            disk.make_dir(&path.join("sub")).unwrap();
        }
        disk
    };
    let disk = refusing(2);
    let mut writer = store(&disk);
    fill(&mut writer, 0..300).expect_err("neither is written before the third");
    drop(writer);
    // Opening needs no space, and finds everything.
    let mut writer = store(&disk);
    let end = writer.end().unwrap();
    let again = append(&mut writer, &lines(0..300)).map(|receipt| receipt.duplicates);
    assert!(again.is_err() && end > 20, "{end}: {again:?}");
    drop(writer);
    for path in sidecars.iter().take(2) {
        disk.remove_dir(&path.join("sub")).unwrap();
        disk.remove_dir(path).unwrap();
    }
    let mut writer = store(&disk);
    append(&mut writer, &lines(0..300)).unwrap();
    let again = append(&mut writer, &lines(0..300)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 301));
    writer.close().unwrap();
    assert_eq!(store(&disk).verify_deep().unwrap().problems, []);

    // One is written again as soon as it can be.
    let disk = refusing(1);
    let mut writer = store(&disk);
    for n in 0..30 {
        append(&mut writer, &lines(n * 10..n * 10 + 10)).unwrap();
        if n == 15 {
            disk.remove_dir(&sidecars[0].join("sub")).unwrap();
            disk.remove_dir(&sidecars[0]).unwrap();
        }
    }
    assert!(disk.files().contains_key(&sidecars[0]));
    let again = append(&mut writer, &lines(0..300)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 301));
}
