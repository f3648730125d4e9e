//! The JSON that programs rely on, names and order as the specification has them; options.

use super::{Home, SAMPLE, files};

#[test]
fn the_sample_gives_the_printed_json() {
    let home = Home::new();
    assert_eq!(
        home.done(&["append", "events.ndjson", "--format", "json"]).out,
        "{\"accepted\": 4, \"duplicates\": 0, \"rejected\": 0, \"reasons\": {}, \"end\": 4, \
         \"synced\": true}\n"
    );
    let shared = "\"customer_id\": \"96f55c7d8f42\", \"last_name\": \"Smith\", \
                  \"ltv\": \"6416.80\", \"revenue\": \"12.34\", \"visits\": 1, \"orders\": 1, \
                  \"revenue_per_visit\": \"12.34\", \"visits_per_week\": \"1.00\"";
    let top = format!(
        "{{\"currency\": \"USD\", \"lifespan_years\": 10, \
         \"frame\": {{\"first\": \"2017-01-06T12:45:52.041Z\", \
         \"last\": \"2017-01-06T12:55:55.555Z\", \"weeks\": 1}}, \"end\": 4, \
         \"customers\": [{{\"rank\": 1, {shared}}}]}}\n"
    );
    assert_eq!(home.done(&["top", "1", "--format", "json"]).out, top);
    assert_eq!(home.done(&["top", "1", "events.ndjson", "--format", "json"]).out, top);
    assert_eq!(
        home.done(&["stats", "96f55c7d8f42", "--format", "json"]).out,
        format!(
            "[{{{shared}, \"first_event\": \"2017-01-06T12:45:52.041Z\", \
             \"last_event\": \"2017-01-06T12:55:55.555Z\", \"adr_city\": \"Middletown\", \
             \"adr_state\": \"AK\"}}]\n"
        )
    );
    let replay = home.done(&["replay", "--format", "json"]).out;
    assert!(replay.starts_with("{\"events\": 4, \"customers\": 1, \"seconds\": "), "{replay}");
    let end = ", \"digest\": \"f82f6fc060a196980aa6db40457bf009\", \"checkpoint\": \"none\"}\n";
    assert!(replay.contains(", \"events_per_second\": ") && replay.ends_with(end), "{replay}");
}

#[test]
fn replay_says_a_time_and_a_rate() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    let replay = home.done(&["replay", "--format", "json"]).json();
    let seconds = replay["seconds"].as_f64().unwrap();
    assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    assert!(replay["events_per_second"].as_u64().unwrap() > 0);
}

#[test]
fn verify_gives_the_printed_json() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    let verify = home.done(&["verify", "--format", "json"]).out;
    let start = "{\"ok\": true, \"segments\": 1, \"batches\": 1, \"events\": 4, \"bytes\": ";
    assert!(verify.starts_with(start), "{verify}");
    assert!(verify.ends_with(", \"torn_bytes\": 0, \"problems\": []}\n"), "{verify}");
}

#[test]
fn damage_is_named_with_file_offset_and_events_and_nothing_is_changed() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    let segment = home.path("ltvlog-data/segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let before = files(&home.path("ltvlog-data"));
    let ran = home.run(&["verify", "--format", "json"]);
    assert_eq!(ran.exit, 1);
    let found = ran.json();
    assert_eq!(found["ok"], false);
    let problem = &found["problems"][0];
    assert_eq!(problem["file"], "segments/00000000000000000000.seg");
    assert_eq!(problem["offset"], 128);
    let in_words = problem["reason"].as_str().unwrap().contains("(events 0 ");
    assert!(problem["events"]["first"] == 0 || in_words, "{problem}");
    for args in [&["append", "events.ndjson"][..], &["top", "1"], &["replay"], &["export"]] {
        let ran = home.run(args);
        assert_eq!((ran.exit, &*ran.out), (1, ""), "{args:?}");
        assert!(ran.err.contains("00000000000000000000.seg"), "{}", ran.err);
    }
    assert!(before == files(&home.path("ltvlog-data")));
}

#[test]
fn damage_anywhere_is_a_finding_of_verify() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    let segment = home.path("ltvlog-data/segments/00000000000000000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&segment, bytes).unwrap();
        let ran = home.run(&["verify", "--format", "json"]);
        assert_eq!(ran.exit, 1, "{at}");
        let found = ran.json();
        assert_eq!(found["ok"], false, "{at}");
        assert_eq!(found["problems"][0]["file"], "segments/00000000000000000000.seg", "{at}");
        assert!(ran.err.contains("segments/00000000000000000000.seg at byte "), "{at} {}", ran.err);
    }
}

#[test]
fn real_data_has_the_known_answer() {
    let home = Home::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cdnow_sample.ndjson.gz");
    let receipt = home.done(&["append", data, "--format", "json"]).json();
    assert_eq!(receipt["accepted"], 16_195);
    let top = home.done(&["top", "3", "--format", "json"]).json();
    assert_eq!(top["frame"]["weeks"], 79);
    let known = [
        ("19339", "6552.70", "43131.70"),
        ("05420", "1943.58", "12793.18"),
        ("20111", "1747.58", "11503.06"),
    ];
    for (customer, (id, revenue, ltv)) in top["customers"].as_array().unwrap().iter().zip(known) {
        assert_eq!(customer["customer_id"], id);
        assert_eq!(customer["revenue"], revenue);
        assert_eq!(customer["ltv"], ltv);
    }
    let replay = home.done(&["replay", "--format", "json"]).json();
    assert_eq!(replay["customers"], 2_357);
    assert_eq!(replay["digest"], "a4e008fb983cc4e2fe84762df237e48f");
}

#[test]
fn every_command_that_prints_a_result_prints_json() {
    let home = Home::new();
    home.done(&["append", "events.ndjson"]);
    for args in [
        &["append", "events.ndjson"][..],
        &["top", "3"],
        &["stats", "96f55c7d8f42"],
        &["replay"],
        &["verify"],
        &["info"],
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
        home.done(&args).json();
    }
    for args in [["tail", "--format=json"], ["export", "--format=json"]] {
        assert_eq!(home.done(&args).out.lines().count(), 4);
    }
}

#[test]
fn an_empty_log_is_no_failure() {
    let home = Home::new();
    let receipt = home.feed(&["append", "--format", "json"], b"").json();
    assert_eq!((&receipt["accepted"], &receipt["end"]), (&0.into(), &0.into()));
    assert_eq!(
        home.done(&["top", "5", "--format", "json"]).out,
        "{\"currency\": \"USD\", \"lifespan_years\": 10, \"frame\": null, \"end\": 0, \
         \"customers\": []}\n"
    );
    for args in [&["replay"][..], &["verify"], &["info"], &["tail"], &["export"], &["top", "1"]] {
        home.done(args);
    }
    assert_eq!(home.run(&["stats", "x"]).exit, 1);
}

#[test]
fn the_log_is_made_even_if_nothing_is_admitted() {
    let home = Home::new();
    assert_eq!(home.feed(&["append"], b"[]").exit, 0);
    assert_eq!(home.feed(&["append", "--log", "junk"], b"junk").exit, 3);
    home.done(&["info"]);
    home.done(&["info", "--log", "junk"]);
}

#[test]
fn options_stand_before_or_after() {
    let home = Home::new();
    home.write("more.ndjson", SAMPLE);
    let orders: [&[&str]; 4] = [
        &["--log", "a", "--format", "json", "append", "events.ndjson", "more.ndjson"],
        &["append", "events.ndjson", "more.ndjson", "--format", "json", "--log", "a"],
        &["--format=json", "append", "events.ndjson", "--log=a", "more.ndjson"],
        &["append", "--log", "a", "events.ndjson", "--format", "json", "more.ndjson"],
    ];
    for (turn, args) in orders.into_iter().enumerate() {
        let receipt = home.done(args).json();
        assert_eq!(receipt["end"], 4);
        assert_eq!(receipt["duplicates"], if turn == 0 { 4 } else { 8 });
    }
}

#[test]
fn the_environment_names_the_log_unless_an_option_does() {
    let home = Home::new();
    let run = |args: &[&str]| {
        let ran = home.command(args).env("LTVLOG_DIR", "env").output().unwrap();
        assert!(ran.status.success());
    };
    run(&["append", "events.ndjson"]);
    assert!(home.path("env/segments").exists());
    run(&["--log", "before", "append", "events.ndjson"]);
    assert!(home.path("before/segments").exists());
    run(&["append", "events.ndjson", "--log", "after"]);
    assert!(home.path("after/segments").exists());
    assert!(!home.path("ltvlog-data").exists());
}

#[test]
fn wrong_usage_is_2_and_changes_nothing() {
    let home = Home::new();
    let wrong: &[&[&str]] = &[
        &[],
        &["nothing"],
        &["top"],
        &["top", "0"],
        &["top", "-1"],
        &["top", "1.5"],
        &["top", "x"],
        &["top", "1", "-", "-"],
        &["stats"],
        &["append", "-", "-"],
        &["append", "--sync", "sometimes"],
        &["append", "--currency", "usd"],
        &["append", "--ack", "--format", "csv"],
        &["top", "1", "--frame", "2017-02-30..2017-03-01"],
        &["top", "1", "--lifespan-years", "-1"],
        &["top", "1", "--lifespan-years", "nan"],
        &["info", "--format", "yaml"],
        &["tail", "--from", "-1"],
        &["generate", "--events", "1"],
        &["completions", "cmd"],
        &["man", "nothing"],
    ];
    for args in wrong {
        let ran = home.run(args);
        assert_eq!((ran.exit, &*ran.out), (2, ""), "{args:?} {ran:?}");
        assert!(!ran.err.is_empty());
    }
    assert!(!home.path("ltvlog-data").exists());
}

#[test]
fn without_a_log_asking_is_a_failure_that_makes_none() {
    let home = Home::new();
    for args in [
        &["top", "1"][..],
        &["stats", "x"],
        &["replay"],
        &["tail"],
        &["verify"],
        &["info"],
        &["export"],
    ] {
        let ran = home.run(args);
        assert_eq!((ran.exit, &*ran.out), (1, ""), "{args:?}");
        assert!(ran.err.starts_with("error: there is no log in "), "{}", ran.err);
    }
    assert!(!home.path("ltvlog-data").exists());
}

#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    assert_eq!(home.run(&["append", "events.ndjson", "--rejects", "rejects"]).exit, 0);
    let mode =
        |name: &str| std::fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("ltvlog-data"), 0o700);
    assert_eq!(mode("ltvlog-data/segments"), 0o700);
    assert_eq!(mode("ltvlog-data/segments/00000000000000000000.seg"), 0o600);
    assert_eq!(mode("rejects"), 0o600);
}

#[test]
fn an_export_is_a_duplicate_of_its_source() {
    let home = Home::new();
    let generated =
        home.done(&["generate", "--events=3000", "--customers=300", "--seed=9", "--updates=30"]);
    let receipt = home.feed(&["append", "--format", "json"], generated.out.as_bytes()).json();
    assert_eq!(receipt["accepted"], 3000, "{receipt}");
    let export = home.done(&["export"]).out;
    let again = home.feed(&["append", "--format", "json"], export.as_bytes()).json();
    assert_eq!((&again["duplicates"], &again["accepted"]), (&3000.into(), &0.into()));
    home.feed(&["append", "--log", "copy"], export.as_bytes());
    let digest = |log: &str| {
        home.done(&["replay", "--format", "json", "--log", log]).json()["digest"].clone()
    };
    assert_eq!(digest("copy"), digest("ltvlog-data"));
}
