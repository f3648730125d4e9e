//! A table of key entries in the order of their hashes: an array of cache lines, in which each entry
//! stands in the line that its hash has among all hashes, or in the next one that has room.
//!
//! Hashes are spread evenly, so a look-up reads one line and seldom a second, and what is taken out
//! is sorted but for a few neighbours. One that comes soon can be announced.

use super::index::Entry;

/// Entries that a cache line has room for.
const LINE_ENTRIES: usize = 5;
/// Lines before the first growth.
const LINES_MIN: usize = 16;

/// Entries whose hashes stand close to each other, in the order in which they came.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    high: [u32; LINE_ENTRIES],
    low: [u32; LINE_ENTRIES],
    rows: [u32; LINE_ENTRIES],
    /// How many there are. Of a line that is full there may be more in the next one.
    len: u32,
}

const EMPTY: Line =
    Line { high: [0; LINE_ENTRIES], low: [0; LINE_ENTRIES], rows: [0; LINE_ENTRIES], len: 0 };

impl Line {
    fn is_full(&self) -> bool {
        self.len as usize == LINE_ENTRIES
    }

    /// Its entries.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let hashes = self.high.iter().zip(&self.low);
        hashes.zip(&self.rows).take(self.len as usize).map(|((high, low), row)| Entry {
            hash: u64::from(*high) << 32 | u64::from(*low),
            row: *row,
        })
    }

    /// Which of its entries have a hash, a bit for each place. All places are compared: a loop over
    /// those that are taken would have the processor guess how many that are.
    #[inline]
    fn places_of(&self, hash: u64) -> u32 {
        let (high, low) = halves(hash);
        let places = self.high.iter().zip(&self.low).zip(0..);
        let same = places.fold(0, |same, ((its_high, its_low), at)| {
            same | u32::from((*its_high == high) & (*its_low == low)) << at
        });
        same & ((1 << self.len) - 1)
    }

    /// Adds an entry, if there is room.
    fn push(&mut self, entry: Entry) -> bool {
        let at = self.len as usize;
        let Line { high, low, rows, len } = self;
        let places = (high.get_mut(at), low.get_mut(at), rows.get_mut(at));
        let (Some(high), Some(low), Some(row)) = places else { return false };
        (*high, *low) = halves(entry.hash);
        *row = entry.row;
        *len += 1;
        true
    }
}

/// The upper and the lower half of a hash.
#[inline]
fn halves(hash: u64) -> (u32, u32) {
    let half = |bits| u32::try_from(bits).expect("half of 64 bits");
    (half(hash >> 32), half(hash & 0xFFFF_FFFF))
}

/// Entries by hash; several may have one.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// At least as many as `homes`; in those behind stands what found no room before.
    lines: Vec<Line>,
    homes: usize,
    len: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Gives the rows under a hash.
    #[inline]
    pub(super) fn rows(&self, hash: u64, each: &mut impl FnMut(u32)) {
        for line in self.lines.get(self.home(hash)..).unwrap_or(&[]) {
            let mut found = line.places_of(hash);
            while found != 0 {
                line.rows
                    .get(found.trailing_zeros() as usize)
                    .into_iter()
                    .for_each(|row| each(*row));
                found &= found - 1;
            }
            if !line.is_full() {
                return;
            }
        }
    }

    /// Reads the line of a hash and the next one, where a look-up goes on if that is full.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u32 {
        let home = self.home(hash);
        let touch = |at| self.lines.get(at).map_or(0, |line: &Line| line.len);
        touch(home) ^ touch(home + 1)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        // At four fifths a third of all lines are full.
        if self.len * 5 >= self.homes * LINE_ENTRIES * 4 {
            self.grow();
        }
        self.place(entry);
        self.len += 1;
    }

    /// Puts a row in the place of another under the same hash, if that is there.
    pub(super) fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let home = self.home(hash);
        for line in self.lines.get_mut(home..).unwrap_or(&mut []) {
            let found = line.places_of(hash);
            let mut rows = line.rows.iter_mut().zip(0..);
            if let Some((row, _)) = rows.find(|(row, at)| found >> at & 1 == 1 && **row == old) {
                *row = new;
                return true;
            }
            if !line.is_full() {
                break;
            }
        }
        false
    }

    /// All entries, sorted by hash.
    pub(super) fn sorted(&self) -> Vec<Entry> {
        let mut sorted: Vec<Entry> = Vec::with_capacity(self.len);
        for entry in self.lines.iter().flat_map(Line::entries) {
            // Few stand behind where they belong, and not far.
            let from = sorted.iter().rev().take_while(|before| before.hash > entry.hash).count();
            sorted.insert(sorted.len() - from, entry);
        }
        sorted
    }

    /// The line in which an entry with this hash stands if that has room.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        usize::try_from(((hash >> 32) * self.homes as u64) >> 32).unwrap_or(usize::MAX)
    }

    fn place(&mut self, entry: Entry) {
        let home = self.home(entry.hash);
        let lines = self.lines.get_mut(home..).unwrap_or(&mut []);
        if !lines.iter_mut().any(|line| line.push(entry)) {
            let mut line = EMPTY;
            line.push(entry);
            self.lines.push(line);
        }
    }

    fn grow(&mut self) {
        let homes = LINES_MIN.max(self.homes + self.homes / 2);
        let mut lines = Vec::with_capacity(homes + LINES_MIN);
        lines.resize(homes, EMPTY);
        let old = std::mem::replace(self, Table { lines, homes, len: self.len });
        old.lines.iter().flat_map(Line::entries).for_each(|entry| self.place(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn rows(table: &Table, hash: u64) -> Vec<u32> {
        let mut rows = Vec::new();
        table.rows(hash, &mut |row| rows.push(row));
        rows.sort_unstable();
        rows
    }

    #[test]
    fn what_is_entered_is_found_and_comes_out_sorted() {
        let mut table = Table::default();
        assert_eq!((rows(&table, 0), table.touch(7)), (vec![], 0));
        for n in 0..10_000 {
            table.insert(Entry { hash: spread(u64::from(n) / 2), row: n });
        }
        for n in 0..5_000 {
            assert_eq!(rows(&table, spread(u64::from(n))), [n * 2, n * 2 + 1]);
            assert!(rows(&table, spread(u64::from(n)) ^ 1).is_empty());
        }
        assert!(table.replace(spread(7), 15, 20_000) && !table.replace(spread(7), 15, 1));
        assert_eq!(rows(&table, spread(7)), [14, 20_000]);
        let all = table.sorted();
        assert_eq!((all.len(), table.len()), (10_000, 10_000));
        assert!(all.is_sorted_by_key(|entry| entry.hash));
    }

    #[test]
    fn hashes_that_are_close_together_are_found_too() {
        for near in [0, 1 << 63, u64::MAX - 300] {
            let mut table = Table::default();
            for n in 0..300 {
                table.insert(Entry { hash: near + u64::from(n % 100), row: n });
            }
            assert!(table.sorted().is_sorted_by_key(|entry| entry.hash), "{near}");
            for n in 0..100 {
                let found = rows(&table, near + u64::from(n));
                assert_eq!(found, [n, n + 100, n + 200], "{near}");
            }
            assert_eq!(table.sorted().len(), 300);
        }
    }
}
