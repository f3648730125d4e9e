//! Decompression of what events are read from: plain, gzip or zstd, told by the first bytes and
//! never by a name. Opening files, and taking requests, is the part of others.

mod zstd;

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// Large enough that neither system calls nor events cut in two by its end count for anything.
const BUFFER_BYTES: usize = 256 << 10;

/// The longest of the first bytes that archives are told by.
const MAGIC_BYTES: u64 = 4;

/// The bytes of a source, decompressed if it is an archive; of one that looks back on more than 128
/// MiB, as `zstd --long` does, nothing.
#[cfg(any(feature = "cli", test))]
pub(crate) fn decoded(raw: Box<dyn Read + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    decoded_within(raw, zstd::WINDOW_BYTES_USUAL)
}

/// The same of an archive that looks back on no more bytes than `window_max`: they are kept in memory.
pub(crate) fn decoded_within(
    mut raw: Box<dyn Read + Send>,
    window_max: u64,
) -> io::Result<Box<dyn BufRead + Send>> {
    // A pipe may give its first bytes one by one, so they are read for themselves.
    let mut magic = Vec::new();
    raw.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
    let (is_gzip, is_zstd) = (is_gzip(&magic), zstd::is_frame(&magic));
    let whole = Cursor::new(magic).chain(BufReader::with_capacity(BUFFER_BYTES, raw));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::new(whole, window_max)))
    } else {
        Box::new(whole)
    })
}

/// Whether an archive was refused for how far it looks back.
#[cfg(feature = "serve")]
pub(crate) fn looks_back_too_far(error: &io::Error) -> bool {
    zstd::looks_back_too_far(error)
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
