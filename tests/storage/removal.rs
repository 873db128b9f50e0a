//! Giving up records: by request, by age, by size; and what must never come back.

use std::path::Path;
use std::time::Duration;

use ringmain::log::{LogSettings, Origin, ReadError, Records};
use ringmain::model::{DurabilityLevel, LeaderEpoch};
use ringmain::rt::sim::{DiskOp, Fault, FaultRule};
use ringmain::rt::{self, file};

use crate::support::{NOW, World, batch, bytes_of, flush, read_all};

const EPOCH: LeaderEpoch = LeaderEpoch(0);

fn settings() -> LogSettings {
    LogSettings { segment_bytes: 10_000, file_delete_delay_ms: 1000, ..LogSettings::default() }
}

async fn log_files(dir: &Path) -> Vec<String> {
    let names = file::list_dir(dir).await.unwrap().into_iter().map(|entry| entry.name);
    names.filter(|name| name.contains(".log")).collect()
}

#[test]
fn records_below_the_start_are_gone_and_their_files_follow() {
    World::new(3).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        for _ in 0..40 {
            log.append(Records::Copy(&batch(1, 1500)), EPOCH, NOW, Origin::Client).unwrap();
        }
        log.sync().await.unwrap();
        rt::sleep(Duration::from_millis(50)).await;
        let held = log.read(2, 1, 40, true).await.unwrap();
        let before = log.size_bytes();
        log.delete_before(22).await.unwrap();
        assert_eq!(log.log_start_offset(), 22);
        log.delete_before(7).await.unwrap();
        assert_eq!(log.log_start_offset(), 22, "it never goes back");
        assert!(matches!(log.read(21, 1, 40, true).await, Err(ReadError::OutOfRange { .. })));
        assert_eq!(log.read(22, 1, 40, true).await.unwrap().base_offset, 22);
        assert!(log.size_bytes() < before / 2 + 10_000);
        let files = log_files(log.dir()).await;
        assert!(files.iter().any(|name| name.ends_with(".deleted")), "{files:?}");
        // Who had a range still reads it.
        assert_eq!(bytes_of(&held).await.len() as u64, held.bytes);
        rt::sleep(Duration::from_millis(2000)).await;
        let files = log_files(log.dir()).await;
        assert!(files.iter().all(|name| name.ends_with(".log")), "{files:?}");
        // The start survives with the checkpoint.
        let log = world.reopen(log).await;
        assert_eq!((log.log_start_offset(), log.end_offset()), (22, 40));
        log.close().await.unwrap();
    });
}

#[test]
fn age_takes_even_the_last_segment_and_offsets_go_on() {
    World::new(4).run(|world| async move {
        let settings =
            LogSettings { retention_ms: 60_000, timestamp_before_max_ms: i64::MAX, ..settings() };
        let log = world.create("t-0", settings).await;
        for _ in 0..10 {
            log.append(Records::Copy(&batch(1, 1500)), EPOCH, NOW, Origin::Client).unwrap();
        }
        flush(&log).await;
        log.retain().await.unwrap();
        assert_eq!(log.log_start_offset(), 0, "nothing goes above the high watermark");
        log.set_high_watermark(10);
        for _ in 0..2 {
            log.retain().await.unwrap();
            flush(&log).await;
            rt::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!((log.log_start_offset(), log.end_offset()), (10, 10));
        // Without any checkpoint the offsets still go on where they were.
        log.close().await.unwrap();
        world.forget_checkpoint();
        let log = world.open("t-0", settings).await;
        let appended = log.append(Records::Copy(&batch(1, 10)), EPOCH, NOW, Origin::Client);
        assert_eq!(appended.unwrap().base_offset, 10);
        log.close().await.unwrap();
    });
}

#[test]
fn a_clock_that_jumps_ahead_deletes_nothing_early() {
    World::new(5).run(|world| async move {
        let day = 24 * 60 * 60 * 1000;
        let settings = LogSettings { retention_ms: day, ..settings() };
        let log = world.create("t-0", settings).await;
        let now_ms = rt::unix_ms();
        let mut builder = ringmain::wire::record::BatchBuilder::new(Default::default());
        builder.push(now_ms, None, Some(b"young"), &[]);
        let bytes = builder.finish();
        log.append(Records::Copy(&bytes), EPOCH, now_ms, Origin::Client).unwrap();
        flush(&log).await;
        log.set_high_watermark(1);
        world.set_clock_offset(2 * day);
        for _ in 0..3 {
            log.retain().await.unwrap();
            rt::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(log.log_start_offset(), 0);
        log.close().await.unwrap();
    });
}

#[test]
fn a_deleted_log_is_offline_and_its_directory_is_gone() {
    World::new(6).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        log.append(Records::Copy(&batch(1, 1500)), EPOCH, NOW, Origin::Client).unwrap();
        flush(&log).await;
        log.delete().await.unwrap();
        assert!(log.append(Records::Copy(&batch(1, 9)), EPOCH, NOW, Origin::Client).is_err());
        assert!(log_files(Path::new("/data")).await.is_empty());
        assert_eq!(file::list_dir(Path::new("/data")).await.unwrap(), []);
    });
}

#[test]
fn a_log_goes_on_when_all_but_its_active_segment_is_gone() {
    for durability in [DurabilityLevel::Written, DurabilityLevel::Synced] {
        World::new(6).run(move |world| async move {
            let log = world.create("t-0", LogSettings { durability, ..settings() }).await;
            let append = |count| {
                for _ in 0..count {
                    log.append(Records::Copy(&batch(1, 1500)), EPOCH, NOW, Origin::Client).unwrap();
                }
            };
            for round in 0..3 {
                append(10);
                flush(&log).await;
                log.roll(NOW);
                rt::sleep(Duration::from_millis(50)).await;
                log.delete_before(log.end_offset()).await.unwrap();
                assert_eq!(log.size_bytes(), 0);
                if round % 2 == 0 {
                    log.sync().await.unwrap();
                }
            }
            append(5);
            let progress = log.sync().await.unwrap();
            assert_eq!(progress.synced_offset, 35);
            let log = world.reopen(log).await;
            assert_eq!((log.log_start_offset(), log.end_offset()), (30, 35));
            log.close().await.unwrap();
        });
    }
}

/// A segment whose files could not all be renamed is of the log no more, and lies there. Were what comes
/// behind it removed as well, the next open would find it in front of a hole.
#[test]
fn a_removal_that_is_cut_short_leaves_no_hole() {
    for (renames, fault) in (0..12).flat_map(|count| [(count, Fault::Eio), (count, Fault::Enospc)])
    {
        World::new(renames).run(move |world| async move {
            let log = world.create("t-0", settings()).await;
            for _ in 0..60 {
                log.append(Records::Copy(&batch(1, 1500)), EPOCH, NOW, Origin::Client).unwrap();
            }
            log.sync().await.unwrap();
            rt::sleep(Duration::from_millis(50)).await;
            let rule = FaultRule::new(DiskOp::Rename, fault).on("t-0").after(renames);
            world.disk().inject(rule);
            let first = log.delete_before(25).await;
            let second = log.delete_before(45).await;
            world.disk().clear_faults();
            match fault {
                Fault::Eio => {
                    assert!(first.is_err() || second.is_err(), "{renames}");
                    assert!(log.failure().is_some(), "{renames}: it goes on with what it has lost");
                }
                _ => assert!(first.is_ok() && second.is_ok(), "{renames}: {first:?}, {second:?}"),
            }
            drop(log);
            // The start is not in a checkpoint yet.
            let log = world.crash_and_open("t-0", settings()).await;
            assert_eq!(log.end_offset(), 60);
            let there = read_all(&log, 10_000).await.len() as i64;
            assert_eq!(there, 60 - log.log_start_offset(), "{renames}");
            log.close().await.unwrap();
        });
    }
}
