//! `tail`, and what it and `export` print: events as they are read back, as NDJSON or CSV.

use std::time::Duration;

use super::args::{Format, Shared, TailArgs};
use super::failure::{Ending, Failure};
use super::interrupt::Interrupt;
use super::out::Out;
use super::{csv, existing_as_is};
use crate::wire::{amount, instant, write_record};
use crate::{Error, Field, Kind, Record};

/// Time between two looks at the note of signals, and at who reads, while a followed log stands still.
const PATIENCE: Duration = Duration::from_millis(100);

const CSV_HEADER: [&str; 14] = [
    "sequence",
    "type",
    "verb",
    "key",
    "event_time",
    "customer_id",
    "total_amount",
    "last_name",
    "adr_city",
    "adr_state",
    "tags",
    "camera_make",
    "camera_model",
    "other_fields",
];

/// Prints records; remembers why printing failed, since the log knows no such failure.
pub(super) struct Printer<'o> {
    out: &'o mut Out,
    currency: [u8; 3],
    csv: bool,
    sequence: bool,
    line: String,
    failure: Option<Failure>,
}

impl<'o> Printer<'o> {
    pub(super) fn new(
        out: &'o mut Out,
        currency: [u8; 3],
        sequence: bool,
    ) -> Result<Printer<'o>, Failure> {
        let csv = match out.asked() {
            None | Some(Format::Json) => false,
            Some(Format::Csv) => true,
            Some(Format::Table) => {
                let reason = "events are printed as json or csv, not as a table";
                return Err(Failure::Usage(reason.to_owned()));
            }
        };
        let mut printer =
            Printer { out, currency, csv, sequence, line: String::new(), failure: None };
        if csv {
            let skipped = usize::from(!sequence);
            csv::row(CSV_HEADER.iter().skip(skipped).map(|name| Some(*name)), &mut printer.line);
            printer.out.text(&printer.line)?;
        }
        Ok(printer)
    }

    /// Prints one; false if nobody can read on.
    pub(super) fn print(&mut self, record: &Record<'_>) -> bool {
        self.line.clear();
        if self.csv {
            self.csv_row(record);
        } else {
            if self.sequence {
                write_record(record, self.currency, &mut self.line);
            } else {
                record.event.to_json(self.currency, &mut self.line);
            }
            self.line.push('\n');
        }
        self.hand_on()
    }

    /// Prints one as the JSON that it is; false if nobody can read on.
    #[cfg(feature = "remote")]
    pub(super) fn print_text(&mut self, sequence: u64, event: &str) -> bool {
        self.line.clear();
        if self.sequence {
            self.line.push_str(&format!("{{\"sequence\": {sequence}, \"event\": {event}}}\n"));
        } else {
            self.line.push_str(event);
            self.line.push('\n');
        }
        self.hand_on()
    }

    fn hand_on(&mut self) -> bool {
        match self.out.text(&self.line) {
            Ok(()) => true,
            Err(failure) => {
                self.failure = Some(failure);
                false
            }
        }
    }

    /// Fails if nobody reads on, of which printing says nothing while there is nothing to print.
    pub(super) fn is_read(&self) -> Result<(), Failure> {
        self.out.is_read()
    }

    fn csv_row(&mut self, record: &Record<'_>) {
        let event = &record.event;
        let (kind, verb) = names(event.kind);
        let text = |field: Field| event.texts.get(field as usize).and_then(Option::as_deref);
        let sequence = self.sequence.then(|| record.sequence.to_string());
        let at = instant(event.at_us);
        let total = matches!(event.kind, Kind::OrderNew | Kind::OrderUpdate).then(|| {
            format!("{} {}", amount(event.amount_cents), String::from_utf8_lossy(&self.currency))
        });
        let customer = Some(&*event.customer_id).filter(|id| !id.is_empty());
        let values = [
            Some(kind),
            Some(verb),
            Some(&*event.key),
            Some(&*at),
            customer,
            total.as_deref(),
            text(Field::LastName),
            text(Field::AdrCity),
            text(Field::AdrState),
            text(Field::Tags),
            text(Field::CameraMake),
            text(Field::CameraModel),
            text(Field::Other),
        ];
        csv::row(sequence.as_deref().map(Some).into_iter().chain(values), &mut self.line);
    }

    /// Hands on what was printed, for whoever should not wait for a buffer to fill, and says what
    /// is to be said of the printing itself.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.out.done(),
        }
    }
}

fn names(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::CustomerNew => ("CUSTOMER", "NEW"),
        Kind::CustomerUpdate => ("CUSTOMER", "UPDATE"),
        Kind::SiteVisitNew => ("SITE_VISIT", "NEW"),
        Kind::ImageUpload => ("IMAGE", "UPLOAD"),
        Kind::OrderNew => ("ORDER", "NEW"),
        Kind::OrderUpdate => ("ORDER", "UPDATE"),
    }
}

/// Runs `tail`.
pub(crate) fn tail(shared: &Shared, args: &TailArgs, out: &mut Out) -> Result<Ending, Failure> {
    let store = existing_as_is(shared)?;
    let mut printer = Printer::new(out, store.rules().currency, args.sequence)?;
    if !args.follow {
        store.records(args.from, &mut |record| Ok(printer.print(record)))?;
        printer.flush()?;
        return Ok(Ending::Done);
    }
    let interrupt = Interrupt::watch()?;
    let mut follower = store.follow(args.from)?;
    while !interrupt.came() {
        let mut each = |record: &Record<'_>| -> Result<bool, Error> {
            Ok(printer.print(record) && !interrupt.came())
        };
        let read = follower.catch_up(&mut each)?;
        if read > 0 {
            printer.flush()?;
        }
        printer.is_read()?;
        follower.wait(PATIENCE)?;
    }
    printer.flush()?;
    Ok(Ending::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Rules};

    #[test]
    fn an_event_is_a_row_in_which_absent_and_empty_differ() {
        let rules = Rules { currency: *b"USD", time_range_us: 0..i64::MAX };
        let text = br#"{"type": "IMAGE", "verb": "UPLOAD", "key": "a,b", "camera_make": "",
            "event_time": "2017-01-06T12:46:46.384Z", "customer_id": "\"", "extra": 1.0}"#;
        let mut out = Out::new(Some(Format::Csv));
        let mut printer = Printer {
            out: &mut out,
            currency: *b"USD",
            csv: true,
            sequence: true,
            line: String::new(),
            failure: None,
        };
        let event = Event::from_json(text, &rules).unwrap();
        printer.csv_row(&Record { sequence: 7, event });
        let expected = concat!(
            "7,IMAGE,UPLOAD,\"a,b\",2017-01-06T12:46:46.384Z,\"\"\"\",",
            ",,,,,\"\",,\"{\"\"extra\"\":1.0}\"\n"
        );
        assert_eq!(printer.line, expected);
    }
}
