//! The whole way through librdkafka's broker in memory: no server is needed.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;

use super::*;
use crate::broker::position::Position;
use crate::broker::publisher::Publisher;
use crate::broker::pump::{Pump, Start, Told};
use crate::broker::{Access, Outgoing, runtime};

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
    let behind = Start::Behind(Some(Position { last: 41, made: None }));
    let rest = read(&place, "0/2", behind).expect("the rest of partition 0");
    assert_eq!(rest, (0..).zip(of(0)).skip(42).collect::<Vec<_>>());
    let beyond = Start::Behind(Some(Position { last: 100, made: None }));
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

#[test]
fn names_are_plain_and_bounded() {
    for name in ["e", "events.of-1_2", &"x".repeat(239)] {
        check_name(name).expect(name);
    }
    for name in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(240)] {
        check_name(name).expect_err(name);
    }
}
