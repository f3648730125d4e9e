//! The bounded min-heap behind every top X.
//!
//! It keeps the X greatest of any number of items in O(X) memory and O(n log X) time. It knows
//! nothing of customers; whoever uses it says by `Ord` what "greater" means.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The `x` greatest of the items pushed so far.
///
/// Memory grows with what was pushed, up to `x` items, and is never reserved ahead: a request for
/// the top 10^18 costs what the items cost.
#[derive(Clone, Debug)]
pub(crate) struct TopX<T: Ord> {
    x: usize,
    /// The least of the kept items lies on top, ready to be replaced.
    heap: BinaryHeap<Reverse<T>>,
}

impl<T: Ord> TopX<T> {
    /// Keeps at most `x` items; with 0, none.
    pub(crate) fn new(x: usize) -> TopX<T> {
        TopX { x, heap: BinaryHeap::new() }
    }

    /// Offers an item. Of equal items the earlier ones stay, so give items that must not tie an
    /// order that has no ties.
    pub(crate) fn push(&mut self, item: T) {
        if self.heap.len() < self.x {
            self.heap.push(Reverse(item));
        } else if let Some(mut least) = self.heap.peek_mut() {
            // Only a changed top is sifted: most items of a long stream end at this comparison.
            if item > least.0 {
                *least = Reverse(item);
            }
        }
    }

    /// Once `x` items are kept, the least of them: no item that is not greater can still enter.
    pub(crate) fn threshold(&self) -> Option<&T> {
        if self.heap.len() < self.x {
            return None;
        }
        self.heap.peek().map(|least| &least.0)
    }

    /// The kept items, greatest first.
    pub(crate) fn into_sorted(self) -> Vec<T> {
        // Ascending in `Reverse` is descending in the items.
        self.heap.into_sorted_vec().into_iter().map(|item| item.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::TopX;

    /// What `TopX` must equal: sort everything, keep the first `x`.
    fn by_sorting(items: &[u8], x: usize) -> Vec<u8> {
        let mut sorted = items.to_vec();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.truncate(x);
        sorted
    }

    /// Every sequence of up to 7 items with 4 values, every x, after every push.
    #[test]
    fn equals_a_sort_on_all_small_inputs() {
        for length in 0..=7_u32 {
            for code in 0..4_u32.pow(length) {
                let items: Vec<u8> =
                    (0..length).map(|place| (code >> (2 * place) & 3) as u8).collect();
                for x in 0..=8 {
                    check(&items, x);
                }
            }
        }
    }

    fn check(items: &[u8], x: usize) {
        let mut top = TopX::new(x);
        for (pushed, item) in items.iter().enumerate() {
            top.push(*item);
            let expected = by_sorting(&items[..=pushed], x);
            let full = expected.len() == x;
            assert_eq!(top.threshold(), expected.last().filter(|_| full), "{items:?} {x}");
        }
        assert_eq!(top.into_sorted(), by_sorting(items, x), "{items:?} top {x}");
    }

    #[test]
    fn memory_follows_the_items_and_not_the_request() {
        let mut top = TopX::new(usize::MAX);
        top.push(1_u64);
        assert_eq!(top.threshold(), None);
        assert!(top.heap.capacity() < 64);

        let mut top = TopX::new(10);
        (0..100_000_u64).for_each(|item| top.push(item));
        assert!(top.heap.capacity() <= 20, "{}", top.heap.capacity());
        assert_eq!(top.into_sorted(), (99_990..100_000).rev().collect::<Vec<_>>());
    }
}
