//! What a log consists of, as `info` tells of it. Files are named within the log's directory.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(feature = "serve")]
use super::schema;
use super::{FrameJson, currency, instant, log_id};
use crate::{Info, Partition, Rules, SegmentInfo, Span};

/// What `info` tells.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Info))]
pub(crate) struct InfoJson<'a> {
    #[serde(with = "log_id")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::LogId))]
    log_id: u64,
    /// Told of a part of a partitioned log
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<PartitionJson>,
    #[serde(with = "currency")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Currency))]
    currency: [u8; 3],
    time_range: RangeJson,
    end: u64,
    synced_end: u64,
    customers: u64,
    #[cfg_attr(feature = "serve", schema(required = true))]
    frame: Option<FrameJson>,
    #[serde(rename = "appended_at", with = "instant::or_null", default)]
    #[cfg_attr(feature = "serve", schema(value_type = Option<schema::Instant>, required = true))]
    appended_at_us: Option<i64>,
    #[cfg_attr(feature = "serve", schema(required = true))]
    checkpoint_end: Option<u64>,
    writer: bool,
    torn_bytes: u64,
    bytes: BytesJson,
    segments: Vec<SegmentJson<'a>>,
}

/// What `info` tells of a log of several partitions, each as if it were a log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PartsJson<'a> {
    pub(crate) end: u64,
    pub(crate) synced_end: u64,
    pub(crate) customers: u64,
    pub(crate) frame: Option<FrameJson>,
    pub(crate) partitions: Vec<InfoJson<'a>>,
}

/// Which part of a partitioned log it is
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Partition))]
pub(crate) struct PartitionJson {
    /// From 0
    number: u16,
    /// How many there are
    of: u16,
}

/// What says which part of a partitioned log it is of, among other things.
#[cfg(feature = "remote")]
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct PartJson {
    partition: Option<PartitionJson>,
}

#[cfg(feature = "remote")]
impl PartJson {
    pub(crate) fn partition(self) -> Partition {
        part(self.partition)
    }
}

impl PartitionJson {
    /// None of a log that is not partitioned.
    pub(crate) fn of(partition: Partition) -> Option<PartitionJson> {
        let (number, of) = (partition.number(), partition.of().get());
        (partition != Partition::WHOLE).then_some(PartitionJson { number, of })
    }
}

fn part(told: Option<PartitionJson>) -> Partition {
    told.and_then(|part| Partition::new(part.number, part.of).ok()).unwrap_or(Partition::WHOLE)
}

/// Half-open.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = TimeRange))]
struct RangeJson {
    #[serde(rename = "from", with = "instant")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Instant))]
    from_us: i64,
    #[serde(rename = "to", with = "instant")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::Instant))]
    to_us: i64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Bytes))]
struct BytesJson {
    segments: u64,
    keys: u64,
    checkpoints: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Segment))]
struct SegmentJson<'a> {
    file: Cow<'a, str>,
    first: u64,
    end: u64,
    batches: u64,
    bytes: u64,
    sealed: bool,
    #[cfg_attr(feature = "serve", schema(value_type = u64))]
    generation: u32,
}

impl<'a> InfoJson<'a> {
    /// Of the log in this directory.
    pub(crate) fn new(info: &'a Info, log: &Path) -> InfoJson<'a> {
        let [segments, keys, checkpoints] = info.bytes;
        let range = &info.rules.time_range_us;
        InfoJson {
            log_id: info.log_id,
            partition: PartitionJson::of(info.partition),
            currency: info.rules.currency,
            time_range: RangeJson { from_us: range.start, to_us: range.end },
            end: info.end,
            synced_end: info.synced_end,
            customers: info.customers,
            frame: info.span.map(FrameJson::from),
            appended_at_us: info.appended_at_us,
            checkpoint_end: info.checkpoint_end,
            writer: info.writer,
            torn_bytes: info.torn_bytes,
            bytes: BytesJson { segments, keys, checkpoints },
            segments: info
                .segments
                .iter()
                .map(|segment| SegmentJson {
                    file: segment.path.strip_prefix(log).unwrap_or(&segment.path).to_string_lossy(),
                    first: segment.first,
                    end: segment.end,
                    batches: segment.batches,
                    bytes: segment.bytes,
                    sealed: segment.sealed,
                    generation: segment.generation,
                })
                .collect(),
        }
    }
}

impl From<InfoJson<'_>> for Info {
    /// The paths stay those within the log's directory.
    fn from(json: InfoJson<'_>) -> Info {
        let RangeJson { from_us, to_us } = json.time_range;
        let BytesJson { segments, keys, checkpoints } = json.bytes;
        Info {
            log_id: json.log_id,
            partition: part(json.partition),
            rules: Rules { currency: json.currency, time_range_us: from_us..to_us },
            segments: json.segments.into_iter().map(SegmentInfo::from).collect(),
            end: json.end,
            synced_end: json.synced_end,
            customers: json.customers,
            span: json.frame.map(Span::from),
            appended_at_us: json.appended_at_us,
            checkpoint_end: json.checkpoint_end,
            torn_bytes: json.torn_bytes,
            bytes: [segments, keys, checkpoints],
            writer: json.writer,
        }
    }
}

impl From<SegmentJson<'_>> for SegmentInfo {
    fn from(json: SegmentJson<'_>) -> SegmentInfo {
        SegmentInfo {
            path: PathBuf::from(json.file.into_owned()),
            first: json.first,
            end: json.end,
            batches: json.batches,
            bytes: json.bytes,
            sealed: json.sealed,
            generation: json.generation,
        }
    }
}
