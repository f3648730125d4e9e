//! Reading on as other processes append.

use super::cut;
use super::records::{KnownIds, read_records};
use super::source::{Broken, Source};
use super::types::Record;
use crate::Error;
use crate::log::View;
use crate::planted::planted;
use crate::projection::Projection;

/// Reads a log from a sequence on, as far as it is durable, again and again.
///
/// It sees no event before it is on the disk, none twice, and none that later disappears.
pub struct Follower {
    source: Source<'static>,
    rules: crate::Rules,
    position: u64,
    known: Option<Box<KnownIds>>,
    #[cfg(feature = "notify")]
    watch: Option<watch::Watch>,
}

impl Follower {
    pub(super) fn new(view: View, rules: crate::Rules, from: u64) -> Follower {
        Follower {
            source: Source::View(Box::new(view)),
            rules,
            position: from,
            known: None,
            #[cfg(feature = "notify")]
            watch: None,
        }
    }

    /// Takes the ids of customers from somebody who has them at hand: `ids` is given an ordinal, and
    /// appends the id or returns false. The others are read from the log, which takes long where a
    /// little is read at a time. A projection has them from [`Batch::new_customers`](crate::Batch::new_customers).
    #[must_use]
    pub fn knowing(
        mut self,
        ids: impl Fn(u32, &mut String) -> bool + Send + Sync + 'static,
    ) -> Follower {
        self.known = Some(Box::new(ids));
        self
    }

    /// The sequence of the next event it will read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What the events keep to.
    pub fn rules(&self) -> &crate::Rules {
        &self.rules
    }

    /// Gives the records that are there now, until `each` returns false; how many were given.
    ///
    /// # Errors
    ///
    /// Damage met on the way, whatever the disk says, and errors of `each`.
    pub fn catch_up(
        &mut self,
        each: &mut dyn FnMut(&Record<'_>) -> Result<bool, Error>,
    ) -> Result<u64, Error> {
        if let Source::View(view) = &mut self.source {
            view.refresh()?;
        }
        let from = self.position;
        let position = &mut self.position;
        read_records(&self.source, self.known.as_deref(), from, &mut |record| {
            // One that `each` fails on is given again.
            let goes_on = each(record)?;
            *position = record.sequence + 1;
            Ok(goes_on)
        })?;
        Ok(self.position - from)
    }

    /// Folds the events that are there now into a projection; how many they were.
    ///
    /// [`Store::statistics`](super::Store::statistics) or a [`Store::replay`](super::Store::replay)
    /// give what to begin with, and [`Store::follow`](super::Store::follow) takes the end of either.
    /// Batches need not begin where the last one given ended: a segment may have been packed since,
    /// and then the projection is given the rest of a batch. Marks up to the position are given
    /// again, in a batch without events: others may have come without an event, and be in one batch
    /// with them now.
    ///
    /// ```
    /// use ltvlog::{Event, Options, Question, Store, TimeFrame};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("log");
    /// # let mut writer = Store::open(&dir, Options::default())?;
    /// # let event = |text: &'static str| Event::from_json(text.as_bytes(), &writer.rules().clone());
    /// # let first = event(r#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46Z"}"#)?;
    /// # let second = event(r#"{"type":"SITE_VISIT","verb":"NEW","key":"v1","event_time":"2017-01-06T12:50:00Z","customer_id":"c1"}"#)?;
    /// writer.append([first])?;
    /// let reader = Store::open(&dir, Options::default())?;
    /// let mut statistics = reader.statistics(TimeFrame::Dataset)?;
    /// let mut follower = reader.follow(statistics.end())?;
    ///
    /// writer.append([second])?;
    /// assert_eq!(follower.apply(&mut statistics)?, 1);
    /// let top = reader.top_of(&statistics, 10, &Question::default())?;
    /// assert_eq!((top.end, top.customers[0].visits), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the projection needs another event next than the one at the position;
    /// else as [`Follower::catch_up`]. What the projection fails on is given again, but what it has
    /// of it is undefined.
    pub fn apply(&mut self, projection: &mut dyn Projection) -> Result<u64, Error> {
        let from = self.position;
        if let Some(end) = projection.applied_end().filter(|end| *end != from) {
            let reason =
                format!("the projection needs event {end} next, the follower gives {from}");
            return Err(Error::Options { reason });
        }
        if let Source::View(view) = &mut self.source {
            view.refresh()?;
        }
        let position = &mut self.position;
        let before =
            if planted("marks behind a follower lost") { from } else { from.saturating_sub(1) };
        self.source.batches(before, &mut |batch| {
            let end = batch.first_seq() + batch.events() as u64;
            if batch.first_seq() >= from || planted("packed batch given from its beginning") {
                projection.apply(batch)?;
            } else if end >= from {
                cut::from(batch, from, &mut |rest| projection.apply(rest))?;
            }
            *position = end.max(from);
            Ok::<_, Broken>(true)
        })?;
        Ok(self.position - from)
    }

    /// Waits until the log may have grown, at most for this long; whether it may have.
    ///
    /// # Errors
    ///
    /// What the file system's notification service says.
    #[cfg(feature = "notify")]
    pub fn wait(&mut self, at_most: std::time::Duration) -> Result<bool, Error> {
        let Source::View(view) = &self.source else { return Ok(false) };
        if self.watch.is_none() {
            // What was appended before the watch began is seen by one more look.
            self.watch = Some(watch::Watch::new(view.dir())?);
            return Ok(true);
        }
        Ok(self.watch.as_ref().is_some_and(|watch| watch.wait(at_most)))
    }
}

#[cfg(feature = "notify")]
mod watch {
    use std::io;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use notify::{RecommendedWatcher, RecursiveMode, Watcher};

    use crate::Error;

    /// Tells that something in the log's directory changed.
    pub(super) struct Watch {
        _watcher: RecommendedWatcher,
        changes: Receiver<()>,
    }

    impl Watch {
        pub(super) fn new(dir: &Path) -> Result<Watch, Error> {
            let failed =
                |error: notify::Error| Error::io("watch", dir)(io::Error::other(error.to_string()));
            let (sender, changes) = channel();
            let mut watcher = notify::recommended_watcher(move |change: notify::Result<_>| {
                // A follower that is gone needs no news.
                let is_news = change.is_ok_and(|event: notify::Event| !event.kind.is_access());
                if is_news && sender.send(()).is_err() {}
            })
            .map_err(failed)?;
            // The writer's news is in `head`, which lies in the directory itself.
            watcher.watch(dir, RecursiveMode::NonRecursive).map_err(failed)?;
            Ok(Watch { _watcher: watcher, changes })
        }

        pub(super) fn wait(&self, at_most: Duration) -> bool {
            let news = self.changes.recv_timeout(at_most).is_ok();
            while self.changes.try_recv().is_ok() {}
            news
        }
    }
}
