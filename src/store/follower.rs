//! Reading on as other processes append.

use super::records::read_records;
use super::source::Source;
use super::types::Record;
use crate::Error;
use crate::log::View;

/// Reads a log from a sequence on, as far as it is durable, again and again.
///
/// It sees no event before it is on the disk, none twice, and none that later disappears.
pub struct Follower {
    source: Source<'static>,
    rules: crate::Rules,
    position: u64,
    #[cfg(feature = "notify")]
    watch: Option<watch::Watch>,
}

impl Follower {
    pub(super) fn new(view: View, rules: crate::Rules, from: u64) -> Follower {
        Follower {
            source: Source::View(Box::new(view)),
            rules,
            position: from,
            #[cfg(feature = "notify")]
            watch: None,
        }
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
        read_records(&self.source, from, &mut |record| {
            // One that `each` fails on is given again.
            let goes_on = each(record)?;
            *position = record.sequence + 1;
            Ok(goes_on)
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
