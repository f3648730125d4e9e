//! Decompression of what events are read from: plain, gzip or zstd, told by the first bytes and
//! never by a name. Opening files, and taking requests, is the part of others.

mod zstd;

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// Large enough that neither system calls nor events cut in two by its end count for anything.
const BUFFER_BYTES: usize = 256 << 10;

/// The longest of the first bytes that archives are told by.
const MAGIC_BYTES: u64 = 4;

/// The bytes of a source, decompressed if it is an archive.
pub(crate) fn decoded(mut raw: Box<dyn Read + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    // A pipe may give its first bytes one by one, so they are read for themselves.
    let mut magic = Vec::new();
    raw.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
    let (is_gzip, is_zstd) = (is_gzip(&magic), zstd::is_frame(&magic));
    let whole = Cursor::new(magic).chain(BufReader::with_capacity(BUFFER_BYTES, raw));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

/// Whether bytes begin as an archive does.
#[cfg(feature = "serve")]
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    is_gzip(bytes) || zstd::is_frame(bytes)
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B])
}

#[cfg(test)]
mod tests;
