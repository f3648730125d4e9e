//! What became of appended events, as `append` tells of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(feature = "serve")]
use super::schema;
use crate::{Reason, Receipt, Rejection};

/// What became of the events of one call.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Receipt))]
pub(crate) struct ReceiptJson<'a> {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
    #[serde(with = "by_name")]
    #[cfg_attr(feature = "serve", schema(value_type = BTreeMap<String, u64>))]
    reasons: BTreeMap<Reason, u64>,
    end: u64,
    synced: bool,
    /// For whoever has the events' texts, and not the log's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "serve", schema(value_type = Vec<RejectedJson<'a>>, required = true))]
    pub(crate) rejected_events: Option<Vec<RejectedJson<'a>>>,
}

/// One rejected event.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "serve", schema(as = Rejection))]
pub(crate) struct RejectedJson<'a> {
    /// Which of the events that were sent, from 0.
    pub(crate) index: u64,
    #[serde(with = "name")]
    #[cfg_attr(feature = "serve", schema(value_type = schema::ReasonName))]
    reason: Reason,
    detail: Cow<'a, str>,
}

/// An end that is on the disk, told as it is reached.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct SyncedJson {
    pub(crate) synced_end: u64,
}

impl<'a> ReceiptJson<'a> {
    /// Without a word on single events.
    pub(crate) fn new(receipt: &Receipt) -> ReceiptJson<'a> {
        ReceiptJson {
            accepted: receipt.accepted,
            duplicates: receipt.duplicates,
            rejected: receipt.rejected(),
            reasons: receipt.reasons.clone(),
            end: receipt.end,
            synced: receipt.synced,
            rejected_events: None,
        }
    }

    /// With what was wrong with each rejected event.
    pub(crate) fn with_events(
        receipt: &Receipt,
        rejected: Vec<RejectedJson<'a>>,
    ) -> ReceiptJson<'a> {
        ReceiptJson { rejected_events: Some(rejected), ..ReceiptJson::new(receipt) }
    }
}

impl TryFrom<&ReceiptJson<'_>> for Receipt {
    type Error = String;

    /// A receipt counts the rejected events by reason alone, so their sum must be what was told.
    fn try_from(json: &ReceiptJson<'_>) -> Result<Receipt, String> {
        let sum = json.reasons.values().try_fold(0_u64, |sum, count| sum.checked_add(*count));
        if sum != Some(json.rejected) {
            return Err(format!(
                "{} events are said to be rejected, and their reasons make another sum",
                json.rejected
            ));
        }
        Ok(Receipt {
            accepted: json.accepted,
            duplicates: json.duplicates,
            reasons: json.reasons.clone(),
            end: json.end,
            synced: json.synced,
        })
    }
}

impl<'a> RejectedJson<'a> {
    pub(crate) fn new(index: u64, rejection: &'a Rejection) -> RejectedJson<'a> {
        RejectedJson { index, reason: rejection.reason, detail: Cow::Borrowed(&rejection.detail) }
    }
}

impl From<RejectedJson<'_>> for Rejection {
    /// Of an event that was sent whole.
    fn from(json: RejectedJson<'_>) -> Rejection {
        Rejection::new(json.reason, json.detail)
    }
}

fn reason_of<E: serde::de::Error>(name: &str) -> Result<Reason, E> {
    Reason::ALL.into_iter().find(|reason| reason.name() == name).ok_or_else(|| {
        E::custom(format!("{name:?} is no reason for a rejection that this version knows"))
    })
}

/// A reason by its name.
mod name {
    use super::{Cow, Deserialize, Deserializer, Reason, Serializer, reason_of};

    pub(super) fn serialize<S: Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(reason.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Reason, D::Error> {
        reason_of(&Cow::<str>::deserialize(from)?)
    }
}

/// Counts by reason, sorted by name.
mod by_name {
    use super::{BTreeMap, Deserialize, Deserializer, Reason, Serialize, Serializer, reason_of};

    pub(super) fn serialize<S: Serializer>(
        reasons: &BTreeMap<Reason, u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let by_name = reasons.iter().map(|(reason, count)| (reason.name(), count));
        by_name.collect::<BTreeMap<_, _>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Reason, u64>, D::Error> {
        let by_name = BTreeMap::<String, u64>::deserialize(from)?;
        by_name.into_iter().map(|(name, count)| Ok((reason_of(&name)?, count))).collect()
    }
}
