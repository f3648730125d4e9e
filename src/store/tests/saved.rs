//! A checkpoint that says it all answers without being loaded.

use super::*;
use crate::log::SimDisk;
use crate::store::answers::Answers;
use crate::store::{checkpoints, files};

const DIR: &str = "/log";

/// Whether the checkpoint answered, and how it answered.
fn asked(store: &Store) -> Option<Top> {
    let source = store.source().unwrap();
    let question = Question::default();
    checkpoints::ask(&store.env, Path::new(DIR), &source, |saved| {
        Answers::new(&source, saved, &question).top(9, *b"USD")
    })
}

fn folded(store: &Store) -> Top {
    let source = store.source().unwrap();
    let mut statistics = Statistics::new();
    checkpoints::catch_up(&source, &mut statistics, 0).unwrap();
    Answers::new(&source, &statistics, &Question::default()).top(9, *b"USD").unwrap()
}

#[test]
fn a_checkpoint_answers_with_the_few_events_behind_it() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap();
    let mut customers = 0;
    for call in 0..12_u64 {
        let mut lines: Vec<String> = (customers..customers + 9).map(customer).collect();
        customers += 9;
        lines.extend((0..9).map(|n| order("NEW", call * 9 + n, (call * 9 + n) % customers, n, 5)));
        let renamed = call * 7;
        lines.push(format!(
            r#"{{"type":"CUSTOMER","verb":"UPDATE","key":"c{renamed}","event_time":"2018-01-01T00:00:00Z","last_name":"New {call}"}}"#
        ));
        lines.extend((0..customers).map(|n| visit(call * 1_000 + n, n)));
        append(&mut store, &lines).unwrap();
        let top = asked(&store).expect("a checkpoint was due");
        assert_eq!(top, folded(&store));
        assert_eq!(top, store.top(9, &Question::default()).unwrap());
        // As many events behind it as are overlaid, of a customer who is first by now; then one more.
        let few = customers / 16;
        let cents = 9_000 * (1 + call);
        let behind = (0..few).map(|n| order("NEW", 1_000 * (1 + call) + n, call, cents, 5));
        append(&mut store, &behind.collect::<Vec<_>>()).unwrap();
        let top = asked(&store).expect("they are few");
        assert_eq!(top, folded(&store));
        assert_eq!(few > 0, top.customers[0].customer_id == format!("c{call}"));
        append(&mut store, &[visit(call * 1_000 + 999, 0)]).unwrap();
        assert_eq!(asked(&store), None, "too many events follow it");
        assert_eq!(store.top(9, &Question::default()).unwrap(), folded(&store));
    }
}

/// Whole, but not what the log says: of the same log, at another place.
#[test]
fn a_checkpoint_under_another_name_does_not_answer() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 64 << 20).unwrap();
    append(&mut store, &(0..6).map(customer).collect::<Vec<_>>()).unwrap();
    let (end, path) = checkpoints::list(&store.env, Path::new(DIR)).unwrap().remove(0);
    assert_eq!(end, 6);
    let older = files::map(&store.env, &path).unwrap().unwrap().all().to_vec();
    append(&mut store, &[order("NEW", 1, 1, 700, 5)]).unwrap();
    let newer = Path::new(DIR).join(checkpoints::CHECKPOINTS).join("00000000000000000007.ckpt");
    files::replace(&store.env, &newer, &older).unwrap();
    assert_eq!(asked(&store), None);
    assert_eq!(store.top(9, &Question::default()).unwrap(), folded(&store));
}

/// The checkpoint says who is best and the log what they are called: damage there is told, or is
/// where nobody looks.
#[test]
fn damage_to_the_log_changes_no_answer_of_a_checkpoint() {
    let disk = SimDisk::default();
    let mut store = open(Arc::new(disk.clone()), Path::new(DIR), 1, 1 << 10).unwrap();
    for call in 0..12_u64 {
        let mut lines = vec![customer(call), order("NEW", call, call / 2, 100 + call, 5)];
        lines.extend((0..3).map(|n| visit(call * 3 + n, call)));
        append(&mut store, &lines).unwrap();
    }
    assert!(asked(&store).is_some());
    let top = store.top(2, &Question::default()).unwrap();
    store.close().unwrap();
    let files = disk.files();
    let (mut told, mut unseen) = (0, 0);
    for (path, bytes) in files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".seg")) {
        for at in 0..bytes.len() {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let disk = SimDisk::of_files(&changed);
            let found = open(Arc::new(disk), Path::new(DIR), 2, 1 << 10)
                .and_then(|store| store.top(2, &Question::default()));
            match found {
                Ok(found) => {
                    assert_eq!(found, top, "byte {at} of {}", path.display());
                    unseen += 1;
                }
                Err(Error::Corrupt { .. } | Error::Format { .. }) => told += 1,
                Err(error) => panic!("byte {at} of {}: {error}", path.display()),
            }
        }
    }
    assert!(told > 500 && unseen > 100, "{told} told, {unseen} unseen");
}
