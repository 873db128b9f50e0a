//! Single records inside a batch. The broker's data path reads none of them: it only has [`walk`]
//! look over those that a producer sent uncompressed.
//!
//! ```text
//! record: length varint | attributes i8 | timestamp delta varlong | offset delta varint
//!         | key length varint, key | value length varint, value | header count varint, headers
//! header: key length varint, key | value length varint, value        (-1: null)
//! ```

mod walk;

pub use walk::{NO_TIMESTAMP, RecordsSeen, longest, misfits, walk};

use crate::wire::batch;
use crate::wire::compression::{self, Codec};
use crate::wire::error::{Result, What};
use crate::wire::primitives::{Reader, Writer};

/// A record as it lies in its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub attributes: i8,
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// A record's headers, checked when the record was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 by convention.
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        (0..self.count).map_while(move |_| Header::read(&mut reader).ok())
    }
}

impl<'a> Header<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Header<'a>> {
        let null = reader.error(What::Null);
        let key = nullable_bytes(reader)?.ok_or(null)?;
        Ok(Header { key, value: nullable_bytes(reader)? })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        write_nullable_bytes(writer, Some(self.key));
        write_nullable_bytes(writer, self.value);
    }
}

fn nullable_bytes<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>> {
    let length = reader.error(What::Length);
    match reader.varint()? {
        -1 => Ok(None),
        len => reader.take(usize::try_from(len).map_err(|_| length)?).map(Some),
    }
}

fn write_nullable_bytes(writer: &mut Writer<'_>, bytes: Option<&[u8]>) {
    let len = |bytes: &[u8]| i32::try_from(bytes.len()).expect("a record beyond the protocol");
    writer.varint(bytes.map_or(-1, len));
    writer.put(bytes.unwrap_or_default());
}

impl<'a> Record<'a> {
    /// Reads one record, which must fill its length exactly.
    pub fn read(reader: &mut Reader<'a>) -> Result<Record<'a>> {
        let length = reader.error(What::Length);
        let len = usize::try_from(reader.varint()?).map_err(|_| length)?;
        let bytes = reader.take(len)?;
        let mut body = Reader::new(bytes);
        let attributes = body.i8()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = nullable_bytes(&mut body)?;
        let value = nullable_bytes(&mut body)?;
        let count = usize::try_from(body.varint()?).map_err(|_| length)?;
        let headers = Headers { count, bytes: &bytes[body.position()..] };
        for _ in 0..count {
            Header::read(&mut body)?;
        }
        body.expect_end()?;
        Ok(Record { attributes, timestamp_delta, offset_delta, key, value, headers })
    }

    /// Appends the record to a payload; a batch with another base has another delta of its time.
    pub fn write(&self, timestamp_delta: i64, payload: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(32 + self.key.map_or(0, <[u8]>::len));
        let mut writer = Writer::new(&mut body);
        writer.i8(self.attributes);
        writer.varlong(timestamp_delta);
        writer.varint(self.offset_delta);
        write_nullable_bytes(&mut writer, self.key);
        write_nullable_bytes(&mut writer, self.value);
        writer.varint(i32::try_from(self.headers.count).expect("it was read as one"));
        writer.put(self.headers.bytes);
        write_nullable_bytes(&mut Writer::new(payload), Some(&body));
    }
}

/// The records of an uncompressed or decompressed payload; ends after the announced count or the
/// first error.
#[derive(Clone, Debug)]
pub struct RecordReader<'a> {
    reader: Reader<'a>,
    left: i32,
}

impl<'a> RecordReader<'a> {
    pub fn new(payload: &'a [u8], record_count: i32) -> RecordReader<'a> {
        RecordReader { reader: Reader::new(payload), left: record_count }
    }

    /// Whether every byte was read: to be asked after the last record.
    pub fn expect_end(&self) -> Result<()> {
        self.reader.expect_end()
    }
}

impl<'a> Iterator for RecordReader<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        let record = Record::read(&mut self.reader);
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }
}

/// What a new batch says of itself; records come by `BatchBuilder`.
#[derive(Clone, Debug)]
pub struct BatchFields {
    pub base_offset: i64,
    pub partition_leader_epoch: i32,
    pub codec: Codec,
    pub append_time: bool,
    pub transactional: bool,
    pub control: bool,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
}

impl Default for BatchFields {
    fn default() -> Self {
        BatchFields {
            base_offset: 0,
            partition_leader_epoch: -1,
            codec: Codec::None,
            append_time: false,
            transactional: false,
            control: false,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
        }
    }
}

/// Builds one batch, for clients and tests.
#[derive(Debug)]
pub struct BatchBuilder {
    fields: BatchFields,
    payload: Vec<u8>,
    body: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    pub fn new(fields: BatchFields) -> BatchBuilder {
        BatchBuilder {
            fields,
            payload: Vec::new(),
            body: Vec::new(),
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
        }
    }

    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch if it were finished now without compression.
    pub fn size(&self) -> usize {
        batch::HEADER_SIZE + self.payload.len()
    }

    /// Appends a record; `timestamp` is in milliseconds since 1970.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.body.clear();
        let mut writer = Writer::new(&mut self.body);
        writer.i8(0);
        writer.varlong(timestamp.wrapping_sub(self.base_timestamp));
        writer.varint(self.count);
        write_nullable_bytes(&mut writer, key);
        write_nullable_bytes(&mut writer, value);
        writer.varint(i32::try_from(headers.len()).expect("a record beyond the protocol"));
        for header in headers {
            header.write(&mut writer);
        }
        write_nullable_bytes(&mut Writer::new(&mut self.payload), Some(&self.body));
        self.count += 1;
    }

    /// The batch's bytes; there must be a record.
    pub fn finish(self) -> Vec<u8> {
        assert!(self.count > 0, "a batch without records");
        let fields = self.fields;
        let payload = compression::compress(fields.codec, &self.payload);
        let mut bytes = Vec::with_capacity(batch::HEADER_SIZE + payload.len());
        let mut writer = Writer::new(&mut bytes);
        let length = batch::HEADER_SIZE - batch::LENGTH_END + payload.len();
        writer.i64(fields.base_offset);
        writer.i32(i32::try_from(length).expect("a batch beyond the protocol"));
        writer.i32(fields.partition_leader_epoch);
        writer.i8(batch::MAGIC);
        writer.u32(0);
        writer.i16(batch::attributes(
            fields.codec,
            fields.append_time,
            fields.transactional,
            fields.control,
        ));
        writer.i32(self.count - 1);
        writer.i64(self.base_timestamp);
        writer.i64(self.max_timestamp);
        writer.i64(fields.producer_id);
        writer.i16(fields.producer_epoch);
        writer.i32(fields.base_sequence);
        writer.i32(self.count);
        writer.put(&payload);
        batch::stamp_crc(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::Batch;

    fn three(codec: Codec) -> Vec<u8> {
        let fields = BatchFields { codec, ..BatchFields::default() };
        let mut builder = BatchBuilder::new(fields);
        let header = Header { key: b"trace", value: Some(b"1") };
        builder.push(100, Some(b"a"), Some(&[7; 1000]), &[header]);
        builder.push(90, None, None, &[Header { key: b"empty", value: None }]);
        builder.push(i64::from(i32::MAX) * 3, Some(b""), Some(b""), &[]);
        builder.finish()
    }

    #[test]
    fn records_come_back_from_every_codec() {
        for codec in Codec::ALL {
            let bytes = three(codec);
            let batch = Batch::first(&bytes).unwrap();
            let payload =
                compression::decompress(batch.header.codec().unwrap(), batch.payload(), 1 << 20)
                    .unwrap();
            let records: Vec<_> = RecordReader::new(&payload, batch.header.record_count())
                .map(|record| record.unwrap())
                .collect();
            assert_eq!(records.len(), 3, "{codec:?}");
            assert_eq!(records[0].value, Some(&[7; 1000][..]));
            assert_eq!(records[0].headers.iter().next().unwrap().key, b"trace");
            assert_eq!(records[1].timestamp_delta, -10);
            assert_eq!((records[1].key, records[1].value), (None, None));
            assert_eq!(records[1].headers.iter().next().unwrap().value, None);
            assert_eq!((records[2].key, records[2].offset_delta), (Some(&b""[..]), 2));
            let mut again = Vec::new();
            records.iter().for_each(|record| record.write(record.timestamp_delta, &mut again));
            assert_eq!(again, payload);
            let seen = walk(batch.header, &payload).unwrap();
            assert_eq!((seen.min_timestamp, seen.max_timestamp), (90, i64::from(i32::MAX) * 3));
            assert_eq!(seen.first_without_key, Some(1));
            assert_eq!(seen.max_timestamp, batch.header.max_timestamp());
        }
    }
}
