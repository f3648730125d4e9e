//! Columns of bytes: raw, hex digits packed in pairs, or an LZ4 block.
//!
//! Knows forms 64 to 66. Where one text ends and the next begins stands in another column, and
//! so does the number of digits of a packed column: two for each byte, or one less.

use std::ops::Range;

use super::column::{BODY_BYTES_MAX, Column};
use super::lz4::{self, Compressor};
use crate::error::Fault;

const FORM_RAW: u8 = 64;
const FORM_HEX: u8 = 65;
const FORM_LZ4: u8 = 66;
/// A block must save a sixteenth of the raw bytes to be worth decompressing.
const SAVED_PART: usize = 16;

const CUT: Fault = Fault::Corrupt("a column of bytes has another length than it should");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Raw,
    Hex,
    Lz4,
}

/// A column of bytes whose header was checked, its data not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytesColumn<'a> {
    form: Form,
    /// How many bytes it stands for; of packed digits the greater of the two possible numbers.
    length: usize,
    data: &'a [u8],
}

impl<'a> BytesColumn<'a> {
    /// Checks what can be checked without the number of bytes.
    #[inline(always)]
    pub(crate) fn new(column: Column<'a>) -> Result<Self, Fault> {
        let Column { form, base, scale, data, .. } = column;
        let (form, length, base_due) = match form {
            FORM_RAW => (Form::Raw, data.len(), 0),
            FORM_HEX => (Form::Hex, data.len() * 2, 0),
            FORM_LZ4 => (Form::Lz4, usize::try_from(base).ok().ok_or(CUT)?, base),
            0..=16 => return Err(Fault::Corrupt("a column of bytes has a form for integers")),
            _ => return Err(Fault::Unknown("a column of a form that this build does not know")),
        };
        if form == Form::Hex && data.is_empty() {
            return Err(Fault::Corrupt("a column of hex digits has none"));
        }
        if base != base_due || scale != 1 || length > BODY_BYTES_MAX {
            return Err(Fault::Corrupt("a column of bytes has a base or a scale that it may not"));
        }
        Ok(BytesColumn { form, length, data })
    }

    /// How many bytes it stands for, where the column itself knows.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Appends all its bytes, of which there must be `length`, to `out`.
    pub(crate) fn read(&self, length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.check(length)?;
        match self.form {
            Form::Raw => out.extend_from_slice(self.data),
            Form::Hex => {
                unpack_hex(self.data, out);
                out.truncate(out.len() - (self.length - length));
            }
            Form::Lz4 => {
                let mut scratch = Vec::new();
                out.extend_from_slice(lz4::decompress(self.data, length, &mut scratch)?);
            }
        }
        Ok(())
    }

    /// Appends the bytes in `range` of `length` to `out`; only a compressed column is then
    /// decompressed whole.
    pub(crate) fn read_part(
        &self,
        range: Range<usize>,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.check(length)?;
        if range.end > length || range.start > range.end {
            return Err(CUT);
        }
        match self.form {
            Form::Raw => out.extend_from_slice(self.data.get(range).ok_or(CUT)?),
            Form::Hex => {
                let pairs = range.start / 2..range.end.div_ceil(2);
                let start = out.len();
                unpack_hex(self.data.get(pairs).ok_or(CUT)?, out);
                out.drain(start..start + range.start % 2);
                out.truncate(start + range.len());
            }
            Form::Lz4 => {
                let mut scratch = Vec::new();
                let all = lz4::decompress(self.data, length, &mut scratch)?;
                out.extend_from_slice(all.get(range).ok_or(CUT)?);
            }
        }
        Ok(())
    }

    fn check(&self, length: usize) -> Result<(), Fault> {
        let odd = self.form == Form::Hex && length % 2 == 1;
        if self.length != length + usize::from(odd) {
            return Err(CUT);
        }
        if odd && self.data.last().is_none_or(|pair| pair & 0x0F != 0) {
            return Err(Fault::Corrupt("the half byte after the last hex digit is not zero"));
        }
        Ok(())
    }
}

/// Appends a column of bytes to `out`. Packed as hex where `hex` allows it and all bytes are
/// lower-case hex digits, else with a `compressor` as an LZ4 block if that is worth it.
pub(crate) fn write_bytes(
    id: u8,
    raw: &[u8],
    hex: Option<&mut Vec<u8>>,
    compressor: Option<&mut Compressor>,
    out: &mut Vec<u8>,
) {
    if let Some(packed) = hex
        && pack_hex(raw, packed)
    {
        return Column { id, form: FORM_HEX, base: 0, scale: 1, data: packed }.write(out);
    }
    if let Some(block) = compressor.and_then(|compressor| compressor.compress(raw, SAVED_PART)) {
        let base = i64::try_from(raw.len()).expect("memory is shorter than 2^63 bytes");
        return Column { id, form: FORM_LZ4, base, scale: 1, data: block }.write(out);
    }
    Column { id, form: FORM_RAW, base: 0, scale: 1, data: raw }.write(out);
}

/// Packs `raw` two digits to a byte, high nibble first; `false` if there are none, or others.
fn pack_hex(raw: &[u8], packed: &mut Vec<u8>) -> bool {
    // Without a branch inside, so that a piece is looked at 16 bytes at a time.
    let is_hex = |piece: &[u8]| piece.iter().fold(true, |all, byte| all & is_hex_digit(*byte));
    if raw.is_empty() || !raw.chunks(256).all(is_hex) {
        return false;
    }
    packed.clear();
    let (pairs, odd) = raw.as_chunks::<2>();
    packed.extend(pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)));
    packed.extend(odd.iter().map(|high| nibble(*high) << 4));
    true
}

fn is_hex_digit(byte: u8) -> bool {
    byte.is_ascii_digit() | (b'a'..=b'f').contains(&byte)
}

/// The value of a lower-case hex digit.
fn nibble(digit: u8) -> u8 {
    (digit & 0x0F) + 9 * (digit >> 6)
}

fn unpack_hex(packed: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * packed.len(), 0);
    let fresh = out.get_mut(start..).unwrap_or_default();
    let (pairs, _) = fresh.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(packed) {
        *pair = [digit(byte >> 4), digit(byte & 0x0F)];
    }
}

/// The lower-case hex digit of a value below 16.
fn digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}
