//! Carrying out a repair. First everything that is about to leave the log is durable in
//! quarantine, then the log changes; what proves that it was longer goes last.
//!
//! The damaged segment is cut before any other is moved: as long as one of those is there, no seal
//! leads to it, and the log is refused as before. Head goes last of all. So a crash leaves a log that is
//! still damaged, or one that is whole.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::log::disk::{Access, write_full};
use crate::log::paths::{Paths, make_dirs};
use crate::log::quarantine::{chunks, put_file};
use crate::log::roll::sync_dir;
use crate::log::scan::Window;
use crate::log::segment::SegmentHeader;
use crate::log::{Env, LogMeta};

use super::Cut;

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

    /// Copies what will be cut off; durable when it returns.
    pub(crate) fn keep_tails(&self) -> Result<(), Error> {
        let disk = &*self.env.disk;
        make_dirs(disk, &Paths::of(self.dir).quarantine)?;
        make_dirs(disk, self.into)?;
        for cut in self.cuts {
            let file = disk.open(&cut.path, Access::Read).map_err(Error::io("open", &cut.path))?;
            let mut window = Window::new(&*file, &cut.path, cut.size);
            let place = Steps::place(self.dir, self.into, &cut.path, Some(cut.offset));
            put_file(disk, &place, &mut |to| {
                chunks(&mut window, cut.offset, cut.size - cut.offset, |at, bytes| {
                    write_full(to, bytes, at - cut.offset).map_err(Error::io("write", &place))
                })
            })?;
        }
        Ok(())
    }

    /// Cuts and moves. Everything that leaves is in quarantine by then, or goes there whole.
    pub(crate) fn change(&self) -> Result<(), Error> {
        let (disk, paths) = (&*self.env.disk, Paths::of(self.dir));
        for cut in self.cuts.iter().filter(|cut| cut.offset > 0) {
            let file = disk.open(&cut.path, Access::Write).map_err(Error::io("open", &cut.path))?;
            file.truncate(cut.offset).map_err(Error::io("cut", &cut.path))?;
            file.sync().map_err(Error::io("sync", &cut.path))?;
        }
        if let Some(meta) = self.fresh {
            make_dirs(disk, &paths.segments)?;
            let salt = (self.env.random_u64)().max(1);
            let meta = meta.clone();
            let header = SegmentHeader { meta, generation: 0, first_seq: 0, salt, chain_in: 0 };
            let path = paths.segment(0);
            put_file(disk, &path, &mut |file| {
                write_full(file, &header.encode(), 0).map_err(Error::io("write", &path))
            })?;
        }
        // The newest first; those of one directory are durably gone before the next one's go.
        let mut dir: Option<&Path> = None;
        for path in self.moved {
            if dir.is_some() && dir != path.parent() {
                self.sync_moves(dir)?;
            }
            dir = path.parent();
            let place = Steps::place(self.dir, self.into, path, None);
            disk.rename(path, &place).map_err(Error::io("move", path))?;
        }
        self.sync_moves(dir)
    }

    fn sync_moves(&self, from: Option<&Path>) -> Result<(), Error> {
        let Some(from) = from else { return Ok(()) };
        sync_dir(self.env, self.into)?;
        sync_dir(self.env, from)
    }
}
