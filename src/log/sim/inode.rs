//! A file of the simulated disk: what is seen, what is on the disk, and all between.

use std::collections::BTreeMap;

use super::Pick;

const SECTOR: usize = 512;
/// More versions of a sector than these add nothing that a test would find.
const VERSIONS_MAX: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    live: Vec<u8>,
    disk: Vec<u8>,
    unsynced: BTreeMap<usize, Sector>,
    /// Lengths since the last sync.
    sizes: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Sector {
    versions: Vec<Vec<u8>>,
    /// A sync failed and took it for clean: no sync will write it.
    lost: bool,
}

impl Inode {
    pub(super) fn durable(bytes: Vec<u8>) -> Inode {
        Inode { live: bytes.clone(), disk: bytes, ..Inode::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.live.len() < at + bytes.len() {
            self.live.resize(at + bytes.len(), 0);
            self.sizes.push(self.live.len());
        }
        if let Some(to) = self.live.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
        self.touch(at / SECTOR, (at + bytes.len() - 1) / SECTOR);
    }

    /// Gives the length back, so that callers have something to return.
    pub(super) fn resize(&mut self, size: usize) -> usize {
        let old = self.live.len();
        self.live.resize(size, 0);
        self.sizes.push(size);
        if size < old {
            self.touch(size / SECTOR, (old - 1) / SECTOR);
        }
        size
    }

    fn touch(&mut self, first: usize, last: usize) {
        for number in first..=last {
            let version = sector(&self.live, number).to_vec();
            let sector = self.unsynced.entry(number).or_default();
            sector.lost = false;
            if sector.versions.len() == VERSIONS_MAX {
                sector.versions.remove(0);
            }
            sector.versions.push(version);
        }
    }

    pub(super) fn sync(&mut self) -> usize {
        self.disk.resize(self.live.len(), 0);
        for (number, sector) in &self.unsynced {
            if !sector.lost {
                put(&mut self.disk, *number, self::sector(&self.live, *number));
            }
        }
        self.unsynced.retain(|_, sector| sector.lost);
        self.sizes.clear();
        self.disk.len()
    }

    /// A sync fails and forgets what was to be written.
    pub(super) fn lose(&mut self) {
        self.unsynced.values_mut().for_each(|sector| sector.lost = true);
    }

    pub(super) fn evict(&mut self) {
        for (number, _) in self.unsynced.iter().filter(|(_, sector)| sector.lost) {
            let old = sector(&self.disk, *number).to_vec();
            put(&mut self.live, *number, &old);
        }
        self.unsynced.retain(|_, sector| !sector.lost);
    }

    /// What a power cut leaves, by choice.
    pub(super) fn crash(&self, pick: Pick<'_>, garbage: bool) -> Inode {
        let size = self.crash_size(pick);
        let mut bytes = self.disk.clone();
        bytes.resize(size, 0);
        if garbage {
            for byte in bytes.iter_mut().skip(self.disk.len()) {
                *byte = u8::try_from(pick(256)).unwrap_or(0);
            }
        }
        for (number, sector) in &self.unsynced {
            let choice = pick(sector.versions.len() + 1);
            if let Some(version) =
                choice.checked_sub(1).and_then(|choice| sector.versions.get(choice))
            {
                put(&mut bytes, *number, version);
            }
        }
        Inode::durable(bytes)
    }

    /// The old length, one that the file had since, or one between.
    fn crash_size(&self, pick: Pick<'_>) -> usize {
        if self.sizes.is_empty() {
            return self.disk.len();
        }
        let choice = pick(self.sizes.len() + 2);
        if choice <= self.sizes.len() {
            let size = choice.checked_sub(1).and_then(|choice| self.sizes.get(choice));
            return size.copied().unwrap_or(self.disk.len());
        }
        let lengths = || self.sizes.iter().copied().chain([self.disk.len()]);
        let (low, high) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
        low + pick(high - low + 1)
    }
}

fn sector(bytes: &[u8], number: usize) -> &[u8] {
    let start = (number * SECTOR).min(bytes.len());
    bytes.get(start..(start + SECTOR).min(bytes.len())).unwrap_or(&[])
}

/// Writes a sector as far as the file reaches; what the version does not have is zero.
fn put(bytes: &mut [u8], number: usize, version: &[u8]) {
    let start = (number * SECTOR).min(bytes.len());
    let end = (start + SECTOR).min(bytes.len());
    for (row, byte) in bytes.get_mut(start..end).into_iter().flatten().enumerate() {
        *byte = version.get(row).copied().unwrap_or(0);
    }
}
