//! Signals that ask the program to end: work at hand is finished first.
//!
//! The first SIGINT or SIGTERM is noted, and whoever works looks at the note between two events. A
//! second one ends the process at once; a log stands that as it stands any other kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::failure::Failure;

/// Whether a signal came.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes note of signals from now on.
    pub(crate) fn watch() -> Result<Interrupt, Failure> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order, so that the first signal finds the note unset and only sets it.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&came))
                .and_then(|_| flag::register(signal, Arc::clone(&came)))
                .map_err(|error| Failure::Other(format!("cannot watch for signals: {error}")))?;
        }
        Ok(Interrupt(came))
    }

    /// Whether one came.
    pub(crate) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
