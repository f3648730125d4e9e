//! Opening a log for append: lock, examine, make good what a crash left, publish, lock the rest.
//!
//! Nothing is changed before all is known to be sound. Every step may be cut by a crash and done
//! again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::active::ActiveSegment;
use super::disk::{Access, File, Lock, write_full};
use super::head::HeadFile;
use super::head_file::{self, HeadWriter};
use super::paths::{Paths, make_dirs, sync_above};
use super::pieces::each_piece;
use super::quarantine;
use super::recovery::{Examination, Examined, Tail};
use super::roll::{create_segment, sync_dir};
use super::scan::{Position, Window};
use super::sealed::SealedSegment;
use super::segment::SegmentHeader;
use super::writer::{Recovered, Writer, head_for};
use super::{BodyReader, Env, LogMeta, LogSettings, Tally};
use crate::error::Error;
use crate::planted::planted;

/// How long a lock is tried, and how often in that time.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE_US: u64 = 5_000;

impl Writer {
    /// Opens the log in `dir` for append, or creates one. `evidence` is a sequence that something
    /// derived proves to have been durable, 0 if there is nothing.
    pub(crate) fn open(
        env: &Env,
        dir: &Path,
        settings: &LogSettings,
        readers: BodyReader,
        evidence: u64,
    ) -> Result<(Writer, Recovered), Error> {
        settings.check()?;
        let paths = Paths::of(dir);
        let dir_lock = lock_dir(env, dir)?;
        paths.refuse_partitioned(&*env.disk)?;
        paths.refuse_remote(&*env.disk)?;
        let head_file = head_file::read(&*env.disk, &paths)?.map(|bytes| HeadFile::decode(&bytes));
        let examination = Examination {
            disk: &*env.disk,
            paths: &paths,
            readers: &readers,
            head: head_file.as_ref(),
            evidence,
            access: Access::Write,
            from_first: true,
            known: &[],
        };
        let found = examination.run()?;
        let mut recovered = Recovered::default();
        let sealed = found.sealed.clone();
        let opened = make_good(env, &paths, settings, found, &mut recovered)?;
        let head = head_for(&opened.segment, &opened.end);
        let mut head_writer = HeadWriter::open(env, &paths, head_file.as_ref(), head)?;
        let segments_lock = lock_retrying(env, &paths.segments)?
            .ok_or_else(|| Error::Locked { path: paths.segments.clone() })?;
        // Published before the lock, because a reader who meets the lock believes head; and after
        // it, because a reader who met no lock looks whether head moved while it read.
        if !planted("head published before the lock alone") {
            head_writer.publish(env, &paths, head)?;
        }
        let writer = Writer {
            env: env.clone(),
            paths,
            readers,
            settings: settings.clone(),
            sealed,
            active: Arc::new(opened.segment),
            end: opened.end,
            written_offset: opened.end.offset,
            pending: Vec::new(),
            synced: opened.end,
            allocated: opened.size,
            tally: opened.tally,
            head: head_writer,
            newly_sealed: Vec::new(),
            poison: None,
            _segments_lock: segments_lock,
            _dir_lock: dir_lock,
        };
        Ok((writer, recovered))
    }
}

/// An active segment, everything before `end` durable.
struct Opened {
    segment: ActiveSegment,
    end: Position,
    size: u64,
    tally: Tally,
}

/// Locks a directory as a writer does; made if it is not there.
pub(crate) fn lock_dir(env: &Env, dir: &Path) -> Result<Box<dyn Lock>, Error> {
    let lock = match lock_retrying(env, dir) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make_dirs(&*env.disk, dir)?;
            lock_retrying(env, dir)?
        }
        done => done?,
    };
    lock.ok_or_else(|| Error::Locked { path: dir.to_path_buf() })
}

/// Readers hold the lock of `segments/` for a moment only; another writer holds on.
pub(super) fn lock_retrying(env: &Env, dir: &Path) -> Result<Option<Box<dyn Lock>>, Error> {
    for attempt in 0..LOCK_TRIES {
        if attempt > 0 {
            (env.pause_us)(LOCK_PAUSE_US);
        }
        let shared = planted("log not locked");
        if let Some(lock) = env.disk.lock(dir, shared).map_err(Error::io("lock", dir))? {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// Does what the verdicts ask for.
fn make_good(
    env: &Env,
    paths: &Paths,
    settings: &LogSettings,
    found: Examined,
    recovered: &mut Recovered,
) -> Result<Opened, Error> {
    clear(env, paths, &found)?;
    let meta = found.meta().cloned();
    if let Some(tail) = found.tail {
        return continue_segment(env, paths, tail, recovered);
    }
    let next = match (found.sealed.last(), meta) {
        (Some(last), Some(meta)) => {
            make_seal_durable(env, paths, last, found.uncut_size, recovered)?;
            create_segment(env, paths, &meta, last.seal.end_seq, last.seal.chain_out)?
        }
        _ => {
            recovered.created = true;
            let meta = LogMeta { log_id: (env.random_u64)(), ..settings.meta.clone() };
            create_segment(env, paths, &meta, 0, 0)?
        }
    };
    let tally = found.sealed.last().map_or_else(Tally::default, |last| last.seal.tally);
    let end = next.header.start();
    Ok(Opened { size: end.offset, segment: next, end, tally })
}

/// Removes what a crash left half created, and makes sure that there is a place for segments.
fn clear(env: &Env, paths: &Paths, found: &Examined) -> Result<(), Error> {
    let head_tmp = paths.head_tmp();
    match env.disk.remove(&head_tmp) {
        // Else a later rename of this name could be durable before its removal is.
        Ok(()) => sync_dir(env, &paths.dir)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("remove", &head_tmp)(error)),
    }
    let halves: Vec<_> = found.leftovers.iter().chain(&found.cut).collect();
    for path in &halves {
        env.disk.remove(path).map_err(Error::io("remove", path))?;
    }
    if !halves.is_empty() {
        sync_dir(env, &paths.segments)?;
    }
    if found.meta().is_none() {
        // They may have been made by a process that did not live to sync their names.
        sync_above(&*env.disk, &paths.dir)?;
        make_dirs(&*env.disk, &paths.dir)?;
        make_dirs(&*env.disk, &paths.segments)?;
    }
    Ok(())
}

/// Cuts a torn frame off the active segment and makes the rest durable.
fn continue_segment(
    env: &Env,
    paths: &Paths,
    tail: Tail,
    recovered: &mut Recovered,
) -> Result<Opened, Error> {
    let Tail { segment, mut size, end, tally, durable_offset, torn_bytes, .. } = tail;
    let path = segment.path();
    let file = &*segment.file;
    if torn_bytes > 0 {
        let mut window = Window::new(file, path, size);
        let first_seq = segment.header.first_seq;
        let kept =
            quarantine::keep(&*env.disk, paths, first_seq, &mut window, end.offset, torn_bytes)?;
        file.truncate(end.offset).map_err(Error::io("cut", path))?;
        size = end.offset;
        recovered.torn_bytes = torn_bytes;
        recovered.quarantined = Some(kept);
    }
    if durable_offset < end.offset && !planted("tail not written again") {
        let from = segment.first_at(durable_offset);
        recovered.rewritten_bytes = rewrite(file, path, &segment.header, from, end.offset)?;
    }
    let is_unsynced = torn_bytes > 0 || durable_offset < end.offset;
    if is_unsynced && !planted("recovered tail not synced") {
        file.sync().map_err(Error::io("sync", path))?;
        sync_dir(env, &paths.segments)?;
    }
    Ok(Opened { segment, end, size, tally })
}

/// Nothing proves a last segment's seal to be durable, nor the zeros behind it to be cut.
fn make_seal_durable(
    env: &Env,
    paths: &Paths,
    last: &SealedSegment,
    uncut_size: Option<u64>,
    recovered: &mut Recovered,
) -> Result<(), Error> {
    let path = &last.path;
    let file = env.disk.open(path, Access::Write).map_err(Error::io("open", path))?;
    if uncut_size.is_some() {
        file.truncate(last.size).map_err(Error::io("cut", path))?;
    }
    recovered.rewritten_bytes = rewrite(&*file, path, &last.header, None, last.size)?;
    file.sync().map_err(Error::io("sync", path))?;
    sync_dir(env, &paths.segments)
}

/// Writes the bytes from a frame on (from the header on if there is none) to `end` where they are
/// already. After a failed sync a page may be in memory, clean, and not on the disk; this makes it
/// dirty again. What is written is what was checked: a page that changed under us is an error.
pub(super) fn rewrite(
    file: &dyn File,
    path: &Path,
    header: &SegmentHeader,
    from: Option<Position>,
    end: u64,
) -> Result<u64, Error> {
    let start = from.map_or(0, |at| at.offset);
    each_piece(file, path, header, from, end, &mut |at, bytes| {
        write_full(file, bytes, at.offset).map_err(Error::io("rewrite", path))
    })?;
    Ok(end - start)
}
