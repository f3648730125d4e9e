//! Calls that only look fail: a clean error or the right answer, never a wrong one, and nothing is
//! taken for missing or damaged that could not be read.

use super::backup::{DIR, back_up, exported, fill, restore};
use super::repair::{Files, log, world};
use super::repair_crash::finish;
use super::*;
use crate::log::SimDisk;
use crate::store::repair::{apply, plan};

/// EIO, EMFILE and EINTR.
const ERRORS: [i32; 3] = [5, 24, 4];

pub(super) type Act = fn(&SimDisk) -> Result<String, Error>;

fn store(disk: &SimDisk) -> Result<Store, Error> {
    open(Arc::new(disk.clone()), Path::new(DIR), 6, 1 << 10)
}

pub(super) fn read(disk: &SimDisk) -> Result<String, Error> {
    let store = store(disk)?;
    let question = Question::default();
    let top = store.top(3, &question)?;
    let (_, customers) = store.stats(&["c0".to_owned(), "nobody".to_owned()], &question)?;
    Ok(format!("{:?} {top:?} {customers:?} {:?}", export(&store)?, store.info()?))
}

fn verify(disk: &SimDisk) -> Result<String, Error> {
    let found = crate::store::check::verify(&world(disk), Path::new(DIR), true)?;
    Ok(format!("{found:?}"))
}

pub(super) fn append_more(disk: &SimDisk) -> Result<String, Error> {
    let mut store = store(disk)?;
    let receipt = append(&mut store, &[customer(0), customer(77), visit(0, 0), visit(77, 77)])?;
    store.close()?;
    Ok(format!("{receipt:?}"))
}

pub(super) fn follow(disk: &SimDisk) -> Result<String, Error> {
    let mut seen = Vec::new();
    let mut follower = store(disk)?.follow(3)?;
    follower.catch_up(&mut |record| {
        seen.push(record.sequence);
        Ok(true)
    })?;
    Ok(format!("{seen:?}"))
}

fn planned(disk: &SimDisk) -> Result<String, Error> {
    Ok(format!("{:?}", plan(&world(disk), Path::new(DIR))?))
}

/// Lets every look of what is done fail in every way: the outcome is that of no failure, or the
/// failure. `after` is given the disk that is left. Counts the failures.
pub(super) fn fail_looks(
    base: &SimDisk,
    what: &str,
    act: Act,
    after: &dyn Fn(&SimDisk, &str),
) -> u64 {
    let disk = base.copy();
    let outcome = |done: Result<String, Error>| done.unwrap_or_else(|error| error.to_string());
    let undisturbed = outcome(act(&disk));
    let looks = disk.looks();
    assert!(looks > 5, "{what}: {looks} looks");
    let mut failed = 0;
    for at in 0..looks {
        for (error, for_ever) in ERRORS.into_iter().flat_map(|one| [(one, false), (one, true)]) {
            if (error, for_ever) == (4, true) {
                // A call that is interrupted for ever is tried for ever.
                continue;
            }
            let context = format!("{what}, look {at}, error {error}, for ever: {for_ever}");
            let disk = base.copy();
            disk.fail_look(at, error, for_ever);
            match act(&disk) {
                Err(Error::Io { source, .. }) => {
                    assert_eq!(source.raw_os_error(), Some(error), "{context}");
                    failed += 1;
                }
                done => assert_eq!(outcome(done), undisturbed, "{context}"),
            }
            after(&disk.kill(), &context);
        }
    }
    assert!(failed > looks, "{what}: {failed} of {looks} looks failed");
    failed
}

/// A log that is whole, with a newer part than its backup has.
fn base() -> SimDisk {
    let disk = SimDisk::default();
    fill(&disk, 0..4);
    back_up(&disk).unwrap();
    fill(&disk, 4..7);
    SimDisk::of_files(&disk.files())
}

#[test]
fn a_look_that_fails_is_an_error_and_never_a_wrong_answer() {
    let base = base();
    let files = base.files();
    let unchanged =
        |disk: &SimDisk, context: &str| assert_eq!(disk.files(), files, "{context}: changed");
    let reading: [(&str, Act); 3] = [("read", read), ("verify", verify), ("follow", follow)];
    let mut failed: u64 =
        reading.into_iter().map(|(what, act)| fail_looks(&base, what, act, &unchanged)).sum();
    let events = exported(&base, DIR).unwrap();
    failed += fail_looks(&base, "append", append_more, &|disk, context| {
        assert!(exported(disk, DIR).expect(context).starts_with(&events), "{context}");
        append_more(disk).expect(context);
        assert_eq!(exported(disk, DIR).expect(context).len(), events.len() + 2, "{context}");
        assert_eq!(store(disk).unwrap().verify().expect(context).problems, [], "{context}");
    });
    failed += fail_looks(
        &base,
        "backup",
        |disk| Ok(format!("{:?}", back_up(disk)?)),
        &|disk, context| {
            back_up(disk).expect(context);
            assert_eq!(restore(disk).expect(context).end, events.len() as u64, "{context}");
        },
    );
    let old = exported(&base, super::backup::DEST).unwrap();
    failed += fail_looks(
        &base,
        "restore",
        |disk| Ok(format!("{:?}", restore(disk)?)),
        &|disk, context| {
            // Whole, or not there and made by the next.
            if exported(disk, super::backup::NEW).is_err() {
                restore(disk).expect(context);
            }
            assert_eq!(exported(disk, super::backup::NEW).expect(context), old, "{context}");
        },
    );
    println!("T10: {failed} failing looks");
}

/// That head was read is all that tells of the loss.
#[test]
fn a_look_that_fails_hides_no_damage() {
    let mut files = base().files();
    let segment = files.keys().rfind(|path| path.extension().is_some_and(|end| end == "seg"));
    let segment = segment.unwrap().clone();
    assert!(segment.starts_with(DIR), "{}", segment.display());
    files.get_mut(&segment).unwrap().truncate(128);
    // Checkpoints, backups and runs of keys would tell of it, too.
    files.retain(|path, _| {
        let is_run = path.extension().is_some_and(|end| end == "run");
        !is_run && !path.starts_with("/log/checkpoints") && !path.starts_with("/backups")
    });
    let damaged = SimDisk::of_files(&files);
    assert!(matches!(read(&damaged), Err(Error::Corrupt { .. })));
    let unchanged =
        |disk: &SimDisk, context: &str| assert_eq!(disk.files(), files, "{context}: changed");
    let acts: [(&str, Act); 4] =
        [("read", read), ("verify", verify), ("follow", follow), ("append", append_more)];
    let failed: u64 =
        acts.into_iter().map(|(what, act)| fail_looks(&damaged, what, act, &unchanged)).sum();
    println!("T10: {failed} failing looks at a damaged log");
}

#[test]
fn a_look_of_a_repair_that_fails_changes_no_plan() {
    let (whole, _) = log();
    let segments: Vec<&PathBuf> =
        whole.keys().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    let mut failed = 0;
    for (row, segment) in segments.into_iter().enumerate() {
        let mut bad: Files = whole.clone();
        bad.get_mut(segment).unwrap()[300] ^= 4;
        let base = SimDisk::of_files(&bad);
        let found = plan(&world(&base), Path::new(DIR)).unwrap();
        let what = format!("plan of segment {row}");
        failed += fail_looks(&base, &what, planned, &|disk, context| {
            assert_eq!(disk.files(), bad, "{context}: the plan changed something");
        });
        let mended = base.copy();
        apply(&world(&mended), Path::new(DIR), &found.hash).unwrap();
        let salvage =
            found.salvage.as_ref().map_or(Vec::new(), |path| mended.files()[path].clone());
        let apply_planned: Act = |disk| {
            // The hash is the plan's of an undisturbed disk.
            let hash = plan(&world(&disk.copy()), Path::new(DIR))?.hash;
            let done = apply(&world(disk), Path::new(DIR), &hash)?;
            // Done is done, though head and keys may have to wait.
            Ok(format!("{:?}", Repair { later: None, ..done }))
        };
        let what = format!("repair of segment {row}");
        failed += fail_looks(&base, &what, apply_planned, &|disk, context| {
            finish(disk, &bad, &found, &salvage, context);
        });
    }
    println!("T10: {failed} failing looks of repairs");
}
