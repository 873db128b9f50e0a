//! What settings ask of a log beside its records: syncs that are forced, room that is taken at once, the
//! pace of the cleaner, how long removed files stay.

use std::path::Path;
use std::time::Duration;

use ringmain::log::{Compaction, Log, LogSettings, Means, Origin, Records};
use ringmain::model::{DurabilityLevel, LeaderEpoch};
use ringmain::rt::{self, file};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::support::{NOW, World, batch, flush};

const EPOCH: LeaderEpoch = LeaderEpoch(0);

fn append(log: &Log, count: usize, size: usize) {
    for _ in 0..count {
        log.append(Records::Copy(&batch(1, size)), EPOCH, NOW, Origin::Client).unwrap();
    }
}

#[test]
fn so_many_messages_force_a_sync() {
    for durability in [DurabilityLevel::Relaxed, DurabilityLevel::Written] {
        World::new(1).run(move |world| async move {
            let settings = LogSettings { durability, flush_messages: 10, ..LogSettings::default() };
            let log = world.create("t-0", settings).await;
            let mut reached = Vec::new();
            for count in [9, 1, 9, 3, 25] {
                append(&log, count, 100);
                flush(&log).await;
                let progress = log.progress();
                assert_eq!(progress.written_offset, log.end_offset());
                reached.push(progress.synced_offset);
            }
            assert_eq!(reached[..2], [0, 10]);
            assert_eq!((reached[2], reached[3] >= 20), (10, true));
            assert!(reached[4] >= 40, "{reached:?}");
            assert!(log.end_offset() - reached[4] < 10);
            log.set_settings(LogSettings { flush_messages: i64::MAX, ..settings });
            append(&log, 50, 100);
            flush(&log).await;
            assert_eq!(log.progress().synced_offset, reached[4], "no longer");
            log.close().await.unwrap();
        });
    }
}

async fn file_len(path: &str) -> u64 {
    let path = Path::new(path);
    let entries = file::list_dir(path.parent().unwrap()).await.unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    entries.iter().find(|entry| entry.name == name).expect("it is there").len
}

#[test]
fn a_segment_gets_its_room_at_once_or_in_steps() {
    const FIRST: &str = "/data/t-0/00000000000000000000.log";
    for preallocate in [false, true] {
        World::new(2).run(move |world| async move {
            let settings =
                LogSettings { segment_bytes: 4 << 20, preallocate, ..LogSettings::default() };
            let log = world.create("t-0", settings).await;
            append(&log, 1, 100);
            flush(&log).await;
            assert_eq!(file_len(FIRST).await, if preallocate { 4 << 20 } else { 64 << 10 });
            log.roll(NOW);
            append(&log, 1, 100);
            flush(&log).await;
            rt::sleep(Duration::from_millis(50)).await;
            assert!(file_len(FIRST).await < 200, "what is finished is exact");
            let second = "/data/t-0/00000000000000000001.log";
            assert_eq!(file_len(second).await, if preallocate { 4 << 20 } else { 64 << 10 });
            let log = world.reopen(log).await;
            assert_eq!(log.end_offset(), 2);
            append(&log, 1, 100);
            flush(&log).await;
            log.close().await.unwrap();
        });
    }
}

#[test]
fn without_room_for_a_whole_segment_it_grows_in_steps() {
    World::new(3).run(|world| async move {
        let settings =
            LogSettings { segment_bytes: 4 << 20, preallocate: true, ..LogSettings::default() };
        let log = world.create("t-0", settings).await;
        world.disk().set_capacity(world.disk().used() + (1 << 20));
        append(&log, 30, 10_000);
        flush(&log).await;
        assert_eq!(log.progress().synced_offset, 30);
        assert!(!log.is_disk_full());
        log.close().await.unwrap();
    });
}

/// A log of many segments in which every key is superseded, and its bytes.
async fn dirty(world: &World) -> (std::rc::Rc<Log>, u64) {
    let settings = LogSettings {
        segment_bytes: 200_000,
        compaction: Some(Compaction { min_cleanable_dirty_ratio: 0.0, ..Compaction::default() }),
        ..LogSettings::default()
    };
    let log = world.create("t-0", settings).await;
    for number in 0..200 {
        let mut builder = BatchBuilder::new(BatchFields::default());
        let key = format!("k{}", number % 10);
        builder.push(NOW, Some(key.as_bytes()), Some(&[number as u8; 5000]), &[]);
        let bytes = builder.finish();
        log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client).unwrap();
    }
    log.roll(NOW);
    log.sync().await.unwrap();
    log.set_high_watermark(log.end_offset());
    rt::sleep(Duration::from_millis(50)).await;
    log.prepare_checkpoint().await.unwrap();
    world.keep(log.checkpoint().await.unwrap());
    log.note_checkpoint(&log.checkpoint_entry());
    let bytes = log.size_bytes();
    (log, bytes)
}

#[test]
fn the_cleaner_reads_and_writes_no_faster_than_it_may() {
    let mut lasted = Vec::new();
    for rate in [f64::MAX, 100_000.0, 1_000_000.0] {
        let told = std::rc::Rc::new(std::cell::Cell::new(Duration::ZERO));
        let tell = told.clone();
        World::new(4).run(move |world| async move {
            let (log, bytes) = dirty(&world).await;
            let means = Means::default();
            means.bytes_per_second.set(rate);
            let began = rt::now();
            assert_eq!(log.clean(&means).await.unwrap(), Some(200));
            assert!(log.size_bytes() < bytes / 10);
            tell.set(rt::now().since(began));
            log.close().await.unwrap();
        });
        lasted.push(told.get());
    }
    // A million bytes are read twice, for the keys and for what stays, and little is written.
    assert!(lasted[0] < Duration::from_millis(200), "{lasted:?}");
    assert!((15..30).contains(&lasted[1].as_secs()), "{lasted:?}");
    assert!((1500..3000).contains(&lasted[2].as_millis()), "{lasted:?}");
}

#[test]
fn a_slow_cleaner_can_be_hurried_and_stopped_meanwhile() {
    World::new(5).run(|world| async move {
        let (log, _) = dirty(&world).await;
        let means = std::rc::Rc::new(Means::default());
        means.bytes_per_second.set(1.0);
        let began = rt::now();
        let cleaning = rt::spawn({
            let (log, means) = (log.clone(), means.clone());
            async move { log.clean(&means).await.unwrap() }
        });
        rt::sleep(Duration::from_secs(60)).await;
        means.is_allowed.set(false);
        assert_eq!(cleaning.await, None);
        assert!(rt::now().since(began) < Duration::from_secs(62));
        means.is_allowed.set(true);
        let cleaning = rt::spawn({
            let (log, means) = (log.clone(), means.clone());
            async move { log.clean(&means).await.unwrap() }
        });
        rt::sleep(Duration::from_secs(60)).await;
        means.bytes_per_second.set(1e9);
        assert_eq!(cleaning.await, Some(200));
        assert!(rt::now().since(began) < Duration::from_secs(124));
        log.close().await.unwrap();
    });
}

async fn deleted(dir: &Path) -> usize {
    let entries = file::list_dir(dir).await.unwrap();
    entries.iter().filter(|entry| entry.name.ends_with(".deleted")).count()
}

#[test]
fn removed_files_stay_for_their_delay_and_a_crash_leaves_none() {
    World::new(6).run(|world| async move {
        let settings = LogSettings {
            segment_bytes: 10_000,
            file_delete_delay_ms: 60_000,
            ..LogSettings::default()
        };
        let log = world.create("t-0", settings).await;
        append(&log, 40, 1500);
        log.sync().await.unwrap();
        rt::sleep(Duration::from_millis(50)).await;
        log.delete_before(20).await.unwrap();
        let removed = deleted(log.dir()).await;
        assert!(removed > 0);
        rt::sleep(Duration::from_millis(59_900)).await;
        assert_eq!(deleted(log.dir()).await, removed, "not before their time");
        rt::sleep(Duration::from_millis(200)).await;
        assert_eq!(deleted(log.dir()).await, 0);
        // The delay that holds is the one at the removal.
        log.set_settings(LogSettings { file_delete_delay_ms: 1000, ..settings });
        log.delete_before(27).await.unwrap();
        assert!(deleted(log.dir()).await > 0);
        rt::sleep(Duration::from_millis(1100)).await;
        assert_eq!(deleted(log.dir()).await, 0);
        log.set_settings(LogSettings { file_delete_delay_ms: 1 << 40, ..settings });
        log.delete_before(34).await.unwrap();
        world.keep(log.checkpoint().await.unwrap());
        assert!(deleted(log.dir()).await > 0);
        let log = world.crash_and_open("t-0", settings).await;
        assert_eq!((deleted(log.dir()).await, log.log_start_offset()), (0, 34));
        log.close().await.unwrap();
    });
}
