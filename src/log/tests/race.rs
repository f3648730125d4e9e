//! Writers against writers, and readers beside writers that come, go, roll and are killed, on the
//! real disk.

use std::sync::atomic::AtomicBool;

use super::*;

fn os_env(seed: u64) -> Env {
    env(Arc::new(OsDisk::default()), seed)
}

/// Every batch is a function of its place, so that any reader can check it alone.
fn batch(first: u64, before: &Tally) -> (Vec<u8>, u32, Tally) {
    let filler = (first * 37 % 1500) as usize;
    let events = 1 + u32::try_from(first % 4).unwrap();
    let (body, after) = Body::new(1, first, vec![first.to_le_bytes()[0]; filler]).encode(before);
    (body, events, after)
}

fn check(view: &View, from: u64) -> u64 {
    let mut end = None;
    for frame in view.frames(from) {
        let frame = frame.unwrap_or_else(|error| panic!("{error}"));
        assert!(end.is_none_or(|end| end == frame.first_seq), "a gap or a repeat");
        let filler = (frame.first_seq * 37 % 1500) as usize;
        assert_eq!(u64::from(frame.events), 1 + frame.first_seq % 4);
        assert_eq!(frame.body.len(), 24 + filler);
        assert!(frame.body[24..].iter().all(|byte| *byte == frame.first_seq.to_le_bytes()[0]));
        end = Some(frame.end_seq());
    }
    assert_eq!(end.unwrap_or(view.end()), view.end());
    view.end()
}

fn write(writer: &mut Writer, batches: u64, acked: &AtomicU64) {
    for number in 0..batches {
        let (body, events, after) = batch(writer.end(), &writer.tally());
        writer.append(&body, events, after).unwrap();
        if number % 3 == 0 {
            let synced = writer.sync().unwrap();
            acked.fetch_max(synced, Ordering::SeqCst);
        }
    }
}

fn patiently(dir: &Path, seed: u64) -> Writer {
    loop {
        match open(&os_env(seed), dir, 8192) {
            Ok((writer, _)) => return writer,
            Err(Error::Locked { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn readers_see_a_growing_prefix_whatever_the_writer_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (acked, over) = (AtomicU64::new(0), AtomicBool::new(false));
    drop(patiently(dir, 1));
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (acked, over) = (&acked, &over);
            scope.spawn(move || {
                let mut view = View::open(&os_env(0), dir, readers(), 0).unwrap();
                let mut end = check(&view, 0);
                while !over.load(Ordering::SeqCst) {
                    let owed = acked.load(Ordering::SeqCst);
                    if reader == 0 {
                        view = View::open(&os_env(0), dir, readers(), 0).unwrap();
                        check(&view, 0);
                    } else {
                        view.refresh().unwrap_or_else(|error| panic!("{error}"));
                        check(&view, end);
                    }
                    assert!(view.end() >= owed.max(end), "{} after {owed} and {end}", view.end());
                    end = view.end();
                    if end > 0 {
                        view.frame_of(end / 2).unwrap().unwrap();
                        view.frame_of(end - 1).unwrap().unwrap();
                    }
                    if reader == 2 {
                        let report =
                            verify(&os_env(0), dir, &readers(), 0, &mut |_| Ok(())).unwrap();
                        assert_eq!(report.problems, []);
                    }
                }
                assert_eq!(
                    check(&View::open(&os_env(0), dir, readers(), 0).unwrap(), 0),
                    acked.load(Ordering::SeqCst)
                );
            });
        }
        for round in 0..40 {
            let mut writer = patiently(dir, round);
            write(&mut writer, 1 + round * 7 % 50, &acked);
            let end = writer.end();
            if round % 2 == 0 {
                // As a killed process leaves it: written, and not synced.
                writer.view().unwrap();
                drop(writer);
            } else {
                writer.close().unwrap();
            }
            acked.fetch_max(end, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn of_racing_writers_one_appends_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let acked = AtomicU64::new(0);
    let opened = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (acked, opened) = (&acked, &opened);
            scope.spawn(move || {
                for round in 0..25 {
                    let mut writer = patiently(dir, thread * 1000 + round);
                    assert_eq!(opened.fetch_add(1, Ordering::SeqCst), 0, "two writers");
                    assert!(writer.end() >= acked.load(Ordering::SeqCst));
                    write(&mut writer, 5, acked);
                    opened.fetch_sub(1, Ordering::SeqCst);
                    if round % 2 == 0 { drop(writer) } else { writer.close().unwrap() }
                }
            });
        }
    });
    let view = View::open(&os_env(0), dir, readers(), 0).unwrap();
    assert!(check(&view, 0) >= acked.load(Ordering::SeqCst));
    assert_eq!(verify(&os_env(0), dir, &readers(), 0, &mut |_| Ok(())).unwrap().problems, []);
}
