//! The rules for an event that was not read from JSON.

use super::{Event, Reason, Rejection, Rules};

impl Event<'_> {
    /// Checks an event that was put together by hand: it is valid if what it is written as is
    /// read back as the same event.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn check(&self, rules: &Rules) -> Result<(), Rejection> {
        let mut text = String::new();
        self.to_json(rules.currency, &mut text);
        if Event::from_json(text.as_bytes(), rules)? == *self {
            return Ok(());
        }
        let detail = "a field is not what reading this event from JSON would give".to_owned();
        Err(Rejection::new(Reason::InvalidField, detail))
    }
}
