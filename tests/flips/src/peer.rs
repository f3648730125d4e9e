//! What a store has to be able to do to take part.

use std::path::Path;

/// One record, as it was given to the store or came back from it.
pub type Record = Vec<u8>;

/// A store under test, in one configuration.
///
/// Errors are what a user would see, as one text; nothing else counts as a report.
pub trait Peer {
    /// Name and configuration, as the table shows it.
    fn name(&self) -> &'static str;

    /// Makes a store in `dir` (which is there and empty), appends each record on its own, as
    /// durably as the store can, calls `acknowledged` while the store is still open, and closes
    /// it as its documentation asks.
    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String>;

    /// Opens the store as a user does after a restart, and reads everything back.
    fn read(&self, dir: &Path) -> Result<Vec<Record>, String>;

    /// What the store's own check command says of a store that nobody opened since; `None` if it
    /// has no such command.
    fn check(&self, _dir: &Path) -> Option<Result<(), String>> {
        None
    }
}

/// An adapter for `map_err`: an error and its causes as one text.
pub fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
