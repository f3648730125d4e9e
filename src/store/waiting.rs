//! Calls of an endless source: what one of them holds goes over into the next.
//!
//! So a call can be as short as its events are to be durable soon, and an event can be held for
//! longer than that. What is held is in no log and no mark: a source that goes on behind a mark
//! reads it again.

use super::call::Call;
use super::held::Held;
use super::types::{Origin, Receipt};
use crate::Error;

impl Call<'_> {
    /// Takes over what an earlier call left, before anything is pushed.
    pub(crate) fn take_over(&mut self, left: Held) {
        debug_assert_eq!(self.held.count(), 0, "nothing was pushed");
        self.held = left;
    }

    /// Tries the held events again, in order of arrival, until no more are admitted; rejects those
    /// of the rest that stand before `line`, and goes on to hold the others.
    ///
    /// # Errors
    ///
    /// As [`Call::push`].
    pub(crate) fn give_up_before(&mut self, line: u64) -> Result<(), Error> {
        let given_up = |at: Origin| at.line < line;
        let some = self.first_held().is_some_and(|first| first < line);
        self.guarded(|call| call.try_held(if some { Some(&given_up) } else { None }))
    }

    /// The line of the first event that is held.
    pub(crate) fn first_held(&self) -> Option<u64> {
        self.held.first().map(|at| at.line)
    }

    /// Ends the call: writes and syncs what is pending, with a mark, a source and a position, that must
    /// pass nothing that is held. What is held is given back, for the next call to take over.
    ///
    /// # Errors
    ///
    /// As [`Call::finish`].
    pub(crate) fn leave(mut self, mark: Option<(&[u8], &[u8])>) -> Result<(Receipt, Held), Error> {
        if let Some((source, position)) = mark {
            let noted = self.ingest.set_mark(source, position);
            assert!(noted, "names of sources, and positions, are shorter than a mark");
        }
        let receipt = self.guarded(Call::end)?;
        self.ingest.checkpoint_if_due();
        Ok((receipt, std::mem::replace(&mut self.held, Held::new())))
    }
}
