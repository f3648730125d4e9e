//! Files that may be segments, and whose log they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Witness;
use crate::error::Error;
use crate::log::catalog::{Listing, list};
use crate::log::disk::{Access, File};
use crate::log::head::{Head, HeadFile};
use crate::log::head_file;
use crate::log::paths::Paths;
use crate::log::scan::{Source, Window};
use crate::log::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::log::{Env, LogMeta};
use crate::planted::planted;

/// A file that may be a segment.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// The first sequence in its name.
    pub(super) name: Option<u64>,
    pub(super) file: Box<dyn File>,
    pub(super) size: u64,
    pub(super) header: Option<SegmentHeader>,
}

impl Candidate {
    /// Reads the header; one with a single wrong byte is made out all the same.
    fn read(env: &Env, name: Option<u64>, path: PathBuf) -> Result<Candidate, Error> {
        let file = env.disk.open(&path, Access::Read).map_err(Error::io("open", &path))?;
        let size = file.size().map_err(Error::io("read the length of", &path))?;
        let mut window = Window::sparse(&*file, &path, size);
        let bytes = window.get(0, SEGMENT_HEADER_BYTES as usize)?;
        let header = bytes.and_then(|bytes| bytes.first_chunk()).and_then(made_out);
        Ok(Candidate { path, name, file, size, header })
    }
}

/// A header, or the one that it was before one of its bytes was changed: of the few that could be
/// meant, its checksum fits one. A salt that is made out wrongly finds no frames.
fn made_out(bytes: &[u8; 128]) -> Option<SegmentHeader> {
    let whole = SegmentHeader::decode(bytes).ok();
    let flips = (0..bytes.len()).flat_map(|at| (1..=u8::MAX).map(move |mask| (at, mask)));
    let mut mended = flips.filter_map(|(at, mask)| {
        let mut bytes = *bytes;
        *bytes.get_mut(at)? ^= mask;
        SegmentHeader::decode(&bytes).ok()
    });
    whole.or_else(|| mended.next())
}

/// Every file that is or looks like a segment, with whatever header can be made out.
pub(super) fn candidates(
    env: &Env,
    paths: &Paths,
    listing: &Listing,
) -> Result<Vec<Candidate>, Error> {
    let named = listing.firsts.iter().map(|first| (Some(*first), paths.segment(*first)));
    let strange = listing.strange.iter().map(|path| (None, path.clone()));
    named.chain(strange).map(|(name, path)| Candidate::read(env, name, path)).collect()
}

/// The head, if it is whole and all of one log.
pub(super) fn head_of(env: &Env, paths: &Paths) -> Result<Option<Head>, Error> {
    let head = head_file::read(&*env.disk, paths)?.map(|bytes| HeadFile::decode(&bytes));
    Ok(head.filter(|file| !file.mixed).and_then(|file| file.head))
}

/// The logs that files speak for.
struct Ranking {
    metas: Vec<LogMeta>,
    /// Ids by how many files name them, and whether a segment does; the head's alone if one does.
    ids: Vec<(usize, bool, u64)>,
}

/// What the log is: the head's, or, where no segment is of that, what most files say.
///
/// # Errors
///
/// [`Error::Options`] where as many files and a segment speak for another log.
pub(crate) fn identify(
    env: &Env,
    dir: &Path,
    witnesses: &[Witness],
) -> Result<Option<LogMeta>, Error> {
    let ranking = Ranking::new(env, dir, witnesses)?;
    if let [(votes, true, one), (others, true, other), ..] = ranking.ids.as_slice()
        && votes == others
    {
        let segments = Paths::of(dir).segments;
        return Err(Error::Options {
            reason: format!(
                "nothing says whether {} is log {one:016x} or {other:016x}: as many files are of \
                 the one as of the other; move those of the wrong one elsewhere and plan again",
                segments.display()
            ),
        });
    }
    Ok(ranking.first())
}

/// The same where a guess will do: what most segments say, without asking other files.
pub(crate) fn meta(env: &Env, dir: &Path) -> Result<Option<LogMeta>, Error> {
    Ok(Ranking::new(env, dir, &[])?.first())
}

impl Ranking {
    fn new(env: &Env, dir: &Path, witnesses: &[Witness]) -> Result<Ranking, Error> {
        let paths = Paths::of(dir);
        let listing = list(&*env.disk, &paths)?.unwrap_or_default();
        let found = candidates(env, &paths, &listing)?;
        let metas = found.into_iter().filter_map(|one| Some(one.header?.meta));
        let metas: Vec<LogMeta> = metas.collect();
        let head = head_of(env, &paths)?.map(|head| head.log_id);
        let is_named = |id: u64| metas.iter().any(|meta| meta.log_id == id);
        let believed = if planted("first segment believed") {
            metas.first().map(|meta| meta.log_id)
        } else {
            head.filter(|id| is_named(*id))
        };
        if let Some(id) = believed {
            return Ok(Ranking { metas, ids: vec![(1, true, id)] });
        }
        let mut votes = BTreeMap::new();
        let ids = metas.iter().map(|meta| meta.log_id);
        for id in ids.chain(witnesses.iter().map(|witness| witness.log_id)) {
            *votes.entry(id).or_insert(0) += 1;
        }
        let ids = votes.into_iter().map(|(id, votes)| (votes, is_named(id), id));
        let mut ids: Vec<(usize, bool, u64)> = ids.collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Ranking { metas, ids })
    }

    fn first(self) -> Option<LogMeta> {
        let (_, _, log_id) = self.ids.first()?;
        self.metas.into_iter().find(|meta| meta.log_id == *log_id)
    }
}
