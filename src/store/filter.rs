//! A filter in front of runs and sidecars: whether any of them can have a hash, from one block of
//! 32 bytes. A call that brings many new keys builds it once; a call of few asks the files.
//!
//! A split block Bloom filter, as Parquet has them: a key sets one bit in each of the eight words of
//! its block. No crate at hand takes half a hash: a sidecar knows the upper bits of one only as far
//! as its buckets go, so the filter looks at so many of them and at the lower half. Blocks follow
//! the order of hashes, and filling the filter from sorted entries writes them one after the other.

/// Bits for each key there may be; as many again while half of them are there.
const KEY_BITS: usize = 8;
const BLOCK_BITS: usize = 256;
/// Odd numbers that spread a hash to one bit of each word, those of Parquet.
const SALTS: [u32; 8] = [
    0x47B6_137B,
    0x4497_4D91,
    0x8824_AD5B,
    0xA2B7_289D,
    0x7054_95C7,
    0x2DF1_424B,
    0x9EFC_4947,
    0x5C6B_FB31,
];

/// Hashes that may be there.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Vec<[u32; 8]>,
    /// How many upper bits of a hash are looked at.
    upper_bits: u32,
    keys: usize,
    keys_max: usize,
}

impl Filter {
    /// For so many keys, of whose hashes the lower half and so many upper bits are known.
    pub(super) fn new(keys_max: usize, upper_bits: u32) -> Filter {
        let blocks = (keys_max * KEY_BITS).div_ceil(BLOCK_BITS).max(1);
        Filter { blocks: vec![[0; 8]; blocks], upper_bits: upper_bits.min(32), keys: 0, keys_max }
    }

    /// Enters a hash; false if there are more now than it was made for.
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        let at = self.block(hash);
        if let Some(block) = self.blocks.get_mut(at) {
            for (word, bit) in block.iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
        self.keys += 1;
        self.keys <= self.keys_max
    }

    /// Whether a hash may have been entered; false is certain.
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let block = self.blocks.get(self.block(hash)).copied().unwrap_or([u32::MAX; 8]);
        block.iter().zip(bits(hash)).fold(0, |lacking, (word, bit)| lacking | (!word & bit)) == 0
    }

    /// Reads the block of a hash.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.blocks.get(self.block(hash)).map_or(0, |[first, ..]| *first)
    }

    #[inline]
    fn block(&self, hash: u64) -> usize {
        // The upper bits that are known, then lower ones.
        let upper = (hash >> 32) & !(u64::from(u32::MAX) >> self.upper_bits);
        let place = upper | (hash & u64::from(u32::MAX)) >> self.upper_bits;
        usize::try_from((place * self.blocks.len() as u64) >> 32).unwrap_or(usize::MAX)
    }
}

#[inline]
fn bits(hash: u64) -> [u32; 8] {
    let low = u32::try_from(hash & u64::from(u32::MAX)).expect("the lower half of 64 bits");
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(n: u64) -> u64 {
        let mixed = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 27)
    }

    #[test]
    fn what_was_entered_may_be_there_and_little_else() {
        for upper_bits in [0, 1, 7, 19, 32] {
            let mut filter = Filter::new(20_000, upper_bits);
            // What is not looked at may be missing.
            let known = !(u64::from(u32::MAX) >> upper_bits << 32);
            assert!((0..10_000).all(|n| filter.insert(spread(n) & known)));
            assert!((0..10_000).all(|n| filter.may_have(spread(n))), "{upper_bits}");
            let wrong = (10_000..110_000).filter(|n| filter.may_have(spread(*n))).count();
            assert!(wrong < 500, "half full: {wrong} of 100,000, {upper_bits} bits");
            assert!((10_000..20_000).all(|n| filter.insert(spread(n) & known)));
            let wrong = (20_000..120_000).filter(|n| filter.may_have(spread(*n))).count();
            assert!(wrong < 5_000, "full: {wrong} of 100,000, {upper_bits} bits");
            assert!(!filter.insert(0), "more than it was made for");
        }
    }

    #[test]
    fn an_empty_filter_has_nothing() {
        let filter = Filter::new(0, 32);
        assert!(!filter.may_have(0) && !filter.may_have(u64::MAX));
        assert_eq!(filter.touch(7), 0);
    }
}
