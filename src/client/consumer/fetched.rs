//! Record batches of one partition as a fetch brought them: checked when they came, unpacked one at
//! a time when they are looked at.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::base::buf::Slice;
use crate::client::{Error, Isolation, Result};
use crate::config::limits;
use crate::model::Offset;
use crate::wire::batch::{Batch, BatchError, BatchHeader};
use crate::wire::compression::{self, Codec};
use crate::wire::messages::fetch::AbortedTransaction;
use crate::wire::record::{Headers, RecordReader};

pub struct Fetched {
    pub partition: i32,
    pub high_watermark: Offset,
    subject: String,
    /// Records before this offset were read before; those from `end` on are not wanted.
    start: Offset,
    end: Offset,
    next: Offset,
    records: Slice,
    /// Empty where everything is read, and sorted by the first offset.
    aborted: Vec<AbortedTransaction>,
    isolation: Isolation,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.records.len();
        write!(f, "Fetched({} from {}, {bytes} bytes)", self.subject, self.start)
    }
}

/// One record, and where it stands.
#[derive(Clone, Debug)]
pub struct ConsumedRecord<'a> {
    pub partition: i32,
    pub offset: Offset,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp: i64,
    /// The time is the broker's (LogAppendTime).
    pub is_append_time: bool,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// What a fetcher knows when an answer comes.
pub(super) struct Arrival<'a> {
    pub partition: i32,
    pub subject: String,
    pub start: Offset,
    pub end: Option<Offset>,
    pub high_watermark: Offset,
    pub records: Slice,
    pub aborted: &'a [AbortedTransaction],
    pub isolation: Isolation,
}

impl Fetched {
    /// Checks every batch. Yields the offset behind the last one, which is `start` when there is
    /// none; an incomplete one at the end is left out.
    pub(super) fn new(arrival: Arrival<'_>) -> Result<(Fetched, Offset)> {
        let Arrival { partition, subject, start, end, high_watermark, mut records, .. } = arrival;
        let corrupt = |at: Offset, error: BatchError| Error::Corrupt {
            subject: format!("{subject} at offset {at}"),
            reason: error.to_string(),
        };
        let mut next = start;
        let mut whole = 0;
        while whole < records.len() {
            let batch = match Batch::first(&records[whole..]) {
                Ok(batch) => batch,
                // A broker may cut the answer anywhere but in the first batch.
                Err(BatchError::Incomplete) if whole > 0 => break,
                Err(error) => return Err(corrupt(next, error)),
            };
            batch.check_crc().map_err(|error| corrupt(batch.header.base_offset(), error))?;
            next = next.max(batch.header.next_offset());
            whole += batch.bytes.len();
        }
        records.truncate(whole);
        let mut aborted = match arrival.isolation {
            Isolation::ReadCommitted => arrival.aborted.to_vec(),
            Isolation::ReadUncommitted => Vec::new(),
        };
        aborted.sort_by_key(|transaction| transaction.first_offset);
        let fetched = Fetched {
            partition,
            high_watermark,
            subject,
            start,
            end: end.unwrap_or(Offset::MAX),
            next: next.min(end.unwrap_or(Offset::MAX)),
            records,
            aborted,
            isolation: arrival.isolation,
        };
        Ok((fetched, next))
    }

    /// Where reading goes on behind this, whatever of it is seen: batches may be hidden.
    pub fn next(&self) -> Offset {
        self.next
    }

    /// Bytes as they came.
    pub fn bytes(&self) -> usize {
        self.records.len()
    }

    /// The batches in order, unpacked one by one. Control batches and those of aborted transactions
    /// (with `ReadCommitted`) are left out.
    pub fn batches(&self) -> Batches<'_> {
        let aborted = Aborted { later: &self.aborted, now: BTreeSet::new() };
        Batches { fetched: self, rest: &self.records, aborted }
    }

    fn broken(&self, offset: Offset, error: impl fmt::Display) -> Error {
        let subject = format!("{} at offset {offset}", self.subject);
        Error::Corrupt { subject, reason: error.to_string() }
    }
}

pub struct Batches<'a> {
    fetched: &'a Fetched,
    rest: &'a [u8],
    aborted: Aborted<'a>,
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Unpacked<'a>>;

    fn next(&mut self) -> Option<Result<Unpacked<'a>>> {
        let fetched = self.fetched;
        let committed = fetched.isolation == Isolation::ReadCommitted;
        while !self.rest.is_empty() {
            let batch = match Batch::first(self.rest) {
                Ok(batch) => batch,
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(fetched.broken(fetched.start, error)));
                }
            };
            self.rest = &self.rest[batch.bytes.len()..];
            let hidden = committed && self.aborted.hides(batch);
            let header = batch.header;
            let wanted =
                header.last_offset() >= fetched.start && header.base_offset() < fetched.end;
            if wanted && !hidden && !header.is_control() {
                return Some(Unpacked::new(fetched, batch));
            }
        }
        None
    }
}

/// One batch whose records can be read.
pub struct Unpacked<'a> {
    fetched: &'a Fetched,
    header: BatchHeader<'a>,
    payload: Cow<'a, [u8]>,
}

impl<'a> Unpacked<'a> {
    fn new(fetched: &'a Fetched, batch: Batch<'a>) -> Result<Unpacked<'a>> {
        let header = batch.header;
        let base = header.base_offset();
        let codec = header.codec().ok_or_else(|| fetched.broken(base, BatchError::Codec))?;
        let payload = match codec {
            Codec::None => Cow::Borrowed(batch.payload()),
            codec => {
                let bytes_max = limits::BATCH_DECOMPRESSED_BYTES_MAX.max(batch.payload().len());
                let unpacked = compression::decompress(codec, batch.payload(), bytes_max);
                Cow::Owned(unpacked.map_err(|error| fetched.broken(base, error))?)
            }
        };
        Ok(Unpacked { fetched, header, payload })
    }

    /// How the batch was compressed.
    pub fn codec(&self) -> Codec {
        self.header.codec().expect("it was unpacked")
    }

    /// The records that are wanted, in order; ends after the first error.
    pub fn records(&self) -> impl Iterator<Item = Result<ConsumedRecord<'_>>> {
        let Unpacked { fetched, header, .. } = self;
        let base = header.base_offset();
        let records = RecordReader::new(&self.payload, header.record_count());
        records.filter_map(move |record| {
            let record = match record {
                Ok(record) => record,
                Err(error) => return Some(Err(fetched.broken(base, error))),
            };
            let offset = base.wrapping_add(i64::from(record.offset_delta));
            let wanted = (fetched.start..fetched.end).contains(&offset);
            wanted.then_some(Ok(ConsumedRecord {
                partition: fetched.partition,
                offset,
                timestamp: timestamp(*header, record.timestamp_delta),
                is_append_time: header.is_append_time(),
                key: record.key,
                value: record.value,
                headers: record.headers,
            }))
        })
    }
}

fn timestamp(header: BatchHeader<'_>, delta: i64) -> i64 {
    if header.is_append_time() {
        header.max_timestamp()
    } else {
        header.base_timestamp().wrapping_add(delta)
    }
}

/// Which producers' records are those of an aborted transaction, while offsets go up.
struct Aborted<'a> {
    later: &'a [AbortedTransaction],
    now: BTreeSet<i64>,
}

impl Aborted<'_> {
    fn hides(&mut self, batch: Batch<'_>) -> bool {
        let header = batch.header;
        while let [first, rest @ ..] = self.later
            && first.first_offset <= header.last_offset()
        {
            self.now.insert(first.producer_id);
            self.later = rest;
        }
        if header.is_control() {
            if is_abort(batch) {
                self.now.remove(&header.producer_id());
            }
            return true;
        }
        header.is_transactional() && self.now.contains(&header.producer_id())
    }
}

/// A control record's key: version i16, type i16 (0 abort, 1 commit).
fn is_abort(batch: Batch<'_>) -> bool {
    let record = RecordReader::new(batch.payload(), 1).next();
    let key = record.and_then(|record| record.ok()?.key);
    key.is_some_and(|key| key.get(2..4) == Some(&[0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buf::Buf;
    use crate::wire::batch;
    use crate::wire::record::{BatchBuilder, BatchFields};

    fn batch(base_offset: i64, values: &[&str], codec: Codec) -> Vec<u8> {
        let mut builder =
            BatchBuilder::new(BatchFields { base_offset, codec, ..BatchFields::default() });
        for (time, value) in (1000..).zip(values) {
            builder.push(time, None, Some(value.as_bytes()), &[]);
        }
        builder.finish()
    }

    fn transactional(base_offset: i64, producer_id: i64, control: Option<u8>) -> Vec<u8> {
        let fields = BatchFields {
            base_offset,
            transactional: true,
            control: control.is_some(),
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            ..BatchFields::default()
        };
        let mut builder = BatchBuilder::new(fields);
        let key = control.map(|kind| [0, 0, 0, kind]);
        let value = format!("of {producer_id}");
        builder.push(1, key.as_ref().map(|key| &key[..]), Some(value.as_bytes()), &[]);
        builder.finish()
    }

    fn fetched(
        bytes: &[u8],
        start: Offset,
        aborted: &[AbortedTransaction],
        isolation: Isolation,
    ) -> Result<(Fetched, Offset)> {
        Fetched::new(Arrival {
            partition: 3,
            subject: "t-3".to_owned(),
            start,
            end: Some(100),
            high_watermark: 100,
            records: Slice::from(Buf::copy_of(bytes)),
            aborted,
            isolation,
        })
    }

    fn seen(fetched: &Fetched) -> Vec<(Offset, String)> {
        let mut seen = Vec::new();
        for batch in fetched.batches() {
            for record in batch.unwrap().records() {
                let record = record.unwrap();
                let value = String::from_utf8_lossy(record.value.unwrap_or(b"null"));
                seen.push((record.offset, value.into_owned()));
            }
        }
        seen
    }

    #[test]
    fn records_before_the_start_and_behind_the_end_are_left_out() {
        let bytes = [
            batch(8, &["a", "b", "c"], Codec::None),
            batch(11, &["d"], Codec::Zstd),
            batch(99, &["e", "f"], Codec::Lz4),
            batch(101, &["cut"], Codec::None)[..70].to_vec(),
        ]
        .concat();
        let (fetched, next) = fetched(&bytes, 9, &[], Isolation::ReadUncommitted).unwrap();
        let expect = [(9, "b"), (10, "c"), (11, "d"), (99, "e")];
        let expect: Vec<_> = expect.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
        assert_eq!((seen(&fetched), next), (expect, 101));
    }

    #[test]
    fn a_damaged_batch_is_named() {
        let mut bytes = [batch(0, &["a"], Codec::None), batch(1, &["b"], Codec::None)].concat();
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        let error = fetched(&bytes, 0, &[], Isolation::ReadUncommitted).unwrap_err();
        assert_eq!(error.to_string(), "t-3 at offset 1 is damaged: the checksum is wrong");
        let cut = &batch(0, &["a"], Codec::None)[..batch::HEADER_SIZE];
        assert!(fetched(cut, 0, &[], Isolation::ReadUncommitted).is_err());
    }

    #[test]
    fn aborted_transactions_are_hidden_from_committed_readers() {
        let bytes = [
            transactional(0, 1, None),
            transactional(1, 2, None),
            transactional(2, 1, Some(0)),
            transactional(3, 1, None),
            transactional(4, 2, Some(1)),
            transactional(5, 1, Some(1)),
        ]
        .concat();
        let aborted = [AbortedTransaction { producer_id: 1, first_offset: 0 }];
        let (committed, next) = fetched(&bytes, 0, &aborted, Isolation::ReadCommitted).unwrap();
        let expect = vec![(1, "of 2".to_owned()), (3, "of 1".to_owned())];
        assert_eq!((seen(&committed), next), (expect, 6));
        let (all, _) = fetched(&bytes, 0, &aborted, Isolation::ReadUncommitted).unwrap();
        assert_eq!(seen(&all).len(), 3);
    }
}
