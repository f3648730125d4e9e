//! From ordinals back to people: a customer's id and fields, read from the log when asked for.

use super::picked::Pick;
use super::source::Source;
use crate::codec::{Batch, Newcomers, Row, RowKind};
use crate::event::{FIELD_COUNT, Field};
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
    let mut scratch = Newcomers::default();
    source.batches(0, &mut |batch| {
        each_newcomer(batch, &mut scratch, each)?;
        Ok(true)
    })
}

/// Gives the ids of the customers that a batch makes known, in order of ordinals.
pub(super) fn each_newcomer(
    batch: &Batch<'_>,
    scratch: &mut Newcomers,
    each: &mut dyn FnMut(&str, u32),
) -> Result<(), Fault> {
    let mut ordinal = batch.customers_before();
    batch.each_newcomer(scratch, &mut |id| {
        each(id, ordinal);
        ordinal = ordinal.saturating_add(1);
    })
}

/// Resolves ordinals; quick on ordinals that rise. One customer of a batch is looked up in it; if
/// another one is asked for, the batch is decoded and all of its customers are at hand.
pub(super) struct Names<'a> {
    source: &'a Source<'a>,
    /// Ordinal of the first of `newcomers`.
    first: u32,
    newcomers: Vec<Newcomer>,
    /// CUSTOMER NEWs before the batch that was last looked into.
    looked_into: Option<u32>,
}

/// Up to so many texts of one batch are looked up; for more of them it is decoded.
const LOOKED_UP_MAX: usize = 4;

/// A text that an update gives: where it stands, and whose it is.
struct Wanted {
    sequence: u64,
    field: Field,
    customer: usize,
    place: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Names<'a> {
        Names { source, first: 0, newcomers: Vec::new(), looked_into: None }
    }

    /// A customer's id. The ordinal must be one of the source's.
    pub(super) fn id(&mut self, ordinal: u32) -> Result<String, Error> {
        Ok(self.newcomer(ordinal)?.id.clone())
    }

    /// Ids and fields of customers, in the order of `picks`: the fields as the latest event
    /// that gives each says. No batch is decoded more than once, however many of them it holds.
    pub(super) fn customers(&mut self, picks: &[Pick]) -> Result<Vec<Newcomer>, Error> {
        let mut rising: Vec<(&Pick, usize)> = picks.iter().zip(0..).collect();
        rising.sort_unstable_by_key(|(pick, _)| pick.ordinal);
        let mut found = vec![Newcomer::default(); picks.len()];
        let mut wanted = Vec::new();
        for (pick, customer) in rising {
            let newcomer = self.newcomer(pick.ordinal)?.clone();
            for ((place, field), latest) in SHOWN.into_iter().enumerate().zip(pick.updates) {
                let Some(latest) = latest else { continue };
                // An update stands later in the log than the NEW, so it wins at the same instant.
                let given = newcomer.fields.get(place).is_some_and(Option::is_some);
                if !given || latest.at_us >= newcomer.at_us {
                    wanted.push(Wanted { sequence: latest.seq, field, customer, place });
                }
            }
            if let Some(slot) = found.get_mut(customer) {
                *slot = newcomer;
            }
        }
        wanted.sort_unstable_by_key(|text| text.sequence);
        self.read_texts(&wanted, &mut found)?;
        Ok(found)
    }

    fn newcomer(&mut self, ordinal: u32) -> Result<&Newcomer, Error> {
        let Names { source, first, newcomers, looked_into } = self;
        if place_of(ordinal, *first, newcomers).is_none() {
            source.batch_of_customer(ordinal, &mut |batch| {
                newcomers.clear();
                let before = batch.customers_before();
                if looked_into.replace(before) == Some(before) {
                    *first = before;
                    read_newcomers(batch, newcomers)?;
                } else {
                    *first = ordinal;
                    newcomers.extend(look_up(batch, ordinal)?);
                }
                Ok(true)
            })?;
        }
        let place = place_of(ordinal, self.first, &self.newcomers);
        if place.is_none() {
            // A batch may be damaged where it says which customers it has: then reading finds it.
            self.source.batches(0, &mut |_| Ok(true))?;
        }
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
                let end = batch.first_seq() + batch.events() as u64;
                let count = left.partition_point(|text| text.sequence < end);
                let (here, rest) = left.split_at_checked(count).unwrap_or_default();
                let rows = if count > LOOKED_UP_MAX { Some(batch.rows()?) } else { None };
                for text in here {
                    let at = text.sequence.saturating_sub(batch.first_seq());
                    let at = usize::try_from(at).unwrap_or(usize::MAX);
                    let given = match &rows {
                        Some(rows) => rows.get(at).and_then(|row| text_of(&row, text.field)),
                        None => taken(batch.texts_at(at)?, text.field),
                    };
                    let slot = found.get_mut(text.customer);
                    if let Some(slot) = slot.and_then(|one| one.fields.get_mut(text.place)) {
                        *slot = given;
                    }
                }
                left = rest;
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

/// One customer's record, if it is in the batch.
fn look_up(batch: &Batch<'_>, ordinal: u32) -> Result<Option<Newcomer>, Fault> {
    let Some(place) = ordinal.checked_sub(batch.customers_before()) else { return Ok(None) };
    let Some(row) = batch.newcomer_at(place as usize)? else { return Ok(None) };
    let mut id = String::new();
    batch.key_at(row, &mut id)?;
    let at_us = batch.time_at(row)?;
    let mut texts = batch.texts_at(row)?;
    let fields = SHOWN.map(|field| texts.get_mut(field as usize).and_then(Option::take));
    Ok(Some(Newcomer { id, at_us, fields }))
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

fn taken(mut texts: [Option<String>; FIELD_COUNT], field: Field) -> Option<String> {
    texts.get_mut(field as usize).and_then(Option::take)
}

fn text_of(row: &Row<'_>, field: Field) -> Option<String> {
    row.texts.get(field as usize).copied().flatten().map(str::to_owned)
}
