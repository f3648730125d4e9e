//! A log's segments, copied to a backup. Its directory is laid out as a log, so everything that
//! reads a log reads it, but nobody appends to it.
//!
//! A copy is made beside its name, synced, and renamed, segment after segment: at any moment the
//! backup is a log that ends where one of the copies does. A segment only grows, so the copy of a
//! longer one begins with the bytes of the shorter one it replaces, unless it was rewritten. Which
//! bytes were copied whole is for a manifest to say, which is not known here.

use std::io;
use std::path::Path;

use super::catalog::list;
use super::copy::{Copies, OnCopying, Origin, SegmentSum, sum_of};
use super::disk::{Access, File, Lock};
use super::open::lock_dir;
use super::paths::{BEFORE, Paths, make_dirs, sync_above};
use super::roll::sync_dir;
use super::scan::Position;
use super::seal::Seal;
use super::sealed::SealedSegment;
use super::segment::SegmentHeader;
use super::view::View;
use super::{BodyReader, Env};
use crate::error::{Error, Fault};
use crate::planted::planted;

/// A backup that was brought up to a view's end.
#[derive(Debug)]
pub(crate) struct Copied {
    /// All its segments, in order.
    pub(crate) sums: Vec<SegmentSum>,
    /// How many of them were written now.
    pub(crate) segments: u64,
    /// How many bytes that took.
    pub(crate) bytes: u64,
    /// Where it ended before.
    pub(crate) old_end: u64,
}

/// A directory that nobody else writes to for as long as this lives.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(super) paths: Paths,
    _lock: Box<dyn Lock>,
}

impl Destination {
    /// Makes the directory if there is none, and locks it as a writer does.
    pub(crate) fn open(env: &Env, dir: &Path) -> Result<Destination, Error> {
        let lock = lock_dir(env, dir)?;
        let paths = Paths::of(dir);
        paths.refuse_remote(&*env.disk)?;
        sync_above(&*env.disk, dir)?;
        Ok(Destination { paths, _lock: lock })
    }

    /// Removes what a manifest spoke of that was replaced by now.
    pub(crate) fn forget_before(&self, env: &Env) -> Result<(), Error> {
        let segments = &self.paths.segments;
        let names = env.disk.list(segments).map_err(Error::io("list", segments))?;
        let mut before = names.iter().filter(|name| name.ends_with(BEFORE)).peekable();
        if before.peek().is_none() {
            return Ok(());
        }
        for path in before.map(|name| segments.join(name)) {
            env.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        sync_dir(env, segments)
    }

    /// Makes the place for segments, and removes what earlier copies left half done.
    fn prepare(&self, env: &Env) -> Result<(), Error> {
        make_dirs(&*env.disk, &self.paths.dir)?;
        make_dirs(&*env.disk, &self.paths.segments)?;
        for path in list(&*env.disk, &self.paths)?.unwrap_or_default().leftovers {
            env.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }
}

/// A segment as far as it is to be copied.
struct Part<'a> {
    path: &'a Path,
    /// The file, where the view has it open.
    file: Option<&'a dyn File>,
    header: &'a SegmentHeader,
    seal: Option<&'a Seal>,
    /// Where its bytes end.
    end: Position,
}

impl<'a> Part<'a> {
    fn of(segment: &'a SealedSegment) -> Part<'a> {
        Part {
            path: &segment.path,
            file: None,
            header: &segment.header,
            seal: Some(&segment.seal),
            end: Position { offset: segment.size, seq: segment.seal.end_seq, chain: None },
        }
    }
}

impl Part<'_> {
    /// Whether both are the same, or the same events, since one of them was rewritten.
    fn is_same(&self, other: &Part<'_>) -> bool {
        let sealed = self.seal.zip(other.seal).filter(|_| self.is_other_generation(other));
        (self.header, self.seal, self.end) == (other.header, other.seal, other.end)
            || sealed.is_some_and(|(seal, other_seal)| {
                self.header.begins_as(other.header) && seal.ends_as(other_seal)
            })
    }

    /// Whether one of them was rewritten, and the other is not the same file.
    fn is_other_generation(&self, other: &Part<'_>) -> bool {
        self.header.generation.max(other.header.generation) > 0 && self.header != other.header
    }

    /// Whether this may be the beginning of what was rewritten since. Only its events can tell.
    fn may_be_rewritten(&self, new: &Part<'_>) -> bool {
        self.seal.is_none()
            && self.is_other_generation(new)
            && self.header.begins_as(new.header)
            && self.end.seq <= new.end.seq
    }

    /// Whether a segment of the log may have been this when it was copied.
    fn may_begin(&self, new: &Part<'_>) -> bool {
        let start = self.header.start();
        // One without a batch may have been created anew after a crash.
        let is_empty = self.end == start && new.header.start() == start;
        let grew = self.header == new.header && self.end.offset < new.end.offset;
        self.seal.is_none() && (is_empty || grew)
    }

    fn origin(&self) -> Origin<'_> {
        Origin { path: self.path, file: self.file, header: self.header, bytes: self.end.offset }
    }

    /// What was read of a file must end as this does.
    fn check_end(&self, path: &Path, sum: &SegmentSum, end: &Position) -> Result<(), Error> {
        let chain = self.end.chain.is_none_or(|chain| end.chain == Some(chain));
        if (sum.bytes, end.seq) == (self.end.offset, self.end.seq) && chain {
            return Ok(());
        }
        Err(Fault::Corrupt("the segment changed while it was read").at(path, end.offset))
    }
}

impl View {
    /// The chain at the view's end.
    pub(crate) fn chain(&self) -> u32 {
        let sealed = self.sealed.last().map_or(0, |segment| segment.seal.chain_out);
        self.active.as_ref().and_then(|active| active.extent.end.chain).unwrap_or(sealed)
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let sealed = self.sealed.iter().map(|segment| Part::of(segment));
        let active = self.active.as_ref().map(|active| Part {
            path: active.segment.path(),
            file: Some(&*active.segment.file),
            header: &active.segment.header,
            seal: None,
            end: active.extent.end,
        });
        sealed.chain(active).collect()
    }

    /// Brings a backup up to this view's end: copies the segments that it lacks, and the one that
    /// grew. `known` are the sums of what is there already; what is there without one is read.
    /// `is_same` compares the events of both, from one on to the backup's end. Segments that were
    /// rewritten since they were copied whole stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the backup is another log's, longer, or has other events;
    /// [`Error::Corrupt`] for damage in what is copied, or in the backup.
    pub(crate) fn back_up(
        &self,
        to: &Destination,
        known: &[SegmentSum],
        is_same: SameEvents<'_>,
        on_copying: OnCopying<'_>,
    ) -> Result<Copied, Error> {
        let (env, paths) = (&self.env, &to.paths);
        to.prepare(env)?;
        let old = open_backup(env, &paths.dir, self.readers)?;
        let (parts, old_parts) = (self.parts(), old.as_ref().map(View::parts).unwrap_or_default());
        check_whole(paths, known, &old_parts)?;
        let kept = compare(self, &parts, old.as_ref(), &old_parts, is_same)?;
        let last = old_parts.get(kept).zip(parts.get(kept));
        let rewritten = last.is_some_and(|(old, new)| old.is_other_generation(new));
        let met = last.filter(|_| !rewritten).map(|(old, _)| old.end);
        let bytes = parts.iter().skip(kept).map(|part| part.end.offset).sum();
        let mut copied = Copied {
            sums: Vec::new(),
            segments: (parts.len() - kept) as u64,
            bytes,
            old_end: old.as_ref().map_or(0, View::end),
        };
        let mut copies = Copies::new(&*env.disk, paths, bytes, on_copying);
        for (row, part) in parts.iter().enumerate() {
            let sum = match old_parts.get(row).filter(|_| row < kept) {
                Some(old) => match known.get(row).filter(|sum| sum.is_of(old)) {
                    Some(sum) => sum.clone(),
                    None => check_kept(env, paths, old)?,
                },
                None => {
                    if rewritten && row == kept && !planted("told segment replaced at once") {
                        keep_before(env, paths, part.header.first_seq)?;
                    }
                    let met = met.filter(|_| row == kept);
                    match copy_part(part, met, &paths.dir, &mut copies) {
                        Ok(sum) => sum,
                        Err(error) => {
                            let Some(again) = self.rewritten_meanwhile(row) else {
                                return Err(error);
                            };
                            if let Some(old) = old.as_ref().filter(|_| met.is_some()) {
                                check_events(self, old, part.header.first_seq, is_same)?;
                                keep_before(env, paths, part.header.first_seq)?;
                            }
                            copy_part(&Part::of(&again), None, &paths.dir, &mut copies)?
                        }
                    }
                }
            };
            copied.sums.push(sum);
        }
        // A copy that was renamed by a process that did not live to sync its name.
        sync_dir(env, &paths.segments)?;
        Ok(copied)
    }

    /// A sealed segment as it is now, if it was rewritten since this view was made.
    fn rewritten_meanwhile(&self, row: usize) -> Option<SealedSegment> {
        let sealed = self.sealed.get(row)?;
        // Whatever keeps it from being read again kept it from being read, and was told.
        let again = sealed.again(&*self.env.disk).ok()?;
        let rewritten = again.header != sealed.header && !planted("packed segment not read again");
        rewritten.then_some(again)
    }
}

fn copy_part(
    part: &Part<'_>,
    met: Option<Position>,
    to: &Path,
    copies: &mut Copies<'_>,
) -> Result<SegmentSum, Error> {
    copies.copy(&part.origin(), met, &mut |sum, end, is_met| {
        part.check_end(part.path, sum, end)?;
        if is_met { Ok(()) } else { Err(apart(to, part.header.first_seq)) }
    })
}

/// Checks that the log has the events of a backup, whose last segment begins at this sequence.
fn check_events(
    log: &View,
    old: &View,
    first_seq: u64,
    is_same: SameEvents<'_>,
) -> Result<(), Error> {
    if is_same(log, old, first_seq)? { Ok(()) } else { Err(apart(&old.paths.dir, first_seq)) }
}

/// Whether two views have the same events from a sequence on to the end of the second.
pub(crate) type SameEvents<'a> = &'a mut dyn FnMut(&View, &View, u64) -> Result<bool, Error>;

/// Lets a segment that a manifest speaks of stay readable while a rewritten one takes its name.
fn keep_before(env: &Env, paths: &Paths, first_seq: u64) -> Result<(), Error> {
    let (path, before) = (paths.segment(first_seq), paths.segment_before(first_seq));
    match env.disk.remove(&before) {
        Ok(()) => sync_dir(env, &paths.segments)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("remove", &before)(error)),
    }
    env.disk.link(&path, &before).map_err(Error::io("link", &before))?;
    sync_dir(env, &paths.segments)
}

impl SegmentSum {
    fn is_of(&self, part: &Part<'_>) -> bool {
        (self.first_seq, self.bytes) == (part.header.first_seq, part.end.offset)
    }
}

/// The backup as it is; `None` if nothing was copied yet.
fn open_backup(env: &Env, dir: &Path, readers: BodyReader) -> Result<Option<View>, Error> {
    match View::open(env, dir, readers, 0) {
        Ok(view) => Ok(Some(view)),
        Err(Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A backup that has lost what its manifest tells is not mended here, where nobody would notice.
fn check_whole(paths: &Paths, known: &[SegmentSum], parts: &[Part<'_>]) -> Result<(), Error> {
    for (row, sum) in known.iter().enumerate() {
        let part = parts.get(row).filter(|part| part.header.first_seq == sum.first_seq);
        let end = part.map_or(0, |part| part.end.offset);
        // A rewritten one that the last call could not tell of: its seal says that it is whole.
        let rewritten = part.is_some_and(|part| part.seal.is_some() && part.header.generation > 0);
        if end < sum.bytes && !rewritten {
            let fault = Fault::Corrupt("the backup has lost what follows; make another one");
            return Err(fault.at(&paths.segment(sum.first_seq), end));
        }
    }
    Ok(())
}

/// The sum of a segment of the backup that no manifest speaks of, because the process that copied
/// it did not live to write one.
fn check_kept(env: &Env, paths: &Paths, part: &Part<'_>) -> Result<SegmentSum, Error> {
    let path = paths.segment(part.header.first_seq);
    let file = env.disk.open(&path, Access::Write).map_err(Error::io("open", &path))?;
    let (sum, end) = sum_of(&*file, &Origin { path: &path, file: None, ..part.origin() })?;
    part.check_end(&path, &sum, &end)?;
    file.sync().map_err(Error::io("sync", &path))?;
    Ok(sum)
}

/// How many segments of a backup are as in the log. The one after them, if it has one, must turn
/// out to be the beginning of the log's.
fn compare(
    log: &View,
    parts: &[Part<'_>],
    old: Option<&View>,
    old_parts: &[Part<'_>],
    is_same: SameEvents<'_>,
) -> Result<usize, Error> {
    let Some(old) = old else { return Ok(0) };
    let dir = &old.paths.dir;
    if old.meta() != log.meta() {
        return Err(refused(format!("{} is a backup of another log", dir.display())));
    }
    if old.end() > log.end() {
        let (dir, old_end, end) = (dir.display(), old.end(), log.end());
        return Err(refused(format!("the backup in {dir} has {old_end} events, the log {end}")));
    }
    let same = old_parts.iter().zip(parts).take_while(|(old, new)| old.is_same(new)).count();
    match (old_parts.get(same..).unwrap_or(&[]), parts.get(same)) {
        ([], _) => Ok(same),
        ([last], Some(new)) if last.may_begin(new) => Ok(same),
        ([last], Some(new)) if last.may_be_rewritten(new) => {
            check_events(log, old, last.header.first_seq, is_same).map(|()| same)
        }
        (rest, _) => Err(apart(dir, rest.first().map_or(0, |part| part.header.first_seq))),
    }
}

fn apart(dir: &Path, first_seq: u64) -> Error {
    let dir = dir.display();
    refused(format!(
        "the backup in {dir} is not what this log was: they differ somewhere from event \
         {first_seq} on"
    ))
}

fn refused(what: String) -> Error {
    Error::Options { reason: format!("{what}; back up into another directory") }
}
