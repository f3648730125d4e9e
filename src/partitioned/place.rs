//! Where partitions are: `partitions/00000`, `partitions/00001`, … in the directory of the log.
//!
//! They are made in `partitions.new`, which is renamed when all of them are whole: where there is
//! one partition, there are all. The segments tell which partition they are of.

use std::io;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::log::{Env, Paths, make_dirs, names};
use crate::partition::Partition;
use crate::planted::planted;
use crate::store::{Options, Store};

const NEW: &str = "partitions.new";

/// The directory of a partition.
fn place(dir: &Path, number: u16) -> PathBuf {
    dir.join(format!("{number:05}"))
}

/// All partitions of the log in `dir`, in order; none if it is not partitioned.
pub(super) fn open(env: &Env, dir: &Path, options: &Options) -> Result<Option<Vec<Store>>, Error> {
    let dir = Paths::of(dir).partitions;
    let names = names(&*env.disk, &dir)?;
    // Hidden names are somebody else's.
    let names: Vec<_> = names.iter().filter(|name| !name.starts_with('.')).collect();
    let numbers = names.iter().map(|name| number(&dir, name)).collect::<Result<Vec<_>, _>>()?;
    let open = |number: u16, partition: Option<Partition>| {
        let options = Options { partition, ..options.clone() };
        Store::open_in(env.clone(), place(&dir, number), options)
    };
    let opened = numbers.iter().map(|number| open(*number, None));
    let mut stores = opened.collect::<Result<Vec<_>, _>>()?;
    let Some(of) = stores.iter().map(|store| store.partition().of()).max() else { return Ok(None) };
    for number in 0..of.get() {
        let here = Partition::new(number, of.get())?;
        let at = numbers.binary_search(&number).ok();
        let Some(store) = at.and_then(|at| stores.get_mut(at)).filter(|store| store.exists())
        else {
            let reason = format!(
                "partition {here} is not in {}: bring it back, or restore it from its backup",
                dir.display()
            );
            return Err(Error::Options { reason });
        };
        // One whose first segment is damaged does not tell which it is, and is read as far as that goes.
        if store.partition() != here {
            *store = open(number, Some(here))?;
        }
    }
    Ok(Some(stores))
}

/// The number that a partition's directory is named by.
fn number(dir: &Path, name: &str) -> Result<u16, Error> {
    let number = name.parse().ok().filter(|number| place(dir, *number).ends_with(name));
    number.ok_or_else(|| {
        let reason = format!("{} is no partition: move it elsewhere", dir.join(name).display());
        Error::Options { reason }
    })
}

/// The same, made if there are none.
pub(super) fn create(
    env: &Env,
    dir: &Path,
    of: NonZeroU16,
    options: &Options,
) -> Result<Vec<Store>, Error> {
    let refuse = |reason: String| Err(Error::Options { reason });
    if let Some(stores) = open(env, dir, options)? {
        let there = stores.first().map_or(of, |store| store.partition().of());
        if there != of {
            return refuse(format!(
                "the log in {} has {there} partitions, not {of}: to change that, append its export \
                 to a new one",
                dir.display()
            ));
        }
        return Ok(stores);
    }
    let whole = Store::open_in(env.clone(), dir.to_path_buf(), options.clone())?;
    if whole.exists() {
        return refuse(match whole.partition() {
            Partition::WHOLE => format!(
                "the log in {} has no partitions: to give it some, append its export to a new one",
                dir.display()
            ),
            part => format!("the log in {} is itself a partition, {part}", dir.display()),
        });
    }
    let new = dir.join(NEW);
    let made = make(env, &new, of, options)?;
    let there = Paths::of(dir).partitions;
    match env.disk.rename(&new, &there) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            return refuse(format!(
                "another process made partitions in {} meanwhile, and nothing was written: repeat \
                 the command",
                dir.display()
            ));
        }
        Err(error) => return Err(Error::io("rename to its final name", &new)(error)),
    }
    // Their locks were held until here. Their new name is durable before anything is in them.
    drop(made);
    let stores = open(env, dir, options)?;
    stores.ok_or(Error::Missing { path: there })
}

/// Makes durable where the partitions of the log in `dir` are: whoever renamed them may not have lived
/// to do so.
pub(super) fn sync(env: &Env, dir: &Path) -> Result<(), Error> {
    if planted("partitions whose name nobody synced") {
        return Ok(());
    }
    env.disk.sync_dir(dir).map_err(Error::io("sync the directory", dir))
}

/// Empty logs, each durable.
fn make(env: &Env, new: &Path, of: NonZeroU16, options: &Options) -> Result<Vec<Store>, Error> {
    make_dirs(&*env.disk, new)?;
    let mut made = Vec::new();
    for number in 0..of.get() {
        let partition = Some(Partition::new(number, of.get())?);
        let options = Options { partition, ..options.clone() };
        let store = Store::open_in(env.clone(), place(new, number), options);
        let store = store.and_then(|mut store| store.append([]).map(|_| store));
        made.push(store.map_err(|error| unlike(error, new))?);
    }
    Ok(made)
}

/// What an earlier command left that was cut short may not be what is made now.
fn unlike(error: Error, new: &Path) -> Error {
    let Error::Options { reason } = error else { return error };
    Error::Options {
        reason: format!(
            "{reason}. An earlier command was cut short while it made partitions, and no event was in \
             them: remove {}",
            new.display()
        ),
    }
}
