//! A broker in memory that fails when it is told to, and what publisher and pump make of it.

use std::collections::{HashSet, VecDeque};
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::parcel::{Message, Parcel};
use super::position::{Extent, Position};
use super::publisher::{Counts, Publisher};
use super::pump::{Pump, Start, Told};
use super::{Acknowledged, Inlet, Outgoing, Outlet, Trouble, runtime};

/// What it has, and what it will say.
#[derive(Default)]
struct Kept {
    messages: Vec<(u16, String)>,
    ids: HashSet<String>,
    /// For each message that is sent, in order, what becomes of it; all is well once none is left.
    fates: VecDeque<Fate>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Fine,
    /// It cannot be sent.
    Unsent,
    /// Sending it does not end.
    Stuck,
    /// Sending it takes a moment.
    Slow,
    /// It is not kept.
    Lost,
    /// It is kept, and nothing is said of it.
    Silent,
    /// It is kept, and that is not told.
    Untold,
    Refused,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Kept>>);

impl Memory {
    /// What becomes of the next message.
    fn fate(&self) -> Fate {
        self.0.lock().expect("nobody panicked").fates.pop_front().unwrap_or(Fate::Fine)
    }

    /// Keeps a message; whether it was there already.
    fn keep(&self, message: &Outgoing) -> bool {
        let mut kept = self.0.lock().expect("nobody panicked");
        let is_new = kept.ids.insert(message.id.clone());
        if is_new {
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            kept.messages.push((message.partition, text));
        }
        !is_new
    }
}

impl Outlet for Memory {
    type Pending = Pin<Box<dyn Future<Output = Result<Acknowledged, Trouble>> + Send>>;

    async fn send(&self, message: &Outgoing) -> Result<Self::Pending, Trouble> {
        let passing = |text: &str| Trouble::Passing(text.to_owned());
        let fate = self.fate();
        match fate {
            Fate::Unsent => return Err(passing("unsent")),
            Fate::Stuck => pending().await,
            Fate::Slow => tokio::task::yield_now().await,
            Fate::Lost => return Ok(Box::pin(ready(Err(passing("lost"))))),
            Fate::Refused => {
                return Ok(Box::pin(ready(Err(Trouble::Lasting("refused".to_owned())))));
            }
            Fate::Fine | Fate::Untold | Fate::Silent => {}
        }
        let is_duplicate = self.keep(message);
        Ok(match fate {
            Fate::Untold => Box::pin(ready(Err(passing("untold")))),
            Fate::Silent => Box::pin(pending()),
            _ => Box::pin(ready(Ok(Acknowledged { is_duplicate }))),
        })
    }

    fn payload_bytes_max(&self) -> usize {
        1 << 20
    }
}

fn messages(count: u32) -> Vec<Outgoing> {
    let one = |at: u32| Outgoing {
        partition: u16::try_from(at % 2).expect("0 or 1"),
        id: at.to_string(),
        payload: at.to_string().into_bytes(),
    };
    (0..count).map(one).collect()
}

fn publish(
    fates: &[Fate],
    give_up: Option<Duration>,
) -> (Result<(), Trouble>, Counts, Vec<(u16, String)>) {
    let memory = Memory::default();
    memory.0.lock().expect("fresh").fates = fates.iter().copied().collect();
    let runtime = runtime().expect("a runtime");
    let mut publisher =
        Publisher::new(runtime, memory.clone(), give_up, Arc::new(|| false), Box::new(|_| {}));
    let sent = publisher.put(&mut messages(6)).and_then(|()| publisher.finish());
    let kept = memory.0.lock().expect("nobody panicked").messages.clone();
    (sent, publisher.counts(), kept)
}

fn kept(order: [u32; 6]) -> Vec<(u16, String)> {
    order.iter().map(|at| (u16::try_from(at % 2).expect("0 or 1"), at.to_string())).collect()
}

#[test]
fn messages_arrive_in_order_and_are_counted() {
    let (sent, counts, all) = publish(&[], None);
    assert_eq!(sent, Ok(()));
    assert_eq!(counts, Counts { published: 6, ..Counts::default() });
    assert_eq!(all, kept([0, 1, 2, 3, 4, 5]));
}

#[test]
fn what_failed_is_sent_again_in_its_order() {
    use Fate::{Fine, Lost, Untold};
    let (sent, counts, all) = publish(&[Fine, Lost, Fine, Lost, Untold, Fine, Lost], None);
    assert_eq!(sent, Ok(()));
    // 1, 3 and 4 are sent again; 1 is lost once more.
    assert_eq!(counts, Counts { published: 5, duplicates: 1, retried: 4, unacknowledged: 0 });
    assert_eq!(all, kept([0, 2, 4, 5, 3, 1]));
    let (_, counts, all) = publish(&[Fine, Lost, Fine, Lost, Untold, Fine], None);
    assert_eq!(counts, Counts { published: 5, duplicates: 1, retried: 3, unacknowledged: 0 });
    assert_eq!(all, kept([0, 2, 4, 5, 1, 3]));
}

#[test]
fn what_is_under_way_is_not_acknowledged_yet() {
    let (runtime, memory) = (runtime().expect("a runtime"), Memory::default());
    let mut publisher = Publisher::new(runtime, memory, None, Arc::new(|| false), Box::new(|_| {}));
    publisher.put(&mut messages(6)).expect("there is room for more");
    assert_eq!(publisher.counts(), Counts { unacknowledged: 6, ..Counts::default() });
    publisher.finish().expect("all is well");
    assert_eq!(publisher.counts(), Counts { published: 6, ..Counts::default() });
}

#[test]
fn what_is_never_acknowledged_is_told() {
    let lost = [Fate::Lost; 64];
    let (sent, counts, all) = publish(&lost, Some(Duration::from_millis(200)));
    assert_eq!(sent, Err(Trouble::Passing("lost".to_owned())));
    assert_eq!((counts.published, counts.unacknowledged), (0, 6));
    assert_eq!(all, []);
    let (sent, counts, all) = publish(&[Fate::Fine, Fate::Fine, Fate::Refused], None);
    assert_eq!(sent, Err(Trouble::Lasting("refused".to_owned())));
    assert_eq!((counts.published, counts.unacknowledged, counts.retried), (5, 1, 0));
    assert_eq!(all, kept([0, 1, 3, 4, 5, 0])[..5]);
}

/// Of what waits behind a message that cannot be sent nothing is offered: each would take as long.
#[test]
fn a_message_that_cannot_be_sent_ends_a_round() {
    use Fate::{Fine, Lost, Stuck, Unsent};
    let (sent, counts, all) = publish(&[Fine, Lost, Fine, Lost, Fine, Fine, Unsent], None);
    assert_eq!(sent, Ok(()));
    // 1 cannot be sent again at first, and 3 not before it.
    assert_eq!(counts, Counts { published: 6, duplicates: 0, retried: 3, unacknowledged: 0 });
    assert_eq!(all, kept([0, 2, 4, 5, 1, 3]));
    let (sent, counts, all) = publish(&[Fine, Unsent, Unsent], None);
    assert_eq!((sent, counts.published, counts.retried), (Ok(()), 6, 2));
    assert_eq!(all, kept([0, 1, 2, 3, 4, 5]));
    let began = Instant::now();
    let give_up = Duration::from_millis(200);
    let (sent, counts, _) = publish(&[[Lost; 6], [Stuck; 6]].concat(), Some(give_up));
    assert!(sent.is_err() && began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((counts.published, counts.unacknowledged), (0, 6));
}

/// Neither the time nor a signal waits until each message has been waited for by itself.
#[test]
fn a_silent_broker_is_given_up_in_time() {
    for (give_up, stop) in [(Some(Duration::from_millis(500)), false), (None, true)] {
        let memory = Memory::default();
        memory.0.lock().expect("fresh").fates =
            [[Fate::Fine; 400], [Fate::Silent; 400]].concat().into();
        let (began, stop) = (Instant::now(), Arc::new(move || stop));
        let runtime = runtime().expect("a runtime");
        let mut publisher = Publisher::new(runtime, memory, give_up, stop, Box::new(|_| {}));
        publisher.put(&mut messages(800)).expect("there is room for more");
        publisher.finish().expect_err("half of them are not acknowledged");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let counts = publisher.counts();
        assert_eq!((counts.published, counts.unacknowledged, counts.retried), (400, 400, 0));
    }
}

/// It is the time without an acknowledgement that counts, and not the time without a message.
#[test]
fn a_pause_of_the_source_is_not_the_brokers() {
    let memory = Memory::default();
    let (runtime, give_up) = (runtime().expect("a runtime"), Duration::from_millis(200));
    let mut publisher = Publisher::new(
        runtime,
        memory.clone(),
        Some(give_up),
        Arc::new(|| false),
        Box::new(|_| {}),
    );
    std::thread::park_timeout(2 * give_up);
    memory.0.lock().expect("fresh").fates = [Fate::Lost].into();
    publisher.put(&mut messages(1)).expect("there is room for more");
    publisher.finish().expect("it is sent again");
    assert_eq!(publisher.counts(), Counts { published: 1, retried: 1, ..Counts::default() });
    // Also if one is under way, which was acknowledged meanwhile, or failed.
    for (under_way, duplicates, retried) in [(Fate::Fine, 2, 1), (Fate::Lost, 4, 2)] {
        for fate in [under_way, Fate::Slow] {
            memory.0.lock().expect("fresh").fates = [fate].into();
            publisher.put(&mut messages(1)).expect("there is room for more");
            if fate == under_way {
                std::thread::park_timeout(2 * give_up);
            }
        }
        publisher.finish().expect("the broker answers");
        let all = Counts { published: 1, duplicates, retried, unacknowledged: 0 };
        assert_eq!(publisher.counts(), all);
    }
}

/// What is final is not hidden by what is not.
#[test]
fn one_that_is_refused_ends_all() {
    use Fate::{Fine, Lost, Refused};
    let (sent, counts, _) = publish(&[Fine, Refused, Lost], None);
    assert_eq!(sent, Err(Trouble::Lasting("refused".to_owned())));
    assert_eq!((counts.published, counts.unacknowledged, counts.retried), (4, 2, 0));
}

/// A partition that breaks off after every third message, and may lose its beginning.
struct Brittle {
    extent: Extent,
    at: u64,
    left: u32,
    begun: Vec<u64>,
    seen: Arc<Mutex<Vec<u64>>>,
}

/// When a message was stored.
fn stored_at(position: u64) -> Option<i64> {
    i64::try_from(position).ok()?.checked_mul(1000)
}

impl Inlet for Brittle {
    async fn extent(&mut self) -> Result<Extent, Trouble> {
        Ok(self.extent.clone())
    }

    async fn stored_at(&mut self, position: u64) -> Result<Option<i64>, Trouble> {
        Ok(stored_at(position))
    }

    async fn begin(&mut self, at: u64, _gaps_below: u64) -> Result<(), Trouble> {
        (self.at, self.left) = (at, 3);
        self.seen.lock().expect("nobody panicked").push(at);
        self.begun.push(at);
        Ok(())
    }

    async fn next(&mut self, parcel: &mut Parcel, wait: Duration) -> Result<(), Trouble> {
        if self.at >= self.extent.end {
            tokio::time::sleep(wait).await;
            return Ok(());
        }
        // What broke off in the middle of a parcel is read again.
        parcel.push(Message {
            position: self.at,
            stored_at_us: stored_at(self.at),
            lag: 0,
            payload: b"{}",
        });
        if self.left == 0 {
            return Err(Trouble::Passing("broken off".to_owned()));
        }
        self.left -= 1;
        self.at += 1;
        Ok(())
    }

    async fn lag(&mut self) -> Result<u64, Trouble> {
        Ok(self.extent.end - self.at)
    }
}

/// The positions that are given, where reading began, and why it ended if not for want of more.
fn pump(extent: Extent, start: Start) -> (Vec<u64>, Vec<u64>, Option<Trouble>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inlet = Brittle { extent, at: 0, left: 0, begun: Vec::new(), seen: Arc::clone(&seen) };
    let mut pump =
        Pump::start(runtime().expect("a runtime"), inlet, start, None, Arc::new(|| false));
    let (mut given, mut ended, began) = (Vec::new(), None, Instant::now());
    loop {
        assert!(began.elapsed() < Duration::from_secs(30), "{given:?}");
        match pump.wait(Duration::from_millis(500)) {
            Some(Told::Messages(parcel)) => given.extend(parcel.messages().map(|one| one.position)),
            Some(Told::Quiet { lag }) => {
                assert_eq!(lag, 0);
                break;
            }
            Some(Told::Failed(trouble)) => {
                ended = Some(trouble);
                break;
            }
            Some(Told::Begun { made }) => assert_eq!(made.as_deref(), Some("today")),
            Some(Told::Note(_)) | None => {}
        }
    }
    pump.close();
    let begun = seen.lock().expect("nobody panicked").clone();
    (given, begun, ended)
}

#[test]
fn reading_goes_on_where_it_broke_off() {
    let extent = Extent { origin: 1, first: 1, end: 9, made: Some("today".to_owned()) };
    let (given, begun, ended) = pump(extent.clone(), Start::Behind(None));
    assert_eq!(given, (1..9).collect::<Vec<_>>());
    assert_eq!(begun, [1, 4, 7]);
    assert_eq!(ended, None);
    let at_6 = |stored_at_us| Position { last: 6, made: Some("today".to_owned()), stored_at_us };
    for known in [None, stored_at(6)] {
        let (given, begun, _) = pump(extent.clone(), Start::Behind(Some(at_6(known))));
        assert_eq!((given, begun), (vec![7, 8], vec![7]));
    }
    let (given, begun, ended) = pump(extent, Start::Behind(Some(at_6(stored_at(5)))));
    assert_eq!((given, begun), (vec![], vec![]));
    assert!(ended.expect("it ended").text().contains("message 6, and that is another one"));
}

#[test]
fn reading_begins_anew_only_when_that_is_asked_for() {
    let extent = Extent { origin: 1, first: 5, end: 8, made: Some("today".to_owned()) };
    for position in [None, Some(Position { last: 2, made: None, stored_at_us: None })] {
        let (given, begun, ended) = pump(extent.clone(), Start::Behind(position));
        assert_eq!((given, begun), (vec![], vec![]));
        assert!(ended.expect("it ended").text().contains("are gone"));
    }
    let (given, begun, ended) = pump(extent, Start::First);
    assert_eq!((given, begun, ended), (vec![5, 6, 7], vec![5], None));
}
