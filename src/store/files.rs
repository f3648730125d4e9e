//! Whole small files of derived data: mapped to read, replaced in one step to write.

use std::io;
use std::path::Path;

use crate::Error;
use crate::log::{Access, Env, Map, write_full};
use crate::planted::planted;

/// Maps a file; `None` where there is none. A directory of its name is a file without bytes, so
/// that it is told, passed over and moved away as any file that is none of ours.
pub(super) fn map(env: &Env, path: &Path) -> Result<Option<Map>, Error> {
    let file = match env.disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Ok(Some(Map::owned(Vec::new())));
        }
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let size = file.size().map_err(Error::io("read the size of", path))?;
    file.map(size).map(Some).map_err(Error::io("map", path))
}

/// Puts `bytes` under a name, in place of what was there: written beside it, synced, renamed.
/// A crash leaves the old file or the new one, and perhaps a `*.tmp`.
pub(super) fn replace(env: &Env, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (Some(dir), temporary) = (path.parent(), path.with_extension("tmp")) else {
        return Ok(());
    };
    env.disk.make_dir(dir).map_err(Error::io("make the directory", dir))?;
    let sync_dir = || env.disk.sync_dir(dir).map_err(Error::io("sync the directory", dir));
    match env.disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let written = write(env, &temporary, bytes).and_then(|()| {
        // Else a power cut could keep the rename, and of its first name what had it before.
        if planted("renamed before its name is durable") { Ok(()) } else { sync_dir() }
    });
    let renamed = written.and_then(|()| {
        let renamed = env.disk.rename(&temporary, path);
        renamed.map_err(Error::io("rename a new file to", path))
    });
    if let Err(error) = renamed {
        // On a full disk the rest of it would take the room that the log needs.
        drop(env.disk.remove(&temporary));
        return Err(error);
    }
    sync_dir()
}

fn write(env: &Env, temporary: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = env.disk.open(temporary, Access::Create).map_err(Error::io("create", temporary))?;
    write_full(&*file, bytes, 0).map_err(Error::io("write", temporary))?;
    file.sync().map_err(Error::io("sync", temporary))
}

/// Removes what writers that were killed have left half written in a directory of derived files.
/// What cannot be removed takes room and does no harm.
pub(super) fn remove_temporary(env: &Env, dir: &Path) {
    let names = env.disk.list(dir).unwrap_or_default();
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        drop(env.disk.remove(&dir.join(name)));
    }
}
