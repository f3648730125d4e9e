//! What a server refuses beside the answer: a request without the right to it is never answered, and
//! the reason comes by itself, as an error of the connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Event, ServerError};
use tokio::time::Instant;

use crate::broker::Trouble;

/// How long a refusal explains what comes to nothing: longer than any request is waited for.
const HEARD: Duration = Duration::from_secs(60);
/// How a server's error begins that names a right.
const VIOLATION: &str = "permissions violation";

/// The last refusal of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<Option<(Instant, String)>>>);

impl Refusals {
    /// Takes note of what the connection tells.
    pub(super) fn hear(&self, event: &Event) {
        let Event::ServerError(ServerError::Other(text)) = event else { return };
        if text.to_ascii_lowercase().starts_with(VIOLATION) {
            let heard = Some((Instant::now(), text.clone()));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = heard;
        }
    }

    /// What came to nothing, with the reason if the server gave one meanwhile: then asking again is
    /// of no use.
    pub(super) fn explain(&self, trouble: Trouble) -> Trouble {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&trouble, &*heard) {
            (Trouble::Passing(what), Some((at, why))) if at.elapsed() < HEARD => Trouble::Lasting(
                format!("{what}: the server says: {why}; the credentials lack this right"),
            ),
            (Trouble::Passing(_) | Trouble::Lasting(_), _) => trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing() -> Trouble {
        Trouble::Passing("no acknowledgement".to_owned())
    }

    #[test]
    fn only_a_missing_right_explains_what_came_to_nothing() {
        let refusals = Refusals::default();
        refusals.hear(&Event::Disconnected);
        let other = ServerError::Other("Maximum Connections Exceeded".to_owned());
        refusals.hear(&Event::ServerError(other));
        assert_eq!(refusals.explain(passing()), passing());
        let text = "Permissions Violation for Publish to \"events.00000\"";
        let another_hand = refusals.clone();
        another_hand.hear(&Event::ServerError(ServerError::Other(text.to_owned())));
        let told = refusals.explain(passing());
        let Trouble::Lasting(told) = told else { panic!("it is tried again") };
        assert!(told.starts_with("no acknowledgement: ") && told.contains(text), "{told}");
        let lasting = Trouble::Lasting("there is no stream".to_owned());
        assert_eq!(refusals.explain(lasting.clone()), lasting);
    }
}
