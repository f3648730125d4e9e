//! Where partitions are, that they are all of one log, and what is refused beside them.

use super::*;

/// Why something is refused.
#[track_caller]
fn refused<T>(done: Result<T, Error>) -> String {
    match done {
        Err(Error::Options { reason }) => reason,
        other => panic!("{:?}", other.map(|_| ())),
    }
}

fn log_in(disk: &SimDisk, dir: &Path, partition: Option<Partition>) -> Store {
    let options = Options { partition, ..Options::default() };
    Store::open_in(sim(disk), dir.into(), options).unwrap()
}

fn open(disk: &SimDisk) -> Result<Option<Vec<Store>>, Error> {
    place::open(&sim(disk), Path::new(DIR), &Options::default())
}

#[test]
fn partitions_are_all_of_one_log_each_once() {
    let (disk, other) = (SimDisk::default(), SimDisk::default());
    drop((made(&disk, 4), made(&other, 2)));
    let at = |number: u16| Path::new(DIR).join(format!("partitions/{number:05}"));
    let store = |number| log_in(&disk, &at(number), None);
    let of = |stores: Vec<Store>| Partitions::of(stores).map(|parts| parts.count().get());
    let stores = |numbers: &[u16]| numbers.iter().map(|number| store(*number)).collect::<Vec<_>>();
    assert_eq!(of(stores(&[3, 1, 0, 2])).unwrap(), 4);
    let reason = |stores| refused(of(stores));
    assert_eq!(reason(vec![]), "no log was named");
    let missing =
        |number| format!("partition {number}/4 was not named: an answer needs all of them");
    assert_eq!(reason(stores(&[3, 1, 0])), missing(2));
    assert_eq!(reason(stores(&[3, 2, 1])), missing(0));
    assert_eq!(reason(stores(&[2, 1, 0])), missing(3));
    assert_eq!(reason(stores(&[3, 1, 0, 2, 1])), "/log/partitions/00001 was named twice");

    // Each is told by what it was named, and what it is.
    let elsewhere = |number| {
        let (from, to) = (at(number), format!("/other/{number}"));
        other.make_dir(Path::new("/other")).unwrap();
        other.rename(&from, Path::new(&to)).unwrap();
        log_in(&other, Path::new(&to), None)
    };
    let unlike = "/other/0 is partition 0/2, and /log/partitions/00001 is partition 1/4: they are not \
                  of one log";
    assert_eq!(reason(vec![elsewhere(0), store(1)]), unlike);
    let part = |dir: &str, options: Options| {
        let partition = Some(Partition::new(1, 4).unwrap());
        let options = Options { partition, ..options };
        Store::open_in(sim(&disk), dir.into(), options).unwrap()
    };
    let again = part("/again", Options::default());
    assert_eq!(
        reason(vec![store(0), store(1), again]),
        "/log/partitions/00001 and /again are both partition 1/4: one of them is too many"
    );
    let euro = part("/euro", Options { currency: Some(*b"EUR"), ..Options::default() });
    assert_eq!(
        reason(vec![store(0), euro]),
        "/log/partitions/00000 is in USD, and /euro is in EUR: they are not of one log"
    );
    let late = part("/late", Options { time_range_us: Some(0..1_000_000), ..Options::default() });
    assert_eq!(
        reason(vec![store(0), late]),
        "/log/partitions/00000 takes times from 1970-01-01T00:00:00Z to 2100-01-01T00:00:00Z, and /late \
         takes times from 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z: they are not of one log"
    );
    let own = |dir: &str| log_in(&disk, Path::new(dir), None);
    assert_eq!(
        reason(vec![own("/one"), own("/two")]),
        "/one and /two are logs of their own, and not partitions of one: name one"
    );
    assert_eq!(
        reason(vec![own("/one"), store(0)]),
        "/one is a log of its own, and /log/partitions/00000 is partition 0/4: they are not of one log"
    );
}

#[test]
fn the_number_of_partitions_stays() {
    let disk = SimDisk::default();
    drop(made(&disk, 4));
    let create = |disk: &SimDisk, dir: &Path, of| {
        Partitions::create_in(&sim(disk), dir, count(of), &Options::default())
    };
    let dir = Path::new(DIR);
    assert_eq!(create(&disk, dir, 4).unwrap().count().get(), 4);
    assert!(refused(create(&disk, dir, 2)).contains("has 4 partitions"));
    let of_one = dir.join("partitions/00002");
    assert!(refused(create(&disk, &of_one, 4)).contains("itself a partition, 2/4"));
    // A log that has none stays so, too.
    let whole = SimDisk::default();
    log_in(&whole, dir, None).append([]).unwrap();
    assert!(refused(create(&whole, dir, 2)).contains("has no partitions"));
    assert!(opened(&whole).is_none());
}

/// A strict call makes partitions only once it has something to write to them, and nobody has before.
#[test]
fn a_strict_call_that_writes_nothing_makes_no_partitions() {
    let disk = SimDisk::default();
    let plan =
        || Partitions::plan_in(&sim(&disk), Path::new(DIR), count(3), &Options::default()).unwrap();
    let customer = |name: &str| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"{name}","event_time":"2017-01-01T00:00:00Z"}}"#
        )
    };
    let (good, bad) = (customer("c"), "{}".to_owned());
    let failed = append(&mut plan(), &[good.clone(), bad], true);
    assert!(matches!(failed, Err(Error::Rejected { count: 1 })));
    assert_eq!(append(&mut plan(), &[], true).unwrap().accepted, 0);
    assert_eq!(disk.files().len(), 0);
    assert!(!disk.list(Path::new(DIR)).unwrap_or_default().contains(&"partitions".to_owned()));

    // One call after another.
    let mut parts = plan();
    assert_eq!(append(&mut parts, std::slice::from_ref(&good), true).unwrap().accepted, 1);
    assert_eq!((parts.end().unwrap(), parts.top(3, &Question::default()).unwrap().end), (1, 1));
    assert_eq!(opened(&disk).unwrap().end().unwrap(), 1);
    let more: Vec<String> = (0..9).map(|number| customer(&number.to_string())).collect();
    assert_eq!(append(&mut parts, &more, true).unwrap().accepted, 9);
    parts.close().unwrap();
    let again = append(&mut plan(), &[vec![good], more].concat(), true).unwrap();
    assert_eq!((again.accepted, again.duplicates, again.end), (0, 10, 10));
}

/// What somebody else does between the plan and the call, or while a strict call takes events in.
#[test]
fn partitions_that_another_made_meanwhile_get_all_events_or_none() {
    let customers: Vec<String> = (0..9)
        .map(|n| {
            format!(
                r#"{{"type":"CUSTOMER","verb":"NEW","key":"{n}","event_time":"2017-01-01T00:00:00Z"}}"#
            )
        })
        .collect();
    let plan = |disk: &SimDisk, currency: &[u8; 3]| {
        let options = Options { currency: Some(*currency), ..Options::default() };
        Partitions::plan_in(&sim(disk), Path::new(DIR), count(3), &options).unwrap()
    };
    for strict in [false, true] {
        let disk = SimDisk::default();
        let mut late =
            Partitions::plan_in(&sim(&disk), Path::new(DIR), count(3), &Options::default())
                .unwrap();
        append(&mut plan(&disk, b"EUR"), &customers[..1], false).unwrap();
        let told = refused(append(&mut late, &customers, strict));
        assert!(told.contains("another currency or time range"), "{told}");
        assert_eq!(opened(&disk).unwrap().end().unwrap(), 1);

        // The same rules, and one of the events.
        let disk = SimDisk::default();
        let mut late = plan(&disk, b"USD");
        append(&mut plan(&disk, b"USD"), &customers[..1], false).unwrap();
        let mut synced = Vec::new();
        let receipt = acknowledged(&mut late, &customers, strict, &mut synced).unwrap();
        assert_eq!((receipt.accepted, receipt.duplicates, receipt.end), (8, 1, 9));
        assert_eq!((synced.last(), late.end().unwrap()), (Some(&9), 9));
    }
    // While a strict call is under way nobody is kept out; then it writes all of its events or none.
    for (others, is_held) in
        [(&customers[..0], false), (&customers[..1], false), (&customers[..1], true)]
    {
        let disk = SimDisk::default();
        let (mut late, mut held) = (plan(&disk, b"USD"), None);
        let rules = late.rules().clone();
        let options = CallOptions { strict: true, ..CallOptions::default() };
        let done = late.call(options, |mut call| {
            for (line, text) in (1..).zip(&customers) {
                let event = Event::from_json(text.as_bytes(), &rules).unwrap();
                call.push(&event, text.as_bytes(), Origin { source: 0, line })?;
            }
            let mut other = plan(&disk, b"USD");
            append(&mut other, others, false)?;
            held = Some(other).filter(|_| is_held);
            call.finish()
        });
        drop(held);
        let there = opened(&disk).unwrap().end().unwrap();
        match done {
            Ok(receipt) => assert_eq!((others.len(), receipt.accepted, there), (0, 9, 9)),
            Err(Error::Options { reason }) => {
                assert!(reason.contains("meanwhile, and nothing was written"), "{reason}");
                assert_eq!((others.len(), is_held, there), (1, false, 1));
            }
            Err(Error::Locked { .. }) => assert_eq!((is_held, there), (true, 1)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_partition_that_is_gone_is_missed() {
    let disk = SimDisk::default();
    drop(made(&disk, 3));
    let dir = Path::new(DIR).join("partitions");
    disk.rename(&dir.join("00001"), Path::new("/elsewhere")).unwrap();
    assert!(refused(open(&disk)).contains("1/3 is not in"));
    let again = Partitions::create_in(&sim(&disk), Path::new(DIR), count(3), &Options::default());
    assert!(refused(again).contains("1/3 is not in"));
    // While it is restored that is told, and once it is there it does not matter what else was begun.
    for name in ["00001.restore.tmp", "00002.restore.tmp"] {
        disk.make_dir(&dir.join(name)).unwrap();
    }
    assert!(refused(open(&disk)).contains("its restore is under way, or was cut off"));
    disk.rename(Path::new("/elsewhere"), &dir.join("00001")).unwrap();
    assert_eq!(open(&disk).unwrap().map(|stores| stores.len()), Some(3));
    disk.rename(&dir.join("00001"), Path::new("/elsewhere")).unwrap();

    // Nor is another one taken for it, or what is none.
    disk.rename(&dir.join("00002"), &dir.join("00001")).unwrap();
    disk.rename(Path::new("/elsewhere"), &dir.join("00002")).unwrap();
    assert!(refused(open(&disk)).contains("is partition 2/3, not 1/3"));
    // One more is too many.
    let mut files = disk.files();
    let copy = |(path, bytes): (&std::path::PathBuf, &Vec<u8>)| {
        let within = path.strip_prefix(dir.join("00000")).ok()?;
        Some((dir.join("00003").join(within), bytes.clone()))
    };
    let copies: Vec<_> = files.iter().filter_map(copy).collect();
    files.extend(copies);
    let more = "/log/partitions/00003 is one too many for 3 partitions: move it elsewhere";
    assert_eq!(refused(open(&SimDisk::of_files(&files))), more);
    disk.make_dir(&dir.join("00003.old")).unwrap();
    let one = "00003.old in /log/partitions is no partition: move it elsewhere";
    assert_eq!(refused(open(&disk)), one);
    disk.make_dir(&dir.join("2")).unwrap();
    let both = "00003.old, 2 in /log/partitions are no partitions: move them elsewhere";
    assert_eq!(refused(open(&disk)), both);
}

/// A log among partitions would keep all of them from being opened, so that none is made there.
#[test]
fn no_log_is_made_among_partitions() {
    let disk = SimDisk::default();
    drop(made(&disk, 3));
    let dir = Path::new(DIR).join("partitions");
    let before = disk.files();
    let part = |number, of| Some(Partition::new(number, of).unwrap());
    let places = [("", None), ("00009", None), ("00003", part(3, 4)), ("00001/more", part(1, 3))];
    for (at, partition) in places {
        let at = if at.is_empty() { dir.clone() } else { dir.join(at) };
        let told = format!(
            "{} lies among the partitions of the log in /log, and is none of them: name /log, or make a \
             log elsewhere",
            at.display()
        );
        assert_eq!(refused(log_in(&disk, &at, partition).append([])), told);
        let strict = CallOptions { strict: true, ..CallOptions::default() };
        let mut store = log_in(&disk, &at, partition);
        let text =
            br#"{"type":"CUSTOMER","verb":"NEW","key":"c","event_time":"2017-01-01T00:00:00Z"}"#;
        let event = crate::Event::from_json(text, store.rules()).unwrap();
        let origin = crate::Origin { source: 0, line: 1 };
        let mut call = store.call(strict).unwrap();
        call.push(&event, text, origin).unwrap();
        // Where the customer belongs elsewhere, nothing is to be written.
        if partition.is_none() {
            assert_eq!(refused(call.finish()), told);
        } else {
            drop(call);
        }
        let parts = Partitions::create_in(&sim(&disk), &at, count(2), &Options::default());
        assert_eq!(refused(parts), told);
    }
    assert_eq!(disk.files(), before);
    assert_eq!(opened(&disk).unwrap().count().get(), 3);

    // One that is missing there is made again, by whoever says which it is.
    let own = dir.join("00001");
    disk.rename(&own, Path::new("/elsewhere")).unwrap();
    assert!(refused(log_in(&disk, &own, None).append([])).contains("lies among"));
    assert!(refused(log_in(&disk, &own, part(2, 3)).append([])).contains("lies among"));
    log_in(&disk, &own, part(1, 3)).append([]).unwrap();
    assert_eq!(opened(&disk).unwrap().count().get(), 3);
    // One that is there is appended to as before, whatever it is named by.
    log_in(&disk, &own, None).append([]).unwrap();
}

/// What a copy or an older program left beside partitions is told of, and nothing is answered.
#[test]
fn a_log_beside_partitions_is_told() {
    let disk = SimDisk::default();
    log_in(&disk, Path::new("/whole"), None).append([]).unwrap();
    drop(made(&disk, 2));
    let copied = |to: &str| {
        let mut files = disk.files();
        let whole: Vec<_> = files.iter().filter(|(path, _)| path.starts_with("/whole")).collect();
        let whole: Vec<_> = whole
            .into_iter()
            .map(|(path, bytes)| {
                (Path::new(to).join(path.strip_prefix("/whole").unwrap()), bytes.clone())
            })
            .collect();
        files.extend(whole);
        SimDisk::of_files(&files)
    };
    let both = "/log has both a log of its own and partitions of one, in /log/partitions: move one of the \
                two elsewhere";
    assert_eq!(refused(open(&copied("/log"))), both);
    let told = refused(open(&copied("/log/partitions")));
    assert!(told.starts_with("a log lies in /log/partitions, beside the partitions"), "{told}");
    assert!(told.contains("head") && told.contains("segments"), "{told}");
    assert!(open(&disk).unwrap().is_some());
}
