//! A store that commits groups of calls: each call admitted as if it came alone, all of them made
//! durable by one sync.

use super::mark::Mark;
use super::queue::Committer;
use super::request::Request;
use super::sync::Arc;
use super::{Appended, RejectedAt};
use crate::error::Error;
use crate::planted::planted;
use crate::store::{CallOptions, Origin, Receipt, Rejected, Store};

/// The one who has the store.
pub(super) struct StoreCommitter {
    pub(super) store: Store,
    pub(super) mark: Arc<Mark>,
}

impl Committer for StoreCommitter {
    /// The calls of one who waits.
    type Request = Vec<Request>;
    type Answer = Vec<Appended>;

    fn commit(&mut self, group: Vec<Vec<Request>>) -> Result<Vec<Vec<Appended>>, String> {
        let counts: Vec<usize> = group.iter().map(Vec::len).collect();
        let calls: Vec<Request> = group.into_iter().flatten().collect();
        let mut answers = self.append(&calls).map_err(|error| error.in_full())?.into_iter();
        Ok(counts.into_iter().map(|count| answers.by_ref().take(count).collect()).collect())
    }

    fn tend(&mut self) -> Result<(), String> {
        self.store.tend().map_err(|error| error.in_full())
    }
}

impl StoreCommitter {
    /// One call of the store for all, with a hold window for each.
    fn append(&mut self, group: &[Request]) -> Result<Vec<Appended>, Error> {
        let mut rejected: Vec<Vec<RejectedAt>> = group.iter().map(|_| Vec::new()).collect();
        let mut on_reject = |one: &Rejected<'_>| {
            let of = usize::try_from(one.origin.source).ok().and_then(|of| rejected.get_mut(of));
            let of = of.expect("a request is rejected while it is in its group");
            of.push(RejectedAt { index: one.origin.line, rejection: one.rejection.clone() });
            Ok(())
        };
        let options = CallOptions { on_reject: Some(&mut on_reject), ..CallOptions::default() };
        let mut call = self.store.call(options)?;
        let mut receipts = Vec::with_capacity(group.len());
        for (request, source) in group.iter().zip(0..) {
            for ((event, text), line) in request.events().zip(0..) {
                let at = Origin { source, line };
                match event {
                    Ok(event) => call.push(event, text, at)?,
                    Err(rejection) => call.reject(rejection, text, at)?,
                }
            }
            receipts.push(call.part()?);
        }
        let all = if planted("group told before sync") {
            Receipt {
                end: receipts.last().map_or(0, |last| last.end),
                synced: true,
                ..Receipt::default()
            }
        } else {
            call.acknowledge()?
        };
        if all.synced {
            self.mark.publish(all.end);
        }
        for rejected in &mut rejected {
            // Events that were held are turned down last.
            rejected.sort_by_key(|one| one.index);
        }
        let receipts = receipts.into_iter().map(|part| Receipt { synced: all.synced, ..part });
        let mut answers: Vec<Appended> = receipts
            .zip(rejected)
            .map(|(receipt, rejected)| Appended { receipt, rejected })
            .collect();
        if planted("receipt of another caller") {
            answers.rotate_left(1);
        }
        Ok(answers)
    }
}
