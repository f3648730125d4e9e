//! The whole way through librdkafka's broker in memory: no server is needed.

use std::cell::RefCell;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;

use super::*;
use crate::broker::position::Position;
use crate::broker::publisher::Publisher;
use crate::broker::pump::{Pump, Start, Told};
use crate::broker::{Access, Inlet as _, Outgoing, runtime};

const PATIENCE: Duration = Duration::from_secs(30);

fn place(servers: String, partitions: u16) -> Place {
    Place {
        servers,
        name: "events".to_owned(),
        partitions: NonZeroU16::new(partitions).expect("some"),
        access: Access::default(),
        give_up: Some(PATIENCE),
    }
}

fn stop() -> Stop {
    Arc::new(|| false)
}

fn message(number: u64) -> Outgoing {
    let partition = if number.is_multiple_of(3) { 1 } else { 0 };
    Outgoing { partition, id: format!("id {number}"), payload: number.to_string().into_bytes() }
}

/// When a message was stored.
fn stored_at(place: &Place, partition: &str, position: u64) -> Option<i64> {
    let runtime = runtime().expect("a runtime");
    let partition = partition.parse().expect("a partition");
    let mut inlet = inlet(&runtime, place, partition, &stop(), &|_| {}).expect("an inlet");
    runtime.block_on(inlet.stored_at(position)).expect("it is there")
}

/// What a partition gives behind a position, until nothing is left, and why it ended.
fn read(place: &Place, partition: &str, start: Start) -> Result<Vec<(u64, String)>, Trouble> {
    let runtime = runtime().expect("a runtime");
    let partition = partition.parse().expect("a partition");
    let inlet = inlet(&runtime, place, partition, &stop(), &|_| {}).expect("an inlet");
    let mut pump = Pump::start(runtime, inlet, start, place.give_up, stop());
    let (mut given, began) = (Vec::new(), Instant::now());
    let ended = loop {
        assert!(began.elapsed() < PATIENCE, "{given:?}");
        match pump.wait(Duration::from_secs(1)) {
            Some(Told::Messages(parcel)) => given.extend(parcel.messages().map(|message| {
                (message.position, String::from_utf8_lossy(message.payload).into_owned())
            })),
            Some(Told::Quiet { lag: 0 }) => break Ok(given),
            Some(Told::Failed(trouble)) => break Err(trouble),
            Some(Told::Quiet { .. } | Told::Begun { .. } | Told::Note(_)) | None => {}
        }
    };
    pump.close();
    ended
}

#[test]
fn messages_come_back_in_order_from_any_position() {
    let cluster = MockCluster::new(3).expect("a cluster");
    cluster.create_topic("events", 2, 3).expect("a topic");
    let place = place(cluster.bootstrap_servers(), 2);
    let runtime = runtime().expect("a runtime");
    let outlet = outlet(&runtime, &place, None, &stop(), &|_| {}).expect("an outlet");
    let mut publisher = Publisher::new(runtime, outlet, place.give_up, stop(), Box::new(|_| {}));
    publisher.put(&mut (0..300).map(message).collect()).expect("they are sent");
    publisher.finish().expect("they are acknowledged");
    assert_eq!(publisher.counts().published, 300);
    assert_eq!(publisher.counts().unacknowledged, 0);

    let of = |partition: u16| {
        let own = (0..300).map(message).filter(move |message| message.partition == partition);
        own.map(|message| String::from_utf8(message.payload).expect("digits"))
    };
    let all = read(&place, "1/2", Start::Behind(None)).expect("all of partition 1");
    let expected: Vec<_> = (0..).zip(of(1)).collect();
    assert_eq!(all, expected);
    let behind = Start::Behind(Some(Position { last: 41, made: None, stored_at_us: None }));
    let rest = read(&place, "0/2", behind).expect("the rest of partition 0");
    assert_eq!(rest, (0..).zip(of(0)).skip(42).collect::<Vec<_>>());
    let stored_at_us = stored_at(&place, "0/2", 41).expect("the mock tells");
    let at_41 = |us| Position { last: 41, made: None, stored_at_us: Some(us) };
    let rest = read(&place, "0/2", Start::Behind(Some(at_41(stored_at_us))));
    assert_eq!(rest.expect("the same message").len(), 200 - 42);
    let told = read(&place, "0/2", Start::Behind(Some(at_41(stored_at_us + 1000))));
    let told = told.expect_err("another message");
    assert!(told.text().contains("up to message 41, and that is another one here"), "{told:?}");
    let beyond = Start::Behind(Some(Position { last: 100, made: None, stored_at_us: None }));
    let told = read(&place, "1/2", beyond).expect_err("there are but 100");
    assert!(told.text().contains("the last message here is 99"), "{told:?}");
}

#[test]
fn a_topic_of_another_number_of_partitions_is_refused() {
    let cluster = MockCluster::new(1).expect("a cluster");
    cluster.create_topic("events", 2, 1).expect("a topic");
    let place = place(cluster.bootstrap_servers(), 3);
    let runtime = runtime().expect("a runtime");
    let refused = outlet(&runtime, &place, None, &stop(), &|_| {}).err().expect("it is refused");
    assert!(refused.text().contains("has 2 partitions"), "{refused:?}");
    let refused = read(&place, "0/3", Start::Behind(None)).expect_err("it is refused");
    assert!(refused.text().contains("has 2 partitions"), "{refused:?}");
}

/// What the library says to `note`, and whether there is an outlet.
fn begun(place: &Place, replicas: Option<u8>) -> (Result<(), Trouble>, String) {
    let notes = RefCell::new(String::new());
    let note = |text: &str| notes.borrow_mut().push_str(text);
    let runtime = runtime().expect("a runtime");
    let made = outlet(&runtime, place, replicas, &stop(), &note).map(drop);
    (made, notes.into_inner())
}

/// The mock makes topics that it is asked for, as brokers do by default.
#[test]
fn a_topic_that_is_missing_is_made_by_nobody_else() {
    let cluster = MockCluster::new(1).expect("a cluster");
    let place = place(cluster.bootstrap_servers(), 4);
    for _ in 0..2 {
        let told = begun(&place, None).0.expect_err("there is no such topic");
        assert_eq!(told, Trouble::Lasting(missing("events")));
    }
}

#[test]
fn a_topic_that_keeps_less_is_refused_or_told_of() {
    let cluster = MockCluster::new(3).expect("a cluster");
    cluster.create_topic("events", 2, 1).expect("a topic");
    let place = place(cluster.bootstrap_servers(), 2);
    let told = begun(&place, Some(3)).0.expect_err("of one replica");
    assert!(matches!(told, Trouble::Lasting(_)), "{told:?}");
    assert!(told.text().contains("its replicas are 1, not 3"), "{told:?}");
    let (made, told) = begun(&place, None);
    made.expect("it was not to be made");
    assert!(told.contains("may lose what it has acknowledged: its replicas are 1"), "{told}");
    assert!(told.contains("acknowledge what they have in memory"), "{told}");
    begun(&place, Some(1)).0.expect("it is what was asked for");
}

#[test]
fn a_broker_that_is_not_there_is_given_up_in_time() {
    let place = Place {
        give_up: Some(Duration::from_secs(1)),
        ..place("127.0.0.1:1,127.0.0.1:2".to_owned(), 2)
    };
    let (runtime, notes) = (runtime().expect("a runtime"), RefCell::new(String::new()));
    let note = |text: &str| notes.borrow_mut().push_str(text);
    let partition = "0/2".parse().expect("a partition");
    let began = Instant::now();
    let told = inlet(&runtime, &place, partition, &stop(), &note).err().expect("nobody answers");
    assert!(told.text().contains("events of 127.0.0.1:1,127.0.0.1:2"), "{told:?}");
    assert!(notes.borrow().ends_with("; trying again"), "{notes:?}");
    drop(runtime);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn options_are_not_shown_and_do_not_lower_what_an_acknowledgement_is_worth() {
    let options = vec![("no.such.option".to_owned(), "s3cret".to_owned())];
    let access = Access { options, ..Access::default() };
    let place = Place { access, ..place("127.0.0.1:1".to_owned(), 2) };
    let told = begun(&place, None).0.expect_err("the library has no such option");
    let told = told.text();
    assert!(told.contains("no.such.option") && !told.contains("s3cret"), "{told}");
    for (key, value) in [("acks", "all"), ("acks", "-1"), ("enable.idempotence", "true")] {
        check_option(key, value).expect(key);
    }
    check_option("linger.ms", "20").expect("it changes nothing");
    let lower = [
        ("acks", "1"),
        ("request.required.acks", "0"),
        ("enable.idempotence", "false"),
        ("allow.auto.create.topics", "true"),
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_uncommitted"),
    ];
    for (key, value) in lower {
        check_option(key, value).expect_err(key);
    }
}

#[test]
fn a_list_of_brokers_names_hosts() {
    for servers in ["h", "h:9092", "h1:1, [::1]:2"] {
        check_servers(servers).expect(servers);
    }
    for servers in ["", " ", "h:1,", ",h:1", ":9092"] {
        check_servers(servers).expect_err(servers);
    }
}

#[test]
fn names_are_plain_and_bounded() {
    for name in ["e", "events.of-1_2", &"x".repeat(239)] {
        check_name(name).expect(name);
    }
    for name in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(240)] {
        check_name(name).expect_err(name);
    }
}
