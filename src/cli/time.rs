//! Times as options give them and results show them.

use crate::wire::instant;
use crate::{Span, TimeFrame, parse_date, parse_time};

const DAY_US: i64 = 86_400_000_000;

/// `FROM..TO`, each a date or an instant, the second not included.
pub(crate) fn range(text: &str) -> Result<(i64, i64), String> {
    let end = |text: &str| {
        parse_date(text)
            .or_else(|| parse_time(text))
            .ok_or_else(|| format!("{text:?} is neither a date like 2017-01-06 nor an instant"))
    };
    let (from, to) = text
        .split_once("..")
        .ok_or_else(|| "a time range is FROM..TO, as in 1970-01-01..2100-01-01".to_owned())?;
    let (from_us, to_us) = (end(from)?, end(to)?);
    if from_us < to_us {
        Ok((from_us, to_us))
    } else {
        Err("the time range is empty: FROM must be before TO".to_owned())
    }
}

/// `dataset`, `customer`, or `FROM..TO`: two dates, both included.
pub(crate) fn frame(text: &str) -> Result<TimeFrame, String> {
    match text {
        "dataset" => return Ok(TimeFrame::Dataset),
        "customer" => return Ok(TimeFrame::Customer),
        _ => {}
    }
    let (from, to) = text.split_once("..").ok_or_else(|| {
        "a frame is `dataset`, `customer`, or FROM..TO, as in 2017-01-01..2017-12-31".to_owned()
    })?;
    let midnight = |text: &str| {
        parse_date(text).ok_or_else(|| format!("{text:?} is not a date like 2017-01-06"))
    };
    let (from_us, last_us) = (midnight(from)?, midnight(to)?);
    if from_us <= last_us {
        Ok(TimeFrame::Window { from_us, until_us: last_us + DAY_US })
    } else {
        Err("the frame is empty: FROM must not be after TO".to_owned())
    }
}

/// The frame of statistics, for people.
pub(crate) fn frame_text(span: Option<&Span>, frame: TimeFrame) -> String {
    match span {
        None if frame == TimeFrame::Customer => "each customer's own weeks".to_owned(),
        None => "no events".to_owned(),
        Some(span) => {
            let weeks = super::table::counted(span.weeks.into(), "week");
            format!("{weeks}, {} to {}", instant(span.first_us), instant(span.last_us))
        }
    }
}
