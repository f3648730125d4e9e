//! What a program asks that runs on beside the log: statistics to keep up to date with a follower,
//! answers from them, and one customer's records.

use super::Store;
use super::answers::{Answers, described};
use super::names::Names;
use super::picked::Picked;
use super::records;
use super::source::Source;
use super::types::{Customer, Question, Record, Top};
use crate::Error;
use crate::projection::{Statistics, TimeFrame};

impl Store {
    /// The log's statistics over a time frame, up to its end: the newest checkpoint, continued. A
    /// window of time is folded from the first event. A [`Follower`](super::Follower) from their
    /// end on keeps them up to date.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn statistics(&self, frame: TimeFrame) -> Result<Statistics, Error> {
        self.statistics_in(&self.source()?, frame)
    }

    /// As [`Store::top`], from statistics of this log that the caller keeps. The answer is as of
    /// their end, however long the log is by now.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the statistics are seen not to be of this log, or were folded over
    /// another window of time than the question's; else as [`Store::top`].
    pub fn top_of(
        &self,
        statistics: &Statistics,
        x: usize,
        question: &Question,
    ) -> Result<Top, Error> {
        let source = self.source()?;
        // What they lack is told before anything is read.
        let none = Picked::of(statistics, &[], question)?;
        check_fit(&source, &none)?;
        Answers::new(&source, statistics, question).top(x, self.rules.currency)
    }

    /// Customers in the order of their ordinals, from statistics of this log that the caller keeps.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] as [`Store::top_of`], and if the statistics lack one of the customers;
    /// else as [`Store::top`].
    pub fn customers_of(
        &self,
        statistics: &Statistics,
        ordinals: &[u32],
        question: &Question,
    ) -> Result<Vec<Customer>, Error> {
        Ok(self.top_picked(&Picked::of(statistics, ordinals, question)?)?.customers)
    }

    /// As [`Store::top_of`], from figures that were picked before, in their order: nobody has to keep
    /// statistics as they are while the log is read.
    ///
    /// ```
    /// use ltvlog::{Options, Picked, Question, Store, TimeFrame};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut store = Store::scratch(Options::default())?;
    /// # let text = br#"{"type":"CUSTOMER","verb":"NEW","key":"c1","event_time":"2017-01-06T12:46:46Z"}"#;
    /// # store.append([ltvlog::Event::from_json(text, &store.rules().clone())?])?;
    /// let statistics = store.statistics(TimeFrame::Dataset)?;
    /// let mut id_of = |_ordinal| Some("c1".to_owned());
    /// let picked = Picked::top(&statistics, 10, &Question::default(), &mut id_of)?;
    /// drop(statistics);
    /// assert_eq!(store.top_picked(&picked)?.customers[0].customer_id, "c1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the statistics are seen not to be of this log; else as [`Store::top`].
    pub fn top_picked(&self, picked: &Picked) -> Result<Top, Error> {
        let source = self.source()?;
        check_fit(&source, picked)?;
        let customers = described(&picked.picks, picked.lifespan, &mut Names::new(&source))?;
        let Picked { span, end, .. } = *picked;
        Ok(Top { currency: self.rules.currency, span, end, customers })
    }

    /// The ordinal of the customer with an id; none if the log does not know it. All customers are
    /// looked through, on as many threads as the options say.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn ordinal(&self, id: &str) -> Result<Option<u32>, Error> {
        let ordinals = self.ordinals(&self.source()?, &[id.to_owned()])?;
        Ok(ordinals.first().copied().flatten())
    }

    /// Gives one customer's records from a sequence on, ascending, until `each` returns false;
    /// returns the log's end. They are those of events that name the customer, and of each ORDER
    /// UPDATE that took an order away from it, which names the customer who has the order since:
    /// without it nobody would see where the order went. An ordinal that the log does not have has
    /// none.
    ///
    /// # Errors
    ///
    /// As [`Store::records`].
    pub fn records_of(
        &self,
        ordinal: u32,
        from: u64,
        each: &mut dyn FnMut(&Record<'_>) -> Result<bool, Error>,
    ) -> Result<u64, Error> {
        let source = self.source()?;
        records::read_records_of(&source, ordinal, from, each)?;
        Ok(source.end())
    }
}

/// Whether statistics can be asked about, as far as can be told: neither does the log end before
/// them, nor does it have more or fewer customers at their end.
fn check_fit(source: &Source<'_>, picked: &Picked) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Options { reason });
    let (end, log_end) = (picked.end, source.end());
    if end > log_end {
        return refuse(format!("the statistics end at event {end}, the log at {log_end}"));
    }
    let (count, known) = (picked.customer_count, customers_at(source, end)?);
    if count != known {
        return refuse(format!(
            "the statistics have {count} customers at event {end}, the log has {known}"
        ));
    }
    Ok(())
}

/// How many customers the log has before a sequence, which may be its end.
fn customers_at(source: &Source<'_>, sequence: u64) -> Result<u32, Error> {
    let Some(last) = sequence.checked_sub(1) else { return Ok(0) };
    let mut found = 0;
    source.batch_of(last, &mut |batch| {
        let row = usize::try_from(sequence - batch.first_seq()).unwrap_or(usize::MAX);
        found = batch.customers_before_row(row)?;
        Ok(true)
    })?;
    Ok(found)
}
