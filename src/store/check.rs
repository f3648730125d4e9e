//! What a log consists of, and whether every byte of it is as it should be.

use std::io;
use std::path::{Path, PathBuf};

use super::backup;
use super::deep::Walk;
use super::evidence::{self, names, sidecars};
use super::files;
use super::sidecar::{Form, Sidecar};
use super::sidecars::{KEYS, cover, sidecar_path};
use super::source::Source;
use super::types::{Info, Problem, SegmentInfo, Span, Verification};
use super::{READERS, Store, checkpoints, deep, runs};
use crate::codec::Batch;
use crate::log::{self, Access, Env, View};
use crate::projection::{Projection, Statistics, TimeFrame, WeekStart};
use crate::{Error, Fault, Partition, Rules};

/// Tells what there is.
pub(super) fn info(
    env: &Env,
    dir: &Path,
    source: &Source<'_>,
    statistics: &Statistics,
    rules: &Rules,
) -> Result<Info, Error> {
    let view = source.view().ok_or_else(|| Error::Missing { path: dir.to_path_buf() })?;
    let segments: Vec<SegmentInfo> = view
        .segments()?
        .into_iter()
        .map(|segment| SegmentInfo {
            path: segment.path,
            first: segment.first_seq,
            end: segment.end_seq,
            batches: segment.frames,
            bytes: segment.bytes,
            sealed: segment.sealed,
            generation: segment.generation,
        })
        .collect();
    let span = statistics.span(TimeFrame::Dataset, WeekStart::Sunday);
    let checkpoint = checkpoints::newest(env, dir, source)?;
    let mut appended_at_us = None;
    if let Some(last) = source.end().checked_sub(1) {
        source.batch_of(last, &mut |batch| {
            appended_at_us = Some(batch.appended_at_us());
            Ok(true)
        })?;
    }
    // A backup has no head; its manifest is written when all that it tells of is synced.
    let backed_up = backup::evidence(env, dir, Some(view.meta().log_id))?;
    let segment_bytes = segments.iter().map(|segment| segment.bytes).sum();
    let derived =
        [bytes_in(env, &dir.join(KEYS))?, bytes_in(env, &dir.join(checkpoints::CHECKPOINTS))?];
    let [key_bytes, checkpoint_bytes] = derived;
    Ok(Info {
        log_id: view.meta().log_id,
        partition: Partition::new(view.meta().partition, view.meta().partitions)?,
        rules: rules.clone(),
        segments,
        end: view.end(),
        // The next backup may have been finished since the segments were looked at.
        synced_end: view.synced_end().max(backed_up.min(view.end())),
        customers: statistics.customers().len() as u64,
        span: span.map(|(frame, weeks)| Span {
            first_us: frame.first_us,
            last_us: frame.last_us,
            weeks,
        }),
        appended_at_us,
        checkpoint_end: checkpoint.map(|statistics| statistics.end()),
        torn_bytes: view.torn_bytes(),
        bytes: [segment_bytes, key_bytes, checkpoint_bytes],
        writer: view.writer_lives(),
    })
}

impl Store {
    /// Where an event stands, for who finds something wrong with it: its segment, and the offset of
    /// its batch.
    pub(crate) fn place_of(&self, sequence: u64) -> Result<(PathBuf, u64), Error> {
        let source = self.source()?;
        let frame = source.view().map(|view| view.frame_of(sequence)).transpose()?.flatten();
        Ok(frame.map_or((source.path(), 0), |frame| (frame.path.to_path_buf(), frame.offset)))
    }
}

/// Reads and checks every byte of every file.
pub(super) fn verify(env: &Env, dir: &Path, deep: bool) -> Result<Verification, Error> {
    let proven = evidence::evidence(env, dir)?;
    // Beside each batch's own rules, that the batches add up to statistics.
    let mut statistics = Statistics::new();
    let mut adds_up = true;
    let mut walk = Walk::default();
    let report = log::verify(env, dir, &READERS, proven, &mut |frame| {
        let batch = Batch::decode(&frame.body, frame.first_seq, frame.events)?;
        batch.check()?;
        if deep {
            batch.check_encoded_again()?;
        }
        if frame.first_seq == 0 {
            // The log is read again because a writer came, or this is where it begins.
            (statistics, adds_up, walk) = (Statistics::new(), true, Walk::default());
        }
        // Behind a gap nothing adds up any more, and the gap was told.
        adds_up &= batch.first_seq() == statistics.end();
        if adds_up {
            statistics.apply(&batch)?;
        }
        if adds_up && deep { walk.batch(&batch) } else { Ok(()) }
    })?;
    let mut found = Verification {
        segments: report.segments,
        batches: report.batches,
        events: report.events,
        bytes: report.bytes,
        torn_bytes: report.torn_bytes,
        problems: Vec::new(),
    };
    let problems = report.problems.into_iter();
    found.problems.extend(problems.map(|problem| Problem {
        path: problem.path,
        offset: problem.offset,
        reason: problem.reason,
        events: problem.events,
    }));
    backup::check(env, dir, &mut found)?;
    if let Some(meta) = log::repair::meta(env, dir)? {
        check_sidecars(env, dir, meta.log_id, &mut found)?;
        check_runs(env, dir, meta.log_id, &mut found)?;
        check_checkpoints(env, dir, meta.log_id, &mut found)?;
        if deep {
            deep::check_sidecars(env, dir, &mut found)?;
            deep::check_runs(env, dir, &mut found)?;
        }
    }
    Ok(found)
}

/// Sidecars are rebuilt when they are wrong, so this is the only place that tells.
fn check_sidecars(
    env: &Env,
    dir: &Path,
    log_id: u64,
    found: &mut Verification,
) -> Result<(), Error> {
    // The names first: a writer that goes on seals its segment before it writes the sidecar.
    let paths = sidecars(env, dir)?;
    let view = View::open(env, dir, READERS, 0).ok();
    let end = view.as_ref().map_or(0, View::end);
    let segments = view.map(|view| unless_damaged(view.segments())).transpose()?.flatten();
    let segments = segments.unwrap_or_default();
    for path in paths {
        let Some(map) = files::map(env, &path)? else { continue };
        found.bytes += map.all().len() as u64;
        let checked = Sidecar::open(Form::Segment, map).and_then(|sidecar| {
            sidecar.check()?;
            let covers = |segment: &log::SegmentInfo| {
                let named = sidecar_path(dir, segment.first_seq) == path;
                named && cover(log_id, segment) == sidecar.cover()
            };
            let is_of_segment = segments.is_empty() || segments.iter().any(covers);
            // One that proves events which are lost was heard above, and is right.
            let is_of_lost = sidecar.cover().log_id == log_id && sidecar.cover().end > end;
            if is_of_segment || is_of_lost {
                Ok(())
            } else {
                Err("it is not the one of a segment of this log")
            }
        });
        if let Err(reason) = checked {
            found.problems.push(derived(path, reason));
        }
    }
    Ok(())
}

/// Runs of segments that are sealed by now are left over, and the next writer deletes them.
fn check_runs(env: &Env, dir: &Path, log_id: u64, found: &mut Verification) -> Result<(), Error> {
    // The names first: a writer that goes on writes runs that end behind this view.
    let paths = runs::paths(env, dir)?;
    let view = View::open(env, dir, READERS, 0).ok();
    for path in paths {
        let Some(map) = files::map(env, &path)? else { continue };
        found.bytes += map.all().len() as u64;
        let run = Sidecar::open(Form::Run, map)
            .and_then(|run| run.check().map(|()| run.cover()))
            .and_then(|cover| {
                let own = cover.log_id == log_id && runs::path(dir, &cover) == path;
                if own { Ok(cover) } else { Err("it is not one of this log, or of another part") }
            });
        let fits = match (&run, &view) {
            // One that proves events which are lost was heard above, and is right.
            (Ok(cover), Some(view)) if cover.end <= view.end() => {
                let sealed = view.sealed_segments().last().map_or(0, |last| last.end_seq);
                let chain = unless_damaged(view.chain_at(cover.end))?;
                cover.end <= sealed || chain.is_none_or(|chain| chain == Some(cover.chain))
            }
            (_, _) => true,
        };
        let wrong = run.err().or((!fits).then_some("it does not belong to this log at its end"));
        found.problems.extend(wrong.map(|reason| derived(path, reason)));
    }
    Ok(())
}

fn check_checkpoints(
    env: &Env,
    dir: &Path,
    log_id: u64,
    found: &mut Verification,
) -> Result<(), Error> {
    // The names first: what a writer saves while the log is read here ends behind this view.
    let list = checkpoints::list(env, dir)?;
    let source = View::open(env, dir, READERS, 0).ok().map(|view| Source::View(Box::new(view)));
    for (end, path) in list {
        let Some(read) = checkpoints::read(env, &path, log_id)? else { continue };
        let (mut statistics, header) = match read {
            Ok(read) => read,
            Err(Fault::Corrupt(reason) | Fault::Unknown(reason)) => {
                found.problems.push(derived(path, reason));
                continue;
            }
        };
        let Some(source) = &source else { continue };
        if header.end == end && end > source.end() {
            // It proves events which are lost, as was told above, and is right.
            continue;
        }
        let Some(chain) = unless_damaged(source.chain_at(end))? else { continue };
        let same_chain = chain == Some(header.chain);
        if header.end != end || !same_chain {
            // A writer that packs the segment in which it ends removes it first.
            if files::map(env, &path)?.is_none() {
                continue;
            }
            found.problems.push(derived(path, "it does not belong to this log at its end"));
            continue;
        }
        let mut folded = Statistics::new();
        let both = checkpoints::fold_to(source, &mut folded, end)
            .and_then(|()| checkpoints::fold_to(source, &mut statistics, end));
        if unless_damaged(both)?.is_some() && folded != statistics {
            found.problems.push(derived(path, "its statistics are not those of the log"));
        }
    }
    Ok(())
}

/// What was found, or nothing where the segments are damaged, which is listed already.
pub(super) fn unless_damaged<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(Error::Corrupt { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// A problem of a derived file: no event is touched, and it is rebuilt when it is needed.
pub(super) fn derived(path: PathBuf, reason: &str) -> Problem {
    Problem {
        path,
        offset: 0,
        reason: format!("{reason}; it is derived and will be rebuilt"),
        events: None,
    }
}

fn is_no_file(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::IsADirectory)
}

/// Bytes of the files in a directory of derived files.
fn bytes_in(env: &Env, dir: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for name in names(env, dir)? {
        let path = dir.join(name);
        let file = match env.disk.open(&path, Access::Read) {
            // A writer replaced it since it was listed, or it never was a file.
            Err(error) if is_no_file(error.kind()) => continue,
            file => file.map_err(Error::io("open", &path))?,
        };
        bytes += file.size().map_err(Error::io("read the length of", &path))?;
    }
    Ok(bytes)
}
