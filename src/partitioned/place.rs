//! Where partitions are: `partitions/00000`, `partitions/00001`, … in the directory of the log.
//!
//! They are made in `partitions.new`, which is renamed when all of them are whole: where there is
//! one partition, there are all. The segments tell which partition they are of.

use std::io;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::log::{Among, Env, Paths, built, lock_dir, make_dirs, names};
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
    let log = dir;
    let dir = Paths::of(log).partitions;
    let names = names(&*env.disk, &dir)?;
    // Hidden names are somebody else's.
    let names = names.iter().filter(|name| !name.starts_with('.'));
    let (mut numbers, mut coming, mut strangers) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match (number(name), built(name).and_then(number)) {
            (Some(number), _) => numbers.push(number),
            (None, Some(number)) => coming.push(number),
            (None, None) => strangers.push(&**name),
        }
    }
    refuse_strangers(&dir, &strangers)?;
    let open = |number: u16, partition: Option<Partition>| {
        let options = Options { partition, ..options.clone() };
        Store::open_in(env.clone(), place(&dir, number), options)
    };
    let opened = numbers.iter().map(|number| open(*number, None));
    let mut stores = opened.collect::<Result<Vec<_>, _>>()?;
    let Some(of) = stores.iter().map(|store| store.partition().of()).max() else { return Ok(None) };
    refuse_whole(env, log)?;
    // Where all first segments are damaged, nothing tells but how many there are.
    let of = if of > NonZeroU16::MIN { of } else { count(&numbers) };
    if let Some(number) = numbers.iter().find(|number| **number >= of.get()) {
        let place = place(&dir, *number);
        let reason =
            format!("{} is one too many for {of} partitions: move it elsewhere", place.display());
        return Err(Error::Options { reason });
    }
    for number in 0..of.get() {
        let here = Partition::new(number, of.get())?;
        let at = numbers.binary_search(&number).ok();
        let Some(store) = at.and_then(|at| stores.get_mut(at)).filter(|store| store.exists())
        else {
            let what = match coming.contains(&number) {
                true => "its restore is under way, or was cut off: wait for it, or repeat it",
                false => "bring it back, or restore it from its backup",
            };
            let reason = format!("partition {here} is not in {}: {what}", dir.display());
            return Err(Error::Options { reason });
        };
        // One whose first segment is damaged does not tell which it is, and is read as far as that goes.
        if store.partition() != here {
            *store = open(number, Some(here))?;
        }
    }
    Ok(Some(stores))
}

fn count(numbers: &[u16]) -> NonZeroU16 {
    u16::try_from(numbers.len()).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN)
}

/// The number that a partition's directory is named by.
fn number(name: &str) -> Option<u16> {
    name.parse().ok().filter(|number| place(Path::new(""), *number).as_os_str() == name)
}

/// Refuses what is in `partitions` beside them.
fn refuse_strangers(dir: &Path, names: &[&str]) -> Result<(), Error> {
    let dir = dir.display();
    let reason = match names {
        [] => return Ok(()),
        [name] => format!("{name} in {dir} is no partition: move it elsewhere"),
        names if names.contains(&"segments") => format!(
            "a log lies in {dir}, beside the partitions: move what it consists of, {}, to a directory of \
             its own",
            names.join(", ")
        ),
        names => format!("{} in {dir} are no partitions: move them elsewhere", names.join(", ")),
    };
    Err(Error::Options { reason })
}

/// Refuses a log that lies beside the directory of its partitions.
fn refuse_whole(env: &Env, log: &Path) -> Result<(), Error> {
    if !Store::open_in(env.clone(), log.to_path_buf(), Options::default())?.exists() {
        return Ok(());
    }
    let reason = format!(
        "{0} has both a log of its own and partitions of one, in {0}/partitions: move one of the two \
         elsewhere",
        log.display()
    );
    Err(Error::Options { reason })
}

/// The same, made if there are none.
pub(super) fn create(
    env: &Env,
    dir: &Path,
    of: NonZeroU16,
    options: &Options,
) -> Result<Vec<Store>, Error> {
    if let Some(stores) = there(env, dir, of, options)? {
        return Ok(stores);
    }
    // Nobody makes a log of either kind there meanwhile; who did before is seen now.
    let _alone = lock_dir(env, dir)?;
    if let Some(stores) = there(env, dir, of, options)? {
        return Ok(stores);
    }
    let new = dir.join(NEW);
    let made = make(env, &new, of, options)?;
    let made_in = Paths::of(dir).partitions;
    match env.disk.rename(&new, &made_in) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            // Who makes a single one of them locks that one alone.
            if let Some(stores) = there(env, dir, of, options)? {
                return Ok(stores);
            }
            let reason = format!(
                "{} is not empty, and holds no partitions: move what is in it elsewhere",
                made_in.display()
            );
            return Err(Error::Options { reason });
        }
        Err(error) => return Err(Error::io("rename to its final name", &new)(error)),
    }
    // Their locks were held until here. Their new name is durable before anything is in them.
    drop(made);
    let stores = open(env, dir, options)?;
    stores.ok_or(Error::Missing { path: made_in })
}

/// Somebody else made them, for other events than those that were to be read.
pub(super) fn made_meanwhile(dir: &Path) -> Error {
    let reason = format!(
        "another process made the log in {} meanwhile, with another currency or time range, and nothing \
         was written: repeat the command",
        dir.display()
    );
    Error::Options { reason }
}

/// All partitions of a log that is not there yet.
pub(super) fn planned(
    env: &Env,
    dir: &Path,
    of: NonZeroU16,
    options: &Options,
) -> Result<Vec<Store>, Error> {
    let dir = Paths::of(dir).partitions;
    let planned = (0..of.get()).map(|number| {
        let partition = Some(Partition::new(number, of.get())?);
        Store::open_in(env.clone(), place(&dir, number), Options { partition, ..options.clone() })
    });
    planned.collect()
}

/// The partitions that are there, if they are so many; none if there is no log of either kind.
pub(super) fn there(
    env: &Env,
    dir: &Path,
    of: NonZeroU16,
    options: &Options,
) -> Result<Option<Vec<Store>>, Error> {
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
        return Ok(Some(stores));
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
    Among::find(&*env.disk, dir)?.map_or(Ok(None), |among| among.refuse(dir))
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
