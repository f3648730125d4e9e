//! Columns of integers: base + scale × an unsigned number of 1 to 8 bytes, or all the same.
//!
//! Knows forms 0 to 16 and nothing of what the numbers mean, nor how many there should be: a
//! column does not say how many rows it has, so whoever reads it brings that number.

use super::column::Column;
use super::lz4::{self, Compressor};
use crate::error::Fault;

/// Form 0: every row is the base.
const FORM_SAME: u8 = 0;
/// Forms 9 to 16 are 1 to 8 with their data as an LZ4 block.
const FORM_LZ4: u8 = 8;
/// The scales that a column may have, best first.
const SCALES: [u32; 3] = [1_000_000, 1_000, 1];

const CUT: Fault = Fault::Corrupt("a column of integers has another number of rows than it should");
const RANGE: Fault = Fault::Corrupt("a column of integers has a value out of range");

/// The types that rows are read as and written from.
pub(crate) trait Int: Copy + Ord {
    /// The least and the greatest value.
    const RANGE: (i64, i64);
    /// The low bytes of `value`, which is the value itself wherever it is in range.
    fn low(value: i64) -> Self;
    /// The value as every column holds it.
    fn wide(self) -> i64;
}

impl Int for u8 {
    const RANGE: (i64, i64) = (0, 0xFF);
    fn low(value: i64) -> Self {
        let [low, ..] = value.to_le_bytes();
        low
    }
    fn wide(self) -> i64 {
        i64::from(self)
    }
}

impl Int for u32 {
    const RANGE: (i64, i64) = (0, 0xFFFF_FFFF);
    fn low(value: i64) -> Self {
        let [a, b, c, d, ..] = value.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
    fn wide(self) -> i64 {
        i64::from(self)
    }
}

impl Int for i64 {
    const RANGE: (i64, i64) = (i64::MIN, i64::MAX);
    fn low(value: i64) -> Self {
        value
    }
    fn wide(self) -> i64 {
        self
    }
}

/// Sequences, which stay below 2^63.
impl Int for u64 {
    const RANGE: (i64, i64) = (0, i64::MAX);
    fn low(value: i64) -> Self {
        value.cast_unsigned()
    }
    fn wide(self) -> i64 {
        self.cast_signed()
    }
}

/// A column of integers whose header was checked, its rows not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntColumn<'a> {
    base: i64,
    scale: u32,
    /// Bytes of a row, 0 to 8; 0 if all are the base.
    width: u8,
    compressed: bool,
    data: &'a [u8],
}

impl<'a> IntColumn<'a> {
    /// Checks what can be checked without the number of rows.
    #[inline(always)]
    pub(crate) fn new(column: Column<'a>) -> Result<Self, Fault> {
        let Column { form, base, scale, data, .. } = column;
        if form > 2 * FORM_LZ4 {
            return Err(match form {
                64..=66 => Fault::Corrupt("a column of integers has a form for bytes"),
                _ => Fault::Unknown("a column of a form that this build does not know"),
            });
        }
        if !SCALES.contains(&scale) {
            return Err(Fault::Corrupt("a column has a scale that is none of the three"));
        }
        if form == FORM_SAME && !(data.is_empty() && scale == 1) {
            return Err(Fault::Corrupt("a column of equal integers has data or a scale"));
        }
        let compressed = form > FORM_LZ4;
        let width = if compressed { form - FORM_LZ4 } else { form };
        Ok(IntColumn { base, scale, width, compressed, data })
    }

    /// The value that all rows have, if they have one: always so in a column of one row.
    pub(crate) fn same(&self) -> Option<i64> {
        (self.width == 0).then_some(self.base)
    }

    /// Base, scale and width, to compare with what they should be.
    pub(crate) fn shape(&self) -> Shape {
        Shape { base: self.base, scale: self.scale, width: self.width }
    }

    /// The packed rows; decompressed into `scratch` where they are compressed.
    fn packed<'s>(&self, rows: usize, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Fault>
    where
        'a: 's,
    {
        let length = rows.checked_mul(usize::from(self.width)).ok_or(CUT)?;
        if self.compressed {
            lz4::decompress(self.data, length, scratch)
        } else if self.data.len() == length {
            Ok(self.data)
        } else {
            Err(CUT)
        }
    }

    /// Reads all `rows` rows into `out`, in place of what is there.
    pub(crate) fn read<T: Int>(&self, rows: usize, out: &mut Vec<T>) -> Result<(), Fault> {
        out.clear();
        let mut scratch = Vec::new();
        let packed = self.packed(rows, &mut scratch)?;
        match self.width {
            0 => {
                self.admit::<T>(0)?;
                out.resize(rows, T::low(self.base));
                Ok(())
            }
            1 => self.unpack::<T, 1>(packed, out),
            2 => self.unpack::<T, 2>(packed, out),
            3 => self.unpack::<T, 3>(packed, out),
            4 => self.unpack::<T, 4>(packed, out),
            5 => self.unpack::<T, 5>(packed, out),
            6 => self.unpack::<T, 6>(packed, out),
            7 => self.unpack::<T, 7>(packed, out),
            _ => self.unpack::<T, 8>(packed, out),
        }
    }

    /// Reads row `row` of `rows`; at once where the column is not compressed.
    pub(crate) fn get<T: Int>(&self, row: usize, rows: usize) -> Result<T, Fault> {
        if row >= rows {
            return Err(CUT);
        }
        let mut scratch = Vec::new();
        let packed = self.packed(rows, &mut scratch)?;
        let width = usize::from(self.width);
        let bytes = packed.chunks_exact(width.max(1)).nth(row).unwrap_or_default();
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        let value = u64::from_le_bytes(wide);
        self.admit::<T>(value)?;
        Ok(T::low(value_of(self.base, self.scale, value)))
    }

    /// Checks that a packed value, and so every smaller one, stands for a `T`.
    fn admit<T: Int>(&self, greatest: u64) -> Result<(), Fault> {
        let (least, most) = T::RANGE;
        let value = i128::from(self.base) + i128::from(self.scale) * i128::from(greatest);
        if self.base < least || value > i128::from(most) {
            return Err(RANGE);
        }
        Ok(())
    }

    /// Two plain loops, so that both can be vectorised: find the greatest, then convert all.
    fn unpack<T: Int, const W: usize>(&self, packed: &[u8], out: &mut Vec<T>) -> Result<(), Fault> {
        let (rows, _) = packed.as_chunks::<W>();
        // What the width can hold at most is usually in range already, which saves a pass.
        let widest = u64::MAX >> (64 - 8 * W.min(8));
        if self.admit::<T>(widest).is_err() {
            // Folds, since `max` of an iterator is not vectorised.
            let greatest = if W == 1 {
                u64::from(packed.iter().fold(0, |most: u8, row| most.max(*row)))
            } else {
                rows.iter().fold(0, |most, row| widen(row).max(most))
            };
            self.admit::<T>(greatest)?;
        }
        let (base, scale) = (self.base, self.scale);
        if scale == 1 {
            out.extend(rows.iter().map(|row| T::low(value_of(base, 1, widen(row)))));
        } else {
            out.extend(rows.iter().map(|row| T::low(value_of(base, scale, widen(row)))));
        }
        Ok(())
    }
}

/// base + scale × value, exact wherever `admit` agreed.
fn value_of(base: i64, scale: u32, value: u64) -> i64 {
    base.wrapping_add(value.wrapping_mul(u64::from(scale)).cast_signed())
}

/// A little-endian number of `W` ≤ 8 bytes.
fn widen<const W: usize>(row: &[u8; W]) -> u64 {
    let mut wide = [0; 8];
    if let Some(low) = wide.first_chunk_mut::<W>() {
        *low = *row;
    }
    u64::from_le_bytes(wide)
}

/// How a column of integers is written: the one way for given values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    base: i64,
    scale: u32,
    width: u8,
}

impl Shape {
    /// The least as base, the largest scale that divides all, the least width; `None` of nothing.
    pub(crate) fn of<T: Int>(values: &[T]) -> Option<Shape> {
        let first = *values.first()?;
        let least = values.iter().fold(first, |least, value| least.min(*value));
        let most = values.iter().fold(first, |most, value| most.max(*value));
        let base = least.wide();
        let range = above(base, most);
        if range == 0 {
            return Some(Shape { base, scale: 1, width: 0 });
        }
        let divides = |scale: u64| {
            range.is_multiple_of(scale)
                && values.iter().all(|value| above(base, *value).is_multiple_of(scale))
        };
        // With constants the compiler multiplies instead of dividing.
        let scale = if divides(1_000_000) {
            1_000_000
        } else if divides(1_000) {
            1_000
        } else {
            1
        };
        let bits = 64 - (range / u64::from(scale)).leading_zeros();
        let width = u8::try_from(bits.div_ceil(8)).expect("64 bits are 8 bytes");
        Some(Shape { base, scale, width })
    }
}

/// How far `value` is above `base`, the least of its column.
fn above<T: Int>(base: i64, value: T) -> u64 {
    value.wide().wrapping_sub(base).cast_unsigned()
}

/// Writes columns of integers, reusing its memory.
#[derive(Debug)]
pub(crate) struct IntWriter {
    packed: Vec<u8>,
}

impl IntWriter {
    pub(crate) fn new() -> Self {
        IntWriter { packed: Vec::new() }
    }

    /// Appends the column of `values` to `out`, unless there are none. With a `compressor` its
    /// data becomes an LZ4 block if that saves at least one part in `part`.
    pub(crate) fn write<T: Int>(
        &mut self,
        id: u8,
        values: &[T],
        compressor: Option<(&mut Compressor, usize)>,
        out: &mut Vec<u8>,
    ) {
        let Some(shape) = Shape::of(values) else { return };
        self.packed.clear();
        match shape.width {
            0 => {}
            1 => self.pack::<T, 1>(values, shape),
            2 => self.pack::<T, 2>(values, shape),
            3 => self.pack::<T, 3>(values, shape),
            4 => self.pack::<T, 4>(values, shape),
            5 => self.pack::<T, 5>(values, shape),
            6 => self.pack::<T, 6>(values, shape),
            7 => self.pack::<T, 7>(values, shape),
            _ => self.pack::<T, 8>(values, shape),
        }
        let Shape { base, scale, width } = shape;
        let block = match compressor {
            Some((compressor, part)) if width > 0 => compressor.compress(&self.packed, part),
            _ => None,
        };
        let (form, data) = match block {
            Some(block) => (width + FORM_LZ4, block),
            None => (width, self.packed.as_slice()),
        };
        Column { id, form, base, scale, data }.write(out);
    }

    fn pack<T: Int, const W: usize>(&mut self, values: &[T], shape: Shape) {
        self.packed.resize(values.len() * W, 0);
        let (rows, _) = self.packed.as_chunks_mut::<W>();
        for (row, value) in rows.iter_mut().zip(values) {
            let range = above(shape.base, *value);
            let scaled = match shape.scale {
                1_000_000 => range / 1_000_000,
                1_000 => range / 1_000,
                _ => range,
            };
            if let Some(low) = scaled.to_le_bytes().first_chunk::<W>() {
                *row = *low;
            }
        }
    }
}
