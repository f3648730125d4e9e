//! What became of the records after one flip.

use crate::peer::Record;

/// What a user gets who opens the store and reads everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An error, on opening or reading.
    Reported,
    /// All records as they were written, and no error.
    Unharmed,
    /// Records are missing, those that came are right, and no error.
    SilentLoss,
    /// A record that was never written, or not there, or twice, and no error.
    WrongData,
    /// A panic in any thread, an abort, a signal.
    Abort,
    /// Nothing for a minute.
    Hang,
}

impl Verdict {
    /// All of them, as the columns of the table.
    pub const ALL: [(Verdict, &str); 6] = [
        (Verdict::Reported, "reported"),
        (Verdict::Unharmed, "unharmed"),
        (Verdict::SilentLoss, "silent loss"),
        (Verdict::WrongData, "wrong data"),
        (Verdict::Abort, "abort"),
        (Verdict::Hang, "hang"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Verdict::ALL.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, name)| name)
    }

    /// The verdict of that name.
    pub fn named(name: &str) -> Option<Verdict> {
        Verdict::ALL.iter().find(|(_, it)| *it == name).map(|(verdict, _)| *verdict)
    }

    /// Judges what was read against what was written.
    pub fn of(written: &[Record], read: &Result<Vec<Record>, String>) -> Verdict {
        let Ok(read) = read else { return Verdict::Reported };
        if read == written {
            return Verdict::Unharmed;
        }
        // Missing records leave the others in their order.
        let mut rest = written.iter();
        if read.iter().all(|record| rest.any(|other| other == record)) {
            Verdict::SilentLoss
        } else {
            Verdict::WrongData
        }
    }

    /// Whether a user goes on without having been told anything.
    pub fn is_silent(self) -> bool {
        matches!(self, Verdict::Unharmed | Verdict::SilentLoss | Verdict::WrongData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(read: &[&str]) -> Verdict {
        let records = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let written: Vec<Record> = records(&["a", "b", "c"]);
        Verdict::of(&written, &Ok(records(read)))
    }

    #[test]
    fn what_was_read_is_judged_by_what_was_written() {
        assert_eq!(of(&["a", "b", "c"]), Verdict::Unharmed);
        assert_eq!(of(&["a", "c"]), Verdict::SilentLoss);
        assert_eq!(of(&["c"]), Verdict::SilentLoss);
        assert_eq!(of(&[]), Verdict::SilentLoss);
        assert_eq!(of(&["a", "b", "x"]), Verdict::WrongData);
        assert_eq!(of(&["a", "c", "b"]), Verdict::WrongData);
        assert_eq!(of(&["a", "b", "c", "c"]), Verdict::WrongData);
        assert_eq!(of(&["a", "a"]), Verdict::WrongData);
        assert_eq!(Verdict::of(&[], &Err("damaged".to_owned())), Verdict::Reported);
    }

    #[test]
    fn a_verdict_has_a_name_of_its_own() {
        for (verdict, name) in Verdict::ALL {
            assert_eq!((Verdict::named(name), verdict.name()), (Some(verdict), name));
        }
    }
}
