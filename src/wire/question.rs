//! What statistics are asked for, as the values of options and of a query are spelled. Reading
//! them back is `FromStr` of each one's type.

use super::instant;
use crate::TimeFrame;

/// The frame as `--frame` takes it: `dataset`, `customer`, or two dates, both included.
pub(crate) fn frame_name(frame: TimeFrame) -> String {
    let date = |at_us| {
        let text = instant(at_us);
        text.split_once('T').map_or_else(|| text.clone(), |(date, _)| date.to_owned())
    };
    match frame {
        TimeFrame::Dataset => "dataset".to_owned(),
        TimeFrame::Customer => "customer".to_owned(),
        TimeFrame::Window { from_us, until_us } => {
            format!("{}..{}", date(from_us), date(until_us.saturating_sub(1)))
        }
    }
}
