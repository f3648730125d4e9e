//! Calendar weeks and frames of time, in UTC microseconds since 1970.
//!
//! Dates as text are parsed elsewhere; here a day is the instant of its midnight.

use std::ops::Range;
use std::str::FromStr;

use crate::error::Error;
use crate::event::parse_date;

/// The length of a day; UTC as kept here has no leap seconds.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// The day on which calendar weeks begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeekStart {
    /// Weeks run from Sunday to Saturday.
    #[default]
    Sunday,
    /// Weeks run from Monday to Sunday, as in ISO 8601.
    Monday,
}

impl WeekStart {
    /// The number of the calendar week of an instant. Neighbouring weeks have neighbouring
    /// numbers; 1970-01-01, a Thursday, lies in week 0.
    fn week_of(self, at_us: i64) -> i64 {
        let days_before_thursday = match self {
            WeekStart::Sunday => 4,
            WeekStart::Monday => 3,
        };
        (at_us.div_euclid(DAY_US) + days_before_thursday).div_euclid(7)
    }
}

impl FromStr for WeekStart {
    type Err = Error;

    fn from_str(text: &str) -> Result<WeekStart, Error> {
        match text {
            "sunday" => Ok(WeekStart::Sunday),
            "monday" => Ok(WeekStart::Monday),
            _ => Err(Error::Options {
                reason: format!("weeks start on sunday or monday, not on {text:?}"),
            }),
        }
    }
}

/// A span of time given by its first and last instant, both in it; `first_us <= last_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first instant, µs since 1970.
    pub first_us: i64,
    /// The last instant, µs since 1970.
    pub last_us: i64,
}

impl Frame {
    /// How many calendar weeks the frame touches, those of both ends included: at least 1.
    pub fn weeks(&self, start: WeekStart) -> u32 {
        let weeks = start.week_of(self.last_us) - start.week_of(self.first_us) + 1;
        u32::try_from(weeks.max(1)).expect("all of i64 in microseconds is less than 2^25 weeks")
    }

    /// The frame made wide enough for `at_us`.
    pub(crate) fn widen(&mut self, at_us: i64) {
        self.first_us = self.first_us.min(at_us);
        self.last_us = self.last_us.max(at_us);
    }
}

/// Over which time lifetime values are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFrame {
    /// From the first to the last event of the log: one frame for all customers.
    #[default]
    Dataset,
    /// From each customer's own first event to its last.
    Customer,
    /// Between two instants, in practice whole days; what happened outside is not counted.
    Window {
        /// The first instant in it, µs since 1970: midnight of the first day.
        from_us: i64,
        /// The first instant after it: the midnight that ends the last day.
        until_us: i64,
    },
}

impl TimeFrame {
    /// The instants to which counting is confined, half-open, if it is.
    pub(crate) fn window_us(&self) -> Option<Range<i64>> {
        match *self {
            TimeFrame::Dataset | TimeFrame::Customer => None,
            TimeFrame::Window { from_us, until_us } => Some(from_us..until_us),
        }
    }

    /// The frame in which all customers' weeks are counted, with its weeks, where `dataset` is from
    /// the first to the last event. With [`TimeFrame::Customer`] it is the dataset's, of which each
    /// customer's is a part. None on an empty log.
    pub(crate) fn span(&self, dataset: Option<Frame>, start: WeekStart) -> Option<(Frame, u32)> {
        let frame = match *self {
            TimeFrame::Dataset | TimeFrame::Customer => dataset?,
            TimeFrame::Window { from_us, until_us } => {
                dataset?;
                Frame { first_us: from_us, last_us: until_us.saturating_sub(1) }
            }
        };
        Some((frame, frame.weeks(start)))
    }
}

impl FromStr for TimeFrame {
    type Err = Error;

    /// Reads `dataset`, `customer` or two dates, `2017-01-01..2017-12-31`, both included.
    fn from_str(text: &str) -> Result<TimeFrame, Error> {
        match text {
            "dataset" => Ok(TimeFrame::Dataset),
            "customer" => Ok(TimeFrame::Customer),
            _ => parse_window(text).ok_or_else(|| Error::Options {
                reason: format!(
                    "a frame is `dataset`, `customer` or two dates such as \
                     2017-01-01..2017-12-31, the first not after the second, not {text:?}"
                ),
            }),
        }
    }
}

fn parse_window(text: &str) -> Option<TimeFrame> {
    let (first, last) = text.split_once("..")?;
    let (from_us, last_us) = (parse_date(first)?, parse_date(last)?);
    let until_us = last_us.checked_add(DAY_US)?;
    (from_us < until_us).then_some(TimeFrame::Window { from_us, until_us })
}

#[cfg(test)]
mod tests {
    use super::{DAY_US, Frame, TimeFrame, WeekStart};

    /// Counts weeks day by day from a known Sunday, without any division.
    fn weeks_by_walking(first_day: i64, last_day: i64, start: WeekStart) -> u32 {
        // 1969-12-28 was a Sunday: day -4.
        let mut weekday = 0;
        let mut weeks = 0;
        for day in -4..=last_day {
            let begins = match start {
                WeekStart::Sunday => weekday == 0,
                WeekStart::Monday => weekday == 1,
            };
            if day == first_day || (day > first_day && begins) {
                weeks += 1;
            }
            weekday = (weekday + 1) % 7;
        }
        weeks
    }

    #[test]
    fn weeks_are_those_of_the_calendar() {
        for start in [WeekStart::Sunday, WeekStart::Monday] {
            for first_day in -4..40 {
                for last_day in first_day..first_day + 30 {
                    let expected = weeks_by_walking(first_day, last_day, start);
                    // Whatever the time of day at either end.
                    for (from, to) in [(0, 0), (0, DAY_US - 1), (DAY_US - 1, DAY_US - 1)] {
                        let frame = Frame {
                            first_us: first_day * DAY_US + from,
                            last_us: last_day * DAY_US + to,
                        };
                        assert_eq!(frame.weeks(start), expected, "{frame:?} {start:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn one_microsecond_over_midnight_is_another_week() {
        // 1970-01-03 was a Saturday.
        let saturday_end = 3 * DAY_US - 1;
        let frame = |last_us| Frame { first_us: saturday_end, last_us };
        assert_eq!(frame(saturday_end).weeks(WeekStart::Sunday), 1);
        assert_eq!(frame(saturday_end + 1).weeks(WeekStart::Sunday), 2);
        assert_eq!(frame(saturday_end + 1).weeks(WeekStart::Monday), 1);
    }

    #[test]
    fn no_instant_is_too_far() {
        let all = Frame { first_us: i64::MIN, last_us: i64::MAX };
        assert_eq!(all.weeks(WeekStart::Sunday), 30_500_570);
        assert_eq!(Frame { first_us: 5, last_us: -DAY_US * 70 }.weeks(WeekStart::Sunday), 1);
    }

    #[test]
    fn frames_are_named_or_dated() {
        assert_eq!("dataset".parse::<TimeFrame>().ok(), Some(TimeFrame::Dataset));
        assert_eq!("customer".parse::<TimeFrame>().ok(), Some(TimeFrame::Customer));
        let window = |first_day, last_day: i64| {
            let (from_us, until_us) = (first_day * DAY_US, (last_day + 1) * DAY_US);
            Some(TimeFrame::Window { from_us, until_us })
        };
        for (text, frame) in [
            ("1970-01-01..1970-01-01", window(0, 0)),
            ("1970-01-31..1970-02-01", window(30, 31)),
            ("1969-12-31..1970-12-31", window(-1, 364)),
            ("0000-01-01..9999-12-31", window(-719_528, 2_932_896)),
            ("1970-01-02..1970-01-01", None),
            ("1970-02-29..1970-03-01", None),
            ("1970-01-01", None),
            ("1970-01-01...1970-01-01", None),
            ("1970-01-01..", None),
            ("..", None),
            ("", None),
            ("Dataset", None),
            ("1970-01-01T00:00:00Z..1970-01-02", None),
        ] {
            assert_eq!(text.parse::<TimeFrame>().ok(), frame, "{text:?}");
        }
        assert_eq!("monday".parse::<WeekStart>().ok(), Some(WeekStart::Monday));
        assert_eq!("sunday".parse::<WeekStart>().ok(), Some(WeekStart::Sunday));
        assert!("Monday".parse::<WeekStart>().is_err());
    }
}
