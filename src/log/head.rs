//! The head: what is durable, in two slots that are written in turn. Derived: without it a log is
//! only opened with less knowledge of what a power cut may have taken.

use crate::error::Fault;
use crate::frame::{is_zero, put, u32_at, u64_at};

/// Bytes of the head's file.
pub(crate) const HEAD_BYTES: usize = 1024;
const SLOT_BYTES: usize = 64;
/// The slots lie in different sectors, so that a torn one leaves the other.
const SLOT_STEP: usize = 512;

/// What a writer last knew to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The log it belongs to.
    pub(crate) log_id: u64,
    /// First sequence of the segment that it names.
    pub(crate) segment_first: u64,
    /// All events below are on the disk.
    pub(crate) durable_seq: u64,
    /// Grows with each write; the greater slot counts.
    pub(crate) counter: u64,
    /// All bytes of the segment below are on the disk.
    pub(crate) durable_offset: u32,
    /// The chain of the frame that will stand there.
    pub(crate) chain: u32,
}

/// The head's file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadFile {
    /// The newest whole slot.
    pub(crate) head: Option<Head>,
    /// A whole slot that names another log than the newest one does, too.
    pub(crate) mixed: bool,
    /// What is wrong with it, if anything; a wrong slot is ignored.
    pub(crate) fault: Option<Fault>,
}

impl Head {
    /// The slot's bytes, and where in the file they go.
    pub(crate) fn encode(&self) -> ([u8; SLOT_BYTES], u64) {
        let mut bytes = [0; SLOT_BYTES];
        put(&mut bytes, 0, &self.log_id.to_le_bytes());
        put(&mut bytes, 8, &self.segment_first.to_le_bytes());
        put(&mut bytes, 16, &self.durable_seq.to_le_bytes());
        put(&mut bytes, 24, &self.counter.to_le_bytes());
        put(&mut bytes, 32, &self.durable_offset.to_le_bytes());
        put(&mut bytes, 36, &self.chain.to_le_bytes());
        let crc = crc32fast::hash(bytes.get(..60).expect("60 of 64"));
        put(&mut bytes, 60, &crc.to_le_bytes());
        (bytes, if self.counter.is_multiple_of(2) { 0 } else { SLOT_STEP as u64 })
    }

    /// A slot of zeros is unwritten.
    fn decode(bytes: &[u8], parity: u64) -> Result<Option<Head>, Fault> {
        if is_zero(bytes) {
            return Ok(None);
        }
        let (covered, _) = bytes.split_at(60);
        if u32_at(bytes, 60) != crc32fast::hash(covered) {
            return Err(Fault::Corrupt("a slot of the head does not match its checksum"));
        }
        let head = Head {
            log_id: u64_at(bytes, 0),
            segment_first: u64_at(bytes, 8),
            durable_seq: u64_at(bytes, 16),
            counter: u64_at(bytes, 24),
            durable_offset: u32_at(bytes, 32),
            chain: u32_at(bytes, 36),
        };
        if !bytes.get(40..60).is_some_and(is_zero) || head.counter % 2 != parity {
            return Err(Fault::Corrupt("a slot of the head breaks its own rules"));
        }
        Ok(Some(head))
    }
}

impl HeadFile {
    /// Reads the file's bytes, as many as there are.
    pub(crate) fn decode(bytes: &[u8]) -> HeadFile {
        let mut found = HeadFile { head: None, mixed: false, fault: None };
        if bytes.len() != HEAD_BYTES {
            found.fault = Some(Fault::Corrupt("the head is not 1,024 bytes long"));
        }
        for (at, parity) in [(0, 0), (SLOT_STEP, 1)] {
            let Some(slot) = bytes.get(at..at + SLOT_BYTES) else { continue };
            match Head::decode(slot, parity) {
                Ok(None) => {}
                Ok(Some(head)) => found.keep(head),
                Err(fault) => found.fault = Some(fault),
            }
            let rest = bytes.get(at + SLOT_BYTES..(at + SLOT_STEP).min(bytes.len()));
            if !rest.is_none_or(is_zero) {
                found.fault = Some(Fault::Corrupt("the head has bytes where zeros belong"));
            }
        }
        found
    }

    fn keep(&mut self, head: Head) {
        match self.head {
            Some(other) => {
                self.mixed = other.log_id != head.log_id;
                if head.counter > other.counter {
                    self.head = Some(head);
                }
            }
            None => self.head = Some(head),
        }
    }
}
