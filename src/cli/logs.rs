//! Which logs a command reads: one, or all partitions of one.

use std::path::Path;

use super::args::{NewLogArgs, Shared};
use super::failure::Failure;
use super::options;
use super::out::say;
use super::table::counted;
use crate::{Customer, Error, Partition, Partitions, Question, Span, Store, Top};

const AS_IS: NewLogArgs = NewLogArgs { currency: None, time_range: None };

/// What `--log` names, which must be there.
pub(crate) enum Logs {
    /// A log.
    One(Box<Store>),
    /// All partitions of one: of a directory that has them, or named one by one.
    Parts(Partitions),
}

impl Logs {
    /// The logs, which must agree with what was asked for, for an answer that is put together.
    pub(crate) fn existing(shared: &Shared, new: &NewLogArgs) -> Result<Logs, Failure> {
        let logs = Logs::open(shared, new)?;
        if let Logs::One(store) = &logs {
            note_part(store.partition());
        }
        Ok(logs)
    }

    /// The same, whatever they are.
    pub(crate) fn existing_as_is(shared: &Shared) -> Result<Logs, Failure> {
        Logs::existing(shared, &AS_IS)
    }

    /// The same, for what is done with each by itself.
    pub(crate) fn each_as_is(shared: &Shared) -> Result<Logs, Failure> {
        Logs::open(shared, &AS_IS)
    }

    fn open(shared: &Shared, new: &NewLogArgs) -> Result<Logs, Failure> {
        let options = options(shared, new);
        let existing = |dir: &Path| -> Result<Store, Failure> {
            let store = Store::open(dir, options.clone())?;
            let missing = || Error::Missing { path: dir.to_path_buf() };
            if store.exists() { Ok(store) } else { Err(missing().into()) }
        };
        let [dir] = &*shared.log else {
            let stores = shared.log.iter().map(|dir| match Partitions::open(dir, &options)? {
                Some(parts) => Err(Failure::Other(format!(
                    "the log in {} has {}, and stands beside others: name it alone, or each of its \
                     partitions",
                    dir.display(),
                    counted(parts.count().get().into(), "partition")
                ))),
                None => existing(dir),
            });
            return Ok(Logs::Parts(Partitions::of(stores.collect::<Result<_, _>>()?)?));
        };
        match Partitions::open(dir, &options)? {
            Some(parts) => Ok(Logs::Parts(parts)),
            None => Ok(Logs::One(Box::new(existing(dir)?))),
        }
    }

    /// Each of them.
    pub(crate) fn stores(&self) -> &[Store] {
        match self {
            Logs::One(store) => std::slice::from_ref(store),
            Logs::Parts(parts) => parts.stores(),
        }
    }

    /// The one currency of all.
    pub(crate) fn currency(&self) -> [u8; 3] {
        self.stores().first().map_or(*b"USD", |store| store.rules().currency)
    }

    /// How many events they have together.
    pub(crate) fn end(&self) -> Result<u64, Error> {
        self.stores().iter().map(Store::end).sum()
    }

    pub(crate) fn top(&self, x: usize, question: &Question) -> Result<Top, Error> {
        match self {
            Logs::One(store) => store.top(x, question),
            Logs::Parts(parts) => parts.top(x, question),
        }
    }

    pub(crate) fn stats(
        &self,
        ids: &[String],
        question: &Question,
    ) -> Result<(Option<Span>, Vec<Option<Customer>>), Error> {
        match self {
            Logs::One(store) => store.stats(ids, question),
            Logs::Parts(parts) => parts.stats(ids, question),
        }
    }
}

/// Says that an answer is of one partition, if it is.
pub(crate) fn note_part(partition: Partition) {
    if partition != Partition::WHOLE {
        say::note(&format!(
            "this is partition {partition} alone: an answer is of its customers, and not of all"
        ));
    }
}

/// The directory of a command that works on one log.
pub(crate) fn one(shared: &Shared) -> Result<&Path, Failure> {
    let [dir] = &*shared.log else {
        let reason = "this command is about one log, and several were named".to_owned();
        return Err(Failure::Usage(reason));
    };
    if let Some(parts) = Partitions::open(dir, &options(shared, &AS_IS))? {
        return Err(of_one(dir, &parts));
    }
    Ok(dir)
}

/// A partitioned log was named where one log is meant.
fn of_one(dir: &Path, parts: &Partitions) -> Failure {
    Failure::Other(format!(
        "the log in {0} has {1}, and one log is meant: name one of them, as in \
         --log {0}/partitions/00000",
        dir.display(),
        counted(parts.count().get().into(), "partition")
    ))
}
