//! Record batches: built by us and read by the oracle, and the other way round, in every codec.

use bytes::Bytes;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as oracle;
use ringmain::base::prng::Prng;
use ringmain::wire::batch::{self, Batch, Batches};
use ringmain::wire::compression::{self, Codec};
use ringmain::wire::record::{self, BatchBuilder, BatchFields, Header, RecordReader};

use crate::allocation::largest_during;

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn bytes(prng: &mut Prng, most: u64) -> Option<Vec<u8>> {
    if prng.chance(1, 5) {
        return None;
    }
    let mut bytes = vec![0; prng.below(most) as usize];
    prng.fill(&mut bytes);
    Some(bytes)
}

fn samples(prng: &mut Prng) -> Vec<Sample> {
    let sample = |prng: &mut Prng| Sample {
        timestamp: 1_700_000_000_000 + prng.below(100_000) as i64 - 50_000,
        key: bytes(prng, 40),
        value: if prng.chance(1, 3) { Some(vec![b'x'; 2_000]) } else { bytes(prng, 1_000) },
        headers: (0..prng.below(3)).map(|n| (format!("header {n}"), bytes(prng, 30))).collect(),
    };
    (0..1 + prng.below(60)).map(|_| sample(prng)).collect()
}

fn ours(samples: &[Sample], fields: BatchFields) -> Vec<u8> {
    let mut builder = BatchBuilder::new(fields);
    for sample in samples {
        let headers: Vec<_> = sample
            .headers
            .iter()
            .map(|(key, value)| Header { key: key.as_bytes(), value: value.as_deref() })
            .collect();
        let (key, value) = (sample.key.as_deref(), sample.value.as_deref());
        builder.push(sample.timestamp, key, value, &headers);
    }
    builder.finish()
}

fn their_codec(codec: Codec) -> oracle::Compression {
    match codec {
        Codec::None => oracle::Compression::None,
        Codec::Gzip => oracle::Compression::Gzip,
        Codec::Snappy => oracle::Compression::Snappy,
        Codec::Lz4 => oracle::Compression::Lz4,
        Codec::Zstd => oracle::Compression::Zstd,
    }
}

#[test]
fn the_oracle_reads_our_batches() {
    let mut prng = Prng::new(crate::seed());
    for codec in Codec::ALL {
        for round in 0..crate::rounds(20) {
            let samples = samples(&mut prng);
            let fields = BatchFields {
                base_offset: 1_000,
                partition_leader_epoch: 4,
                codec,
                transactional: round % 2 == 0,
                producer_id: 77,
                producer_epoch: 2,
                base_sequence: 5,
                ..BatchFields::default()
            };
            let mut built = Bytes::from(ours(&samples, fields));
            let set = oracle::RecordBatchDecoder::decode(&mut built).unwrap();
            assert_eq!((set.version, set.records.len()), (2, samples.len()), "{codec:?}");
            assert_eq!(set.compression, their_codec(codec));
            for (place, (record, sample)) in set.records.iter().zip(&samples).enumerate() {
                assert_eq!(record.offset, 1_000 + place as i64);
                assert_eq!(record.sequence, 5 + place as i32);
                assert_eq!((record.producer_id, record.producer_epoch), (77, 2));
                assert_eq!(record.partition_leader_epoch, 4);
                assert_eq!((record.transactional, record.control), (round % 2 == 0, false));
                assert_eq!(record.timestamp, sample.timestamp);
                assert_eq!(record.key.as_deref(), sample.key.as_deref());
                assert_eq!(record.value.as_deref(), sample.value.as_deref());
                let headers: Vec<_> = record
                    .headers
                    .iter()
                    .map(|(key, value)| (key.to_string(), value.as_deref().map(<[u8]>::to_vec)))
                    .collect();
                assert_eq!(headers, sample.headers);
            }
        }
    }
}

#[test]
fn we_read_the_oracles_batches() {
    let mut prng = Prng::new(crate::seed());
    for codec in Codec::ALL {
        for _ in 0..crate::rounds(20) {
            let samples = samples(&mut prng);
            let record = |(place, sample): (usize, &Sample)| oracle::Record {
                transactional: true,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: 77,
                producer_epoch: 2,
                timestamp_type: oracle::TimestampType::Creation,
                offset: place as i64,
                sequence: 5 + place as i32,
                timestamp: sample.timestamp,
                key: sample.key.clone().map(Bytes::from),
                value: sample.value.clone().map(Bytes::from),
                headers: sample
                    .headers
                    .iter()
                    .map(|(key, value)| {
                        (StrBytes::from_string(key.clone()), value.clone().map(Bytes::from))
                    })
                    .collect::<IndexMap<_, _>>(),
            };
            let records: Vec<_> = samples.iter().enumerate().map(record).collect();
            let mut built = Vec::new();
            let options =
                oracle::RecordEncodeOptions { version: 2, compression: their_codec(codec) };
            oracle::RecordBatchEncoder::encode(&mut built, &records, &options).unwrap();

            let header = batch::validate(&built).unwrap();
            assert_eq!(header.codec(), Some(codec));
            assert_eq!((header.producer_id(), header.base_sequence()), (77, 5));
            assert!(header.is_transactional() && !header.is_control());
            let payload = Batch::first(&built).unwrap().payload();
            let payload = compression::decompress(codec, payload, 1 << 20).unwrap();
            record::walk(header, &payload).unwrap();
            let read: Vec<_> = RecordReader::new(&payload, header.record_count())
                .map(|record| record.unwrap())
                .map(|record| Sample {
                    timestamp: header.base_timestamp() + record.timestamp_delta,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record
                        .headers
                        .iter()
                        .map(|header| {
                            let key = String::from_utf8(header.key.to_vec()).unwrap();
                            (key, header.value.map(<[u8]>::to_vec))
                        })
                        .collect(),
                })
                .collect();
            assert_eq!(read, samples);
        }
    }
}

/// Everything that may be done with untrusted batch bytes, but for decompressing them.
fn look_at(bytes: &[u8]) {
    let _ = batch::validate(bytes);
    for batch in Batches::new(bytes).flatten() {
        assert_eq!(batch.bytes.len(), batch.header.size());
        let _ = (batch.check_crc(), record::walk(batch.header, batch.payload()));
        let records = RecordReader::new(batch.payload(), batch.header.record_count());
        for record in records.flatten() {
            assert_eq!(record.headers.iter().count(), record.headers.len());
        }
    }
}

fn decompress(bytes: &[u8]) {
    let Ok(batch) = Batch::first(bytes) else { return };
    let Some(codec) = batch.header.codec() else { return };
    if let Ok(payload) = compression::decompress(codec, batch.payload(), 1 << 16) {
        let _ = record::walk(batch.header, &payload);
    }
}

#[test]
fn damaged_batches_are_errors() {
    let mut prng = Prng::new(crate::seed());
    for codec in Codec::ALL {
        let fields = BatchFields { codec, ..BatchFields::default() };
        let good = ours(&samples(&mut prng), fields);
        for len in 0..good.len() {
            let cut = batch::validate(&good[..len]).map(|_| ());
            assert!(cut.is_err(), "{codec:?}, {len} bytes");
        }
        for _ in 0..crate::rounds(2_000) {
            let mut bad = good.clone();
            for _ in 0..1 + prng.below(3) {
                let at = match prng.chance(1, 2) {
                    true => prng.below(batch::HEADER_SIZE as u64 + 20),
                    false => prng.below(bad.len() as u64),
                };
                bad[(at as usize).min(good.len() - 1)] = prng.next_u64() as u8;
            }
            let valid = batch::validate(&bad).is_ok();
            assert!(!valid || bad[..17] != good[..17] || bad == good, "a wrong checksum passed");
            let ((), largest) = largest_during(|| look_at(&bad));
            assert_eq!(largest, 0, "looking at a batch allocates");
            // A decompressor has buffers of its own: lz4's largest block is 8 MiB.
            let ((), largest) = largest_during(|| decompress(&bad));
            assert!(largest <= 17 << 20, "{codec:?}: {largest} bytes");
        }
    }
}
