//! From ordinals back to people: a customer's id and fields, read from the log when asked for.

use super::source::Source;
use crate::codec::{Batch, Row, RowKind};
use crate::event::Field;
use crate::projection::Statistics;
use crate::{Error, Fault};

/// The fields of a customer that an answer shows.
pub(super) const SHOWN: [Field; 3] = [Field::LastName, Field::AdrCity, Field::AdrState];

/// A customer's CUSTOMER NEW.
#[derive(Clone, Debug, Default)]
pub(super) struct Newcomer {
    pub(super) id: String,
    pub(super) at_us: i64,
    pub(super) fields: [Option<String>; 3],
}

/// Gives every customer's id, in order of ordinals.
pub(super) fn each_customer(
    source: &Source<'_>,
    each: &mut dyn FnMut(&str, u32),
) -> Result<(), Error> {
    let mut kinds = Vec::new();
    source.batches(0, &mut |batch| {
        each_newcomer(batch, &mut kinds, each)?;
        Ok(true)
    })
}

fn each_newcomer(
    batch: &Batch<'_>,
    kinds: &mut Vec<u8>,
    each: &mut dyn FnMut(&str, u32),
) -> Result<(), Fault> {
    if batch.kinds(kinds)?.customers_new == 0 {
        return Ok(());
    }
    let ordinals = batch.customers_before()..;
    let rows = batch.rows()?;
    let newcomers = rows.iter().filter(|row| row.kind == Some(RowKind::CustomerNew));
    for (row, ordinal) in newcomers.zip(ordinals) {
        each(row.key.unwrap_or_default(), ordinal);
    }
    Ok(())
}

/// Resolves ordinals; quick on ordinals that rise, whose batch it has at hand.
pub(super) struct Names<'a> {
    source: &'a Source<'a>,
    /// Ordinal of the first of `newcomers`, those of one batch.
    first: u32,
    newcomers: Vec<Newcomer>,
}

/// A text that an update gives: where it stands, and whose it is.
struct Wanted {
    sequence: u64,
    field: Field,
    customer: usize,
    place: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Names<'a> {
        Names { source, first: 0, newcomers: Vec::new() }
    }

    /// A customer's id. The ordinal must be one of the source's.
    pub(super) fn id(&mut self, ordinal: u32) -> Result<String, Error> {
        Ok(self.newcomer(ordinal)?.id.clone())
    }

    /// Ids and fields of customers, in the order of `ordinals`: the fields as the latest event
    /// that gives each says. Every batch is decoded once, however many of them it holds.
    pub(super) fn customers(
        &mut self,
        ordinals: &[u32],
        statistics: &Statistics,
    ) -> Result<Vec<Newcomer>, Error> {
        let mut rising: Vec<(u32, usize)> = ordinals.iter().copied().zip(0..).collect();
        rising.sort_unstable();
        let mut found = vec![Newcomer::default(); ordinals.len()];
        let mut wanted = Vec::new();
        for (ordinal, customer) in rising {
            let newcomer = self.newcomer(ordinal)?;
            for (place, field) in SHOWN.into_iter().enumerate() {
                let Some(latest) = statistics.field_update(ordinal, field) else { continue };
                // An update stands later in the log than the NEW, so it wins at the same instant.
                let given = newcomer.fields.get(place).is_some_and(Option::is_some);
                if !given || latest.at_us >= newcomer.at_us {
                    wanted.push(Wanted { sequence: latest.seq, field, customer, place });
                }
            }
            if let Some(slot) = found.get_mut(customer) {
                slot.clone_from(newcomer);
            }
        }
        wanted.sort_unstable_by_key(|text| text.sequence);
        self.read_texts(&wanted, &mut found)?;
        Ok(found)
    }

    fn newcomer(&mut self, ordinal: u32) -> Result<&Newcomer, Error> {
        let (newcomers, first) = (&mut self.newcomers, &mut self.first);
        if place_of(ordinal, *first, newcomers).is_none() {
            self.source.batch_of_customer(ordinal, &mut |batch| {
                read_newcomers(batch, newcomers)?;
                *first = batch.customers_before();
                Ok(true)
            })?;
        }
        let place = place_of(ordinal, *first, newcomers);
        place.and_then(|place| self.newcomers.get(place)).ok_or_else(|| Error::Corrupt {
            path: self.source.path(),
            offset: 0,
            reason: format!("customer {ordinal} is counted but has no record"),
        })
    }

    /// Puts texts into their places; `wanted` rises by sequence.
    fn read_texts(&self, wanted: &[Wanted], found: &mut [Newcomer]) -> Result<(), Error> {
        let mut left = wanted;
        while let Some(next) = left.first() {
            let before = left.len();
            self.source.batch_of(next.sequence, &mut |batch| {
                let rows = batch.rows()?;
                while let Some((text, rest)) = left.split_first() {
                    let at = text.sequence.saturating_sub(batch.first_seq());
                    let row = rows.get(usize::try_from(at).unwrap_or(usize::MAX));
                    let Some(row) = row else { break };
                    let slot = found.get_mut(text.customer);
                    if let Some(slot) = slot.and_then(|one| one.fields.get_mut(text.place)) {
                        *slot = text_of(&row, text.field);
                    }
                    left = rest;
                }
                Ok(true)
            })?;
            if left.len() == before {
                let reason = format!("event {} is counted but not there", next.sequence);
                return Err(Error::Corrupt { path: self.source.path(), offset: 0, reason });
            }
        }
        Ok(())
    }
}

/// Where among the newcomers of a batch a customer stands.
fn place_of(ordinal: u32, first: u32, newcomers: &[Newcomer]) -> Option<usize> {
    let place = usize::try_from(ordinal.checked_sub(first)?).ok()?;
    (place < newcomers.len()).then_some(place)
}

fn read_newcomers(batch: &Batch<'_>, newcomers: &mut Vec<Newcomer>) -> Result<(), Fault> {
    newcomers.clear();
    let rows = batch.rows()?;
    let news = rows.iter().filter(|row| row.kind == Some(RowKind::CustomerNew));
    newcomers.extend(news.map(|row| Newcomer {
        id: row.key.unwrap_or_default().to_owned(),
        at_us: row.at_us,
        fields: SHOWN.map(|field| text_of(&row, field)),
    }));
    Ok(())
}

fn text_of(row: &Row<'_>, field: Field) -> Option<String> {
    row.texts.get(field as usize).copied().flatten().map(str::to_owned)
}
