//! A log out of a backup: built in a directory beside the one it is to have, and put into its
//! place in one step.

use std::io;
use std::path::{Path, PathBuf};

use super::backup::Destination;
use super::catalog::OpenSegment;
use super::copy::{Copies, OnCopying, Origin, SegmentSum};
use super::disk::{Access, Disk};
use super::paths::{Paths, make_dirs, names, parent_of};
use super::segment::parse_segment_name;
use super::{Env, Fault};
use crate::error::Error;

/// The end of the name of a directory in which a log is built.
const BUILDING: &str = ".restore.tmp";

/// Whether a log is built, or was when that was cut off, in a directory of this name; the one that is to be
/// has `name` without its end.
pub(crate) fn built(name: &str) -> Option<&str> {
    name.strip_suffix(BUILDING)
}

/// A log that is being built.
#[derive(Debug)]
pub(crate) struct Building {
    /// Where it is to be.
    dir: PathBuf,
    at: Destination,
}

impl Building {
    /// Begins to build the log that is to be in `dir`, which has nothing in it.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if there is something; [`Error::Locked`] while another process does the
    /// same.
    pub(crate) fn begin(env: &Env, dir: &Path) -> Result<Building, Error> {
        let Some(name) = dir.file_name() else {
            return Err(refused(format!("{} has no name", dir.display())));
        };
        let mut name = name.to_os_string();
        name.push(BUILDING);
        let built = dir.with_file_name(name);
        check_ours(env, &built)?;
        give_way(env, dir)?;
        let building = Building { dir: dir.to_path_buf(), at: Destination::open(env, &built)? };
        building.clear(env)?;
        Ok(building)
    }

    /// The directory in which it is built.
    pub(crate) fn dir(&self) -> &Path {
        &self.at.paths.dir
    }

    /// Empties the directory, in which a process that was killed may have built before.
    fn clear(&self, env: &Env) -> Result<(), Error> {
        let paths = &self.at.paths;
        // Looked at before, and again now that nobody else builds here.
        check_ours(env, &paths.dir)?;
        make_dirs(&*env.disk, &paths.segments)?;
        for name in env.disk.list(&paths.segments).map_err(Error::io("list", &paths.segments))? {
            let path = paths.segments.join(name);
            env.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// Copies the segments of the backup in `from` that `sums` tells; what is copied is what was
    /// summed up, and whole.
    pub(crate) fn copy(
        &self,
        env: &Env,
        from: &Path,
        sums: &[SegmentSum],
        on_copying: OnCopying<'_>,
    ) -> Result<(), Error> {
        let (disk, from) = (&*env.disk, Paths::of(from));
        let bytes = sums.iter().map(|sum| sum.bytes).sum();
        let mut copies = Copies::new(disk, &self.at.paths, bytes, on_copying);
        for sum in sums {
            let copied = copy_one(disk, &mut copies, from.segment(sum.first_seq), sum);
            let before = from.segment_before(sum.first_seq);
            match copied {
                // A backup that was cut off has put a rewritten segment in place of this one.
                Err(Error::Corrupt { .. }) if is_there(disk, &before)? => {
                    copy_one(disk, &mut copies, before, sum)?;
                }
                copied => copied?,
            }
        }
        Ok(())
    }

    /// Gives the log its place. If this fails, it has it or it has not.
    pub(crate) fn finish(&self, env: &Env) -> Result<(), Error> {
        let (dir, parent) = (&self.dir, parent_of(&self.dir));
        env.disk.rename(self.dir(), dir).map_err(Error::io("rename a directory to", dir))?;
        env.disk.sync_dir(parent).map_err(Error::io("sync the directory", parent))
    }

    /// Leaves nothing behind, as far as that can be done.
    pub(crate) fn give_up(&self, env: &Env) {
        let paths = &self.at.paths;
        if self.clear(env).is_ok() && env.disk.remove_dir(&paths.segments).is_ok() {
            env.disk.remove_dir(&paths.dir).ok();
        }
    }
}

/// Copies a segment of a backup, if it is what was summed up.
fn copy_one(
    disk: &dyn Disk,
    copies: &mut Copies<'_>,
    path: PathBuf,
    sum: &SegmentSum,
) -> Result<(), Error> {
    let open = OpenSegment::open_at(disk, path, sum.first_seq, Access::Read)?;
    let path = &open.path;
    if open.size < sum.bytes {
        let fault = Fault::Corrupt("the segment is shorter than when it was backed up");
        return Err(fault.at(path, open.size));
    }
    let header = open.header.as_ref();
    let header = header.ok_or(Fault::Corrupt("the segment's header is gone"));
    let header = header.map_err(|fault| fault.at(path, 0))?;
    let origin = Origin { path, file: Some(&*open.file), header, bytes: sum.bytes };
    copies.copy(&origin, None, &mut |copied, _, _| {
        let fault = Fault::Corrupt("the segment is not what was backed up");
        if copied == sum { Ok(()) } else { Err(fault.at(path, 0)) }
    })?;
    Ok(())
}

fn is_there(disk: &dyn Disk, path: &Path) -> Result<bool, Error> {
    match disk.open(path, Access::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// Refuses a directory with anything in it but what building a log leaves behind: what is there is
/// removed.
fn check_ours(env: &Env, built: &Path) -> Result<(), Error> {
    let paths = Paths::of(built);
    let is_half = |name: &String| parse_segment_name(name.trim_end_matches(".tmp")).is_some();
    let inside = names(&*env.disk, built)?;
    let is_ours = !is_link(env, built)?
        && inside.iter().all(|name| paths.dir.join(name) == paths.segments)
        && (inside.is_empty() || names(&*env.disk, &paths.segments)?.iter().all(is_half));
    if is_ours {
        return Ok(());
    }
    let reason =
        format!("{} is in the way, where the log is to be built: move it away", built.display());
    Err(Error::Options { reason })
}

/// Makes place for the log where an empty directory is.
fn give_way(env: &Env, dir: &Path) -> Result<(), Error> {
    if !names(&*env.disk, dir)?.is_empty() {
        return Err(refused(format!("{} is not empty", dir.display())));
    }
    if is_link(env, dir)? {
        return Err(refused(format!("{} is a link", dir.display())));
    }
    match env.disk.remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Err(refused(format!("{} is in use, perhaps a mount point", dir.display())))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("make place for the log in", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Whether there is something with this name that is only a link to it.
fn is_link(env: &Env, dir: &Path) -> Result<bool, Error> {
    let canonical = |path: &Path| env.disk.canonical(path).map_err(Error::io("find", path));
    let found = match env.disk.canonical(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found.map_err(Error::io("find", dir))?,
    };
    let name = dir.file_name().expect("checked before anything else");
    Ok(found != canonical(parent_of(dir))?.join(name))
}

fn refused(what: String) -> Error {
    Error::Options { reason: format!("{what}: name a directory that is not there yet") }
}
