//! A segment's bytes in words, for people who look at bytes: each field, from the first to the
//! last. What stands in the body of a batch is told by whoever knows batches.
//!
//! It says what is there, damage too; what is wrong is recovery's and `verify`'s to judge.

use std::io::Read;
use std::path::Path;

use super::seal::Seal;
use super::segment::SegmentHeader;
use crate::error::{Error, Fault};
use crate::frame::{
    FrameHeader, HEADER_BYTES, HeaderBytes, KIND_BATCH, KIND_SEAL, bytes_at, i64_at, is_zero,
    u32_at, u64_at,
};

/// Some bytes of a segment and what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// What they are a part of: the segment's header, or a frame.
    pub section: &'a str,
    /// Where they are in the file.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
    /// They themselves, or the first of them. None of a row, which stands all over its batch.
    pub bytes: &'a [u8],
    /// What they are called.
    pub name: &'a str,
    /// What they say.
    pub meaning: String,
}

/// Receives parts; false wants no more.
pub(crate) type Each<'e> = dyn FnMut(&Part<'_>) -> bool + 'e;

/// What the log does not know: how an instant is written, and what is in a batch.
pub(crate) struct Words<'w> {
    /// Writes µs since 1970.
    pub(crate) time: fn(i64) -> String,
    /// Tells a body.
    pub(crate) batch: &'w mut TellBatch<'w>,
}

/// Tells a body, the sequence of its first event, and how many events it has.
pub(crate) type TellBatch<'w> = dyn FnMut(&mut Fields<'_, '_>, &[u8], u64, u32) + 'w;

/// A structure that is told field by field, from front to back.
pub(crate) struct Fields<'a, 'e> {
    section: &'a str,
    offset: u64,
    rest: &'a [u8],
    each: &'a mut Each<'e>,
    pub(crate) wanted: bool,
}

impl<'a, 'e> Fields<'a, 'e> {
    /// The fields of `bytes`, which are at `offset`.
    pub(crate) fn new(
        section: &'a str,
        offset: u64,
        bytes: &'a [u8],
        each: &'a mut Each<'e>,
    ) -> Fields<'a, 'e> {
        Fields { section, offset, rest: bytes, each, wanted: true }
    }

    /// Tells the next `length` bytes.
    pub(crate) fn take(&mut self, length: usize, name: &str, meaning: impl Into<String>) {
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        let (section, offset, length) = (self.section, self.offset, bytes.len() as u64);
        if self.wanted && !bytes.is_empty() {
            let meaning = meaning.into();
            self.wanted = (self.each)(&Part { section, offset, length, bytes, name, meaning });
        }
        self.rest = rest;
        self.offset += length;
    }

    /// Tells something that has no bytes of its own.
    pub(crate) fn remark(&mut self, name: &str, meaning: String) {
        let (section, offset) = (self.section, self.offset);
        let part = Part { section, offset, length: 0, bytes: &[], name, meaning };
        self.wanted = self.wanted && (self.each)(&part);
    }

    /// Tells all that is left.
    pub(crate) fn take_rest(&mut self, name: &str, meaning: impl Into<String>) {
        self.take(self.rest.len(), name, meaning);
    }
}

/// Tells every part of the segment that `source` is read from, until `each` returns false.
///
/// # Errors
/// What reading says, or that the file is no segment.
pub(crate) fn explain(
    source: &mut dyn Read,
    path: &Path,
    words: &mut Words<'_>,
    each: &mut Each<'_>,
) -> Result<(), Error> {
    let mut input = Input { source, path, offset: 0 };
    let bytes = input.take(128)?;
    let Some(bytes) = bytes.first_chunk::<128>().filter(|bytes| bytes.starts_with(b"\x89LTVLOG"))
    else {
        let reason = format!("{} is no segment of a log", path.display());
        return Err(Error::Options { reason });
    };
    let header = SegmentHeader::decode(bytes).map_err(|fault| fault.at(path, 0))?;
    let mut fields = Fields::new("segment header", 0, bytes, each);
    segment_header(&mut fields, &header, bytes, words.time);
    let mut wanted = fields.wanted;
    while wanted {
        let offset = input.offset;
        let bytes = input.take(u64::from(HEADER_BYTES))?;
        let Some(bytes) = bytes.first_chunk::<32>() else {
            if !bytes.is_empty() {
                let why = "the file ends inside a frame's header";
                Fields::new("no frame", offset, &bytes, each).take_rest("bytes", why);
            }
            return Ok(());
        };
        let (frame, crc) = match FrameHeader::decode(bytes, header.salt, offset) {
            HeaderBytes::Whole(frame, crc) => (frame, crc),
            HeaderBytes::Zero => return rest(&mut input, bytes, "not written yet", each),
            HeaderBytes::Damaged => {
                return rest(&mut input, bytes, "a frame's header without its checksum", each);
            }
            HeaderBytes::Refused(Fault::Corrupt(reason) | Fault::Unknown(reason)) => {
                return rest(&mut input, bytes, reason, each);
            }
        };
        let first_seq = header.first_seq.saturating_add(u64::from(frame.seq_delta));
        let section = section(&frame, first_seq);
        let mut fields = Fields::new(&section, offset, bytes, each);
        frame_header(&mut fields, &frame, crc);
        wanted = fields.wanted && body(&mut input, &frame, first_seq, &section, words, each)?;
    }
    Ok(())
}

/// A file that is read from front to back.
struct Input<'s> {
    source: &'s mut dyn Read,
    path: &'s Path,
    offset: u64,
}

impl Input<'_> {
    /// The next bytes; fewer where the file ends.
    fn take(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.source.take(length).read_to_end(&mut bytes);
        self.offset += read.map_err(Error::io("read", self.path))? as u64;
        Ok(bytes)
    }
}

fn section(frame: &FrameHeader, first_seq: u64) -> String {
    match (frame.kind, frame.events) {
        (KIND_BATCH, 0) => format!("batch without events, at {first_seq}"),
        (KIND_BATCH, events) => {
            let last = first_seq.saturating_add(u64::from(events) - 1);
            format!("batch {first_seq} to {last}")
        }
        (KIND_SEAL, _) => "seal".to_owned(),
        (kind, _) => format!("frame of kind {kind}"),
    }
}

/// Tells a frame's body and padding; whether more is wanted.
fn body(
    input: &mut Input<'_>,
    frame: &FrameHeader,
    first_seq: u64,
    section: &str,
    words: &mut Words<'_>,
    each: &mut Each<'_>,
) -> Result<bool, Error> {
    let offset = input.offset;
    let bytes = input.take(frame.frame_bytes() - u64::from(HEADER_BYTES))?;
    let body_bytes = usize::try_from(frame.body_bytes).unwrap_or(usize::MAX);
    let Some((inside, padding)) = bytes.split_at_checked(body_bytes) else {
        let mut fields = Fields::new(section, offset, &bytes, each);
        fields.take_rest("body", "the file ends inside it");
        return Ok(fields.wanted);
    };
    let mut fields = Fields::new(section, offset, inside, each);
    if crc32fast::hash(inside) != frame.body_crc {
        fields.take_rest("body", "does not match body_crc");
    } else if frame.kind == KIND_BATCH {
        (words.batch)(&mut fields, inside, first_seq, frame.events);
    } else if frame.kind == KIND_SEAL
        && let Ok(content) = Seal::decode(inside, offset - u64::from(HEADER_BYTES))
    {
        seal(&mut fields, &content, inside, words.time);
    }
    fields.take_rest("body", "not known to this build");
    let wanted = fields.wanted;
    let mut fields = Fields::new(section, offset + inside.len() as u64, padding, each);
    fields.wanted = wanted;
    fields.take_rest("padding", if is_zero(padding) { "zeros" } else { "should be zeros" });
    Ok(fields.wanted)
}

/// Tells what follows the last whole frame, as one part.
fn rest(input: &mut Input<'_>, start: &[u8], why: &str, each: &mut Each<'_>) -> Result<(), Error> {
    let offset = input.offset - start.len() as u64;
    let mut zero = is_zero(start);
    loop {
        let bytes = input.take(1 << 16)?;
        if bytes.is_empty() {
            break;
        }
        zero &= is_zero(&bytes);
    }
    let length = input.offset - offset;
    let meaning = format!("{why}; {} to the file's end", if zero { "zeros" } else { "bytes" });
    each(&Part { section: "no frame", offset, length, bytes: start, name: "bytes", meaning });
    Ok(())
}

fn segment_header(
    fields: &mut Fields<'_, '_>,
    header: &SegmentHeader,
    bytes: &[u8; 128],
    time: fn(i64) -> String,
) {
    let meta = &header.meta;
    let number = |at| u32_at(bytes, at).to_string();
    fields.take(8, "magic", "a segment");
    fields.take(4, "format", number(8));
    fields.take(4, "incompatible_flags", number(12));
    fields.take(4, "compatible_flags", number(16));
    fields.take(4, "generation", format!("rewritten {} times", header.generation));
    fields.take(8, "log_id", format!("{:016x}", meta.log_id));
    fields.take(8, "first_seq", header.first_seq.to_string());
    fields.take(8, "salt", format!("{:016x}", header.salt));
    fields.take(4, "chain_in", format!("{:08x}", header.chain_in));
    fields.take(3, "currency", String::from_utf8_lossy(&meta.currency));
    let [minor_digits] = bytes_at(bytes, 55);
    fields.take(1, "minor_digits", minor_digits.to_string());
    fields.take(2, "partition", meta.partition.to_string());
    fields.take(2, "partitions", meta.partitions.to_string());
    fields.take(8, "time_range_from", time(meta.time_range_us.start));
    fields.take(8, "time_range_to", time(meta.time_range_us.end));
    fields.take(48, "zeros", "reserved");
    fields.take(4, "crc", format!("{:08x} of all before", u32_at(bytes, 124)));
}

fn frame_header(fields: &mut Fields<'_, '_>, header: &FrameHeader, crc: u32) {
    let kind = match header.kind {
        KIND_BATCH => "batch",
        KIND_SEAL => "seal",
        _ => "to be skipped",
    };
    fields.take(4, "crc", format!("{crc:08x} of salt, offset and the rest of this header"));
    fields.take(1, "kind", format!("{} ({kind})", header.kind));
    fields.take(1, "version", "");
    fields.take(2, "zero_sectors", format!("{} by nature", header.zero_sectors));
    fields.take(4, "body_bytes", header.body_bytes.to_string());
    fields.take(4, "events", header.events.to_string());
    fields.take(4, "seq_delta", format!("{} after the segment's first", header.seq_delta));
    fields.take(4, "durable_offset", format!("all before {} was synced", header.durable_offset));
    fields.take(4, "chain", format!("{:08x}, the crc of the frame before", header.chain));
    fields.take(4, "body_crc", format!("{:08x}", header.body_crc));
}

fn seal(fields: &mut Fields<'_, '_>, seal: &Seal, body: &[u8], time: fn(i64) -> String) {
    fields.take(8, "end_seq", seal.end_seq.to_string());
    fields.take(4, "customers_end", seal.tally.customers.to_string());
    fields.take(4, "chain_out", format!("{:08x}", seal.chain_out));
    fields.take(8, "cents_abs", u64_at(body, 16).to_string());
    fields.take(8, "appended_at", time(i64_at(body, 24)));
    fields.take(4, "directory_bytes", seal.directory_bytes.to_string());
    fields.take(
        seal.directory_bytes,
        "directory",
        format!("{} frames: sequences, offsets, customers before", seal.directory.len()),
    );
    let padding = body.len().saturating_sub(36 + seal.directory_bytes + 4);
    fields.take(padding, "zeros", "to a multiple of 32");
    fields.take_rest("frame_offset", "where this frame starts");
}
