//! What a message is called: the same for the same event, however it is spelled, and whoever sends it.
//!
//! The id is made of the event's whole normal form, and not of its type and key alone. A broker
//! drops the second of two messages with one id without a word; of two events with one key and
//! different content the log has to see both, and to reject the second as `conflicting_key`.

use sha2::{Digest, Sha256};

use crate::Event;

/// How many hex digits an id has: 128 bits of SHA-256.
const DIGITS: usize = 32;

/// The id of an event's message.
pub(crate) fn message_id(event: &Event<'_>, memory: &mut Vec<u8>) -> String {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    memory.clear();
    event.normal_form(memory);
    let hash = Sha256::digest(&memory);
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(DIGITS);
    nibbles.filter_map(|nibble| HEX.get(usize::from(nibble))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Store};

    fn id(text: &str) -> String {
        let store = Store::scratch(Options::default()).expect("a store in memory");
        let event = Event::from_json(text.as_bytes(), store.rules()).expect(text);
        message_id(&event, &mut vec![1, 2, 3])
    }

    #[test]
    fn the_same_event_has_the_same_id_and_no_other_has() {
        let order = r#"{"type":"ORDER","verb":"NEW","key":"o1","event_time":"2017-01-06T12:00:00Z","customer_id":"c1","total_amount":"12.30 USD"}"#;
        let again = r#"{"total_amount":"12.3 USD","customer_id":"c\u0031","verb":"NEW", "key":"o1","event_time":"2017-01-06T13:00:00+01:00","type":"ORDER"}"#;
        assert_eq!(id(order), id(again));
        assert_eq!(id(order).len(), DIGITS);
        assert!(id(order).bytes().all(|byte| byte.is_ascii_hexdigit()));
        let others = [
            order.replace("12.30", "12.31"),
            order.replace("NEW", "UPDATE"),
            order.replace("o1", "o2"),
            order.replace("c1", "c2"),
            order.replace("12:00:00Z", "12:00:01Z"),
            order.replace("\"key\"", "\"more\":1,\"key\""),
        ];
        for other in &others {
            assert_ne!(id(order), id(other), "{other}");
        }
    }

    /// Whoever sends the same event with a later version must not give it another id: the broker
    /// would keep it twice.
    #[test]
    fn ids_stay_what_they_are() {
        let text =
            r#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46Z"}"#;
        assert_eq!(id(text), "acbc3ddd9557628e07d034326d27760e");
    }
}
