//! What is appended is read back, from memory and from disk, and survives rolls.

use ringmain::base::buf::Buf;
use ringmain::base::prng::Prng;
use ringmain::log::{Compaction, LogSettings, Origin, Records};
use ringmain::model::LeaderEpoch;
use ringmain::wire::batch::{self, Batch};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::support::{NOW, batch, create, flush, on_core, read_all};

const EPOCH: LeaderEpoch = LeaderEpoch(3);

#[test]
fn a_batch_is_readable_at_once_and_written_after_a_flush() {
    on_core(|| async {
        let (log, budget) = create("one-batch", LogSettings::default()).await;
        let bytes = batch(3, 100);
        let appended = log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).unwrap();
        assert_eq!((appended.base_offset, appended.last_offset), (0, 2));
        assert_eq!(log.progress().written_offset, 0);
        assert_eq!(read_all(&log, 1).await, std::slice::from_ref(&bytes));
        assert!(log.is_dirty());
        flush(&log).await;
        assert_eq!(log.progress().written_offset, 3);
        assert_eq!(log.progress().synced_offset, 3);
        assert_eq!(budget.unwritten_bytes(), 0);
        let on_disk = std::fs::read(log.dir().join("00000000000000000000.log")).unwrap();
        assert!(on_disk.len() > bytes.len(), "room is reserved ahead");
        assert!(on_disk[bytes.len()..].iter().all(|&byte| byte == 0));
        log.close().await.unwrap();
        assert!(log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).is_err());
        let on_disk = std::fs::read(log.dir().join("00000000000000000000.log")).unwrap();
        assert_eq!(on_disk.len(), bytes.len());
    });
}

#[test]
fn batches_of_all_sizes_come_back_in_order_over_many_segments() {
    on_core(|| async {
        for seed in 0..4 {
            let settings = LogSettings { segment_bytes: 3 << 20, ..LogSettings::default() };
            let (log, budget) = create(&format!("sizes-{seed}"), settings).await;
            let mut prng = Prng::new(seed);
            let mut expected = Vec::new();
            for _ in 0..400 {
                let size = match prng.below(10) {
                    0 => 1 + prng.below(300_000) as usize,
                    1..4 => 1 + prng.below(60_000) as usize,
                    _ => 1 + prng.below(500) as usize,
                };
                let bytes = batch(1 + prng.below(3) as usize, size);
                let records = if prng.chance(1, 2) {
                    let start = log.adoption_start();
                    let mut buf = Buf::with_capacity(start + bytes.len());
                    buf.set_len(start);
                    buf.extend_from_slice(&bytes);
                    Records::Adopt { buf, start }
                } else {
                    Records::Copy(&bytes)
                };
                log.append(records, EPOCH, NOW, Origin::Client).unwrap();
                expected.push(bytes);
                if prng.chance(1, 8) && log.is_dirty() {
                    log.flush_step().await.unwrap();
                }
            }
            assert!(read_all(&log, 100_000).await == expected, "seed {seed}: from memory");
            flush(&log).await;
            assert_eq!(log.progress().synced_offset, log.end_offset());
            assert_eq!(budget.unwritten_bytes(), 0);
            assert!(read_all(&log, 1 << 20).await == expected, "seed {seed}: after the flush");
            log.close().await.unwrap();
            let files = std::fs::read_dir(log.dir()).unwrap().map(|entry| entry.unwrap());
            let logs = files.filter(|file| file.path().extension().is_some_and(|e| e == "log"));
            let bytes: u64 = logs.map(|file| file.metadata().unwrap().len()).sum();
            assert_eq!(bytes, log.size_bytes(), "files are cut to their length");
        }
    });
}

#[test]
fn what_memory_no_longer_holds_comes_from_the_files() {
    use ringmain::log::{Budget, Limits, Log};
    on_core(|| async {
        let budget = Budget::new(Limits { cache_bytes: 64 << 10, ..Limits::default() });
        let dir = crate::support::empty_dir("evicted").join("t-0");
        let settings = LogSettings { segment_bytes: 2 << 20, ..LogSettings::default() };
        let log = Log::create(&dir, crate::support::TOPIC, settings, &budget).await.unwrap();
        let mut prng = Prng::new(5);
        let mut expected = Vec::new();
        for _ in 0..600 {
            let size = if prng.chance(1, 9) { 40_000 } else { 700 };
            let bytes = batch(1 + prng.below(5) as usize, 1 + prng.below(size) as usize);
            log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).unwrap();
            expected.push(bytes);
            if prng.chance(1, 3) {
                flush(&log).await;
            }
        }
        flush(&log).await;
        assert!(budget.cached_bytes() <= 512 << 10, "{}", budget.cached_bytes());
        for max_bytes in [1, 5_000, 70_000, 1 << 20] {
            assert!(read_all(&log, max_bytes).await == expected, "{max_bytes} at a time");
        }
        log.close().await.unwrap();
    });
}

#[test]
fn the_time_of_the_youngest_record_is_put_right() {
    on_core(|| async {
        let (log, _) = create("youngest", LogSettings::default()).await;
        for said in [NOW + 5, NOW - 5, -1] {
            let mut bytes = batch(3, 100);
            batch::stamp_max_timestamp(&mut bytes, said);
            let appended = log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).unwrap();
            let read = &read_all(&log, 1).await[appended.base_offset as usize / 3];
            let stored = Batch::first(read).unwrap();
            stored.check_crc().unwrap();
            assert_eq!(stored.header.max_timestamp(), NOW, "said {said}");
        }
    });
}

#[test]
fn records_that_do_not_suit_the_topic_are_named() {
    on_core(|| async {
        let settings = LogSettings {
            compaction: Some(Compaction::default()),
            timestamp_before_max_ms: 10,
            timestamp_after_max_ms: 10,
            ..LogSettings::default()
        };
        let (log, _) = create("misfits", settings).await;
        let refused = |records: &[(i64, Option<&[u8]>)]| {
            let mut builder = BatchBuilder::new(BatchFields::default());
            records.iter().for_each(|&(time, key)| builder.push(time, key, None, &[]));
            let bytes = builder.finish();
            let appended = log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client);
            appended.err().map(|error| (error.to_string(), error.records().to_vec()))
        };
        let key = Some(&b"key"[..]);
        assert_eq!(refused(&[(NOW - 10, key), (NOW + 10, key), (-1, key)]), None);
        let (message, records) = refused(&[(NOW, None), (NOW - 99, key), (NOW, None)]).unwrap();
        assert_eq!(message, "records of a compacted topic need a key");
        assert_eq!(records, [0, 2]);
        let times = [(NOW, key), (NOW + 11, key), (NOW, key), (NOW - 11, key)];
        let (message, records) = refused(&times).unwrap();
        assert!(message.starts_with("a timestamp is too old or too far ahead"), "{message}");
        assert_eq!(records, [1, 3]);
        assert_eq!(log.end_offset(), 3);
    });
}
