//! Bytes that recovery is about to cut off, kept for whoever wants to look at them. Never deleted
//! by this crate.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, File, write_full};
use super::paths::{Paths, TMP, make_dirs};
use super::scan::{Source, Window};
use crate::error::Error;
use crate::planted::planted;

const CHUNK_BYTES: u64 = 256 << 10;

/// Copies `bytes` bytes at `offset` of a segment to a file of its own, durable before this
/// returns. The name is made of place and content, so that a second try finds the first one's.
pub(crate) fn keep(
    disk: &dyn Disk,
    paths: &Paths,
    first_seq: u64,
    window: &mut Window<'_>,
    offset: u64,
    bytes: u64,
) -> Result<PathBuf, Error> {
    let dir = &paths.quarantine;
    if planted("cut without quarantine") {
        return Ok(dir.clone());
    }
    make_dirs(disk, dir)?;
    let mut hasher = crc32fast::Hasher::new();
    chunks(window, offset, bytes, |_, chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    let path = dir.join(format!("{first_seq:020}-{offset}-{:08x}.torn", hasher.finalize()));
    put_file(disk, &path, &mut |file| {
        chunks(window, offset, bytes, |at, chunk| {
            write_full(file, chunk, at - offset).map_err(Error::io("write", &path))
        })
    })?;
    Ok(path)
}

/// Fills a file under another name, syncs it, and gives it its name, in place of what had it.
pub(crate) fn put_file(disk: &dyn Disk, path: &Path, fill: Fill<'_>) -> Result<(), Error> {
    let tmp = put_beside(disk, path, fill)?;
    if let Err(error) = disk.rename(&tmp, path) {
        disk.remove(&tmp).ok();
        return Err(Error::io("rename", &tmp)(error));
    }
    let dir = path.parent().unwrap_or(path);
    disk.sync_dir(dir).map_err(Error::io("sync the directory", dir))
}

/// Fills a file.
pub(crate) type Fill<'a> = &'a mut dyn FnMut(&dyn File) -> Result<(), Error>;

/// Fills and syncs the file that is to be renamed to `path`; gives the name that it has.
pub(crate) fn put_beside(disk: &dyn Disk, path: &Path, fill: Fill<'_>) -> Result<PathBuf, Error> {
    let mut tmp = path.to_path_buf().into_os_string();
    tmp.push(TMP);
    let tmp = PathBuf::from(tmp);
    match disk.remove(&tmp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &tmp)(error));
        }
        _ => {}
    }
    let file = disk.open(&tmp, Access::Create).map_err(Error::io("create", &tmp))?;
    let filled = fill(&*file).and_then(|()| {
        if planted("quarantine not synced") {
            return Ok(());
        }
        file.sync().map_err(Error::io("sync", &tmp))
    });
    if filled.is_err() {
        // The next try would remove it too, but a full disk needs the room.
        disk.remove(&tmp).ok();
    }
    filled.map(|()| tmp)
}

/// Gives the bytes piece by piece, with their offsets.
pub(crate) fn chunks(
    window: &mut Window<'_>,
    offset: u64,
    bytes: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let end = offset + bytes;
    let mut at = offset;
    while at < end {
        let length = usize::try_from((end - at).min(CHUNK_BYTES)).expect("at most a chunk");
        let path = window.path().to_path_buf();
        let chunk = window.get(at, length)?;
        let chunk =
            chunk.ok_or_else(|| Error::io("read", &path)(io::ErrorKind::UnexpectedEof.into()))?;
        each(at, chunk)?;
        at += length as u64;
    }
    Ok(())
}
