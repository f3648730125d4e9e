//! The distinct texts of a batch: what many rows say is written once, and each row which it is.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::column::BODY_BYTES_MAX;
use super::view::{ROWS, total};
use crate::error::Fault;

/// The distinct texts of a batch, in the order in which they first come. Reuse one for many
/// batches: it keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    /// For each text of the batch, which of the distinct ones it is.
    pub(super) choices: Vec<u32>,
    /// The distinct texts as they will stand: their lengths, and all their bytes.
    pub(super) lengths: Vec<u32>,
    pub(super) texts: String,
    /// Where each begins.
    starts: Vec<usize>,
    /// The distinct texts by their bytes.
    table: HashTable<u32>,
}

impl Distinct {
    /// Finds the distinct ones of some texts; false if these are more than half of them, and to
    /// say which one each is would hardly be shorter.
    pub(super) fn find(&mut self, lengths: &[u32], texts: &str) -> bool {
        self.choices.clear();
        self.lengths.clear();
        self.texts.clear();
        self.starts.clear();
        self.table.clear();
        let mut rest = texts;
        for length in lengths {
            let (text, behind) = rest.split_at(*length as usize);
            rest = behind;
            let choice = self.choose(text);
            if self.lengths.len() > lengths.len() / 2 {
                return false;
            }
            self.choices.push(choice);
        }
        !lengths.is_empty()
    }

    fn choose(&mut self, text: &str) -> u32 {
        let hash = xxh3_64(text.as_bytes());
        let Distinct { lengths, texts, starts, table, .. } = self;
        let read = |choice: &u32| {
            let at = *choice as usize;
            let start = *starts.get(at)?;
            texts.get(start..start + *lengths.get(at)? as usize)
        };
        if let Some(choice) = table.find(hash, |choice| read(choice) == Some(text)) {
            return *choice;
        }
        let choice = u32::try_from(lengths.len()).expect("a batch has fewer than 2^32 texts");
        table.insert_unique(hash, choice, |other| {
            read(other).map_or(0, |text| xxh3_64(text.as_bytes()))
        });
        lengths.push(u32::try_from(text.len()).expect("an event has at most 1 MiB of text"));
        starts.push(texts.len());
        texts.push_str(text);
        choice
    }
}

/// How many distinct texts are chosen from; `None` unless they are in the order in which they
/// first come, which is the one way to write them.
pub(super) fn count(choices: &[u32]) -> Option<usize> {
    let mut next = 0;
    for choice in choices {
        if *choice > next {
            return None;
        }
        next += u32::from(*choice == next);
    }
    usize::try_from(next).ok()
}

/// Puts in place of distinct texts those that were chosen.
pub(super) fn expand(
    choices: &[u32],
    lengths: &mut Vec<u32>,
    texts: &mut String,
) -> Result<(), Fault> {
    let parts = split(lengths, texts)?;
    let part = |choice: &u32| parts.get(*choice as usize).copied().ok_or(ROWS);
    let mut chosen_lengths = Vec::with_capacity(choices.len());
    for choice in choices {
        chosen_lengths.push(u32::try_from(part(choice)?.len()).ok().ok_or(ROWS)?);
    }
    // A few bytes can stand for many: memory is taken for what a batch may have and no more.
    let mut chosen = String::with_capacity(total(&chosen_lengths)?);
    for choice in choices {
        chosen.push_str(part(choice)?);
    }
    debug_assert!(chosen.len() <= BODY_BYTES_MAX, "the sum was checked");
    (*lengths, *texts) = (chosen_lengths, chosen);
    Ok(())
}

/// Cuts texts that stand one after the other.
pub(super) fn split<'t>(lengths: &[u32], texts: &'t str) -> Result<Vec<&'t str>, Fault> {
    let mut rest = texts;
    let mut parts = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (part, behind) = rest.split_at_checked(*length as usize).ok_or(ROWS)?;
        parts.push(part);
        rest = behind;
    }
    Ok(parts)
}
