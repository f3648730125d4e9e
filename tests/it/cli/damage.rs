//! What is said of damage, and that following the advice helps.

use std::fs;
use std::path::PathBuf;

use ltvlog::{Event, Options, Store};
use serde_json::{Value, json};

use super::{Home, files};

const LOG: &str = "ltvlog-data";
const FIRST: &str = "ltvlog-data/segments/00000000000000000000.seg";

impl Home {
    /// A log of several segments, 10 events a batch, with its checkpoints; their first sequences.
    fn segments(&self) -> Vec<u64> {
        let (store, firsts) = self.open_segments();
        store.close().unwrap();
        // A program that another test starts just now has the lock too until it runs.
        let segments = fs::File::open(self.path(LOG).join("segments")).unwrap();
        segments.lock().unwrap();
        firsts
    }

    /// The same while its writer lives.
    fn open_segments(&self) -> (Store, Vec<u64>) {
        let generated =
            self.done(&["generate", "--events", "400", "--customers", "20", "--seed", "1"]);
        let options =
            Options { segment_bytes_max: 4 << 10, checkpoint_events_min: 50, ..Options::default() };
        let mut store = Store::open(self.path(LOG), options).unwrap();
        let rules = store.rules().clone();
        for lines in generated.out.lines().collect::<Vec<_>>().chunks(10) {
            let events =
                lines.iter().map(|line| Event::from_json(line.as_bytes(), &rules).unwrap());
            assert_eq!(store.append(events).unwrap().rejected(), 0);
        }
        self.write("all.ndjson", generated.out);
        let names = fs::read_dir(self.path(LOG).join("segments")).unwrap();
        let first = |name: String| name.trim_end_matches(".seg").parse().unwrap();
        let mut firsts: Vec<u64> =
            names.map(|name| first(name.unwrap().file_name().into_string().unwrap())).collect();
        firsts.sort_unstable();
        assert!(firsts.len() > 3, "{firsts:?}");
        (store, firsts)
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.path(&format!("{LOG}/segments/{first:020}.seg"))
    }

    fn flip(&self, name: &str, at: usize) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        bytes[at] ^= 1;
        self.write(name, bytes);
    }

    fn problems(&self) -> Vec<Value> {
        let ran = self.run(&["verify", "--format", "json"]);
        assert_eq!(ran.exit, 1, "{ran:?}");
        ran.json()["problems"].as_array().unwrap().clone()
    }
}

#[test]
fn a_range_of_events_is_told_with_its_last_one() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    home.flip(FIRST, 200);
    let ran = home.run(&["verify", "--format", "json"]);
    assert_eq!(ran.json()["problems"][0]["events"], json!({"first": 0, "end": 4}));
    assert!(ran.err.contains("; it touches events 0 to 3\n"), "{}", ran.err);
    let ran = home.run(&["append", "events.ndjson"]);
    assert!(ran.err.contains("it was synced once (events 0 to 3)"), "{}", ran.err);
}

/// What a name or a missing file hides begins where the segment before it ends.
#[test]
fn missing_events_begin_where_the_log_before_them_ends() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    fs::rename(home.segment(0), home.segment(1)).unwrap();
    assert_eq!(home.problems()[0]["events"], json!({"first": 0, "end": 4}));

    let home = Home::new();
    let firsts = home.segments();
    let ranges =
        |problems: &[Value]| problems.iter().map(|one| one["events"].clone()).collect::<Vec<_>>();
    let range = |first: u64, end: u64| vec![json!({"first": first, "end": end})];
    let last = *firsts.last().unwrap();
    let end_of = |row: usize| firsts.get(row + 1).copied().unwrap_or(400);
    for (row, first) in [(0, firsts[0]), (1, firsts[1]), (firsts.len() - 1, last)] {
        let (path, renamed) = (home.segment(first), home.segment(first + 1));
        fs::rename(&path, &renamed).unwrap();
        assert_eq!(ranges(&home.problems()), range(first, end_of(row)), "{first} renamed");
        fs::rename(&renamed, home.path("away")).unwrap();
        let problems = home.problems();
        assert_eq!(ranges(&problems), range(first, end_of(row)), "{first} away: {problems:?}");
        if first < last {
            let told = format!("the segment with events {first} to {}", end_of(row) - 1);
            assert_eq!(problems[0]["reason"], format!("{told} is missing before it"));
        }
        fs::rename(home.path("away"), &path).unwrap();
    }
    home.done(&["verify"]);
}

#[test]
fn the_advice_for_a_damaged_backup_helps() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    home.done(&["backup", "copy"]);
    home.flip("copy/segments/00000000000000000000.seg", 200);
    home.feed(
        &["append"],
        br#"{"type": "CUSTOMER", "verb": "NEW", "key": "c", "event_time": "2017-01-07T08:00:00Z"}"#,
    );
    for args in [
        &["verify", "--log", "copy"][..],
        &["backup", "copy"],
        &["restore", "copy", "--log", "new"],
        &["top", "1", "--log", "copy"],
    ] {
        let ran = home.run(args);
        assert_eq!(ran.exit, 1, "{args:?}");
        let help = ran.err.lines().find(|line| line.starts_with("help: ")).unwrap();
        for way in ["`ltvlog backup` to a new directory", "without its backup.json"] {
            assert!(help.contains(way), "{args:?}: {}", ran.err);
        }
    }
    home.done(&["backup", "another"]);
    fs::remove_file(home.path("copy/backup.json")).unwrap();
    home.done(&["repair", "--log", "copy", "--plan"]);
}

/// A directory where a sidecar or a checkpoint may stand is one that cannot be used.
#[test]
fn a_directory_among_derived_files_stops_nothing() {
    let home = Home::new();
    let firsts = home.segments();
    let all = home.done(&["export"]).out;
    for name in ["keys/sub", "keys/sub.tmp", "checkpoints/sub"] {
        fs::create_dir(home.path(LOG).join(name)).unwrap();
    }
    home.done(&["verify"]);
    let sidecar = format!("keys/{:020}.keys", firsts[1]);
    let checkpoints = fs::read_dir(home.path(LOG).join("checkpoints")).unwrap();
    let checkpoints = checkpoints.map(|one| one.unwrap().file_name().into_string().unwrap());
    let newest = checkpoints.filter(|name| name.ends_with(".ckpt")).max().unwrap();
    let mut wrong = vec![sidecar, "keys/sub.keys".to_owned(), format!("checkpoints/{newest}")];
    wrong.sort();
    for name in &wrong {
        let path = home.path(LOG).join(name);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
    }
    let told = |home: &Home| {
        let problems = home.problems();
        let mut names: Vec<String> =
            problems.iter().map(|one| one["file"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(told(&home), wrong);
    home.done(&["top", "3"]);
    home.done(&["info"]);
    assert_eq!(home.done(&["export"]).out, all);
    let again = home.done(&["append", "--format", "json", "all.ndjson"]).json();
    assert_eq!((&again["accepted"], &again["duplicates"]), (&0.into(), &400.into()));
    home.done(&["append", "events.ndjson"]);
    assert_eq!(told(&home), wrong);
    let plan = home.done(&["repair", "--plan", "--format", "json"]).json();
    home.done(&["repair", "--apply", plan["hash"].as_str().unwrap()]);
    home.done(&["verify", "--deep"]);
}

/// The first batch of all is damaged: customers whose every other event is lost with them.
#[test]
fn a_plan_prints_the_first_lost_ranges_and_counts_the_rest() {
    let home = Home::new();
    let at = r#""event_time": "2017-01-07T08:00:00Z""#;
    let customers = |name: &str| {
        let line =
            |n| format!(r#"{{"type": "CUSTOMER", "verb": "NEW", "key": "{name}{n}", {at}}}"#);
        (0..30).map(line).collect::<Vec<_>>().join("\n")
    };
    let visit = |n: u32| {
        let line = |name| {
            format!(
                r#"{{"type": "SITE_VISIT", "verb": "NEW", "key": "{name}{n}", "customer_id": "{name}{n}", {at}}}"#
            )
        };
        format!("{}\n{}", line("lost"), line("kept"))
    };
    let visits = (0..30).map(visit).collect::<Vec<_>>().join("\n");
    for text in [customers("lost"), customers("kept"), visits] {
        assert_eq!(home.feed(&["append"], text.as_bytes()).exit, 0);
    }
    home.flip(FIRST, 200);
    let plan = home.done(&["repair", "--plan", "--format", "json"]).json();
    let lost = plan["lost"].as_array().unwrap();
    assert_eq!((lost.len(), &plan["lost_events"]), (31, &60.into()));
    let text = home.done(&["repair", "--plan"]).out;
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("lost of ")).collect();
    assert_eq!(lines.len(), 20, "{text}");
    assert!(lines[0].ends_with(".seg: events 0 to 29") && lines[19].ends_with(": events 96 to 96"));
    let rest = "lost in 11 more ranges: 11 events; `--format json` lists all ranges\n";
    assert!(text.contains(rest), "{text}");
    let hash = plan["hash"].as_str().unwrap();
    assert!(text.contains(&format!("--apply {hash}\n")), "{text}");
}

/// What head says is durable must be there while a writer lives too, whoever took it away.
#[test]
fn verify_beside_a_writer_tells_what_is_gone() {
    for lost in ["all", "last", "end", "bit"] {
        let home = Home::new();
        let (store, firsts) = home.open_segments();
        let last = *firsts.last().unwrap();
        home.done(&["verify"]);
        let name = format!("segments/{last:020}.seg");
        let (file, reason, first) = match lost {
            "all" => {
                firsts.iter().for_each(|first| fs::remove_file(home.segment(*first)).unwrap());
                ("segments".to_owned(), "all segments are missing", 0)
            }
            "last" => {
                fs::remove_file(home.segment(last)).unwrap();
                ("segments".to_owned(), "the last segment is missing", last)
            }
            "end" => {
                let file = fs::OpenOptions::new().write(true).open(home.segment(last)).unwrap();
                file.set_len(128).unwrap();
                (name, "the segment ends before what was synced once", last)
            }
            _ => {
                let bytes = fs::read(home.segment(last)).unwrap();
                home.flip(
                    &format!("{LOG}/{name}"),
                    bytes.iter().rposition(|byte| *byte != 0).unwrap(),
                );
                (name, "the segment ends before what was synced once", 390)
            }
        };
        let problems = home.problems();
        assert_eq!(problems.len(), 1, "{lost}: {problems:?}");
        assert_eq!(problems[0]["file"], *file, "{lost}");
        assert_eq!(problems[0]["events"], json!({"first": first, "end": 400}), "{lost}");
        assert_eq!(problems[0]["reason"], *reason, "{lost}");
        drop(store);
    }
}

/// Whole frames of the right length prove nothing: another log's, or another future of this one.
#[test]
fn verify_beside_a_writer_tells_what_was_exchanged() {
    let event = |key: &str| {
        format!(
            r#"{{"type":"CUSTOMER","verb":"NEW","key":"{key}","event_time":"2017-01-06T12:46:46Z"}}"#
        )
    };
    let append = |store: &mut Store, key: &str| {
        let rules = store.rules().clone();
        store.append([Event::from_json(event(key).as_bytes(), &rules).unwrap()]).unwrap();
    };
    for is_twin in [true, false] {
        let home = Home::new();
        let (ours, other) = (home.path(LOG), home.path("other"));
        let mut store = Store::open(&ours, Options::default()).unwrap();
        append(&mut store, "a");
        store.close().unwrap();
        if is_twin {
            home.done(&["backup", "twin"]);
            home.done(&["restore", "twin", "--log", "other"]);
        } else {
            let mut store = Store::open(&other, Options::default()).unwrap();
            append(&mut store, "a");
            store.close().unwrap();
        }
        let [mut store, mut elsewhere] =
            [&ours, &other].map(|dir| Store::open(dir, Options::default()).unwrap());
        append(&mut store, "b");
        append(&mut elsewhere, "c");
        home.done(&["verify"]);
        fs::copy(other.join("segments/00000000000000000000.seg"), home.path(FIRST)).unwrap();
        let wrong = json!({
            "file": "segments/00000000000000000000.seg", "offset": 0,
            "reason": "the segment is not the one that was synced once",
            "events": {"first": 0, "end": 2},
        });
        assert_eq!(home.problems(), [wrong], "{is_twin}");
        drop((store, elsewhere));
    }
}

/// Without a segment, whatever else is left says that there was a log, and how long it was.
#[test]
fn a_log_whose_segments_are_gone_is_damaged() {
    for left in ["head", "keys", "checkpoints"] {
        for directory in [true, false] {
            let home = Home::new();
            let firsts = home.segments();
            for other in ["head", "keys", "checkpoints"].iter().filter(|other| **other != left) {
                let path = home.path(LOG).join(other);
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                    .unwrap();
            }
            firsts.iter().for_each(|first| fs::remove_file(home.segment(*first)).unwrap());
            if !directory {
                fs::remove_dir(home.path(LOG).join("segments")).unwrap();
            }
            let before = files(&home.path(LOG));
            let range = json!({"first": 0, "end": 400});
            let missing = json!({
                "file": "segments", "offset": 0, "reason": "all segments are missing", "events": range
            });
            assert_eq!(home.problems(), [missing], "{left}");
            let plan = home.done(&["repair", "--plan", "--format", "json"]).json();
            let told = [&plan["kept_end"], &plan["lost_events"], &plan["salvaged_events"]];
            assert_eq!(told, [&json!(0), &json!(400), &json!(0)], "{left}: {plan}");
            let ran = home.run(&["append", "events.ndjson"]);
            assert_eq!((ran.exit, &*ran.out), (1, ""), "{left}");
            assert!(ran.err.contains("all segments are missing"), "{left}: {}", ran.err);
            let ran = home.run(&["top", "1"]);
            assert_eq!((ran.exit, &*ran.out), (1, ""), "{left}");
            assert!(ran.err.contains("all segments are missing"), "{left}: {}", ran.err);
            assert!(before == files(&home.path(LOG)), "{left}: something was changed");
            // What was left goes to quarantine, and the name is free for a new log.
            home.done(&["repair", "--apply", plan["hash"].as_str().unwrap()]);
            home.done(&["append", "events.ndjson"]);
            home.done(&["verify", "--deep"]);
        }
    }
}
