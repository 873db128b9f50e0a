//! Record batches without work: all records of a producer have one size, so a batch of n records is
//! the beginning of one that was built once; only due times, keys, header and checksum are written.

use ringmain::wire::batch;
use ringmain::wire::compression::{self, Codec};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::clock;
use crate::driver::Nanos;
use crate::payload::Payloads;

/// Bytes at the beginning of a value that say when it was due.
pub const DUE_BYTES: usize = size_of::<Nanos>();
/// Bytes of every key.
pub const KEY_BYTES: usize = 8;

/// Who writes the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    pub id: i64,
    pub epoch: i16,
    pub transactional: bool,
}

impl Author {
    pub const NOBODY: Author = Author { id: -1, epoch: -1, transactional: false };
}

pub struct Template {
    /// A whole batch of `records_max` records, not compressed.
    bytes: Vec<u8>,
    /// Of each record: where its value begins.
    values: Vec<u32>,
    /// Where each record ends.
    ends: Vec<u32>,
    value_bytes: usize,
    keyed: bool,
    codec: Codec,
}

impl Template {
    /// Batches of up to `batch_bytes`, and of one record at least.
    pub fn new(payloads: &Payloads, keyed: bool, batch_bytes: usize, codec: Codec) -> Template {
        let mut builder = BatchBuilder::new(BatchFields::default());
        let key = [b'0'; KEY_BYTES];
        let (mut values, mut ends) = (Vec::new(), Vec::new());
        loop {
            let before = builder.size();
            let value = payloads.get(values.len());
            builder.push(0, keyed.then_some(&key), Some(value), &[]);
            let end = builder.size();
            // Behind the value stands the count of headers, one byte.
            values.push((end - 1 - value.len()) as u32);
            ends.push(end as u32);
            if end + (end - before) + 2 > batch_bytes {
                break;
            }
        }
        let value_bytes = payloads.size();
        Template { bytes: builder.finish(), values, ends, value_bytes, keyed, codec }
    }

    pub fn records_max(&self) -> usize {
        self.values.len()
    }

    pub fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// Bytes of a batch that is not compressed; `None` where only writing it tells.
    pub fn size(&self, records: usize) -> Option<usize> {
        (self.codec == Codec::None).then(|| self.ends[records - 1] as usize)
    }

    /// Appends a batch of the records that were due then, with keys where there are any.
    pub fn write(
        &self,
        dues: &[Nanos],
        keys: &[u32],
        author: Author,
        sequence: i32,
        into: &mut Vec<u8>,
    ) {
        let start = into.len();
        into.extend_from_slice(&self.bytes[..self.ends[dues.len() - 1] as usize]);
        let batch = &mut into[start..];
        for (number, due) in dues.iter().enumerate() {
            let at = self.values[number] as usize;
            if self.value_bytes >= DUE_BYTES {
                batch[at..at + DUE_BYTES].copy_from_slice(&due.to_be_bytes());
            }
            if self.keyed {
                // In front of the value stand its length and, before that, the key.
                let key_end = at - varint_len(self.value_bytes);
                batch[key_end - KEY_BYTES..key_end].copy_from_slice(&key_text(keys[number]));
            }
        }
        if self.codec != Codec::None {
            let packed = compression::compress(self.codec, &into[start + batch::HEADER_SIZE..]);
            into.truncate(start + batch::HEADER_SIZE);
            into.extend_from_slice(&packed);
        }
        let batch = &mut into[start..];
        let mut put = |at: usize, bytes: &[u8]| batch[at..at + bytes.len()].copy_from_slice(bytes);
        let records = dues.len() as i32;
        let time = clock::unix_ms(dues[0]).to_be_bytes();
        // The transactional bit of the attributes (KIP-98).
        let attributes = self.codec.id() | if author.transactional { 1 << 4 } else { 0 };
        put(batch::ATTRIBUTES_AT, &attributes.to_be_bytes());
        put(batch::LAST_OFFSET_DELTA_AT, &(records - 1).to_be_bytes());
        put(batch::BASE_TIMESTAMP_AT, &time);
        put(batch::MAX_TIMESTAMP_AT, &time);
        put(batch::PRODUCER_ID_AT, &author.id.to_be_bytes());
        put(batch::PRODUCER_EPOCH_AT, &author.epoch.to_be_bytes());
        put(batch::BASE_SEQUENCE_AT, &sequence.to_be_bytes());
        put(batch::RECORD_COUNT_AT, &records.to_be_bytes());
        let length = (batch.len() - batch::LENGTH_END) as i32;
        batch[batch::BATCH_LENGTH_AT..][..4].copy_from_slice(&length.to_be_bytes());
        batch::stamp_crc(batch);
    }
}

/// The key of a number: as text, so that other clients show it.
pub fn key_text(key: u32) -> [u8; KEY_BYTES] {
    let mut text = [b'0'; KEY_BYTES];
    let mut rest = key;
    for byte in text.iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// When a record was due, from its value.
pub fn due(value: &[u8]) -> Option<Nanos> {
    value.first_chunk().map(|bytes| Nanos::from_be_bytes(*bytes))
}

/// Bytes of a length as a zigzag varint.
fn varint_len(len: usize) -> usize {
    let mut zigzag = (len as u64) << 1;
    let mut bytes = 1;
    while zigzag >= 0x80 {
        zigzag >>= 7;
        bytes += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use ringmain::wire::batch::Batch;
    use ringmain::wire::record::RecordReader;

    use super::*;

    #[test]
    fn batches_are_those_that_a_broker_takes() {
        let check = |size: usize, keyed: bool, codec: Codec, records: usize| {
            let template = Template::new(&Payloads::random(size, 0.5, 3), keyed, 64 << 10, codec);
            let dues: Vec<Nanos> =
                (0..records).map(|n| 1_700_000_000_000_000_000 + n as u64).collect();
            let keys: Vec<u32> = (0..records as u32).map(|n| n * 7).collect();
            let author = Author { id: 9, epoch: 2, transactional: true };
            let mut bytes = b"before".to_vec();
            template.write(&dues, &keys, author, 40, &mut bytes);
            let bytes = &bytes[6..];
            let header = batch::validate(bytes).expect("a valid batch");
            assert_eq!((header.producer_id(), header.base_sequence()), (9, 40));
            assert!(header.is_transactional() && header.codec() == Some(codec));
            if let Some(size) = template.size(records) {
                assert_eq!(size, bytes.len());
            }
            let view = Batch::first(bytes).expect("a batch");
            let payload =
                compression::decompress(codec, view.payload(), 1 << 20).expect("our own payload");
            let read: Vec<_> = RecordReader::new(&payload, records as i32)
                .map(|record| record.expect("a record"))
                .collect();
            assert_eq!(read.len(), records, "{size} {keyed} {codec:?}");
            for (number, record) in read.iter().enumerate() {
                let value = record.value.expect("a value");
                assert_eq!(value.len(), size);
                assert_eq!(due(value), (size >= DUE_BYTES).then(|| dues[number]));
                let key = keyed.then(|| key_text(keys[number]));
                assert_eq!(record.key, key.as_ref().map(|key| &key[..]));
            }
        };
        for codec in Codec::ALL {
            check(1024, true, codec, 20);
        }
        for records in [1, 63, 64, 65, 128, 300] {
            check(100, false, Codec::None, records);
            check(100, true, Codec::None, records);
        }
        check(3, false, Codec::None, 4);
        check(100_000, true, Codec::None, 1);
    }

    #[test]
    fn batches_keep_within_their_bytes() {
        let payloads = Payloads::random(1024, 1.0, 1);
        let template = Template::new(&payloads, false, 16_384, Codec::None);
        let most = template.records_max();
        let size = template.size(most).expect("known without compression");
        assert!(size <= 16_384 && size + 1040 > 16_384, "{most} records are {size} bytes");
    }
}
