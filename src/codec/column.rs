//! One column as it stands in a batch: a bincode struct that describes itself.
//!
//! This is the only file that names bincode. It knows the five fields of a column and the
//! numbers of columns and forms; what the data of a form means is told by `ints` and `bytes`.
//! bincode is unmaintained, so nothing here goes beyond what docs/format.md specifies.

use bincode::de::read::{Reader, SliceReader};
use bincode::de::{BorrowDecoder, DecoderImpl};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::{BorrowDecode, Decode, Encode, config};

use crate::error::Fault;

/// The longest body of a frame, in bytes, and so the most that anything inside may claim.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 20;

/// What bincode may claim for one body. It counts integers at their greatest length, which is
/// less than 32 bytes a column beyond what stands there, and there are at most 255 columns.
const CLAIMED_BYTES_MAX: usize = BODY_BYTES_MAX + 255 * 32;

/// Little-endian, integers of variable length, and a limit: without one a hostile length of nine
/// bytes would make bincode abort the process.
type Config =
    config::Configuration<config::LittleEndian, config::Varint, config::Limit<CLAIMED_BYTES_MAX>>;

const CONFIG: Config = config::standard().with_limit::<CLAIMED_BYTES_MAX>();

/// The columns of a batch. Unknown ones below [`OPTIONAL`](id::OPTIONAL) are refused.
pub(crate) mod id {
    /// CUSTOMER NEWs before this batch.
    pub(crate) const CUSTOMERS_BEFORE: u8 = 1;
    /// When the batch was appended, µs.
    pub(crate) const APPENDED_AT: u8 = 2;
    /// What each row is.
    pub(crate) const KIND: u8 = 3;
    /// The customer each row names.
    pub(crate) const CUSTOMER: u8 = 4;
    /// Event times, µs.
    pub(crate) const EVENT_TIME: u8 = 5;
    /// Amounts of orders.
    pub(crate) const CENTS: u8 = 6;
    /// What effective order updates supersede: the customer.
    pub(crate) const SUPERSEDED_CUSTOMER: u8 = 7;
    /// What effective order updates supersede: the amount.
    pub(crate) const SUPERSEDED_CENTS: u8 = 8;
    /// What effective order updates supersede: the event time.
    pub(crate) const SUPERSEDED_TIME: u8 = 9;
    /// Sequence of the ORDER NEW that an order update is about.
    pub(crate) const ORDER_SEQ: u8 = 10;
    /// Lengths of keys, in bytes.
    pub(crate) const KEY_LENGTH: u8 = 11;
    /// Keys, one after the other.
    pub(crate) const KEY: u8 = 12;
    /// Which optional texts each row has.
    pub(crate) const FIELDS: u8 = 13;
    /// Lengths of the optional texts.
    pub(crate) const TEXT_LENGTH: u8 = 14;
    /// The optional texts, one after the other.
    pub(crate) const TEXT: u8 = 15;
    /// Where in its sources the batch ends.
    pub(crate) const MARKS: u8 = 16;
    /// Which of the texts above each optional text is, where many are the same.
    pub(crate) const TEXT_CHOICE: u8 = 17;
    /// From here on columns may be ignored by a reader that does not know them.
    pub(crate) const OPTIONAL: u8 = 64;
}

/// A column as read or to be written. What `base`, `scale` and `data` mean depends on `form`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub(crate) struct Column<'a> {
    pub(crate) id: u8,
    pub(crate) form: u8,
    pub(crate) base: i64,
    pub(crate) scale: u32,
    pub(crate) data: &'a [u8],
}

impl Column<'_> {
    /// Appends the column to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        bincode::encode_into_writer(self, Sink(out), CONFIG)
            .expect("writing to memory cannot fail, and a batch is far below the limit");
    }
}

/// Reads the columns of a body one after the other, until not a byte is left.
pub(crate) struct Columns<'a> {
    decoder: DecoderImpl<SliceReader<'a>, Config, ()>,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Columns { decoder: DecoderImpl::new(SliceReader::new(body), CONFIG, ()) }
    }

    /// The next column; `None` where the body ends.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<Column<'a>>, Fault> {
        if self.decoder.borrow_reader().peek_read(1).is_none() {
            return Ok(None);
        }
        let column = self.fields();
        column.map(Some).ok_or(Fault::Corrupt("a column of a batch is cut or malformed"))
    }

    /// The five fields in order. Written out, since what bincode derives is not inlined and costs
    /// a small batch more than anything else does.
    #[inline(always)]
    fn fields(&mut self) -> Option<Column<'a>> {
        let decoder = &mut self.decoder;
        let id = u8::decode(decoder).ok()?;
        let form = u8::decode(decoder).ok()?;
        let base = i64::decode(decoder).ok()?;
        let scale = u32::decode(decoder).ok()?;
        let data = <&'a [u8]>::borrow_decode(decoder).ok()?;
        Some(Column { id, form, base, scale, data })
    }
}

/// bincode's door to a vector; its own ones need an intermediate copy.
struct Sink<'a>(&'a mut Vec<u8>);

impl Writer for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
