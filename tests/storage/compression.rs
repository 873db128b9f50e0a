//! Topics with a codec of their own: batches that came with another are compressed anew, and are
//! otherwise the same.

use ringmain::log::{AppendError, Compaction, Log, LogSettings, Origin, Records, TimestampType};
use ringmain::model::LeaderEpoch;
use ringmain::wire::batch::{self, Batch, BatchError};
use ringmain::wire::compression::{self, Codec, Compression};
use ringmain::wire::record::{BatchBuilder, BatchFields, Header, RecordReader};

use crate::support::{NOW, World, bytes_of};

const EPOCH: LeaderEpoch = LeaderEpoch(6);
const PRODUCER: i64 = 40;

fn settings(codec: Codec) -> LogSettings {
    LogSettings { compression: Some(codec.into()), ..LogSettings::default() }
}

/// The third record is the youngest and not the last; one has no value, one has headers.
fn batch_of(codec: Codec, base_sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields {
        codec,
        producer_id: PRODUCER,
        producer_epoch: 2,
        base_sequence,
        ..BatchFields::default()
    });
    let header = Header { key: b"trace", value: Some(b"7") };
    builder.push(NOW - 5, Some(b"a"), Some(&[1; 3000]), &[header]);
    builder.push(NOW - 9, Some(b"b"), None, &[]);
    builder.push(NOW, Some(b"c"), Some(b""), &[]);
    builder.push(NOW - 1, Some(b""), Some(&[2; 900]), &[]);
    builder.finish()
}

fn payload(bytes: &[u8]) -> Vec<u8> {
    let batch = Batch::first(bytes).expect("a batch");
    let codec = batch.header.codec().expect("a codec");
    compression::decompress(codec, batch.payload(), 128 << 20).expect("what was compressed")
}

async fn last_batch(log: &Log, offset: i64) -> Vec<u8> {
    let plan = log.read(offset, 1 << 30, log.end_offset(), true).await.expect("a read");
    let bytes = bytes_of(&plan).await;
    assert_eq!(Batch::first(&bytes).unwrap().bytes.len(), bytes.len(), "one batch");
    bytes
}

#[test]
fn what_came_with_another_codec_is_compressed_anew_and_else_the_same() {
    World::new(1).run(|world| async move {
        for (name, to) in (0..).zip(Codec::ALL) {
            for append_time in [false, true] {
                let timestamp_type = match append_time {
                    true => TimestampType::LogAppendTime,
                    false => TimestampType::CreateTime,
                };
                let settings = LogSettings { timestamp_type, ..settings(to) };
                let log = world.create(&format!("t{append_time}-{name}"), settings).await;
                for (round, from) in (0..).zip(Codec::ALL) {
                    let sent = batch_of(from, round * 4);
                    let append = || {
                        log.append(Records::Copy(&sent), EPOCH, NOW + 50, Origin::Client).unwrap()
                    };
                    let appended = append();
                    assert_eq!(appended.base_offset, i64::from(round) * 4);
                    assert_eq!(appended.append_time_ms, if append_time { NOW + 50 } else { -1 });
                    let stored = last_batch(&log, appended.base_offset).await;
                    assert_eq!(appended.bytes, stored.len());
                    let (was, is) = (Batch::first(&sent).unwrap(), Batch::first(&stored).unwrap());
                    is.check_crc().expect("its own checksum");
                    assert_eq!(is.header.codec(), Some(to));
                    assert_eq!(payload(&stored), payload(&sent), "{from:?} to {to:?}");
                    if from == to {
                        assert_eq!(is.payload(), was.payload(), "as it came");
                    }
                    let facts = |batch: &Batch<'_>| {
                        let header = batch.header;
                        (
                            (header.producer_id(), header.producer_epoch(), header.base_sequence()),
                            (header.last_offset_delta(), header.record_count()),
                            (header.base_timestamp(), header.is_transactional()),
                        )
                    };
                    assert_eq!(facts(&is), facts(&was));
                    assert_eq!(is.header.is_append_time(), append_time);
                    let most = if append_time { NOW + 50 } else { NOW };
                    assert_eq!(is.header.max_timestamp(), most);
                    assert_eq!(is.header.partition_leader_epoch(), EPOCH.0);
                    // Sent again it is the same batch, and not looked at.
                    let again = append();
                    assert!(again.duplicate && again.base_offset == appended.base_offset);
                }
                log.sync().await.unwrap();
                let log = world.reopen(log).await;
                assert_eq!(log.end_offset(), 20);
                let stored = last_batch(&log, 16).await;
                assert_eq!(payload(&stored), payload(&batch_of(Codec::None, 0)));
                log.close().await.unwrap();
            }
        }
    });
}

#[test]
fn a_codec_set_online_is_obeyed_by_what_comes_then() {
    World::new(2).run(|world| async move {
        let log = world.create("t-0", LogSettings::default()).await;
        let mut expected = Vec::new();
        for (round, to) in (0..).zip([None, Some(Codec::Zstd), None, Some(Codec::Gzip)]) {
            let compression = to.map(Compression::from);
            log.set_settings(LogSettings { compression, ..log.settings() });
            let sent = batch_of(Codec::Lz4, round * 4);
            log.append(Records::Copy(&sent), EPOCH, NOW, Origin::Client).unwrap();
            expected.push(to.unwrap_or(Codec::Lz4));
        }
        let plan = log.read(0, 1 << 20, 16, true).await.unwrap();
        let bytes = bytes_of(&plan).await;
        let codecs =
            batch::Batches::new(&bytes).map(|batch| batch.unwrap().header.codec().unwrap());
        assert_eq!(codecs.collect::<Vec<_>>(), expected);
        log.close().await.unwrap();
    });
}

/// What becomes of a batch in a log with these settings; nothing is left of one that is refused.
fn refused(settings: LogSettings, bytes: Vec<u8>) -> AppendError {
    let found = std::rc::Rc::new(std::cell::RefCell::new(None));
    let told = found.clone();
    World::new(3).run(move |world| async move {
        let log = world.create("t-0", settings).await;
        let appended = log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client);
        assert_eq!(log.end_offset(), 0, "{appended:?}");
        *told.borrow_mut() = appended.err();
        log.close().await.unwrap();
    });
    found.take().expect("it was refused")
}

fn one_record(codec: Codec, value: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields { codec, ..BatchFields::default() });
    builder.push(NOW, Some(b"k"), Some(value), &[]);
    builder.finish()
}

#[test]
fn what_unpacks_too_large_is_refused_before_it_is() {
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Snappy, Codec::Zstd] {
        let bomb = one_record(codec, &vec![0; 64 << 20]);
        let settings = LogSettings { max_message_bytes: bomb.len(), ..settings(Codec::None) };
        let error = refused(settings, bomb);
        assert!(matches!(error, AppendError::UnpacksTooLarge { most } if most == 64 << 20));
    }
    let most = 5000;
    let settings = LogSettings { max_decompressed_message_bytes: most, ..settings(Codec::Gzip) };
    let error = refused(settings, one_record(Codec::Zstd, &[9; 5000]));
    assert!(matches!(error, AppendError::RecordTooLarge { most: 5000 }), "{error:?}");
    // Small as it lies there, and too large as it would have to.
    let settings = LogSettings { max_message_bytes: 4000, ..settings };
    let settings = LogSettings { max_decompressed_message_bytes: 10_000, ..settings };
    let settings = LogSettings { compression: Some(Codec::None.into()), ..settings };
    let error = refused(settings, one_record(Codec::Zstd, &[9; 5000]));
    assert!(matches!(error, AppendError::TooLarge { most: 4000, .. }), "{error:?}");
}

#[test]
fn what_is_unpacked_is_looked_through() {
    let broken = |change: fn(&mut Vec<u8>)| {
        // Whose end has a checksum.
        let mut bytes = batch_of(Codec::Gzip, 0);
        change(&mut bytes);
        batch::stamp_crc(&mut bytes);
        refused(settings(Codec::Lz4), bytes)
    };
    let is_bad = |error: &AppendError| matches!(error, AppendError::Batch(BatchError::Records));
    let cut = broken(|bytes| bytes[batch::HEADER_SIZE + 20] ^= 0xff);
    assert!(is_bad(&cut), "{cut:?}");
    let more = broken(|bytes| {
        bytes[batch::RECORD_COUNT_AT + 3] = 5;
        bytes[batch::LAST_OFFSET_DELTA_AT + 3] = 4;
    });
    assert!(is_bad(&more), "{more:?}");

    let mut builder =
        BatchBuilder::new(BatchFields { codec: Codec::Gzip, ..BatchFields::default() });
    for (time, key) in [(NOW, Some(&b"k"[..])), (NOW, None), (NOW + 500, Some(b"k"))] {
        builder.push(time, key, None, &[]);
    }
    let bytes = builder.finish();
    let compacted =
        LogSettings { compaction: Some(Compaction::default()), ..settings(Codec::None) };
    let error = refused(compacted, bytes.clone());
    assert_eq!(error.records(), [1], "{error:?}");
    let timely = LogSettings { timestamp_after_max_ms: 400, ..settings(Codec::None) };
    let error = refused(timely, bytes);
    assert!(matches!(&error, AppendError::Timestamp(records) if records == &[2]), "{error:?}");
}

#[test]
fn the_record_that_is_too_large_is_counted_by_itself() {
    World::new(4).run(|world| async move {
        let settings =
            LogSettings { max_decompressed_message_bytes: 3100, ..settings(Codec::None) };
        let log = world.create("t-0", settings).await;
        let sent = batch_of(Codec::Lz4, 0);
        log.append(Records::Copy(&sent), EPOCH, NOW, Origin::Client).expect("none is larger");
        let stored = last_batch(&log, 0).await;
        let records = RecordReader::new(&payload(&stored), 4)
            .map(|record| record.unwrap().offset_delta)
            .collect::<Vec<_>>();
        assert_eq!(records, [0, 1, 2, 3]);
        log.close().await.unwrap();
    });
}
