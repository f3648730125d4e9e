//! Messages on their way from a broker to a log, in memory that they share.

/// A parcel that has so many bytes or messages takes no more.
const BYTES_MAX: usize = 1 << 20;
const MESSAGES_MAX: usize = 4096;

/// Messages of one partition, in order.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    text: Vec<u8>,
    messages: Vec<Placed>,
}

#[derive(Debug)]
struct Placed {
    /// Where its text ends; it begins where the one before ends.
    end: usize,
    position: u64,
    stored_at_us: Option<i64>,
    lag: u64,
}

/// A message as the broker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'p> {
    /// Its place in the partition.
    pub(crate) position: u64,
    /// When it was stored, in µs since 1970, if the broker tells.
    pub(crate) stored_at_us: Option<i64>,
    /// How many messages were behind it when it was read.
    pub(crate) lag: u64,
    /// An event, unless somebody sent something else.
    pub(crate) payload: &'p [u8],
}

impl Parcel {
    pub(crate) fn push(&mut self, message: Message<'_>) {
        let Message { position, stored_at_us, lag, payload } = message;
        self.text.extend_from_slice(payload);
        self.messages.push(Placed { end: self.text.len(), position, stored_at_us, lag });
    }

    /// Whether it takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= BYTES_MAX || self.messages.len() >= MESSAGES_MAX
    }

    /// The position of the last message, and when that was stored.
    pub(crate) fn last(&self) -> Option<(u64, Option<i64>)> {
        self.messages.last().map(|message| (message.position, message.stored_at_us))
    }

    /// The messages in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let mut start = 0;
        self.messages.iter().map(move |placed| {
            let Placed { end, position, stored_at_us, lag } = *placed;
            let payload = self.text.get(start..end).unwrap_or_default();
            start = end;
            Message { position, stored_at_us, lag, payload }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let of = |position, payload| Message { position, stored_at_us: Some(7), lag: 1, payload };
        let messages = [of(3, b"one".as_slice()), of(4, b""), of(9, b"three")];
        let mut parcel = Parcel::default();
        assert_eq!(parcel.last(), None);
        messages.iter().for_each(|message| parcel.push(*message));
        assert_eq!(parcel.messages().collect::<Vec<_>>(), messages);
        assert_eq!(parcel.last(), Some((9, Some(7))));
    }

    #[test]
    fn a_parcel_is_bounded_in_bytes_and_in_messages() {
        let large = vec![b' '; BYTES_MAX];
        let cases = [(large.as_slice(), 1), (b"", MESSAGES_MAX)];
        for (payload, count) in cases {
            let mut parcel = Parcel::default();
            for at in 1..=count {
                assert!(!parcel.is_full(), "{at} of {count}");
                parcel.push(Message { position: 1, stored_at_us: None, lag: 0, payload });
            }
            assert!(parcel.is_full());
        }
    }
}
