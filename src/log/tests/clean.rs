//! Logs that nothing happened to: what was appended is what is read, by every way of reading.

use std::sync::Arc;

use super::*;

fn os_env() -> (Env, tempfile::TempDir) {
    (env(Arc::new(OsDisk::default()), 7), tempfile::tempdir().unwrap())
}

/// (events, customers, filler): batches that fill several small segments.
fn script() -> Vec<(u32, u32, usize)> {
    let mut script = vec![(4, 1, 10), (0, 0, 3), (1, 0, 1000), (7, 2, 0), (0, 0, 1), (0, 0, 2)];
    for step in 0..40 {
        script.push((1 + step % 5, step % 3, (step as usize * 97) % 900));
    }
    script
}

#[test]
fn what_is_appended_is_read_by_every_way() {
    let (env, dir) = os_env();
    let dir = dir.path().join("deep").join("log");
    let (mut writer, recovered) = open(&env, &dir, 2048).unwrap();
    assert!(recovered.created);
    let mut expected = Vec::new();
    for (row, (events, customers, filler)) in script().into_iter().enumerate() {
        let first = writer.end();
        let body = append(&mut writer, events, customers, filler);
        expected.push((first, events, body));
        if row % 3 == 0 {
            assert_eq!(writer.sync().unwrap(), writer.end());
            let view = View::open(&env, &dir, readers(), 0).unwrap();
            assert!(view.writer_lives());
            assert_eq!(batches(&view, 0).unwrap(), expected);
        }
        // Unsynced and unwritten batches are seen by the writer's own readers.
        let frame = writer.frame_of(writer.end() - 1).unwrap().unwrap();
        let last = expected.iter().rfind(|(_, events, _)| *events > 0).unwrap();
        assert_eq!((frame.first_seq, frame.events, frame.body.to_vec()), *last);
        if row % 4 == 0 {
            let view = writer.view().unwrap();
            assert_eq!(batches(&view, 0).unwrap(), expected);
        }
    }
    assert!(writer.take_sealed().len() > 5);
    let view = writer.view().unwrap();
    check_ways(&view, &expected);
    let (end, tally) = (writer.end(), writer.tally());
    writer.close().unwrap();
    let view = View::open(&env, &dir, readers(), 0).unwrap();
    assert!(!view.writer_lives());
    assert_eq!((view.end(), view.synced_end(), view.torn_bytes()), (end, end, 0));
    check_ways(&view, &expected);
    let (writer, recovered) = open(&env, &dir, 2048).unwrap();
    assert_eq!(recovered, Recovered::default());
    assert_eq!((writer.end(), writer.synced_end(), writer.tally()), (end, end, tally));
}

fn check_ways(view: &View, expected: &[(u64, u32, Vec<u8>)]) {
    let end = expected.last().map_or(0, |(first, events, _)| first + u64::from(*events));
    assert_eq!(view.end(), end);
    for from in 0..=end {
        let wanted: Vec<_> = expected
            .iter()
            .filter(|(first, events, _)| {
                first + u64::from(*events) > from || (*events == 0 && *first == from)
            })
            .cloned()
            .collect();
        assert_eq!(batches(view, from).unwrap(), wanted, "from {from}");
    }
    for seq in 0..end {
        let frame = view.frame_of(seq).unwrap().unwrap();
        let wanted = expected
            .iter()
            .find(|(first, events, _)| (*first..first + u64::from(*events)).contains(&seq));
        assert_eq!(Some(&(frame.first_seq, frame.events, frame.body.to_vec())), wanted);
    }
    assert!(view.frame_of(end).unwrap().is_none());
    let mut ordinal = 0;
    for (first, events, body) in expected {
        for _ in 0..crate::frame::u32_at(body, 4) {
            let frame = view.frame_of_customer(ordinal).unwrap().unwrap();
            assert_eq!((frame.first_seq, frame.events, &*frame.body), (*first, *events, &body[..]));
            ordinal += 1;
        }
    }
    let infos = view.segments().unwrap();
    assert_eq!(infos.iter().map(|info| info.frames).sum::<u64>(), expected.len() as u64);
    assert_eq!(infos.last().unwrap().end_seq, end);
    assert!(infos.windows(2).all(|pair| pair[0].end_seq == pair[1].first_seq && pair[0].sealed));
}

#[test]
fn a_log_that_was_not_closed_opens_again_at_its_end() {
    let (env, dir) = os_env();
    let mut expected = Vec::new();
    for round in 0..12 {
        let (mut writer, recovered) = open(&env, dir.path(), 4096).unwrap();
        assert_eq!(recovered.torn_bytes, 0);
        for step in 0..7 {
            let first = writer.end();
            let body = append(&mut writer, 3, 1, 50 * step);
            expected.push((first, 3, body));
        }
        if round % 2 == 0 {
            writer.sync().unwrap();
        } else {
            writer.view().unwrap();
        }
        // Dropped: what was handed to the system is there, synced or not.
        drop(writer);
        let view = View::open(&env, dir.path(), readers(), 0).unwrap();
        assert_eq!(batches(&view, 0).unwrap(), expected, "round {round}");
    }
}

#[test]
fn one_writer_at_a_time_and_readers_beside_it() {
    let (env, dir) = os_env();
    assert!(matches!(View::open(&env, dir.path(), readers(), 0), Err(Error::Missing { .. })));
    let (mut writer, _) = open(&env, dir.path(), 4096).unwrap();
    assert!(matches!(open(&env, dir.path(), 4096), Err(Error::Locked { .. })));
    let mut view = View::open(&env, dir.path(), readers(), 0).unwrap();
    assert!(!view.refresh().unwrap());
    append(&mut writer, 2, 1, 10);
    assert!(!view.refresh().unwrap(), "not synced yet");
    writer.sync().unwrap();
    assert!(view.refresh().unwrap());
    assert_eq!(view.end(), 2);
    for _ in 0..40 {
        append(&mut writer, 2, 1, 900);
        writer.sync().unwrap();
        assert!(view.refresh().unwrap());
        assert_eq!(view.end(), writer.end());
        assert_eq!(batches(&view, view.end() - 2).unwrap().len(), 1);
    }
    writer.close().unwrap();
    assert!(!view.refresh().unwrap());
    open(&env, dir.path(), 4096).unwrap();
}

#[test]
fn files_are_for_their_owner_alone_and_end_with_their_data() {
    use std::os::unix::fs::PermissionsExt;
    let (env, dir) = os_env();
    let dir = dir.path().join("log");
    let (mut writer, _) = open(&env, &dir, 4096).unwrap();
    append(&mut writer, 2, 1, 10);
    writer.close().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let segment = dir.join("segments/00000000000000000000.seg");
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("segments")), 0o700);
    assert_eq!(mode(&segment), 0o600);
    assert_eq!(mode(&dir.join("head")), 0o600);
    assert_eq!(std::fs::metadata(segment).unwrap().len(), 128 + 96);
    assert_eq!(std::fs::metadata(dir.join("head")).unwrap().len(), 1024);
}

/// A process that is killed while it makes the log's directories leaves some without a name on
/// the disk. The next one must not acknowledge an event in them before they have it.
#[test]
fn a_log_in_directories_that_a_killed_process_made_survives_a_power_cut() {
    let dir = Path::new("/a/b/log");
    let whole = SimDisk::default();
    open(&env(Arc::new(whole.clone()), 1), dir, 1 << 20).unwrap();
    for at in 0..whole.changes() {
        let disk = SimDisk::default();
        disk.fail(at, SimFault::Error(5), true);
        assert!(open(&env(Arc::new(disk.clone()), 1), dir, 1 << 20).is_err(), "change {at}");
        let disk = disk.kill();
        let (mut writer, _) = open(&env(Arc::new(disk.clone()), 2), dir, 1 << 20).unwrap();
        append(&mut writer, 1, 1, 10);
        assert_eq!(writer.sync().unwrap(), 1);
        let after = disk.crash(&mut |_| 0, false);
        let view = View::open(&env(Arc::new(after), 3), dir, readers(), 0);
        assert_eq!(view.unwrap_or_else(|error| panic!("change {at}: {error}")).end(), 1);
    }
}
