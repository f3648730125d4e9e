//! zstd archives as a stream: frames one behind another, skippable ones skipped, checksums
//! compared. `ruzstd` decodes the blocks.
//!
//! What a frame had before the place where it breaks is given before the error is.

use std::io::{self, BufRead, Cursor, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How far an archive may look back where it is read for whoever brought it.
#[cfg(any(feature = "cli", test))]
pub(super) const WINDOW_BYTES_USUAL: u64 = ruzstd::decoding::DEFAULT_MAX_WINDOW_SIZE;

/// The most that one block can decode to.
const BLOCK_BYTES_MAX: usize = 128 << 10;

/// Whether an archive of zstd begins so: with a frame, or with one to skip.
pub(super) fn is_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// Whether an archive was refused for how far it looks back.
#[cfg(feature = "serve")]
pub(super) fn looks_back_too_far(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(FrameDecoderError::WindowSizeTooBig { .. }))
}

/// Reads the frames of an archive.
pub(super) struct Decoder<R> {
    source: Source<R>,
    frame: FrameDecoder,
    is_in_frame: bool,
    broken: Option<Broken>,
}

/// What is left to give once a frame has broken.
struct Broken {
    /// What was decoded before.
    rest: Cursor<Vec<u8>>,
    error: Option<io::Error>,
}

impl<R: BufRead> Decoder<R> {
    /// Frames that look back on more bytes than `window_max` are refused.
    pub(super) fn new(source: R, window_max: u64) -> Decoder<R> {
        let source = Source { inner: source, error: None };
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(window_max);
        Decoder { source, frame, is_in_frame: false, broken: None }
    }

    /// Begins the next frame; false at the archive's end.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.source.inner.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.source) {
                Ok(()) => {
                    self.is_in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    self.skip(u64::from(length))?;
                }
                Err(error) => return Err(self.source.explain(error)),
            }
        }
        Ok(false)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let mut skipped = self.source.inner.by_ref().take(length);
        if io::copy(&mut skipped, &mut io::sink())? < length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a frame ends early"));
        }
        Ok(())
    }

    /// Compares the checksum that a frame may end with.
    fn end_frame(&mut self) -> io::Result<()> {
        self.is_in_frame = false;
        let expected = self.frame.get_checksum_from_data();
        if expected.is_some() && expected != self.frame.get_calculated_checksum() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum is wrong"));
        }
        Ok(())
    }

    /// Takes out of the decoder what it would have kept to look back on. The bytes of a block
    /// that is wrong, not merely missing, are no good: they were decoded before it was noticed.
    fn break_frame(&mut self, error: FrameDecoderError) -> io::Result<Broken> {
        let is_truncated = self.source.inner.fill_buf()?.is_empty();
        let error = self.source.explain(error);
        // An empty last block and a checksum nobody compares: the frame is over.
        let last_block: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
        let mut rest = Vec::new();
        if self.frame.decode_blocks(last_block, BlockDecodingStrategy::UptoBlocks(1)).is_ok() {
            self.frame.read_to_end(&mut rest)?;
        }
        if !is_truncated {
            rest.truncate(rest.len().saturating_sub(BLOCK_BYTES_MAX));
        }
        Ok(Broken { rest: Cursor::new(rest), error: Some(error) })
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(broken) = &mut self.broken {
                let length = broken.rest.read(buffer)?;
                return match broken.error.take_if(|_| length == 0) {
                    Some(error) => Err(error),
                    None => Ok(length),
                };
            }
            if !self.is_in_frame && !self.begin_frame()? {
                return Ok(0);
            }
            let length = self.frame.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            if self.frame.is_finished() {
                self.end_frame()?;
            } else if let Err(error) =
                self.frame.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
            {
                self.broken = Some(self.break_frame(error)?);
            }
        }
    }
}

/// The archive's bytes. Remembers the system's errors, which `ruzstd` wraps in its own, so that a
/// failing disk is not taken for a broken archive.
struct Source<R> {
    inner: R,
    error: Option<io::Error>,
}

impl<R> Source<R> {
    /// The error behind an error of the decoder.
    fn explain(&mut self, error: FrameDecoderError) -> io::Error {
        self.error.take().unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let told = error.kind().into();
            self.error = Some(error);
            told
        })
    }
}
