//! Repair of a damaged log: a plan that changes nothing, and carrying out exactly that plan.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::backup;
use super::evidence::{covers, evidence, names, sidecars};
use super::runs;
use super::salvage::{Line, Salvage};
use super::sidecar::{Cover, Form, Sidecar};
use super::sidecars::sidecar_path;
use super::types::{Change, ChangeKind, Lost, Options, Repair, Unread, Verification};
use super::{READERS, Store, check, checkpoints, files};
use crate::Error;
use crate::event::Rules;
use crate::log::repair::{
    Covers, Cut, Foreign, Steps, Survey, Witness, identify, lock_readers, put_file, survey,
};
use crate::log::{self, Access, Disk, Env, File, Frame, read_full, write_full};
use crate::planted::planted;
use crate::projection::checkpoint;

impl Store {
    /// What it would take to make the damaged log in `dir` whole; changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while a writer lives; [`Error::Missing`] without a directory;
    /// [`Error::Format`] for a log of a later version; what the disk says.
    pub fn plan_repair(dir: &Path, options: &Options) -> Result<Repair, Error> {
        plan(&Env::real(options.allow_remote), dir)
    }

    /// Carries out the plan with this hash. What leaves the log is in quarantine first.
    ///
    /// # Errors
    ///
    /// As [`Store::plan_repair`]; [`Error::Options`] if the plan is another one by now, in which
    /// case nothing was changed.
    pub fn apply_repair(dir: &Path, options: &Options, hash: &str) -> Result<Repair, Error> {
        apply(&Env::real(options.allow_remote), dir, hash)
    }
}

/// The name of the events that were saved.
const SALVAGED: &str = "salvaged.ndjson";
const CHUNK_BYTES: usize = 1 << 18;

/// A plan, and what carrying it out needs beside it.
struct Draft {
    repair: Repair,
    survey: Survey,
    moved: Vec<PathBuf>,
}

/// What would be done.
pub(super) fn plan(env: &Env, dir: &Path) -> Result<Repair, Error> {
    let _lock = log::repair::lock(env, dir)?;
    Ok(draft(env, dir)?.repair)
}

/// Does what the plan with this hash says, if that is still the plan.
pub(super) fn apply(env: &Env, dir: &Path, hash: &str) -> Result<Repair, Error> {
    let lock = log::repair::lock(env, dir)?;
    let Draft { mut repair, survey, moved } = draft(env, dir)?;
    if repair.hash != hash || !repair.is_needed() {
        let reason = if repair.is_needed() {
            format!("the plan is {} now: look at it again before it is applied", repair.hash)
        } else {
            format!("there is nothing to repair in {}", dir.display())
        };
        return Err(Error::Options { reason });
    }
    let steps = Steps {
        env,
        dir,
        into: &repair.quarantine,
        cuts: &survey.cuts,
        fresh: survey.meta.as_ref().filter(|_| survey.fresh),
        moved: &moved,
    };
    steps.keep()?;
    let salvage = || match &repair.salvage {
        Some(path) => write_salvaged(env, dir, path),
        None => Ok(()),
    };
    if !planted("salvage after cut") {
        salvage()?;
    }
    let readers = lock_readers(env, dir)?;
    steps.change()?;
    if planted("salvage after cut") {
        salvage()?;
    }
    drop((readers, lock));
    let made = if survey.meta.is_some() { make_derived(env, dir) } else { Ok(()) };
    match made {
        // The log is whole: what is derived is made by whoever writes next.
        Err(error @ (Error::Io { .. } | Error::Poisoned { .. }))
            if !planted("derived files must be made") =>
        {
            let source = std::error::Error::source(&error);
            let reason = source.map_or(error.to_string(), |source| format!("{error}: {source}"));
            repair.later = Some(reason);
        }
        done => done?,
    }
    Ok(repair)
}

/// Reads the events once more, into their file; durable when it returns.
fn write_salvaged(env: &Env, dir: &Path, path: &Path) -> Result<(), Error> {
    put_file(&*env.disk, path, &mut |file| {
        let (mut bytes, mut offset) = (Vec::with_capacity(CHUNK_BYTES), 0);
        let mut write = |bytes: &mut Vec<u8>| {
            write_full(file, bytes, offset).map_err(Error::io("write", path))?;
            offset += bytes.len() as u64;
            bytes.clear();
            Ok(())
        };
        walk(env, dir, &mut |line| {
            bytes.extend_from_slice(line.as_bytes());
            if bytes.len() >= CHUNK_BYTES { write(&mut bytes) } else { Ok(()) }
        })?;
        write(&mut bytes)
    })
}

/// Opens the whole log once for append: that makes head and sidecars anew.
fn make_derived(env: &Env, dir: &Path) -> Result<(), Error> {
    let mut store = Store::open_in(env.clone(), dir.to_path_buf(), Options::default())?;
    store.ingest = match store.open_ingest() {
        // A writer that was quicker has done it.
        Err(Error::Locked { .. }) => return Ok(()),
        opened => Some(opened?.without_packing()),
    };
    store.close()
}

/// Reads the log as far as it is whole and what is behind that.
fn walk(env: &Env, dir: &Path, line: &mut Line<'_>) -> Result<(Survey, Salvage), Error> {
    let witnesses = witnesses(env, dir)?;
    let meta = identify(env, dir, &witnesses)?;
    let rules = meta.clone();
    let rules =
        rules.map(|meta| Rules { currency: meta.currency, time_range_us: meta.time_range_us });
    let salvage = std::cell::RefCell::new(Salvage::default());
    let mut keep = |frame: &Frame<'_>| salvage.borrow_mut().keep(frame);
    let mut save = |frame: &Frame<'_>, since| match &rules {
        Some(rules) => salvage.borrow_mut().save(frame, since, rules, line),
        None => Ok(()),
    };
    let found = survey(env, dir, meta, &witnesses, &READERS, &mut keep, &mut save)?;
    Ok((found, salvage.into_inner()))
}

/// What sidecars, runs and checkpoints say of the segments; a damaged one says nothing.
fn witnesses(env: &Env, dir: &Path) -> Result<Vec<Witness>, Error> {
    let mut found = Vec::new();
    for (form, cover) in covers(env, dir)? {
        let Some(Cover { log_id, first, end, chain }) = cover else { continue };
        // A run ends in the middle of its segment, and says nothing of where that ends.
        let covers = (form == Form::Segment).then_some(Covers { first, end, chain });
        found.push(Witness { log_id, covers });
    }
    for (_, path) in checkpoints::list(env, dir)? {
        let Some(map) = files::map(env, &path)? else { continue };
        found.extend(checkpoint::log_id(map.all()).map(|log_id| Witness { log_id, covers: None }));
    }
    Ok(found)
}

fn draft(env: &Env, dir: &Path) -> Result<Draft, Error> {
    backup::refuse_append(env, dir)?;
    let in_segments = |found: &Verification| {
        found.problems.iter().any(|one| one.path.starts_with(dir.join("segments")))
    };
    let found = check::verify(env, dir, true)?;
    let damaged = in_segments(&found);
    let problems = found.problems;
    let mut told = Sha256::new();
    let (mut survey, salvage) = walk(env, dir, &mut |line| {
        told.update(line.as_bytes());
        Ok(())
    })?;
    survey.known_end = survey.known_end.max(evidence(env, dir)?);
    if !damaged {
        survey = Survey { kept_end: survey.kept_end, meta: survey.meta, ..Survey::default() };
    }
    let saved = if damaged { salvage.saved } else { Vec::new() };
    let lost = if damaged { lost(dir, &survey, &saved) } else { Vec::new() };
    let changes_segments =
        !survey.cuts.is_empty() || !survey.moved.is_empty() || !lost.is_empty() || survey.fresh;
    survey.moved.sort_by(|a, b| b.cmp(a));
    let mut moved = survey.moved.clone();
    let wrong = |path: &PathBuf| problems.iter().any(|one| one.path == *path);
    for path in sidecars(env, dir)? {
        if wrong(&path) || (changes_segments && !is_of(env, dir, &path, &survey)?) {
            moved.push(path);
        }
    }
    let checkpoints = checkpoints::list(env, dir)?.into_iter().rev().map(|(_, path)| path);
    for path in runs::paths(env, dir)?.into_iter().chain(checkpoints) {
        if wrong(&path) || changes_segments {
            moved.push(path);
        }
    }
    let head = dir.join("head");
    let has_head = files::map(env, &head)?.is_some();
    // What breaks a rule between events is no damage of bytes: head has no part in it.
    let contradicts =
        changes_segments || (damaged && in_segments(&check::verify(env, dir, false)?));
    moved.extend(Some(head).filter(|head| has_head && (contradicts || wrong(head))));
    let mut repair = Repair {
        hash: String::new(),
        kept_end: survey.kept_end,
        lost,
        unread: unread(&survey.foreign),
        changes: changes(env, dir, &survey, &moved)?,
        quarantine: PathBuf::new(),
        salvage: None,
        earlier: earlier(env, dir)?,
        problems,
        salvaged: saved,
        later: None,
    };
    repair.hash = hash(env, dir, &repair, told)?;
    name_places(dir, &mut repair);
    let own = repair.salvage.clone();
    repair.earlier.retain(|path| Some(path) != own.as_ref());
    Ok(Draft { repair, survey, moved })
}

/// Whether a sidecar belongs to a segment that is kept whole.
fn is_of(env: &Env, dir: &Path, path: &Path, survey: &Survey) -> Result<bool, Error> {
    let Some(map) = files::map(env, path)? else { return Ok(false) };
    let Ok(cover) = Sidecar::open(Form::Segment, map).map(|sidecar| sidecar.cover()) else {
        return Ok(false);
    };
    let log_id = survey.meta.as_ref().map(|meta| meta.log_id);
    let kept = survey.sealed.contains(&(cover.first, cover.end, cover.chain));
    Ok(kept && log_id == Some(cover.log_id) && path == sidecar_path(dir, cover.first))
}

/// The sequences that are neither kept nor saved, by the segments in which they stood.
fn lost(dir: &Path, survey: &Survey, saved: &[Range<u64>]) -> Vec<Lost> {
    let mut ends = vec![survey.kept_end];
    ends.extend(saved.iter().flat_map(|range| [range.start, range.end]));
    ends.push(survey.known_end);
    let mut firsts = survey.firsts.clone();
    firsts.extend(survey.sealed.iter().map(|(_, end, _)| *end));
    firsts.push(0);
    firsts.sort_unstable();
    firsts.dedup();
    let path_of = |sequence: u64| {
        let after = firsts.partition_point(|first| *first <= sequence);
        let first = after.checked_sub(1).and_then(|row| firsts.get(row)).copied();
        dir.join("segments").join(format!("{:020}.seg", first.unwrap_or(0)))
    };
    let mut lost = Vec::new();
    for gap in ends.as_chunks::<2>().0 {
        let [mut first, end] = *gap;
        while first < end {
            let after = firsts.partition_point(|start| *start <= first);
            let until = firsts.get(after).copied().unwrap_or(end).min(end);
            lost.push(Lost { path: path_of(first), first, end: Some(until) });
            first = until;
        }
    }
    if survey.open_end {
        let first = survey.known_end;
        lost.push(Lost { path: path_of(first), first, end: None });
    }
    lost
}

fn unread(foreign: &[Foreign]) -> Vec<Unread> {
    let unread = foreign.iter().cloned();
    unread.map(|Foreign { path, events, same_log }| Unread { path, events, same_log }).collect()
}

fn changes(
    env: &Env,
    dir: &Path,
    survey: &Survey,
    moved: &[PathBuf],
) -> Result<Vec<Change>, Error> {
    let mut changes: Vec<Change> = Vec::new();
    for Cut { path, offset, size, .. } in &survey.cuts {
        let kind = ChangeKind::Cut { offset: *offset };
        changes.push(Change { path: path.clone(), bytes: *size, kind, kept: PathBuf::new() });
    }
    if survey.fresh {
        let path = dir.join("segments").join(format!("{:020}.seg", 0));
        changes.push(Change { path, bytes: 0, kind: ChangeKind::Create, kept: PathBuf::new() });
    }
    for path in moved {
        let size = open(&*env.disk, path)?.map(|file| file.size()).transpose();
        let bytes = size.map_err(Error::io("read the length of", path))?.unwrap_or(0);
        let (path, kept) = (path.clone(), PathBuf::new());
        changes.push(Change { path, bytes, kind: ChangeKind::Move, kept });
    }
    Ok(changes)
}

/// Gives everything that leaves the log its place.
fn name_places(dir: &Path, repair: &mut Repair) {
    let short = repair.hash.get(..16).unwrap_or(&repair.hash);
    repair.quarantine = dir.join("quarantine").join(format!("repair-{short}"));
    let into = &repair.quarantine;
    for change in &mut repair.changes {
        change.kept = match change.kind {
            ChangeKind::Cut { offset } => Steps::place(dir, into, &change.path, Some(offset)),
            ChangeKind::Move => Steps::place(dir, into, &change.path, None),
            ChangeKind::Create => PathBuf::new(),
        };
    }
    repair.salvage = (!repair.salvaged.is_empty()).then(|| into.join(SALVAGED));
}

/// What earlier repairs saved: one that was cut short is planned anew without it.
fn earlier(env: &Env, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let dir = dir.join("quarantine");
    let mut found = Vec::new();
    for name in names(env, &dir)?.into_iter().filter(|name| name.starts_with("repair-")) {
        let saved = dir.join(name);
        if names(env, &saved)?.iter().any(|name| name == SALVAGED) {
            found.push(saved.join(SALVAGED));
        }
    }
    Ok(found)
}

/// SHA-256 of the plan, of every byte of the files that it touches, and of the saved events.
fn hash(env: &Env, dir: &Path, repair: &Repair, told: Sha256) -> Result<String, Error> {
    let mut sum = Sha256::new();
    let Repair { kept_end, salvaged, lost, .. } = repair;
    sum.update(format!("ltvlog repair 1\n{kept_end} {salvaged:?}\n"));
    for Lost { first, end, .. } in lost {
        sum.update(format!("lost {first} {end:?}\n"));
    }
    for Unread { path, events, .. } in &repair.unread {
        let name = path.strip_prefix(dir).unwrap_or(path).display();
        sum.update(format!("unread {name} {events:?}\n"));
    }
    for change in &repair.changes {
        let name = change.path.strip_prefix(dir).unwrap_or(&change.path).display();
        sum.update(format!("{name} {} {:?}\n", change.bytes, change.kind));
        if change.kind != ChangeKind::Create {
            sum.update(content(&*env.disk, &change.path)?);
        }
    }
    sum.update(told.finalize());
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Opens a file that leaves the log; none for a directory of its name, which leaves it, too.
fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Box<dyn File>>, Error> {
    match disk.open(path, Access::Read) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        opened => opened.map(Some).map_err(Error::io("open", path)),
    }
}

fn content(disk: &dyn Disk, path: &Path) -> Result<[u8; 32], Error> {
    let mut sum = Sha256::new();
    let Some(file) = open(disk, path)? else { return Ok(sum.finalize().into()) };
    let (mut bytes, mut offset) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let count = read_full(&*file, &mut bytes, offset).map_err(Error::io("read", path))?;
        sum.update(bytes.get(..count).unwrap_or(&[]));
        offset += count as u64;
        if count < CHUNK_BYTES {
            return Ok(sum.finalize().into());
        }
    }
}
