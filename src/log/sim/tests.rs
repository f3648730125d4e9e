//! What the simulated disk may show of names.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::log::disk::Disk;

/// Which of two names there are after a power cut, in every way that it can go.
fn states(prepare: &dyn Fn(&SimDisk)) -> BTreeSet<(bool, bool)> {
    let [from, to] = ["/a/x", "/b/x"].map(PathBuf::from);
    let ways = (0..4_usize).map(|way| {
        let files = [(from.clone(), vec![1]), (PathBuf::from("/b/other"), vec![])];
        let disk = SimDisk::of_files(&files.into_iter().collect());
        prepare(&disk);
        let mut turn = 0;
        let after = disk.crash(
            &mut |count| {
                turn += 1;
                (way >> (turn - 1)) % count
            },
            false,
        );
        let files = after.files();
        (files.contains_key(&from), files.contains_key(&to))
    });
    ways.collect()
}

#[test]
fn a_name_that_moves_between_directories_is_durable_in_each_by_its_own_sync() {
    let [a, b] = ["/a", "/b"].map(Path::new);
    let moved = |disk: &SimDisk| disk.rename(&a.join("x"), &b.join("x")).unwrap();
    let all = states(&moved);
    assert_eq!(all.len(), 4, "{all:?}");
    let with = |dir: &'static Path| {
        states(&move |disk| {
            disk.rename(Path::new("/a/x"), Path::new("/b/x")).unwrap();
            disk.sync_dir(dir).unwrap();
        })
    };
    assert_eq!(with(Path::new("/a")), BTreeSet::from([(false, true), (false, false)]));
    assert_eq!(with(Path::new("/b")), BTreeSet::from([(true, true), (false, true)]));
}

#[test]
fn a_second_name_is_the_same_file() {
    let files = [(PathBuf::from("/a/x"), vec![1, 2])];
    let disk = SimDisk::of_files(&files.into_iter().collect());
    let [from, to] = ["/a/x", "/a/y"].map(Path::new);
    disk.link(from, to).unwrap();
    let again = disk.link(from, to).map_err(|error| error.kind());
    assert_eq!(again, Err(io::ErrorKind::AlreadyExists));
    disk.remove(from).unwrap();
    assert_eq!(disk.files().get(to), Some(&vec![1, 2]));
    let lost = disk.crash(&mut |_| 0, false).files();
    assert_eq!(lost.keys().collect::<Vec<_>>(), [from]);
}
