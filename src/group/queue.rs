//! Who commits for whom: many callers wait, one of them works for all.
//!
//! There is one committer. A caller who finds it free takes it and leads: everyone who waits by
//! then is a group, is committed as one, and is told. While that goes on the next group forms, so
//! groups are as large as the load makes them, and nobody waits for company. The leader then hands
//! the committer to the group that formed, or lays it down. To hold the committer is to lead: there
//! is no other flag.
//!
//! Nothing here knows events, disks or clocks. It is small so that loom can walk through all of its
//! interleavings (`tests/loom.rs`), for which `super::sync` stands for the locks of the system.

use super::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::planted::planted;

/// What works for a group.
pub(super) trait Committer {
    type Request;
    type Answer;

    /// Commits the requests in order and gives each its answer, once all of them are durable. What
    /// goes wrong ends the queue: the reason is told to everyone from then on.
    fn commit(&mut self, group: Vec<Self::Request>) -> Result<Vec<Self::Answer>, String>;

    /// Does what can wait until the group has been told.
    fn tend(&mut self) -> Result<(), String>;
}

/// How much waits: of one request, of all, or of all at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Weight {
    pub(super) fn plus(self, other: Weight) -> Weight {
        Weight {
            events: self.events.saturating_add(other.events),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn fits(self, most: Weight) -> bool {
        self.events <= most.events && self.bytes <= most.bytes
    }
}

/// Why a request was not taken, or not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There was no room for it, and its caller did not want to wait.
    Full,
    /// The queue was closed before it came.
    Closed,
    /// The committer failed. What it was doing then may have been done or not.
    Failed(String),
}

/// The requests that wait for one committer.
pub(super) struct Queue<C: Committer> {
    most: Weight,
    state: Mutex<State<C>>,
    /// Told when there is room, and when the committer is laid down or lost.
    moved: Condvar,
}

struct State<C: Committer> {
    /// The group that forms; its members wait in `group`.
    requests: Vec<C::Request>,
    weight: Weight,
    group: Arc<Group<C>>,
    /// None while someone leads. While it lies here nobody waits to be committed.
    committer: Option<C>,
    /// Why nothing is taken any more.
    stopped: Option<Refusal>,
    /// How many have come, and how many of those were let in: the others wait for room, in order.
    came: u64,
    entered: u64,
}

/// Where the members of a group wait. All are equal: each may lead, and each takes its own answer.
struct Group<C: Committer> {
    news: Mutex<News<C>>,
    told: Condvar,
}

enum News<C: Committer> {
    None,
    /// The committer, for whoever of the group takes it first.
    Lead(C),
    /// By place in the group; each is taken once.
    Answers(Vec<Option<C::Answer>>),
    Refused(Refusal),
}

/// What a member of a group wakes up to.
enum Turn<C: Committer> {
    Lead(C),
    Answer(Result<C::Answer, Refusal>),
}

impl<C: Committer> Queue<C> {
    /// A queue in which at most so much waits, beside what is being committed.
    pub(super) fn new(committer: C, most: Weight) -> Queue<C> {
        let state = State {
            requests: Vec::new(),
            weight: Weight::default(),
            group: Group::new(),
            committer: Some(committer),
            stopped: None,
            came: 0,
            entered: 0,
        };
        Queue { most, state: Mutex::new(state), moved: Condvar::new() }
    }

    /// Has a request committed and waits for its answer; where it finds no room it waits for that
    /// too, or is refused. It must fit into an empty queue.
    pub(super) fn submit(
        &self,
        request: C::Request,
        weight: Weight,
        wait_for_room: bool,
    ) -> Result<C::Answer, Refusal> {
        let mut state = self.enter(weight, wait_for_room)?;
        let place = state.requests.len();
        state.requests.push(request);
        state.weight = state.weight.plus(weight);
        let group = Arc::clone(&state.group);
        let mut committer = state.committer.take();
        drop(state);
        loop {
            if let Some(committer) = committer {
                self.lead(committer);
            }
            match group.wait(place) {
                Turn::Lead(handed) => committer = Some(handed),
                Turn::Answer(answer) => return answer,
            }
        }
    }

    /// Takes nothing more, waits until everything taken has its answer, and gives the committer
    /// back. Whoever waits for room is refused.
    pub(super) fn close(&self) -> Result<C, Refusal> {
        let mut state = self.state();
        if let Some(refusal) = &state.stopped {
            return Err(refusal.clone());
        }
        state.stopped = Some(Refusal::Closed);
        self.moved.notify_all();
        loop {
            if let Some(committer) = state.committer.take() {
                return Ok(committer);
            }
            if let Some(refusal @ Refusal::Failed(_)) = &state.stopped {
                return Err(refusal.clone());
            }
            state = self.moved.wait(state).unwrap_or_else(|poison| poison.into_inner());
        }
    }

    /// What waits for the group that forms.
    #[cfg(test)]
    #[cfg_attr(models, allow(dead_code, reason = "models do not look inside"))]
    pub(super) fn waiting(&self) -> Weight {
        self.state().weight
    }

    /// Waits for room, behind those who came before.
    fn enter(
        &self,
        weight: Weight,
        wait_for_room: bool,
    ) -> Result<MutexGuard<'_, State<C>>, Refusal> {
        let mut state = self.state();
        let ticket = state.came;
        state.came += 1;
        loop {
            if let Some(refusal) = &state.stopped {
                return Err(refusal.clone());
            }
            if state.entered == ticket && state.weight.plus(weight).fits(self.most) {
                break;
            }
            if !wait_for_room {
                state.came -= 1;
                return Err(Refusal::Full);
            }
            state = self.moved.wait(state).unwrap_or_else(|poison| poison.into_inner());
        }
        state.entered += 1;
        if state.entered < state.came {
            self.moved.notify_all();
        }
        Ok(state)
    }

    /// Commits the group that has formed, tells its members, and hands the committer on.
    fn lead(&self, committer: C) {
        let mut state = self.state();
        let requests = std::mem::take(&mut state.requests);
        state.weight = Weight::default();
        let group = std::mem::replace(&mut state.group, Group::new());
        if state.entered < state.came && !planted("room not told of") {
            self.moved.notify_all();
        }
        drop(state);

        let mut leading = Leading { queue: self, group: &group, failed: Some(PANICKED.to_owned()) };
        // Let go of before anybody is told of a failure: who is may open the log again at once.
        let mut committer = committer;
        let done = committer.commit(requests).and_then(|answers| {
            group.tell(News::Answers(answers.into_iter().map(Some).collect()));
            committer.tend()
        });
        match done {
            Ok(()) => {
                leading.failed = None;
                self.hand_on(committer);
            }
            Err(reason) => leading.failed = Some(reason),
        }
    }

    fn hand_on(&self, committer: C) {
        let mut state = self.state();
        if state.requests.is_empty() || planted("group left waiting") {
            state.committer = Some(committer);
            let is_awaited = state.stopped.is_some();
            drop(state);
            if is_awaited {
                self.moved.notify_all();
            }
        } else {
            // Nobody else takes this group meanwhile, since nobody else has the committer.
            let next = Arc::clone(&state.group);
            drop(state);
            next.tell(News::Lead(committer));
        }
    }

    /// Refuses everyone, from now on and among those who wait.
    fn fail(&self, group: &Group<C>, reason: String) {
        let refusal = Refusal::Failed(reason);
        let mut state = self.state();
        state.stopped = Some(refusal.clone());
        let waiting = std::mem::take(&mut state.requests);
        let next = std::mem::replace(&mut state.group, Group::new());
        drop(state);
        drop(waiting);
        group.tell(News::Refused(refusal.clone()));
        next.tell(News::Refused(refusal));
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

const PANICKED: &str = "a thread panicked while it committed for others";

/// Sees to it that nobody waits for ever: a leader who fails or panics tells why.
struct Leading<'a, C: Committer> {
    queue: &'a Queue<C>,
    group: &'a Group<C>,
    failed: Option<String>,
}

impl<C: Committer> Drop for Leading<'_, C> {
    fn drop(&mut self) {
        if let Some(reason) = self.failed.take() {
            self.queue.fail(self.group, reason);
        }
    }
}

impl<C: Committer> Group<C> {
    fn new() -> Arc<Group<C>> {
        Arc::new(Group { news: Mutex::new(News::None), told: Condvar::new() })
    }

    fn tell(&self, news: News<C>) {
        let mut place = self.news();
        if matches!(*place, News::Answers(_)) {
            // Who was answered stays so, whatever goes wrong after it.
            return;
        }
        // One member is enough to lead, and any will do.
        let is_for_one = matches!(news, News::Lead(_));
        *place = news;
        drop(place);
        if is_for_one {
            self.told.notify_one();
        } else if !planted("waiting caller not woken") {
            self.told.notify_all();
        }
    }

    fn wait(&self, place: usize) -> Turn<C> {
        let mut news = self.news();
        loop {
            match std::mem::replace(&mut *news, News::None) {
                News::Lead(committer) => return Turn::Lead(committer),
                News::None => {}
                News::Answers(mut answers) => {
                    let answer = answers.get_mut(place).and_then(Option::take);
                    *news = News::Answers(answers);
                    return Turn::Answer(Ok(answer.expect("each request has one answer")));
                }
                News::Refused(refusal) => {
                    *news = News::Refused(refusal.clone());
                    return Turn::Answer(Err(refusal));
                }
            }
            news = self.told.wait(news).unwrap_or_else(|poison| poison.into_inner());
        }
    }

    fn news(&self) -> MutexGuard<'_, News<C>> {
        self.news.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}
