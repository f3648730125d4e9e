//! A table of key entries, sorted by hash: an array in which each entry stands at the place that
//! its hash has among all hashes, or behind it where that is taken.
//!
//! Hashes are spread evenly, so a look-up reads one place and a few neighbours, and stops at the
//! first greater hash; what is taken out needs no sorting. One that comes soon can be announced.

use super::index::Entry;

/// No row: a place without an entry.
const NONE: u32 = u32::MAX;
/// Places before the first growth, and more behind the last of any number of them.
const PLACES_MIN: usize = 64;

/// An [`Entry`] in 12 bytes instead of 16.
#[derive(Clone, Copy, Debug)]
struct Place {
    high: u32,
    low: u32,
    row: u32,
}

const EMPTY: Place = Place { high: 0, low: 0, row: NONE };

impl Place {
    fn hash(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }

    fn is_empty(self) -> bool {
        self.row == NONE
    }
}

/// Entries by hash; several may have one.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// At least as many as `homes`; behind those stands what found no room before.
    places: Vec<Place>,
    homes: usize,
    len: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The rows under a hash.
    #[inline]
    pub(super) fn rows(&self, hash: u64) -> impl Iterator<Item = u32> {
        let places = self.places.get(self.home(hash)..).unwrap_or(&[]).iter();
        let met = places.take_while(move |place| !place.is_empty() && place.hash() <= hash);
        met.filter(move |place| place.hash() == hash).map(|place| place.row)
    }

    /// Reads the place of a hash.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.places.get(self.home(hash)).map_or(0, |place| place.row)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        assert!(entry.row != NONE, "a segment holds fewer than 2^32 - 1 events");
        // At four fifths the way to the next empty place is some ten entries long.
        if self.len * 5 >= self.homes * 4 {
            self.grow();
        }
        self.place(entry);
        self.len += 1;
    }

    /// Puts a row in the place of another under the same hash, if that is there.
    pub(super) fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let home = self.home(hash);
        let places = self.places.get_mut(home..).unwrap_or(&mut []).iter_mut();
        let mut met = places.take_while(|place| !place.is_empty() && place.hash() <= hash);
        match met.find(|place| place.hash() == hash && place.row == old) {
            Some(place) => {
                place.row = new;
                true
            }
            None => false,
        }
    }

    /// All entries, sorted by hash.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let taken = self.places.iter().filter(|place| !place.is_empty());
        taken.map(|place| Entry { hash: place.hash(), row: place.row })
    }

    /// Where an entry with this hash would stand if no other did.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        usize::try_from(((hash >> 32) * self.homes as u64) >> 32).unwrap_or(usize::MAX)
    }

    /// Puts an entry where it belongs, and those behind it one further up to the next empty place.
    fn place(&mut self, entry: Entry) {
        let home = self.home(entry.hash);
        let places = self.places.get(home..).unwrap_or(&[]);
        let smaller = |place: &&Place| !place.is_empty() && place.hash() < entry.hash;
        let at = home + places.iter().take_while(smaller).count();
        let rest = self.places.get(at..).unwrap_or(&[]);
        let end = at + rest.iter().position(|place| place.is_empty()).unwrap_or(rest.len());
        if end == self.places.len() {
            self.places.push(EMPTY);
        }
        self.places.copy_within(at..end, at + 1);
        let high = u32::try_from(entry.hash >> 32).expect("the upper half of 64 bits");
        let low = u32::try_from(entry.hash & 0xFFFF_FFFF).expect("the lower half of 64 bits");
        let place = self.places.get_mut(at).expect("there is a place up to the end");
        *place = Place { high, low, row: entry.row };
    }

    fn grow(&mut self) {
        let homes = PLACES_MIN.max(self.homes + self.homes / 2);
        let mut places = Vec::with_capacity(homes + PLACES_MIN);
        places.resize(homes, EMPTY);
        let old = std::mem::replace(self, Table { places, homes, len: self.len });
        // Sorted as they come, each goes behind the one before it.
        old.entries().for_each(|entry| self.place(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn rows(table: &Table, hash: u64) -> Vec<u32> {
        let mut rows: Vec<u32> = table.rows(hash).collect();
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
        let all: Vec<Entry> = table.entries().collect();
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
            for n in 0..100 {
                let found = rows(&table, near + u64::from(n));
                assert_eq!(found, [n, n + 100, n + 200], "{near}");
            }
            assert_eq!(table.entries().count(), 300);
        }
    }
}
