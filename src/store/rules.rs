//! What a log demands of events: agreed between the log and the options it is opened with.

use std::path::Path;

use super::types::Options;
use crate::event::Rules;
use crate::log::LogMeta;
use crate::{Error, Partition};

/// 1970-01-01 up to, not including, 2100-01-01, in µs.
const TIME_RANGE_US: std::ops::Range<i64> = 0..4_102_444_800_000_000;

/// Which part of a partitioned log it is, if it agrees with the options, or the log to be.
pub(super) fn agreed_partition(
    dir: &Path,
    meta: Option<&LogMeta>,
    options: &Options,
) -> Result<Partition, Error> {
    let Some(meta) = meta else { return Ok(options.partition.unwrap_or(Partition::WHOLE)) };
    let is = Partition::new(meta.partition, meta.partitions)?;
    if let Some(asked) = options.partition.filter(|asked| *asked != is) {
        let reason = format!("the log in {} is partition {is}, not {asked}", dir.display());
        return Err(Error::Options { reason });
    }
    Ok(is)
}

/// The rules of the log, if it agrees with the options, or of the log to be.
pub(super) fn agreed_rules(
    dir: &Path,
    meta: Option<&LogMeta>,
    options: &Options,
) -> Result<Rules, Error> {
    let Some(meta) = meta else {
        let currency = options.currency.unwrap_or(*b"USD");
        let time_range_us = options.time_range_us.clone().unwrap_or(TIME_RANGE_US);
        if !currency.iter().all(u8::is_ascii_uppercase) {
            let reason = "a currency is three capital letters, as USD".to_owned();
            return Err(Error::Options { reason });
        }
        if time_range_us.is_empty() {
            let reason = "the time range is empty: it goes FROM..TO, FROM before TO".to_owned();
            return Err(Error::Options { reason });
        }
        return Ok(Rules { currency, time_range_us });
    };
    let asked = options.currency.unwrap_or(meta.currency);
    if asked != meta.currency {
        let name = |letters: [u8; 3]| String::from_utf8_lossy(&letters).into_owned();
        let (has, asked) = (name(meta.currency), name(asked));
        let reason = format!("the log in {} is in {has}, not {asked}", dir.display());
        return Err(Error::Options { reason });
    }
    if options.time_range_us.as_ref().is_some_and(|asked| *asked != meta.time_range_us) {
        let reason = format!("the log in {} has another time range", dir.display());
        return Err(Error::Options { reason });
    }
    Ok(Rules { currency: meta.currency, time_range_us: meta.time_range_us.clone() })
}
