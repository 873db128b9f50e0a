//! A disk that fills up: appends are refused, reads and deletions go on, and when there is room
//! again so does everything else.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::log::{Allowance, AppendError, Log, LogSettings, Origin, Records};
use ringmain::model::LeaderEpoch;
use ringmain::rt;
use ringmain::rt::sim::{DiskOp, Fault, FaultRule};

use crate::seeds::seeds;
use crate::support::{NOW, World, batch, read_all};

fn append(log: &Log, kept: &mut Vec<Vec<u8>>) -> Result<(), AppendError> {
    let bytes = batch(1, 9_000);
    log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client)?;
    kept.push(bytes);
    Ok(())
}

async fn keep_flushing(log: Rc<Log>) {
    loop {
        while log.is_dirty() {
            log.flush_step().await.expect("a full disk is no fault");
        }
        rt::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    for seed in seeds(30) {
        World::new(seed).run(move |world| async move {
            let settings = LogSettings {
                segment_bytes: 100_000,
                file_delete_delay_ms: 0,
                ..LogSettings::default()
            };
            let log = world.create("t-0", settings).await;
            rt::spawn(keep_flushing(log.clone())).detach();
            world.disk().set_capacity(700_000 + seed % 100 * 1000);
            let mut kept = Vec::new();
            let refused = loop {
                match append(&log, &mut kept) {
                    Ok(()) if kept.len() < 500 => rt::sleep(Duration::from_millis(1)).await,
                    Ok(()) => panic!("the disk never filled"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(refused, AppendError::DiskFull), "{refused:?}");
            assert_eq!(read_all(&log, 50_000).await, kept);
            // Nobody waits for room who could do something else meanwhile.
            let refused = log.checkpoint().await.expect_err("there is no room");
            assert!(refused.is_disk_full(), "{refused}");
            assert!(log.failure().is_none(), "{:?}", log.failure());
            // Room is made by deleting.
            log.delete_before(kept.len() as i64 / 2).await.expect("deleting needs no room");
            rt::sleep(Duration::from_secs(2)).await;
            append(&log, &mut kept).expect("there is room again");
            world.disk().set_capacity(64 << 30);
            let progress = log.sync().await.expect("there is room");
            assert_eq!(progress.synced_offset, kept.len() as i64);
            let start = log.log_start_offset() as usize;
            assert_eq!(read_all(&log, 50_000).await, kept[start..]);
            let log = world.reopen(log).await;
            assert_eq!(read_all(&log, 50_000).await, kept[start..]);
            log.close().await.unwrap();
        });
    }
}

#[test]
fn a_log_that_has_no_room_to_end_a_segment_can_be_deleted() {
    for seed in seeds(10) {
        World::new(seed).run(move |world| async move {
            let log = world.create("t-0", LogSettings::default()).await;
            append(&log, &mut Vec::new()).expect("there is room");
            log.sync().await.expect("there is room");
            world.disk().inject(FaultRule::new(DiskOp::Write, Fault::Enospc).on("index").always());
            log.roll(NOW);
            rt::sleep(Duration::from_secs(1)).await;
            assert!(log.is_disk_full());
            let deleted = rt::timeout(Duration::from_secs(2), log.delete()).await;
            deleted.expect("it does not wait for room").expect("deleting needs no room");
            assert!(!log.is_disk_full());
        });
    }
}

#[test]
fn below_the_floor_clients_are_refused_and_nothing_is_taken() {
    World::new(1).run(move |world| async move {
        let log = world.create("t-0", LogSettings::default()).await;
        let room = log.budget().room(Path::new("/data"));
        let mut kept = Vec::new();
        append(&log, &mut kept).expect("nobody looked yet");
        log.sync().await.expect("there is room");
        let used = world.disk().used();
        room.learn(Allowance { is_short: true, bytes: 0 });
        let refused = append(&log, &mut kept).expect_err("below the floor");
        assert!(matches!(refused, AppendError::DiskFull), "{refused:?}");
        assert_eq!((room.refusals(), log.end_offset()), (1, 1));
        assert_eq!(read_all(&log, 50_000).await, kept);
        log.delete_before(1).await.expect("deleting goes on");
        log.checkpoint().await.expect("there is room for what must be written");
        assert!(world.disk().used() <= used + 4096, "no more than a snapshot");
        room.learn(Allowance { is_short: false, bytes: 1 << 20 });
        append(&log, &mut kept).expect("there is room again");
        log.close().await.unwrap();
    });
}

#[test]
fn a_core_takes_no_more_than_it_was_allowed() {
    for seed in seeds(10) {
        World::new(seed).run(move |world| async move {
            let settings = LogSettings { segment_bytes: 300_000, ..LogSettings::default() };
            let log = world.create("t-0", settings).await;
            let flushing = rt::spawn(keep_flushing(log.clone()));
            let room = log.budget().room(Path::new("/data"));
            let (allowed, used) = (400_000 + seed * 10_000, world.disk().used());
            room.learn(Allowance { is_short: false, bytes: allowed });
            assert!(!room.worth_a_look_now(), "nothing was taken");
            let mut kept = Vec::new();
            while append(&log, &mut kept).is_ok() {
                assert!(kept.len() < 200, "it takes what is not there");
                rt::sleep(Duration::from_millis(1)).await;
            }
            // What was accepted is written all the same: a step of 64 KiB, indexes, a snapshot.
            log.sync().await.expect("there is room");
            let taken = world.disk().used() - used;
            assert!(taken < allowed + (256 << 10), "seed {seed}: {taken} of {allowed}");
            assert!(room.worth_a_look_now(), "somebody must look");
            drop(flushing);
        });
    }
}
