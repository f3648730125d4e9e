//! Any bytes as a segment.

use std::path::Path;

use super::logs::{self, DIR, Files};
use super::{Input, mend, reading};
use crate::frame::u64_at;

/// The longest segment that is tried.
const BYTES_MAX: usize = 64 << 10;

/// The first byte says what of the checksums is made right (`mend`), and with bit 3 that the
/// segment takes the place of a log's last one; all others are the segment.
pub fn scan(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let mut bytes = input.take(BYTES_MAX).to_vec();
    mend::segment(&mut bytes, how);
    explain(&bytes);
    let mut files = Files::new();
    if how & 8 == 0 {
        let first = if bytes.len() < 128 { 0 } else { u64_at(&bytes, 32) };
        let first = if how & 16 == 0 { 0 } else { first };
        files.insert(Path::new(DIR).join("segments").join(format!("{first:020}.seg")), bytes);
    } else {
        files = logs::logs()[1].files.clone();
        files.retain(|path, _| !path.ends_with("head"));
        let last = logs::segments(&files).pop().expect("a log has segments");
        files.insert(last, bytes);
    }
    let seen = reading::read(&files);
    reading::write(&files, &seen, how & mend::FRAMES != 0);
}

/// Bytes in words: whatever they are, in no more words than there are bytes.
fn explain(bytes: &[u8]) {
    let mut parts = 0_usize;
    let told = crate::explain(&mut &*bytes, Path::new("a segment"), true, &mut |_| {
        parts += 1;
        true
    });
    assert!(told.is_err() || parts <= bytes.len() + 8, "{parts} parts of {} bytes", bytes.len());
}
