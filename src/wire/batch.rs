//! Record batches of magic 2 as they lie in requests, answers and files: seen through a view, never
//! decoded. A produced batch is checked here, and stamped in place.
//!
//! ```text
//!  0 base offset i64           17 crc u32 (CRC-32C of all that follows)
//!  8 batch length i32          21 attributes i16
//! 12 leader epoch i32          23 last offset delta i32
//! 16 magic i8                  27 base timestamp i64, 35 max timestamp i64
//!                              43 producer id i64, 51 producer epoch i16, 53 base sequence i32
//!                              57 record count i32, 61 records (compressed as one, or plain)
//! ```
//!
//! The batch length counts what follows itself. Base offset and leader epoch lie outside the
//! checksum, so the broker sets them without reading the rest.

use std::fmt;

use crate::model::error_code::ErrorCode;
use crate::wire::compression::Codec;

pub const BASE_OFFSET_AT: usize = 0;
pub const BATCH_LENGTH_AT: usize = 8;
pub const LEADER_EPOCH_AT: usize = 12;
pub const MAGIC_AT: usize = 16;
pub const CRC_AT: usize = 17;
pub const ATTRIBUTES_AT: usize = 21;
pub const LAST_OFFSET_DELTA_AT: usize = 23;
pub const BASE_TIMESTAMP_AT: usize = 27;
pub const MAX_TIMESTAMP_AT: usize = 35;
pub const PRODUCER_ID_AT: usize = 43;
pub const PRODUCER_EPOCH_AT: usize = 51;
pub const BASE_SEQUENCE_AT: usize = 53;
pub const RECORD_COUNT_AT: usize = 57;
/// Bytes of the header, records behind it.
pub const HEADER_SIZE: usize = 61;

/// Bytes in front of what the batch length counts.
pub const LENGTH_END: usize = LEADER_EPOCH_AT;

pub const MAGIC: i8 = 2;

/// Every bit of the attributes that means something.
const ATTRIBUTES: i16 = 0b111_1111;
const CODEC_MASK: i16 = 0b111;
const APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

const _: () = assert!(RECORD_COUNT_AT + size_of::<i32>() == HEADER_SIZE);
const _: () = assert!(CRC_AT + size_of::<u32>() == ATTRIBUTES_AT);

/// Why bytes are not a batch, or not one that a producer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// No bytes at all.
    Empty,
    /// The bytes end before the header or the batch does.
    Incomplete,
    /// The batch length is too small for a header.
    Length,
    /// Magic 0 or 1: the message sets of before Kafka 0.11.
    OldMagic,
    Magic,
    Crc,
    /// Bytes follow the one batch that a produce request may hold per partition.
    SeveralBatches,
    /// Offsets are the broker's to give: a producer counts from 0.
    BaseOffset,
    /// The record count is not positive, or not the range of offsets.
    Count,
    Codec,
    /// Append time is the broker's to set.
    AppendTime,
    /// A producer id without a sequence number.
    Sequence,
    /// The records are not as many or not as long as the header says, or out of order, or not
    /// compressed as it says.
    Records,
}

impl BatchError {
    /// Kafka's answer to a producer (ProduceRequest.validateRecords, LogValidator).
    pub fn error_code(self) -> ErrorCode {
        match self {
            BatchError::Length | BatchError::Magic | BatchError::Crc => ErrorCode::CORRUPT_MESSAGE,
            BatchError::Codec => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            BatchError::AppendTime => ErrorCode::INVALID_TIMESTAMP,
            _ => ErrorCode::INVALID_RECORD,
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            BatchError::Empty => "there is no record batch",
            BatchError::Incomplete => "the record batch is not complete",
            BatchError::Length => "the batch length is too small",
            BatchError::OldMagic => "message formats 0 and 1 are no longer accepted",
            BatchError::Magic => "the magic byte is unknown",
            BatchError::Crc => "the checksum is wrong",
            BatchError::SeveralBatches => "there must be exactly one record batch per partition",
            BatchError::BaseOffset => "the base offset must be 0",
            BatchError::Count => "the record count does not match the range of offsets",
            BatchError::Codec => "the compression type is unknown",
            BatchError::AppendTime => "a producer may not set the append time",
            BatchError::Sequence => "a producer id needs a sequence number",
            BatchError::Records => "the records do not match the batch header",
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for BatchError {}

/// A view of a batch's first bytes. Having one means: the magic is 2 and the length holds a header.
#[derive(Clone, Copy)]
pub struct BatchHeader<'a>(&'a [u8; HEADER_SIZE]);

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $ty:ident at $position:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(&self) -> $ty {
            let mut bytes = [0; size_of::<$ty>()];
            bytes.copy_from_slice(&self.0[$position..$position + size_of::<$ty>()]);
            $ty::from_be_bytes(bytes)
        }
    )*};
}

impl<'a> BatchHeader<'a> {
    /// Looks at the batch that begins here; only its header needs to be there.
    pub fn peek(bytes: &'a [u8]) -> Result<BatchHeader<'a>, BatchError> {
        if bytes.is_empty() {
            return Err(BatchError::Empty);
        }
        match bytes.get(MAGIC_AT) {
            None => return Err(BatchError::Incomplete),
            Some(0 | 1) => return Err(BatchError::OldMagic),
            Some(&magic) if magic == MAGIC as u8 => {}
            Some(_) => return Err(BatchError::Magic),
        }
        let header = BatchHeader(bytes.first_chunk().ok_or(BatchError::Incomplete)?);
        if header.batch_length() < (HEADER_SIZE - LENGTH_END) as i32 {
            return Err(BatchError::Length);
        }
        Ok(header)
    }

    numbers! {
        base_offset: i64 at BASE_OFFSET_AT;
        batch_length: i32 at BATCH_LENGTH_AT;
        partition_leader_epoch: i32 at LEADER_EPOCH_AT;
        magic: i8 at MAGIC_AT;
        crc: u32 at CRC_AT;
        attributes: i16 at ATTRIBUTES_AT;
        last_offset_delta: i32 at LAST_OFFSET_DELTA_AT;
        /// In milliseconds since 1970; the delete horizon instead when `has_delete_horizon`.
        base_timestamp: i64 at BASE_TIMESTAMP_AT;
        max_timestamp: i64 at MAX_TIMESTAMP_AT;
        /// -1 without idempotence.
        producer_id: i64 at PRODUCER_ID_AT;
        producer_epoch: i16 at PRODUCER_EPOCH_AT;
        base_sequence: i32 at BASE_SEQUENCE_AT;
        record_count: i32 at RECORD_COUNT_AT;
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        LENGTH_END + self.batch_length() as usize
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// The offset of the batch that follows.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// `None` for a codec that does not exist.
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_id(self.attributes() & CODEC_MASK)
    }

    /// Whether timestamps are the broker's (LogAppendTime) rather than the producer's.
    pub fn is_append_time(&self) -> bool {
        self.attributes() & APPEND_TIME != 0
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL != 0
    }

    pub fn has_delete_horizon(&self) -> bool {
        self.attributes() & DELETE_HORIZON != 0
    }

    /// KIP-534: when what is marked as deleted in the batch may go, in ms since 1970.
    pub fn delete_horizon(&self) -> Option<i64> {
        self.has_delete_horizon().then(|| self.base_timestamp())
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id() >= 0
    }

    /// The last record's sequence number; the numbers wrap to 0.
    pub fn last_sequence(&self) -> i32 {
        self.base_sequence().wrapping_add(self.last_offset_delta()) & i32::MAX
    }
}

impl fmt::Debug for BatchHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHeader")
            .field("base_offset", &self.base_offset())
            .field("last_offset", &self.last_offset())
            .field("size", &self.size())
            .field("leader_epoch", &self.partition_leader_epoch())
            .field("attributes", &self.attributes())
            .field("producer_id", &self.producer_id())
            .field("producer_epoch", &self.producer_epoch())
            .field("base_sequence", &self.base_sequence())
            .finish_non_exhaustive()
    }
}

/// The attributes that a new batch is built with.
pub(crate) fn attributes(
    codec: Codec,
    append_time: bool,
    transactional: bool,
    control: bool,
) -> i16 {
    let flag = |on: bool, bit: i16| if on { bit } else { 0 };
    codec.id()
        | flag(append_time, APPEND_TIME)
        | flag(transactional, TRANSACTIONAL)
        | flag(control, CONTROL)
}

/// A whole batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub header: BatchHeader<'a>,
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The batch that begins here; what follows it is left alone.
    pub fn first(bytes: &'a [u8]) -> Result<Batch<'a>, BatchError> {
        let header = BatchHeader::peek(bytes)?;
        let bytes = bytes.get(..header.size()).ok_or(BatchError::Incomplete)?;
        Ok(Batch { header, bytes })
    }

    /// The records as they came: compressed, unless the codec is none.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_SIZE..]
    }

    pub fn check_crc(&self) -> Result<(), BatchError> {
        if crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..]) == self.header.crc() {
            Ok(())
        } else {
            Err(BatchError::Crc)
        }
    }
}

/// Checks what one partition of a produce request holds: exactly one batch, whole and consistent.
///
/// Left to the caller, who knows the topic and the request: the size limit, control batches
/// (INVALID_RECORD from clients), zstd before Produce version 7 (UNSUPPORTED_COMPRESSION_TYPE), and
/// the records themselves (`record::walk`). Kafka lets bytes behind the batch that are no whole
/// batch pass and cuts them off; here they are refused.
pub fn validate(bytes: &[u8]) -> Result<BatchHeader<'_>, BatchError> {
    let batch = Batch::first(bytes)?;
    let header = batch.header;
    if batch.bytes.len() < bytes.len() {
        return Err(BatchError::SeveralBatches);
    }
    if header.base_offset() != 0 {
        return Err(BatchError::BaseOffset);
    }
    batch.check_crc()?;
    let codec = header.codec().ok_or(BatchError::Codec)?;
    let count = header.record_count();
    if count <= 0 || header.last_offset_delta() != count - 1 {
        return Err(BatchError::Count);
    }
    if header.is_append_time() {
        return Err(BatchError::AppendTime);
    }
    if header.has_producer_id() && header.base_sequence() < 0 {
        return Err(BatchError::Sequence);
    }
    if !codec.begins(batch.payload()) {
        return Err(BatchError::Records);
    }
    Ok(header)
}

/// What is different in a batch of which records were taken out. All else stays, above all its
/// offsets and sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinned {
    /// To which the records' times are relative: the delete horizon, if there is one.
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub record_count: i32,
    pub has_delete_horizon: bool,
    pub codec: Codec,
}

/// The batch with other records; `None` when it would be longer than a batch can be.
pub fn thin_out(header: &BatchHeader<'_>, thinned: Thinned, payload: &[u8]) -> Option<Vec<u8>> {
    let length = i32::try_from(HEADER_SIZE - LENGTH_END + payload.len()).ok()?;
    let mut attributes = header.attributes() & ATTRIBUTES & !(CODEC_MASK | DELETE_HORIZON);
    attributes |= thinned.codec.id();
    if thinned.has_delete_horizon {
        attributes |= DELETE_HORIZON;
    }
    let mut bytes = Vec::with_capacity(HEADER_SIZE + payload.len());
    bytes.extend_from_slice(header.0);
    put(&mut bytes, BATCH_LENGTH_AT, &length.to_be_bytes());
    put(&mut bytes, ATTRIBUTES_AT, &attributes.to_be_bytes());
    put(&mut bytes, BASE_TIMESTAMP_AT, &thinned.base_timestamp.to_be_bytes());
    put(&mut bytes, MAX_TIMESTAMP_AT, &thinned.max_timestamp.to_be_bytes());
    put(&mut bytes, RECORD_COUNT_AT, &thinned.record_count.to_be_bytes());
    bytes.extend_from_slice(payload);
    stamp_crc(&mut bytes);
    Some(bytes)
}

/// Gives a batch its place in the log. The checksum does not cover these fields.
pub fn stamp(bytes: &mut [u8], base_offset: i64, leader_epoch: i32) {
    put(bytes, BASE_OFFSET_AT, &base_offset.to_be_bytes());
    put(bytes, LEADER_EPOCH_AT, &leader_epoch.to_be_bytes());
}

/// Sets every record's time to `now` (milliseconds since 1970) and renews the checksum. `bytes` is
/// exactly one batch.
pub fn stamp_append_time(bytes: &mut [u8], now: i64) {
    let attributes = i16::from_be_bytes([bytes[ATTRIBUTES_AT], bytes[ATTRIBUTES_AT + 1]]);
    put(bytes, ATTRIBUTES_AT, &(attributes | APPEND_TIME).to_be_bytes());
    put(bytes, MAX_TIMESTAMP_AT, &now.to_be_bytes());
    stamp_crc(bytes);
}

/// Sets the time of the youngest record (milliseconds since 1970) and renews the checksum. `bytes`
/// is exactly one batch.
pub fn stamp_max_timestamp(bytes: &mut [u8], max_timestamp: i64) {
    put(bytes, MAX_TIMESTAMP_AT, &max_timestamp.to_be_bytes());
    stamp_crc(bytes);
}

/// Renews the checksum. `bytes` is exactly one batch.
pub fn stamp_crc(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    put(bytes, CRC_AT, &crc.to_be_bytes());
}

fn put(bytes: &mut [u8], position: usize, value: &[u8]) {
    bytes[position..position + value.len()].copy_from_slice(value);
}

/// The batches of a record set, one after the other. Ends at the end of the bytes or after the
/// first error; a last batch that is cut off (as fetch answers may have it) is `Incomplete`.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    pub fn new(bytes: &'a [u8]) -> Batches<'a> {
        Batches { rest: bytes }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = Batch::first(self.rest);
        self.rest = match &batch {
            Ok(batch) => &self.rest[batch.bytes.len()..],
            Err(_) => &[],
        };
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::record::{BatchBuilder, BatchFields};

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchFields {
            producer_id: 7,
            producer_epoch: 3,
            base_sequence: i32::MAX,
            ..BatchFields::default()
        });
        builder.push(1_000, Some(b"key"), Some(b"value"), &[]);
        builder.push(990, None, Some(b"value"), &[]);
        builder.finish()
    }

    #[test]
    fn a_header_shows_what_was_built() {
        let bytes = batch();
        let header = validate(&bytes).unwrap();
        assert_eq!(header.size(), bytes.len());
        assert_eq!((header.base_offset(), header.last_offset(), header.next_offset()), (0, 1, 2));
        assert_eq!((header.base_timestamp(), header.max_timestamp()), (1_000, 1_000));
        assert_eq!((header.producer_id(), header.producer_epoch()), (7, 3));
        assert_eq!((header.base_sequence(), header.last_sequence()), (i32::MAX, 0));
        assert_eq!(header.codec(), Some(Codec::None));
        assert!(!header.is_transactional() && !header.is_control() && !header.is_append_time());
    }

    #[test]
    fn what_a_producer_may_not_send_is_refused() {
        let check = |change: fn(&mut Vec<u8>), recompute: bool, expected: BatchError| {
            let mut bytes = batch();
            change(&mut bytes);
            if recompute {
                stamp_crc(&mut bytes);
            }
            assert_eq!(validate(&bytes).map(|_| ()), Err(expected));
        };
        check(Vec::clear, false, BatchError::Empty);
        check(|bytes| bytes.truncate(16), false, BatchError::Incomplete);
        check(|bytes| bytes.truncate(60), false, BatchError::Incomplete);
        check(|bytes| bytes.truncate(bytes.len() - 1), false, BatchError::Incomplete);
        check(|bytes| bytes[BATCH_LENGTH_AT] = 0x7f, false, BatchError::Incomplete);
        check(|bytes| bytes[BATCH_LENGTH_AT] = 0xff, false, BatchError::Length);
        check(|bytes| bytes[BATCH_LENGTH_AT + 3] = 48, false, BatchError::Length);
        check(|bytes| bytes[MAGIC_AT] = 0, false, BatchError::OldMagic);
        check(|bytes| bytes[MAGIC_AT] = 1, false, BatchError::OldMagic);
        check(|bytes| bytes[MAGIC_AT] = 3, false, BatchError::Magic);
        check(|bytes| bytes.push(0), false, BatchError::SeveralBatches);
        check(|bytes| bytes.extend(batch()), false, BatchError::SeveralBatches);
        check(|bytes| *bytes.last_mut().unwrap() ^= 1, false, BatchError::Crc);
        check(|bytes| bytes[BASE_OFFSET_AT + 7] = 1, false, BatchError::BaseOffset);
        check(|bytes| bytes[ATTRIBUTES_AT + 1] = 5, true, BatchError::Codec);
        check(|bytes| bytes[ATTRIBUTES_AT + 1] = 8, true, BatchError::AppendTime);
        check(|bytes| bytes[RECORD_COUNT_AT + 3] = 3, true, BatchError::Count);
        check(|bytes| bytes[LAST_OFFSET_DELTA_AT] = 0xff, true, BatchError::Count);
        check(|bytes| bytes[BASE_SEQUENCE_AT] = 0xff, true, BatchError::Sequence);
        let no_records = |bytes: &mut Vec<u8>| {
            bytes.truncate(HEADER_SIZE);
            put(bytes, BATCH_LENGTH_AT, &49_i32.to_be_bytes());
        };
        check(no_records, true, BatchError::Records);
        check(|bytes| bytes[ATTRIBUTES_AT + 1] = 1, true, BatchError::Records);
    }

    #[test]
    fn stamping_keeps_the_checksum_right() {
        let mut bytes = batch();
        stamp(&mut bytes, 5_000_000_000, 12);
        let stamped = Batch::first(&bytes).unwrap();
        stamped.check_crc().unwrap();
        assert_eq!(stamped.header.base_offset(), 5_000_000_000);
        assert_eq!(stamped.header.partition_leader_epoch(), 12);
        stamp_append_time(&mut bytes, 77);
        let stamped = Batch::first(&bytes).unwrap();
        stamped.check_crc().unwrap();
        assert!(stamped.header.is_append_time());
        assert_eq!((stamped.header.max_timestamp(), stamped.header.base_timestamp()), (77, 1_000));
        stamp_max_timestamp(&mut bytes, 78);
        let stamped = Batch::first(&bytes).unwrap();
        stamped.check_crc().unwrap();
        assert_eq!((stamped.header.max_timestamp(), stamped.header.base_timestamp()), (78, 1_000));
    }

    #[test]
    fn batches_come_one_after_the_other_until_one_is_cut_off() {
        let mut bytes = batch();
        bytes.extend(batch());
        bytes.extend(&batch()[..70]);
        let sizes: Vec<_> =
            Batches::new(&bytes).map(|batch| batch.map(|batch| batch.bytes.len())).collect();
        let size = batch().len();
        assert_eq!(sizes, [Ok(size), Ok(size), Err(BatchError::Incomplete)]);
    }
}
