//! Events as they are read back, a line each: `{"sequence": 7, "event": {…}}`.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ProblemJson;
use crate::Record;

/// Appends a record as an object on one line, without its end.
pub(crate) fn write_record(record: &Record<'_>, currency: [u8; 3], out: &mut String) {
    write!(out, "{{\"sequence\": {}, \"event\": ", record.sequence)
        .expect("a string takes all text");
    record.event.to_json(currency, out);
    out.push('}');
}

/// Appends the line, without its end, that stands where all there was has been told.
pub(crate) fn write_caught_up(end: u64, out: &mut String) {
    write!(out, "{{\"caught_up\": {end}}}").expect("a string takes all text");
}

/// A line of a stream of records, read back.
#[derive(Debug)]
pub(crate) enum RecordLine<'a> {
    /// An event, as it stands there.
    Record { sequence: u64, event: &'a str },
    /// All that there was has been told, up to this sequence.
    CaughtUp(u64),
    /// The stream ends here, and this is why.
    Problem(ProblemJson<'a>),
    /// Something that a newer version tells.
    Other,
}

#[derive(Deserialize)]
struct LineJson<'a> {
    sequence: Option<u64>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    caught_up: Option<u64>,
    error: Option<ProblemJson<'a>>,
}

impl<'a> RecordLine<'a> {
    pub(crate) fn read(line: &'a [u8]) -> Result<RecordLine<'a>, serde_json::Error> {
        let line: LineJson<'a> = serde_json::from_slice(line)?;
        Ok(match line {
            LineJson { error: Some(problem), .. } => RecordLine::Problem(problem),
            LineJson { sequence: Some(sequence), event: Some(event), .. } => {
                RecordLine::Record { sequence, event: event.get() }
            }
            LineJson { caught_up: Some(end), .. } => RecordLine::CaughtUp(end),
            _ => RecordLine::Other,
        })
    }
}
