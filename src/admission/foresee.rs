//! Announcing events before they are admitted: what each is looked up by, computed once, and the places
//! that it will be looked up in brought near, those of many events together.

use super::keys::{KeySpace, hash_key};
use super::{Admission, Lookup};
use crate::event::Kind;

/// So many events are announced at a time: enough to wait for their memory together, and few
/// enough that it is still near when they come.
pub(crate) const FORESEEN: usize = 32;

/// What an event is looked up by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashes {
    /// Of its key, as the key index finds it.
    pub(super) key: u64,
    /// Of the id of the customer that it names.
    pub(super) customer: u64,
}

impl Admission {
    /// What an event is looked up by, from its kind, its key and the id of its customer.
    pub(super) fn hashes(&self, kind: Kind, key: &str, customer: &str) -> Hashes {
        Hashes {
            key: hash_key(self.seed, KeySpace::of(kind), key),
            customer: self.ids.hash(customer),
        }
    }

    /// Announces the next events, [`FORESEEN`] at most, by kind, key and the id of their customer;
    /// none of what is no event. What they will be looked up in comes near for all of them at once,
    /// instead of one after the other, and what they are looked up by is given back.
    pub(crate) fn foresee<'n>(
        &self,
        names: impl Iterator<Item = Option<(Kind, &'n str, &'n str)>>,
        log: &impl Lookup,
    ) -> [Hashes; FORESEEN] {
        let mut hashes = [Hashes::default(); FORESEEN];
        for (place, names) in hashes.iter_mut().zip(names) {
            let Some((kind, key, customer)) = names else { continue };
            *place = self.hashes(kind, key, customer);
        }
        // A loop of its own, short enough that the processor waits for many places at once.
        let touched = hashes.iter().fold(0, |touched, Hashes { key, customer }| {
            touched ^ log.touch(*key) ^ self.ids.touch(*customer)
        });
        // Else nothing would be read.
        std::hint::black_box(touched);
        hashes
    }
}
