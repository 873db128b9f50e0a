//! Segments that are replaced by what was cleaned: every point at which that can be cut short, what
//! Kafka may have left of it, and who holds on to the old ones.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::log::{Compaction, Log, LogSettings, Means, Origin, Records};
use ringmain::model::{LeaderEpoch, Offset};
use ringmain::rt;
use ringmain::rt::file;
use ringmain::rt::sim::{DiskOp, Fault, FaultRule};
use ringmain::wire::batch::Batch;
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::keyed::{batches_of, records_of};
use crate::support::{NOW, World, bytes_of};

const RECORDS: i64 = 60;
const KEYS: i64 = 7;

fn settings() -> LogSettings {
    let compaction = Compaction {
        min_cleanable_dirty_ratio: 0.0,
        min_lag_ms: 0,
        max_lag_ms: i64::MAX,
        delete_retention_ms: 1_000,
    };
    LogSettings {
        segment_bytes: 1_200,
        index_interval_bytes: 100,
        file_delete_delay_ms: 10,
        compaction: Some(compaction),
        ..LogSettings::default()
    }
}

/// Some segments of a few keys, of which all but the last may be cleaned.
async fn filled(world: &World) -> Rc<Log> {
    let log = world.create("t-0", settings()).await;
    for number in 0..RECORDS {
        let mut builder = BatchBuilder::new(BatchFields::default());
        let key = [b'k', (number % KEYS) as u8];
        builder.push(NOW + number, Some(&key), Some(&[number as u8; 90]), &[]);
        let bytes = builder.finish();
        log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client).unwrap();
    }
    log.sync().await.unwrap();
    log.set_high_watermark(RECORDS);
    // The background finishes what was rolled.
    rt::sleep(Duration::from_millis(50)).await;
    note_checkpoint(world, &log).await;
    // Three of them fit into one.
    log.set_settings(LogSettings { segment_bytes: 4_000, ..settings() });
    log
}

async fn note_checkpoint(world: &World, log: &Log) {
    log.prepare_checkpoint().await.unwrap();
    let entry = log.checkpoint().await.unwrap();
    log.note_checkpoint(&entry);
    world.keep(entry);
}

async fn offsets(log: &Log) -> Vec<Offset> {
    let batches = batches_of(log, log.log_start_offset(), log.end_offset(), 1).await;
    let records = batches.iter().flat_map(|bytes| records_of(&Batch::first(bytes).unwrap()));
    records.map(|record| record.offset).collect()
}

/// Offsets of which the last of every key must be among.
fn assert_complete(offsets: &[Offset], name: &str) {
    for last in RECORDS - KEYS..RECORDS {
        assert!(offsets.contains(&last), "{name}: {last} is lost, there are {offsets:?}");
    }
    assert!(offsets.is_sorted(), "{name}");
}

async fn names(suffix: &str) -> Vec<String> {
    let names = file::list_dir(Path::new("/data/t-0")).await.unwrap();
    names.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(suffix)).collect()
}

#[test]
fn cut_short_anywhere_it_is_undone_or_completed() {
    let mut completed = 0;
    for renames in 0.. {
        let cut = Rc::new(std::cell::Cell::new(true));
        let (was_cut, clean) = (cut.clone(), Rc::new(std::cell::Cell::new(0)));
        let left = clean.clone();
        World::new(renames).run(move |world| async move {
            let log = filled(&world).await;
            let rule = FaultRule::new(DiskOp::Rename, Fault::Eio).on("t-0").after(renames);
            world.disk().inject(rule);
            let cleaned = log.clean(&Means::default()).await;
            was_cut.set(cleaned.is_err());
            world.disk().clear_faults();
            let failure = log.failure();
            assert_eq!(failure.is_some(), cleaned.is_err(), "{cleaned:?}, {failure:?}");
            let log = world.crash_and_open("t-0", settings()).await;
            let found = offsets(&log).await;
            assert_complete(&found, &format!("after {renames} renames"));
            left.set(found.len());
            if renames < 3 {
                // Only some of the three files have the name that says they are whole.
                assert_eq!(found.len() as i64, RECORDS, "after {renames} renames: it is undone");
            }
            for suffix in [".cleaned", ".swap", ".deleted"] {
                assert_eq!(names(suffix).await, [""; 0], "after {renames} renames");
            }
            // And it is cleaned in the end.
            log.set_high_watermark(RECORDS);
            note_checkpoint(&world, &log).await;
            let again = log.clean(&Means::default()).await.expect("the disk works again");
            assert!(again.is_some());
            assert!(offsets(&log).await.len() < RECORDS as usize / 2);
            log.close().await.unwrap();
        });
        completed += usize::from(cut.get() && clean.get() < RECORDS as usize);
        if !cut.get() {
            assert!(completed > 3 && renames > 10, "{completed} of {renames} were completed");
            return;
        }
    }
}

#[test]
fn what_kafka_left_of_a_replacement_is_completed() {
    // Kafka's files have no checkpoint of ours beside them.
    let check = |name: &'static str, also: &'static [&'static str]| {
        World::new(1).run(move |world| async move {
            let log = filled(&world).await;
            assert!(log.clean(&Means::default()).await.unwrap().is_some());
            let after = offsets(&log).await;
            log.close().await.unwrap();
            // As it was between the second step and the third: the new files beside others.
            let dir = Path::new("/data/t-0");
            for suffix in ["log", "index", "timeindex"] {
                let path = dir.join(format!("{:020}.{suffix}", 0));
                let swap = path.with_extension(format!("{suffix}.swap"));
                file::rename(&path, &swap).await.unwrap();
            }
            for name in also {
                file::write_whole(&dir.join(name), b"half").await.unwrap();
            }
            world.forget_checkpoint();
            let log = world.open("t-0", settings()).await;
            assert_eq!(offsets(&log).await, after, "{name}");
            log.close().await.unwrap();
            assert_eq!(names(".swap").await, [""; 0], "{name}");
            assert_eq!(names(".cleaned").await, [""; 0], "{name}");
        });
    };
    check("swapped", &[]);
    check("old files beside it", &["00000000000000000007.log", "00000000000000000007.index"]);
    check("another cleaning had begun", &["00000000000000000055.log.cleaned"]);
}

#[test]
fn who_holds_the_old_files_reads_them_to_the_end() {
    World::new(2).run(|world| async move {
        let log = filled(&world).await;
        // Out of memory, so that it comes from the files.
        let log = world.reopen(log).await;
        log.set_high_watermark(RECORDS);
        let held = log.read(0, 500, RECORDS, true).await.unwrap();
        assert!(held.bytes > 0);
        let before = bytes_of(&held).await;
        assert!(log.clean(&Means::default()).await.unwrap().is_some());
        rt::sleep(Duration::from_millis(100)).await;
        assert_eq!(names(".deleted").await, [""; 0]);
        assert_eq!(bytes_of(&held).await, before);
        let again = log.read(0, 500, RECORDS, true).await.unwrap();
        assert!(again.base_offset > 0, "what was superseded is gone");
        assert_complete(&offsets(&log).await, "after it");
        log.close().await.unwrap();
    });
}

#[test]
fn a_full_disk_leaves_the_log_as_it_is_until_there_is_room() {
    World::new(3).run(|world| async move {
        let log = filled(&world).await;
        let rule = FaultRule::new(DiskOp::Write, Fault::Enospc).on(".cleaned").always();
        world.disk().inject(rule);
        let refused = log.clean(&Means::default()).await.expect_err("no room");
        assert!(refused.is_disk_full() && log.failure().is_none(), "{refused}");
        assert_eq!(names(".cleaned").await, [""; 0]);
        assert_eq!(offsets(&log).await.len(), RECORDS as usize);
        world.disk().clear_faults();
        assert!(log.filth().await.unwrap().is_some());
        assert!(log.clean(&Means::default()).await.unwrap().is_some());
        log.close().await.unwrap();
    });
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    World::new(4).run(|world| async move {
        let log = filled(&world).await;
        let first = Path::new("/data/t-0/00000000000000000000.log");
        world.disk().rot(first, 700, 3).unwrap();
        let error = log.clean(&Means::default()).await.expect_err("it is damaged");
        assert!(error.is_corruption() && log.failure().is_none(), "{error}");
        assert_eq!(log.filth().await.unwrap(), None, "it is not tried again");
        assert_eq!(names(".cleaned").await, [""; 0]);
        assert_eq!(offsets_unchecked(&log).await, RECORDS);
        log.close().await.unwrap();
    });
}

/// Records that are served, damaged or not.
async fn offsets_unchecked(log: &Log) -> i64 {
    let plan = log.read(0, 1 << 20, RECORDS, true).await.unwrap();
    let mut seen = plan.next_offset;
    while seen < RECORDS {
        seen = log.read(seen, 1 << 20, RECORDS, true).await.unwrap().next_offset;
    }
    seen
}

/// A segment of which nothing goes stays as it is, in the tail's addresses too; the one behind it, which
/// was cleaned, has none.
#[test]
fn a_log_goes_on_when_what_stands_before_a_cleaned_segment_is_deleted() {
    World::new(5).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        let put = |key: u8| {
            let mut builder = BatchBuilder::new(BatchFields::default());
            builder.push(NOW, Some(&[key]), Some(&[key; 90]), &[]);
            let bytes = builder.finish();
            log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client).unwrap();
        };
        (0..4).for_each(put);
        log.roll(NOW);
        [9; 4].into_iter().for_each(put);
        log.roll(NOW);
        put(9);
        log.sync().await.unwrap();
        log.set_high_watermark(log.end_offset());
        rt::sleep(Duration::from_millis(50)).await;
        note_checkpoint(&world, &log).await;
        assert_eq!(log.clean(&Means::default()).await.unwrap(), Some(8));
        assert_eq!(offsets(&log).await, [0, 1, 2, 3, 7, 8]);
        log.delete_before(4).await.unwrap();
        put(7);
        for _ in 0..20 {
            log.flush_step().await.unwrap();
        }
        assert_eq!(log.progress().synced_offset, log.end_offset(), "nothing is written any more");
        assert_eq!(offsets(&log).await, [7, 8, 9]);
    });
}
