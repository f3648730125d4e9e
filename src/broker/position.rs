//! How far a partition has been read: what the log's mark says, and whether the broker still has what
//! comes next.
//!
//! A broker may have lost or dropped what was not read yet, and a stream of the same name may be
//! another one. Reading on as if nothing had happened would leave events out without a word, so it
//! is refused; to begin anew is somebody's decision, and safe: what the log has already is a duplicate.

/// The longest spelling of when a stream was made that is believed.
const MADE_BYTES_MAX: usize = 64;

/// The last message that a log has taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Its place in the partition.
    pub(crate) last: u64,
    /// When the stream was made, as the broker tells, if it does: a stream that was deleted and
    /// made again is another one.
    pub(crate) made: Option<String>,
    /// When that message was stored, in µs since 1970, if it is known: where another one is found in
    /// its place, the end of the stream was lost, or it is another stream.
    pub(crate) stored_at_us: Option<i64>,
}

/// What to do about a stream that is not the one that was read.
const ANEW: &str = "`--from-first` reads all of it, and what the log has already is a duplicate";
/// Stands in a mark for what is not known.
const UNKNOWN: &str = "-";

impl Position {
    /// As it stands in a mark: `12 2017-01-06T12:46:46Z 1483706806000000`, `12 - -`.
    pub(crate) fn mark(&self) -> Vec<u8> {
        let made = self.made.as_deref().unwrap_or(UNKNOWN);
        let stored = self.stored_at_us.map_or(UNKNOWN.to_owned(), |at| at.to_string());
        format!("{} {made} {stored}", self.last).into_bytes()
    }

    /// Reads a mark.
    pub(crate) fn from_mark(mark: &[u8]) -> Option<Position> {
        let text = std::str::from_utf8(mark).ok()?;
        let (last, rest) = text.split_once(' ')?;
        let (made, stored) = rest.split_once(' ')?;
        let is_plain = last.bytes().all(|byte| byte.is_ascii_digit());
        let last = last.parse().ok().filter(|_| is_plain)?;
        let made = Some(made).filter(|made| *made != UNKNOWN).map(str::to_owned);
        let stored_at_us = match stored {
            UNKNOWN => None,
            told => Some(told.parse().ok()?),
        };
        Some(Position { last, made, stored_at_us })
    }

    /// Refuses a stream that has another message in the place of the last one; `found_us` is when that
    /// was stored, if there is one.
    pub(crate) fn agrees(&self, found_us: Option<i64>) -> Result<(), String> {
        match (self.stored_at_us, found_us) {
            (Some(then), Some(now)) if then != now => Err(format!(
                "the log has read up to message {}, and that is another one here: the stream was made \
                 anew, or lost what it had acknowledged; {ANEW}",
                self.last
            )),
            _ => Ok(()),
        }
    }
}

/// What a partition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The position of the first message that a partition ever gets.
    pub(crate) origin: u64,
    /// The position of the first message that is there, or of the next one if none is.
    pub(crate) first: u64,
    /// The position of the next message to come.
    pub(crate) end: u64,
    /// When the stream was made, if the broker tells.
    pub(crate) made: Option<String>,
}

impl Extent {
    /// When the stream was made, if it can stand in a mark.
    pub(crate) fn made(&self) -> Option<String> {
        self.made.clone().filter(|made| made.len() <= MADE_BYTES_MAX)
    }

    /// Where to read on behind a position, or why that cannot be.
    pub(crate) fn after(&self, position: Option<&Position>) -> Result<u64, String> {
        let Some(Position { last, made, .. }) = position else {
            return match self.first > self.origin {
                true => Err(gone(self.origin, self.first)),
                false => Ok(self.first),
            };
        };
        if let (Some(then), Some(now)) = (made, &self.made)
            && then != now
        {
            return Err(format!(
                "the log was read from a stream that was made at {then}, and this one was made at {now}; {ANEW}"
            ));
        }
        let next = last.checked_add(1).ok_or("the log's position is none that a broker has")?;
        if next > self.end {
            return Err(format!(
                "the log has read up to {last}, and the last message here is {}: it was made anew, \
                 or lost what it had acknowledged; {ANEW}",
                self.end.saturating_sub(1)
            ));
        }
        if next < self.first { Err(gone(next, self.first)) } else { Ok(next) }
    }
}

/// What is said where the messages from `next` on are no more; `first` is the first that is there.
pub(crate) fn gone(next: u64, first: u64) -> String {
    format!(
        "the messages from {next} up to {} are gone, and were not read; `--from-first` goes on with \
         what there is",
        first.saturating_sub(1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(last: u64, made: Option<&str>) -> Position {
        Position { last, made: made.map(str::to_owned), stored_at_us: None }
    }

    fn extent(origin: u64, first: u64, end: u64, made: Option<&str>) -> Extent {
        Extent { origin, first, end, made: made.map(str::to_owned) }
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let known = Position {
            stored_at_us: Some(-3),
            ..position(u64::MAX, Some("2017-01-06T12:46:46.1Z"))
        };
        assert_eq!(known.mark(), b"18446744073709551615 2017-01-06T12:46:46.1Z -3");
        assert_eq!(position(0, None).mark(), b"0 - -");
        for of in [position(0, None), position(1, Some("now")), known] {
            assert_eq!(Position::from_mark(&of.mark()), Some(of));
        }
        for wrong in [
            "",
            " ",
            "12",
            "12 -",
            "+1 - -",
            "-1 - -",
            "x - -",
            "1x - -",
            "1 - x",
            "18446744073709551616 - -",
        ] {
            assert_eq!(Position::from_mark(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(Position::from_mark(b"\xff"), None);
    }

    #[test]
    fn another_message_in_the_place_of_the_last_is_another_stream() {
        let known = Position { stored_at_us: Some(7), ..position(3, None) };
        assert_eq!(known.agrees(Some(7)), Ok(()));
        assert_eq!(known.agrees(None), Ok(()), "it was dropped since");
        assert_eq!(position(3, None).agrees(Some(7)), Ok(()), "the mark does not tell");
        let told = known.agrees(Some(8)).expect_err("another one");
        assert!(told.contains("up to message 3, and that is another one here"), "{told}");
    }

    #[test]
    fn reading_goes_on_only_behind_what_was_read() {
        // (extent, position, the next one)
        let fine = [
            (extent(1, 1, 1, None), None, 1),
            (extent(1, 1, 9, None), None, 1),
            (extent(0, 0, 9, None), None, 0),
            (extent(1, 1, 9, None), Some(position(3, None)), 4),
            (extent(1, 1, 9, None), Some(position(8, None)), 9),
            (extent(1, 4, 9, None), Some(position(3, None)), 4),
            (extent(1, 9, 9, None), Some(position(8, None)), 9),
            (extent(1, 1, 9, Some("a")), Some(position(3, Some("a"))), 4),
            (extent(1, 1, 9, Some("a")), Some(position(3, None)), 4),
        ];
        for (extent, position, next) in fine {
            assert_eq!(extent.after(position.as_ref()), Ok(next), "{extent:?} {position:?}");
        }
        let refused = [
            (extent(1, 2, 9, None), None, "from 1 up to 1 are gone"),
            (extent(0, 9, 9, None), None, "from 0 up to 8 are gone"),
            (extent(1, 5, 9, None), Some(position(3, None)), "from 4 up to 4 are gone"),
            (extent(1, 1, 9, None), Some(position(9, None)), "the last message here is 8"),
            (extent(1, 1, 1, None), Some(position(1, None)), "the last message here is 0"),
            (extent(1, 1, 9, Some("b")), Some(position(3, Some("a"))), "made at a"),
            (extent(1, 1, 9, None), Some(position(u64::MAX, None)), "none that a broker has"),
        ];
        for (extent, position, why) in refused {
            let told = extent.after(position.as_ref()).expect_err(why);
            assert!(told.contains(why), "{extent:?} {position:?}: {told}");
        }
    }
}
