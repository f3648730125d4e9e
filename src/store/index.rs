//! The newest level of the key index: the entries of everything that no sidecar holds yet.

use std::collections::VecDeque;

use super::table::Table;

/// One entry: a hash, and the row as its distance from the index's base. In 12 bytes instead of 16:
/// when a segment is sealed there are as many as it has keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) row: u32,
}

/// A table of entries; several may have one hash.
#[derive(Debug)]
pub(super) struct RecentKeys {
    /// The sequence that rows count from: the first that is in no sidecar and no run.
    base: u64,
    table: Table,
    /// What was put in place of what since the log's end, the oldest first.
    replaced: VecDeque<Replaced>,
}

/// A sequence that another took the place of.
#[derive(Debug)]
struct Replaced {
    hash: u64,
    old: u64,
    new: u64,
}

impl RecentKeys {
    pub(super) fn new(base: u64) -> RecentKeys {
        RecentKeys { base, table: Table::default(), replaced: VecDeque::new() }
    }

    /// The sequence that rows count from.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Adds the sequences under `hash`, newest first.
    pub(super) fn candidates(&self, hash: u64, found: &mut Vec<u64>) {
        let from = found.len();
        self.table.rows(hash, &mut |row| found.push(self.base + u64::from(row)));
        if let Some(new) = found.get_mut(from..).filter(|new| new.len() > 1) {
            new.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Brings the place of a hash near, for a look-up that comes soon.
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.table.touch(hash)
    }

    pub(super) fn enter(&mut self, hash: u64, sequence: u64) {
        let row = self.row(sequence);
        self.table.insert(Entry { hash, row });
    }

    /// Enters `new` in place of `old`, or beside it when `old` is in a sidecar already.
    pub(super) fn supersede(&mut self, hash: u64, old: u64, new: u64) {
        let row = self.row(new);
        let stood = old.checked_sub(self.base).and_then(|old| u32::try_from(old).ok());
        match stood.is_some_and(|old| self.table.replace(hash, old, row)) {
            true => self.replaced.push_back(Replaced { hash, old, new }),
            false => self.enter(hash, new),
        }
    }

    /// Forgets what was replaced by sequences below `end`, which are in the log now.
    pub(super) fn forget_replaced(&mut self, end: u64) {
        while self.replaced.front().is_some_and(|one| one.new < end) {
            self.replaced.pop_front();
        }
    }

    /// Takes out the entries below `end`, which becomes the base of those that stay. Among them
    /// are those that a sequence from `end` on replaced: a sidecar must not count on events after
    /// its segment, which may be lost when it is not. They come sorted by hash, but for the last.
    pub(super) fn take_below(&mut self, end: u64) -> Vec<Entry> {
        let RecentKeys { base, table, replaced } = std::mem::replace(self, RecentKeys::new(end));
        let mut taken = table.sorted();
        drop(table);
        taken.retain(|entry| {
            let sequence = base + u64::from(entry.row);
            if sequence >= end {
                self.enter(entry.hash, sequence);
            }
            sequence < end
        });
        for one in replaced.into_iter().filter(|one| one.new >= end) {
            let row = one.old.checked_sub(base).and_then(|row| u32::try_from(row).ok());
            match row.filter(|_| one.old < end) {
                Some(row) => taken.push(Entry { hash: one.hash, row }),
                None => self.replaced.push_back(one),
            }
        }
        taken
    }

    fn row(&self, sequence: u64) -> u32 {
        // A segment ends below 4 GiB and no event takes less than a byte.
        u32::try_from(sequence - self.base).expect("a segment holds fewer than 2^32 events")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(keys: &RecentKeys, hash: u64) -> Vec<u64> {
        let mut found = Vec::new();
        keys.candidates(hash, &mut found);
        found
    }

    #[test]
    fn the_newest_stands_first_and_an_order_keeps_one_entry() {
        let mut keys = RecentKeys::new(100);
        keys.enter(7, 100);
        keys.enter(7, 105);
        keys.enter(8, 101);
        assert_eq!(at(&keys, 7), [105, 100]);
        keys.supersede(7, 105, 109);
        assert_eq!(at(&keys, 7), [109, 100]);
        keys.supersede(8, 3, 110);
        assert_eq!(at(&keys, 8), [110, 101], "one in a sidecar stays beside");
        assert!(at(&keys, 9).is_empty());
    }

    #[test]
    fn what_leaves_does_not_count_on_what_stays() {
        let mut keys = RecentKeys::new(100);
        keys.enter(7, 101);
        for (old, new) in [(101, 103), (103, 106), (106, 109), (109, 111)] {
            keys.supersede(7, old, new);
        }
        keys.forget_replaced(105);
        assert_eq!(keys.take_below(105), [Entry { hash: 7, row: 3 }]);
        assert_eq!(at(&keys, 7), [111]);
        assert_eq!(keys.take_below(110), [Entry { hash: 7, row: 4 }]);
        assert_eq!(keys.take_below(112), [Entry { hash: 7, row: 1 }]);
        assert!(keys.replaced.is_empty());
    }

    #[test]
    fn what_is_below_the_end_leaves_and_the_rest_keeps_its_sequence() {
        let mut keys = RecentKeys::new(0);
        for seq in 0..1_000_u64 {
            keys.enter(seq.wrapping_mul(0x9E37_79B9_7F4A_7C15), seq);
        }
        let taken = keys.take_below(600);
        assert_eq!(taken.len(), 600);
        assert!(taken.iter().all(|entry| entry.row < 600));
        for seq in 0..1_000_u64 {
            let expected: &[u64] = if seq < 600 { &[] } else { &[seq] };
            assert_eq!(at(&keys, seq.wrapping_mul(0x9E37_79B9_7F4A_7C15)), expected);
        }
    }
}
