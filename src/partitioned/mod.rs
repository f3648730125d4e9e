//! A partitioned log: several logs, each with the customers of one partition, asked and fed as one.
//!
//! Customers are independent of each other, so that every answer is put together from those of the
//! partitions exactly: counts and digests add, and the top X of the whole is among the top X of the
//! parts once all are measured over the frame of the whole. Two things reach across partitions, and
//! neither goes unnoticed: an ORDER UPDATE that gives an order to a customer of another partition
//! meets no order there and is rejected as `unknown_order`; and a key that is used in two partitions,
//! which neither can know, is found by [`Partitions::shared_keys`].

mod call;
mod keys;
mod merge;
mod place;
#[cfg(test)]
mod tests;

pub use call::PartitionedCall;
pub use keys::SharedKeys;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::event::Rules;
use crate::log::Env;
use crate::store::{Customer, Options, Question, Span, Store, Top};

/// All partitions of a log, in order of their numbers.
pub struct Partitions {
    stores: Vec<Store>,
    of: NonZeroU16,
    /// The directory that they are all in, if they are.
    place: Option<(Env, PathBuf)>,
    /// How they are made there, as long as they are not.
    unmade: Option<Options>,
}

impl Partitions {
    /// Opens the partitioned log in `dir`; none if there is no partitioned log.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; [`Error::Options`] for a partition that is not there, or what is none.
    pub fn open(dir: impl AsRef<Path>, options: &Options) -> Result<Option<Partitions>, Error> {
        Partitions::open_in(&Env::real(options.allow_remote), dir.as_ref(), options)
    }

    /// Makes a partitioned log in `dir`, whole or not at all, or opens the one that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if there is a log of another number of partitions, or one that has none;
    /// as [`Store::call`] of each partition.
    pub fn create(
        dir: impl AsRef<Path>,
        of: NonZeroU16,
        options: &Options,
    ) -> Result<Partitions, Error> {
        Partitions::create_in(&Env::real(options.allow_remote), dir.as_ref(), of, options)
    }

    /// The partitioned log in `dir`. If there is none, the first call makes it, whole or not at all; a
    /// strict one when it is finished, if it has something to write.
    ///
    /// # Errors
    ///
    /// As [`Store::open`] of each partition; [`Error::Options`] if there is a log of another number of
    /// partitions, or one that has none.
    pub fn plan(
        dir: impl AsRef<Path>,
        of: NonZeroU16,
        options: &Options,
    ) -> Result<Partitions, Error> {
        Partitions::plan_in(&Env::real(options.allow_remote), dir.as_ref(), of, options)
    }

    fn plan_in(
        env: &Env,
        dir: &Path,
        of: NonZeroU16,
        options: &Options,
    ) -> Result<Partitions, Error> {
        let (stores, unmade) = match place::there(env, dir, of, options)? {
            Some(stores) => (stores, None),
            None => (place::planned(env, dir, of, options)?, Some(options.clone())),
        };
        Ok(Partitions { unmade, ..Partitions::of(stores)?.within(env, dir) })
    }

    /// Makes what was only planned, unless a strict call is to; or takes what somebody else made
    /// meanwhile.
    fn make(&mut self, is_strict: bool) -> Result<(), Error> {
        let (Some(options), Some((env, dir))) = (&self.unmade, &self.place) else { return Ok(()) };
        let made = match is_strict {
            true => place::there(env, dir, self.of, options)?,
            false => Some(place::create(env, dir, self.of, options)?),
        };
        let Some(made) = made.map(Partitions::of).transpose()? else { return Ok(()) };
        if made.rules() != self.rules() {
            return Err(place::made_meanwhile(dir));
        }
        (self.stores, self.unmade) = (made.stores, None);
        Ok(())
    }

    fn create_in(
        env: &Env,
        dir: &Path,
        of: NonZeroU16,
        options: &Options,
    ) -> Result<Partitions, Error> {
        Ok(Partitions::of(place::create(env, dir, of, options)?)?.within(env, dir))
    }

    fn open_in(env: &Env, dir: &Path, options: &Options) -> Result<Option<Partitions>, Error> {
        let Some(stores) = place::open(env, dir, options)? else { return Ok(None) };
        Ok(Some(Partitions::of(stores)?.within(env, dir)))
    }

    fn within(self, env: &Env, dir: &Path) -> Partitions {
        Partitions { place: Some((env.clone(), dir.to_path_buf())), ..self }
    }

    /// The partitions that these logs are, in any order.
    ///
    /// # Errors
    ///
    /// As [`Partitions::check_complete`].
    pub fn of(mut stores: Vec<Store>) -> Result<Partitions, Error> {
        let of = Partitions::check_complete(stores.iter().map(|store| {
            let name = store.path().map_or_else(String::new, |dir| dir.display().to_string());
            (store.partition(), store.rules(), name)
        }))?;
        stores.sort_by_key(|store| store.partition().number());
        Ok(Partitions { stores, of, place: None, unmade: None })
    }

    /// The partitions, by number.
    pub fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// How many they are.
    pub fn count(&self) -> NonZeroU16 {
        self.of
    }

    /// What every event must keep to.
    pub fn rules(&self) -> &Rules {
        self.stores.first().expect("there is at least one partition").rules()
    }

    /// How many events all partitions have together.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn end(&self) -> Result<u64, Error> {
        self.stores.iter().map(Store::end).sum()
    }

    /// As [`Store::top`], of all customers.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn top(&self, x: usize, question: &Question) -> Result<Top, Error> {
        let tops = self.stores.iter().map(|store| store.top(x, question));
        Top::merged(tops.collect::<Result<_, _>>()?, x, question)
    }

    /// As [`Store::stats`], each customer out of its partition.
    ///
    /// # Errors
    ///
    /// As [`Store::top`].
    pub fn stats(
        &self,
        ids: &[String],
        question: &Question,
    ) -> Result<(Option<Span>, Vec<Option<Customer>>), Error> {
        let span = self.top(0, question)?.span;
        let mut found = vec![None; ids.len()];
        for store in &self.stores {
            let own = ids.iter().zip(&mut found).filter(|(id, _)| store.partition().has(id));
            let (own, places): (Vec<String>, Vec<_>) =
                own.map(|(id, place)| (id.clone(), place)).unzip();
            if own.is_empty() {
                continue;
            }
            let (_, customers) = store.stats(&own, question)?;
            for (place, customer) in places.into_iter().zip(customers) {
                *place = customer.map(|customer| customer.measured(span, question));
            }
        }
        Ok((span, found))
    }

    /// Closes all partitions.
    ///
    /// # Errors
    ///
    /// As [`Store::close`], of the first that fails; the others are closed, too.
    pub fn close(self) -> Result<(), Error> {
        let closed: Vec<_> = self.stores.into_iter().map(Store::close).collect();
        closed.into_iter().collect()
    }
}
