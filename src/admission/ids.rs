//! The customers that admission has met: id to ordinal, exact.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Ids up to this long stand in the table itself: most look-ups then miss the cache once.
const INLINE_BYTES: usize = 18;
/// Longer ids start at multiples of this in the arena, so that a `u32` reaches 16 GiB of them.
const ALIGN: usize = 4;
/// Places before the first growth.
const PLACES_MIN: usize = 64;
/// No customer: there are fewer than this.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    ordinal: u32,
    length: u8,
    /// The lowest byte of the id's hash: few others need to be compared.
    tag: u8,
    /// The id; of a longer one the first four bytes are where it stands in the arena, in units of
    /// [`ALIGN`].
    bytes: [u8; INLINE_BYTES],
}

const EMPTY: Entry = Entry { ordinal: NONE, length: 0, tag: 0, bytes: [0; INLINE_BYTES] };

/// A map from customer id to ordinal: 24 bytes a customer and the table's slack. An entry stands
/// at the place that its hash has among all hashes, or in the next that is free. Hashes are seeded
/// by something that whoever makes up ids does not know: else many could be meant for one place.
#[derive(Debug)]
pub(crate) struct CustomerIds {
    seed: u64,
    places: Vec<Entry>,
    len: usize,
    arena: Vec<u8>,
}

impl CustomerIds {
    pub(crate) fn new(seed: u64) -> CustomerIds {
        CustomerIds { seed, places: Vec::new(), len: 0, arena: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: &str, hash: u64) -> Option<u32> {
        let (before, from) = self.places.split_at_checked(self.home(hash))?;
        let mut met = from.iter().chain(before).take_while(|entry| entry.ordinal != NONE);
        let is_it =
            |entry: &&Entry| entry.tag == tag(hash) && read(&self.arena, entry) == id.as_bytes();
        met.find(is_it).map(|entry| entry.ordinal)
    }

    /// The hash by which an id is found.
    pub(crate) fn hash(&self, id: &str) -> u64 {
        self.hash_of(id.as_bytes())
    }

    fn hash_of(&self, id: &[u8]) -> u64 {
        xxh3_64_with_seed(id, self.seed)
    }

    /// Reads the places of an id with this hash, for a look-up that comes soon: those of most look-ups
    /// lie in two cache lines.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) -> u32 {
        let home = self.home(hash);
        let ordinal = |at| self.places.get(at).map_or(0, |entry: &Entry| entry.ordinal);
        ordinal(home) ^ ordinal(home + 2)
    }

    /// Enters an id that is not in it yet. An arena that is full takes no more: the ids it leaves
    /// out are found in the log again, more slowly.
    pub(crate) fn insert(&mut self, id: &str, hash: u64, ordinal: u32) {
        let Ok(length) = u8::try_from(id.len()) else { return };
        let mut bytes = [0; INLINE_BYTES];
        match bytes.get_mut(..id.len()) {
            Some(place) => place.copy_from_slice(id.as_bytes()),
            None => {
                let Ok(start) = u32::try_from(self.arena.len() / ALIGN) else { return };
                let [a, b, c, d, ..] = &mut bytes;
                [*a, *b, *c, *d] = start.to_le_bytes();
                self.arena.extend_from_slice(id.as_bytes());
                self.arena.resize(self.arena.len().next_multiple_of(ALIGN), 0);
            }
        }
        if self.len * 4 >= self.places.len() * 3 {
            self.grow();
        }
        self.place(Entry { ordinal, length, tag: tag(hash), bytes }, hash);
        self.len += 1;
    }

    /// Where an entry with this hash would stand if no other did.
    fn home(&self, hash: u64) -> usize {
        let places = self.places.len() as u64;
        usize::try_from(((hash >> 32) * places) >> 32).unwrap_or(usize::MAX)
    }

    fn place(&mut self, entry: Entry, hash: u64) {
        let home = self.home(hash);
        let (before, from) = self.places.split_at_mut(home);
        let free = from.iter_mut().chain(before).find(|place| place.ordinal == NONE);
        *free.expect("a quarter of the table is free") = entry;
    }

    fn grow(&mut self) {
        let places = PLACES_MIN.max(self.places.len() + self.places.len() / 2);
        let old = std::mem::replace(&mut self.places, vec![EMPTY; places]);
        for entry in old.into_iter().filter(|entry| entry.ordinal != NONE) {
            self.place(entry, self.hash_of(read(&self.arena, &entry)));
        }
    }
}

fn tag(hash: u64) -> u8 {
    let [lowest, ..] = hash.to_le_bytes();
    lowest
}

fn read<'a>(arena: &'a [u8], entry: &'a Entry) -> &'a [u8] {
    let length = usize::from(entry.length);
    if let Some(id) = entry.bytes.get(..length) {
        return id;
    }
    let [a, b, c, d, ..] = entry.bytes;
    let start = u32::from_le_bytes([a, b, c, d]) as usize * ALIGN;
    arena.get(start..start + length).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(ids: &CustomerIds, id: &str) -> Option<u32> {
        ids.get(id, ids.hash(id))
    }

    /// Whoever makes up ids knows the hash, but not the seed.
    #[test]
    fn ids_that_were_made_for_one_place_are_spread() {
        let mut ids = CustomerIds::new(0x1234_5678_9ABC_DEF1);
        let meant = (0..300_000).map(|n: u32| format!("c{n}")).filter(|id| {
            let unseeded = xxh3_64_with_seed(id.as_bytes(), 0);
            unseeded >> 54 == 0
        });
        let mut homes = std::collections::HashSet::new();
        let mut count = 0;
        for (id, ordinal) in meant.zip(0..) {
            let hash = ids.hash(&id);
            ids.insert(&id, hash, ordinal);
            count += 1;
        }
        for place in &ids.places {
            if place.ordinal != NONE {
                homes.insert(ids.home(ids.hash_of(read(&ids.arena, place))));
            }
        }
        assert!(count > 200 && homes.len() * 2 > count, "{} homes for {count}", homes.len());
    }

    #[test]
    fn every_id_gets_its_own_ordinal_back() {
        let name = |n: u32| -> String {
            let long = format!("{n}-{}", "x".repeat(usize::try_from(n % 255).unwrap()));
            long.chars().take(255).collect()
        };
        let mut ids = CustomerIds::new(7);
        assert_eq!((get(&ids, ""), ids.touch(0)), (None, 0));
        for n in 0..5_000 {
            assert_eq!(get(&ids, &name(n)), None);
            let hash = ids.hash(&name(n));
            ids.insert(&name(n), hash, n);
        }
        for n in 0..5_000 {
            assert_eq!(get(&ids, &name(n)), Some(n), "{}", name(n));
        }
        assert_eq!((get(&ids, "nobody"), ids.len()), (None, 5_000));
    }
}
