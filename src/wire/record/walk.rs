//! The look over the records of a produced batch: are they what its header says? Reads only what
//! lies between keys and values, and allocates nothing.
//!
//! It costs as much as the checksum for records of about 200 bytes, and is lost beside it for large
//! ones (`ringmain-bench yardstick check`). What it buys: a consumer that meets a record it
//! cannot read is stuck there for good, and its producer is long gone.

use crate::base::varint;
use crate::wire::batch::{BatchError, BatchHeader};

/// What a walk over a batch's records found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSeen {
    /// `i64::MAX` when no record has a timestamp.
    pub min_timestamp: i64,
    /// -1 when no record has a timestamp.
    pub max_timestamp: i64,
    /// The first record without a key, by its place in the batch: compacted topics refuse it.
    pub first_without_key: Option<i32>,
}

/// Stands for none in a record.
pub const NO_TIMESTAMP: i64 = -1;

/// Walks the decompressed payload of a batch: as many records as the header says, in order of
/// their offsets, each as long as it says, nothing behind them.
pub fn walk(header: BatchHeader<'_>, payload: &[u8]) -> Result<RecordsSeen, BatchError> {
    let mut seen = RecordsSeen {
        min_timestamp: i64::MAX,
        max_timestamp: NO_TIMESTAMP,
        first_without_key: None,
    };
    each(header, payload, |place, timestamp, has_key| {
        if timestamp != NO_TIMESTAMP {
            seen.min_timestamp = seen.min_timestamp.min(timestamp);
            seen.max_timestamp = seen.max_timestamp.max(timestamp);
        }
        if !has_key && seen.first_without_key.is_none() {
            seen.first_without_key = Some(place);
        }
    })
    .ok_or(BatchError::Records)?;
    Ok(seen)
}

/// The places of the first `most` records for which `is_misfit` holds; it is given a record's
/// timestamp, if it has one, and whether it has a key. The payload was walked before.
pub fn misfits(
    header: BatchHeader<'_>,
    payload: &[u8],
    most: usize,
    is_misfit: impl Fn(Option<i64>, bool) -> bool,
) -> Vec<i32> {
    let mut places = Vec::new();
    let _ = each(header, payload, |place, timestamp, has_key| {
        let timestamp = (timestamp != NO_TIMESTAMP).then_some(timestamp);
        if places.len() < most && is_misfit(timestamp, has_key) {
            places.push(place);
        }
    });
    places
}

/// Bytes of the longest record, without those that say how long it is. The payload was walked before.
pub fn longest(header: BatchHeader<'_>, payload: &[u8]) -> usize {
    let mut records = Cursor(payload);
    let lens = (0..header.record_count()).map_while(|_| {
        let len = records.varint()?;
        records.take(len).map(<[u8]>::len)
    });
    lens.max().unwrap_or(0)
}

/// Shows each record's place, timestamp, and whether it has a key. `None`: a record is not what it
/// should be.
#[inline(always)]
fn each(
    header: BatchHeader<'_>,
    payload: &[u8],
    mut show: impl FnMut(i32, i64, bool),
) -> Option<()> {
    let base_timestamp = header.base_timestamp();
    let mut records = Cursor(payload);
    for place in 0..header.record_count() {
        let len = records.varint()?;
        let mut record = Cursor(records.take(len)?);
        let _attributes = record.take(1)?;
        let timestamp = base_timestamp.wrapping_add(record.varlong()?);
        if record.varint()? != i64::from(place) {
            return None;
        }
        let has_key = record.skip_nullable()?;
        record.skip_nullable()?;
        if record.0 != [0] {
            skip_headers(&mut record)?;
        }
        show(place, timestamp, has_key);
    }
    records.0.is_empty().then_some(())
}

/// Out of the way of the many records that have none.
#[inline(never)]
fn skip_headers(record: &mut Cursor<'_>) -> Option<()> {
    let count = record.varint()?;
    if count < 0 {
        return None;
    }
    for _ in 0..count {
        let has_key = record.skip_nullable()?;
        if !has_key {
            return None;
        }
        record.skip_nullable()?;
    }
    record.0.is_empty().then_some(())
}

/// What is left of some bytes. Reads numbers of up to three bytes, which nearly all are, without
/// a call.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn short(&mut self) -> Option<u64> {
        let mut value = 0;
        for (index, shift) in [(0, 0), (1, 7), (2, 14)] {
            let byte = u64::from(*self.0.get(index)?);
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some((value >> 1) ^ (value & 1).wrapping_neg());
            }
        }
        None
    }

    #[inline(always)]
    fn varint(&mut self) -> Option<i64> {
        match self.short() {
            Some(value) => Some(value as i64),
            None => self.long(|bytes| {
                varint::read_i32(bytes).map(|(value, taken)| (i64::from(value), taken))
            }),
        }
    }

    #[inline(always)]
    fn varlong(&mut self) -> Option<i64> {
        match self.short() {
            Some(value) => Some(value as i64),
            None => self.long(varint::read_i64),
        }
    }

    #[cold]
    fn long(&mut self, read: fn(&[u8]) -> Option<(i64, usize)>) -> Option<i64> {
        let (value, taken) = read(self.0)?;
        self.0 = &self.0[taken..];
        Some(value)
    }

    #[inline(always)]
    fn take(&mut self, len: i64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Whether there was something; -1 stands for null.
    #[inline(always)]
    fn skip_nullable(&mut self) -> Option<bool> {
        match self.varint()? {
            -1 => Some(false),
            len => self.take(len).map(|_| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{self, Batch};
    use crate::wire::compression::Codec;
    use crate::wire::record::{BatchBuilder, BatchFields, Header, Record, RecordReader};

    /// Lengths around every border of a varint's size, keys, nulls and headers.
    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchFields::default());
        let header = Header { key: b"trace", value: Some(b"1") };
        builder.push(100, Some(b"a"), Some(&[7; 1000]), &[header]);
        builder.push(90, None, None, &[Header { key: b"empty", value: None }]);
        builder.push(i64::from(i32::MAX) * 3, Some(b""), Some(b""), &[]);
        for size in [50, 63, 64, 8191, 8192, 1 << 20] {
            builder.push(200, Some(&vec![1; size]), Some(&vec![2; size]), &[]);
        }
        for place in 0..9000 {
            builder.push(200 + place, Some(b"k"), None, &[]);
        }
        builder.finish()
    }

    #[test]
    fn a_good_batch_is_walked_to_its_end() {
        let bytes = batch();
        let Batch { header, .. } = Batch::first(&bytes).unwrap();
        let seen = walk(header, &bytes[batch::HEADER_SIZE..]).unwrap();
        assert_eq!((seen.min_timestamp, seen.max_timestamp), (90, i64::from(i32::MAX) * 3));
        assert_eq!((seen.first_without_key, seen.max_timestamp), (Some(1), header.max_timestamp()));
        assert_eq!(header.codec(), Some(Codec::None));
        // Behind the two large ones: attributes, two deltas, their lengths, no headers.
        assert_eq!(
            longest(header, &bytes[batch::HEADER_SIZE..]),
            (2 << 20) + 1 + 2 + 1 + 4 + 4 + 1
        );
    }

    #[test]
    fn records_that_do_not_match_their_header_are_refused() {
        let good = batch();
        let check = |position: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[position] = value;
            let header = BatchHeader::peek(&bytes).unwrap();
            let walked = walk(header, &bytes[batch::HEADER_SIZE..]);
            assert_eq!(walked, Err(BatchError::Records), "{position}");
        };
        check(batch::RECORD_COUNT_AT + 3, 2);
        check(batch::RECORD_COUNT_AT + 2, 0xff);
        check(batch::HEADER_SIZE, 0xff);
        check(batch::HEADER_SIZE + 4, 2);
        let header = BatchHeader::peek(&good).unwrap();
        for payload in [&good[batch::HEADER_SIZE..good.len() - 1], &good[batch::HEADER_SIZE - 1..]]
        {
            assert_eq!(walk(header, payload), Err(BatchError::Records));
        }
        let more = [&good[batch::HEADER_SIZE..], &[0]].concat();
        assert_eq!(walk(header, &more), Err(BatchError::Records));
    }

    /// The walk and the reader of records must judge alike: one guards what the other reads.
    #[test]
    fn a_walk_lets_pass_what_can_be_read_and_nothing_else() {
        let mut builder = BatchBuilder::new(BatchFields::default());
        let header = Header { key: b"h", value: Some(b"v") };
        builder.push(1, Some(b"key"), Some(b"value"), &[header]);
        builder.push(70, None, Some(&[3; 70]), &[]);
        let good = builder.finish();
        let header = BatchHeader::peek(&good).unwrap();
        let mut passed = 0;
        for at in batch::HEADER_SIZE..good.len() {
            for value in 0..=255 {
                let mut bytes = good.clone();
                bytes[at] = value;
                let payload = &bytes[batch::HEADER_SIZE..];
                let mut reader = RecordReader::new(payload, header.record_count());
                let records: Result<Vec<Record<'_>>, _> = reader.by_ref().collect();
                let in_order = |records: &Vec<Record<'_>>| {
                    (0..).zip(records).all(|(place, record)| record.offset_delta == place)
                };
                let readable =
                    records.is_ok_and(|records| in_order(&records)) && reader.expect_end().is_ok();
                assert_eq!(walk(header, payload).is_ok(), readable, "byte {at} as {value}");
                passed += usize::from(readable);
            }
        }
        assert!(passed > 255, "the contents of keys and values are free");
    }

    #[test]
    fn misfits_are_found_by_their_places() {
        let mut builder = BatchBuilder::new(BatchFields::default());
        for (timestamp, key) in [(5, Some(&b"k"[..])), (-1, None), (900, None), (7, None)] {
            builder.push(timestamp, key, None, &[]);
        }
        let bytes = builder.finish();
        let header = BatchHeader::peek(&bytes).unwrap();
        let payload = &bytes[batch::HEADER_SIZE..];
        let seen = walk(header, payload).unwrap();
        assert_eq!((seen.min_timestamp, seen.max_timestamp), (5, 900));
        assert_eq!(misfits(header, payload, 9, |_, has_key| !has_key), [1, 2, 3]);
        assert_eq!(misfits(header, payload, 2, |_, has_key| !has_key), [1, 2]);
        assert_eq!(misfits(header, payload, 9, |time, _| time.is_some_and(|t| t > 6)), [2, 3]);
    }
}
