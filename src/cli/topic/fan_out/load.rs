//! Records on their way into one transaction: each placed by its key, packed into batches, and with
//! them how far their source is read. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use crate::base::planted;
use crate::client::consumer::ConsumedRecord;
use crate::client::{Sticky, partition_of_key};
use crate::model::Offset;
use crate::wire::batch;
use crate::wire::compression::Codec;
use crate::wire::record::{BatchBuilder, BatchFields, Header};

/// What a record takes beside its key, value and headers, at most, and a header beside its parts.
const RECORD_OVERHEAD: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
const HEADER_OVERHEAD: usize = 5 + 5;
/// Bytes without a key after which the next ones go elsewhere.
const STICKY_BYTES: usize = 16 << 10;

/// What one transaction carries.
#[derive(Debug, Default)]
pub struct Shipment {
    /// By partition of the target.
    pub batches: BTreeMap<i32, VecDeque<Vec<u8>>>,
    /// By partition of the source: the offset to go on from.
    pub progress: BTreeMap<i32, Offset>,
    pub records: u64,
    /// Of keys, values and headers.
    pub bytes: u64,
}

struct Open {
    builder: BatchBuilder,
    codec: Codec,
}

pub struct Load {
    partitions: usize,
    batch_bytes: usize,
    sticky: Sticky,
    open: BTreeMap<i32, Open>,
    gathered: Shipment,
}

impl Load {
    /// For a target of so many partitions that takes batches of so many bytes.
    pub fn new(partitions: usize, batch_bytes: usize, seed: u64) -> Load {
        let sticky = Sticky::new(seed, STICKY_BYTES);
        let (open, gathered) = (BTreeMap::new(), Shipment::default());
        Load { partitions, batch_bytes, sticky, open, gathered }
    }

    /// Takes a record that came in a batch of this codec.
    pub fn add(&mut self, record: &ConsumedRecord<'_>, codec: Codec) {
        let headers: Vec<Header<'_>> = record.headers.iter().collect();
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let of_headers = headers.iter().map(|header| header.key.len() + len(header.value));
        let bytes = len(record.key) + len(record.value) + of_headers.sum::<usize>();
        let size = bytes + RECORD_OVERHEAD + headers.len() * HEADER_OVERHEAD;
        let place = match record.key {
            Some(key) if !planted::is("fan-out-by-chance") => {
                partition_of_key(key, self.partitions)
            }
            _ => self.sticky.choose(self.partitions, size),
        };
        let index = i32::try_from(place).expect("partitions are numbered so");
        let full =
            |open: &Open| open.codec != codec || open.builder.size() + size > self.batch_bytes;
        if self.open.get(&index).is_some_and(full) {
            self.seal(index);
        }
        let open = self.open.entry(index).or_insert_with(|| Open {
            builder: BatchBuilder::new(BatchFields {
                codec,
                transactional: true,
                // What is right is known when it is sent.
                producer_id: 0,
                producer_epoch: 0,
                base_sequence: 0,
                ..BatchFields::default()
            }),
            codec,
        });
        open.builder.push(record.timestamp, record.key, record.value, &headers);
        self.gathered.records += 1;
        self.gathered.bytes += bytes as u64;
        self.reached(record.partition, record.offset + 1);
    }

    fn seal(&mut self, index: i32) {
        if let Some(Open { builder, .. }) = self.open.remove(&index) {
            self.gathered.batches.entry(index).or_default().push_back(builder.finish());
        }
    }

    /// Everything of a source partition before this offset was taken, or is not to be seen.
    pub fn reached(&mut self, partition: i32, offset: Offset) {
        self.gathered.progress.insert(partition, offset);
    }

    pub fn records(&self) -> u64 {
        self.gathered.records
    }

    pub fn bytes(&self) -> u64 {
        self.gathered.bytes
    }

    /// Whether there is nothing to tell, not even progress.
    pub fn is_empty(&self) -> bool {
        self.gathered.progress.is_empty()
    }

    /// All that was gathered; from here on it gathers anew.
    pub fn take(&mut self) -> Shipment {
        for index in self.open.keys().copied().collect::<Vec<i32>>() {
            self.seal(index);
        }
        mem::take(&mut self.gathered)
    }
}

/// Bytes of a batch before compression, for a topic that takes batches of so many at most.
pub fn batch_bytes(max_message_bytes: usize) -> usize {
    max_message_bytes.saturating_sub(batch::HEADER_SIZE).clamp(1, 512 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::Batch;
    use crate::wire::compression::decompress;
    use crate::wire::record::RecordReader;

    fn record<'a>(payload: &'a [u8], offset: Offset) -> ConsumedRecord<'a> {
        let record = RecordReader::new(payload, 1).next().expect("one").expect("sound");
        ConsumedRecord {
            partition: 1,
            offset,
            timestamp: 1000 + offset,
            is_append_time: false,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }

    fn payload(key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchFields::default());
        builder.push(0, key, Some(value), &[Header { key: b"h", value: Some(b"1") }]);
        builder.finish()[batch::HEADER_SIZE..].to_vec()
    }

    #[test]
    fn records_of_a_key_stay_together_and_in_order() {
        let mut load = Load::new(16, 300, 1);
        for offset in 0..200 {
            let key = format!("key-{}", offset % 7);
            let value = format!("{offset}");
            let codec = if offset < 100 { Codec::None } else { Codec::Lz4 };
            load.add(&record(&payload(Some(key.as_bytes()), value.as_bytes()), offset), codec);
        }
        load.reached(1, 230);
        load.reached(2, 5);
        let shipment = load.take();
        assert!(load.is_empty());
        assert_eq!(shipment.progress, BTreeMap::from([(1, 230), (2, 5)]));
        assert_eq!(shipment.records, 200);
        let mut by_key: BTreeMap<Vec<u8>, Vec<(i32, i64, i64)>> = BTreeMap::new();
        for (&index, batches) in &shipment.batches {
            for bytes in batches {
                let batch = Batch::first(bytes).expect("a batch");
                assert!(batch.header.is_transactional() && bytes.len() <= 300 + 61);
                let codec = batch.header.codec().expect("known");
                let payload = decompress(codec, batch.payload(), 1 << 20).expect("sound");
                for one in RecordReader::new(&payload, batch.header.record_count()) {
                    let one = one.expect("sound");
                    assert_eq!(one.headers.iter().count(), 1);
                    let value = String::from_utf8_lossy(one.value.expect("there"));
                    let time = batch.header.base_timestamp() + one.timestamp_delta;
                    let seen = (index, value.parse().expect("a number"), time);
                    by_key.entry(one.key.expect("there").to_vec()).or_default().push(seen);
                }
            }
        }
        assert_eq!(by_key.len(), 7);
        for (key, seen) in by_key {
            let place = partition_of_key(&key, 16) as i32;
            assert!(seen.iter().all(|one| one.0 == place && one.2 == 1000 + one.1), "{seen:?}");
            assert!(seen.is_sorted_by_key(|one| one.1) && seen.len() >= 28, "{seen:?}");
        }
    }

    #[test]
    fn records_without_a_key_are_spread() {
        let mut load = Load::new(4, 1 << 20, 1);
        for offset in 0..100 {
            load.add(&record(&payload(None, &[7; 3000]), offset), Codec::None);
        }
        let shipment = load.take();
        assert_eq!(shipment.batches.len(), 4);
        assert_eq!(shipment.bytes, 100 * 3002);
        assert_eq!([0, 61, 1_048_588].map(batch_bytes), [1, 1, 512 << 10]);
    }
}
