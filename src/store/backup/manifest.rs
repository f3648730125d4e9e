//! The manifest of a backup: what was copied, in JSON, written when all of it is on the disk.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::files;
use super::super::types::{Problem, Verification};
use crate::event::write_time;
use crate::log::{Env, Paths, SegmentSum, parse_segment_name, segment_name};
use crate::{Error, Fault};

/// The manifest's file in the backup's directory.
pub(in crate::store) const NAME: &str = "backup.json";
const FORMAT: u32 = 1;
/// A longer file is not read: room for 500,000 segments.
const BYTES_MAX: usize = 64 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) log_id: u64,
    /// The sequence after the last event.
    pub(super) end: u64,
    /// The chain there.
    pub(super) chain: u32,
    /// When the backup was made, as it is written down.
    pub(super) at: String,
    /// What was copied of each segment, in order.
    pub(super) sums: Vec<SegmentSum>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ManifestJson {
    format: u32,
    log_id: String,
    end: u64,
    chain: String,
    at: String,
    files: Vec<FileJson>,
    /// SHA-256 of the file's own text with nothing between these quotes.
    check: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileJson {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Enough of any version to tell which it is.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Manifest {
    /// The time as manifests have it.
    pub(super) fn time(at_us: i64) -> String {
        let mut at = String::new();
        write_time(at_us, &mut at);
        at
    }

    /// Reads the manifest of the backup in `dir`; `None` if it has none.
    pub(super) fn read(env: &Env, dir: &Path) -> Result<Option<Manifest>, Error> {
        let path = dir.join(NAME);
        let Some(map) = files::map(env, &path)? else { return Ok(None) };
        Manifest::decode(map.all()).map(Some).map_err(|fault| fault.at(&path, 0))
    }

    /// Puts it in place of an older one; a crash leaves one of them.
    pub(super) fn write(&self, env: &Env, dir: &Path) -> Result<(), Error> {
        files::replace(env, &dir.join(NAME), self.encode().as_bytes())
    }

    pub(super) fn encode(&self) -> String {
        let files = self.sums.iter().map(|sum| FileJson {
            name: format!("segments/{}", segment_name(sum.first_seq)),
            bytes: sum.bytes,
            sha256: hex(&sum.sha256),
        });
        let mut json = ManifestJson {
            format: FORMAT,
            log_id: format!("{:016x}", self.log_id),
            end: self.end,
            chain: format!("{:08x}", self.chain),
            at: self.at.clone(),
            files: files.collect(),
            check: String::new(),
        };
        json.check = hex(&Sha256::digest(text(&json)));
        text(&json)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, Fault> {
        const BROKEN: Fault = Fault::Corrupt("the backup's manifest cannot be read");
        if bytes.len() > BYTES_MAX {
            return Err(BROKEN);
        }
        let Ok(Version { format }) = serde_json::from_slice(bytes) else { return Err(BROKEN) };
        if format != FORMAT {
            return Err(Fault::Unknown("a backup of a later version"));
        }
        let json: Option<ManifestJson> = serde_json::from_slice(bytes).ok();
        let manifest = json.and_then(ManifestJson::manifest).ok_or(BROKEN)?;
        // It is written in one way only, so every byte of it is covered by the check.
        if manifest.encode().as_bytes() != bytes {
            return Err(Fault::Corrupt("the backup's manifest does not match its checksum"));
        }
        manifest.is_sound().then_some(manifest).ok_or(BROKEN)
    }

    /// Segments follow each other from the first event on, and a disk could hold them.
    fn is_sound(&self) -> bool {
        let bytes = self.sums.iter().try_fold(0_u64, |bytes, sum| bytes.checked_add(sum.bytes));
        let firsts: Vec<u64> = self.sums.iter().map(|sum| sum.first_seq).collect();
        bytes.is_some() && firsts.first() == Some(&0) && firsts.is_sorted_by(|a, b| a < b)
    }
}

impl ManifestJson {
    fn manifest(self) -> Option<Manifest> {
        Some(Manifest {
            log_id: u64::from_str_radix(&self.log_id, 16).ok()?,
            end: self.end,
            chain: u32::from_str_radix(&self.chain, 16).ok()?,
            at: self.at,
            sums: self.files.iter().map(FileJson::sum).collect::<Option<_>>()?,
        })
    }
}

impl FileJson {
    fn sum(&self) -> Option<SegmentSum> {
        let mut sha256 = [0; 32];
        let digits = self.sha256.as_bytes().as_chunks::<2>();
        if digits.0.len() != sha256.len() || !digits.1.is_empty() {
            return None;
        }
        for (byte, digits) in sha256.iter_mut().zip(digits.0) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let first_seq = parse_segment_name(self.name.strip_prefix("segments/")?)?;
        Some(SegmentSum { first_seq, bytes: self.bytes, sha256 })
    }
}

fn text(json: &ManifestJson) -> String {
    let mut text = serde_json::to_string_pretty(json).expect("strings and numbers are JSON");
    text.push('\n');
    text
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(out, "{byte:02x}").expect("a string takes all text");
    }
    out
}

/// Lists what a backup has that is not what its manifest tells; nothing where there is none.
pub(in super::super) fn check(
    env: &Env,
    dir: &Path,
    found: &mut Verification,
) -> Result<(), Error> {
    let manifest = match Manifest::read(env, dir) {
        Ok(None) => return Ok(()),
        Ok(Some(manifest)) => manifest,
        Err(Error::Corrupt { path, offset, reason }) => {
            found.problems.push(Problem { path, offset, reason, events: None });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for sum in &manifest.sums {
        let paths = Paths::of(dir);
        let path = paths.segment(sum.first_seq);
        // Where a call was cut off that put a rewritten segment in its place, this is beside it.
        if !is_of(env, &path, sum)? && !is_of(env, &paths.segment_before(sum.first_seq), sum)? {
            let reason = format!("it is not what {NAME} says was backed up");
            found.problems.push(Problem { path, offset: 0, reason, events: None });
        }
    }
    Ok(())
}

/// Whether a file begins with what was copied.
fn is_of(env: &Env, path: &Path, sum: &SegmentSum) -> Result<bool, Error> {
    let map = files::map(env, path)?;
    let bytes = usize::try_from(sum.bytes).ok();
    let copied = map.as_ref().zip(bytes).and_then(|(map, bytes)| map.all().get(..bytes));
    Ok(copied.is_some_and(|bytes| Sha256::digest(bytes)[..] == sum.sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of docs/format.md, whose check anyone can compute.
    fn example() -> (Manifest, &'static str) {
        let text = include_str!("../../../docs/format.md").split("```json\n").nth(1).unwrap();
        let text = text.split("```").next().unwrap();
        let sum = |first_seq, bytes, byte| SegmentSum { first_seq, bytes, sha256: [byte; 32] };
        let manifest = Manifest {
            log_id: 0x0123_4567_89ab_cdef,
            end: 4,
            chain: 0x00c0_ffee,
            at: Manifest::time(1_483_707_600_000_001),
            sums: vec![sum(0, 448, 0xa5), sum(3, 256, 0x0b)],
        };
        (manifest, text)
    }

    #[test]
    fn the_specified_manifest_is_read_and_written() {
        let (manifest, text) = example();
        assert_eq!(manifest.encode(), text);
        assert_eq!(Manifest::decode(text.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn another_text_is_no_manifest() {
        let (manifest, text) = example();
        let later = text.replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(Manifest::decode(later.as_bytes()), Err(Fault::Unknown(_))));
        let sums = &manifest.sums;
        let endless = |sum: &SegmentSum| SegmentSum { bytes: u64::MAX, ..sum.clone() };
        let orders = [
            vec![],
            vec![sums[1].clone()],
            vec![sums[0].clone(), sums[0].clone()],
            vec![endless(&sums[0]), endless(&sums[1])],
        ];
        let unsound = orders.map(|sums| Manifest { sums, ..manifest.clone() }.encode());
        let name = "00000000000000000003.seg";
        let edited = [
            text.replace("\"end\": 4", "\"end\": 5"),
            text.replace("c0ffee", "C0FFEE"),
            text.replace("  ", " "),
            text.replace("\"at\"", "\"more\": 1,\n  \"at\""),
            text.replace(name, "../00000000000000000003.seg"),
            text.replace(name, "3.seg"),
            text.replace("0b0b", "0b+b"),
            text.trim_end().to_owned(),
            format!("{text} "),
            String::new(),
            "[".repeat(100_000),
        ];
        for bad in unsound.iter().chain(&edited) {
            let decoded = Manifest::decode(bad.as_bytes());
            assert!(matches!(decoded, Err(Fault::Corrupt(_))), "{bad}: {decoded:?}");
        }
    }
}
