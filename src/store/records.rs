//! Records: events read back from the log as their producers told them.

use super::names::{Names, each_customer};
use super::source::Source;
use super::types::Record;
use crate::Error;
use crate::codec::{BATCH_EVENTS_MAX, Batch, Named, RowKind, Rows};

/// After so many ids that were read one by one, at most, all customers' ids are read.
const ONE_BY_ONE_MAX: u64 = 1_000;

/// Appends the id of the customer with an ordinal; false if it does not know it.
pub(super) type KnownIds = dyn Fn(u32, &mut String) -> bool + Send + Sync;

/// Gives the records from `from` on, until `each` returns false.
pub(super) fn read_records(
    source: &Source<'_>,
    known: Option<&KnownIds>,
    from: u64,
    each: &mut dyn FnMut(&Record<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut ids = Ids::new(source, known, from);
    source.batches(from, &mut |batch| {
        let mut sequence = batch.first_seq();
        ids.learn(batch)?;
        for row in batch.rows()?.iter() {
            // A row of a kind that a later version writes is no event that this one can tell.
            if sequence >= from && row.kind.is_some() {
                let id = ids.get(row.customer)?;
                let event = row.to_event(row.key.unwrap_or(id), id);
                let Some(event) = event else { continue };
                if !each(&Record { sequence, event })? {
                    return Ok(false);
                }
            }
            sequence += 1;
        }
        Ok(true)
    })
}

/// Gives the records of one customer from `from` on, until `each` returns false. Of a batch that
/// does not name it only the columns of customers are decoded.
pub(super) fn read_records_of(
    source: &Source<'_>,
    customer: u32,
    from: u64,
    each: &mut dyn FnMut(&Record<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    if source.end() == 0 {
        return Ok(());
    }
    let mut start = from;
    source.batch_of_customer(customer, &mut |batch| {
        // Nothing names a customer before it is there.
        start = from.max(batch.first_seq());
        Ok(true)
    })?;
    let mut names = Names::new(source);
    let (mut named, mut rows) = (Named::default(), Rows::default());
    source.batches(start, &mut |batch| {
        if !batch.names(customer, &mut named)? {
            return Ok(true);
        }
        batch.read_rows(&mut rows)?;
        for (row, sequence) in rows.iter().zip(batch.first_seq()..) {
            let before = row.superseded.map(|order| order.customer);
            let is_its_own = row.customer == customer || before == Some(customer);
            if sequence < from || row.kind.is_none() || !is_its_own {
                continue;
            }
            let id = names.id(row.customer)?;
            let event = row.to_event(row.key.unwrap_or(&id), &id);
            let Some(event) = event else { continue };
            if !each(&Record { sequence, event })? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Ids by ordinal.
struct Ids<'a> {
    source: &'a Source<'a>,
    /// Has most of them, if it is there.
    known: Option<&'a KnownIds>,
    names: Names<'a>,
    /// All customers' ids from ordinal 0 on, when many are needed.
    all: Option<Vec<Box<str>>>,
    one: String,
    /// How many were read one by one.
    asked: u32,
}

impl<'a> Ids<'a> {
    fn new(source: &'a Source<'a>, known: Option<&'a KnownIds>, from: u64) -> Ids<'a> {
        // From the first event on all of them come by, and are learnt. Whoever reads from somewhere
        // else may stop after a few.
        let all = (from == 0 && known.is_none()).then(Vec::new);
        Ids { source, known, names: Names::new(source), all, one: String::new(), asked: 0 }
    }

    fn learn(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let Some(all) = &mut self.all else { return Ok(()) };
        let known = u32::try_from(all.len()).unwrap_or(u32::MAX);
        if batch.customers_before() != known {
            return Ok(());
        }
        let rows = batch.rows();
        if let Ok(rows) = rows {
            let newcomers = rows.iter().filter(|row| row.kind == Some(RowKind::CustomerNew));
            all.extend(newcomers.filter_map(|row| row.key.map(Box::<str>::from)));
        }
        Ok(())
    }

    fn get(&mut self, ordinal: u32) -> Result<&str, Error> {
        self.one.clear();
        if self.known.is_some_and(|known| known(ordinal, &mut self.one)) {
            return Ok(&self.one);
        }
        let at = usize::try_from(ordinal).unwrap_or(usize::MAX);
        if self.all.as_ref().is_some_and(|all| at < all.len()) {
            return Ok(self.all.as_ref().and_then(|all| all.get(at)).map_or("", |id| id));
        }
        // Each that is read by itself takes a batch to be unpacked, as each batch does for all.
        let batches = self.source.end() / BATCH_EVENTS_MAX as u64;
        if self.all.is_none() && u64::from(self.asked) > batches.min(ONE_BY_ONE_MAX) {
            let mut ids: Vec<Box<str>> = Vec::new();
            each_customer(self.source, &mut |id, _| ids.push(id.into()))?;
            self.one = ids.get(at).map_or("", |id| id).to_owned();
            self.all = Some(ids);
            return Ok(&self.one);
        }
        self.asked = self.asked.saturating_add(1);
        self.one = self.names.id(ordinal)?;
        Ok(&self.one)
    }
}
