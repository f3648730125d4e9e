//! Carrying out a repair. First everything that is about to leave the log is durable in
//! quarantine, then the log changes; what proves that it was longer goes last.
//!
//! The damaged segment is cut before any other is removed: as long as one of those is there, no
//! seal leads to it, and the log is refused as before. Head goes last of all. So a crash leaves a
//! log that is still damaged, or one that is whole.
//!
//! A segment is cut by putting a shorter file in its place: who has the old one mapped keeps it.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::log::disk::{Access, Disk, write_full};
use crate::log::paths::{Paths, make_dirs};
use crate::log::quarantine::{Fill, chunks, put_beside, put_file};
use crate::log::roll::sync_dir;
use crate::log::scan::Window;
use crate::log::segment::SegmentHeader;
use crate::log::{Env, LogMeta};
use crate::planted::planted;

use super::Cut;

/// A way to put a file somewhere.
type Put<T> = fn(&dyn Disk, &Path, Fill<'_>) -> Result<T, Error>;

/// What is to be done, in this order.
pub(crate) struct Steps<'a> {
    pub(crate) env: &'a Env,
    pub(crate) dir: &'a Path,
    /// The directory inside `quarantine/` that takes everything.
    pub(crate) into: &'a Path,
    pub(crate) cuts: &'a [Cut],
    /// The log of which an empty first segment is made.
    pub(crate) fresh: Option<&'a LogMeta>,
    /// Files that leave the log.
    pub(crate) moved: &'a [PathBuf],
}

impl Steps<'_> {
    /// Where a file goes that is moved, or, with an offset, the tail of one that is cut.
    pub(crate) fn place(dir: &Path, into: &Path, path: &Path, tail: Option<u64>) -> PathBuf {
        let name = path.strip_prefix(dir).unwrap_or(path).to_string_lossy().replace('/', "-");
        into.join(tail.map_or_else(|| name.clone(), |offset| format!("{name}.{offset}.tail")))
    }

    /// Puts into quarantine all that will leave the log; durable when it returns.
    pub(crate) fn keep(&self) -> Result<(), Error> {
        let disk = &*self.env.disk;
        make_dirs(disk, &Paths::of(self.dir).quarantine)?;
        make_dirs(disk, self.into)?;
        for cut in self.cuts {
            let place = Steps::place(self.dir, self.into, &cut.path, Some(cut.offset));
            self.copy(&cut.path, cut.offset..cut.size, &place, put_file)?;
        }
        for path in self.moved {
            self.keep_whole(path)?;
        }
        if planted("names in quarantine not synced") {
            return Ok(());
        }
        sync_dir(self.env, self.into)
    }

    /// Gives a file a second name in quarantine, or, where that cannot be, a copy.
    fn keep_whole(&self, path: &Path) -> Result<(), Error> {
        let disk = &*self.env.disk;
        let place = Steps::place(self.dir, self.into, path, None);
        match disk.remove(&place) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("remove", &place)(error));
            }
            // Of a repair that was cut short.
            _ => {}
        }
        if disk.link(path, &place).is_ok() {
            return Ok(());
        }
        let file = match disk.open(path, Access::Read) {
            // A directory of a file's name has nothing of the log in it, and is moved as it is.
            Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(()),
            opened => opened.map_err(Error::io("open", path))?,
        };
        let size = file.size().map_err(Error::io("read the length of", path))?;
        self.copy(path, 0..size, &place, put_file)
    }

    fn copy<T>(
        &self,
        path: &Path,
        bytes: Range<u64>,
        place: &Path,
        put: Put<T>,
    ) -> Result<T, Error> {
        let disk = &*self.env.disk;
        let file = disk.open(path, Access::Read).map_err(Error::io("open", path))?;
        let mut window = Window::new(&*file, path, bytes.end);
        put(disk, place, &mut |to| {
            chunks(&mut window, bytes.start, bytes.end - bytes.start, |at, piece| {
                write_full(to, piece, at - bytes.start).map_err(Error::io("write", place))
            })
        })
    }

    /// Cuts, and removes what is in quarantine.
    pub(crate) fn change(&self) -> Result<(), Error> {
        if planted("moved before cut") {
            self.remove()?;
            return self.cut();
        }
        self.cut()?;
        self.remove()
    }

    /// Puts what is kept of the segments in their place, once there was room for all of it.
    fn cut(&self) -> Result<(), Error> {
        let (disk, paths) = (&*self.env.disk, Paths::of(self.dir));
        let mut beside = Vec::new();
        let written = self.write_beside(&mut beside);
        if written.is_err() {
            beside.iter().for_each(|(tmp, _)| drop(disk.remove(tmp)));
        }
        written?;
        for cut in self.cuts.iter().filter(|_| planted("cut in place")) {
            let file = disk.open(&cut.path, Access::Write).map_err(Error::io("open", &cut.path))?;
            file.truncate(cut.offset).map_err(Error::io("cut", &cut.path))?;
        }
        for (tmp, path) in &beside {
            disk.rename(tmp, path).map_err(Error::io("rename", tmp))?;
        }
        if beside.is_empty() { Ok(()) } else { sync_dir(self.env, &paths.segments) }
    }

    fn write_beside(&self, beside: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), Error> {
        let (disk, paths) = (&*self.env.disk, Paths::of(self.dir));
        for cut in self.cuts.iter().filter(|cut| cut.offset > 0) {
            let tmp = self.copy(&cut.path, 0..cut.offset, &cut.path, put_beside)?;
            beside.push((tmp, cut.path.clone()));
        }
        let Some(meta) = self.fresh else { return Ok(()) };
        make_dirs(disk, &paths.segments)?;
        let salt = (self.env.random_u64)().max(1);
        let meta = meta.clone();
        let header =
            SegmentHeader { meta, compatible: 0, generation: 0, first_seq: 0, salt, chain_in: 0 };
        let path = paths.segment(0);
        let tmp = put_beside(disk, &path, &mut |file| {
            write_full(file, &header.encode(), 0).map_err(Error::io("write", &path))
        })?;
        beside.push((tmp, path));
        Ok(())
    }

    /// Removes what is moved, the newest first; the files of one directory are durably gone before
    /// those of the next one go.
    fn remove(&self) -> Result<(), Error> {
        let mut dir: Option<&Path> = None;
        for path in self.moved {
            if dir != path.parent() && !planted("removals not synced") {
                dir.map_or(Ok(()), |dir| sync_dir(self.env, dir))?;
            }
            dir = path.parent();
            match self.env.disk.remove(path) {
                Err(error) if error.kind() == ErrorKind::IsADirectory => {
                    let place = Steps::place(self.dir, self.into, path, None);
                    self.env.disk.rename(path, &place).map_err(Error::io("move", path))?;
                }
                done => done.map_err(Error::io("remove", path))?,
            }
        }
        dir.map_or(Ok(()), |dir| sync_dir(self.env, dir))
    }
}
