//! Events that wait for their customer or order: in memory up to a bound, then in an unnamed
//! temporary file. First in, first out.

use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use tempfile::SpooledTempFile;

use super::types::Origin;
use crate::Error;

/// Beyond this many bytes the held events go to a temporary file.
const MEMORY_BYTES_MAX: usize = 8 << 20;
/// Source, line, length of the text.
const HEADER_BYTES: usize = 16;

/// A queue that is written, then read once from its start.
pub(crate) struct Held {
    spool: BufWriter<SpooledTempFile>,
    count: u64,
    first: Option<Origin>,
}

/// A held event as it comes back.
pub(super) struct HeldEvent {
    pub(super) at: Origin,
    pub(super) text: Vec<u8>,
}

impl Held {
    pub(crate) fn new() -> Held {
        let spool = BufWriter::new(SpooledTempFile::new(MEMORY_BYTES_MAX));
        Held { spool, count: 0, first: None }
    }

    /// Where the first of them was read.
    #[cfg(any(feature = "kafka", feature = "nats", test))]
    pub(super) fn first(&self) -> Option<Origin> {
        self.first
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, at: Origin, text: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(text.len()).expect("an event is at most 1 MiB of text");
        let mut write = || {
            self.spool.write_all(&at.source.to_le_bytes())?;
            self.spool.write_all(&at.line.to_le_bytes())?;
            self.spool.write_all(&length.to_le_bytes())?;
            self.spool.write_all(text)
        };
        write()
            .map_err(Error::io("hold an event in a temporary file in", &std::env::temp_dir()))?;
        self.count += 1;
        self.first.get_or_insert(at);
        Ok(())
    }

    /// Ends writing; the events come back in the order in which they were pushed.
    pub(super) fn read(self) -> Result<HeldReader, Error> {
        let rewind = || -> io::Result<SpooledTempFile> {
            let mut file = self.spool.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(file)
        };
        let file =
            rewind().map_err(Error::io("read back held events from", &std::env::temp_dir()))?;
        Ok(HeldReader { spool: BufReader::new(file), left: self.count })
    }
}

/// Reads a [`Held`] back.
pub(super) struct HeldReader {
    spool: BufReader<SpooledTempFile>,
    left: u64,
}

impl HeldReader {
    pub(super) fn next(&mut self) -> Result<Option<HeldEvent>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let event =
            self.read().map_err(Error::io("read back held events from", &std::env::temp_dir()))?;
        Ok(Some(event))
    }

    fn read(&mut self) -> io::Result<HeldEvent> {
        let mut header = [0; HEADER_BYTES];
        self.spool.read_exact(&mut header)?;
        let [s0, s1, s2, s3, line @ .., t0, t1, t2, t3] = header;
        let length = u32::from_le_bytes([t0, t1, t2, t3]);
        let mut text = vec![0; length as usize];
        self.spool.read_exact(&mut text)?;
        let source = u32::from_le_bytes([s0, s1, s2, s3]);
        Ok(HeldEvent { at: Origin { source, line: u64::from_le_bytes(line) }, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_comes_back_in_order_from_memory_and_from_disk() {
        for text_bytes in [1, 100_000] {
            let mut held = Held::new();
            let text = |n: u64| vec![u8::try_from(n % 251).unwrap(); text_bytes];
            for n in 0..200 {
                held.push(Origin { source: 3, line: n << 33 }, &text(n)).unwrap();
            }
            let mut back = held.read().unwrap();
            for n in 0..200 {
                let event = back.next().unwrap().unwrap();
                assert_eq!((event.at, event.text), (Origin { source: 3, line: n << 33 }, text(n)));
            }
            assert!(back.next().unwrap().is_none());
        }
    }
}
