//! Archives, whole, in several members or frames, and broken at every byte.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

/// Text that compresses, but not to nothing.
fn text(bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0_u64.. {
        if out.len() >= bytes {
            break;
        }
        let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(out, "{{\"key\":\"{number}\",\"noise\":{noise}}}").expect("memory takes all");
    }
    out.truncate(bytes);
    out
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// A frame that decoders must skip.
fn skippable(length: u32) -> Vec<u8> {
    let mut out = vec![0x5A, 0x2A, 0x4D, 0x18];
    out.extend(length.to_le_bytes());
    out.extend(vec![b'{'; length as usize]);
    out
}

/// Gives one byte at a time, as a slow pipe does.
struct Drip(Cursor<Vec<u8>>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

/// What is read, and the error that ended it.
fn read(archive: &[u8]) -> (Vec<u8>, Option<io::Error>) {
    let mut out = Vec::new();
    let source = decoded(Box::new(Cursor::new(archive.to_vec())));
    let error = source.expect("memory can be read").read_to_end(&mut out).err();
    (out, error)
}

#[track_caller]
fn assert_read(archive: &[u8], expected: &[u8]) {
    let (out, error) = read(archive);
    assert!(error.is_none(), "{error:?}");
    assert!(out == expected, "{} bytes, not {}", out.len(), expected.len());
    let mut slow = Vec::new();
    let source = decoded(Box::new(Drip(Cursor::new(archive.to_vec()))));
    source.expect("memory can be read").read_to_end(&mut slow).expect("as before");
    assert!(slow == expected, "one byte at a time");
}

#[test]
fn archives_are_told_by_their_first_bytes() {
    for text in [text(0), text(1), text(3), text(1000), text(700_000)] {
        assert_read(&text, &text);
        assert_read(&gzip(&text), &text);
        assert_read(&zstd(&text), &text);
        let (one, other) = text.split_at(text.len() / 3);
        assert_read(&[gzip(one), gzip(b""), gzip(other)].concat(), &text);
        assert_read(&[zstd(one), zstd(b""), zstd(other)].concat(), &text);
        assert_read(
            &[skippable(0), skippable(300_000), zstd(one), skippable(9), zstd(other), skippable(1)]
                .concat(),
            &text,
        );
    }
    assert_read(b"\x1f", b"\x1f");
    assert_read(b"\x28\xb5\x2f", b"\x28\xb5\x2f");
    assert_read(&skippable(5), b"");
}

/// Everything before the break is given, nothing that was not there, and the break is told.
#[test]
fn an_archive_cut_at_any_byte_gives_what_was_before_and_an_error() {
    let text = text(3000);
    let frames = || [zstd(&text[..1000]), skippable(7), zstd(&text[1000..])];
    let ends: Vec<usize> = (1..=3).map(|count| frames()[..count].concat().len()).collect();
    for cut in 4..frames().concat().len() {
        let (out, error) = read(&frames().concat()[..cut]);
        assert!(text.starts_with(&out));
        assert_eq!(error.is_none(), ends.contains(&cut), "cut at {cut}: {error:?}");
        assert!(cut < ends[0] || out.len() >= 1000);
        if let Some(error) = error {
            assert!(error.raw_os_error().is_none());
            assert_ne!(error.kind(), io::ErrorKind::Interrupted);
        }
    }
    let archive = gzip(&text);
    for cut in 2..archive.len() {
        let (out, error) = read(&archive[..cut]);
        assert!(text.starts_with(&out));
        assert!(error.is_some(), "cut at {cut}");
    }
}

/// A frame keeps a window of what it decoded to look back on: that too is given when it breaks,
/// all of it if the rest is missing, less a block if the rest is wrong.
#[test]
fn a_frame_that_breaks_gives_its_whole_blocks() {
    const BLOCK: usize = 128 << 10;
    let text = text(3 * BLOCK);
    let archive = zstd(&text);
    let (out, error) = read(&archive[..archive.len() - 10]);
    assert!(error.is_some());
    assert!(out == text[..2 * BLOCK], "{} bytes", out.len());
    let mut wrong = archive.clone();
    let last_block = archive.len() - 1000;
    wrong[last_block..].fill(0xFF);
    let (out, error) = read(&wrong);
    assert!(error.is_some());
    assert!(text.starts_with(&out));
    assert!(out.len() >= BLOCK, "{} bytes", out.len());
}

#[test]
fn a_changed_archive_is_told_and_never_panics() {
    let text = text(2000);
    for (archive, last) in [(gzip(&text), 8), (zstd(&text), 4)] {
        for at in 4..archive.len() {
            let mut changed = archive.clone();
            changed[at] ^= 0x10;
            let (out, error) = read(&changed);
            // Some bits of the header say nothing about the text.
            assert!(error.is_some() || out == text, "byte {at}");
        }
        let mut changed = archive.clone();
        changed[archive.len() - last] ^= 1;
        assert!(read(&changed).1.is_some(), "a checksum that is wrong");
        let (out, error) = read(&[archive, b"junk".to_vec()].concat());
        assert!(out == text && error.is_some(), "junk behind an archive");
    }
}

/// A disk that fails is no broken archive.
#[test]
fn an_error_of_the_system_is_passed_on() {
    struct Failing(Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::from_raw_os_error(5)),
                length => Ok(length),
            }
        }
    }
    let text = text(1000);
    for whole in [text.clone(), gzip(&text), zstd(&text), skippable(1000)] {
        for cut in [4, 20, whole.len() - 6, whole.len()] {
            let source = Failing(Cursor::new(whole[..cut].to_vec()));
            let mut source = decoded(Box::new(source)).expect("the first bytes can be read");
            let error = source.read_to_end(&mut Vec::new()).expect_err("the disk fails");
            assert_eq!(error.raw_os_error(), Some(5), "cut at {cut}: {error}");
        }
    }
}
