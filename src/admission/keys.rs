//! The hashes under which the key index finds events: 64 bits, seeded by the log's id.
//!
//! A hash only *finds*; whoever finds confirms against the event itself, so that a collision can
//! slow an answer down but never change it.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use crate::codec::{Batch, Row, RowKind};
use crate::error::Fault;
use crate::event::{Event, Kind};

/// The four types of events: each has a seed of its own for its keys, and a first byte of what
/// [`identity`] hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySpace {
    Customer = 1,
    SiteVisit = 2,
    Image = 3,
    Order = 4,
}

/// First byte of a hashed update.
const UPDATE: u8 = 5;

impl KeySpace {
    /// The space that an event's key is in.
    pub(crate) fn of(kind: Kind) -> KeySpace {
        match kind {
            Kind::CustomerNew | Kind::CustomerUpdate => KeySpace::Customer,
            Kind::SiteVisitNew => KeySpace::SiteVisit,
            Kind::ImageUpload => KeySpace::Image,
            Kind::OrderNew | Kind::OrderUpdate => KeySpace::Order,
        }
    }

    /// The space that a row's key is in; none for kinds that this build does not know.
    pub(crate) fn of_row(kind: Option<RowKind>) -> Option<KeySpace> {
        Some(match kind? {
            RowKind::CustomerNew | RowKind::CustomerUpdate => KeySpace::Customer,
            RowKind::Visit => KeySpace::SiteVisit,
            RowKind::Image => KeySpace::Image,
            RowKind::OrderNew | RowKind::OrderUpdate | RowKind::OrderStale => KeySpace::Order,
        })
    }
}

/// H(type, key): the entry of a NEW or UPLOAD, and of an order's current state. The type is in the
/// seed, so that a key is hashed where it stands.
pub(crate) fn hash_key(seed: u64, space: KeySpace, key: &str) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), seed.wrapping_add(space as u64))
}

/// H(normal form): the entry of an update. The customer stands in it as an ordinal, so that a row
/// read back hashes the same without a look-up of the customer's id.
pub(crate) fn hash_update(
    seed: u64,
    event: &Event<'_>,
    customer: u32,
    scratch: &mut Vec<u8>,
) -> u64 {
    scratch.clear();
    scratch.push(UPDATE);
    scratch.extend_from_slice(&customer.to_le_bytes());
    nameless(event).normal_form(scratch);
    xxh3_64_with_seed(scratch, seed)
}

/// The event without the customer's id, which its ordinal stands for.
fn nameless<'a>(event: &'a Event<'_>) -> Event<'a> {
    let key = if event.kind == Kind::CustomerUpdate { "" } else { event.key.as_ref() };
    Event {
        kind: event.kind,
        key: key.into(),
        customer_id: "".into(),
        at_us: event.at_us,
        amount_cents: event.amount_cents,
        texts: event.texts.each_ref().map(|text| text.as_deref().map(Into::into)),
    }
}

/// Whether a stored row and an event are *the same event*. `customer` is the event's; a CUSTOMER
/// NEW has none before it is admitted, and is the same by its key.
pub(crate) fn is_same(row: &Row<'_>, event: &Event<'_>, customer: Option<u32>) -> bool {
    let same_customer = event.kind == Kind::CustomerNew || customer == Some(row.customer);
    // A customer's update has no key in its row: it is the customer's.
    let same_key = row.key.is_none_or(|key| key == event.key);
    let Some(stored) = row.to_event(&event.key, named(event)) else { return false };
    if !same_customer || !same_key || stored.kind != event.kind {
        return false;
    }
    if stored == *event {
        return true;
    }
    let (mut a, mut b) = (Vec::new(), Vec::new());
    stored.normal_form(&mut a);
    event.normal_form(&mut b);
    a == b
}

/// The id of the customer that an event names.
fn named<'a>(event: &'a Event<'_>) -> &'a str {
    match event.kind {
        Kind::CustomerNew | Kind::CustomerUpdate => &event.key,
        Kind::SiteVisitNew | Kind::ImageUpload | Kind::OrderNew | Kind::OrderUpdate => {
            &event.customer_id
        }
    }
}

/// What no two admitted events have in common, hashed: the type and key of a NEW or UPLOAD, the
/// customer and normal form of an update. None of a row whose key was erased or is not known.
pub(crate) fn identity(row: &Row<'_>) -> Option<u128> {
    let kind = row.kind?;
    let mut bytes = Vec::new();
    if matches!(kind, RowKind::CustomerUpdate | RowKind::OrderUpdate | RowKind::OrderStale) {
        let key = row.key.unwrap_or_default();
        bytes.push(UPDATE);
        bytes.extend_from_slice(&row.customer.to_le_bytes());
        nameless(&row.to_event(key, key)?).normal_form(&mut bytes);
    } else {
        bytes.push(KeySpace::of_row(row.kind)? as u8);
        bytes.extend_from_slice(row.key.filter(|key| !key.is_empty())?.as_bytes());
    }
    Some(xxh3_128(&bytes))
}

/// Gives every key entry of a batch: its hash, its row, and for an order's newer state the sequence
/// of its ORDER NEW.
pub(crate) fn entries(
    batch: &Batch<'_>,
    seed: u64,
    each: &mut dyn FnMut(u64, u64, Option<u64>),
) -> Result<(), Fault> {
    let mut scratch = Vec::new();
    for (row, at) in batch.rows()?.iter().zip(0_u64..) {
        let Some(kind) = row.kind else { continue };
        if let (true, Some(key), Some(space)) =
            (kind != RowKind::OrderStale, row.key, KeySpace::of_row(row.kind))
        {
            each(hash_key(seed, space, key), at, row.order_seq);
        }
        if matches!(kind, RowKind::CustomerUpdate | RowKind::OrderUpdate | RowKind::OrderStale) {
            let key = row.key.unwrap_or_default();
            let Some(event) = row.to_event(key, key) else { continue };
            each(hash_update(seed, &event, row.customer, &mut scratch), at, None);
        }
    }
    Ok(())
}

/// The order whose state a row is entered as under a hash, by the sequence of its ORDER NEW; none
/// of what is entered for another reason.
pub(crate) fn order_of(row: &Row<'_>, sequence: u64, seed: u64, hash: u64) -> Option<u64> {
    let order = match row.kind? {
        RowKind::OrderNew => Some(sequence),
        RowKind::OrderUpdate => row.order_seq,
        RowKind::CustomerNew
        | RowKind::CustomerUpdate
        | RowKind::Visit
        | RowKind::Image
        | RowKind::OrderStale => None,
    };
    // An update stands under the hash of its own content, too.
    order.filter(|_| row.key.is_some_and(|key| hash_key(seed, KeySpace::Order, key) == hash))
}
