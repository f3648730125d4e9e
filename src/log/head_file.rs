//! The head's file: read whole, written slot by slot.

use std::io;

use super::Env;
use super::disk::{Access, Disk, File, read_full, write_full};
use super::head::{HEAD_BYTES, Head, HeadFile};
use super::paths::Paths;
use crate::error::Error;
use crate::planted::planted;

/// How long a published head may stay unsynced while the writer goes on.
const SYNC_AFTER_US: i64 = 1_000_000;

/// Reads the head's bytes; `None` if there is no file.
pub(crate) fn read(disk: &dyn Disk, paths: &Paths) -> Result<Option<Vec<u8>>, Error> {
    let path = &paths.head;
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if planted("head that cannot be read taken for none") => return Ok(None),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    // One byte more than there should be shows a file that is too long.
    let mut bytes = vec![0; HEAD_BYTES + 1];
    let count = read_full(&*file, &mut bytes, 0).map_err(Error::io("read", path))?;
    bytes.truncate(count);
    Ok(Some(bytes))
}

/// The head's file in the hands of the writer.
#[derive(Debug)]
pub(crate) struct HeadWriter {
    file: Box<dyn File>,
    published: Head,
    /// When the oldest publication was that is not on the disk.
    unsynced_since_us: Option<i64>,
}

impl HeadWriter {
    /// Publishes `head`, whose counter is set here: in the file that is there, or, where there is
    /// none or it is not sound, in a new one.
    pub(crate) fn open(
        env: &Env,
        paths: &Paths,
        found: Option<&HeadFile>,
        head: Head,
    ) -> Result<HeadWriter, Error> {
        let counter = found.and_then(|file| file.head).map_or(0, |head| head.counter);
        let published = Head { counter, ..head };
        if found.is_some_and(|file| file.fault.is_none()) {
            let file = env
                .disk
                .open(&paths.head, Access::Write)
                .map_err(Error::io("open", &paths.head))?;
            let mut writer = HeadWriter { file, published, unsynced_since_us: None };
            writer.publish(env, paths, head)?;
            return Ok(writer);
        }
        let tmp = paths.head_tmp();
        let file = env.disk.open(&tmp, Access::Create).map_err(Error::io("create", &tmp))?;
        write_full(&*file, &[0; HEAD_BYTES], 0).map_err(Error::io("write", &tmp))?;
        let mut writer = HeadWriter { file, published, unsynced_since_us: None };
        writer.publish(env, paths, head)?;
        writer.sync(paths)?;
        env.disk.rename(&tmp, &paths.head).map_err(Error::io("rename", &tmp))?;
        env.disk.sync_dir(&paths.dir).map_err(Error::io("sync the directory", &paths.dir))?;
        Ok(writer)
    }

    /// Writes the next slot, for readers. It is not synced by this.
    pub(crate) fn publish(&mut self, env: &Env, paths: &Paths, head: Head) -> Result<(), Error> {
        let counter = self.published.counter.saturating_add(1);
        self.published = Head { counter, ..head };
        let (bytes, offset) = self.published.encode();
        write_full(&*self.file, &bytes, offset).map_err(Error::io("write", &paths.head))?;
        self.unsynced_since_us.get_or_insert_with(&*env.now_us);
        Ok(())
    }

    /// Whether what was published has been unsynced for long; a clock that jumps back says yes.
    pub(crate) fn is_due(&self, env: &Env) -> bool {
        self.unsynced_since_us.is_some_and(|since| {
            let waited = (env.now_us)().checked_sub(since);
            waited.is_none_or(|waited| !(0..SYNC_AFTER_US).contains(&waited))
        })
    }

    /// Forces what was published to the disk.
    pub(crate) fn sync(&mut self, paths: &Paths) -> Result<(), Error> {
        if self.unsynced_since_us.is_some() {
            self.file.sync().map_err(Error::io("sync", &paths.head))?;
            self.unsynced_since_us = None;
        }
        Ok(())
    }
}
