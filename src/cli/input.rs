//! Decompression of what events are read from: plain, gzip or zstd, told by the first bytes and
//! never by a name. Opening files is the part of `sources`.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::zstd;

/// Large enough that neither system calls nor events cut in two by its end count for anything.
const BUFFER_BYTES: usize = 256 << 10;

/// The longest of the first bytes that archives are told by.
const MAGIC_BYTES: u64 = 4;

/// The bytes of a source, decompressed if it is an archive.
pub(super) fn decoded(mut raw: Box<dyn Read + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    // A pipe may give its first bytes one by one, so they are read for themselves.
    let mut magic = Vec::new();
    raw.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
    let is_gzip = magic.starts_with(&[0x1F, 0x8B]);
    let is_zstd = zstd::is_frame(&magic);
    let whole = Cursor::new(magic).chain(BufReader::with_capacity(BUFFER_BYTES, raw));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

#[cfg(test)]
mod tests;
