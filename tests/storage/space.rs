//! A disk that fills up: appends are refused, reads and deletions go on, and when there is room
//! again so does everything else.

use std::rc::Rc;
use std::time::Duration;

use ringmain::log::{AppendError, Log, LogSettings, Origin, Records};
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
            world.disk().set_capacity(700_000 + seed * 1000);
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
