//! One partition, read without an end: what a broker gives, handed to whoever commits it.
//!
//! Whatever goes wrong on the way, reading begins again behind what was handed over last, after a
//! look at whether the broker still has it.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::parcel::Parcel;
use super::position::Position;
use super::retry::{Retry, Stop};
use super::{Inlet, Trouble};

/// How many parcels lie ready.
const PARCELS_MAX: usize = 8;
/// How long nothing comes before the broker is asked how much there is.
const QUIET: Duration = Duration::from_millis(100);
const QUIET_LONG: Duration = Duration::from_secs(1);
/// How long there may be messages of which none comes.
const STUCK: Duration = Duration::from_secs(30);

/// What is told of a partition.
#[derive(Debug)]
pub(crate) enum Told {
    /// Reading has begun, of a stream that was made at this time, if the broker tells.
    Begun { made: Option<String> },
    /// What comes next.
    Messages(Parcel),
    /// Nothing came for a while; how many messages there are beyond those that were told.
    Quiet { lag: u64 },
    /// What a user would want to know although it goes on.
    Note(String),
    /// It is over.
    Failed(Trouble),
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Behind what the log has; with the first message of all if it has nothing.
    Behind(Option<Position>),
    /// With the first message that there is, whatever the log has.
    First,
}

/// A partition that is read.
pub(crate) struct Pump {
    told: mpsc::Receiver<Told>,
    runtime: Runtime,
}

impl Pump {
    /// Begins to read.
    pub(crate) fn start<I: Inlet + 'static>(
        runtime: Runtime,
        inlet: I,
        start: Start,
        give_up: Option<Duration>,
        stop: Stop,
    ) -> Pump {
        Pump::begin(runtime, inlet, start, Retry::new(give_up, stop), STUCK)
    }

    fn begin<I: Inlet + 'static>(
        runtime: Runtime,
        inlet: I,
        start: Start,
        retry: Retry,
        stuck: Duration,
    ) -> Pump {
        let (tell, told) = mpsc::channel(PARCELS_MAX);
        runtime.spawn(Reading { inlet, start, gaps_below: 0, tell, retry, stuck }.run());
        Pump { told, runtime }
    }

    /// What is told next; nothing if that takes longer.
    pub(crate) fn wait(&mut self, time: Duration) -> Option<Told> {
        if let Ok(told) = self.told.try_recv() {
            return Some(told);
        }
        let next = self.runtime.block_on(async { timeout(time, self.told.recv()).await });
        match next {
            Ok(Some(told)) => Some(told),
            Ok(None) => {
                let ended = "whatever read from the broker has ended".to_owned();
                Some(Told::Failed(Trouble::Lasting(ended)))
            }
            Err(_elapsed) => None,
        }
    }

    /// Ends, without a wait for what the broker may still say.
    pub(crate) fn close(self) {
        self.runtime.shutdown_background();
    }
}

struct Reading<I> {
    inlet: I,
    start: Start,
    /// Whoever begins with what there is has no need to be told of what is gone of it.
    gaps_below: u64,
    tell: mpsc::Sender<Told>,
    retry: Retry,
    /// How long there may be messages of which none comes.
    stuck: Duration,
}

/// Nobody listens any more, or the broker is in trouble.
enum Broken {
    Unheard,
    Trouble(Trouble),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Broken {
        Broken::Trouble(trouble)
    }
}

impl<I: Inlet> Reading<I> {
    async fn run(mut self) {
        loop {
            let trouble = match self.read().await {
                Broken::Unheard => return,
                Broken::Trouble(trouble) => self.inlet.explain(trouble),
            };
            let is_fresh = self.retry.is_fresh();
            let is_passing = matches!(trouble, Trouble::Passing(_));
            if !is_passing || !self.retry.wait().await {
                // It is of no use to whoever has left.
                self.tell.send(Told::Failed(trouble)).await.ok();
                return;
            }
            let note = Told::Note(format!("{}; trying again", trouble.text()));
            if is_fresh && self.tell.send(note).await.is_err() {
                return;
            }
        }
    }

    /// Reads until it breaks.
    async fn read(&mut self) -> Broken {
        match self.try_read().await {
            Ok(never) => match never {},
            Err(broken) => broken,
        }
    }

    async fn try_read(&mut self) -> Result<std::convert::Infallible, Broken> {
        let extent = self.inlet.extent().await?;
        let next = match &self.start {
            Start::First => {
                self.gaps_below = extent.end;
                extent.first
            }
            Start::Behind(position) => extent.after(position.as_ref()).map_err(Trouble::Lasting)?,
        };
        if let Start::Behind(Some(position)) = &self.start
            && (extent.first..extent.end).contains(&position.last)
        {
            let found = self.inlet.stored_at(position.last).await?;
            position.agrees(found).map_err(Trouble::Lasting)?;
        }
        self.inlet.begin(next, self.gaps_below).await?;
        let made = extent.made();
        tell(&self.tell, Told::Begun { made: made.clone() }).await?;
        let (mut quiet, mut came_at, mut asked_at) = (QUIET, Instant::now(), Instant::now());
        loop {
            let mut parcel = Parcel::default();
            self.inlet.next(&mut parcel, quiet).await?;
            let told = match parcel.last() {
                Some((last, stored_at_us)) => {
                    let position = Position { last, made: made.clone(), stored_at_us };
                    self.start = Start::Behind(Some(position));
                    (quiet, came_at) = (QUIET, Instant::now());
                    self.retry.fine();
                    if asked_at.elapsed() >= QUIET_LONG {
                        // More may have come than there was when it was last asked for.
                        self.inlet.lag().await?;
                        asked_at = Instant::now();
                    }
                    Told::Messages(parcel)
                }
                None => {
                    let lag = self.inlet.lag().await?;
                    if lag > 0 && came_at.elapsed() >= self.stuck {
                        let text = format!("there are {lag} messages more, and none of them comes");
                        return Err(Trouble::Passing(text).into());
                    }
                    if lag == 0 {
                        (quiet, came_at) = (QUIET_LONG, Instant::now());
                        self.retry.fine();
                    }
                    Told::Quiet { lag }
                }
            };
            tell(&self.tell, told).await?;
        }
    }
}

async fn tell(to: &mpsc::Sender<Told>, told: Told) -> Result<(), Broken> {
    to.send(told).await.map_err(|_nobody_listens| Broken::Unheard)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::position::Extent;
    use crate::broker::runtime;

    /// There is always one message more, which never comes.
    struct Withholding;

    impl Inlet for Withholding {
        async fn extent(&mut self) -> Result<Extent, Trouble> {
            Ok(Extent { origin: 0, first: 0, end: 1, made: None })
        }

        async fn stored_at(&mut self, _: u64) -> Result<Option<i64>, Trouble> {
            Ok(None)
        }

        async fn begin(&mut self, _: u64, _: u64) -> Result<(), Trouble> {
            Ok(())
        }

        async fn next(&mut self, _: &mut Parcel, wait: Duration) -> Result<(), Trouble> {
            tokio::time::sleep(wait).await;
            Ok(())
        }

        async fn lag(&mut self) -> Result<u64, Trouble> {
            Ok(1)
        }
    }

    #[test]
    fn what_is_there_and_never_comes_is_trouble() {
        let (runtime, stop) = (runtime().expect("a runtime"), Arc::new(|| false));
        let retry = Retry::new(Some(Duration::from_millis(800)), stop);
        let (start, stuck) = (Start::Behind(None), Duration::from_millis(300));
        let mut pump = Pump::begin(runtime, Withholding, start, retry, stuck);
        let (began, mut notes) = (Instant::now(), 0);
        loop {
            assert!(began.elapsed() < Duration::from_secs(30), "{notes} notes");
            match pump.wait(Duration::from_millis(100)) {
                Some(Told::Note(text)) => {
                    assert!(text.contains("1 messages more, and none of them comes"), "{text}");
                    notes += 1;
                }
                Some(Told::Failed(trouble)) => {
                    assert!(matches!(trouble, Trouble::Passing(_)), "{trouble:?}");
                    break;
                }
                Some(Told::Messages(_)) => panic!("nothing was given"),
                Some(Told::Begun { .. } | Told::Quiet { .. }) | None => {}
            }
        }
        assert_eq!(notes, 1);
        pump.close();
    }
}
