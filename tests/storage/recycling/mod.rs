//! Files of deleted segments that are written again: whose they may be, when, and what nobody ever
//! sees of what they held.

mod alike;
mod pages;

use std::path::Path;
use std::time::Duration;

use ringmain::log::{Allowance, Log, LogSettings, Origin, Records, Remedy, repair, verify};
use ringmain::model::{DurabilityLevel, LeaderEpoch, Offset};
use ringmain::rt::{self, file};

use crate::support::{NOW, World, batch, bytes_of, empty_dir, flush, read_all};

fn settings() -> LogSettings {
    LogSettings {
        segment_bytes: 10_000,
        file_delete_delay_ms: 1000,
        segments_recycled_max: 1,
        ..LogSettings::default()
    }
}

/// Six batches fill a segment.
async fn append(log: &Log, count: usize) {
    for _ in 0..count {
        let bytes = batch(1, 1500);
        log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client).unwrap();
        flush(log).await;
    }
    log.set_high_watermark(log.progress().synced_offset);
    rt::sleep(Duration::from_millis(50)).await;
}

async fn logs(log: &Log) -> Vec<(String, u64)> {
    let entries = file::list_dir(log.dir()).await.unwrap().into_iter();
    let logs = entries.filter(|entry| entry.name.contains(".log"));
    logs.map(|entry| (entry.name[16..].to_owned(), entry.len)).collect()
}

async fn deleted(log: &Log) -> usize {
    logs(log).await.iter().filter(|(name, _)| name.ends_with(".deleted")).count()
}

#[test]
fn the_file_of_a_deleted_segment_becomes_that_of_the_next() {
    World::new(1).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        append(&log, 20).await;
        let size = log.size_bytes();
        log.delete_before(18).await.unwrap();
        assert_eq!(deleted(&log).await, 3);
        append(&log, 4).await;
        assert_eq!(log.recycled(), 0, "not before file.delete.delay.ms");
        rt::sleep(Duration::from_millis(2000)).await;
        assert_eq!(deleted(&log).await, 1, "one of them waits");
        assert!(log.size_bytes() < size, "it is not counted");
        append(&log, 2).await;
        assert_eq!((log.recycled(), deleted(&log).await), (1, 0));
        let (name, len) = logs(&log).await.pop().unwrap();
        assert_eq!(name, "0024.log");
        assert!(len > 9_000, "its blocks stay: {len}");
        let batches = read_all(&log, 5_000).await;
        assert_eq!(batches.len(), 8);
        let log = world.reopen(log).await;
        assert_eq!(read_all(&log, 5_000).await, batches);
        let (_, len) = logs(&log).await.pop().unwrap();
        assert!(len < 4_000, "it was cut: {len}");
        log.close().await.unwrap();
    });
}

#[test]
fn what_is_not_asked_for_or_not_worth_it_is_removed() {
    World::new(2).run(|world| async move {
        let log = world.create("t-0", LogSettings { segments_recycled_max: 0, ..settings() }).await;
        append(&log, 20).await;
        log.delete_before(6).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        assert_eq!(deleted(&log).await, 0);
        log.set_settings(settings());
        append(&log, 3).await;
        log.roll(NOW);
        append(&log, 2).await;
        log.roll(NOW);
        append(&log, 1).await;
        log.delete_before(23).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        assert_eq!(deleted(&log).await, 1, "one at most");
        log.set_settings(LogSettings { segments_recycled_max: 0, ..settings() });
        rt::sleep(Duration::from_millis(2000)).await;
        assert_eq!(deleted(&log).await, 0, "no more");
        log.set_settings(settings());
        log.delete_before(25).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        assert_eq!(deleted(&log).await, 0, "a file of two batches is not worth it");
        log.close().await.unwrap();
    });
}

#[test]
fn spares_go_before_anybody_is_refused_and_when_the_log_ends() {
    World::new(3).run(|world| async move {
        let log = world.create("t-0", LogSettings { segments_recycled_max: 2, ..settings() }).await;
        let room = log.budget().room(Path::new("/data"));
        for step in 0..3 {
            append(&log, 19).await;
            log.delete_before(log.end_offset() - 1).await.unwrap();
            rt::sleep(Duration::from_millis(2000)).await;
            assert_eq!(deleted(&log).await, 2);
            match step {
                0 => room.learn(Allowance { is_short: false, bytes: 12_000 }),
                1 => room.was_full(),
                _ => room.learn(Allowance { is_short: true, bytes: 1 << 30 }),
            }
            rt::sleep(Duration::from_millis(50)).await;
            assert_eq!(deleted(&log).await, usize::from(step == 0));
            room.learn(Allowance::UNBOUNDED);
        }
        append(&log, 19).await;
        log.delete_before(log.end_offset() - 1).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        log.close().await.unwrap();
        assert_eq!(deleted(&log).await, 0);
    });
}

#[test]
fn a_file_that_is_still_read_is_not_written_again() {
    World::new(4).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        append(&log, 60).await;
        let held = log.read(2, 4_000, 60, true).await.unwrap();
        assert!(held.pieces.iter().any(|piece| matches!(piece, rt::Piece::File(_))));
        let before = bytes_of(&held).await;
        log.delete_before(12).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        append(&log, 12).await;
        assert_eq!(bytes_of(&held).await, before, "whoever holds a range reads what it held");
        drop(held);
        log.delete_before(18).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        assert_eq!(deleted(&log).await, 1);
        log.close().await.unwrap();
    });
}

#[test]
fn a_kept_file_that_somebody_removes_is_no_loss() {
    World::new(7).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        append(&log, 19).await;
        log.delete_before(18).await.unwrap();
        rt::sleep(Duration::from_millis(2000)).await;
        let kept = log.dir().join("00000000000000000000.log.deleted");
        file::remove_file(&kept).await.unwrap();
        append(&log, 6).await;
        assert_eq!(read_all(&log, 5_000).await.len(), 7);
        log.close().await.unwrap();
    });
}

/// A log whose last segment, of a file that was written before, holds so many batches; and then the
/// process ends.
async fn killed(world: &World, count: usize) -> std::path::PathBuf {
    let log = world.create("t-0", settings()).await;
    append(&log, 19).await;
    log.delete_before(18).await.unwrap();
    rt::sleep(Duration::from_millis(2000)).await;
    append(&log, 5 + count).await;
    assert_eq!(log.recycled(), 1);
    let dir = empty_dir(&format!("recycled-{count}")).join("t-0");
    std::fs::create_dir_all(&dir).unwrap();
    for entry in world.disk().list(log.dir()).unwrap() {
        let bytes = world.disk().read(&log.dir().join(&entry.name)).unwrap();
        std::fs::write(dir.join(&entry.name), bytes).unwrap();
    }
    dir
}

#[test]
fn what_lies_behind_the_end_is_no_damage_and_what_lies_before_it_is() {
    for count in [1, 2, 3, 5] {
        World::new(5).run(move |world| async move {
            let dir = killed(&world, count).await;
            let path = dir.join("00000000000000000024.log");
            let left = |faults: &[ringmain::log::Fault]| {
                faults.iter().filter(|fault| fault.what.contains("from before")).count()
            };
            let faults = verify(&dir).unwrap();
            assert!(faults.iter().all(|fault| !fault.is_damage), "{faults:?}");
            assert_eq!(left(&faults), 1, "{faults:?}");
            let repaired = repair(&dir, Remedy { cut: true, dry_run: false }).unwrap();
            assert_eq!(repaired.damage, []);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[200] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let faults = verify(&dir).unwrap();
            assert!(faults.iter().any(|fault| fault.is_damage && fault.file == path));
            // Of a finished segment nothing is left behind.
            std::fs::write(dir.join("00000000000000000030.log"), []).unwrap();
            std::fs::write(dir.join("00000000000000000030.snapshot"), []).unwrap();
            let faults = verify(&dir).unwrap();
            let is_left = |fault: &&ringmain::log::Fault| fault.what.contains("from before");
            assert!(faults.iter().find(is_left).is_some_and(|fault| fault.is_damage));
        });
    }
}

#[test]
fn a_kill_leaves_nothing_of_what_was_held_before() {
    for count in 0..6 {
        World::new(6).run(move |world| async move {
            let settings = LogSettings { durability: DurabilityLevel::Written, ..settings() };
            let log = world.create("t-0", settings).await;
            append(&log, 19).await;
            log.delete_before(18).await.unwrap();
            rt::sleep(Duration::from_millis(2000)).await;
            append(&log, 5).await;
            log.roll(NOW);
            append(&log, count).await;
            assert_eq!(log.recycled(), 1);
            let log = world.crash_and_open("t-0", settings).await;
            assert_eq!(log.end_offset(), 24 + count as Offset);
            assert_eq!(read_all(&log, 5_000).await.len(), 6 + count);
            append(&log, 20).await;
            assert_eq!(read_all(&log, 5_000).await.len(), 26 + count);
            log.close().await.unwrap();
        });
    }
}
